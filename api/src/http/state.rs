//! State that all handlers share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix_web::error::BlockingError;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, web};
use schema::{Access, Clock, Context, Database, RepoError, TenantId, Tx, TxRole, Watch};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::base::config::Limits;
use crate::base::keys::Keys;
use crate::base::problem::{ApiError, ProblemKind};
use crate::http::caller::Caller;
use crate::http::edge::Edge;
use crate::http::known_tokens::KnownTokens;
use crate::queue::runner::Runner;

/// State that all handlers share.
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) keys: Keys,
    pub(crate) known_tokens: KnownTokens,
    pub(crate) limits: Limits,
    pub(crate) runner: Runner,
    /// The model that computes scores.
    pub(crate) model: scoring::Model,
    /// How requests reach the service.
    pub(crate) edge: Edge,
    /// The folder that stores uploads. `None` if they go to a server.
    pub(crate) uploads: Option<PathBuf>,
}

impl State {
    /// Returns the clock that gives the time of all stored data.
    pub(crate) fn clock(&self) -> &Clock {
        self.db.database().clock()
    }

    /// Returns the state with which a request is handled.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Data<Self>, ApiError> {
        request.app_data().ok_or_else(|| ApiError::internal("no state"))
    }

    /// Refuses an upload for which the disk has no space, before any of it is stored.
    pub(crate) fn expect_room(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let free = self.uploads.as_deref().and_then(crate::base::machine::free_bytes);
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced: u64 = announced.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
        let needed = announced.saturating_add(self.limits.min_free_disk_bytes);
        match free {
            Some(free) if free < needed => Err(ProblemKind::InsufficientStorage.into()),
            _ => Ok(()),
        }
    }
}

/// How long an import may hold the writer before an upload gives up.
const IMPORT_WRITER_TIMEOUT: Duration = Duration::from_secs(1800);

/// The database, used off the threads that serve requests, except for look-ups that finish at once.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    database: Database,
    /// Permits for readers of an embedded database. A request that waits for one holds no thread, and the threads that
    /// work do not keep giving way to each other.
    readers: Option<Arc<Semaphore>>,
    at_once: Arc<AtOnce>,
}

/// The number of threads per processor that read at a time: while one waits for the disk, another works.
const READERS_PER_PROCESSOR: usize = 2;

impl Db {
    pub(crate) fn new(database: Database) -> Self {
        let readers = (!database.is_shared()).then(|| {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            Arc::new(Semaphore::new((processors * READERS_PER_PROCESSOR).min(database.figures().most as usize)))
        });
        Self { database, readers, at_once: Arc::default() }
    }

    /// Returns the database itself, for threads that may wait.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Reads rows of a buyer, all in one state of the database.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run(TxRole::Reader, caller, work).await
    }

    /// Looks up a score of a buyer. If it is in memory, this thread reads it, which saves handing the work over and
    /// back. Otherwise a thread that may wait does.
    pub(crate) async fn look_up<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl Fn(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        if let Some(done) = self.look_up_at_once(caller, &work) {
            return done;
        }
        self.read(caller, work).await
    }

    fn look_up_at_once<T>(
        &self,
        caller: &Caller,
        work: impl Fn(&mut Tx) -> Result<T, ApiError>,
    ) -> Option<Result<T, ApiError>> {
        let _reader = self.readers.as_ref()?.try_acquire().ok()?;
        let start = self.at_once.begin()?;
        // Work that panics here is repeated where a panic is answered.
        let done = catch_unwind(AssertUnwindSafe(|| caller.access(&self.database).read_at_once(work))).ok()?;
        let done = done.transpose();
        self.at_once.end(start, done.is_some());
        done
    }

    /// Writes rows of a buyer: everything that `work` writes, or nothing if it fails.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run(TxRole::Writer, caller, work).await
    }

    /// Writes jobs of a buyer and what belongs to them. It waits as long as a large import holds an embedded database.
    pub(crate) async fn write_jobs<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl Fn(&mut Tx) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_patiently(TxRole::Queue, caller, work).await
    }

    /// Writes rows of a buyer. It waits as long as a large import holds the writer, so that an upload does not have to
    /// be sent again because of another one.
    pub(crate) async fn write_patiently<T: Send + 'static>(
        &self,
        caller: &Caller,
        work: impl Fn(&mut Tx) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_patiently(TxRole::Writer, caller, work).await
    }

    async fn run_patiently<T: Send + 'static>(
        &self,
        role: TxRole,
        caller: &Caller,
        work: impl Fn(&mut Tx) -> Result<T, ApiError> + Clone + Send + 'static,
    ) -> Result<T, ApiError> {
        let start = Instant::now();
        loop {
            match self.run(role, caller, work.clone()).await {
                // On a server, jobs do not wait for imports. If the server is unreachable, the caller is told.
                Err(ApiError::Busy(_)) if !self.database.is_shared() && start.elapsed() < IMPORT_WRITER_TIMEOUT => {}
                done => return done,
            }
        }
    }

    /// Removes erased data from all files, as far as the database can.
    pub(crate) async fn fold_log(&self) -> Result<(), ApiError> {
        let database = self.database.clone();
        Ok(web::block(move || database.fold_log()).await.map_err(ApiError::internal)??)
    }

    /// Reads rows of a buyer before the caller is known.
    pub(crate) async fn read_as<T: Send + 'static>(
        &self,
        tenant: TenantId,
        context: &Context,
        work: impl FnOnce(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_as(TxRole::Reader, self.database.access(tenant, context), work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        role: TxRole,
        caller: &Caller,
        work: impl FnOnce(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.run_as(role, caller.access(&self.database), work).await
    }

    async fn run_as<T: Send + 'static>(
        &self,
        role: TxRole,
        access: Access,
        work: impl FnOnce(&mut Tx) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _reader = match &self.readers {
            Some(readers) if role == TxRole::Reader => Some(self.reader(readers).await?),
            _ => None,
        };
        let waited = Arc::new(Waited::default());
        let seen = Arc::clone(&waited);
        let done = web::block(move || {
            access.run(role, &seen.watch, |tx| {
                let value = work(tx)?;
                // The caller was already told that it failed, so it must not be committed.
                if seen.is_given_up.load(Ordering::Relaxed) { Err(no_answer().into()) } else { Ok(value) }
            })
        });
        waited.until(done, self.database.longest_answer()).await
    }

    async fn reader<'a>(&self, readers: &'a Semaphore) -> Result<SemaphorePermit<'a>, ApiError> {
        let patience = self.database.patience();
        match timeout(patience, readers.acquire()).await {
            Ok(reader) => reader.map_err(ApiError::internal),
            Err(_) => {
                let text = format!("all connections that read were in use for {} ms", patience.as_millis());
                Err(RepoError::Busy(text.into()).into())
            }
        }
    }
}

/// How look-ups on the serving threads have fared. One that takes long (on a stalled disk, say) or is given up keeps
/// the next ones off these threads, twice as many each time.
#[derive(Debug, Default)]
struct AtOnce {
    /// How many have fared badly in a row.
    misses: AtomicU32,
    /// How many more go to other threads.
    pause: AtomicU32,
}

impl AtOnce {
    /// Longer than a look-up takes on a busy machine, where other threads take their turns meanwhile, but short for a
    /// stall.
    const SLOW_LOOK_UP: Duration = Duration::from_millis(50);
    /// After this many misses, pauses no longer grow.
    const MAX_MISSES: u32 = 10;

    fn begin(&self) -> Option<Instant> {
        let paused = self.pause.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        paused.is_err().then(Instant::now)
    }

    fn end(&self, start: Instant, is_done: bool) {
        if is_done && start.elapsed() < Self::SLOW_LOOK_UP {
            self.misses.store(0, Ordering::Relaxed);
            return;
        }
        let misses = Self::MAX_MISSES.min(self.misses.load(Ordering::Relaxed) + 1);
        self.misses.store(misses, Ordering::Relaxed);
        self.pause.store(1 << misses, Ordering::Relaxed);
    }
}

/// Work on another thread for which a request waits.
#[derive(Default)]
struct Waited {
    watch: Watch,
    is_given_up: AtomicBool,
}

/// How often a waiting request checks whether the server is still there.
const SERVER_CHECK_INTERVAL: Duration = Duration::from_millis(500);

impl Waited {
    /// Waits for the answer, but gives up on a server that does not answer. The thread that waits for the server cannot
    /// be interrupted; there are only as many such threads as connections.
    async fn until<T>(
        &self,
        done: impl Future<Output = Result<Result<T, ApiError>, BlockingError>>,
        longest: Option<Duration>,
    ) -> Result<T, ApiError> {
        let start = Instant::now();
        let mut done = pin!(done);
        loop {
            match timeout(SERVER_CHECK_INTERVAL, &mut done).await {
                Ok(done) => return done.map_err(ApiError::internal)?,
                Err(_) if self.watch.is_hung() || longest.is_some_and(|longest| start.elapsed() > longest) => {
                    self.is_given_up.store(true, Ordering::Relaxed);
                    return Err(no_answer().into());
                }
                Err(_) => {}
            }
        }
    }
}

fn no_answer() -> RepoError {
    RepoError::Busy("the server has stopped answering".into())
}
