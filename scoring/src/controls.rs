//! Controls: what monitoring, certificates and single controls do to the base rate, as logarithms of factors.

use polars::prelude::*;
use rayon::prelude::*;

use crate::assessments::{self, Assessed, FIRST_CONTROL, RATE_CONTROLS};
use crate::columns::by_choice;
use crate::columns::name::*;
use crate::frame::{MIN_ROWS_PER_PIECE, by_supplier, days, floats, from_floats, keys};
use crate::model::{Format, Model};
use crate::portfolio::Portfolio;
use crate::sums;

/// The suppliers with their controls, and the enrollments behind them.
pub(crate) struct Controls {
    /// The suppliers with the parts of `control`, after weights and floor, `prior`, `mean_downtime_days` and the facts
    /// behind them.
    pub(crate) suppliers: DataFrame,
    /// The enrollments active at `as_of`, strongest class first, with the share each takes.
    pub(crate) active: DataFrame,
    /// The assessments that count.
    pub(crate) assessed: Assessed,
}

/// Adds the controls, the prior rate and the downtime to the suppliers.
///
/// Formula: `prior = base · e^control`, with the parts of `control` as [`assessments::together`] weighs them;
///          `mean_downtime_days = mean_days · onsite_factor · e^(f_backup)`
/// Source:  scoring-model.md, sections 2 and 3
pub(crate) fn apply(suppliers: DataFrame, portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<Controls> {
    let count = suppliers.height();
    let active = active_enrollments(portfolio, model, as_of)?;
    let monitoring: Vec<f64> =
        floats(&active, LOG_FACTOR)?.iter().zip(floats(&active, TAKE)?.iter()).map(|(log, take)| log * take).collect();
    let monitoring = sums::by_key(&keys(&active, SUPPLIER)?, &monitoring, count);
    let mut has_onsite = vec![false; count];
    for (supplier, is_onsite) in keys(&active, SUPPLIER)?.iter().zip(active.column(ONSITE_RESPONSE)?.bool()?.iter()) {
        if let Some(has_onsite) = has_onsite.get_mut(*supplier as usize) {
            *has_onsite |= is_onsite == Some(true);
        }
    }

    let suppliers = suppliers
        .hstack(by_supplier(&last_ends(portfolio, as_of).collect()?, count)?.columns())?
        .hstack(by_supplier(&best(portfolio, model, as_of, Scheme::Ladder).collect()?, count)?.columns())?
        .hstack(by_supplier(&best(portfolio, model, as_of, Scheme::Isms).collect()?, count)?.columns())?;
    let certified = |name: &str| {
        let logs = suppliers.column(name)?.f64()?.iter().map(Option::unwrap_or_default);
        Ok::<Vec<f64>, PolarsError>(logs.collect())
    };
    let (ladder, isms) = (certified(LADDER)?, certified(ISMS)?);
    let base = floats(&suppliers, BASE_RATE)?;
    let mut assessed = Assessed::new(portfolio, model, as_of)?;
    let rows = monitoring.into_par_iter().zip((ladder, isms)).enumerate().with_min_len(MIN_ROWS_PER_PIECE);
    let together: Vec<_> = rows
        .map(|(supplier, (monitoring, (ladder, isms)))| {
            let logs = assessed.log_factors(supplier);
            let controls = RATE_CONTROLS.map(|control| logs.get(control).copied().unwrap_or_default());
            assessments::together([monitoring, ladder, isms], controls, model)
        })
        .collect();
    let prior = base.iter().zip(&together).map(|(base, together)| base * together.control.exp()).collect();
    let downtime = has_onsite.iter().enumerate().map(|(supplier, has_onsite)| {
        let onsite = if *has_onsite { model.onsite_factor } else { 1.0 };
        model.mean_days * onsite * assessed.downtime_factor(supplier)
    });
    let mut added = vec![
        from_floats(PRIOR, prior),
        from_floats(FLOOR_SCALE, together.iter().map(|together| together.floor_scale).collect()),
        from_floats(MEAN_DOWNTIME_DAYS, downtime.collect()),
    ];
    let part =
        |place: usize| together.iter().map(move |together| together.parts.get(place).copied().unwrap_or_default());
    for (place, name) in [MONITORING, LADDER, ISMS].into_iter().enumerate() {
        added.push(from_floats(name, part(place).collect()));
    }
    if model.format() == Format::Two {
        for (place, name) in CONTROL_POINTS.into_iter().enumerate() {
            // The product of zeros may be a negative zero.
            let points = part(place + FIRST_CONTROL).map(|log| log * model.points_per_log() + 0.0);
            added.push(from_floats(name, points.collect()));
        }
    }
    assessed.keep_weights(&together);
    let suppliers = suppliers.drop_many([LADDER, ISMS]).hstack(&added)?;
    Ok(Controls { suppliers, active, assessed })
}

/// The contributions of the controls that change the rate, in their order.
const CONTROL_POINTS: [&str; RATE_CONTROLS.len()] =
    [POINTS_MFA, POINTS_PATCHING, POINTS_HARDENING, POINTS_REMOTE_ACCESS, POINTS_EDR, POINTS_SELF_ASSESSMENT];

/// The share of a supplier's endpoints that an enrollment covers.
///
/// Formula: `coverage_share`; else `min(1, covered_endpoints / total_endpoints)` if both are known; else
///          `default_coverage_share`
/// Reads:   enrollments joined with the supplier's `total_endpoints`
/// Gives:   `coverage` f64, 0 to 1
fn coverage(model: &Model) -> Expr {
    coalesce(&[col(COVERAGE_SHARE), by_endpoints().clip_max(lit(1.0)), lit(model.default_coverage_share)])
        .alias(COVERAGE)
}

fn by_endpoints() -> Expr {
    col(COVERED_ENDPOINTS).cast(DataType::Float64) / col(TOTAL_ENDPOINTS).cast(DataType::Float64)
}

/// The enrollments with `coverage`, whether that `is_assumed`, and `log_factor`.
///
/// Their order is that of all their columns, those in `first` before others.
pub(crate) fn enrollments(portfolio: &Portfolio, model: &Model, first: &[Expr]) -> PolarsResult<LazyFrame> {
    let suppliers = portfolio.enrollments.column(SUPPLIER)?.cast(&IDX_DTYPE)?;
    let endpoints = portfolio.suppliers.column(TOTAL_ENDPOINTS)?.take(suppliers.idx()?)?;
    let order = [SERVICE_CLASS, COVERAGE_SHARE, COVERED_ENDPOINTS, STARTS_ON, ENDS_ON, ONSITE_RESPONSE].map(col);
    let enrollments = portfolio
        .enrollments
        .hstack(&[endpoints])?
        .lazy()
        .with_columns([
            coverage(model),
            col(COVERAGE_SHARE).is_null().and(by_endpoints().is_null()).alias(IS_ASSUMED),
            by_choice(SERVICE_CLASS, &model.otasuketai, f64::NAN).log(lit(std::f64::consts::E)).alias(LOG_FACTOR),
        ])
        .sort_by_exprs([&[col(SUPPLIER)], first, &order].concat(), SortMultipleOptions::default());
    Ok(enrollments)
}

fn active_enrollments(portfolio: &Portfolio, model: &Model, as_of: i32) -> PolarsResult<DataFrame> {
    let has_started = days(STARTS_ON).lt_eq(lit(as_of));
    let has_not_ended = days(ENDS_ON).gt(lit(as_of)).fill_null(lit(true));
    let active = enrollments(portfolio, model, &[col(LOG_FACTOR)])?.filter(has_started.and(has_not_ended)).collect()?;
    let takes = sums::takes(&keys(&active, SUPPLIER)?, &floats(&active, COVERAGE)?);
    active.hstack(&[from_floats(TAKE, takes)])
}

/// Returns when each supplier's last enrollment that is over ended.
fn last_ends(portfolio: &Portfolio, as_of: i32) -> LazyFrame {
    portfolio.enrollments.clone().lazy().filter(days(ENDS_ON).lt_eq(lit(as_of))).group_by([col(SUPPLIER)]).agg([col(
        ENDS_ON,
    )
    .max()
    .alias(ENDED_ON)])
}

/// The two kinds of certification. Of each kind, only the best one counts.
#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    /// SECURITY ACTION and SCS, which are steps of one ladder.
    Ladder,
    Isms,
}

/// Each supplier's best certification of a kind, with its scheme, expiry and freshness.
///
/// Formula: the minimum of `ln(factor[scheme]) · freshness`
/// Reads:   certifications issued up to `as_of`
fn best(portfolio: &Portfolio, model: &Model, as_of: i32, kind: Scheme) -> LazyFrame {
    let isms = [("isms", model.isms)];
    let (factors, names) = match kind {
        Scheme::Ladder => (
            model.ladder.as_slice(),
            [LADDER, LADDER_SCHEME, LADDER_EXPIRY, LADDER_EXPIRY_IS_ASSUMED, LADDER_FRESHNESS],
        ),
        Scheme::Isms => (isms.as_slice(), [ISMS, ISMS_SCHEME, ISMS_EXPIRY, ISMS_EXPIRY_IS_ASSUMED, ISMS_FRESHNESS]),
    };
    let [log, scheme, expiry_name, is_assumed, freshness_name] = names;
    let is_isms = col(SCHEME).eq(lit("isms"));
    let is_kind = if kind == Scheme::Isms { is_isms } else { is_isms.not() };
    let order = [col(SUPPLIER), col(LOG_FACTOR), col(SCHEME), col(ISSUED_ON), col(EXPIRES_ON)];
    portfolio
        .certifications
        .clone()
        .lazy()
        .filter(is_kind.and(days(ISSUED_ON).lt_eq(lit(as_of))))
        .with_column(expiry(model))
        .with_column(freshness(model, as_of))
        .with_column(
            (by_choice(SCHEME, factors, f64::NAN).log(lit(std::f64::consts::E)) * col(FRESHNESS)).alias(LOG_FACTOR),
        )
        .sort_by_exprs(order, SortMultipleOptions::default())
        .unique_stable(Some(cols([SUPPLIER])), UniqueKeepStrategy::First)
        .select([
            col(SUPPLIER),
            col(LOG_FACTOR).alias(log),
            col(SCHEME).alias(scheme),
            col(EXPIRY).cast(DataType::Date).alias(expiry_name),
            col(EXPIRES_ON).is_null().alias(is_assumed),
            col(FRESHNESS).alias(freshness_name),
        ])
}

/// Returns the last day of a certification, in days; null if it has none and its scheme has no validity.
pub(crate) fn expiry(model: &Model) -> Expr {
    let by_scheme = model.validity_days.iter().fold(lit(NULL).cast(DataType::Int32), |rest, (scheme, validity)| {
        when(col(SCHEME).eq(lit(*scheme))).then(lit(*validity)).otherwise(rest)
    });
    coalesce(&[days(EXPIRES_ON), days(ISSUED_ON) + by_scheme]).alias(EXPIRY)
}

/// Returns how much of a certification still counts, 0 to 1.
///
/// Formula: with an expiry, 1 up to and on the day, then `max(0, 1 − days_past / expiry_fade_days)`; without,
///          1 up to `undated_full_days`, then `2^−((age − undated_full_days) / undated_half_life_days)`
/// Source:  scoring-model.md, section 2
fn freshness(model: &Model, as_of: i32) -> Expr {
    let days_past = (lit(as_of) - col(EXPIRY)).cast(DataType::Float64);
    let faded = lit(1.0) - days_past.clone() / lit(model.expiry_fade_days);
    let dated = when(days_past.lt_eq(lit(0.0))).then(lit(1.0)).otherwise(faded.clip_min(lit(0.0)));
    let over = (lit(as_of) - days(ISSUED_ON)).cast(DataType::Float64) - lit(model.undated_full_days);
    let halved = lit(2.0).pow(-over.clone() / lit(model.undated_half_life_days));
    let undated = when(over.lt_eq(lit(0.0))).then(lit(1.0)).otherwise(halved);
    when(col(EXPIRY).is_not_null()).then(dated).otherwise(undated).alias(FRESHNESS)
}
