//! Bare inserts of the rows that the service has imported.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;

use super::{Took, is_server};
use crate::Failure;
use crate::cells::{AnyRow, Batch, Cells, Scan, texts};

/// How many rows are read before they are inserted. Reading does not count.
const CHUNK_ROWS: usize = 50_000;
/// How many rows may be missing from a table that has some already: these are inserted too, because others refer to
/// them. A table that lacks more is skipped.
const SMALL_TABLE_ROWS: u64 = 1000;

/// The differences between the databases.
struct Dialect {
    /// The query for the names of the tables, those that others refer to first.
    tables: &'static str,
    /// The query for the names of the columns of a table that are not computed.
    columns: fn(&str) -> String,
    /// The statements at the beginning of the transaction.
    begin: &'static str,
    /// How many parameters a statement has: more of them do not make it faster.
    parameters: usize,
}

const SQLITE: Dialect = Dialect {
    tables: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             AND name <> '__diesel_schema_migrations' ORDER BY rowid",
    columns: |table| format!("SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0"),
    begin: "BEGIN IMMEDIATE; PRAGMA defer_foreign_keys = ON",
    parameters: 1000,
};

const POSTGRES: Dialect = Dialect {
    tables: "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace \
             AND relname <> '__diesel_schema_migrations' ORDER BY oid",
    columns: |table| {
        format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' \
             AND table_name = '{table}' AND is_generated = 'NEVER' ORDER BY ordinal_position"
        )
    },
    begin: "BEGIN",
    parameters: 20_000,
};

/// Inserts the rows that one database has and another one lacks.
pub(super) fn run(from: &str, to: &str) -> Result<Took, Failure> {
    if is_server(from) {
        return copy(&mut PgConnection::establish(from)?, &mut PgConnection::establish(to)?, &POSTGRES);
    }
    let mut target = SqliteConnection::establish(to)?;
    // The settings are those with which the service writes, but with a larger cache.
    target.batch_execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536",
    )?;
    copy(&mut SqliteConnection::establish(from)?, &mut target, &SQLITE)
}

fn copy<C>(from: &mut C, to: &mut C, dialect: &Dialect) -> Result<Took, Failure>
where
    C: Scan + SimpleConnection,
    for<'r> Batch<'r, C::Backend>: ExecuteDsl<C>,
{
    let (mut time, mut rows) = (Duration::ZERO, 0);
    to.batch_execute(dialect.begin)?;
    for table in first_column(from, dialect.tables)? {
        let [had, has] = [count(to, &table)?, count(from, &table)?];
        if has <= had || (had > 0 && has > had + SMALL_TABLE_ROWS) {
            continue;
        }
        let columns = first_column(from, &(dialect.columns)(&table))?;
        let names = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
        let head = format!("INSERT INTO \"{table}\" ({names}) VALUES ");
        let tail = if had > 0 { " ON CONFLICT DO NOTHING" } else { "" };
        let rows_per_statement = (dialect.parameters / columns.len().max(1)).max(1);
        let mut chunk: Vec<AnyRow<C::Backend>> = Vec::with_capacity(CHUNK_ROWS);
        let mut insert = |chunk: &mut Vec<AnyRow<C::Backend>>| {
            let start = Instant::now();
            for rows in chunk.chunks(rows_per_statement) {
                Batch { head: &head, rows, tail }.execute(to)?;
            }
            time += start.elapsed();
            rows += chunk.len() as u64;
            chunk.clear();
            Ok::<_, Failure>(())
        };
        from.each(&format!("SELECT {names} FROM \"{table}\""), |row| {
            chunk.push(row);
            if chunk.len() < CHUNK_ROWS { Ok(()) } else { insert(&mut chunk) }
        })?;
        insert(&mut chunk)?;
    }
    let start = Instant::now();
    to.batch_execute("COMMIT")?;
    Took::new(time + start.elapsed(), rows)
}

fn first_column<C: Scan>(conn: &mut C, query: &str) -> Result<Vec<String>, Failure> {
    Ok(texts(conn, query)?.into_iter().filter_map(|row| row.into_iter().next()).collect())
}

fn count<C: Scan>(conn: &mut C, table: &str) -> Result<u64, Failure>
where
    C::Backend: Cells,
{
    let counted = first_column(conn, &format!("SELECT CAST(count(*) AS TEXT) FROM \"{table}\""))?;
    Ok(counted.first().ok_or("no count")?.parse()?)
}
