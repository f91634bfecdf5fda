//! Quantiles of the gamma distribution.

use libm::lgamma;

/// Below this logarithm a quantile is 0: it would be far smaller than any rate.
const SMALLEST_LOG: f64 = -650.0;
/// How many steps a quantile takes at most. Newton's steps double the digits; halving alone needs about 60.
const MAX_STEPS: usize = 200;
/// Steps end when the logarithm of the quantile moves by less than this, relative to 1.
const TOLERANCE: f64 = 1e-15;

/// Returns the quantile of the gamma distribution with a shape and rate 1: the root of `P(shape, x) = chance`.
///
/// Newton's method on the logarithm of `x`, inside a bracket that each step makes smaller.
pub(crate) fn quantile(shape: f64, chance: f64) -> f64 {
    let log_gamma = lgamma(shape);
    // `P ≤ x^shape / Γ(shape + 1)` bounds the root from below.
    let mut low = (chance.ln() + lgamma(shape + 1.0)) / shape;
    if low < SMALLEST_LOG {
        return 0.0;
    }
    let mut high = low.max((shape + 1.0).ln()) + 1.0;
    while probability(shape, high) < chance {
        high += 1.0;
    }
    let mut log = low;
    for _ in 0..MAX_STEPS {
        let missing = probability(shape, log) - chance;
        if missing < 0.0 {
            low = log;
        } else {
            high = log;
        }
        let slope = (shape * log - log.exp() - log_gamma).exp();
        let newton = log - missing / slope;
        let next = if newton > low && newton < high { newton } else { (low + high) / 2.0 };
        let step = (next - log).abs();
        log = next;
        if step <= TOLERANCE * log.abs().max(1.0) {
            break;
        }
    }
    log.exp()
}

/// Returns the regularised lower incomplete gamma function `P(shape, e^log)`.
///
/// Formula: `e^(shape · log − x − lnΓ(shape + 1)) · (1 + Σ_k x^k / ((shape+1)…(shape+k)))`, whose terms are all positive
fn probability(shape: f64, log: f64) -> f64 {
    let x = log.exp();
    let (mut sum, mut term, mut divisor) = (1.0, 1.0, shape);
    while term > sum * f64::EPSILON / 4.0 {
        divisor += 1.0;
        term *= x / divisor;
        sum += term;
    }
    (shape * log - x - lgamma(shape + 1.0)).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_known_distributions() {
        // Shape 1 is the exponential distribution.
        for chance in [1e-12_f64, 0.05, 0.5, 0.95, 0.999] {
            let expected = -(-chance).ln_1p();
            assert!((quantile(1.0, chance) / expected - 1.0).abs() < 1e-12, "{chance}");
        }
        // Half of chi squared with 4 and with 20 degrees of freedom, as tables have them.
        for (shape, chance, expected) in [(2.0, 0.05, 0.355_361_510_698_662_7), (10.0, 0.95, 15.705_216_422_114_47)] {
            assert!((quantile(shape, chance) / expected - 1.0).abs() < 1e-11, "{shape} {}", quantile(shape, chance));
        }
        assert_eq!(quantile(1e-4, 0.05), 0.0);
    }

    #[test]
    fn a_quantile_leads_back_to_its_chance_for_shapes_of_any_size() {
        for shape in [0.02, 0.3, 2.0, 17.5, 4e3, 2e5] {
            for chance in [0.005, 0.05, 0.5, 0.95, 0.995] {
                let x: f64 = quantile(shape, chance);
                if x > 0.0 {
                    assert!((probability(shape, x.ln()) / chance - 1.0).abs() < 1e-9, "{shape} {chance}");
                }
            }
        }
    }
}
