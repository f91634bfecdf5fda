//! Credibility: how much a supplier's own record says against what was expected of it.

use polars::prelude::*;

use crate::columns::name::*;
use crate::model::Model;

/// The quantile of the standard normal distribution that leaves 5% above it.
const Z: f64 = 1.644_853_626_951_472_2;

/// The rate from the gamma prior and the thinned Poisson record, with its 90% interval.
///
/// Formula: `a = s0 + N`, `b = s0 / (prior · segment) + E`, `own_rate = a / b`; the interval is
///          `a/b · max(0, 1 − 1/(9a) + z/(3√a))³` at `z = ∓1.645` (Wilson–Hilferty)
/// Reads:   `prior`, `segment_factor`, `discounted_incident_count`, `discounted_observed_years`
/// Gives:   `own_rate`, `own_rate_low`, `own_rate_high` f64, a year, > 0 but for the low end, which may be 0
/// Source:  scoring-model.md, section 2
pub(crate) fn rates(model: &Model) -> [Expr; 3] {
    let shape = || lit(model.shape) + col(DISCOUNTED_INCIDENT_COUNT);
    let years = lit(model.shape) / (col(PRIOR) * col(SEGMENT_FACTOR)) + col(DISCOUNTED_OBSERVED_YEARS);
    let mean = shape() / years;
    let end = |z: f64| {
        let root = lit(1.0) - lit(1.0) / (lit(9.0) * shape()) + lit(z / 3.0) / shape().sqrt();
        let root = root.clip_min(lit(0.0));
        mean.clone() * root.clone() * root.clone() * root
    };
    [mean.clone().alias(OWN_RATE), end(-Z).alias(OWN_RATE_LOW), end(Z).alias(OWN_RATE_HIGH)]
}
