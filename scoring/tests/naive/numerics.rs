//! Numbers by other methods than the model's: quantiles by integration and bisection, linear systems by elimination.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// ln v and the weight at the points v in (0, 1) of a double exponential rule (Takahasi and Mori 1974).
static POINTS: LazyLock<Vec<(f64, f64)>> = LazyLock::new(|| {
    let step = 1.0 / 20.0;
    (-90..=90)
        .map(|place| {
            let t = f64::from(place) * step;
            let u = PI * t.sinh();
            // v = 1 / (1 + e^−u), dv/dt = π cosh t · v (1 − v).
            let (v, rest) = (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()));
            (-(-u).exp().ln_1p(), step * PI * t.cosh() * v * rest)
        })
        .collect()
});

/// Returns ln Γ(z) for z > 0 by Stirling's series beyond 20.
fn log_gamma(z: f64) -> f64 {
    let (mut z, mut below) = (z, 0.0);
    while z < 20.0 {
        below += z.ln();
        z += 1.0;
    }
    let terms = [(1.0 / 12.0, 1), (-1.0 / 360.0, 3), (1.0 / 1260.0, 5), (-1.0 / 1680.0, 7)];
    let series: f64 = terms.iter().map(|(factor, power)| factor / z.powi(*power)).sum();
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + series - below
}

/// Returns x where P(shape, x) = p, or 0 below e^−650.
///
/// P(a, x) = x^a / Γ(a + 1) · ∫ e^(−x v^(1/a)) dv over (0, 1), by v = (t/x)^a in the integral that defines it.
pub(super) fn gamma_quantile(shape: f64, p: f64) -> f64 {
    let at: Vec<_> = POINTS.iter().map(|(log, weight)| ((log / shape).exp(), weight)).collect();
    let scale = log_gamma(shape + 1.0);
    let share = |log_x: f64| {
        let x = log_x.exp();
        let integral: f64 = at.iter().map(|(part, weight)| *weight * (-x * part).exp()).sum();
        (shape * log_x - scale).exp() * integral
    };
    let (mut low, mut high) = (-650.0, 20.0);
    if share(low) > p {
        return 0.0;
    }
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if share(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.exp()
}

/// Solves a linear system by elimination with partial pivoting, and once more for what the first solution leaves.
pub(super) fn solve(matrix: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let first = eliminate(matrix, right);
    let rest: Vec<f64> = matrix
        .iter()
        .zip(right)
        .map(|(row, right)| right - row.iter().zip(&first).map(|(factor, x)| factor * x).sum::<f64>())
        .collect();
    first.iter().zip(eliminate(matrix, &rest)).map(|(x, more)| x + more).collect()
}

fn eliminate(matrix: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let count = right.len();
    let mut rows: Vec<Vec<f64>> =
        matrix.iter().zip(right).map(|(row, right)| row.iter().copied().chain([*right]).collect()).collect();
    for step in 0..count {
        let pivot = (step..count).max_by(|a, b| rows[*a][step].abs().total_cmp(&rows[*b][step].abs())).unwrap();
        rows.swap(step, pivot);
        let (above, below) = rows.split_at_mut(step + 1);
        for row in below {
            let factor = row[step] / above[step][step];
            row.iter_mut().zip(&above[step]).skip(step).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solution = vec![0.0; count];
    for step in (0..count).rev() {
        let known: f64 = (step + 1..count).map(|column| rows[step][column] * solution[column]).sum();
        solution[step] = (rows[step][count] - known) / rows[step][step];
    }
    solution
}

#[test]
fn quantiles_of_an_exponential_and_of_a_square_are_the_known_ones() {
    for p in [0.05f64, 0.5, 0.95] {
        let exact = -(-p).ln_1p();
        assert!((gamma_quantile(1.0, p) - exact).abs() <= 1e-13 * exact.max(1.0), "{p}");
    }
    // Half of the χ² with one degree of freedom, from tables.
    assert!((gamma_quantile(0.5, 0.95) - 3.841458820694124 / 2.0).abs() <= 1e-12);
    assert!((gamma_quantile(10.0, 0.05) - 10.850811394182585 / 2.0).abs() <= 1e-12);
}
