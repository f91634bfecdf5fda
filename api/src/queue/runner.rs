//! Runs jobs, one after another, on a thread of its own: the embedded database has one writer. Of several processes that
//! share a server each takes the next job that waits.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Clock};
use std::{fs, io};

use chrono::TimeDelta;
use schema::jobs::{self, Claimed, JobRow};
use schema::{Access, Context, Database, JobId, JobKind, JobState, OperatorTx, RepoError, TenantId, Tx, tenants};
use serde::{Deserialize, Serialize};
use tracing::{error, info, info_span, warn};

use super::outcome::{self, MOST_STALLED};
use super::outcome::{Interrupted, interrupted_result};
use crate::base::actors::{SERVICE, operator};
use crate::base::config::Limits;
use crate::base::machine::PROGRESS_FILE;
use crate::base::telemetry::{Traced, metrics};
use crate::resources::score_runs::{self, Schedule};
use crate::resources::{exports, imports};

/// Why jobs cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// What an ended process has left could not be looked at.
    #[error(transparent)]
    Database(#[from] RepoError),
    /// There is no thread for them.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

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

/// How often a process that shares a server says how far its job is: several times before the lease of a job ends.
const RENEW: Duration = Duration::from_secs(2);
/// How often the one process of an embedded database notes how far its job is, for itself after a restart.
const NOTE: Duration = Duration::from_millis(100);
/// Parts of uploads that are older than this and belong to no job are of a process that has ended.
const LONGEST_UPLOAD: TimeDelta = TimeDelta::days(1);
/// How long a job waits for another writer of its buyer.
const PATIENCE: Duration = Duration::from_secs(1800);
/// How often the queue and the states of the data are looked at, beside when somebody says that there is work.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The operation of what the queue does for its own purposes.
const QUEUE: &str = "queue";

/// What jobs need beside the database.
pub(crate) struct Tools {
    pub(crate) limits: Limits,
    /// The model that scores.
    pub(crate) model: scoring::Model,
    /// How long data rests before it is scored again by itself.
    pub(crate) rescore_after: Duration,
    /// The data folder.
    pub(crate) folder: PathBuf,
}

/// A job that ended here, as the log tells of it: nothing of its buyer.
struct Ended<'a> {
    kind: &'static str,
    attempt: i32,
    process: &'a str,
    duration: Duration,
}

impl Ended<'_> {
    fn log(&self, state: JobState) {
        let Self { kind, attempt, process, duration } = *self;
        info!(
            state = schema::Choice::key(state),
            kind,
            attempt,
            process,
            duration_ms = duration.as_millis(),
            "job ended"
        );
    }
}

/// How far a job was when the process last noted it.
#[derive(PartialEq, Serialize, Deserialize)]
struct NotedProgress {
    tenant_id: String,
    job_id: String,
    done: i64,
}

impl NotedProgress {
    fn of((tenant, job, progress): (TenantId, JobRow, Arc<Progress>)) -> Self {
        let done = i64::try_from(progress.done()).unwrap_or(i64::MAX);
        Self { tenant_id: tenant.to_string(), job_id: job.id.to_string(), done }
    }
}

/// The thread that runs jobs, as others see it.
#[derive(Clone)]
pub(crate) struct Runner(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<JobId, Running>>,
    /// Waiting jobs whose end was asked for, perhaps before the database could be told.
    cancelled: Mutex<HashSet<JobId>>,
    has_work: Mutex<bool>,
    told: Condvar,
    is_stopping: AtomicBool,
    /// Whether other processes may run jobs of the same database.
    is_shared: bool,
}

/// A job that runs in this process.
struct Running {
    tenant: TenantId,
    job: JobRow,
    progress: Arc<Progress>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded here is whole after each statement: a panic elsewhere has spoilt nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            cancelled: Mutex::default(),
            has_work: Mutex::new(true),
            told: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            is_shared,
        }))
    }

    /// How far a job is that runs now.
    pub(crate) fn progress(&self, id: JobId) -> Option<Arc<Progress>> {
        locked(&self.0.running).get(&id).map(|running| Arc::clone(&running.progress))
    }

    /// Ends a job that runs after the rows in hand, and one that waits before it begins.
    pub(crate) fn cancel(&self, id: JobId) {
        // A database that is shared is told at once, and whichever process has the job hears of it from there.
        if !self.0.is_shared {
            locked(&self.0.cancelled).insert(id);
        }
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
        for running in locked(&self.0.running).values() {
            running.progress.cancel();
        }
        self.wake();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    /// Starts the thread. What an ended process has left is put back into the queue.
    pub(crate) fn start(&self, database: &Database, tools: Tools) -> Result<Vec<JoinHandle<()>>, StartError> {
        let database = database.with_patience(PATIENCE).without_replica();
        let progress_file = tools.folder.join(PROGRESS_FILE);
        match self.clean_up(&database, &progress_file) {
            // What there is can be read all the same.
            Err(error) if error.is_of_disk() => {
                warn!(error = %crate::base::text::with_causes(&error), "what an ended process has left stays for now");
            }
            done => done?,
        }
        let mut threads = Vec::new();
        let (runner, shared) = (self.clone(), database.clone());
        threads.push(spawn("leases", move || match runner.0.is_shared {
            true => runner.keep_leases(&shared),
            false => runner.note_progress(&progress_file),
        })?);
        let runner = self.clone();
        threads.push(spawn("jobs", move || {
            let mut schedule = Schedule::new(tools.rescore_after, tools.model.hash());
            while !runner.is_stopping() {
                let next = runner.run_next(&database, &tools);
                match next.and_then(|has_run| Ok(has_run || schedule.ask(&database)?)) {
                    Ok(true) => {}
                    Ok(false) => runner.wait(),
                    Err(error) => {
                        warn!(error = %crate::base::text::with_causes(&error), "the queue of jobs could not be read");
                        runner.wait();
                    }
                }
            }
        })?);
        Ok(threads)
    }

    fn clean_up(&self, database: &Database, progress_file: &Path) -> Result<(), RepoError> {
        let operator = operator(database, QUEUE);
        let mut before = database.clock().now();
        if self.0.is_shared {
            before = before.after(-LONGEST_UPLOAD);
        } else {
            operator.write_jobs(jobs::requeue_interrupted)?;
            // Without the file, or with a torn one, the attempt counts as one that got nowhere.
            let noted = fs::read(progress_file).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let noted: Vec<NotedProgress> = noted.unwrap_or_default();
            for NotedProgress { tenant_id, job_id, done } in noted {
                if let (Ok(tenant), Ok(job)) = (tenant_id.parse::<TenantId>(), job_id.parse()) {
                    buyer(database, tenant).write_jobs(|tx| jobs::note_progress(tx, job, done))?;
                }
            }
            drop(fs::remove_file(progress_file));
        }
        for tenant in operator.read(tenants::list)? {
            let delete = |tx: &mut Tx| jobs::delete_orphan_chunks(tx, before);
            buyer(database, tenant.id).write_jobs(delete)?;
        }
        Ok(())
    }

    /// The jobs that run here, with how far each is.
    fn running(&self) -> Vec<(TenantId, JobRow, Arc<Progress>)> {
        let running = locked(&self.0.running);
        running.values().map(|known| (known.tenant, known.job.clone(), Arc::clone(&known.progress))).collect()
    }

    /// Notes how far the running job is in a file, for when the process ends in its midst.
    fn note_progress(&self, file: &Path) {
        let mut noted = Vec::new();
        while !self.is_stopping() {
            let now: Vec<_> = self.running().into_iter().map(NotedProgress::of).collect();
            // A file that a kill has torn counts as none.
            if now != noted && serde_json::to_vec(&now).is_ok_and(|text| fs::write(file, text).is_ok()) {
                noted = now;
            }
            self.rest(NOTE);
        }
    }

    /// Says how far the running job is, so that no other process takes it, and hears whether its end was asked for. When
    /// the process is told to end it hands the job over at once.
    fn keep_leases(&self, database: &Database) {
        while !self.is_stopping() {
            for (tenant, job, progress) in self.running() {
                let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
                let so_far = (count(progress.done()), progress.total().map(count));
                match buyer(database, tenant).write_jobs(|tx| jobs::renew(tx, &job, so_far)) {
                    Ok(false) => {}
                    // It has ended meanwhile, or another process has begun it anew: what this one does would be undone.
                    Ok(true) | Err(RepoError::TakenOver) => progress.cancel(),
                    Err(error) => {
                        warn!(error = %crate::base::text::with_causes(&error), job_id = %job.id, "a lease could not be renewed");
                    }
                }
            }
            self.rest(RENEW);
        }
        for (tenant, job, _) in self.running() {
            // Where this fails the job's own thread does it, or the lease ends.
            let released = buyer(database, tenant).write_jobs(|tx| jobs::release(tx, &job));
            info!(job_id = %job.id, is_released = released.is_ok(), "the process ends; another may take its job");
        }
    }

    /// Waits for so long, or until the process is told to end.
    pub(crate) fn rest(&self, time: Duration) {
        let guard = locked(&self.0.has_work);
        drop(self.0.told.wait_timeout_while(guard, time, |_| !self.is_stopping()));
    }

    fn wait(&self) {
        let guard = locked(&self.0.has_work);
        let waited = self.0.told.wait_timeout_while(guard, LOOK_AGAIN, |has_work| !*has_work);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Runs the job that has waited longest; false if there is none, or if the database failed it for now.
    fn run_next(&self, database: &Database, tools: &Tools) -> Result<bool, RepoError> {
        let process = database.process();
        let claim = |tx: &mut OperatorTx| {
            let hung = jobs::end_hung_processes(tx, process)?;
            Ok::<_, RepoError>((hung, jobs::claim(tx, process)?))
        };
        let (hung, claimed) = operator(database, QUEUE).write_jobs(claim)?;
        for hung in hung.iter().filter(|hung| hung.ended_sessions > 0) {
            let (from, ended_sessions) = (&hung.process, hung.ended_sessions);
            warn!(process, from, ended_sessions, "a process hangs; what it held on the server was ended");
        }
        let Some(Claimed { tenant, job, taken_from }) = claimed else { return Ok(false) };
        let traced = Traced::job(job.traceparent.as_deref());
        let span = info_span!("job", job_id = %job.id, trace_id = %traced.trace_id());
        let _entered = span.enter();
        let (kind, attempt) = (schema::Choice::key(job.kind), job.attempt_count);
        if let Some(from) = taken_from {
            let from = from.as_deref().unwrap_or("unknown");
            warn!(kind, attempt, process, from, "job taken over: its process did not renew its lease");
            metrics::job_taken_over(job.kind);
        }
        info!(kind, attempt, process, "job began");
        let access = database.access(tenant, &Context::new(&job.created_by, kind).within(job.id.as_str()));
        let began = Clock::now();
        let progress = Arc::new(Progress::default());
        let running = Running { tenant, job: job.clone(), progress: Arc::clone(&progress) };
        locked(&self.0.running).insert(job.id, running);
        // Asked for only now: whoever cancels notes it first and looks for the running job then.
        if job.is_cancel_requested || locked(&self.0.cancelled).contains(&job.id) {
            progress.cancel();
        }
        let outcome = if job.stalled_count > MOST_STALLED {
            Err(Interrupted::GivenUp)
        } else {
            let work = || match job.kind {
                JobKind::Import => imports::run(&access, &job, &tools.limits, &progress),
                JobKind::ScoreRun => score_runs::run(&access, &job, &tools.model, &progress),
                JobKind::Export => exports::run(&access, &job, &progress),
            };
            catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Interrupted::Panicked))
        };
        // The lease is no longer renewed: if the end cannot be recorded, another process soon takes the job.
        locked(&self.0.running).remove(&job.id);
        // What was unavailable a moment ago is so still: whoever has to try again waits first.
        let may_go_on = !matches!(outcome, Err(Interrupted::Unavailable(_)));
        let became = outcome::label(&outcome, self.is_stopping());
        let ended = Ended { kind, attempt, process, duration: began.elapsed() };
        self.conclude(&access, &job, outcome, &ended);
        metrics::job_ended(job.kind, became, began.elapsed());
        traced.ended(job.id.as_str(), kind, attempt, became);
        locked(&self.0.cancelled).remove(&job.id);
        // What a job has done is done, whether this succeeds or not.
        if let Err(error) = database.tidy() {
            warn!(error = %crate::base::text::with_causes(&error), "the database could not be tidied");
        }
        Ok(may_go_on)
    }

    /// Records what became of a job, again and again while the disk or the database takes no writes: it would be shown as
    /// running until the next start otherwise.
    fn record(&self, write: impl Fn() -> Result<(), RepoError>) -> Result<(), RepoError> {
        loop {
            match write() {
                Err(error) if (error.is_of_disk() || matches!(error, RepoError::Busy(_))) && !self.is_stopping() => {
                    warn!(error = %crate::base::text::with_causes(&error), "what became of a job cannot be recorded yet");
                    self.rest(LOOK_AGAIN);
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
                warn!(error = %crate::base::text::with_causes(&**cause), "the database was busy or away; the job begins again");
                true
            }
            Interrupted::Cancelled => self.is_stopping(),
            _ => false,
        };
        if begins_again {
            let released = self.record(|| access.write_jobs(|tx| jobs::release(tx, job)));
            return match released {
                // Or it was handed over when this process was told to end.
                Err(RepoError::TakenOver) if !self.is_stopping() => warn!("another process has taken the job over"),
                // Otherwise it was handed over already, its lease ends by itself, or the next start puts it back.
                released => info!(is_released = released.is_ok(), "job interrupted; it begins again"),
            };
        }
        let state = match &interrupted {
            Interrupted::Cancelled => JobState::Cancelled,
            _ => JobState::Failed,
        };
        if let Interrupted::Failed(cause) = &interrupted {
            error!(error = %crate::base::text::with_causes(&**cause), "job failed");
        }
        if matches!(interrupted, Interrupted::GivenUp) {
            error!(attempt_count = job.attempt_count, "job given up: its process ended in it again and again");
        }
        let result = interrupted_result(job.kind, &interrupted);
        let end = |tx: &mut Tx| jobs::finish(tx, job, state, &result);
        match self.record(|| access.write_jobs(end)) {
            Ok(()) => ended.log(state),
            Err(RepoError::TakenOver) => warn!("another process has taken the job over"),
            Err(error) => {
                error!(error = %crate::base::text::with_causes(&error), "the end of a job could not be recorded");
            }
        }
    }
}

/// The rows of a buyer, for the queue's own purposes.
fn buyer(database: &Database, tenant: TenantId) -> Access {
    database.access(tenant, &Context::new(SERVICE, QUEUE))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
