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
pub enum Place {
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

/// Watches over a transaction while another thread is at work in it.
#[derive(Debug, Default)]
pub struct Watch(OnceLock<PlaceOnReplica>);

impl Watch {
    /// Whether the transaction is on a replica that has stopped answering.
    pub fn is_hung(&self) -> bool {
        self.0.get().is_some_and(PlaceOnReplica::is_hung)
    }
}

/// What the connections of a database do at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Connections that are in use: of the embedded database's readers, or to the primary.
    pub in_use: u32,
    /// Connections that are open and not in use.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// How many transactions wait for a connection to the primary.
    pub waiting: u32,
    /// How many transactions wait for their buyer's writer before them in this process.
    pub writers_waiting: u32,
    /// Whether the primary is away.
    pub is_away: bool,
    /// While all connections to the primary are in use: for how long nobody got one or gave one back.
    pub unmoved: Option<Duration>,
    /// The same of the replica, if there is one.
    pub replica: Option<ReplicaFigures>,
}

/// What a replica is used for at a moment, and has been since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaFigures {
    /// Connections that are in use, or do not come back.
    pub in_use: u32,
    /// Connections that are open and not in use.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
    /// Whether it is passed over because it does not answer.
    pub is_away: bool,
    /// How many transactions were read on it.
    pub used_count: u64,
    /// How many were read on the primary because the replica had not yet what the primary has.
    pub behind_count: u64,
    /// How many were read on the primary because the replica did not answer, or all its connections were in use.
    pub passed_over_count: u64,
}

/// How much longer than for another process a request waits for a connection: else it would never hear of the process.
const CHECKOUT_MARGIN: Duration = Duration::from_secs(5);
/// How long a request waits for a connection to a server of which all are in use.
const CHECKOUT: Duration = Duration::from_secs(5);
/// For how long a connection to a server is kept that nobody needs: others may, where there are few.
const IDLE: Duration = Duration::from_secs(60);
/// How long a request waits for one while the server is away.
const AWAY: Duration = Duration::from_millis(500);
/// How long a writer waits before it asks again whether a writer of another process has ended: at first, and at most. It
/// has no connection meanwhile: those who wait for a long import of one buyer would take all of them from the others.
const ASK_AGAIN: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(10)];

impl Database {
    /// Opens a database with so many connections for readers. `patience` is how long a writer waits for another one,
    /// `pending` what becomes of migrations that have not run, `clock` what tells the time of all that is stored.
    ///
    /// # Errors
    /// When the database cannot be used, or the SQLite library is one that can lose data.
    pub fn open(
        place: &Place,
        connection_count: u32,
        patience: Duration,
        pending: Pending<'_>,
        clock: &Clock,
    ) -> Result<Self, RepoError> {
        let limits = postgres::Limits { patience, statement: Some(postgres::LONGEST_STATEMENT) };
        let process = Process::new(connection_count);
        let backend = match place {
            Place::Folder(folder) => {
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
            Place::Server { url, replica } => {
                // Tried against each other before anything else is said.
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
                let pool = pool(connection_count, CHECKOUT).event_handler(moves).idle_timeout(Some(IDLE));
                let primary = Server { pool: pool.build_unchecked(manager), url: url.clone(), health };
                let replica = replica.as_ref().map(|url| Replica::new(url.clone(), process.clone(), roles.clone()));
                replica.as_ref().map_or(Ok(()), Replica::expect_sessions)?;
                Backend::Postgres { primary, replica, roles, turns: Turns::default() }
            }
        };
        let (warm_runs, listener) = (WarmRuns::new(0), ChangeListener::default());
        Ok(Self { backend, limits, process, clock: clock.clone(), warm_runs, listener })
    }

    /// Opens an embedded database on a disk that takes no writes, for readers alone.
    ///
    /// # Errors
    /// When it cannot be read either, or its tables are not those that this release knows.
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

    /// The same database, which keeps scores of runs in memory, up to so many bytes; otherwise it keeps none.
    #[must_use]
    pub fn with_warm_runs(&self, bytes: u64) -> Self {
        Self { warm_runs: WarmRuns::new(bytes), ..self.clone() }
    }

    /// The same database, which tells `listener` of each buyer whose data, as far as scores rest on it, is changed through it:
    /// once the change is committed, on the thread that made it.
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

    /// The same database, for statements that may take no longer than this, where it can stop them.
    #[must_use]
    pub fn with_statement_limit(&self, limit: Duration) -> Self {
        let limits = postgres::Limits { statement: Some(limit), ..self.limits };
        Self { limits, ..self.clone() }
    }

    /// The same database, for writers that wait so long for each other, where that is not the same for all.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        let limits = postgres::Limits { patience, ..self.limits };
        Self { limits, ..self.clone() }
    }

    /// The same database, read on the primary alone: for work that nobody could take over from a replica that hangs.
    #[must_use]
    pub fn without_replica(&self) -> Self {
        let mut database = self.clone();
        if let Backend::Postgres { replica, .. } = &mut database.backend {
            *replica = None;
        }
        database
    }

    /// The clock that tells the time of all that is stored.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Whether other processes may serve the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres { .. })
    }

    /// The name of this process among those that share the database: in the `application_name` of its sessions, and beside
    /// the job that it runs.
    pub fn process(&self) -> &str {
        self.process.id()
    }

    /// How long a transaction may take that waits for its turn, for a connection and for its longest statement. A server
    /// that has not answered then does not answer at all. The embedded database always does.
    pub fn longest_answer(&self) -> Option<Duration> {
        let statement = self.limits.statement?;
        self.is_shared().then(|| self.limits.patience + CHECKOUT + statement)
    }

    /// How long a transaction waits for others to make room for it.
    pub fn patience(&self) -> Duration {
        self.limits.patience
    }

    /// Whether all connections to the primary are held by transactions that get no answer: there are more of them than jobs
    /// have, whose statements may take longer, and one has taken twice as long as any answer.
    pub fn is_hung(&self, of_jobs: u32) -> bool {
        let figures = self.figures();
        let longest = self.longest_answer().filter(|_| figures.most > of_jobs);
        longest.zip(figures.unmoved).is_some_and(|(longest, unmoved)| unmoved > longest * 2)
    }

    /// Whether the primary takes a connection beside those that the process has.
    pub fn takes_connections(&self) -> bool {
        match &self.backend {
            Backend::Sqlite { .. } => false,
            Backend::Postgres { primary, .. } => postgres::connect(&primary.url, &self.process).is_ok(),
        }
    }

    /// What the processes that share a server may need of its connections.
    ///
    /// # Errors
    /// Those of the database.
    pub fn connection_needs(&self) -> Result<Option<ConnectionNeeds>, RepoError> {
        if !self.is_shared() {
            return Ok(None);
        }
        match &mut *self.unscoped()?.conn {
            Conn::Sqlite(_) => Ok(None),
            Conn::Postgres(conn, _) => postgres::connection_needs(conn, &self.process).map(Some),
        }
    }

    /// What the connections do at this moment. Asks no server.
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

    /// The rows of a buyer, or those of the installation, for whoever acts.
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

    /// Begins a transaction of a reader, if none is waited for: an embedded database has a connection to spare.
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

    /// The writer of an embedded database, after those who came before.
    fn writer(&self, writer: &Pool<Manager>, turns: &Turns) -> Result<(Pooled, Option<turns::Held>), RepoError> {
        let patience = self.limits.patience;
        // It has one for all buyers.
        let turn = turns.take((TxRole::Writer, Scope::Installation), Instant::now() + patience);
        let turn = turn.ok_or_else(|| late(patience))?;
        Ok((writer.get()?, Some(turn)))
    }

    /// Makes what was erased stand in no file any more, as far as the database can.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fold_log(&self) -> Result<(), RepoError> {
        dialect::fold_log(&mut self.unscoped()?.conn)
    }

    /// Cleans up after much was written: tells the planner how large tables are now, and gives the log's room back.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tidy(&self) -> Result<(), RepoError> {
        dialect::tidy(&mut self.unscoped()?.conn)
    }

    /// A connection outside of any transaction, as whoever owns the tables.
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
    /// Begins a transaction of a writer, after those that came before.
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
        let [mut pause, longest] = ASK_AGAIN;
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

    /// Begins a transaction. A connection that the server has closed meanwhile is thrown away: nothing was done on it.
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
        let wait = if self.is_here() { CHECKOUT } else { AWAY };
        self.health.waiting.fetch_add(1, Ordering::Relaxed);
        let conn = self.pool.get_timeout(wait);
        self.health.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(conn?)
    }

    /// Notes that a pool gives transactions to any session: from now on new connections are tried first.
    fn note(&self, error: &RepoError) {
        if error.is_of_pool() && !self.health.is_pooled.swap(true, Ordering::Relaxed) {
            error!(error = with_causes(error), "the database cannot be used until that is changed");
        }
    }

    /// Begins a transaction on a replica, if all is there that a transaction here sees of a buyer; else here. Nothing is
    /// held here until the replica has answered.
    fn begin_or_on_replica(
        &self,
        replica: &Replica,
        beginning: &Beginning,
        tenant: TenantId,
    ) -> Result<Held, RepoError> {
        let begun = replica.begin(beginning, tenant);
        // Later than the one there: it sees all that was written before anybody asked for a transaction.
        let mut primary = self.begin(tenant.into(), beginning)?;
        let Some((lent, there)) = begun else { return Ok(Held(Source::Pool(primary))) };
        let here = write_counts(&mut primary, tenant);
        let is_current = here.is_ok_and(|here| there.iter().zip(here).all(|(there, here)| *there >= here));
        replica.count(is_current);
        if !is_current {
            lent.give_back();
            return Ok(Held(Source::Pool(primary)));
        }
        // It has read nothing that matters; where ending it fails, the pool throws the connection away.
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

/// How often transactions have written rows of a buyer, and what all buyers share: neither number ever falls.
pub(crate) fn write_counts(conn: &mut Conn, tenant: TenantId) -> Result<[i64; 2], RepoError> {
    use crate::tables::{installation_writes, tenant_writes};
    // Kept apart for the two kinds of writers, which do not wait for each other.
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
                // One that is full up answers, and its connections come free.
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

    /// A connection whose user panicked comes back inside a transaction: it is thrown away, which undoes it.
    fn has_broken(&self, conn: &mut Conn) -> bool {
        conn.is_lost() || conn.is_open()
    }
}
