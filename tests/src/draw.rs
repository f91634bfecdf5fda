//! Draws that a seed determines.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// A stream of draws that its seed determines, in every version of the generator.
#[derive(Debug, Clone)]
pub struct Draw(SplitMix64);

impl Draw {
    /// Returns the stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(SplitMix64::seed_from_u64(seed))
    }

    /// Draws a whole number below a limit.
    pub fn below(&mut self, limit: u32) -> u32 {
        (self.0.next_u64() % u64::from(limit)) as u32
    }

    /// Draws small numbers much more often than large ones.
    pub fn skewed(&mut self, limit: u32) -> u32 {
        let share = f64::from(self.below(1 << 20)) / f64::from(1 << 20);
        (share.powi(4) * f64::from(limit)) as u32
    }

    /// Returns true once in `once_in` times on average.
    pub fn some(&mut self, once_in: u32) -> bool {
        self.below(once_in) == 0
    }

    /// Returns a value, but an empty text once in `once_in` times on average.
    pub fn or_empty<T: ToString>(&mut self, once_in: u32, value: impl FnOnce(&mut Self) -> T) -> String {
        if self.some(once_in) { String::new() } else { value(self).to_string() }
    }

    /// Draws one of several texts.
    pub fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let place = self.below(choices.len() as u32) as usize;
        choices.get(place).copied().unwrap_or_default()
    }

    /// Draws a day from 2016-10 to 2026-09.
    pub fn date(&mut self) -> String {
        let month = self.below(120) + 9;
        format!("{}-{:02}-{:02}", 2016 + month / 12, month % 12 + 1, self.below(28) + 1)
    }
}
