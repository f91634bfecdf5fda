//! One attempt at a job, from its beginning to the record of its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use schema::jobs::{self, JobRow};
use schema::{Access, Choice, Context, Database, JobState, RepoError, Tx};
use tracing::{error, info, info_span, warn};

use super::outcome::{self, Interrupted, MOST_STALLED};
use super::runner::{POLLING_INTERVAL, Runner, Taken};
use super::work::Attempt;
use crate::base::telemetry::{Traced, metrics};
use crate::base::text::with_causes;

/// The time-out for getting a writer to clean up after a job.
const TIDY_TIMEOUT: Duration = Duration::from_secs(1);

/// A job that ended here, as the log shows it, without any data of its buyer.
struct Ended<'a> {
    kind: &'static str,
    attempt: i32,
    process: &'a str,
    duration: Duration,
}

impl Ended<'_> {
    fn log(&self, state: JobState) {
        let Self { kind, attempt, process, duration } = *self;
        info!(state = state.key(), kind, attempt, process, duration_ms = duration.as_millis(), "job ended");
    }
}

impl Runner {
    /// Runs a job that was taken from the queue, and records its outcome.
    pub(super) fn attempt(&self, database: &Database, taken: Taken) {
        let (tenant, job) = (taken.claimed.tenant, &taken.claimed.job);
        let traced = Traced::job(job.traceparent.as_deref());
        let span = info_span!("job", job_id = %job.id, trace_id = %traced.trace_id());
        let _entered = span.enter();
        let (kind, attempt, process) = (job.kind.key(), job.attempt_count, database.process());
        if let Some(from) = &taken.claimed.taken_from {
            let from = from.as_deref().unwrap_or("unknown");
            warn!(kind, attempt, process, from, "job taken over: its process did not renew its lease");
            metrics::job_taken_over(job.kind);
        }
        info!(kind, attempt, process, "job began");
        let began = Instant::now();
        let access = database.access(tenant, &Context::new(&job.created_by, kind).within(&job.id.to_string()));
        let outcome = if job.stalled_count > MOST_STALLED {
            Err(Interrupted::GivenUp)
        } else {
            let attempt = Attempt { access: &access, job, progress: &taken.progress };
            let work = || self.works().run(&attempt);
            catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Interrupted::Panicked))
        };
        self.end_lease(job.id);
        let became = outcome::label(&outcome, self.is_stopping());
        let ended = Ended { kind, attempt, process, duration: began.elapsed() };
        if matches!(outcome, Err(Interrupted::Unavailable(_))) {
            // Waits, because what was just unavailable is likely to be so still.
            self.rest(POLLING_INTERVAL);
        }
        self.conclude(&access, job, outcome, &ended);
        metrics::job_ended(job.kind, became, began.elapsed());
        traced.ended(&job.id.to_string(), kind, attempt, became);
        self.forget(job.id);
        // The job's work is committed, whether this succeeds or not.
        match database.with_patience(TIDY_TIMEOUT).tidy() {
            // Another job writes to the embedded database, and cleans up when it ends.
            Err(RepoError::Busy(_)) if !database.is_shared() => {}
            Err(error) => warn!(error = %with_causes(&error), "the database could not be tidied"),
            Ok(()) => {}
        }
    }

    /// Records the outcome of a job. It retries while the disk or the database takes no writes; otherwise the job would
    /// be shown as running until the next start.
    fn record(&self, write: impl Fn() -> Result<(), RepoError>) -> Result<(), RepoError> {
        loop {
            match write() {
                Err(error) if (error.is_of_disk() || matches!(error, RepoError::Busy(_))) && !self.is_stopping() => {
                    warn!(error = %with_causes(&error), "what became of a job cannot be recorded yet");
                    self.rest(POLLING_INTERVAL);
                }
                done => return done,
            }
        }
    }

    fn conclude(&self, access: &Access, job: &JobRow, outcome: Result<JobState, Interrupted>, ended: &Ended<'_>) {
        let interrupted = match outcome {
            Ok(state) => return ended.log(state),
            Err(interrupted) => interrupted,
        };
        let begins_again = match &interrupted {
            Interrupted::TakenOver => return warn!("another process has taken the job over"),
            Interrupted::Unavailable(cause) => {
                warn!(error = %with_causes(&**cause), "the database was busy or away; the job begins again");
                true
            }
            Interrupted::Cancelled => self.is_stopping(),
            _ => false,
        };
        if begins_again {
            let released = self.record(|| access.write_jobs(|tx| jobs::release(tx, job)));
            return match released {
                // If the process is to end, the job may have been handed over already.
                Err(RepoError::TakenOver) if !self.is_stopping() => warn!("another process has taken the job over"),
                // If the release failed, the job was handed over already, its lease ends by itself, or the next start
                // returns it to the queue.
                released => info!(is_released = released.is_ok(), "job interrupted; it begins again"),
            };
        }
        let state = match &interrupted {
            Interrupted::Cancelled => JobState::Cancelled,
            _ => JobState::Failed,
        };
        if let Interrupted::Failed(cause) = &interrupted {
            error!(error = %with_causes(&**cause), "job failed");
        }
        if matches!(interrupted, Interrupted::GivenUp) {
            error!(attempt_count = job.attempt_count, "job given up: its process ended in it again and again");
        }
        let result = self.works().interrupted(job.kind, &interrupted);
        let end = |tx: &mut Tx| jobs::finish(tx, job, state, &result);
        match self.record(|| access.write_jobs(end)) {
            Ok(()) => ended.log(state),
            Err(RepoError::TakenOver) => warn!("another process has taken the job over"),
            Err(error) => {
                error!(error = %with_causes(&error), "the end of a job could not be recorded");
            }
        }
    }
}
