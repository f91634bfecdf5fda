//! Takes jobs from the queue and runs several at once, each on its own thread.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use schema::jobs::{self, Claim, Claimed, JobRow};
use schema::{Access, Context, Database, JobId, OperatorTx, RepoError, TenantId, Tx};
use tracing::warn;

use super::progress::Progress;
use super::work::Works;
use crate::base::actors::{SERVICE, operator};
use crate::base::machine::PROGRESS_FILE;
use crate::base::text::with_causes;

/// How long a job waits for another writer.
const WRITER_TIMEOUT: Duration = Duration::from_secs(1800);
/// How often the queue is polled, in addition to wake-ups.
pub(crate) const POLLING_INTERVAL: Duration = Duration::from_secs(1);

/// The operation name for the queue's own work.
pub(super) const QUEUE: &str = "queue";

/// A task that runs while no job waits: after each polling interval, when woken, and when it has asked to run again.
pub(crate) type IdleTask = Box<dyn FnMut(&Database) -> Result<Idled, RepoError> + Send>;

/// What an idle task did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idled {
    /// Whether it added jobs.
    pub(crate) has_added: bool,
    /// The maximum time until it wants to run again, if that is shorter than the polling interval.
    pub(crate) again_in: Option<Duration>,
}

/// A handle to the threads that run jobs.
#[derive(Clone)]
pub(crate) struct Runner(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<JobId, Running>>,
    /// Jobs that hold a slot, with their buyers: those that run, and those whose end is being recorded.
    slots: Mutex<HashMap<JobId, TenantId>>,
    /// The number of slots.
    slot_count: usize,
    /// Jobs whose cancellation was requested, possibly before it could be written to the database.
    cancelled: Mutex<HashSet<JobId>>,
    has_work: Mutex<bool>,
    told: Condvar,
    is_stopping: AtomicBool,
    /// Whether other processes may run jobs of the same database.
    is_shared: bool,
    works: Works,
}

/// A job that runs in this process.
#[derive(Clone)]
pub(crate) struct Running {
    pub(super) tenant: TenantId,
    /// The job, with this attempt.
    pub(crate) job: JobRow,
    /// Its progress.
    pub(crate) progress: Arc<Progress>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The guarded data is consistent after each statement, so a panic in another thread has not damaged it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner {
    /// Makes a runner with `slot_count` slots.
    pub(crate) fn new(is_shared: bool, slot_count: usize, works: Works) -> Self {
        Self(Arc::new(Shared {
            running: Mutex::default(),
            slots: Mutex::default(),
            slot_count,
            cancelled: Mutex::default(),
            has_work: Mutex::new(true),
            told: Condvar::new(),
            is_stopping: AtomicBool::new(false),
            is_shared,
            works,
        }))
    }

    /// Returns the kinds of jobs that it runs.
    pub(crate) fn works(&self) -> &Works {
        &self.0.works
    }

    /// Returns the maximum number of database connections of its threads: one for each job, and one that renews leases.
    pub(crate) fn connection_count(&self) -> u32 {
        u32::try_from(self.0.slot_count + 1).unwrap_or(u32::MAX)
    }

    /// Returns the ids of the jobs that run in this process.
    pub(crate) fn running_ids(&self) -> Vec<JobId> {
        locked(&self.0.running).keys().copied().collect()
    }

    /// Returns a job that runs in this process.
    pub(crate) fn running_job(&self, id: JobId) -> Option<Running> {
        locked(&self.0.running).get(&id).cloned()
    }

    /// Cancels a job: a running one ends after the current rows, a waiting one before it begins.
    pub(crate) fn cancel(&self, id: JobId) {
        // A shared database is told at once, and the process that has the job reads the request there.
        if !self.0.is_shared {
            locked(&self.0.cancelled).insert(id);
        }
        if let Some(running) = self.running_job(id) {
            running.progress.cancel();
        }
    }

    /// Wakes the threads because there may be work.
    pub(crate) fn wake(&self) {
        *locked(&self.0.has_work) = true;
        self.0.told.notify_all();
    }

    /// Stops the threads. Running jobs are undone, and begin again when the service does.
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

    /// Starts the threads. What an ended process left behind must have been cleaned up before.
    pub(crate) fn start(
        &self,
        database: &Database,
        folder: &Path,
        idle: Vec<IdleTask>,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let (runner, shared, file) = (self.clone(), database.clone(), folder.join(PROGRESS_FILE));
        let mut threads = vec![spawn("leases", move || match runner.0.is_shared {
            true => runner.keep_leases(&shared),
            false => runner.note_progress(&file),
        })?];
        let database = for_jobs(database);
        // The thread that holds the lock looks for the next job. So the queue is polled once, however many slots are
        // free.
        let looking = Arc::new(Mutex::new(idle));
        for _ in 0..self.0.slot_count {
            let (runner, database, looking) = (self.clone(), database.clone(), Arc::clone(&looking));
            let work = move || {
                let next = || runner.next(&database, &mut locked(&looking));
                while let Some(taken) = next() {
                    runner.attempt(&database, taken);
                }
            };
            // If a thread cannot be started, those that have started end at once.
            threads.push(spawn("jobs", work).inspect_err(|_| self.stop())?);
        }
        Ok(threads)
    }

    /// Waits for the next job and takes it. Returns `None` when the process is to end.
    fn next(&self, database: &Database, idle: &mut [IdleTask]) -> Option<Taken> {
        while !self.is_stopping() {
            let idled = match self.claim(database) {
                Ok(Some(taken)) => return Some(taken),
                Ok(None) => run_idle(idle, database),
                Err(error) => Err(error),
            };
            let idled = idled.unwrap_or_else(|error| {
                warn!(error = %with_causes(&error), "the queue of jobs could not be read");
                Idled::default()
            });
            if !idled.has_added {
                self.wait(idled.again_in.map_or(POLLING_INTERVAL, |again_in| again_in.min(POLLING_INTERVAL)));
            }
        }
        None
    }

    /// Takes the job that has waited longest, of those that may run here now.
    fn claim(&self, database: &Database) -> Result<Option<Taken>, RepoError> {
        let process = database.process();
        let slots = locked(&self.0.slots).clone();
        let held: Vec<_> = slots.keys().copied().collect();
        // Many jobs of one buyer still leave a slot to the others.
        let most = self.0.slot_count.saturating_sub(1).max(1);
        let has_most = |tenant: &TenantId| slots.values().filter(|other| *other == tenant).count() >= most;
        let full: Vec<_> = slots.values().filter(|tenant| has_most(tenant)).copied().collect();
        let order = self.0.works.order();
        let claim = Claim { process, held: &held, full: &full, order: &order };
        let claim = |tx: &mut OperatorTx| {
            let hung = jobs::end_hung_processes(tx, process)?;
            Ok::<_, RepoError>((hung, jobs::claim(tx, &claim)?))
        };
        let queue = operator(database, QUEUE);
        let (hung, claimed) = if self.0.is_shared { queue.write_jobs(claim)? } else { queue.read(claim)? };
        for hung in hung.iter().filter(|hung| hung.ended_sessions > 0) {
            let (from, ended_sessions) = (&hung.process, hung.ended_sessions);
            warn!(process, from, ended_sessions, "a process hangs; what it held on the server was ended");
        }
        let Some(claimed) = claimed else { return Ok(None) };
        if !self.0.is_shared {
            let mark = |tx: &mut Tx| jobs::mark_running(tx, process, &claimed.job);
            match buyer(&database.with_patience(Duration::ZERO), claimed.tenant).write_jobs(mark) {
                // Another job is writing. This one begins anyway, and is marked when it ends.
                Err(RepoError::Busy(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        let slot = Slot::take(self, &claimed);
        let progress = Arc::new(Progress::default());
        let running = Running { tenant: claimed.tenant, job: claimed.job.clone(), progress: Arc::clone(&progress) };
        locked(&self.0.running).insert(claimed.job.id, running);
        // Checked only now: a caller that cancels first notes the request and then looks for the running job.
        let is_cancelled = claimed.job.is_cancel_requested || locked(&self.0.cancelled).contains(&claimed.job.id);
        if is_cancelled || self.is_stopping() {
            progress.cancel();
        }
        Ok(Some(Taken { claimed, progress, _slot: slot }))
    }

    /// Returns the jobs that run in this process.
    pub(super) fn running(&self) -> Vec<Running> {
        locked(&self.0.running).values().cloned().collect()
    }

    /// Stops renewing the job's lease. If its end cannot be recorded, the job soon begins again.
    pub(super) fn end_lease(&self, id: JobId) {
        locked(&self.0.running).remove(&id);
    }

    /// Forgets that the cancellation of a job was requested.
    pub(super) fn forget(&self, id: JobId) {
        locked(&self.0.cancelled).remove(&id);
    }

    pub(super) fn is_shared(&self) -> bool {
        self.0.is_shared
    }

    /// Waits for `time`, or until the process is to end.
    pub(crate) fn rest(&self, time: Duration) {
        let guard = locked(&self.0.has_work);
        drop(self.0.told.wait_timeout_while(guard, time, |_| !self.is_stopping()));
    }

    fn wait(&self, longest: Duration) {
        let guard = locked(&self.0.has_work);
        let waited = self.0.told.wait_timeout_while(guard, longest, |has_work| !*has_work);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

/// A job that was taken from the queue. It holds its slot until it is dropped.
pub(super) struct Taken {
    pub(super) claimed: Claimed,
    pub(super) progress: Arc<Progress>,
    _slot: Slot,
}

/// A slot that is held for a job.
struct Slot {
    runner: Runner,
    job: JobId,
}

impl Slot {
    fn take(runner: &Runner, claimed: &Claimed) -> Self {
        locked(&runner.0.slots).insert(claimed.job.id, claimed.tenant);
        Self { runner: runner.clone(), job: claimed.job.id }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        locked(&self.runner.0.slots).remove(&self.job);
        // Jobs may have been waiting for this one, or for a slot of its buyer.
        self.runner.wake();
    }
}

/// Returns the database for work that may wait longer than requests, and that nobody could take over from a hung
/// replica.
pub(super) fn for_jobs(database: &Database) -> Database {
    database.with_patience(WRITER_TIMEOUT).without_replica()
}

/// Returns access to the rows of a buyer, for the queue's own work.
pub(super) fn buyer(database: &Database, tenant: TenantId) -> Access {
    database.access(tenant, &Context::new(SERVICE, QUEUE))
}

fn run_idle(tasks: &mut [IdleTask], database: &Database) -> Result<Idled, RepoError> {
    tasks.iter_mut().try_fold(Idled::default(), |all, task| {
        let one = task(database)?;
        let again_in = all.again_in.into_iter().chain(one.again_in).min();
        Ok(Idled { has_added: all.has_added || one.has_added, again_in })
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
