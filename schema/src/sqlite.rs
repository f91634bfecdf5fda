//! The embedded database.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::Text;
use diesel::sqlite::Sqlite;

use crate::error::RepoError;
use crate::postgres::Beginning;
use crate::scope::TxRole;

/// The first release without the race that could lose committed writes in WAL mode (3.7.0 to 3.51.2).
const MIN_SQLITE_VERSION: [u32; 3] = [3, 51, 3];

/// Opens the file for readers or for writers. `patience` is the time-out of waiting for a writer in another process.
pub(crate) fn connect(path: &Path, role: TxRole, patience: Duration) -> Result<SqliteConnection, RepoError> {
    let path = path.to_str().ok_or_else(|| RepoError::Unusable("the data folder's name is no text".into()))?;
    let mut conn = open(path, path)?;
    let [small, large] = CACHE_SIZES;
    // The time-out comes first, so that the next statements wait too. Deleted rows are overwritten, since contacts can
    // be erased.
    let settings = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA secure_delete = ON; PRAGMA cache_size = {}; PRAGMA temp_store = {}; {}",
        patience.as_millis(),
        if role == TxRole::Reader { small } else { large },
        // A writer's statement may need much to undo itself: all parts of an upload that it deletes.
        if role == TxRole::Reader { "MEMORY" } else { "FILE" },
        if role == TxRole::Reader { "PRAGMA query_only = ON;" } else { "" },
    );
    set(&mut conn, path, &settings)?;
    Ok(conn)
}

/// The page cache of a reader and of a writer, in KiB as negative numbers, as the pragma takes it. There are many
/// readers, and what they read stays in the cache of the operating system. A large import reads and writes all pages of
/// the indexes again and again: what does not fit is read again or written to the log each time. Tidying gives the
/// memory back.
const CACHE_SIZES: [i32; 2] = [-8192, -65536];

/// Sets the page cache of a connection to that of a writer or of a reader.
pub(crate) fn resize_cache(conn: &mut SqliteConnection, is_large: bool) -> QueryResult<()> {
    let [small, large] = CACHE_SIZES;
    conn.batch_execute(&format!("PRAGMA cache_size = {}", if is_large { large } else { small }))
}

/// Opens a file that cannot be written, for readers: its disk is full or read-only.
pub(crate) fn connect_read_only(path: &Path, patience: Duration) -> Result<SqliteConnection, RepoError> {
    let name = path.to_str().ok_or_else(|| RepoError::Unusable("the data folder's name is no text".into()))?;
    let address = format!("file:{}", name.replace('%', "%25").replace('?', "%3f").replace('#', "%23"));
    let settings =
        format!("PRAGMA busy_timeout = {}; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;", patience.as_millis());
    let connect = |mode: &str| {
        let mut conn = open(&format!("{address}?{mode}"), name)?;
        set(&mut conn, name, &settings)?;
        set(&mut conn, name, "SELECT count(*) FROM sqlite_schema;")?;
        Ok(conn)
    };
    connect("mode=ro").or_else(|error: RepoError| {
        // If the file cannot be written, the files next to it cannot be created either. It is complete without them,
        // unless its log has content.
        let log = std::fs::metadata(format!("{name}-wal")).map_or(0, |log| log.len());
        if log == 0 { connect("immutable=1") } else { Err(error) }
    })
}

/// Copies the embedded database of a folder into a new file, as of one moment, while others read and write it.
///
/// # Errors
/// If it cannot be read, or the copy cannot be written or read back.
pub fn copy_embedded(folder: &Path, to: &Path, patience: Duration) -> Result<(), RepoError> {
    let to_name = to.to_str().ok_or_else(|| RepoError::Unusable("the name of the copy is no text".into()))?;
    let from = folder.join("sonae.db");
    let mut conn = connect(&from, TxRole::Writer, patience)?;
    refuse_old(&mut conn)?;
    // Copying the file would miss what is in the log, and tear what is written meanwhile.
    diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(to_name).execute(&mut conn)?;

    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        quick_check: String,
    }
    let mut copy = open(to_name, to_name)?;
    let found: Vec<Found> = diesel::sql_query("PRAGMA quick_check(1)").load(&mut copy)?;
    match found.first() {
        Some(found) if found.quick_check == "ok" => Ok(()),
        found => {
            let said = found.map_or("nothing", |found| &found.quick_check);
            Err(RepoError::Unusable(format!("the copy of {} is not whole: {said}", from.display())))
        }
    }
}

fn open(address: &str, shown: &str) -> Result<SqliteConnection, RepoError> {
    SqliteConnection::establish(address).map_err(|error| {
        let text = format!("{shown} cannot be opened: {error}");
        RepoError::of_disk(&error.to_string(), text).unwrap_or_else(RepoError::Unusable)
    })
}

fn set(conn: &mut SqliteConnection, shown: &str, settings: &str) -> Result<(), RepoError> {
    conn.batch_execute(settings).map_err(|error| {
        let text = format!("{shown}: {error}");
        RepoError::of_disk(&error.to_string(), text).unwrap_or_else(RepoError::Unusable)
    })
}

/// Returns how a transaction begins.
pub(crate) fn begin(role: TxRole) -> Beginning {
    let begin = match role {
        // Followed by `fix_state`.
        TxRole::Reader => "BEGIN",
        // A writer that began by reading could not start to write while another process writes.
        TxRole::Writer | TxRole::Queue => "BEGIN IMMEDIATE",
    };
    Beginning { begin, settings: String::new() }
}

/// Fixes the state of the database that a transaction reads, which is that of its first reading statement. So this runs
/// before the transaction's moment is taken.
pub(crate) fn fix_state(conn: &mut SqliteConnection) -> QueryResult<()> {
    #[derive(QueryId)]
    struct AnyRow;

    impl QueryFragment<Sqlite> for AnyRow {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
            out.push_sql("SELECT count(*) FROM sqlite_schema WHERE rowid = 1");
            Ok(())
        }
    }

    impl RunQueryDsl<SqliteConnection> for AnyRow {}

    AnyRow.execute(conn).map(drop)
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
    if version < MIN_SQLITE_VERSION {
        let text = format!("SQLite {} can lose committed writes; 3.51.3 or later is needed", row.version);
        return Err(RepoError::Unusable(text));
    }
    Ok(())
}
