//! A database with its connections.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::event::{CheckinEvent, CheckoutEvent, TimeoutEvent};
use diesel::r2d2::{HandleEvent, ManageConnection, Pool, PooledConnection};
use tracing::error;

use crate::conn::{Conn, each_backend};
use crate::error::{RepoError, with_causes};
use crate::migrate::Pending;
use crate::postgres::{Beginning, ConnectionNeeds, Process, Session, Turn, TurnRow};
use crate::replica::{Lent, PlaceOnReplica, Replica};
use crate::scope::{Scope, TxRole};
use crate::scores::warm::WarmRuns;
use crate::server_url::ServerUrl;
use crate::turns::{self, Turns};
use crate::tx::{Access, Context};
use crate::waits::{self, Waits};
use crate::{Clock, TenantId, dialect, migrate, postgres, sqlite};

/// Where a database is.
#[derive(Debug, Clone)]
pub enum DatabasePlace {
    /// Embedded, as a file in a folder.
    Folder(PathBuf),
    /// On a server.
    Server {
        /// The primary.
        url: ServerUrl,
        /// A copy that follows it, for reading.
        replica: Option<ServerUrl>,
    },
}

/// A database with its connections.
#[derive(Debug, Clone)]
pub struct Database {
    backend: Backend,
    limits: postgres::Limits,
    process: Process,
    clock: Clock,
    warm_runs: WarmRuns,
    listener: ChangeListener,
}

/// The function that is called with each buyer whose data was changed by this process, as far as scores depend on it.
#[derive(Clone, Default)]
pub(crate) struct ChangeListener(Option<Arc<dyn Fn(TenantId) + Send + Sync>>);

impl ChangeListener {
    /// Notifies the listener of a committed change.
    pub(crate) fn tell(&self, tenant: TenantId) {
        if let Some(listener) = &self.0 {
            listener(tenant);
        }
    }
}

impl fmt::Debug for ChangeListener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ChangeListener").field("is_set", &self.0.is_some()).finish()
    }
}

#[derive(Debug, Clone)]
enum Backend {
    Sqlite {
        readers: Pool<Manager>,
        /// None if the disk is read-only.
        writer: Option<Pool<Manager>>,
        turns: Turns,
    },
    Postgres {
        primary: Server,
        replica: Option<Replica>,
        roles: postgres::Roles,
        turns: Turns,
    },
}

/// The connections to the primary.
#[derive(Debug, Clone)]
struct Server {
    pool: Pool<Manager>,
    url: ServerUrl,
    health: Arc<Health>,
}

/// What the latest connections show about a server.
#[derive(Debug, Default)]
struct Health {
    /// Whether the last attempt to connect failed, other than because the server had no connection left.
    is_away: AtomicBool,
    /// Whether a connection led to another client's session. New connections are then tried before they are used.
    is_pooled: AtomicBool,
    /// The number of callers that wait for a connection.
    waiting: AtomicU32,
    /// When a connection was last taken or returned.
    moved_at: Mutex<Option<Instant>>,
}

impl Health {
    fn moved_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.moved_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the waits of a pool, and notes when one of its connections is taken or returned.
#[derive(Debug)]
struct Moves(Arc<Health>);

impl HandleEvent for Moves {
    fn handle_checkout(&self, event: CheckoutEvent) {
        *self.0.moved_at() = Some(Instant::now());
        waits::Count.handle_checkout(event);
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        waits::Count.handle_timeout(event);
    }

    fn handle_checkin(&self, _: CheckinEvent) {
        *self.0.moved_at() = Some(Instant::now());
    }
}

type Pooled = PooledConnection<Manager>;

/// A transaction that has begun, with everything that is given back when it is over.
pub(crate) struct Begun {
    pub(crate) conn: Held,
    pub(crate) turn: Option<turns::Held>,
}

/// A connection that goes back to where it came from.
pub(crate) struct Held(Source);

/// A connection to a replica, or one of a pool.
enum Source {
    Pool(Pooled),
    Replica(Lent),
}

impl Deref for Held {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        match &self.0 {
            Source::Pool(conn) => conn,
            Source::Replica(conn) => conn,
        }
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Conn {
        match &mut self.0 {
            Source::Pool(conn) => conn,
            Source::Replica(conn) => conn,
        }
    }
}

/// Watches a transaction while another thread works in it.
#[derive(Debug, Default)]
pub struct Watch(OnceLock<PlaceOnReplica>);

impl Watch {
    /// Returns whether the transaction is on a replica that has stopped answering.
    pub fn is_hung(&self) -> bool {
        self.0.get().is_some_and(PlaceOnReplica::is_hung)
    }
}

/// The state of a database's connections at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Connections that are in use: of the embedded database's readers, or to the primary.
    pub in_use: u32,
    /// Connections that are open and not in use.
    pub idle: u32,
    /// The maximum number of connections.
    pub most: u32,
    /// The number of transactions that wait for a connection to the primary.
    pub waiting: u32,
    /// The number of transactions that wait in this process for an earlier writer of their buyer.
    pub writers_waiting: u32,
    /// Whether the primary is away.
    pub is_away: bool,
    /// For how long no connection to the primary was taken or returned, if all of them are in use.
    pub unmoved: Option<Duration>,
    /// The figures of the replica, if there is one.
    pub replica: Option<ReplicaFigures>,
}

/// The use of a replica: at a moment, and since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaFigures {
    /// Connections that are in use, including those that do not come back.
    pub in_use: u32,
    /// Connections that are open and not in use.
    pub idle: u32,
    /// The maximum number of connections.
    pub most: u32,
    /// Whether it is passed over because it does not answer.
    pub is_away: bool,
    /// The number of transactions that were read on it.
    pub used_count: u64,
    /// The number of transactions that were read on the primary because the replica lagged behind it.
    pub behind_count: u64,
    /// The number of transactions that were read on the primary because the replica did not answer in time, or all its
    /// connections were in use.
    pub passed_over_count: u64,
}

/// How much longer a request waits for a connection than for another process. Otherwise it would never learn that
/// another process is the cause.
const CHECKOUT_MARGIN: Duration = Duration::from_secs(5);
/// How long a request waits for a connection to a server while all are in use.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection to a server is kept that nobody needs. If connections are few, others may need it.
const IDLE_CONNECTION_LIFETIME: Duration = Duration::from_secs(60);
/// How long a request waits for a connection while the server is away.
const AWAY_CHECKOUT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a writer waits before it asks again whether a writer of another process has ended: at first, and at most.
/// It holds no connection meanwhile. Otherwise, those who wait for a long import of one buyer would take all
/// connections from the other buyers.
const WRITER_POLLING_INTERVALS: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(10)];

impl Database {
    /// Opens a database with a number of connections. In an embedded database, they are for readers, and a writer is
    /// added.
    ///
    /// `patience` is the time-out of a writer that waits for another one, `pending` says what to do about migrations
    /// that have not run, and `clock` gives the time of everything stored.
    ///
    /// # Errors
    /// If the database cannot be used, or the SQLite library is one that can lose data.
    pub fn open(
        place: &DatabasePlace,
        connection_count: u32,
        patience: Duration,
        pending: Pending<'_>,
        clock: &Clock,
    ) -> Result<Self, RepoError> {
        let limits = postgres::Limits { patience, statement: Some(postgres::MAX_STATEMENT_DURATION) };
        let process = Process::new(connection_count);
        let backend = match place {
            DatabasePlace::Folder(folder) => {
                let path = folder.join("sonae.db");
                let mut first = sqlite::connect(&path, TxRole::Writer, patience)?;
                sqlite::refuse_old(&mut first)?;
                migrate::sqlite(&mut first, pending)?;
                let pool = |role, size| {
                    let manager = Manager::Sqlite { path: path.clone(), role, patience };
                    pool(size, patience + CHECKOUT_MARGIN).build(manager).map_err(RepoError::from)
                };
                Backend::Sqlite {
                    writer: Some(pool(TxRole::Writer, 1)?),
                    readers: pool(TxRole::Reader, connection_count)?,
                    turns: Turns::default(),
                }
            }
            DatabasePlace::Server { url, replica } => {
                // Two connections are tried against each other before anything else is sent.
                let [(mut first, _), second] = postgres::connect_tried(url, &process).map_err(RepoError::at_start)?;
                drop(second);
                let roles = postgres::check(&mut first)?;
                migrate::postgres(&mut first, pending)?;
                let health = Arc::<Health>::default();
                let manager = Manager::Postgres {
                    url: url.clone(),
                    process: process.clone(),
                    roles: roles.clone(),
                    health: Arc::clone(&health),
                };
                let moves = Box::new(Moves(Arc::clone(&health)));
                let pool = pool(connection_count, CHECKOUT_TIMEOUT)
                    .event_handler(moves)
                    .idle_timeout(Some(IDLE_CONNECTION_LIFETIME));
                let primary = Server { pool: pool.build_unchecked(manager), url: url.clone(), health };
                let replica = replica.as_ref().map(|url| Replica::new(url.clone(), process.clone(), roles.clone()));
                replica.as_ref().map_or(Ok(()), Replica::expect_sessions)?;
                Backend::Postgres { primary, replica, roles, turns: Turns::default() }
            }
        };
        let (warm_runs, listener) = (WarmRuns::new(0), ChangeListener::default());
        Ok(Self { backend, limits, process, clock: clock.clone(), warm_runs, listener })
    }

    /// Opens an embedded database on a read-only disk, for readers only.
    ///
    /// # Errors
    /// If it cannot be read either, or its tables are not those of this release.
    pub fn open_read_only(
        folder: &Path,
        connection_count: u32,
        patience: Duration,
        clock: &Clock,
    ) -> Result<Self, RepoError> {
        let path = folder.join("sonae.db");
        let mut first = sqlite::connect_read_only(&path, patience)?;
        sqlite::refuse_old(&mut first)?;
        if !migrate::expect_sqlite(&mut first)? {
            let text = "its tables are to be brought up to date, and the disk takes no writes";
            return Err(RepoError::Unusable(format!("{}: {text}", path.display())));
        }
        let manager = Manager::ReadOnly { path, patience };
        let readers = pool(connection_count, patience + CHECKOUT_MARGIN).build(manager)?;
        let limits = postgres::Limits { patience, statement: None };
        let process = Process::new(connection_count);
        Ok(Self {
            backend: Backend::Sqlite { readers, writer: None, turns: Turns::default() },
            limits,
            process,
            clock: clock.clone(),
            warm_runs: WarmRuns::new(0),
            listener: ChangeListener::default(),
        })
    }

    /// Returns the same database, which keeps scores of runs in memory, up to this number of bytes. By default none are
    /// kept.
    #[must_use]
    pub fn with_warm_runs(&self, bytes: u64) -> Self {
        Self { warm_runs: WarmRuns::new(bytes), ..self.clone() }
    }

    /// Returns the same database, which calls `listener` for each buyer whose data is changed through it, as far as
    /// scores depend on the data. The call follows the commit, on the thread that made the change.
    #[must_use]
    pub fn with_change_listener(&self, listener: impl Fn(TenantId) + Send + Sync + 'static) -> Self {
        Self { listener: ChangeListener(Some(Arc::new(listener))), ..self.clone() }
    }

    pub(crate) fn listener(&self) -> ChangeListener {
        self.listener.clone()
    }

    pub(crate) fn warm_runs(&self) -> WarmRuns {
        self.warm_runs.clone()
    }

    /// Returns the same database with a time-out for statements, if the backend can stop them.
    #[must_use]
    pub fn with_statement_limit(&self, limit: Duration) -> Self {
        let limits = postgres::Limits { statement: Some(limit), ..self.limits };
        Self { limits, ..self.clone() }
    }

    /// Returns the same database with another time-out for writers that wait for each other.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        let limits = postgres::Limits { patience, ..self.limits };
        Self { limits, ..self.clone() }
    }

    /// Returns the same database, read only on the primary: for work that nobody could take over from a replica that
    /// hangs.
    #[must_use]
    pub fn without_replica(&self) -> Self {
        let mut database = self.clone();
        if let Backend::Postgres { replica, .. } = &mut database.backend {
            *replica = None;
        }
        database
    }

    /// Returns the clock that gives the time of everything stored.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns whether other processes may serve the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres { .. })
    }

    /// Returns the name of this process among those that share the database. It is part of the `application_name` of
    /// its sessions, and stored with each job that it runs.
    pub fn process(&self) -> &str {
        self.process.id()
    }

    /// Returns how long a transaction may take: the wait for its turn and for a connection, and its longest statement.
    /// A server that has not answered by then does not answer at all. None for an embedded database, which always
    /// answers.
    pub fn longest_answer(&self) -> Option<Duration> {
        let statement = self.limits.statement?;
        self.is_shared().then(|| self.limits.patience + CHECKOUT_TIMEOUT + statement)
    }

    /// Returns how long a transaction waits for others to make room for it.
    pub fn patience(&self) -> Duration {
        self.limits.patience
    }

    /// Returns whether all connections to the primary are held by transactions that get no answer.
    ///
    /// That is so if there are more connections than jobs use (whose statements may take longer), and none was taken or
    /// returned for twice as long as the longest answer takes.
    pub fn is_hung(&self, of_jobs: u32) -> bool {
        let figures = self.figures();
        let longest = self.longest_answer().filter(|_| figures.most > of_jobs);
        longest.zip(figures.unmoved).is_some_and(|(longest, unmoved)| unmoved > longest * 2)
    }

    /// Returns whether the primary accepts a connection in addition to those that the process has.
    pub fn takes_connections(&self) -> bool {
        match &self.backend {
            Backend::Sqlite { .. } => false,
            Backend::Postgres { primary, .. } => postgres::connect(&primary.url, &self.process).is_ok(),
        }
    }

    /// Returns what the processes that share a server may need of its connections. None for an embedded database.
    ///
    /// # Errors
    /// Database errors.
    pub fn connection_needs(&self) -> Result<Option<ConnectionNeeds>, RepoError> {
        if !self.is_shared() {
            return Ok(None);
        }
        match &mut *self.unscoped()?.conn {
            Conn::Sqlite(_) => Ok(None),
            Conn::Postgres(conn, _) => postgres::connection_needs(conn, &self.process).map(Some),
        }
    }

    /// Returns the state of the connections at this moment, without asking a server.
    pub fn figures(&self) -> Figures {
        let (pool, health, replica, turns) = match &self.backend {
            Backend::Sqlite { readers, .. } => (readers, None, None, None),
            Backend::Postgres { primary, replica, turns, .. } => {
                (&primary.pool, Some(&primary.health), replica.as_ref(), Some(turns))
            }
        };
        let state = pool.state();
        let in_use = state.connections.saturating_sub(state.idle_connections);
        let moved_at = health.filter(|_| in_use >= pool.max_size()).and_then(|health| *health.moved_at());
        Figures {
            in_use,
            idle: state.idle_connections,
            most: pool.max_size(),
            waiting: health.map_or(0, |health| health.waiting.load(Ordering::Relaxed)),
            writers_waiting: turns.map_or(0, |turns| u32::try_from(turns.waiting()).unwrap_or(u32::MAX)),
            is_away: health.is_some_and(|health| health.is_away.load(Ordering::Relaxed)),
            unmoved: moved_at.map(|at| at.elapsed()),
            replica: replica.map(Replica::figures),
        }
    }

    /// Returns access to the rows of a buyer, or of the installation, for an actor.
    pub fn access<T>(&self, tenant: T, context: &Context) -> Access<T> {
        Access::new(self.clone(), tenant, context.clone())
    }

    pub(crate) fn begin(&self, role: TxRole, scope: Scope, watch: &Watch) -> Result<Begun, RepoError> {
        let begun = self.begin_unwatched(role, scope)?;
        if let Source::Replica(lent) = &begun.conn.0 {
            // A watch watches over one transaction.
            let _ = watch.0.set(lent.place());
        }
        Ok(begun)
    }

    /// Begins a transaction of a reader if no wait is needed: on an embedded database with an idle connection.
    pub(crate) fn begin_at_once(&self, scope: Scope) -> Result<Option<Begun>, RepoError> {
        let Backend::Sqlite { readers, .. } = &self.backend else { return Ok(None) };
        let Some(mut conn) = readers.try_get() else { return Ok(None) };
        Waits::note_checkout();
        conn.begin(scope, &sqlite::begin(TxRole::Reader))?;
        Ok(Some(Begun { conn: Held(Source::Pool(conn)), turn: None }))
    }

    fn begin_unwatched(&self, role: TxRole, scope: Scope) -> Result<Begun, RepoError> {
        match &self.backend {
            Backend::Sqlite { readers, writer, turns } => {
                let (mut conn, turn) = match role {
                    TxRole::Reader => (readers.get()?, None),
                    TxRole::Writer | TxRole::Queue => self.writer(written(writer)?, turns)?,
                };
                conn.begin(scope, &sqlite::begin(role)).inspect_err(|error| {
                    if matches!(error, RepoError::Busy(_)) {
                        Waits::note_busy();
                    }
                })?;
                Ok(Begun { conn: Held(Source::Pool(conn)), turn })
            }
            Backend::Postgres { primary, replica, roles, turns } => {
                let beginning = postgres::begin(role, scope, roles, self.limits);
                if let Some(row) = TurnRow::of(role, scope) {
                    return primary.begin_in_turn((role, scope), row, &beginning, turns, self.limits.patience);
                }
                let conn = match (replica, role, scope) {
                    (Some(replica), TxRole::Reader, Scope::Tenant(tenant)) => {
                        primary.begin_or_on_replica(replica, &beginning, tenant)?
                    }
                    _ => Held(Source::Pool(primary.begin(scope, &beginning)?)),
                };
                Ok(Begun { conn, turn: None })
            }
        }
    }

    /// Takes the writer's connection of an embedded database, after earlier writers.
    fn writer(&self, writer: &Pool<Manager>, turns: &Turns) -> Result<(Pooled, Option<turns::Held>), RepoError> {
        let patience = self.limits.patience;
        // There is one for all buyers.
        let turn = turns.take((TxRole::Writer, Scope::Installation), Instant::now() + patience);
        let turn = turn.ok_or_else(|| late(patience))?;
        Ok((writer.get()?, Some(turn)))
    }

    /// Removes erased data from the files of the database, as far as the database can.
    ///
    /// # Errors
    /// Database errors.
    pub fn fold_log(&self) -> Result<(), RepoError> {
        dialect::fold_log(&mut self.unscoped()?.conn)
    }

    /// Cleans up after large writes: updates the planner's statistics, and gives back the space of the log.
    ///
    /// # Errors
    /// Database errors.
    pub fn tidy(&self) -> Result<(), RepoError> {
        dialect::tidy(&mut self.unscoped()?.conn)
    }

    /// Takes a connection outside of any transaction, as the owner of the tables.
    fn unscoped(&self) -> Result<Begun, RepoError> {
        match &self.backend {
            Backend::Sqlite { writer, turns, .. } => {
                let (conn, turn) = self.writer(written(writer)?, turns)?;
                Ok(Begun { conn: Held(Source::Pool(conn)), turn })
            }
            Backend::Postgres { primary, .. } => {
                let mut conn = primary.get()?;
                conn.expect_own_session().inspect_err(|error| primary.note(error))?;
                Ok(Begun { conn: Held(Source::Pool(conn)), turn: None })
            }
        }
    }
}

impl Server {
    /// Begins a transaction of a writer, after earlier ones.
    fn begin_in_turn(
        &self,
        (role, scope): (TxRole, Scope),
        row: TurnRow,
        beginning: &Beginning,
        turns: &Turns,
        patience: Duration,
    ) -> Result<Begun, RepoError> {
        let until = Instant::now() + patience;
        let turn = turns.take((role, scope), until).ok_or_else(|| late(patience))?;
        let [mut pause, longest] = WRITER_POLLING_INTERVALS;
        loop {
            let mut conn = self.begin(scope, beginning)?;
            match conn.take_turn(row)? {
                Turn::Taken => return Ok(Begun { conn: Held(Source::Pool(conn)), turn: Some(turn) }),
                Turn::Missing => {
                    conn.make_turn(row).inspect_err(|_| conn.roll_back())?;
                    conn.commit()?;
                }
                Turn::Held => {
                    conn.roll_back();
                    drop(conn);
                    if Instant::now() + pause >= until {
                        return Err(late(patience));
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    fn is_here(&self) -> bool {
        !self.health.is_away.load(Ordering::Relaxed)
    }

    /// Begins a transaction. A connection that the server has closed meanwhile is discarded, since nothing was done on
    /// it.
    fn begin(&self, scope: Scope, beginning: &Beginning) -> Result<Pooled, RepoError> {
        let mut left = self.pool.max_size();
        loop {
            let mut conn = self.get()?;
            match conn.begin(scope, beginning) {
                Err(error) if error.is_of_pool() => {
                    self.note(&error);
                    return Err(error);
                }
                Err(RepoError::Busy(_)) if left > 0 && conn.is_lost() => left -= 1,
                done => return done.map(|()| conn),
            }
        }
    }

    fn get(&self) -> Result<Pooled, RepoError> {
        let wait = if self.is_here() { CHECKOUT_TIMEOUT } else { AWAY_CHECKOUT_TIMEOUT };
        self.health.waiting.fetch_add(1, Ordering::Relaxed);
        let conn = self.pool.get_timeout(wait);
        self.health.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(conn?)
    }

    /// Notes an error which shows that a pooler gives transactions to any session. From then on, new connections are
    /// tried first.
    fn note(&self, error: &RepoError) {
        if error.is_of_pool() && !self.health.is_pooled.swap(true, Ordering::Relaxed) {
            error!(error = with_causes(error), "the database cannot be used until that is changed");
        }
    }

    /// Begins a transaction on a replica if it has everything that a transaction on the primary sees of a buyer,
    /// otherwise on the primary. No connection to the primary is held until the replica has answered.
    fn begin_or_on_replica(
        &self,
        replica: &Replica,
        beginning: &Beginning,
        tenant: TenantId,
    ) -> Result<Held, RepoError> {
        let begun = replica.begin(beginning, tenant);
        // Begun after the one on the replica: it sees everything that was written before anybody asked for a
        // transaction.
        let mut primary = self.begin(tenant.into(), beginning)?;
        let Some((lent, there)) = begun else { return Ok(Held(Source::Pool(primary))) };
        let here = write_counts(&mut primary, tenant);
        let is_current = here.is_ok_and(|here| there.iter().zip(here).all(|(there, here)| *there >= here));
        replica.count(is_current);
        if !is_current {
            lent.give_back();
            return Ok(Held(Source::Pool(primary)));
        }
        // It has read nothing that matters. If ending it fails, the pool discards the connection.
        drop(primary.commit());
        Ok(Held(Source::Replica(lent)))
    }
}

fn late(patience: Duration) -> RepoError {
    RepoError::Busy(format!("other writers were not done within {} ms", patience.as_millis()).into())
}

fn written(writer: &Option<Pool<Manager>>) -> Result<&Pool<Manager>, RepoError> {
    writer.as_ref().ok_or_else(|| RepoError::Unwritable("the disk took no writes when the service began".into()))
}

/// Returns how often transactions have written rows of a buyer, and what all buyers share. Neither number ever falls.
pub(crate) fn write_counts(conn: &mut Conn, tenant: TenantId) -> Result<[i64; 2], RepoError> {
    use crate::tables::{installation_writes, tenant_writes};
    // Counted separately for the two kinds of writers, which do not wait for each other.
    let counts: Vec<i64> = each_backend!(conn, c => tenant_writes::table
        .filter(tenant_writes::tenant_id.eq(tenant))
        .select(tenant_writes::count)
        .load(c))?;
    let shared: i64 = each_backend!(conn, c => installation_writes::table.select(installation_writes::count).first(c))?;
    Ok([counts.into_iter().sum(), shared])
}

fn pool(size: u32, timeout: Duration) -> diesel::r2d2::Builder<Manager> {
    // Without test_on_check_out: it would add a query to each of ours.
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .test_on_check_out(false)
        .connection_timeout(timeout)
        .event_handler(Box::new(waits::Count))
}

/// Makes connections for a pool.
#[derive(Debug)]
enum Manager {
    Sqlite { path: PathBuf, role: TxRole, patience: Duration },
    ReadOnly { path: PathBuf, patience: Duration },
    Postgres { url: ServerUrl, process: Process, roles: postgres::Roles, health: Arc<Health> },
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = RepoError;

    fn connect(&self) -> Result<Conn, RepoError> {
        match self {
            Self::Sqlite { path, role, patience } => sqlite::connect(path, *role, *patience).map(Conn::Sqlite),
            Self::ReadOnly { path, patience } => sqlite::connect_read_only(path, *patience).map(Conn::Sqlite),
            Self::Postgres { url, process, roles, health } => {
                let made = match health.is_pooled.load(Ordering::Relaxed) {
                    true => postgres::connect_tried(url, process).map(|[first, _]| first),
                    false => postgres::connect(url, process),
                };
                // A server without a free connection still answers, and its connections become free.
                let is_away = matches!(&made, Err(error) if !error.is_full_up());
                health.is_away.store(is_away, Ordering::Relaxed);
                if made.is_ok() {
                    health.is_pooled.store(false, Ordering::Relaxed);
                }
                made.map(|(conn, mark)| Conn::Postgres(conn, Session::new(mark, roles.clone())))
            }
        }
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), RepoError> {
        Ok(())
    }

    /// Returns whether a connection has to be discarded. One whose user panicked comes back inside a transaction, which
    /// is undone that way.
    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_lost() || conn.is_open()
    }
}
