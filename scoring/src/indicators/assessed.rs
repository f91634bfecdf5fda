//! What is known about single controls: over all suppliers, by tier and by size class.

use std::collections::BTreeMap;

use super::{Coverage, SIZE_CLASSES};
use crate::Scores;
use crate::assessments::Assessed;
use crate::columns::{CONTROLS, SELF_ASSESSMENT};
use crate::model::Format;

/// What is known about a control over some suppliers. All three are out of the same suppliers, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlCoverage {
    /// `mfa` and so on.
    pub control: &'static str,
    /// With an assessment that counts and is not yet worn out: its freshness is above 0.
    pub known: Coverage,
    /// Of which that assessment says that the control is met. None for the self-assessment, which has a total instead.
    pub met: Option<Coverage>,
    /// Known from a provider or a third party, whatever they found.
    pub verified: Coverage,
}

/// The seven controls, over all suppliers, by tier and by size class. Empty by a model of format 1.
#[derive(Debug, Default)]
pub(super) struct ByGroup {
    pub(super) all: Vec<ControlCoverage>,
    pub(super) by_tier: Vec<(Option<u32>, Vec<ControlCoverage>)>,
    pub(super) by_size: Vec<(&'static str, Vec<ControlCoverage>)>,
}

impl ByGroup {
    pub(super) fn new(scores: &Scores, tiers: &[Option<u32>], sizes: &[&str]) -> Self {
        if scores.format == Format::One {
            return Self::default();
        }
        let assessed = &scores.assessed;
        let mut of_tiers: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (row, tier) in tiers.iter().enumerate() {
            of_tiers.entry((tier.is_none(), *tier)).or_default().push(row);
        }
        let of_size = |size: &str| {
            let same = sizes.iter().enumerate().filter(|(_, found)| **found == size);
            controls(assessed, same.map(|(row, _)| row))
        };
        Self {
            all: controls(assessed, 0..sizes.len()),
            by_tier: of_tiers.into_iter().map(|((_, tier), rows)| (tier, controls(assessed, rows))).collect(),
            by_size: SIZE_CLASSES.into_iter().map(|size| (size, of_size(size))).collect(),
        }
    }
}

/// Counts over some rows of the results.
fn controls(assessed: &Assessed, rows: impl IntoIterator<Item = usize>) -> Vec<ControlCoverage> {
    let mut of = 0;
    let mut counts = [[0; 3]; CONTROLS.len()];
    for row in rows {
        of += 1;
        for counted in assessed.of(row).iter().filter(|counted| counted.freshness > 0.0) {
            let Some([known, met, verified]) = counts.get_mut(counted.control()) else { continue };
            *known += 1;
            *met += usize::from(counted.is_met() == Some(true));
            *verified += usize::from(counted.is_verified());
        }
    }
    let coverage = |(place, (control, [known, met, verified])): (usize, (&'static str, [usize; 3]))| ControlCoverage {
        control,
        known: Coverage { count: known, of },
        met: (place != SELF_ASSESSMENT).then_some(Coverage { count: met, of }),
        verified: Coverage { count: verified, of },
    };
    CONTROLS.into_iter().zip(counts).enumerate().map(coverage).collect()
}
