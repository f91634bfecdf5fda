//! Runs jobs, one after another, on a thread of its own: the embedded database has one writer.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use schema::jobs::{self, JobRow};
use schema::{ConnRole, Database, Instant, JobId, JobKind, JobState, TenantId};
use tracing::{error, info, info_span, warn};

use super::{Interrupted, interrupted_result};
use crate::config::Limits;
use crate::problem::ApiError;
use crate::score_runs::{self, Schedule};
use crate::{exports, imports};

/// How far a job is, told to whoever asks while it runs.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    pub(crate) fn step(&self, count: u64) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// How many there are, where that is known.
    pub(crate) fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0)
    }

    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}

/// How often a job that ends with the process is begun again, before it counts as failed.
const MOST_ATTEMPTS: i32 = 3;
/// How often the queue and the states of the data are looked at, beside when somebody says that there is work.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What jobs need beside the database.
pub(crate) struct Tools {
    pub(crate) limits: Limits,
    /// The model that scores.
    pub(crate) model: scoring::Model,
    /// How long data rests before it is scored again by itself.
    pub(crate) rescore_after: Duration,
}

/// The thread that runs jobs, as others see it.
#[derive(Clone)]
pub(crate) struct Runner(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<JobId, Arc<Progress>>>,
    /// Waiting jobs whose end was asked for, perhaps before the database could be told.
    cancelled: Mutex<HashSet<JobId>>,
    has_work: Mutex<bool>,
    told: Condvar,
    is_stopping: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded here is whole after each statement: a panic elsewhere has spoilt nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            cancelled: Mutex::default(),
            has_work: Mutex::new(true),
            told: Condvar::new(),
            is_stopping: AtomicBool::new(false),
        }))
    }

    /// How far a job is that runs now.
    pub(crate) fn progress(&self, id: JobId) -> Option<Arc<Progress>> {
        locked(&self.0.running).get(&id).cloned()
    }

    /// Ends a job that runs after the rows in hand, and one that waits before it begins.
    pub(crate) fn cancel(&self, id: JobId) {
        locked(&self.0.cancelled).insert(id);
        if let Some(progress) = self.progress(id) {
            progress.cancel();
        }
    }

    /// Says that there is work.
    pub(crate) fn wake(&self) {
        *locked(&self.0.has_work) = true;
        self.0.told.notify_all();
    }

    /// Ends the thread; a job that runs is undone, and begun again when the service is.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
        for progress in locked(&self.0.running).values() {
            progress.cancel();
        }
        self.wake();
    }

    fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    /// Starts the thread. What an ended process has left is put back into the queue.
    pub(crate) fn start(&self, database: Database, tools: Tools) -> Result<JoinHandle<()>, ApiError> {
        database.run(ConnRole::Writer, |conn| {
            jobs::delete_orphan_chunks(conn)?;
            jobs::requeue_interrupted(conn)
        })?;
        let runner = self.clone();
        thread::Builder::new()
            .name("jobs".to_owned())
            .spawn(move || {
                let mut schedule = Schedule::new(tools.rescore_after, tools.model.hash());
                while !runner.is_stopping() {
                    let next = runner.run_next(&database, &tools);
                    match next.and_then(|has_run| Ok(has_run || schedule.ask(&database)?)) {
                        Ok(true) => {}
                        Ok(false) => runner.wait(),
                        Err(error) => {
                            warn!(error = %crate::cli::with_causes(&error), "the queue of jobs could not be read");
                            runner.wait();
                        }
                    }
                }
            })
            .map_err(ApiError::internal)
    }

    fn wait(&self) {
        let guard = locked(&self.0.has_work);
        let (mut guard, _) = self
            .0
            .told
            .wait_timeout_while(guard, LOOK_AGAIN, |has_work| !*has_work)
            .unwrap_or_else(PoisonError::into_inner);
        *guard = false;
    }

    /// Runs the job that has waited longest; false where there is none.
    fn run_next(&self, database: &Database, tools: &Tools) -> Result<bool, schema::RepoError> {
        let Some((tenant, job)) = database.run(ConnRole::Writer, |conn| jobs::claim(conn, Instant::now()))? else {
            return Ok(false);
        };
        let span = info_span!("job", job_id = %job.id);
        let _entered = span.enter();
        let progress = Arc::new(Progress::default());
        locked(&self.0.running).insert(job.id, Arc::clone(&progress));
        // Asked for only now: whoever cancels notes it first and looks for the running job then.
        if job.is_cancel_requested || locked(&self.0.cancelled).contains(&job.id) {
            progress.cancel();
        }
        let outcome = if job.attempt_count > MOST_ATTEMPTS {
            Err(Interrupted::TooOften)
        } else {
            let work = || match job.kind {
                JobKind::Import => imports::run(database, tenant, &job, &tools.limits, &progress),
                JobKind::ScoreRun => score_runs::run(database, tenant, &job, &tools.model, &progress),
                JobKind::Export => exports::run(database, tenant, &job, &progress),
            };
            catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Interrupted::Panicked))
        };
        self.conclude(database, tenant, &job, outcome);
        locked(&self.0.running).remove(&job.id);
        locked(&self.0.cancelled).remove(&job.id);
        // What a job has done is done, whether this succeeds or not.
        if let Err(error) = database.tidy() {
            warn!(error = %crate::cli::with_causes(&error), "the database could not be tidied");
        }
        Ok(true)
    }

    fn conclude(&self, database: &Database, tenant: TenantId, job: &JobRow, outcome: Result<JobState, Interrupted>) {
        let interrupted = match outcome {
            Ok(state) => return info!(state = schema::Choice::key(state), "job ended"),
            Err(interrupted) => interrupted,
        };
        if matches!(interrupted, Interrupted::Cancelled) && self.is_stopping() {
            return info!("job interrupted by the end of the service; it begins again with it");
        }
        let state = match &interrupted {
            Interrupted::Cancelled => JobState::Cancelled,
            _ => JobState::Failed,
        };
        if let Interrupted::Failed(cause) = &interrupted {
            error!(error = %crate::cli::with_causes(&**cause), "job failed");
        }
        let result = interrupted_result(job.kind, &interrupted);
        let ended =
            database.run(ConnRole::Writer, |conn| jobs::finish(conn, tenant, job.id, state, &result, Instant::now()));
        if let Err(error) = ended {
            error!(error = %crate::cli::with_causes(&error), "the end of a job could not be recorded");
        }
    }
}
