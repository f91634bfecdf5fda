//! All floating-point sums that must be equal bit by bit: one pass over sorted rows, adding in their order.
//!
//! Polars adds in parallel, so the last bits of its sums differ from run to run. Stages sort and prepare columns with
//! it and pass them to this module. `keys` are the rows of the suppliers, ascending.

#![expect(clippy::indexing_slicing, reason = "keys are rows of the suppliers, resolved when the portfolio was checked")]

use std::f64::consts::LN_2;

/// Returns the sum of `values` for each key below `key_count`.
pub(crate) fn by_key(keys: &[u32], values: &[f64], key_count: usize) -> Vec<f64> {
    let mut sums = vec![0.0; key_count];
    for (key, value) in keys.iter().zip(values) {
        sums[*key as usize] += value;
    }
    sums
}

/// Returns for each row the sum of `values` over the other rows of its group; 0 if there are none.
pub(crate) fn of_others(groups: &[u32], group_count: usize, values: &[f64]) -> Vec<f64> {
    let totals = by_key(groups, values, group_count);
    // A total minus a part of it can only fall below 0 by rounding.
    groups.iter().zip(values).map(|(group, value)| (totals[*group as usize] - value).max(0.0)).collect()
}

/// Returns what each row takes of its key's whole: `min(coverage, what is left of 1)`, in order of rows.
pub(crate) fn takes(keys: &[u32], coverages: &[f64]) -> Vec<f64> {
    let mut taken = 0.0;
    let mut last_key = None;
    keys.iter()
        .zip(coverages)
        .map(|(key, coverage)| {
            if last_key != Some(key) {
                (last_key, taken) = (Some(key), 0.0);
            }
            let take = coverage.min(1.0 - taken).max(0.0);
            taken += take;
            take
        })
        .collect()
}

/// A period in which a service watches a share of a supplier's endpoints, `[from, to)` in days.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) from: i32,
    pub(crate) to: i32,
    pub(crate) coverage: f64,
}

/// The chances of detection, and the parameters of how experience fades.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detection {
    pub(crate) silent: f64,
    pub(crate) reporting: f64,
    pub(crate) monitored: f64,
    pub(crate) half_life_days: f64,
    pub(crate) window_start: i32,
    pub(crate) as_of: i32,
}

/// Years of a supplier's record, discounted to those in which an incident would have been noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ObservedYears {
    /// All years.
    pub(crate) all: f64,
    /// The part in which a service watched, or the supplier had agreed to report.
    pub(crate) watched: f64,
}

impl Detection {
    /// Adds up `detect · h/ln 2 · (2^-((T-b)/h) - 2^-((T-a)/h))` over the pieces `[a, b)` of the window,
    /// oldest first, in which `detect` is constant.
    ///
    /// `watches` cover more than 0 and are sorted; `reports_from` is the day of an agreement, if any.
    pub(crate) fn observed_years(&self, watches: &[Watch], reports_from: Option<i32>) -> ObservedYears {
        let cuts = watches.iter().flat_map(|watch| [watch.from, watch.to]).chain(reports_from);
        let mut cuts: Vec<_> = cuts
            .filter(|day| (self.window_start..self.as_of).contains(day))
            .chain([self.window_start, self.as_of])
            .collect();
        cuts.sort_unstable();
        cuts.dedup();

        let mut years = ObservedYears::default();
        for (a, b) in cuts.iter().zip(cuts.iter().skip(1)) {
            let reports = reports_from.is_some_and(|from| from <= *a);
            let coverage = coverage_at(watches, *a);
            let quiet = if reports { self.reporting } else { self.silent };
            let detect = quiet + (self.monitored - quiet) * coverage;
            let piece = detect * self.weight_between(*a, *b);
            years.all += piece;
            if reports || coverage > 0.0 {
                years.watched += piece;
            }
        }
        years
    }

    /// Returns the years from day `a` to day `b`, of which older ones count less.
    fn weight_between(&self, a: i32, b: i32) -> f64 {
        let age = f64::from(self.as_of - b) / self.half_life_days;
        // The difference of two powers, without losing the digits that they share.
        let part = -(-LN_2 * f64::from(b - a) / self.half_life_days).exp_m1();
        self.half_life_days / MEAN_DAYS_PER_YEAR / LN_2 * (-age).exp2() * part
    }
}

const MEAN_DAYS_PER_YEAR: f64 = 365.25;

/// Returns the share of endpoints watched on a day, at most 1.
fn coverage_at(watches: &[Watch], day: i32) -> f64 {
    let mut coverage = 0.0;
    for watch in watches.iter().filter(|watch| watch.from <= day && day < watch.to) {
        coverage += watch.coverage;
        if coverage >= 1.0 {
            return 1.0;
        }
    }
    coverage
}

/// Returns whether an incident on a day would count for the peers: a service watched, or the supplier had agreed to
/// report.
pub(crate) fn is_watched(watches: &[Watch], reports_from: Option<i32>, day: i32) -> bool {
    reports_from.is_some_and(|from| from <= day) || coverage_at(watches, day) > 0.0
}

/// Returns the rows of each key in a sorted column, as ranges.
pub(crate) fn ranges(keys: &[u32], key_count: usize) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    (0..key_count as u32)
        .map(|key| {
            let length = keys[start..].iter().take_while(|found| **found == key).count();
            let range = start..start + length;
            start += length;
            range
        })
        .collect()
}
