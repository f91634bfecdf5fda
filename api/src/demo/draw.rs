//! Draws from tables of weights: only whole numbers, so that every machine draws the same.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// A stream of draws that its seed determines, in every version of the generator.
pub(super) struct Draw(SplitMix64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// Draws a number below `end`, which is above 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// Draws a number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Draws a number from `low` up to `low · 2^doublings`, each doubling as likely as the others.
    pub(super) fn doubling(&mut self, low: u64, doublings: u64) -> u64 {
        let from = low << self.below(doublings);
        from + self.below(from)
    }

    /// Draws from a table of weights.
    pub(super) fn pick<T: Copy>(&mut self, table: &[(u64, T)]) -> T {
        let mut left = self.below(table.iter().map(|(weight, _)| weight).sum());
        for (weight, value) in table {
            if left < *weight {
                return *value;
            }
            left -= weight;
        }
        unreachable!("what is drawn lies below the sum of the weights")
    }

    /// Draws one of a list.
    pub(super) fn one<T: Copy>(&mut self, list: &[T]) -> T {
        let place = self.below(list.len() as u64) as usize;
        list.get(place).copied().unwrap_or_else(|| unreachable!("a place below the length of a list is in it"))
    }

    /// Draws one of a list, preferring its beginning.
    pub(super) fn early<T: Copy>(&mut self, list: &[T]) -> T {
        let end = self.between(1, list.len() as u64) as usize;
        self.one(list.get(..end).unwrap_or(list))
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}
