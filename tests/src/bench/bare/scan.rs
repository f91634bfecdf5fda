//! A bare scan of the columns of incidents that a score run reads.

use std::io::{Read, copy, sink};
use std::process::{Command, Stdio};
use std::time::Instant;

use diesel::connection::DefaultLoadingMode;
use diesel::deserialize::{self, QueryableByName};
use diesel::prelude::*;
use diesel::row::{Field, NamedRow, Row};
use diesel::sqlite::Sqlite;

use super::{Took, is_server};
use crate::Failure;
use crate::cells::texts;

/// The columns of an incident that a score run needs.
const COLUMNS: &str = "supplier_id, occurred_on, outcome, count";

/// A row of which every value was looked at.
struct Seen;

impl QueryableByName<Sqlite> for Seen {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let is_null = |place| Row::get(row, place).is_none_or(|field| field.value().is_none());
        std::hint::black_box((0..row.field_count()).filter(|place| is_null(*place)).count());
        Ok(Self)
    }
}

/// Steps over all incidents. On a server it uses a binary COPY to the client `psql`.
pub(super) fn run(from: &str) -> Result<Took, Failure> {
    if is_server(from) {
        return copied(from);
    }
    let mut conn = SqliteConnection::establish(from)?;
    let start = Instant::now();
    let mut rows = 0;
    let query = diesel::sql_query(format!("SELECT {COLUMNS} FROM incidents"));
    for row in query.load_iter::<Seen, DefaultLoadingMode>(&mut conn)? {
        row?;
        rows += 1;
    }
    Took::new(start.elapsed(), rows)
}

fn copied(from: &str) -> Result<Took, Failure> {
    let counted = texts(&mut PgConnection::establish(from)?, "SELECT count(*)::text FROM incidents")?;
    let rows = counted.first().and_then(|row| row.first()).ok_or("no count")?.parse()?;
    let command = format!("COPY (SELECT {COLUMNS} FROM incidents) TO STDOUT (FORMAT binary)");
    let start = Instant::now();
    let mut psql = Command::new("psql").args(["--no-psqlrc", from, "-c", &command]).stdout(Stdio::piped()).spawn()?;
    let mut said = psql.stdout.take().ok_or("no output")?;
    copy(&mut said.by_ref(), &mut sink())?;
    if !psql.wait()?.success() {
        return Err("psql failed".into());
    }
    Took::new(start.elapsed(), rows)
}
