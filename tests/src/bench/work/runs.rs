//! Score runs, against their reading, the model and bare inserts.

use crate::observation::Observation;
use crate::service::Service;
use crate::stage::Stage;
use crate::{Failure, bare};

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let suppliers = f64::from(stage.portfolio.counts.suppliers);
    let mut run = Observation::of("run");
    let mut bytes = Observation::of("run-bytes");
    for _ in 0..stage.runs {
        let installation = stage.imported()?.copy()?;
        let service = Service::start(&installation)?;
        let before = installation.database_bytes()?;
        run.values.push(service.score()?.as_secs_f64());
        let [read, score, store] = ["read_ms", "score_ms", "store_ms"].map(|field| service.logged_seconds(field));
        let (read, score) = (read?, score?);
        run.note("read_s", read);
        run.note("model_s", score);
        run.note("store_s", store?);
        let first = installation.database_bytes()?;
        run.note("again_s", service.score()?.as_secs_f64());
        let second = installation.database_bytes()?;
        bytes.values.push((second - first) / suppliers);
        // The first run over changed data also stores its input.
        bytes.note("first_run_bytes_per_supplier", (first - before) / suppliers);
        run.peaks_bytes.push(service.stop()?);
        let stored = bare::results(&installation, stage.portfolio.counts.suppliers)?;
        run.note("bare_insert_s", stored.seconds);
        run.limits.push(read + score + stored.seconds);
    }
    Ok(vec![run, bytes])
}
