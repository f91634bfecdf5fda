//! Why a portfolio could not be scored.

use polars::prelude::PolarsError;

/// Why scoring failed, although portfolio and model had passed their checks.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// An iteration along the chain did not settle.
    #[error(
        "the {pass} did not settle within max_iterations = {max_iterations}: \
         raise propagation.max_iterations or propagation.tolerance in the model"
    )]
    NotSettled {
        /// `disruption rate` or `systemic loss`.
        pass: &'static str,
        /// The limit, from the model.
        max_iterations: u32,
    },
    /// A step on a frame failed.
    #[error("a step on a data frame failed")]
    Frame(#[from] PolarsError),
}
