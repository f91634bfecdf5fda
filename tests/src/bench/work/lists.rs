//! Pages of the list of scores, by each column that it can be sorted by.

use std::time::Instant;

use serde_json::Value;

use crate::Failure;
use crate::observation::{Observation, median};
use crate::service::Service;
use crate::stage::Stage;

/// Requests for each column, after one that does not count.
const REQUESTS: usize = 15;

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut lists = Observation::of("lists");
    let scored = stage.scored()?;
    let columns = sortable_columns()?;
    for _ in 0..stage.runs {
        let service = Service::start(scored)?;
        let mut slowest = 0.0_f64;
        for column in &columns {
            let path = format!("/v1/scores?sort={column}&limit=1000");
            let mut times = Vec::with_capacity(REQUESTS);
            for _ in 0..=REQUESTS {
                let start = Instant::now();
                let answer = service.get(&path)?;
                times.push(start.elapsed().as_secs_f64() * 1000.0);
                if answer.status != 200 {
                    return Err(format!("{path}: {}: {}", answer.status, answer.body).into());
                }
            }
            times.remove(0);
            let median = median(&times).ok_or("no times")?;
            lists.note(column.clone(), median);
            slowest = slowest.max(median);
        }
        lists.values.push(slowest);
        lists.peaks_bytes.push(service.stop()?);
    }
    Ok(vec![lists])
}

/// Those that the API document names, each in rising and in falling order.
fn sortable_columns() -> Result<Vec<String>, Failure> {
    let document = serde_json::to_value(api::document())?;
    let parameters = document.pointer("/paths/~1v1~1scores/get/parameters").and_then(Value::as_array);
    let sort = parameters.into_iter().flatten().find(|parameter| parameter.get("name") == Some(&"sort".into()));
    let choices = sort.and_then(|sort| sort.pointer("/schema/enum")).and_then(Value::as_array);
    let columns = choices.into_iter().flatten().filter_map(|column| Some(column.as_str()?.to_owned()));
    let columns: Vec<String> = columns.collect();
    if columns.is_empty() { Err("the document names no column to sort scores by".into()) } else { Ok(columns) }
}
