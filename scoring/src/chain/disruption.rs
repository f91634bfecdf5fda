//! The disruption rate: own stops and those inherited from upstream, as a fixed point.

#![expect(clippy::indexing_slicing, reason = "slices have one value a node, checked by the caller's frame")]

use rayon::prelude::*;

use super::graph::Graph;
use super::{larger, settle};
use crate::columns::name::DISRUPTION_RATE;
use crate::error::ScoreError;
use crate::model::Model;
use crate::points::chance;

/// The number of nodes that one thread takes at once. Results do not depend on it.
pub(super) const NODES_PER_TASK: usize = 4096;

/// Finds the unique solution of `r_j = own_j + Σ_i q_ij (1 − e^(−r_i))`, in stops a year. Also returns the number of
/// iterations.
///
/// Each sum runs over the upstream suppliers in order of code, so threads change nothing.
///
/// # Errors
/// [`ScoreError::NotSettled`] after `max_iterations`.
pub(crate) fn rates(graph: &Graph, own: &[f64], model: &Model) -> Result<(Vec<f64>, u32), ScoreError> {
    let mut rates = own.to_vec();
    let mut chances = vec![0.0; own.len()];
    let iterations = settle(DISRUPTION_RATE, model, || {
        chances
            .par_iter_mut()
            .with_min_len(NODES_PER_TASK)
            .zip(&rates)
            .for_each(|(chance_of_stop, rate)| *chance_of_stop = chance(*rate));
        rates
            .par_iter_mut()
            .with_min_len(NODES_PER_TASK)
            .enumerate()
            .map(|(node, rate)| {
                let next = own[node] + graph.upstream.weighted_sum(node, &chances);
                let change = (next - *rate).abs() / next;
                *rate = next;
                change
            })
            .reduce(|| 0.0, larger)
    })?;
    Ok((rates, iterations))
}
