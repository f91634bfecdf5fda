//! Benchmarks of parts of the scoring: `cargo bench --workspace --bench parts`.
//!
//! The stages, reading and writing are timed in real runs by `sonae score --timings`. The bench command of the tests
//! reports them for three sizes.

#![expect(clippy::unwrap_used, reason = "a benchmark that fails is no benchmark")]

use chrono::NaiveDate;
use divan::{Bencher, black_box};
use polars::prelude::*;
use scoring::{Explainer, Model, Portfolio, Suppliers, Table, Tables, score};

/// Numbers of suppliers. Relationships and incidents are ten times as many.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
const ROWS_A_SUPPLIER: u32 = 10;

fn main() {
    divan::main();
}

/// Returns the same numbers each time, in no particular order.
fn draws(seed: u32) -> impl Iterator<Item = u32> {
    // The steps of a 32-bit xorshift generator by Marsaglia.
    std::iter::successors(Some(seed), |state| {
        let state = state ^ (state << 13);
        let state = state ^ (state >> 17);
        Some(state ^ (state << 5))
    })
}

fn codes(suppliers: u32) -> Vec<String> {
    // An odd factor below a power of two reaches each number once, out of order.
    (0..suppliers).map(|number| format!("S{:010}", number.wrapping_mul(2_654_435_761))).collect()
}

fn suppliers_table(suppliers: u32) -> DataFrame {
    let employees: Vec<i64> = draws(1).take(suppliers as usize).map(|draw| i64::from(draw % 2000)).collect();
    df!("supplier_code" => codes(suppliers), "employee_count" => employees).unwrap()
}

/// Returns the ends of relationships, each from one supplier to a later one. Few suppliers have most of them.
fn ends(suppliers: u32) -> (Vec<u32>, Vec<u32>) {
    let skewed = move |draw: u32| ((f64::from(draw) / f64::from(u32::MAX)).powi(4) * f64::from(suppliers - 1)) as u32;
    let pairs = draws(2).zip(draws(3)).map(move |(one, other)| (skewed(one), skewed(other)));
    let pairs = pairs.filter(|(one, other)| one != other).map(|(one, other)| (one.max(other), one.min(other)));
    pairs.take((suppliers * ROWS_A_SUPPLIER) as usize).unzip()
}

/// Returns tables that name suppliers by row.
fn tables(suppliers: u32) -> Tables {
    let rows = (suppliers * ROWS_A_SUPPLIER) as usize;
    let mut tables = Tables::of_suppliers(Table::Suppliers.empty());
    for table in Table::ALL {
        *tables.table_mut(table) = table.empty_of_rows();
    }
    let (upstream, downstream) = ends(suppliers);
    tables.relationships = df!(
        "upstream" => upstream,
        "downstream" => downstream,
        "annual_spend_jpy" => draws(4).take(rows).map(|draw| f64::from(draw % 100_000_000)).collect::<Vec<_>>(),
        "criticality" => draws(5).take(rows).map(|draw| draw % 3).collect::<Vec<_>>(),
        "substitutability" => draws(6).take(rows).map(|draw| draw % 3).collect::<Vec<_>>(),
    )
    .unwrap();
    let days = draws(7).take(rows).map(|draw| 17_000 + (draw % 3600) as i32).collect::<Vec<_>>();
    tables.incidents = df!(
        "supplier" => draws(8).take(rows).map(|draw| draw % suppliers).collect::<Vec<_>>(),
        "occurred_on" => days,
        "outcome" => draws(9).take(rows).map(|draw| u32::from(draw % 10 == 0)).collect::<Vec<_>>(),
        "count" => draws(10).take(rows).map(|draw| i64::from(draw % 500 + 1)).collect::<Vec<_>>(),
    )
    .unwrap();
    tables.incidents.try_apply("occurred_on", |days| days.cast(&DataType::Date)).unwrap();
    tables
}

fn portfolio(suppliers: u32) -> Portfolio {
    Portfolio::of_suppliers(Suppliers::new(&suppliers_table(suppliers)).unwrap(), tables(suppliers)).unwrap()
}

fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 9, 30).unwrap()
}

/// Checks suppliers, sorts them and builds the table of their codes.
#[divan::bench(args = SIZES, sample_count = 10)]
fn check_suppliers(bencher: Bencher<'_, '_>, suppliers: u32) {
    let table = suppliers_table(suppliers);
    bencher.bench(|| Suppliers::new(black_box(&table)).unwrap());
}

/// Looks up ten codes per supplier, in no particular order.
#[divan::bench(args = SIZES, sample_count = 10)]
fn resolve_codes(bencher: Bencher<'_, '_>, suppliers: u32) {
    let known = Suppliers::new(&suppliers_table(suppliers)).unwrap();
    let codes = codes(suppliers);
    let asked: Vec<&str> = draws(11)
        .take((suppliers * ROWS_A_SUPPLIER) as usize)
        .filter_map(|draw| codes.get((draw % suppliers) as usize).map(String::as_str))
        .collect();
    bencher.bench(|| known.rows_of(black_box(&asked).iter().map(|code| Some(*code))));
}

/// Checks relationships and incidents that name suppliers by row.
#[divan::bench(args = SIZES, sample_count = 10)]
fn check_tables(bencher: Bencher<'_, '_>, suppliers: u32) {
    let known = Suppliers::new(&suppliers_table(suppliers)).unwrap();
    let tables = tables(suppliers);
    bencher
        .with_inputs(|| (known.clone(), tables.clone()))
        .bench_values(|(known, tables)| Portfolio::of_suppliers(known, tables).unwrap());
}

/// Runs all stages.
#[divan::bench(args = SIZES, sample_count = 10)]
fn score_all(bencher: Bencher<'_, '_>, suppliers: u32) {
    let (portfolio, model) = (portfolio(suppliers), Model::default());
    bencher.bench(|| score(black_box(&portfolio), &model, as_of()).unwrap());
}

/// Explains one score.
#[divan::bench(args = SIZES)]
fn explain_one(bencher: Bencher<'_, '_>, suppliers: u32) {
    let scores = score(&portfolio(suppliers), &Model::default(), as_of()).unwrap();
    let explainer = Explainer::new(&scores).unwrap();
    bencher.bench(|| explainer.explain(black_box(suppliers as usize / 2)));
}
