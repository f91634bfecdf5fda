//! Brings the tables up to date, and refuses those of releases that this one cannot work with.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::conn::Conn;
use crate::database::DatabasePlace;
use crate::error::{Bilingual, RepoError};
use crate::tx::OperatorTx;
use crate::{postgres as server, row_level_security, sqlite as embedded};

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// Held while a process migrates. If several start at once, the others wait and find nothing left to do.
const LOCK: &str = "SELECT pg_advisory_lock(2199023254)";
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(2199023254) AS is_ours";
const UNLOCK: &str = "SELECT pg_advisory_unlock(2199023254)";
/// How long a statement waits for transactions that use its table. All others queue behind it meanwhile, so it is
/// short. It is also shorter than the second after which the server looks for deadlocks.
const LOCK_TIMEOUT: &str = "SET lock_timeout = 800";
/// The time that others get before the next attempt.
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(2);
/// For how long attempts are repeated: an import of one buyer may take long.
const ATTEMPTS_TIMEOUT: Duration = Duration::from_secs(1800);

/// What to do about migrations that have not run when a database is opened.
#[expect(missing_debug_implementations, reason = "a closure has none")]
pub enum Pending<'a> {
    /// Run them, and report what happens to the function.
    Run(&'a mut dyn FnMut(&Notice)),
    /// Refuse the database.
    Refuse,
}

/// What happens to the tables while a database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Migrations are about to run.
    Migrating {
        /// Their names, in order.
        names: Vec<String>,
        /// Whether there were no tables at all.
        is_new: bool,
        /// Whether processes of the previous release can go on.
        is_compatible: bool,
    },
    /// Another process migrates, or transactions use a table that has to change. This one waits for them.
    Waiting,
    /// The migrations have run.
    Migrated {
        /// Whether there were no tables at all before.
        is_new: bool,
        /// How long the migrations took.
        duration: Duration,
    },
    /// Row-level security was incomplete and has been completed.
    Secured {
        /// What was missing.
        what: Bilingual,
    },
    /// A newer release has changed the tables, in ways that this one can work with.
    Newer {
        /// Versions of its migrations.
        versions: Vec<String>,
    },
}

/// The state of a database's tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaState {
    /// The names of migrations that have not run, in order.
    pub pending: Vec<String>,
    /// Versions of migrations that this release does not know.
    pub newer: Vec<String>,
    /// Those of the newer ones that this release cannot work with.
    pub incompatible: Vec<String>,
    /// Whether the tables were made by a build from before the first release, which no migration can upgrade.
    pub is_of_earlier_build: bool,
    /// What row-level security lacks, if anything, and who has to do what.
    pub insecure: Option<Bilingual>,
    /// Whether there are no tables at all.
    pub is_new: bool,
}

impl Pending<'_> {
    /// Returns the same, for one use, while the original stays usable.
    pub fn reborrow(&mut self) -> Pending<'_> {
        match self {
            Self::Run(told) => Pending::Run(&mut **told),
            Self::Refuse => Pending::Refuse,
        }
    }
}

impl SchemaState {
    /// Reads the state of a database, and changes nothing.
    ///
    /// # Errors
    /// If it cannot be reached or read.
    pub fn of(place: &DatabasePlace, patience: Duration) -> Result<Self, RepoError> {
        match place {
            DatabasePlace::Folder(folder) => {
                let path = folder.join("sonae.db");
                if !path.exists() {
                    return Self::new(&known::<Sqlite>(&SQLITE_MIGRATIONS)?, &[], &[]);
                }
                Self::of_sqlite(&mut embedded::connect_read_only(&path, patience)?)
            }
            DatabasePlace::Server { url, .. } => {
                let process = server::Process::new(1);
                let [(mut conn, _), _] = server::connect_tried(url, &process).map_err(RepoError::at_start)?;
                server::check(&mut conn)?;
                row_level_security::expect_short_name(&mut conn)?;
                expect_readable(&mut conn)?;
                let mut state = Self::of_postgres(&mut conn)?;
                // Row-level security is completed after migrations.
                if state.pending.is_empty() && state.incompatible.is_empty() {
                    let findings = row_level_security::findings(&mut conn)?;
                    if !findings.is_empty() {
                        state.insecure = Some(row_level_security::untried(&mut conn, &findings)?);
                    }
                }
                Ok(state)
            }
        }
    }

    fn of_sqlite(conn: &mut SqliteConnection) -> Result<Self, RepoError> {
        let tables =
            "SELECT name FROM sqlite_schema WHERE name IN ('__diesel_schema_migrations', 'compatible_migrations')";
        Self::read(&known::<Sqlite>(&SQLITE_MIGRATIONS)?, tables, |query| {
            Ok(names(diesel::sql_query(query).load(conn)?))
        })
    }

    fn of_postgres(conn: &mut PgConnection) -> Result<Self, RepoError> {
        let tables = "SELECT relname::text AS name FROM pg_class \
                      WHERE oid IN (to_regclass('__diesel_schema_migrations'), to_regclass('compatible_migrations'))";
        Self::read(&known::<Pg>(&POSTGRES_MIGRATIONS)?, tables, |query| Ok(names(diesel::sql_query(query).load(conn)?)))
    }

    /// Reads the state by queries that return names.
    fn read(
        known: &[Known],
        tables: &str,
        mut load: impl FnMut(&str) -> Result<Vec<String>, RepoError>,
    ) -> Result<Self, RepoError> {
        let tables = load(tables)?;
        let mut versions = |table: &str| match tables.iter().any(|name| name == table) {
            true => load(&format!("SELECT version AS name FROM {table} ORDER BY version")),
            false => Ok(Vec::new()),
        };
        let run = versions("__diesel_schema_migrations")?;
        let compatible = versions("compatible_migrations")?;
        Self::new(known, &run, &compatible)
    }

    fn new(known: &[Known], run: &[String], compatible: &[String]) -> Result<Self, RepoError> {
        let pending = known.iter().filter(|known| !run.contains(&known.version)).map(|known| known.name.clone());
        let newer: Vec<_> =
            run.iter().filter(|version| known.iter().all(|known| known.version != **version)).cloned().collect();
        let incompatible = newer.iter().filter(|version| !compatible.contains(version)).cloned().collect();
        let first = known.first().map(|known| &known.version);
        let is_of_earlier_build = newer.iter().any(|version| first.is_some_and(|first| version < first));
        let is_new = run.is_empty();
        Ok(Self { pending: pending.collect(), newer, incompatible, is_of_earlier_build, insecure: None, is_new })
    }

    /// Refuses a database that this release cannot work with.
    ///
    /// # Errors
    /// The refusal.
    pub fn refuse_unfit(&self) -> Result<(), RepoError> {
        self.refuse_earlier_build()?;
        self.refuse_newer()
    }

    /// Refuses a database from before the first release.
    fn refuse_earlier_build(&self) -> Result<(), RepoError> {
        if !self.is_of_earlier_build {
            return Ok(());
        }
        Err(RepoError::Unfit(Bilingual {
            en: "the tables were made by a build from before the first release, whose data cannot be carried over: name an empty \
                 folder or database and import suppliers and evidence anew; the build that made these tables can still export them"
                .into(),
            ja: "データベースの表は最初のリリースより前のビルドで作成されたもので、データを引き継げません。空のフォルダーまたはデータベースを\
                 指定し、取引先とエビデンスを改めて取り込んでください。既存のデータは、作成したビルドで引き続きエクスポートできます"
                .into(),
        }))
    }

    /// Refuses a database that a newer release has changed in ways that this one cannot work with.
    ///
    /// # Errors
    /// The refusal.
    fn refuse_newer(&self) -> Result<(), RepoError> {
        if self.incompatible.is_empty() {
            return Ok(());
        }
        let release = env!("CARGO_PKG_VERSION");
        Err(RepoError::Unfit(Bilingual {
            en: format!(
                "the tables were made by a newer release: this one ({release}) does not know the migrations {} and cannot work with \
                 them; start the newer release, or restore a backup from before the upgrade",
                self.incompatible.join(", ")
            ),
            ja: format!(
                "データベースの表はより新しいリリースで更新されています。このリリース（{release}）はマイグレーション {} に対応していません。\
                 新しいリリースを起動するか、更新前のバックアップから復元してください",
                self.incompatible.join("、")
            ),
        }))
    }

    /// Refuses a database on which migrations have not run.
    ///
    /// # Errors
    /// The refusal.
    pub fn refuse_older(&self) -> Result<(), RepoError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        Err(RepoError::Unfit(Bilingual {
            en: format!("migrations have not run: {}; run `sonae migrate`", self.pending.join(", ")),
            ja: format!(
                "未適用のマイグレーションがあります: {}。`sonae migrate` を実行してください",
                self.pending.join("、")
            ),
        }))
    }

    /// Returns whether processes of the previous release can go on once the pending migrations have run.
    ///
    /// # Errors
    /// Errors of the embedded database.
    pub fn leaves_older_running(&self) -> Result<bool, RepoError> {
        let compatible = compatible()?;
        let known = known::<Sqlite>(&SQLITE_MIGRATIONS)?;
        let mut pending = known.iter().filter(|known| self.pending.contains(&known.name));
        Ok(pending.all(|known| compatible.contains(&known.version)))
    }

    /// Returns the notice to give before migrations run.
    fn migrating(&self) -> Result<Notice, RepoError> {
        let is_compatible = self.leaves_older_running()?;
        Ok(Notice::Migrating { names: self.pending.clone(), is_new: self.is_new, is_compatible })
    }
}

/// Checks in an open transaction that this release can work with the tables. Another release may have changed them, or
/// a backup been restored, since the database was opened.
///
/// # Errors
/// [`RepoError::Unfit`] if it cannot, and those of the database.
pub fn expect_schema(tx: &mut OperatorTx) -> Result<(), RepoError> {
    let state = match &mut *tx.conn {
        Conn::Sqlite(conn) => SchemaState::of_sqlite(conn)?,
        Conn::Postgres(conn, _) => SchemaState::of_postgres(conn)?,
    };
    state.refuse_unfit()?;
    state.refuse_older()
}

/// A migration of this release.
struct Known {
    version: String,
    name: String,
}

fn known<DB: diesel::backend::Backend>(migrations: &EmbeddedMigrations) -> Result<Vec<Known>, RepoError>
where
    EmbeddedMigrations: MigrationSource<DB>,
{
    let migrations: Vec<Box<dyn Migration<DB>>> = migrations.migrations().map_err(RepoError::Failed)?;
    let known = migrations.iter().map(|migration| migration.name());
    let mut known: Vec<_> =
        known.map(|name| Known { version: name.version().to_string(), name: name.to_string() }).collect();
    known.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(known)
}

/// Returns the versions of this release's migrations that the previous release can work with. Each migration says so by
/// a row that it inserts, so they are run on a temporary database to find out.
fn compatible() -> Result<Vec<String>, RepoError> {
    let mut conn = SqliteConnection::establish(":memory:").map_err(|error| RepoError::Failed(error.into()))?;
    conn.run_pending_migrations(SQLITE_MIGRATIONS).map_err(RepoError::Failed)?;
    Ok(names(diesel::sql_query("SELECT version AS name FROM compatible_migrations").load(&mut conn)?))
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

fn names(rows: Vec<Name>) -> Vec<String> {
    rows.into_iter().map(|row| row.name).collect()
}

/// Runs the pending migrations of the embedded database: all or none.
pub(crate) fn sqlite(conn: &mut SqliteConnection, pending: Pending<'_>) -> Result<(), RepoError> {
    let state = SchemaState::of_sqlite(conn)?;
    state.refuse_unfit()?;
    let Pending::Run(told) = pending else { return state.refuse_older() };
    if !state.newer.is_empty() {
        told(&Notice::Newer { versions: state.newer.clone() });
    }
    if state.pending.is_empty() {
        return Ok(());
    }
    let start = Instant::now();
    told(&state.migrating()?);
    // Another process may do the same. The second one finds nothing left to do once it is the writer.
    let run = conn.immediate_transaction(|conn| conn.run_pending_migrations(SQLITE_MIGRATIONS).map(|_| ()));
    run.map_err(|error| RepoError::of_disk(&error.to_string(), error).unwrap_or_else(RepoError::Failed))?;
    told(&Notice::Migrated { is_new: state.is_new, duration: start.elapsed() });
    Ok(())
}

/// Refuses an embedded database that this release cannot work with. Returns whether no migrations are pending.
pub(crate) fn expect_sqlite(conn: &mut SqliteConnection) -> Result<bool, RepoError> {
    let state = SchemaState::of_sqlite(conn)?;
    state.refuse_unfit()?;
    Ok(state.pending.is_empty())
}

/// Runs the pending migrations of a server, each in a transaction, and completes row-level security.
pub(crate) fn postgres(conn: &mut PgConnection, pending: Pending<'_>) -> Result<(), RepoError> {
    row_level_security::expect_short_name(conn)?;
    expect_readable(conn)?;
    let state = SchemaState::of_postgres(conn)?;
    state.refuse_unfit()?;
    let Pending::Run(told) = pending else {
        state.refuse_older()?;
        return expect_secured(conn);
    };
    if !state.newer.is_empty() {
        told(&Notice::Newer { versions: state.newer.clone() });
        // What the newer release has added has rules that this one does not know.
        state.refuse_older()?;
        return expect_secured(conn);
    }
    // A role that only uses the tables need not own them.
    if state.pending.is_empty() && row_level_security::findings(conn)?.is_empty() {
        return Ok(());
    }
    lock(conn, told)?;
    conn.batch_execute(LOCK_TIMEOUT)?;
    let done = run_pending(conn, told).and_then(|has_run| secure(conn, told, has_run));
    // If this fails, the connection is lost, and the lock with it.
    drop(conn.batch_execute("RESET lock_timeout"));
    drop(conn.batch_execute(UNLOCK));
    done
}

fn lock(conn: &mut PgConnection, told: &mut dyn FnMut(&Notice)) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        is_ours: bool,
    }
    let row: Row = diesel::sql_query(TRY_LOCK).get_result(conn)?;
    if !row.is_ours {
        told(&Notice::Waiting);
        conn.batch_execute(LOCK)?;
    }
    Ok(())
}

fn expect_secured(conn: &mut PgConnection) -> Result<(), RepoError> {
    let findings = row_level_security::findings(conn)?;
    if findings.is_empty() { Ok(()) } else { Err(row_level_security::refusal(conn, &findings, None)) }
}

/// Refuses tables of another owner who has granted nothing: for example a superuser who restored them before the role
/// that owned them existed.
fn expect_readable(conn: &mut PgConnection) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        can_be_read: bool,
        #[diesel(sql_type = Text)]
        login: String,
    }
    let row: Row = diesel::sql_query(
        "SELECT coalesce(has_table_privilege(to_regclass('__diesel_schema_migrations'), 'SELECT'), true) AS can_be_read, \
         current_user::text AS login",
    )
    .get_result(conn)?;
    let change = row_level_security::other_owner(conn)?;
    let (false, Some(change)) = (row.can_be_read, change) else { return Ok(()) };
    let login = row.login;
    Err(RepoError::Unfit(Bilingual {
        en: format!(
            "{login} may not read the tables, which belong to another role; an administrator has to run, in this database: {change}"
        ),
        ja: format!(
            "{login} には表を読む権限がありません（別のロールが所有しています）。管理者がこのデータベースで次の文を実行してください: {change}"
        ),
    }))
}

/// Runs pending migrations. Returns whether there were any.
fn run_pending(conn: &mut PgConnection, told: &mut dyn FnMut(&Notice)) -> Result<bool, RepoError> {
    // The previous holder of the lock may have run them all.
    let state = SchemaState::of_postgres(conn)?;
    state.refuse_unfit()?;
    if state.pending.is_empty() {
        return Ok(false);
    }
    let start = Instant::now();
    told(&state.migrating()?);
    let failed = |error| RepoError::Unusable(format!("the tables cannot be brought up to date: {error}"));
    for migration in conn.pending_migrations(POSTGRES_MIGRATIONS).map_err(failed)? {
        in_turn(conn, told, |conn| conn.run_migration(&*migration).map(|_| ())).map_err(failed)?;
    }
    told(&Notice::Migrated { is_new: state.is_new, duration: start.elapsed() });
    Ok(true)
}

/// Adds what row-level security lacks.
fn secure(conn: &mut PgConnection, told: &mut dyn FnMut(&Notice), has_migrated: bool) -> Result<(), RepoError> {
    let lacking = row_level_security::findings(conn)?;
    if lacking.is_empty() {
        return Ok(());
    }
    let added = row_level_security::add(conn, &lacking, |conn, statements| {
        in_turn(conn, told, |conn| conn.batch_execute(statements)).map_err(RepoError::from)
    });
    let left = row_level_security::findings(conn)?;
    if !left.is_empty() {
        return Err(row_level_security::refusal(conn, &left, added.as_ref().err()));
    }
    if !has_migrated {
        told(&Notice::Secured { what: row_level_security::shown(&lacking) });
    }
    Ok(())
}

/// Runs statements that need exclusive access to a table, again and again while transactions use it.
fn in_turn<E: ToString>(
    conn: &mut PgConnection,
    told: &mut dyn FnMut(&Notice),
    mut work: impl FnMut(&mut PgConnection) -> Result<(), E>,
) -> Result<(), E> {
    let start = Instant::now();
    let mut has_waited = false;
    loop {
        match work(conn) {
            Err(error) if RepoError::is_of_lock(&error.to_string()) && start.elapsed() < ATTEMPTS_TIMEOUT => {
                if !has_waited {
                    told(&Notice::Waiting);
                    has_waited = true;
                }
                thread::sleep(ATTEMPT_INTERVAL);
            }
            done => return done,
        }
    }
}
