//! The systemic loss: what a stop costs the buyer through every path, the transpose of the disruption map.

#![expect(clippy::indexing_slicing, reason = "slices have one value a node, checked by the caller's frame")]

use rayon::prelude::*;

use super::disruption::NODES_PER_TASK;
use super::graph::Graph;
use super::larger;
use crate::columns::name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY;
use crate::error::ScoreError;
use crate::model::Model;
use crate::points::chance;

/// Solves `g_i = L_i + ((1 − e^(−r_i)) / r_i) · Σ_j q_ij g_j`, in yen per stop. Also returns the number of steps.
///
/// Plain steps come first. What they do not settle in `plain_iterations` is finished by BiCGSTAB (van der Vorst 1992),
/// followed by plain steps again. All sums run in order of code, so threads change nothing.
///
/// # Errors
/// [`ScoreError::NotSettled`] after `max_iterations` steps of both kinds.
pub(crate) fn losses(
    graph: &Graph,
    rates: &[f64],
    direct: &[f64],
    model: &Model,
) -> Result<(Vec<f64>, u32), ScoreError> {
    let shares = rates.par_iter().map(|rate| chance(*rate) / rate).collect();
    let mut pass = Pass { graph, rates, direct, model, shares, losses: direct.to_vec(), steps: 0 };
    let mut has_settled = pass.plain()?;
    let scale: f64 = dot(rates, direct);
    while !has_settled {
        pass.finish(model.tolerance * scale)?;
        has_settled = pass.plain()? && weighted(rates, &pass.rest()) <= 100.0 * model.tolerance * scale;
    }
    Ok((pass.losses, pass.steps))
}

/// The backward pass: `g = L + B g`.
struct Pass<'a> {
    graph: &'a Graph,
    rates: &'a [f64],
    direct: &'a [f64],
    model: &'a Model,
    shares: Vec<f64>,
    losses: Vec<f64>,
    steps: u32,
}

impl Pass<'_> {
    /// Takes plain steps until they settle. Returns whether they have within `plain_iterations`.
    fn plain(&mut self) -> Result<bool, ScoreError> {
        let mut before = self.losses.clone();
        for _ in 0..self.model.plain_iterations {
            self.count()?;
            std::mem::swap(&mut self.losses, &mut before);
            let (direct, shares, graph) = (self.direct, &self.shares, self.graph);
            let steps = self.losses.par_iter_mut().with_min_len(NODES_PER_TASK).enumerate().map(|(node, loss)| {
                *loss = direct[node] + shares[node] * graph.downstream.weighted_sum(node, &before);
                (*loss - before[node]).abs() / loss.max(1.0)
            });
            let change = steps.reduce(|| 0.0, larger);
            if change < self.model.tolerance {
                return Ok(true);
            }
            if change.is_nan() {
                return Err(ScoreError::NotFinite { column: SYSTEMIC_LOSS_PER_DISRUPTION_JPY });
            }
        }
        Ok(false)
    }

    /// Takes steps of BiCGSTAB on `(I − B) g = L` until `Σ r_i |rest_i|`, which bounds the error of all caused losses
    /// together, is at most `bound` yen a year, or until they lead nowhere.
    fn finish(&mut self, bound: f64) -> Result<(), ScoreError> {
        let mut rest = self.rest();
        let shadow = rest.clone();
        let (mut p, mut v) = (vec![0.0; rest.len()], vec![0.0; rest.len()]);
        let (mut rho, mut alpha, mut omega) = (1.0, 1.0, 1.0);
        while weighted(self.rates, &rest) > bound {
            self.count()?;
            let rho_before = std::mem::replace(&mut rho, dot(&shadow, &rest));
            let beta = (rho / rho_before) * (alpha / omega);
            each(&mut p, |node, p| *p = rest[node] + beta * (*p - omega * v[node]));
            v = self.without_passed_on(&p);
            alpha = rho / dot(&shadow, &v);
            if !alpha.is_finite() || rho == 0.0 {
                break;
            }
            each(&mut self.losses, |node, loss| *loss += alpha * p[node]);
            each(&mut rest, |node, rest| *rest -= alpha * v[node]);
            let t = self.without_passed_on(&rest);
            let size = dot(&t, &t);
            omega = if size == 0.0 { 0.0 } else { dot(&t, &rest) / size };
            if !omega.is_finite() || omega == 0.0 {
                break;
            }
            each(&mut self.losses, |node, loss| *loss += omega * rest[node]);
            each(&mut rest, |node, rest| *rest -= omega * t[node]);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), ScoreError> {
        let max_iterations = self.model.max_iterations;
        if self.steps == max_iterations {
            return Err(ScoreError::NotSettled { column: SYSTEMIC_LOSS_PER_DISRUPTION_JPY, max_iterations });
        }
        self.steps += 1;
        Ok(())
    }

    /// Returns `L + B g − g`.
    fn rest(&self) -> Vec<f64> {
        let mut rest = self.without_passed_on(&self.losses);
        each(&mut rest, |node, rest| *rest = self.direct[node] - *rest);
        rest
    }

    /// Returns `x − B x`.
    fn without_passed_on(&self, x: &[f64]) -> Vec<f64> {
        let left = |node: usize| x[node] - self.shares[node] * self.graph.downstream.weighted_sum(node, x);
        (0..x.len()).into_par_iter().with_min_len(NODES_PER_TASK).map(left).collect()
    }
}

/// Changes each value, given its node.
fn each(values: &mut [f64], change: impl Fn(usize, &mut f64) + Sync) {
    values.par_iter_mut().with_min_len(NODES_PER_TASK).enumerate().for_each(|(node, value)| change(node, value));
}

/// Returns `Σ weights · |values|`.
fn weighted(weights: &[f64], values: &[f64]) -> f64 {
    in_blocks(weights, values, |weight, value| weight * value.abs())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    in_blocks(a, b, |a, b| a * b)
}

/// Adds terms in fixed blocks of nodes, and the blocks in their order, so that threads change nothing.
fn in_blocks(a: &[f64], b: &[f64], term: impl Fn(f64, f64) -> f64 + Sync) -> f64 {
    let blocks = a.par_chunks(NODES_PER_TASK).zip(b.par_chunks(NODES_PER_TASK));
    let block = |(a, b): (&[f64], &[f64])| a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + term(*a, *b));
    let sums: Vec<f64> = blocks.map(block).collect();
    sums.into_iter().fold(0.0, |sum, block| sum + block)
}
