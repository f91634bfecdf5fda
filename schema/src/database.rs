//! A database with its connections.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PoolError, PooledConnection};

use crate::conn::{Conn, Role, Scope, each_backend};
use crate::error::RepoError;
use crate::server_url::ServerUrl;
use crate::{TenantId, dialect, migrate, postgres, sqlite};

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
}

#[derive(Debug, Clone)]
enum Backend {
    Sqlite {
        readers: Pool<Manager>,
        /// None where the disk takes no writes.
        writer: Option<Pool<Manager>>,
    },
    Postgres {
        primary: Server,
        replica: Option<Server>,
        roles: postgres::Roles,
    },
}

/// The connections to a server, and whether the last attempt to make one failed.
#[derive(Debug, Clone)]
struct Server {
    pool: Pool<Manager>,
    is_away: Arc<AtomicBool>,
}

type Pooled = PooledConnection<Manager>;

/// How much longer than for another process a request waits for a connection: else it would never hear of the process.
const CHECKOUT_MARGIN: Duration = Duration::from_secs(5);
/// How long a request waits for a connection to a server of which all are in use.
const CHECKOUT: Duration = Duration::from_secs(5);
/// How long a writer that waits for its turn leaves its connection to others.
const BETWEEN_TURNS: Duration = Duration::from_millis(20);
/// How long a request waits for one while the server is away.
const AWAY: Duration = Duration::from_millis(500);

impl Database {
    /// Opens a database with so many connections for readers, and brings its tables up to date. `patience` is how long a
    /// writer waits for another one.
    ///
    /// # Errors
    /// When the database cannot be used, or the SQLite library is one that can lose data.
    pub fn open(place: &Place, connection_count: u32, patience: Duration) -> Result<Self, RepoError> {
        let limits = postgres::Limits { patience, statement: None };
        let backend = match place {
            Place::Folder(folder) => {
                let path = folder.join("sonae.db");
                let mut first = sqlite::connect(&path, Role::Writer, patience)?;
                sqlite::refuse_old(&mut first)?;
                migrate::sqlite(&mut first)?;
                let pool = |role, size| {
                    let manager = Manager::Sqlite { path: path.clone(), role, patience };
                    pool(size, patience + CHECKOUT_MARGIN).build(manager).map_err(RepoError::from)
                };
                Backend::Sqlite { writer: Some(pool(Role::Writer, 1)?), readers: pool(Role::Reader, connection_count)? }
            }
            Place::Server { url, replica } => {
                let mut first = postgres::connect(url)?;
                let roles = postgres::check(&mut first)?;
                migrate::postgres(&mut first)?;
                let server = |url: &ServerUrl| {
                    let is_away = Arc::<AtomicBool>::default();
                    let manager =
                        Manager::Postgres { url: url.clone(), roles: roles.clone(), is_away: is_away.clone() };
                    // A replica that is away is not missed.
                    Server { pool: pool(connection_count, CHECKOUT).build_unchecked(manager), is_away }
                };
                Backend::Postgres { primary: server(url), replica: replica.as_ref().map(server), roles }
            }
        };
        Ok(Self { backend, limits })
    }

    /// Opens an embedded database on a disk that takes no writes, for readers alone.
    ///
    /// # Errors
    /// When it cannot be read either, or its tables are not those that this release knows.
    pub fn open_read_only(folder: &Path, connection_count: u32, patience: Duration) -> Result<Self, RepoError> {
        let path = folder.join("sonae.db");
        let mut first = sqlite::connect_read_only(&path, patience)?;
        sqlite::refuse_old(&mut first)?;
        if !migrate::is_sqlite_current(&mut first)? {
            let text = "its tables are to be brought up to date, and the disk takes no writes";
            return Err(RepoError::Unusable(format!("{}: {text}", path.display())));
        }
        let manager = Manager::ReadOnly { path, patience };
        let readers = pool(connection_count, patience + CHECKOUT_MARGIN).build(manager)?;
        let limits = postgres::Limits { patience, statement: None };
        Ok(Self { backend: Backend::Sqlite { readers, writer: None }, limits })
    }

    /// The same database, for statements that may take no longer than this, where it can stop them.
    #[must_use]
    pub fn with_statement_limit(&self, limit: Duration) -> Self {
        let limits = postgres::Limits { statement: Some(limit), ..self.limits };
        Self { backend: self.backend.clone(), limits }
    }

    /// The same database, for writers that wait so long for each other, where that is not the same for all.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        let limits = postgres::Limits { patience, ..self.limits };
        Self { backend: self.backend.clone(), limits }
    }

    /// Whether other processes may serve the same database.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, Backend::Postgres { .. })
    }

    /// Runs `work` in a transaction that is kept if it succeeds and undone if it does not.
    ///
    /// # Errors
    /// Those of `work`, and [`RepoError`] where there is no connection.
    pub fn run<T, E: From<RepoError>>(
        &self,
        role: Role,
        scope: impl Into<Scope>,
        work: impl FnOnce(&mut Conn) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin(role, scope.into())?.finish(work)
    }

    fn begin(&self, role: Role, scope: Scope) -> Result<Pooled, RepoError> {
        match &self.backend {
            Backend::Sqlite { readers, writer } => {
                let pool = if role == Role::Reader { readers } else { written(writer)? };
                let mut conn = pool.get()?;
                conn.begin(scope, sqlite::begin(role))?;
                Ok(conn)
            }
            Backend::Postgres { primary, replica, roles } => {
                let sql = postgres::begin(role, scope, roles, self.limits);
                let conn = primary.begin_in_turn(scope, &sql, self.limits.patience)?;
                match (replica, role, scope) {
                    (Some(replica), Role::Reader, Scope::Tenant(tenant)) => {
                        replica.begin_if_current(&sql, tenant, conn)
                    }
                    _ => Ok(conn),
                }
            }
        }
    }

    /// Makes what was erased stand in no file any more, as far as the database can.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fold_log(&self) -> Result<(), RepoError> {
        dialect::fold_log(&mut *self.unscoped()?)
    }

    /// Cleans up after much was written: tells the planner how large tables are now, and gives the log's room back.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tidy(&self) -> Result<(), RepoError> {
        dialect::tidy(&mut *self.unscoped()?)
    }

    /// A connection outside of any transaction, as whoever owns the tables.
    fn unscoped(&self) -> Result<Pooled, RepoError> {
        match &self.backend {
            Backend::Sqlite { writer, .. } => Ok(written(writer)?.get()?),
            Backend::Postgres { primary, .. } => primary.get(),
        }
    }
}

impl Server {
    /// Begins a transaction, after the writers of the same buyer that came before.
    fn begin_in_turn(&self, scope: Scope, sql: &str, patience: Duration) -> Result<Pooled, RepoError> {
        let start = Instant::now();
        loop {
            match self.begin(scope, sql) {
                // Where no connection came free there has been waiting enough.
                Err(RepoError::Busy(cause))
                    if !cause.is::<PoolError>() && self.is_here() && start.elapsed() < patience =>
                {
                    thread::sleep(BETWEEN_TURNS);
                }
                done => return done,
            }
        }
    }

    fn is_here(&self) -> bool {
        !self.is_away.load(Ordering::Relaxed)
    }

    /// Begins a transaction. A connection that the server has closed meanwhile is thrown away: nothing was done on it.
    fn begin(&self, scope: Scope, sql: &str) -> Result<Pooled, RepoError> {
        let mut left = self.pool.max_size();
        loop {
            let mut conn = self.get()?;
            match conn.begin(scope, sql) {
                Err(RepoError::Busy(_)) if left > 0 && is_lost(&mut conn) => left -= 1,
                done => return done.map(|()| conn),
            }
        }
    }

    fn get(&self) -> Result<Pooled, RepoError> {
        let wait = if self.is_here() { CHECKOUT } else { AWAY };
        Ok(self.pool.get_timeout(wait)?)
    }

    /// Begins a transaction here, on a replica, if all is here that a transaction on the primary sees of a buyer; else
    /// gives that one back.
    fn begin_if_current(&self, sql: &str, tenant: TenantId, mut primary: Pooled) -> Result<Pooled, RepoError> {
        // A replica that is away or busy is not waited for.
        let Some(mut conn) = self.pool.try_get() else { return Ok(primary) };
        if conn.begin(tenant.into(), sql).is_err() {
            return Ok(primary);
        }
        let here = write_counts(&mut conn, tenant);
        let has_all = |here: [i64; 2], there: [i64; 2]| here.iter().zip(there).all(|(here, there)| *here >= there);
        let is_current =
            here.is_ok_and(|here| write_counts(&mut primary, tenant).is_ok_and(|there| has_all(here, there)));
        let (chosen, mut other) = if is_current { (conn, primary) } else { (primary, conn) };
        // It has read nothing that matters; where ending it fails, the pool throws it away.
        drop(other.finish(|_| Ok::<_, RepoError>(())));
        Ok(chosen)
    }
}

fn written(writer: &Option<Pool<Manager>>) -> Result<&Pool<Manager>, RepoError> {
    writer.as_ref().ok_or_else(|| RepoError::Unwritable("the disk took no writes when the service began".into()))
}

/// How often transactions have written rows of a buyer, and what all buyers share: neither number ever falls.
fn write_counts(conn: &mut Conn, tenant: TenantId) -> Result<[i64; 2], RepoError> {
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
    Pool::builder().max_size(size).min_idle(Some(1)).test_on_check_out(false).connection_timeout(timeout)
}

/// Makes connections for a pool.
#[derive(Debug)]
enum Manager {
    Sqlite { path: PathBuf, role: Role, patience: Duration },
    ReadOnly { path: PathBuf, patience: Duration },
    Postgres { url: ServerUrl, roles: postgres::Roles, is_away: Arc<AtomicBool> },
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = RepoError;

    fn connect(&self) -> Result<Conn, RepoError> {
        match self {
            Self::Sqlite { path, role, patience } => sqlite::connect(path, *role, *patience).map(Conn::Sqlite),
            Self::ReadOnly { path, patience } => sqlite::connect_read_only(path, *patience).map(Conn::Sqlite),
            Self::Postgres { url, roles, is_away } => {
                let made = postgres::connect(url);
                is_away.store(made.is_err(), Ordering::Relaxed);
                made.map(|conn| Conn::Postgres(conn, postgres::Session::new(roles.clone())))
            }
        }
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), RepoError> {
        Ok(())
    }

    /// A connection whose user panicked comes back inside a transaction: it is thrown away, which undoes it.
    fn has_broken(&self, conn: &mut Conn) -> bool {
        is_lost(conn) || is_open(conn)
    }
}

/// Whether a connection cannot be used any more.
fn is_lost(conn: &mut Conn) -> bool {
    each_backend!(conn, c => AnsiTransactionManager::transaction_manager_status_mut(c).transaction_depth().is_err())
}

fn is_open(conn: &mut Conn) -> bool {
    each_backend!(conn, c => {
        let depth = AnsiTransactionManager::transaction_manager_status_mut(c).transaction_depth();
        depth.is_ok_and(|depth| depth.is_some())
    })
}
