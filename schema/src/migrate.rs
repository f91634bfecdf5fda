//! Brings the tables up to date.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::conn::Conn;
use crate::error::RepoError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Runs the migrations that have not run yet, each in a transaction.
pub(crate) fn run(conn: &mut Conn) -> Result<(), RepoError> {
    let Conn::Sqlite(c) = conn;
    c.run_pending_migrations(SQLITE).map(|_| ()).map_err(RepoError::Failed)
}
