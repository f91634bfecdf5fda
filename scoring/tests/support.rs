//! Portfolios for tests: read from a folder of the examples, or written down row by row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use polars::prelude::*;
use proptest::prelude::ProptestConfig;
use scoring::{ColumnKind, Model, Portfolio, Table, Tables};

pub(crate) fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, 30).unwrap()
}

pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples").join(name)
}

/// Returns a configuration with this number of random cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(count),
    }
}

/// Reads the tables of a folder. Those without a file are empty.
pub(crate) fn read_tables(folder: &Path) -> Tables {
    let mut tables = Tables::of_suppliers(Table::Suppliers.empty());
    for table in Table::ALL {
        let path = folder.join(table.name()).with_extension("csv");
        if path.exists() {
            *tables.table_mut(table) = frame(table, &read_rows(&path));
        }
    }
    tables
}

/// Reads the rows of a CSV file: cells by heading, without empty ones.
pub(crate) fn read_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut rows: Vec<BTreeMap<String, String>> =
        csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect();
    rows.iter_mut().for_each(|row| row.retain(|_, cell| !cell.is_empty()));
    rows
}

/// Returns a frame of rows whose cells are text. Empty ones are left out.
pub(crate) fn frame(table: Table, rows: &[BTreeMap<String, String>]) -> DataFrame {
    let columns = table
        .columns()
        .iter()
        .map(|declared| {
            let cells: Vec<_> = rows.iter().map(|row| row.get(declared.name).cloned()).collect();
            let text = Column::new(declared.name.into(), cells.clone());
            match declared.kind {
                ColumnKind::Text | ColumnKind::Choice(_) => text,
                ColumnKind::Flag => Column::new(
                    declared.name.into(),
                    cells.iter().map(|cell| cell.as_ref().map(|cell| cell == "true")).collect::<Vec<_>>(),
                ),
                ColumnKind::Date => {
                    let days: Vec<_> = cells
                        .iter()
                        .map(|cell| {
                            let date: NaiveDate = cell.as_ref()?.parse().unwrap();
                            Some((date - NaiveDate::default()).num_days() as i32)
                        })
                        .collect();
                    Column::new(declared.name.into(), days).cast(&DataType::Date).unwrap()
                }
                ColumnKind::Whole(..) | ColumnKind::Number(..) => text.strict_cast(&declared.kind.dtype()).unwrap(),
            }
        })
        .collect::<Vec<_>>();
    DataFrame::new(rows.len(), columns).unwrap()
}

/// Returns the results of a portfolio that is known to be valid.
pub(crate) fn score_table(tables: Tables, model: &Model) -> DataFrame {
    let portfolio = Portfolio::try_new(tables).unwrap();
    scoring::score(&portfolio, model, as_of()).unwrap().table().unwrap()
}
