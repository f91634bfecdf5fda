//! One changed supplier, until its new score is served, on a portfolio of ordinary size.

use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::Failure;
use crate::bare::SERVED;
use crate::observation::{Observation, median};
use crate::portfolio::{Counts, Portfolio};
use crate::service::Service;
use crate::stage::Stage;

const COUNTS: Counts = Counts { suppliers: 10_000, relationships: 30_000, incidents: 100_000 };
/// How many changes there are in each process, after one that does not count and that reads the rows kept between runs.
const CHANGES: usize = 20;
/// The polling interval for the score.
const POLLING_INTERVAL: Duration = Duration::from_millis(2);
/// The time between changes, as a multiple of the time for which the score was awaited. The service pauses for a part
/// of it.
const PAUSE_FACTOR: u32 = 5;
const MIN_PAUSE: Duration = Duration::from_millis(2500);

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut changed = Observation::of("changed-score");
    let folder = stage.site.folder.join("changes");
    fs::create_dir_all(&folder)?;
    let portfolio = Portfolio::write(COUNTS, &folder)?;
    for _ in 0..stage.runs {
        let installation = stage.empty()?.copy()?;
        let service = Service::start_rescoring(&installation)?;
        for kind in ["suppliers", "relationships", "incidents"] {
            service.import(kind, &portfolio.file(kind))?;
        }
        let mut run = scored_after(&service, 0, None)?;
        let mut times = Vec::with_capacity(CHANGES + 1);
        for change in 0..=CHANGES {
            let code = Portfolio::code(u32::try_from(change)?);
            let supplier: Value =
                serde_json::from_str(&service.get(&format!("/v1/suppliers/by-code?code={code}"))?.body)?;
            let id = supplier.get("id").and_then(Value::as_str).ok_or("a supplier without an id")?;
            service.patch(&format!("/v1/suppliers/{id}"), &json!({ "employee_count": 300 + change }))?;
            let start = Instant::now();
            run = scored_after(&service, u32::try_from(change)?, Some(&run))?;
            let took = start.elapsed();
            times.push(took.as_secs_f64() * 1000.0);
            thread::sleep((took * PAUSE_FACTOR).max(MIN_PAUSE));
        }
        times.remove(0);
        times.sort_by(f64::total_cmp);
        changed.values.push(median(&times).ok_or("no times")?);
        changed.note("p90_ms", *times.get(CHANGES * 9 / 10).ok_or("no times")?);
        changed.peaks_bytes.push(service.stop()?);
    }
    Ok(vec![changed])
}

/// Waits until the score of a supplier is that of the present data, and of another run than before. Returns the run.
fn scored_after(service: &Service, supplier: u32, before: Option<&str>) -> Result<String, Failure> {
    let (path, start) = (format!("{SERVED}?code={}", Portfolio::code(supplier)), Instant::now());
    loop {
        let score = service.get(&path)?;
        let body: Value = serde_json::from_str(&score.body)?;
        let run = body.get("score_run_id").and_then(Value::as_str).filter(|run| before != Some(run));
        if let Some(run) = run.filter(|_| body.get("stale") == Some(&Value::Bool(false))) {
            return Ok(run.to_owned());
        }
        if start.elapsed() > Duration::from_secs(60) {
            return Err(format!("no score within a minute: {}", score.body).into());
        }
        thread::sleep(POLLING_INTERVAL);
    }
}
