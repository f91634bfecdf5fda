//! Tiers: the number of supplies between a supplier and the buyer.

#![expect(clippy::indexing_slicing, reason = "suppliers' rows are bounded once, when the portfolio is checked")]

use std::collections::VecDeque;

use polars::prelude::*;

use crate::Scores;
use crate::columns::name::*;
use crate::frame::keys;
use crate::portfolio::Portfolio;

impl Scores {
    /// Returns the tier of each row of the results: the length of the shortest path of supply to the buyer.
    ///
    /// A supplier of tier 1 supplies the buyer directly, one of tier 2 supplies a supplier of tier 1, and so on. The
    /// tier is none if no path to the buyer is recorded. The search is breadth-first, so each supply is read once, in
    /// any graph.
    ///
    /// # Errors
    /// None for the portfolio that was scored.
    pub fn tiers(&self, portfolio: &Portfolio) -> PolarsResult<Vec<Option<u32>>> {
        let supplies = portfolio.relationships.clone().lazy().filter(col(DOWNSTREAM).is_null()).collect()?;
        let mut tiers = vec![None; self.suppliers.height()];
        let mut reached = VecDeque::new();
        for supplier in keys(&supplies, UPSTREAM)?.iter().map(|supplier| *supplier as usize) {
            if tiers[supplier].is_none() {
                tiers[supplier] = Some(1);
                reached.push_back((supplier, 1));
            }
        }
        while let Some((supplier, tier)) = reached.pop_front() {
            for (upstream, _) in self.graph.upstream.of(supplier) {
                if tiers[upstream].is_none() {
                    tiers[upstream] = Some(tier + 1);
                    reached.push_back((upstream, tier + 1));
                }
            }
        }
        Ok(tiers)
    }
}
