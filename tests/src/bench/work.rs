//! The measurements.

mod changes;
mod exports;
pub(crate) mod files;
mod frames;
mod imports;
mod lists;
mod lookups;
mod runs;
mod starts;

use crate::Failure;
use crate::goals::Work;
use crate::observation::Observation;
use crate::stage::Stage;

impl Work {
    /// Measures on one database.
    pub(crate) fn measure(self, stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
        match self {
            // Files are measured without a database.
            Self::Files => Ok(Vec::new()),
            Self::Imports => imports::measure(stage),
            Self::Frames => frames::measure(stage),
            Self::Runs => runs::measure(stage),
            Self::Changes => changes::measure(stage),
            // On a server, the connection dominates the cost. The goal is that of the embedded database.
            Self::Lookups if stage.site.cluster.is_some() => Ok(Vec::new()),
            Self::Lookups => lookups::measure(stage),
            Self::Lists => lists::measure(stage),
            Self::Exports => exports::measure(stage),
            Self::Starts => starts::measure(stage),
        }
    }
}
