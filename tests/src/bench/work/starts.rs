//! Starts of the service on a portfolio that is stored.

use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::observation::Observation;
use crate::service::Service;
use crate::stage::Stage;

/// The work that a start leaves behind is done after this time.
const IDLE: Duration = Duration::from_secs(2);

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut start = Observation::of("start");
    let mut memory = Observation::of("idle-memory");
    let scored = stage.scored()?;
    for _ in 0..stage.runs {
        let service = Service::start(scored)?;
        start.values.push(service.ready_after.as_secs_f64());
        thread::sleep(IDLE);
        memory.values.push(service.memory_bytes("VmRSS")? / 1e6);
        let peak = service.stop()?;
        start.peaks_bytes.push(peak);
        memory.peaks_bytes.push(peak);
    }
    Ok(vec![start, memory])
}
