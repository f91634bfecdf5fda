//! Credibility: how much a supplier's own record says against what was expected of it.

use std::collections::HashMap;

use polars::prelude::*;
use rayon::prelude::*;

use crate::columns::name::*;
use crate::frame::{floats, from_floats};
use crate::gamma;
use crate::model::Model;
use crate::points::chance;

/// The quantile of the standard normal distribution that leaves 5% above it, for models of format 1.
const NORMAL_QUANTILE_95: f64 = 1.644_853_626_951_472_2;

/// Adds the rate from the gamma prior and the thinned Poisson record, its interval, and the chance of an incident.
///
/// Formula: `a = s0 + N`, `b = s0 / (prior · segment) + E`, `own_rate = a / b`; the interval is from
///          `min(x(t)/b, own_rate)` to `max(x(1−t)/b, own_rate)`, `t = (1 − level)/2`, with the quantiles `x` of the
///          gamma distribution of shape `a`; `incident_probability = 1 − (b / (b + 1))^a`.
///          Format 1: `a/b · max(0, 1 − 1/(9a) + z/(3√a))³` at `z = ∓1.645` with the same minimum and maximum, and
///          `1 − e^(−own_rate)`
/// Reads:   `prior`, `segment_factor`, `discounted_incident_count`, `discounted_observed_years`
/// Gives:   `own_rate`, `own_rate_low`, `own_rate_high` f64, a year, > 0 but for the low end, which may be 0;
///          `incident_probability` f64, 0 to 1
/// Source:  scoring-model.md, section 2
pub(crate) fn apply(suppliers: DataFrame, model: &Model) -> PolarsResult<DataFrame> {
    let counts = floats(&suppliers, DISCOUNTED_INCIDENT_COUNT)?;
    let years = floats(&suppliers, DISCOUNTED_OBSERVED_YEARS)?;
    let (priors, segments) = (floats(&suppliers, PRIOR)?, floats(&suppliers, SEGMENT_FACTOR)?);
    let records = counts.iter().zip(years.iter()).zip(priors.iter().zip(segments.iter()));
    let posteriors: Vec<_> = records
        .map(|((count, years), (prior, segment))| Posterior {
            shape: model.shape + count,
            years: model.shape / (prior * segment) + years,
        })
        .collect();
    let rates = match model.level {
        Some(level) => by_quantiles(&posteriors, (1.0 - level) / 2.0),
        None => posteriors.par_iter().map(by_normal).collect(),
    };
    let column = |name, value: fn(&Rates) -> f64| from_floats(name, rates.iter().map(value).collect());
    let added = [
        column(OWN_RATE, |rates| rates.mean),
        column(OWN_RATE_LOW, |rates| rates.low),
        column(OWN_RATE_HIGH, |rates| rates.high),
        column(INCIDENT_PROBABILITY, |rates| rates.probability),
    ];
    suppliers.hstack(&added)
}

/// The gamma distribution of a supplier's rate.
struct Posterior {
    shape: f64,
    /// The rate parameter, in years.
    years: f64,
}

struct Rates {
    mean: f64,
    low: f64,
    high: f64,
    probability: f64,
}

fn by_normal(posterior: &Posterior) -> Rates {
    let Posterior { shape, years } = *posterior;
    let mean = shape / years;
    let end = |z: f64| {
        let root = (1.0 - 1.0 / (9.0 * shape) + z / 3.0 / shape.sqrt()).max(0.0);
        mean * root * root * root
    };
    // Of a shape below 0.041 the approximate upper end lies below the mean.
    Rates {
        mean,
        low: end(-NORMAL_QUANTILE_95).min(mean),
        high: end(NORMAL_QUANTILE_95).max(mean),
        probability: chance(mean),
    }
}

/// Returns the rates with the exact interval. The quantiles are computed once for each shape: most suppliers have no
/// incident, and so the same one.
fn by_quantiles(posteriors: &[Posterior], tail: f64) -> Vec<Rates> {
    let mut shapes: Vec<_> = posteriors.iter().map(|posterior| posterior.shape.to_bits()).collect();
    shapes.par_sort_unstable();
    shapes.dedup();
    let quantiles: HashMap<_, _> = shapes
        .into_par_iter()
        .map(|bits| {
            let shape = f64::from_bits(bits);
            (bits, [tail, 1.0 - tail].map(|chance| gamma::quantile(shape, chance)))
        })
        .collect();
    let rates = posteriors.par_iter().map(|Posterior { shape, years }| {
        let mean = shape / years;
        let [low, high] = quantiles.get(&shape.to_bits()).copied().unwrap_or([f64::NAN; 2]);
        // Of a very small shape even the exact upper end lies below the mean.
        let (low, high) = ((low / years).min(mean), (high / years).max(mean));
        Rates { mean, low, high, probability: -(-shape * (1.0 / years).ln_1p()).exp_m1() }
    });
    rates.collect()
}
