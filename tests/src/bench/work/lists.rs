//! Pages of the lists of scores and of suppliers, by each column that they can be sorted by.

use std::time::Instant;

use serde_json::Value;

use crate::Failure;
use crate::observation::{Observation, median};
use crate::service::Service;
use crate::stage::Stage;

/// How many requests there are for each column, after one that does not count.
const REQUESTS: usize = 15;

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut lists = Observation::of("lists");
    let scored = stage.scored()?;
    let document = api::document(api::Lang::En)?;
    let pages = [pages(&document, "/v1/scores")?, pages(&document, "/v1/suppliers")?].concat();
    for _ in 0..stage.runs {
        let service = Service::start(scored)?;
        let mut slowest = 0.0_f64;
        for path in &pages {
            let mut times = Vec::with_capacity(REQUESTS);
            for _ in 0..=REQUESTS {
                let start = Instant::now();
                let answer = service.get(path)?;
                times.push(start.elapsed().as_secs_f64() * 1000.0);
                if answer.status != 200 {
                    return Err(format!("{path}: {}: {}", answer.status, answer.body).into());
                }
            }
            times.remove(0);
            let median = median(&times).ok_or("no times")?;
            lists.note(path.clone(), median);
            slowest = slowest.max(median);
        }
        lists.values.push(slowest);
        lists.peaks_bytes.push(service.stop()?);
    }
    Ok(vec![lists])
}

/// Returns the pages of a list for each column by which the API document lets it be sorted, in rising and in falling
/// order.
fn pages(document: &Value, list: &str) -> Result<Vec<String>, Failure> {
    let parameters = document.pointer(&format!("/paths/{}/get/parameters", list.replace('/', "~1")));
    let parameters = parameters.and_then(Value::as_array).into_iter().flatten();
    let sort = parameters.into_iter().find(|parameter| parameter.get("name") == Some(&"sort".into()));
    let choices = sort.and_then(|sort| sort.pointer("/schema/enum")).and_then(Value::as_array);
    let columns = choices.into_iter().flatten().filter_map(Value::as_str);
    let pages: Vec<String> = columns.map(|column| format!("{list}?sort={column}&limit=1000")).collect();
    if pages.is_empty() { Err(format!("the document names nothing to sort {list} by").into()) } else { Ok(pages) }
}
