//! Connections: several readers and one writer over one database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, Pool, PooledConnection};
use diesel::sql_types::Text;

use crate::error::RepoError;
use crate::migrate;

/// A connection to one of the databases that Sonae runs on.
#[expect(missing_debug_implementations, reason = "diesel's connections have none")]
pub enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
}

/// Writes a query once for every database: expands it in each arm.
macro_rules! each_backend {
    ($conn:expr, $c:ident => $query:expr) => {
        match $conn {
            $crate::conn::Conn::Sqlite($c) => $query,
        }
    };
}
pub(crate) use each_backend;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads, in a transaction that sees one state of the database.
    Reader,
    /// Writes; there is one at a time.
    Writer,
}

/// A database with its connections.
#[derive(Debug, Clone)]
pub struct Database {
    readers: Pool<Manager>,
    writer: Pool<Manager>,
}

/// How much longer than for another process a request waits for a connection: else it would never hear of the process.
const CHECKOUT_MARGIN: Duration = Duration::from_secs(5);
/// The first release without the race that could lose committed writes in WAL mode (3.7.0 to 3.51.2).
const OLDEST_SQLITE: [u32; 3] = [3, 51, 3];

impl Database {
    /// Opens the embedded database of a data folder, and brings its tables up to date. `patience` is how long a writer
    /// waits for one in another process.
    ///
    /// # Errors
    /// When the file cannot be used, or the SQLite library is one that can lose data.
    pub fn open(folder: &Path, reader_count: u32, patience: Duration) -> Result<Self, RepoError> {
        let path = folder.join("sonae.db");
        let pool = |role, size| {
            let manager = Manager { path: path.clone(), role, patience };
            // Without test_on_check_out: it would add a query to each of ours.
            let pool = Pool::builder().max_size(size).min_idle(Some(1)).test_on_check_out(false);
            pool.connection_timeout(patience + CHECKOUT_MARGIN).build(manager).map_err(RepoError::from)
        };
        let mut first = Manager { path: path.clone(), role: Role::Writer, patience }.connect()?;
        refuse_old_sqlite(&mut first)?;
        migrate::run(&mut first)?;
        drop(first);
        Ok(Self { writer: pool(Role::Writer, 1)?, readers: pool(Role::Reader, reader_count)? })
    }

    /// Runs `work` in a transaction that is kept if it succeeds and undone if it does not.
    ///
    /// # Errors
    /// Those of `work`, and [`RepoError`] where there is no connection.
    pub fn run<T, E: From<RepoError>>(&self, role: Role, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        let pool = match role {
            Role::Reader => &self.readers,
            Role::Writer => &self.writer,
        };
        let mut conn: PooledConnection<Manager> = pool.get().map_err(RepoError::from)?;
        conn.transaction(role, work)
    }
}

impl Database {
    /// Folds the log of changes into the database, so that what was erased stands in no file any more.
    ///
    /// # Errors
    /// Those of the database.
    pub fn fold_log(&self) -> Result<(), RepoError> {
        self.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// Cleans up after much was written: tells the planner how large tables are now, and gives the log's room back.
    ///
    /// # Errors
    /// Those of the database.
    pub fn tidy(&self) -> Result<(), RepoError> {
        self.maintain("PRAGMA analysis_limit = 400; PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)")
    }

    fn maintain(&self, sql: &str) -> Result<(), RepoError> {
        let mut conn = self.writer.get().map_err(RepoError::from)?;
        match &mut *conn {
            Conn::Sqlite(c) => c.batch_execute(sql).map_err(RepoError::from),
        }
    }
}

impl Conn {
    fn transaction<T, E: From<RepoError>>(
        &mut self,
        role: Role,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        // IMMEDIATE: a writer that began by reading could not become one while another process writes.
        let begin = if role == Role::Writer { "BEGIN IMMEDIATE" } else { "BEGIN" };
        each_backend!(self, c => AnsiTransactionManager::begin_transaction_sql(c, begin)).map_err(RepoError::from)?;
        match work(self) {
            Ok(value) => {
                each_backend!(self, c => AnsiTransactionManager::commit_transaction(c)).map_err(RepoError::from)?;
                Ok(value)
            }
            Err(error) => {
                each_backend!(self, c => AnsiTransactionManager::rollback_transaction(c)).map_err(RepoError::from)?;
                Err(error)
            }
        }
    }

    /// Undoes what `work` has written, whatever it gives.
    ///
    /// # Errors
    /// Those of `work` and of the database.
    pub fn rehearse<T, E: From<RepoError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(T, bool), E>,
    ) -> Result<T, E> {
        each_backend!(self, c => AnsiTransactionManager::begin_transaction(c)).map_err(RepoError::from)?;
        let outcome = work(self);
        let keep = matches!(outcome, Ok((_, true)));
        each_backend!(self, c => if keep {
            AnsiTransactionManager::commit_transaction(c)
        } else {
            AnsiTransactionManager::rollback_transaction(c)
        })
        .map_err(RepoError::from)?;
        outcome.map(|(value, _)| value)
    }
}

/// Makes connections for a pool.
#[derive(Debug)]
struct Manager {
    path: PathBuf,
    role: Role,
    patience: Duration,
}

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = RepoError;

    fn connect(&self) -> Result<Conn, RepoError> {
        let path = self.path.to_str().ok_or_else(|| RepoError::Unusable("the data folder's name is no text".into()))?;
        let failed = |error: ConnectionError| RepoError::Unusable(format!("{path} cannot be opened: {error}"));
        let mut conn = SqliteConnection::establish(path).map_err(failed)?;
        // The time limit first, so that the next lines wait too. Deleted rows are overwritten: contacts can be erased.
        let settings = format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA secure_delete = ON; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; {}",
            self.patience.as_millis(),
            if self.role == Role::Reader { "PRAGMA query_only = ON;" } else { "" },
        );
        conn.batch_execute(&settings).map_err(|error| RepoError::Unusable(format!("{path}: {error}")))?;
        Ok(Conn::Sqlite(conn))
    }

    fn is_valid(&self, _: &mut Conn) -> Result<(), RepoError> {
        Ok(())
    }

    /// A connection whose user panicked comes back inside a transaction: it is thrown away, which undoes it.
    fn has_broken(&self, conn: &mut Conn) -> bool {
        each_backend!(conn, c => {
            let status = AnsiTransactionManager::transaction_manager_status_mut(c);
            status.transaction_depth().map_or(true, |depth| depth.is_some())
        })
    }
}

fn refuse_old_sqlite(conn: &mut Conn) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let Conn::Sqlite(c) = conn;
    let row: Row = diesel::sql_query("SELECT sqlite_version() AS version").get_result(c)?;
    let mut parts = row.version.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = [(); 3].map(|()| parts.next().unwrap_or_default());
    if version < OLDEST_SQLITE {
        let text = format!("SQLite {} can lose committed writes; 3.51.3 or later is needed", row.version);
        return Err(RepoError::Unusable(text));
    }
    Ok(())
}
