//! Why a portfolio could not be scored.

use polars::prelude::PolarsError;

use crate::words::Lang;

/// Why scoring failed, although portfolio and model had passed their checks.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// An iteration along the chain did not settle.
    #[error("{}", self.text(Lang::En))]
    NotSettled {
        /// The column that it computes.
        column: &'static str,
        /// The limit, from the model.
        max_iterations: u32,
    },
    /// Parameters that are each in range lead beyond what a number can hold.
    #[error("{}", self.text(Lang::En))]
    NotFinite {
        /// The first column that cannot hold its value.
        column: &'static str,
    },
    /// A step on a frame failed.
    #[error("a step on a data frame failed")]
    Frame(#[from] PolarsError),
}

impl ScoreError {
    /// Returns what failed and what to do about it.
    pub fn text(&self, lang: Lang) -> String {
        match self {
            Self::NotSettled { column, max_iterations } => lang.pick(
                format!(
                    "{column} の反復計算が {max_iterations} 回で収束しませんでした。\
                     モデルの propagation.max_iterations か propagation.tolerance を大きくしてください"
                ),
                format!(
                    "{column} did not settle within max_iterations = {max_iterations}: \
                     raise propagation.max_iterations or propagation.tolerance in the model"
                ),
            ),
            Self::NotFinite { column } => lang.pick(
                format!("{column} が数値の範囲を超えました。モデルの極端に大きい、または小さい値を直してください"),
                format!("{column} is beyond what a number can hold: change values of the model that are extremely large or small"),
            ),
            Self::Frame(error) => error.to_string(),
        }
    }
}
