//! The indicators of a chain: how far SC3's aims are reached, how fresh the evidence is, and what stops would spread.

mod assessed;
mod evidence;

use std::collections::BTreeMap;

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use crate::chain::reach;
use crate::columns::name::*;
use crate::columns::{SUBSTITUTABILITIES, number_of};
use crate::frame::{floats, keys};
use crate::model::Model;
use crate::portfolio::Portfolio;
use crate::{Scores, summary, sums};
use assessed::ByGroup;
pub use assessed::ControlCoverage;
use evidence::Evidence;

/// A count out of a total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Those that the indicator counts.
    pub count: usize,
    /// The total.
    pub of: usize,
}

impl Coverage {
    /// Returns the counted part of the total, 0 to 1; none if the total is 0.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// Counts how many of some facts hold.
    fn of(facts: impl IntoIterator<Item = bool>) -> Self {
        let mut coverage = Self::default();
        facts.into_iter().for_each(|holds| coverage.add(holds));
        coverage
    }

    fn add(&mut self, holds: bool) {
        self.count += usize::from(holds);
        self.of += 1;
    }
}

/// Suppliers without a replacement that nobody watches, and the loss that reaches the buyer through them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SoleSource {
    /// The number of such suppliers.
    pub supplier_count: usize,
    /// The sum of their `expected_annual_loss_direct_jpy`, in yen a year; 0 if there are none.
    pub expected_annual_loss_jpy: f64,
}

/// The indicators of a portfolio as of the day for which it was scored. Coverages are over all suppliers unless stated
/// otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Indicators {
    /// With an enrollment active on the day whose coverage is above 0.
    pub monitored: Coverage,
    /// The annual spend of the buyer with its direct suppliers, in yen. An unknown spend counts as 0.
    pub annual_spend_jpy: f64,
    /// The part of that spend that goes to monitored suppliers, in yen.
    pub monitored_spend_jpy: f64,
    /// Monitored suppliers of each tier that occurs, nearest tier first. Suppliers without a recorded path of supply to
    /// the buyer have no tier, and come last.
    pub monitored_by_tier: Vec<(Option<u32>, Coverage)>,
    /// Monitored suppliers of each size class: `micro`, `sme`, `large`, `unknown`, always all four.
    pub monitored_by_size: Vec<(&'static str, Coverage)>,
    /// With SECURITY ACTION ★1 or ★2 in force.
    ///
    /// Here and below, a certificate is in force from the day of issue to its last day, inclusive. The last day is the
    /// one that it states, otherwise the one by the model's `validity_days`. Without either, it stays in force.
    pub security_action_1: Coverage,
    /// With SECURITY ACTION ★2 in force.
    pub security_action_2: Coverage,
    /// Like `security_action_1`, but only over suppliers known to be `micro` or `sme`, for which it is intended.
    pub security_action_1_sme: Coverage,
    /// Like `security_action_2`, but only over suppliers known to be `micro` or `sme`.
    pub security_action_2_sme: Coverage,
    /// With SCS ★3 or higher in force.
    pub scs_3: Coverage,
    /// With SCS ★4 or higher in force.
    pub scs_4: Coverage,
    /// With SCS ★5 in force.
    pub scs_5: Coverage,
    /// With ISMS in force.
    pub isms: Coverage,
    /// What is known about each of the seven controls, in the order of `assessments.control`. Here and in the two below,
    /// empty by a model of format 1, which ignores assessments.
    pub controls: Vec<ControlCoverage>,
    /// The same for each tier of `monitored_by_tier`.
    pub controls_by_tier: Vec<(Option<u32>, Vec<ControlCoverage>)>,
    /// The same for each size class of `monitored_by_size`.
    pub controls_by_size: Vec<(&'static str, Vec<ControlCoverage>)>,
    /// With an agreement to report incidents in force.
    pub reporting: Coverage,
    /// The median age in days of the newest evidence on a supplier, over the suppliers with any. None if there are no
    /// such suppliers.
    ///
    /// An enrollment active on the day has age 0. One that is over dates from the day it ended, a certificate from its
    /// issue, an assessment from the day it was made (by a model of format 1 it is no evidence) and an incident from its
    /// day. If two suppliers are in the middle, this is their mean.
    pub evidence_age_median_days: Option<f64>,
    /// The enrollments and certificates that are over, out of the enrollments begun and the certificates issued up to
    /// the day. An enrollment is over from its end, a certificate after its last day.
    pub expired: Coverage,
    /// Suppliers that are not monitored, with at least one row to the buyer that nobody else could supply.
    pub sole_source_unmonitored: SoleSource,
    /// Suppliers of tier 1: those with a row to the buyer.
    pub tier_1_count: usize,
    /// The ten rows of the results that can stop most suppliers of tier 1, each with the number of such suppliers,
    /// other than itself, downstream of it along recorded supplies, however weak. The largest come first, equal ones in
    /// order of rows. Rows that can stop none are left out.
    pub stops_tier_1: Vec<(usize, usize)>,
}

const SIZE_CLASSES: [&str; 4] = ["micro", "sme", "large", "unknown"];
/// The maximum number of suppliers in `stops_tier_1`.
const MAX_NAMED_SUPPLIERS: usize = 10;

impl Indicators {
    /// Computes the indicators of a portfolio from its scores and the model that produced them.
    ///
    /// # Errors
    /// None for scores of the same portfolio.
    pub fn new(portfolio: &Portfolio, scores: &Scores, model: &Model) -> PolarsResult<Self> {
        let suppliers = &scores.suppliers;
        let is_monitored = monitored(scores)?;
        let supplies = summary::supplies(portfolio)?;
        let spends = spends(&supplies, suppliers.height())?;
        let monitored_spends = spends.iter().zip(&is_monitored).filter(|(_, is)| **is).map(|(spend, _)| *spend);
        let tiers = scores.tiers(portfolio)?;
        let is_tier_1: Vec<_> = tiers.iter().map(|tier| *tier == Some(1)).collect();
        let sizes: Vec<_> = suppliers.column(SIZE_CLASS)?.str()?.iter().map(Option::unwrap_or_default).collect();
        let is_sme: Vec<_> = sizes.iter().map(|size| matches!(*size, "micro" | "sme")).collect();
        let controls = ByGroup::new(scores, &tiers, &sizes);
        let evidence = Evidence::new(portfolio, model, suppliers.height(), scores.as_of)?;

        Ok(Self {
            monitored: Coverage::of(is_monitored.iter().copied()),
            annual_spend_jpy: total(spends.iter().copied()),
            monitored_spend_jpy: total(monitored_spends),
            monitored_by_tier: by_tier(&tiers, &is_monitored),
            monitored_by_size: by_size(&sizes, &is_monitored),
            security_action_1: evidence.with(&["security_action_1", "security_action_2"]),
            security_action_2: evidence.with(&["security_action_2"]),
            security_action_1_sme: evidence.with_of(&["security_action_1", "security_action_2"], &is_sme),
            security_action_2_sme: evidence.with_of(&["security_action_2"], &is_sme),
            scs_3: evidence.with(&["scs_3", "scs_4", "scs_5"]),
            scs_4: evidence.with(&["scs_4", "scs_5"]),
            scs_5: evidence.with(&["scs_5"]),
            isms: evidence.with(&["isms"]),
            controls: controls.all,
            controls_by_tier: controls.by_tier,
            controls_by_size: controls.by_size,
            reporting: Coverage::of(suppliers.column(IS_REPORTING)?.bool()?.iter().map(|is| is == Some(true))),
            evidence_age_median_days: median(evidence.ages_days()),
            expired: evidence.expired,
            sole_source_unmonitored: sole_source(suppliers, &supplies, &is_monitored)?,
            tier_1_count: is_tier_1.iter().filter(|is| **is).count(),
            stops_tier_1: largest(reach::marked_beyond(&scores.graph.downstream, &is_tier_1)),
        })
    }
}

/// Returns the sum in order; 0 if there is nothing to add.
fn total(yen: impl Iterator<Item = f64>) -> f64 {
    // `sum` returns −0 if there is nothing to add.
    yen.fold(0.0, |sum, yen| sum + yen)
}

fn by_tier(tiers: &[Option<u32>], is_monitored: &[bool]) -> Vec<(Option<u32>, Coverage)> {
    let mut coverages: BTreeMap<_, Coverage> = BTreeMap::new();
    for (tier, is_monitored) in tiers.iter().zip(is_monitored) {
        coverages.entry((tier.is_none(), *tier)).or_default().add(*is_monitored);
    }
    coverages.into_iter().map(|((_, tier), coverage)| (tier, coverage)).collect()
}

fn by_size(sizes: &[&str], is_monitored: &[bool]) -> Vec<(&'static str, Coverage)> {
    let of_size = |size: &str| {
        let same = sizes.iter().zip(is_monitored).filter(|(found, _)| **found == size);
        Coverage::of(same.map(|(_, is)| *is))
    };
    SIZE_CLASSES.into_iter().map(|size| (size, of_size(size))).collect()
}

/// Returns the middle age, or the mean of the middle two.
fn median(mut ages_days: Vec<i64>) -> Option<f64> {
    ages_days.sort_unstable();
    let count = ages_days.len();
    let low = ages_days.get(count.checked_sub(1)? / 2)?;
    let high = ages_days.get(count / 2)?;
    Some((low + high) as f64 / 2.0)
}

fn sole_source(suppliers: &DataFrame, supplies: &DataFrame, is_monitored: &[bool]) -> PolarsResult<SoleSource> {
    let mut is_sole = vec![false; is_monitored.len()];
    let substitutability = supplies.column(SUBSTITUTABILITY)?.u32()?.iter();
    let sole = Some(number_of(SUBSTITUTABILITIES, "sole"));
    for (supplier, _) in keys(supplies, UPSTREAM)?.iter().zip(substitutability).filter(|(_, is)| *is == sole) {
        if let Some(is_sole) = is_sole.get_mut(*supplier as usize) {
            *is_sole = true;
        }
    }
    let losses = floats(suppliers, EXPECTED_ANNUAL_LOSS_DIRECT_JPY)?;
    let is_counted = is_sole.iter().zip(is_monitored).map(|(is_sole, is_monitored)| *is_sole && !is_monitored);
    let counted = || losses.iter().zip(is_counted.clone()).filter(|(_, is)| *is).map(|(loss, _)| *loss);
    Ok(SoleSource { supplier_count: counted().count(), expected_annual_loss_jpy: total(counted()) })
}

/// Returns the rows with the largest counts, without those of 0.
fn largest(counts: Vec<usize>) -> Vec<(usize, usize)> {
    let mut rows: Vec<_> = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
    rows.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    rows.truncate(MAX_NAMED_SUPPLIERS);
    rows
}

/// Returns whether each supplier has an active enrollment that covers more than nothing.
fn monitored(scores: &Scores) -> PolarsResult<Vec<bool>> {
    let mut is_monitored = vec![false; scores.suppliers.height()];
    for (supplier, take) in keys(&scores.active, SUPPLIER)?.iter().zip(floats(&scores.active, TAKE)?.iter()) {
        if let Some(is_monitored) = is_monitored.get_mut(*supplier as usize) {
            *is_monitored |= *take > 0.0;
        }
    }
    Ok(is_monitored)
}

/// Returns the annual spend of the buyer with each supplier, in yen. An unknown spend counts as 0.
fn spends(supplies: &DataFrame, supplier_count: usize) -> PolarsResult<Vec<f64>> {
    let spends = supplies.column(ANNUAL_SPEND_JPY)?.f64()?.fill_null_with_values(0.0)?;
    let spends: Vec<f64> = spends.into_no_null_iter().collect();
    Ok(sums::by_key(&keys(supplies, UPSTREAM)?, &spends, supplier_count))
}
