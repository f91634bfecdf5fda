//! The embedded database.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::conn::Role;
use crate::error::RepoError;

/// The first release without the race that could lose committed writes in WAL mode (3.7.0 to 3.51.2).
const OLDEST: [u32; 3] = [3, 51, 3];

/// Opens the file for readers or for writers, who wait so long for one in another process.
pub(crate) fn connect(path: &Path, role: Role, patience: Duration) -> Result<SqliteConnection, RepoError> {
    let path = path.to_str().ok_or_else(|| RepoError::Unusable("the data folder's name is no text".into()))?;
    let failed = |error: ConnectionError| RepoError::Unusable(format!("{path} cannot be opened: {error}"));
    let mut conn = SqliteConnection::establish(path).map_err(failed)?;
    // The time limit first, so that the next lines wait too. Deleted rows are overwritten: contacts can be erased.
    let settings = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA secure_delete = ON; PRAGMA cache_size = {}; PRAGMA temp_store = MEMORY; {}",
        patience.as_millis(),
        // Readers are many, and what they read stays with the operating system.
        if role == Role::Reader { -8192 } else { -32768 },
        if role == Role::Reader { "PRAGMA query_only = ON;" } else { "" },
    );
    conn.batch_execute(&settings).map_err(|error| RepoError::Unusable(format!("{path}: {error}")))?;
    Ok(conn)
}

/// How a transaction begins.
pub(crate) fn begin(role: Role) -> &'static str {
    match role {
        Role::Reader => "BEGIN",
        // A writer that began by reading could not become one while another process writes.
        Role::Writer | Role::Queue => "BEGIN IMMEDIATE",
    }
}

pub(crate) fn refuse_old(conn: &mut SqliteConnection) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let row: Row = diesel::sql_query("SELECT sqlite_version() AS version").get_result(conn)?;
    let mut parts = row.version.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = [(); 3].map(|()| parts.next().unwrap_or_default());
    if version < OLDEST {
        let text = format!("SQLite {} can lose committed writes; 3.51.3 or later is needed", row.version);
        return Err(RepoError::Unusable(text));
    }
    Ok(())
}
