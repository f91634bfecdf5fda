//! The indicators of a chain: how far SC3's aims are reached, how fresh the evidence is, what stops would spread.

mod evidence;

use std::collections::BTreeMap;

use polars::prelude::*;

use crate::chain::reach;
use crate::columns::name::*;
use crate::columns::{SUBSTITUTABILITIES, number_of};
use crate::frame::{floats, keys};
use crate::model::Model;
use crate::portfolio::Portfolio;
use crate::{Scores, summary, sums};
use evidence::Evidence;

/// How many of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Those that the indicator counts.
    pub count: usize,
    /// All of them.
    pub of: usize,
}

impl Coverage {
    /// The part of all, 0 to 1; none of nothing.
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| self.count as f64 / self.of as f64)
    }

    /// How many of some facts hold.
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

/// Suppliers without a replacement whom nobody watches, and what reaches the buyer through them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SoleSource {
    /// How many.
    pub supplier_count: usize,
    /// The sum of their `expected_annual_loss_direct_jpy`, yen a year; 0 where there are none.
    pub expected_annual_loss_jpy: f64,
}

/// The indicators of a portfolio as of the day it was scored for. Coverages are over all suppliers unless they
/// say otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Indicators {
    /// With an enrollment active on the day whose coverage is above 0.
    pub monitored: Coverage,
    /// What the buyer spends a year with its direct suppliers, yen; an unknown spend counts nothing.
    pub annual_spend_jpy: f64,
    /// The part of that spent with monitored ones, yen.
    pub monitored_spend_jpy: f64,
    /// Monitored ones of each tier that occurs, the nearest first. A supplier from which no path of supply to the
    /// buyer is recorded has none; these come last.
    pub monitored_by_tier: Vec<(Option<u32>, Coverage)>,
    /// Monitored ones of each size class: `micro`, `sme`, `large`, `unknown`, always all four.
    pub monitored_by_size: Vec<(&'static str, Coverage)>,
    /// With SECURITY ACTION ★1 or ★2 in force.
    ///
    /// Here and below a certificate is in force from the day it was issued to its last day, the two included: the
    /// day it states, or the one by the model's `validity_days`, or none, and then it stays in force.
    pub security_action_1: Coverage,
    /// With SECURITY ACTION ★2 in force.
    pub security_action_2: Coverage,
    /// As `security_action_1`, over suppliers known to be `micro` or `sme` alone, at whom it aims.
    pub security_action_1_sme: Coverage,
    /// As `security_action_2`, over suppliers known to be `micro` or `sme` alone.
    pub security_action_2_sme: Coverage,
    /// With SCS ★3 or higher in force.
    pub scs_3: Coverage,
    /// With SCS ★4 or higher in force.
    pub scs_4: Coverage,
    /// With SCS ★5 in force.
    pub scs_5: Coverage,
    /// With ISMS in force.
    pub isms: Coverage,
    /// With an agreement to report incidents in force.
    pub reporting: Coverage,
    /// The median age of the newest evidence on a supplier, days, over the suppliers with any; none without any.
    ///
    /// An enrollment active on the day has age 0, one that is over dates from the day it ended, a certificate
    /// from its issue and an incident from its day. Between two suppliers in the middle, their mean.
    pub evidence_age_median_days: Option<f64>,
    /// Of the enrollments begun and the certificates issued up to the day, those that are over: an enrollment
    /// from its end, a certificate after its last day.
    pub expired: Coverage,
    /// Suppliers that are not monitored, with at least one row to the buyer that nobody else could supply.
    pub sole_source_unmonitored: SoleSource,
    /// Suppliers of tier 1: those with a row to the buyer.
    pub tier_1_count: usize,
    /// The ten rows of the results through which most suppliers of tier 1 can be stopped, each with how many
    /// other than itself lie downstream of it along recorded supplies, however weak. The largest first, equal
    /// ones in order of rows; none that can stop nobody.
    pub stops_tier_1: Vec<(usize, usize)>,
}

const SIZES: [&str; 4] = ["micro", "sme", "large", "unknown"];
/// How many suppliers `stops_tier_1` names.
const NAMED: usize = 10;

impl Indicators {
    /// Counts the indicators of a portfolio, its scores and the model that gave them.
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
            reporting: Coverage::of(suppliers.column(IS_REPORTING)?.bool()?.iter().map(|is| is == Some(true))),
            evidence_age_median_days: median(evidence.ages_days()),
            expired: evidence.expired,
            sole_source_unmonitored: sole_source(suppliers, &supplies, &is_monitored)?,
            tier_1_count: is_tier_1.iter().filter(|is| **is).count(),
            stops_tier_1: largest(reach::marked_beyond(&scores.graph.downstream, &is_tier_1)),
        })
    }
}

/// The sum in order, 0 of nothing.
fn total(yen: impl Iterator<Item = f64>) -> f64 {
    // `sum` gives −0 of nothing.
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
    SIZES.into_iter().map(|size| (size, of_size(size))).collect()
}

/// The middle one, or the mean of the middle two.
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

/// The rows with the largest counts, those of 0 left out.
fn largest(counts: Vec<usize>) -> Vec<(usize, usize)> {
    let mut rows: Vec<_> = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
    rows.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    rows.truncate(NAMED);
    rows
}

/// Whether each supplier has an active enrollment that covers more than nothing.
fn monitored(scores: &Scores) -> PolarsResult<Vec<bool>> {
    let mut is_monitored = vec![false; scores.suppliers.height()];
    for (supplier, take) in keys(&scores.active, SUPPLIER)?.iter().zip(floats(&scores.active, TAKE)?.iter()) {
        if let Some(is_monitored) = is_monitored.get_mut(*supplier as usize) {
            *is_monitored |= *take > 0.0;
        }
    }
    Ok(is_monitored)
}

/// What the buyer spends a year with each supplier, yen; an unknown spend counts nothing.
fn spends(supplies: &DataFrame, supplier_count: usize) -> PolarsResult<Vec<f64>> {
    let spends = supplies.column(ANNUAL_SPEND_JPY)?.f64()?.fill_null_with_values(0.0)?;
    let spends: Vec<f64> = spends.into_no_null_iter().collect();
    Ok(sums::by_key(&keys(supplies, UPSTREAM)?, &spends, supplier_count))
}
