//! The systemic loss: what a stop costs the buyer through every path, the transpose of the disruption map.

#![expect(clippy::indexing_slicing, reason = "slices have one value a node, checked by the caller's frame")]

use rayon::prelude::*;

use super::disruption::NODES_A_TASK;
use super::graph::Graph;
use super::{larger, settle};
use crate::columns::name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY;
use crate::error::ScoreError;
use crate::model::Model;
use crate::points::chance;

/// Solves `g_i = L_i + ((1 − e^(−r_i)) / r_i) · Σ_j q_ij g_j`, in yen per stop. Also returns the number of iterations.
///
/// Each sum runs over the downstream suppliers in order of code, so threads change nothing.
///
/// # Errors
/// [`ScoreError::NotSettled`] after `max_iterations`.
pub(crate) fn losses(
    graph: &Graph,
    rates: &[f64],
    direct: &[f64],
    model: &Model,
) -> Result<(Vec<f64>, u32), ScoreError> {
    let shares: Vec<_> = rates.par_iter().map(|rate| chance(*rate) / rate).collect();
    let mut losses = direct.to_vec();
    let mut before = direct.to_vec();
    let iterations = settle(SYSTEMIC_LOSS_PER_DISRUPTION_JPY, model, || {
        std::mem::swap(&mut losses, &mut before);
        losses
            .par_iter_mut()
            .with_min_len(NODES_A_TASK)
            .enumerate()
            .map(|(node, loss)| {
                *loss = direct[node] + shares[node] * graph.downstream.weighted_sum(node, &before);
                (*loss - before[node]).abs() / loss.max(1.0)
            })
            .reduce(|| 0.0, larger)
    })?;
    Ok((losses, iterations))
}
