//! Takes jobs from the queue and runs several at once, each on a thread.

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

/// The operation of what the queue does for its own purposes.
pub(super) const QUEUE: &str = "queue";

/// What is done again and again while no job waits: after each polling interval, each time that somebody says that there is
/// work, and when it has asked to be.
pub(crate) type IdleTask = Box<dyn FnMut(&Database) -> Result<Idled, RepoError> + Send>;

/// What an idle task has done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idled {
    /// Whether it has added jobs.
    pub(crate) has_added: bool,
    /// After how long at most it wants to be done again, if that is sooner than the queue is polled.
    pub(crate) again_in: Option<Duration>,
}

/// The threads that run jobs, as others see them.
#[derive(Clone)]
pub(crate) struct Runner(Arc<Shared>);

struct Shared {
    running: Mutex<HashMap<JobId, Running>>,
    /// Jobs that have a slot, with their buyers: those that run, and those whose end is being recorded.
    slots: Mutex<HashMap<JobId, TenantId>>,
    /// How many slots there are.
    slot_count: usize,
    /// Waiting jobs whose end was asked for, perhaps before the database could be told.
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
    /// How far it is.
    pub(crate) progress: Arc<Progress>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded here is whole after each statement: a panic elsewhere has spoilt nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner {
    /// One that runs so many jobs at once.
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

    /// The kinds of jobs that it runs.
    pub(crate) fn works(&self) -> &Works {
        &self.0.works
    }

    /// How many connections to the database its threads have at most: one for each job, and one that renews leases.
    pub(crate) fn connection_count(&self) -> u32 {
        u32::try_from(self.0.slot_count + 1).unwrap_or(u32::MAX)
    }

    /// The ids of the jobs that run here.
    pub(crate) fn running_ids(&self) -> Vec<JobId> {
        locked(&self.0.running).keys().copied().collect()
    }

    /// A job that runs here.
    pub(crate) fn running_job(&self, id: JobId) -> Option<Running> {
        locked(&self.0.running).get(&id).cloned()
    }

    /// Ends a job that runs after the rows in hand, and one that waits before it begins.
    pub(crate) fn cancel(&self, id: JobId) {
        // A database that is shared is told at once, and whichever process has the job hears of it from there.
        if !self.0.is_shared {
            locked(&self.0.cancelled).insert(id);
        }
        if let Some(running) = self.running_job(id) {
            running.progress.cancel();
        }
    }

    /// Says that there is work.
    pub(crate) fn wake(&self) {
        *locked(&self.0.has_work) = true;
        self.0.told.notify_all();
    }

    /// Ends the threads; jobs that run are undone, and begun again when the service is.
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

    /// Starts the threads. What an ended process has left must have been cleaned up.
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
        // Whoever holds it looks for the next job, so that the queue is polled once, however many slots are free.
        let looking = Arc::new(Mutex::new(idle));
        for _ in 0..self.0.slot_count {
            let (runner, database, looking) = (self.clone(), database.clone(), Arc::clone(&looking));
            let work = move || {
                let next = || runner.next(&database, &mut locked(&looking));
                while let Some(taken) = next() {
                    runner.attempt(&database, taken);
                }
            };
            // Those that have started end at once.
            threads.push(spawn("jobs", work).inspect_err(|_| self.stop())?);
        }
        Ok(threads)
    }

    /// Waits for the next job, and takes it; none when the process is to end.
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
        // A flood of one buyer leaves a slot to the others.
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
                // Another job writes: this one begins beside it, and is marked with its end.
                Err(RepoError::Busy(_)) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
        let slot = Slot::take(self, &claimed);
        let progress = Arc::new(Progress::default());
        let running = Running { tenant: claimed.tenant, job: claimed.job.clone(), progress: Arc::clone(&progress) };
        locked(&self.0.running).insert(claimed.job.id, running);
        // Asked for only now: whoever cancels notes it first and looks for the running job then.
        let is_cancelled = claimed.job.is_cancel_requested || locked(&self.0.cancelled).contains(&claimed.job.id);
        if is_cancelled || self.is_stopping() {
            progress.cancel();
        }
        Ok(Some(Taken { claimed, progress, _slot: slot }))
    }

    /// The jobs that run here.
    pub(super) fn running(&self) -> Vec<Running> {
        locked(&self.0.running).values().cloned().collect()
    }

    /// The job's lease is no longer renewed: if its end cannot be recorded, it is soon begun anew.
    pub(super) fn end_lease(&self, id: JobId) {
        locked(&self.0.running).remove(&id);
    }

    /// Forgets that the end of a job was asked for.
    pub(super) fn forget(&self, id: JobId) {
        locked(&self.0.cancelled).remove(&id);
    }

    pub(super) fn is_shared(&self) -> bool {
        self.0.is_shared
    }

    /// Waits for so long, or until the process is told to end.
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

/// A job that was taken from the queue, with the slot that it has until it is dropped.
pub(super) struct Taken {
    pub(super) claimed: Claimed,
    pub(super) progress: Arc<Progress>,
    _slot: Slot,
}

/// One of the slots, held for a job.
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
        // Jobs may have waited for this one, or for its buyer to have a slot fewer.
        self.runner.wake();
    }
}

/// The database, for work that waits longer than requests, and that nobody could take over from a replica that hangs.
pub(super) fn for_jobs(database: &Database) -> Database {
    database.with_patience(WRITER_TIMEOUT).without_replica()
}

/// The rows of a buyer, for the queue's own purposes.
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
