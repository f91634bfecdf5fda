//! Bare inserts of made-up results: what any service would have to store for a score run.

use std::time::Instant;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_dsl::methods::ExecuteDsl;

use super::{Took, is_server};
use crate::Failure;
use crate::cells::{AnyRow, Batch, Cells, Scan};

/// How many numbers a result has.
const NUMBERS: usize = 32;
/// The short texts of a result.
const TEXTS: [&str; 5] = ["S0000001", "取引先1株式会社", "small", "E", "B"];
/// The number of columns, with the keys.
const COLUMNS: usize = 2 + TEXTS.len() + NUMBERS;

/// Inserts `count` results.
pub(super) fn run(to: &str, count: u32) -> Result<Took, Failure> {
    if is_server(to) {
        return insert(&mut PgConnection::establish(to)?, count, ("UUID", ""), 20_000 / COLUMNS);
    }
    let mut conn = SqliteConnection::establish(to)?;
    conn.batch_execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536")?;
    insert(&mut conn, count, ("BLOB", "WITHOUT ROWID"), 1000 / COLUMNS)
}

fn insert<C>(conn: &mut C, count: u32, (key, options): (&str, &str), batch_rows: usize) -> Result<Took, Failure>
where
    C: Scan + SimpleConnection,
    for<'r> Batch<'r, C::Backend>: ExecuteDsl<C>,
{
    let texts: String = (0..TEXTS.len()).map(|place| format!("t{place} TEXT NOT NULL, ")).collect();
    let numbers: String = (0..NUMBERS).map(|place| format!("n{place} DOUBLE PRECISION NOT NULL, ")).collect();
    conn.batch_execute(&format!(
        "CREATE TABLE bare_results (run_id {key} NOT NULL, supplier_id {key} NOT NULL, {texts}{numbers}\
         PRIMARY KEY (run_id, supplier_id)) {options}"
    ))?;
    let rows: Vec<AnyRow<C::Backend>> = (0..count).map(row::<C>).collect();
    let start = Instant::now();
    conn.batch_execute("BEGIN")?;
    for rows in rows.chunks(batch_rows) {
        Batch { head: "INSERT INTO bare_results VALUES ", rows, tail: "" }.execute(conn)?;
    }
    conn.batch_execute("COMMIT")?;
    let time = start.elapsed();
    conn.batch_execute("DROP TABLE bare_results")?;
    Took::new(time, u64::from(count))
}

fn row<C: Scan>(number: u32) -> AnyRow<C::Backend> {
    let mut cells = vec![C::Backend::of_key(1), C::Backend::of_key(u128::from(number) << 64)];
    cells.extend(TEXTS.iter().map(|text| C::Backend::of_text(text)));
    cells.extend((0..NUMBERS).map(|place| C::Backend::of_double(f64::from(number) / (place as f64 + 1.5))));
    AnyRow(cells)
}
