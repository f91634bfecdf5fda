//! Workbooks of scores, against a bare write of the same cells.

use std::io;

use crate::observation::Observation;
use crate::service::Service;
use crate::stage::Stage;
use crate::{Failure, bare};

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut workbook = Observation::of("workbook");
    let mut peak = Observation::of("workbook-peak");
    for _ in 0..stage.runs {
        let installation = stage.scored()?.copy()?;
        let service = Service::start(&installation)?;
        let idle = service.memory_bytes("VmRSS")?;
        let exported = service.export("/v1/exports/scores.xlsx")?;
        workbook.values.push(exported.took.as_secs_f64());
        let mut file = tempfile::NamedTempFile::new()?;
        let bytes = io::copy(&mut service.open(&exported.result_url)?, &mut file)?;
        workbook.note("file_bytes", bytes as f64);
        let most = service.stop()?;
        workbook.peaks_bytes.push(most);
        peak.values.push((most - idle) / 1e6);
        let bare = bare::workbook(file.path())?;
        workbook.limits.push(bare.seconds);
        workbook.note("cells", bare.rows as f64);
    }
    Ok(vec![workbook, peak])
}
