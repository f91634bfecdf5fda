//! The record: what happened, and in how many years it would have been noticed.

use std::ops::RangeInclusive;

use polars::prelude::*;
use rayon::prelude::*;

use crate::columns::name::*;
use crate::columns::{OUTCOMES, number_of};
use crate::controls;
use crate::frame::{MIN_ROWS_PER_PIECE, days, floats, from_floats, in_pieces, keys};
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
pub(crate) fn apply(suppliers: DataFrame, record: Vec<Column>, model: &Model, as_of: i32) -> PolarsResult<DataFrame> {
    suppliers
        .hstack(&record)?
        .lazy()
        .with_columns([
            (col(DISCOUNTED_HARMFUL_COUNT) + contained_share(model)).alias(DISCOUNTED_INCIDENT_COUNT),
            days(REPORTS_INCIDENTS_SINCE).lt_eq(lit(as_of)).fill_null(lit(false)).alias(IS_REPORTING),
        ])
        .drop(cols([WEIGHT]))
        .collect()
}

/// Computes what [`apply`] adds from incidents and enrollments, which no other stage of a supplier needs. `weight` is
/// that of its contained incidents.
pub(crate) fn record(portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<Vec<Column>> {
    let count = portfolio.supplier_count();
    let watches = Watches::new(portfolio, model)?;
    let incidents = Incidents::of_window(portfolio, model, as_of)?;
    let weight = |incident: &Incident| incident.weight(model, as_of);
    let watched_weight = |incident: &Incident| match watches.saw(incident.supplier, incident.day) {
        true => weight(incident),
        false => 0.0,
    };
    let sums = |incidents: &[Incident], weight: &(dyn Fn(&Incident) -> f64 + Sync)| {
        let keys: Vec<_> = incidents.iter().map(|incident| incident.supplier).collect();
        let weights: Vec<_> = incidents.par_iter().with_min_len(ROWS_PER_TASK).map(weight).collect();
        sums::by_key(&keys, &weights, count)
    };
    let years = watches.observed_years(model, as_of);
    let [blocked, contained, harmful] = &incidents.counts;
    Ok(vec![
        from_floats(DISCOUNTED_OBSERVED_YEARS, years.iter().map(|years| years.all).collect()),
        from_floats(WATCHED_YEARS, years.iter().map(|years| years.watched).collect()),
        from_floats(DISCOUNTED_HARMFUL_COUNT, sums(&incidents.harmful, &weight)),
        from_floats(WATCHED_HARMFUL_COUNT, sums(&incidents.harmful, &watched_weight)),
        from_floats(WEIGHT, sums(&incidents.contained, &weight)),
        Column::new(HARMFUL_COUNT.into(), harmful),
        Column::new(CONTAINED_COUNT.into(), contained),
        Column::new(BLOCKED_COUNT.into(), blocked),
    ])
}

/// The number of incidents or suppliers that one thread takes at once. Results do not depend on it.
const ROWS_PER_TASK: usize = 4096;

/// Returns what all contained incidents of a supplier count together.
fn contained_share(model: &Model) -> Expr {
    (lit(model.contained_weight) * col(WEIGHT)).clip_max(lit(model.contained_cap))
}

/// An incident with a weight, or several of a supplier on a day. In the order of this type, weights may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Incident {
    supplier: u32,
    day: i32,
    count: i64,
}

impl Incident {
    /// Formula: `count · 2^−((T − occurred_on)/h)`
    fn weight(&self, model: &Model, as_of: i32) -> f64 {
        let age_days = f64::from(as_of - self.day);
        self.count as f64 * (-age_days / model.half_life_days).exp2()
    }
}

/// The incidents of the window: those with a weight, sorted, and the number of each outcome per supplier.
struct Incidents {
    harmful: Vec<Incident>,
    contained: Vec<Incident>,
    /// By outcome in order of [`OUTCOMES`], then by supplier. They are for display, not for calculation.
    counts: [Vec<i64>; 3],
}

impl Incidents {
    fn of_window(portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<Self> {
        let (count, window) = (portfolio.supplier_count(), as_of - model.lookback_days..=as_of);
        // Each piece counts for all suppliers, so it must have enough rows to be worth that.
        let least = count.max(MIN_ROWS_PER_PIECE);
        let pieces = in_pieces(&portfolio.incidents, least, |piece| Self::of_piece(piece, count, &window))?;
        let mut pieces = pieces.into_iter();
        let mut all = pieces.next().unwrap_or_else(|| Self::none(count));
        for piece in pieces {
            all.harmful.extend(piece.harmful);
            all.contained.extend(piece.contained);
            for (all, counts) in all.counts.iter_mut().zip(piece.counts) {
                all.iter_mut().zip(counts).for_each(|(all, count)| *all = all.saturating_add(count));
            }
        }
        all.harmful.par_sort_unstable();
        all.contained.par_sort_unstable();
        Ok(all)
    }

    fn none(supplier_count: usize) -> Self {
        Self { harmful: Vec::new(), contained: Vec::new(), counts: [0; 3].map(|none| vec![none; supplier_count]) }
    }

    fn of_piece(incidents: &DataFrame, supplier_count: usize, window: &RangeInclusive<i32>) -> PolarsResult<Self> {
        let mut found = Self::none(supplier_count);
        let days = incidents.column(OCCURRED_ON)?.date()?.physical().into_no_null_iter();
        let outcomes = incidents.column(OUTCOME)?.u32()?.into_no_null_iter();
        let [contained, harmful] = ["contained", "harmful"].map(|outcome| number_of(OUTCOMES, outcome));
        let counts = incidents.column(COUNT)?.i64()?.iter();
        let rows = incidents.column(SUPPLIER)?.u32()?.into_no_null_iter().zip(days).zip(outcomes.zip(counts));
        for ((supplier, day), (outcome, count)) in rows.filter(|((_, day), _)| window.contains(day)) {
            let incident = Incident { supplier, day, count: count.unwrap_or(1) };
            if outcome == harmful {
                found.harmful.push(incident);
            } else if outcome == contained {
                found.contained.push(incident);
            }
            let counts = found.counts.get_mut(outcome as usize).map(Vec::as_mut_slice).unwrap_or_default();
            if let Some(all) = counts.get_mut(supplier as usize) {
                *all = all.saturating_add(incident.count);
            }
        }
        Ok(found)
    }
}

/// Which periods of each supplier were watched.
struct Watches {
    /// All suppliers' watches with a coverage above 0, sorted by supplier and then by all their columns.
    all: Vec<Watch>,
    of_supplier: Vec<std::ops::Range<usize>>,
    reports_from: Vec<Option<i32>>,
}

impl Watches {
    fn new(portfolio: &Portfolio, model: &Model) -> PolarsResult<Self> {
        let enrollments = controls::enrollments(portfolio, model, &[])?.filter(col(COVERAGE).gt(lit(0.0))).collect()?;
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
            .into_par_iter()
            .with_min_len(ROWS_PER_TASK)
            .map(|supplier| {
                let (watches, reports_from) = self.of(supplier);
                detection.observed_years(watches, reports_from)
            })
            .collect()
    }
}
