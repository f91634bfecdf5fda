//! The record: what happened, and in how many years it would have been noticed.

use polars::prelude::*;

use crate::columns::name::*;
use crate::controls;
use crate::frame::{days, floats, from_floats, keys};
use crate::model::Model;
use crate::portfolio::Portfolio;
use crate::sums::{self, Detection, Watch};

/// Adds the record to the suppliers.
///
/// Formula: `E = ∫ detect(t) · 2^−((T−t)/h) dt`;
///          `N = H + min(contained_cap, contained_weight · Σ count · 2^−((T−d)/h))`
/// Gives:   `discounted_observed_years` E and its part `watched_years`, years; `discounted_incident_count` N,
///          `discounted_harmful_count` H and its part `watched_harmful_count`; all f64, ≥ 0, never null; the plain
///          `harmful_count`, `contained_count` and `blocked_count` of the window, i64; `is_reporting`
/// Source:  scoring-model.md, section 2
pub(crate) fn apply(suppliers: DataFrame, portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<DataFrame> {
    let count = suppliers.height();
    let watches = Watches::new(portfolio, model)?;
    let incidents = weighted_incidents(portfolio, model, as_of)?;
    let of = |outcome: &str| incidents.clone().lazy().filter(col(OUTCOME).eq(lit(outcome))).collect();
    let (harmful, contained): (DataFrame, DataFrame) = (of("harmful")?, of("contained")?);

    let harmful_keys = keys(&harmful, SUPPLIER)?;
    let weights = floats(&harmful, WEIGHT)?;
    let harmful_days = harmful.column(OCCURRED_ON)?.date()?.physical().into_no_null_iter();
    let watched_weights: Vec<_> = harmful_keys
        .iter()
        .zip(harmful_days)
        .zip(weights.iter())
        .map(|((supplier, day), weight)| if watches.saw(*supplier, day) { *weight } else { 0.0 })
        .collect();
    let years: Vec<_> = watches.observed_years(model, as_of);

    suppliers
        .hstack(&[
            from_floats(DISCOUNTED_OBSERVED_YEARS, years.iter().map(|years| years.all).collect()),
            from_floats(WATCHED_YEARS, years.iter().map(|years| years.watched).collect()),
            from_floats(DISCOUNTED_HARMFUL_COUNT, sums::by_key(&harmful_keys, &weights, count)),
            from_floats(WATCHED_HARMFUL_COUNT, sums::by_key(&harmful_keys, &watched_weights, count)),
            from_floats(WEIGHT, sums::by_key(&keys(&contained, SUPPLIER)?, &floats(&contained, WEIGHT)?, count)),
        ])?
        .lazy()
        .with_columns([
            (col(DISCOUNTED_HARMFUL_COUNT) + contained_share(model)).alias(DISCOUNTED_INCIDENT_COUNT),
            days(REPORTS_INCIDENTS_SINCE).lt_eq(lit(as_of)).fill_null(lit(false)).alias(IS_REPORTING),
        ])
        .drop(cols([WEIGHT]))
        .left_join(plain_counts(portfolio, model, as_of), col(SUPPLIER), col(SUPPLIER))
        .sort([SUPPLIER], SortMultipleOptions::default())
        .with_columns([HARMFUL_COUNT, CONTAINED_COUNT, BLOCKED_COUNT].map(|count| col(count).fill_null(lit(0i64))))
        .collect()
}

/// What all contained incidents of a supplier count together.
fn contained_share(model: &Model) -> Expr {
    (lit(model.contained_weight) * col(WEIGHT)).clip_max(lit(model.contained_cap))
}

/// Whether an incident lies in `[as_of − lookback_days, as_of]`.
fn in_window(model: &Model, as_of: i32) -> Expr {
    days(OCCURRED_ON).gt_eq(lit(as_of - model.lookback_days)).and(days(OCCURRED_ON).lt_eq(lit(as_of)))
}

/// The harmful and contained incidents of the window, in order of all their columns, with their weight.
///
/// Formula: `count · 2^−((T − occurred_on)/h)`
fn weighted_incidents(portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<DataFrame> {
    let age_days = (lit(as_of) - days(OCCURRED_ON)).cast(DataType::Float64);
    let count = col(COUNT).fill_null(lit(1i64)).cast(DataType::Float64);
    portfolio
        .incidents
        .clone()
        .lazy()
        .filter(in_window(model, as_of).and(col(OUTCOME).neq(lit("blocked"))))
        .with_column((count * lit(2.0).pow(-age_days / lit(model.half_life_days))).alias(WEIGHT))
        .sort([SUPPLIER, OCCURRED_ON, OUTCOME, COUNT], SortMultipleOptions::default())
        .collect()
}

/// How many incidents of each outcome the window holds, to be told, not to be reckoned with.
///
/// They are whole numbers, whose sums are exact in any order up to 2^53.
fn plain_counts(portfolio: &Portfolio, model: &Model, as_of: i32) -> LazyFrame {
    let of = |outcome: &str, name: &str| {
        let count = col(COUNT).fill_null(lit(1i64)).cast(DataType::Float64);
        let count = when(col(OUTCOME).eq(lit(outcome))).then(count).otherwise(lit(0.0));
        count.sum().cast(DataType::Int64).alias(name)
    };
    portfolio.incidents.clone().lazy().filter(in_window(model, as_of)).group_by([col(SUPPLIER)]).agg([
        of("harmful", HARMFUL_COUNT),
        of("contained", CONTAINED_COUNT),
        of("blocked", BLOCKED_COUNT),
    ])
}

/// Who watched each supplier, and when.
struct Watches {
    /// All suppliers' watches that cover more than 0, sorted by supplier and all their columns.
    all: Vec<Watch>,
    of_supplier: Vec<std::ops::Range<usize>>,
    reports_from: Vec<Option<i32>>,
}

impl Watches {
    fn new(portfolio: &Portfolio, model: &Model) -> PolarsResult<Self> {
        let enrollments = controls::enrollments(portfolio, model, &[]).filter(col(COVERAGE).gt(lit(0.0))).collect()?;
        let starts = enrollments.column(STARTS_ON)?.date()?.physical().into_no_null_iter();
        let ends = enrollments.column(ENDS_ON)?.date()?.physical().iter();
        let all = starts
            .zip(ends)
            .zip(floats(&enrollments, COVERAGE)?.iter())
            .map(|((from, to), coverage)| Watch { from, to: to.unwrap_or(i32::MAX), coverage: *coverage })
            .collect();
        Ok(Self {
            all,
            of_supplier: sums::ranges(&keys(&enrollments, SUPPLIER)?, portfolio.supplier_count()),
            reports_from: portfolio.suppliers.column(REPORTS_INCIDENTS_SINCE)?.date()?.physical().iter().collect(),
        })
    }

    fn of(&self, supplier: usize) -> (&[Watch], Option<i32>) {
        let watches = self.of_supplier.get(supplier).and_then(|range| self.all.get(range.clone()));
        (watches.unwrap_or_default(), self.reports_from.get(supplier).copied().flatten())
    }

    fn saw(&self, supplier: u32, day: i32) -> bool {
        let (watches, reports_from) = self.of(supplier as usize);
        sums::is_watched(watches, reports_from, day)
    }

    fn observed_years(&self, model: &Model, as_of: i32) -> Vec<sums::ObservedYears> {
        let detection = Detection {
            silent: model.silent,
            reporting: model.reporting,
            monitored: model.monitored,
            half_life_days: model.half_life_days,
            window_start: as_of - model.lookback_days,
            as_of,
        };
        (0..self.of_supplier.len())
            .map(|supplier| {
                let (watches, reports_from) = self.of(supplier);
                detection.observed_years(watches, reports_from)
            })
            .collect()
    }
}
