//! What the queue must know about a kind of job.

use std::sync::Arc;

use schema::jobs::{JobOrder, JobRow};
use schema::{Access, Clock, JobKind, JobState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::outcome::{Interrupted, StoredFailure, StoredResult};
use super::progress::Progress;
use crate::base::problem::ApiError;

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

    /// Returns the result of a job that ended before its work did.
    fn interrupted(failure: StoredFailure) -> String {
        failed(failure)
    }

    /// Returns the path of what the job has made, once it exists.
    fn result_url(job: &JobRow) -> Option<String>;
}

fn failed(failure: StoredFailure) -> String {
    json!(StoredResult { failure: Some(failure) }).to_string()
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

/// [`Work`] of any kind, as a trait object.
trait AnyWork: Send + Sync {
    fn kind(&self) -> JobKind;
    fn order(&self) -> Order;
    fn run(&self, attempt: &Attempt<'_>) -> Result<JobState, Interrupted>;
    fn interrupted(&self, failure: StoredFailure) -> String;
    fn unit(&self) -> &'static str;
    fn result_url(&self, job: &JobRow) -> Option<String>;
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

    fn interrupted(&self, failure: StoredFailure) -> String {
        W::interrupted(failure)
    }

    fn unit(&self) -> &'static str {
        W::UNIT
    }

    fn result_url(&self, job: &JobRow) -> Option<String> {
        W::result_url(job)
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
        let failure = interrupted.failure();
        match self.of(kind) {
            Some(work) => work.interrupted(failure),
            None => failed(failure),
        }
    }

    /// Returns the unit of a kind's progress.
    pub(crate) fn unit(&self, kind: JobKind) -> &'static str {
        self.of(kind).map(AnyWork::unit).unwrap_or_default()
    }

    /// Returns the path of what a job has made, once it exists.
    pub(crate) fn result_url(&self, job: &JobRow) -> Option<String> {
        self.of(job.kind)?.result_url(job)
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
