//! Brings the tables up to date.

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::RepoError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
/// The wall between buyers, which stands once more after each change of the tables.
const WALL: &str = include_str!("wall.sql");
/// Held while a process migrates: of several that start at once, the others wait and find nothing left to do.
const LOCK: &str = "SELECT pg_advisory_lock(2199023254)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(2199023254)";

/// Runs the migrations of the embedded database that have not run yet, each in a transaction.
pub(crate) fn sqlite(conn: &mut SqliteConnection) -> Result<(), RepoError> {
    let run = conn.run_pending_migrations(SQLITE).map(|_| ());
    run.map_err(|error| RepoError::of_disk(&error.to_string(), error).unwrap_or_else(RepoError::Failed))
}

/// Whether all migrations of the embedded database have run. Asked without writing anything.
pub(crate) fn is_sqlite_current(conn: &mut SqliteConnection) -> Result<bool, RepoError> {
    let run: Vec<Name> = diesel::sql_query("SELECT version AS name FROM __diesel_schema_migrations").load(conn)?;
    let known: Vec<Box<dyn Migration<Sqlite>>> = SQLITE.migrations().map_err(RepoError::Failed)?;
    Ok(known.iter().all(|known| run.iter().any(|run| known.name().version().to_string() == run.name)))
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Runs the migrations of a server that have not run yet, each in a transaction, and sees that the wall stands.
pub(crate) fn postgres(conn: &mut PgConnection) -> Result<(), RepoError> {
    // Whoever only uses the tables need not own them.
    if is_up_to_date(conn)? {
        return Ok(());
    }
    conn.batch_execute(LOCK)?;
    // Whoever had the lock before may be at work by now: making the wall anew would get into the way of that.
    let done = is_up_to_date(conn).and_then(|is_done| if is_done { Ok(()) } else { bring_up_to_date(conn) });
    conn.batch_execute(UNLOCK)?;
    done
}

fn is_up_to_date(conn: &mut PgConnection) -> Result<bool, RepoError> {
    Ok(is_current(conn)? && unwalled(conn)?.is_empty())
}

fn bring_up_to_date(conn: &mut PgConnection) -> Result<(), RepoError> {
    let failed = |what: &str, error| RepoError::Unusable(format!("{what} cannot be made: {error}"));
    let mut what = "the wall between buyers".to_owned();
    if is_current(conn)? {
        // It stood and was taken away: whoever did so knows by which table.
        what = format!("{what} around {}", unwalled(conn)?.join(", "));
    } else {
        conn.run_pending_migrations(POSTGRES).map_err(|error| failed("the tables", error))?;
    }
    conn.transaction(|conn| conn.batch_execute(WALL)).map_err(|error| failed(&what, error.into()))?;
    let open = unwalled(conn)?;
    if open.is_empty() {
        return Ok(());
    }
    Err(RepoError::Unusable(format!("no wall between buyers stands around {}", open.join(", "))))
}

/// The tables with rows of buyers that row-level security does not wall off, or where a policy lets others through; and
/// roles that may look over the wall.
fn unwalled(conn: &mut PgConnection) -> Result<Vec<String>, RepoError> {
    let open: Vec<Name> = diesel::sql_query(
        "SELECT relname::text AS name FROM pg_class \
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname <> 'job_queue' \
         AND (relname = 'tenants' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'tenant_id')) \
         AND (NOT (relrowsecurity AND relforcerowsecurity) OR EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid \
         AND polname <> 'installation' AND pg_get_expr(polqual, polrelid) NOT LIKE '%id % NULLIF(current_setting(''sonae.tenant_id''%')) \
         UNION ALL SELECT rolname FROM pg_roles WHERE (rolsuper OR rolbypassrls) \
         AND rolname IN (current_database() || '_tenant', current_database() || '_operator') ORDER BY 1",
    )
    .load(conn)?;
    Ok(open.into_iter().map(|table| table.name).collect())
}

fn is_current(conn: &mut PgConnection) -> Result<bool, RepoError> {
    let there: Vec<Name> =
        diesel::sql_query("SELECT coalesce(to_regclass('__diesel_schema_migrations'), 'pg_class')::text AS name")
            .load(conn)?;
    if there.iter().any(|table| table.name == "pg_class") {
        return Ok(false);
    }
    let run: Vec<Name> =
        diesel::sql_query("SELECT version::text AS name FROM __diesel_schema_migrations").load(conn)?;
    let known: Vec<Box<dyn Migration<Pg>>> = POSTGRES.migrations().map_err(RepoError::Failed)?;
    Ok(known.iter().all(|known| run.iter().any(|run| known.name().version().to_string() == run.name)))
}
