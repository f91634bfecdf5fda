//! Imports over HTTP, against bare inserts of the rows that they produce.

use crate::installation::Installation;
use crate::observation::Observation;
use crate::service::Service;
use crate::stage::Stage;
use crate::{Failure, bare};

/// The files in the order of their import.
const FIRMS: [&str; 2] = ["suppliers", "relationships"];
const INCIDENTS: [&str; 1] = ["incidents"];

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let counts = stage.portfolio.counts;
    let firm_rows = f64::from(counts.suppliers + counts.relationships);
    let incident_rows = f64::from(counts.incidents);
    let mut firms = Observation::of("import-suppliers");
    let mut incidents = Observation::of("import-incidents");
    let mut again = Observation::of("import-again");
    for _ in 0..stage.runs {
        let empty = stage.empty()?;
        let installation = empty.copy()?;
        import(stage, &installation, &FIRMS, firm_rows, &mut firms)?;
        let with_firms = installation.copy()?;
        let (target, expected) = (empty.copy()?, &with_firms);
        bare_insert(expected, &target, firm_rows, &mut firms)?;
        drop(target);
        import(stage, &installation, &INCIDENTS, incident_rows, &mut incidents)?;
        bare_insert(&installation, &with_firms, incident_rows, &mut incidents)?;
        let kinds = [&FIRMS[..], &INCIDENTS].concat();
        import(stage, &installation, &kinds, firm_rows + incident_rows, &mut again)?;
        stage.keep_imported(installation);
    }
    Ok(vec![firms, incidents, again])
}

fn import(
    stage: &Stage<'_>,
    installation: &Installation<'_>,
    kinds: &[&'static str],
    rows: f64,
    observation: &mut Observation,
) -> Result<(), Failure> {
    let service = Service::start(installation)?;
    let mut seconds = 0.0;
    for kind in kinds {
        let took = service.import(kind, &stage.portfolio.file(kind))?.as_secs_f64();
        observation.note(format!("{kind}_s"), took);
        seconds += took;
    }
    observation.values.push(rows / seconds);
    observation.peaks_bytes.push(service.stop()?);
    Ok(())
}

/// Rows of the file count, not those that are stored for each.
fn bare_insert(
    from: &Installation<'_>,
    to: &Installation<'_>,
    rows: f64,
    observation: &mut Observation,
) -> Result<(), Failure> {
    let took = bare::insert(from, to)?;
    observation.limits.push(rows / took.seconds);
    observation.note("bare_stored_rows", took.rows as f64);
    observation.note("bare_peak_bytes", took.peak_bytes);
    Ok(())
}
