//! What the queue has to know of a kind of job.

use std::sync::Arc;

use schema::jobs::{JobOrder, JobRow};
use schema::{Access, Clock, JobId, JobKind, JobState};
use scoring::Lang;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::outcome::Interrupted;
use super::progress::Progress;
use crate::base::problem::ApiError;
use crate::base::text::Text;

/// A kind of job: everything that is particular to it.
///
/// A new kind is one type that implements this, and one line in the table that the service hands to the queue.
pub(crate) trait Work: Send + Sync + 'static {
    /// Its name.
    const KIND: JobKind;
    /// What its progress counts.
    const UNIT: &'static str;
    /// How it and the other jobs of its buyer follow each other.
    const ORDER: Order;
    /// What is asked for, as the job keeps it.
    type Request: Serialize + DeserializeOwned;

    /// Does the work of a job. Its effects, its result and its end are one transaction.
    fn run(&self, attempt: &Attempt<'_>, request: Self::Request) -> Result<JobState, Interrupted>;

    /// The result of a job that ended before its work did: the stable code of the reason, and its text.
    fn interrupted(code: &str, detail: &Text) -> String {
        failure(code, detail)
    }

    /// The path of what a job has made, once that is there.
    fn result_url(job: &JobRow) -> Option<String>;

    /// A stored request as the API shows it.
    fn show_request(_request: Value) -> Value {
        Value::Null
    }

    /// A stored result as the API shows it, beside where it is and why the job failed.
    fn show_result(_id: JobId, _result: Value, _lang: Lang) -> Value {
        Value::Null
    }

    /// The text of why a job failed.
    fn show_failure(failure: &Value, lang: Lang) -> Value {
        failure.get(lang.pick("detail_ja", "detail_en")).cloned().unwrap_or_default()
    }
}

fn failure(code: &str, detail: &Text) -> String {
    json!({ "failure": { "code": code, "detail_ja": detail.ja, "detail_en": detail.en } }).to_string()
}

/// How jobs of one buyer follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It changes records: it begins when those before it that do so have ended, and later ones wait for it.
    ChangesRecords,
    /// It has to see what the jobs before it have changed: it begins when those have ended.
    SeesChanges,
    /// It runs beside any other.
    Any,
}

/// One attempt at a job.
pub(crate) struct Attempt<'a> {
    /// The rows of the buyer, for whoever asked for the job.
    pub(crate) access: &'a Access,
    pub(crate) job: &'a JobRow,
    pub(crate) progress: &'a Progress,
}

/// What is particular to a job in the API's view.
#[derive(Default)]
pub(crate) struct JobDetails {
    pub(crate) unit: &'static str,
    pub(crate) request: Value,
    pub(crate) result: Value,
    pub(crate) result_url: Option<String>,
    pub(crate) failure: Value,
}

/// [`Work`] of any kind.
trait AnyWork: Send + Sync {
    fn kind(&self) -> JobKind;
    fn order(&self) -> Order;
    fn run(&self, attempt: &Attempt<'_>) -> Result<JobState, Interrupted>;
    fn interrupted(&self, code: &str, detail: &Text) -> String;
    fn details(&self, job: &JobRow, lang: Lang) -> JobDetails;
}

impl<W: Work> AnyWork for W {
    fn kind(&self) -> JobKind {
        W::KIND
    }

    fn order(&self) -> Order {
        W::ORDER
    }

    fn run(&self, attempt: &Attempt<'_>) -> Result<JobState, Interrupted> {
        let request = serde_json::from_str(&attempt.job.request).map_err(|error| Interrupted::Failed(error.into()))?;
        Work::run(self, attempt, request)
    }

    fn interrupted(&self, code: &str, detail: &Text) -> String {
        W::interrupted(code, detail)
    }

    fn details(&self, job: &JobRow, lang: Lang) -> JobDetails {
        let stored = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
        let result: Option<Value> = job.result.as_deref().map(stored);
        let failure = result.as_ref().and_then(|result| result.get("failure")).filter(|failure| failure.is_object());
        JobDetails {
            unit: W::UNIT,
            request: W::show_request(stored(&job.request)),
            failure: failure.map_or(
                Value::Null,
                |failure| json!({ "code": failure.get("code"), "detail": W::show_failure(failure, lang) }),
            ),
            result: result.map_or(Value::Null, |result| W::show_result(job.id, result, lang)),
            result_url: W::result_url(job),
        }
    }
}

/// The kinds of jobs that a service runs.
#[derive(Clone, Default)]
pub(crate) struct Works(Vec<Arc<dyn AnyWork>>);

impl Works {
    /// Adds a kind.
    pub(crate) fn with(mut self, work: impl Work) -> Self {
        self.0.push(Arc::new(work));
        self
    }

    /// The kinds whose jobs follow each other within a buyer.
    pub(super) fn order(&self) -> JobOrder {
        let of = |orders: &[Order]| {
            self.0.iter().filter(|work| orders.contains(&work.order())).map(|work| work.kind()).collect()
        };
        JobOrder { changing: of(&[Order::ChangesRecords]), following: of(&[Order::ChangesRecords, Order::SeesChanges]) }
    }

    pub(super) fn run(&self, attempt: &Attempt<'_>) -> Result<JobState, Interrupted> {
        let kind = attempt.job.kind;
        let work = self.of(kind).ok_or_else(|| Interrupted::Failed(format!("nothing does {kind:?} jobs").into()))?;
        work.run(attempt)
    }

    /// The result of a job that ended before its work did.
    pub(super) fn interrupted(&self, kind: JobKind, interrupted: &Interrupted) -> String {
        let (code, detail) = interrupted.reason();
        self.of(kind).map_or_else(|| failure(code, &detail), |work| work.interrupted(code, &detail))
    }

    /// What is particular to a job in the API's view.
    pub(crate) fn details(&self, job: &JobRow, lang: Lang) -> JobDetails {
        self.of(job.kind).map(|work| work.details(job, lang)).unwrap_or_default()
    }

    /// Whether a kind is there.
    #[cfg(test)]
    pub(crate) fn has(&self, kind: JobKind) -> bool {
        self.of(kind).is_some()
    }

    fn of(&self, kind: JobKind) -> Option<&dyn AnyWork> {
        self.0.iter().find(|work| work.kind() == kind).map(|work| &**work)
    }
}

/// A new job that waits for its turn.
pub(crate) fn queued<W: Work>(clock: &Clock, request: &W::Request, by: &str) -> Result<JobRow, ApiError> {
    Ok(JobRow {
        id: clock.id(),
        kind: W::KIND,
        state: JobState::Queued,
        request: serde_json::to_string(request).map_err(ApiError::internal)?,
        result: None,
        created_at: clock.now(),
        created_by: by.to_owned(),
        started_at: None,
        finished_at: None,
        attempt_count: 0,
        is_cancel_requested: false,
        progress_done: None,
        progress_total: None,
        stalled_count: 0,
        last_done: None,
        traceparent: crate::base::telemetry::traceparent(),
    })
}
