//! What the queue must know about a kind of job.

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

/// A kind of job, with everything that is specific to it.
///
/// A new kind needs one type that implements this trait, and one line in the table that the service gives to the queue.
pub(crate) trait Work: Send + Sync + 'static {
    /// Its name.
    const KIND: JobKind;
    /// The unit of its progress.
    const UNIT: &'static str;
    /// How it is ordered among the other jobs of its buyer.
    const ORDER: Order;
    /// What was requested, as the job stores it.
    type Request: Serialize + DeserializeOwned;

    /// Does the work of a job. Its effects, its result and its end are one transaction.
    fn run(&self, attempt: &Attempt<'_>, request: Self::Request) -> Result<JobState, Interrupted>;

    /// Returns the result of a job that ended before its work did: the stable code of the reason, and its text.
    fn interrupted(code: &str, detail: &Text) -> String {
        failure(code, detail)
    }

    /// Returns the path of what the job has made, once it exists.
    fn result_url(job: &JobRow) -> Option<String>;

    /// Returns a stored request as the API shows it.
    fn show_request(_request: Value) -> Value {
        Value::Null
    }

    /// Returns a stored result as the API shows it, without its path and the reason of a failure, which are shown
    /// separately.
    fn show_result(_id: JobId, _result: Value, _lang: Lang) -> Value {
        Value::Null
    }

    /// Returns the text that says why a job failed.
    fn show_failure(failure: &Value, lang: Lang) -> Value {
        failure.get(lang.pick("detail_ja", "detail_en")).cloned().unwrap_or_default()
    }
}

fn failure(code: &str, detail: &Text) -> String {
    json!({ "failure": { "code": code, "detail_ja": detail.ja, "detail_en": detail.en } }).to_string()
}

/// How jobs of one buyer are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It changes records. It begins when all earlier jobs that change records have ended, and later ones wait for it.
    ChangesRecords,
    /// It needs to see the changes of earlier jobs. It begins when all earlier jobs that change records have ended.
    SeesChanges,
    /// It runs at any time, in parallel with other jobs.
    Any,
}

/// One attempt at a job.
pub(crate) struct Attempt<'a> {
    /// Access to the rows of the buyer, on behalf of the person who asked for the job.
    pub(crate) access: &'a Access,
    pub(crate) job: &'a JobRow,
    pub(crate) progress: &'a Progress,
}

/// What is specific to a kind of job in the API's view.
#[derive(Default)]
pub(crate) struct JobDetails {
    pub(crate) unit: &'static str,
    pub(crate) request: Value,
    pub(crate) result: Value,
    pub(crate) result_url: Option<String>,
    pub(crate) failure: Value,
}

/// [`Work`] of any kind, as a trait object.
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

    /// Returns the kinds whose jobs wait for each other within a buyer.
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

    /// Returns the result of a job that ended before its work did.
    pub(super) fn interrupted(&self, kind: JobKind, interrupted: &Interrupted) -> String {
        let (code, detail) = interrupted.reason();
        self.of(kind).map_or_else(|| failure(code, &detail), |work| work.interrupted(code, &detail))
    }

    /// Returns what is specific to the job's kind in the API's view.
    pub(crate) fn details(&self, job: &JobRow, lang: Lang) -> JobDetails {
        self.of(job.kind).map(|work| work.details(job, lang)).unwrap_or_default()
    }

    /// Whether a kind is registered.
    #[cfg(test)]
    pub(crate) fn has(&self, kind: JobKind) -> bool {
        self.of(kind).is_some()
    }

    fn of(&self, kind: JobKind) -> Option<&dyn AnyWork> {
        self.0.iter().find(|work| work.kind() == kind).map(|work| &**work)
    }
}

/// Returns a new job that waits for its turn.
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
