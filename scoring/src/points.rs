//! From rates to scores, grades and the contributions of which scores consist.

use polars::prelude::*;

use crate::columns::name::*;
use crate::columns::results;
use crate::frame::{floats, from_floats};
use crate::model::{Format, Model};

/// Returns the chance of at least one event in a year: `1 − e^(−rate)`, exact for small rates too.
pub(crate) fn chance(rate: f64) -> f64 {
    -(-rate).exp_m1()
}

/// The contributions to the chain score. All but the last sum to the risk score before it is clamped.
pub const CONTRIBUTIONS: [&str; 13] = [
    POINTS_BASE,
    POINTS_SEGMENT,
    POINTS_MONITORING,
    POINTS_LADDER,
    POINTS_ISMS,
    POINTS_MFA,
    POINTS_PATCHING,
    POINTS_HARDENING,
    POINTS_REMOTE_ACCESS,
    POINTS_EDR,
    POINTS_SELF_ASSESSMENT,
    POINTS_HISTORY,
    POINTS_UPSTREAM,
];

/// Returns the contributions by the rules of a model: those of format 1 know no single controls.
pub fn contributions(format: Format) -> impl Iterator<Item = &'static str> {
    let known = move |key: &&str| results(format).any(|result| result.name == *key);
    CONTRIBUTIONS.into_iter().filter(known)
}

/// Adds the disruption probability, scores, grades and contributions to the suppliers.
///
/// Formula: `points(x) = 100 · log2(x) / log2(rate_high / rate_low)`;
///          `risk_score = clamp(points(own_rate / rate_low), 0, 100)`
/// Gives:   scores f64, 0 to 100; grades A to E; contributions f64, points
/// Source:  scoring-model.md, section 4
pub(crate) fn apply(suppliers: DataFrame, model: &Model) -> PolarsResult<DataFrame> {
    // Polars has no `expm1`, and `1 − e^(−x)` loses the digits of a small rate.
    let disrupted = floats(&suppliers, DISRUPTION_RATE)?.iter().map(|rate| chance(*rate)).collect();
    let probabilities = [from_floats(DISRUPTION_PROBABILITY, disrupted)];
    let points = |ratio: Expr| ratio.log(lit(std::f64::consts::E)) * lit(model.points_per_log());
    let points_of_log = |log: Expr| log * lit(model.points_per_log());
    let score = |rate: &str| points(col(rate) / lit(model.rate_low)).clip(lit(0.0), lit(100.0));
    suppliers
        .hstack(&probabilities)?
        .lazy()
        .with_columns([
            score(OWN_RATE).alias(RISK_SCORE),
            score(OWN_RATE_LOW).alias(RISK_SCORE_LOW),
            score(OWN_RATE_HIGH).alias(RISK_SCORE_HIGH),
            score(DISRUPTION_RATE).alias(CHAIN_SCORE),
            points(col(BASE_RATE) / lit(model.rate_low)).alias(POINTS_BASE),
            points(col(SEGMENT_FACTOR)).alias(POINTS_SEGMENT),
            points_of_log(col(MONITORING)).alias(POINTS_MONITORING),
            points_of_log(col(LADDER)).alias(POINTS_LADDER),
            points_of_log(col(ISMS)).alias(POINTS_ISMS),
            points(col(OWN_RATE) / (col(PRIOR) * col(SEGMENT_FACTOR))).alias(POINTS_HISTORY),
            points(col(DISRUPTION_RATE) / col(OWN_RATE)).alias(POINTS_UPSTREAM),
        ])
        .with_columns([grade(RISK_SCORE, model).alias(GRADE), grade(CHAIN_SCORE, model).alias(CHAIN_GRADE)])
        // A factor of 1 results in a zero of either sign, but people should see only one.
        .with_columns(
            contributions(Format::One)
                .map(|points| when(col(points).eq(lit(0.0))).then(lit(0.0)).otherwise(col(points)).alias(points))
                .collect::<Vec<_>>(),
        )
        .collect()
}

/// Returns the first grade, in ascending order of bounds, whose upper bound is above the score.
fn grade(score: &str, model: &Model) -> Expr {
    model
        .grade_upper
        .iter()
        .rev()
        .fold(lit("E"), |worse, (grade, upper)| when(col(score).lt(lit(*upper))).then(lit(*grade)).otherwise(worse))
}
