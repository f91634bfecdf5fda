//! The indicators once more, in plain loops over plain rows.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use scoring::{ControlCoverage, Coverage, Indicators, SoleSource};

use super::of;
use crate::naive::Twin;
use crate::plain::{CONTROLS, Certification, Firm, Plain};

/// A portfolio and what its scores add to it: the loss through each supplier, in order of code.
pub(super) struct Counts<'a> {
    twin: Twin<'a>,
    /// In order of code, like the results.
    firms: Vec<&'a Firm>,
    losses: Vec<f64>,
    pub(super) tiers: Vec<Option<u32>>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(twin: Twin<'a>, losses: Vec<f64>) -> Self {
        let mut firms: Vec<_> = twin.plain.firms.iter().collect();
        firms.sort_by(|a, b| a.code.cmp(&b.code));
        let mut counts = Self { twin, firms, losses, tiers: vec![] };
        counts.tiers = counts.firms.iter().map(|firm| counts.tier(firm)).collect();
        counts
    }

    /// Returns all suppliers downstream of a supplier, by code; itself only in a cycle.
    fn reached(&self, code: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![code];
        while let Some(from) = open.pop() {
            let plain: &'a Plain = self.twin.plain;
            let rows = plain.supplies.iter().filter(|row| row.upstream == from);
            open.extend(rows.filter_map(|row| row.downstream.as_deref()).filter(|to| reached.insert(*to)));
        }
        reached
    }

    fn supplies_buyer(&self, code: &str) -> bool {
        self.twin.plain.supplies.iter().any(|row| row.upstream == code && row.downstream.is_none())
    }

    /// Returns the tier: walks downstream step by step until one of those reached supplies the buyer.
    fn tier(&self, firm: &Firm) -> Option<u32> {
        let mut frontier = BTreeSet::from([firm.code.as_str()]);
        for tier in 1..=self.firms.len() as u32 {
            if frontier.iter().any(|code| self.supplies_buyer(code)) {
                return Some(tier);
            }
            let rows = self.twin.plain.supplies.iter().filter(|row| frontier.contains(row.upstream.as_str()));
            frontier = rows.filter_map(|row| row.downstream.as_deref()).collect();
        }
        None
    }

    fn is_monitored(&self, firm: &Firm) -> bool {
        self.twin.watched(firm, self.twin.day) > 0.0
    }

    fn coverage(&self, among: impl Fn(&Firm) -> bool, holds: impl Fn(&Firm) -> bool) -> Coverage {
        let among: Vec<_> = self.firms.iter().filter(|firm| among(firm)).collect();
        of(among.iter().filter(|firm| holds(firm)).count(), among.len())
    }

    fn is_over(&self, found: &Certification) -> bool {
        let validity = self.twin.find(&format!("controls.validity_days.{}", found.scheme));
        let last = found.expires.or(validity.map(|days| found.issued + Days::new(days as u64)));
        last.is_some_and(|last| last < self.twin.day)
    }

    fn holds(&self, firm: &Firm, schemes: &[&str]) -> bool {
        let mut own = self.twin.plain.certifications.iter().filter(|found| found.code == firm.code);
        own.any(|found| schemes.contains(&found.scheme) && found.issued <= self.twin.day && !self.is_over(found))
    }

    fn newest_evidence(&self, firm: &Firm) -> Option<NaiveDate> {
        let (plain, day) = (self.twin.plain, self.twin.day);
        let mut dates = Vec::new();
        for found in plain.enrollments.iter().filter(|found| found.code == firm.code && found.starts <= day) {
            dates.push(found.ends.map_or(day, |ends| ends.min(day)));
        }
        dates.extend(plain.certifications.iter().filter(|found| found.code == firm.code).map(|found| found.issued));
        dates.extend(plain.incidents.iter().filter(|found| found.code == firm.code).map(|found| found.occurred));
        if self.reads_assessments() {
            dates.extend(plain.assessments.iter().filter(|found| found.code == firm.code).map(|found| found.assessed));
        }
        dates.into_iter().filter(|date| *date <= day).max()
    }

    /// Returns what is known about the controls of some suppliers; nothing by a model without assessments.
    fn controls(&self, among: impl Fn(&Firm) -> bool) -> Vec<ControlCoverage> {
        let counted = |firm: &Firm, control: &str| {
            let (found, weighed) = self.twin.counted(firm, control)?;
            (weighed.freshness > 0.0).then_some((found.status, found.assurance))
        };
        let of_control = |control: &'static str| ControlCoverage {
            control,
            known: self.coverage(&among, |firm| counted(firm, control).is_some()),
            met: (control != "self_assessment").then(|| {
                self.coverage(&among, |firm| counted(firm, control).is_some_and(|(status, _)| status == Some("met")))
            }),
            verified: self
                .coverage(&among, |firm| counted(firm, control).is_some_and(|(_, who)| who != "self_reported")),
        };
        CONTROLS.map(of_control).to_vec()
    }

    fn reads_assessments(&self) -> bool {
        self.twin.model.contains_key("assessments")
    }

    fn expired(&self) -> Coverage {
        let (plain, day) = (self.twin.plain, self.twin.day);
        let begun: Vec<_> = plain.enrollments.iter().filter(|found| found.starts <= day).collect();
        let issued: Vec<_> = plain.certifications.iter().filter(|found| found.issued <= day).collect();
        let ended = begun.iter().filter(|found| found.ends.is_some_and(|ends| ends <= day)).count();
        of(ended + issued.iter().filter(|found| self.is_over(found)).count(), begun.len() + issued.len())
    }

    fn median_age(&self) -> Option<f64> {
        let dates = self.firms.iter().filter_map(|firm| self.newest_evidence(firm));
        let mut ages: Vec<_> = dates.map(|date| (self.twin.day - date).num_days() as f64).collect();
        // Both ends are removed, two at a time, until one or two are left.
        ages.sort_by(f64::total_cmp);
        while ages.len() > 2 {
            ages.pop();
            ages.remove(0);
        }
        (!ages.is_empty()).then(|| ages.iter().sum::<f64>() / ages.len() as f64)
    }

    fn spend(&self, of: impl Fn(&Firm) -> bool) -> f64 {
        let rows = self.twin.plain.supplies.iter().filter(|row| row.downstream.is_none());
        let of_some = rows.filter(|row| self.firms.iter().any(|firm| firm.code == row.upstream && of(firm)));
        of_some.filter_map(|row| row.spend).sum()
    }

    fn sole_source(&self) -> SoleSource {
        let mut sole = SoleSource { supplier_count: 0, expected_annual_loss_jpy: 0.0 };
        for (firm, loss) in self.firms.iter().zip(&self.losses) {
            let rows = self.twin.plain.supplies.iter().filter(|row| row.upstream == firm.code);
            let is_sole = rows.filter(|row| row.downstream.is_none()).any(|row| row.substitutability == "sole");
            if is_sole && !self.is_monitored(firm) {
                sole.supplier_count += 1;
                sole.expected_annual_loss_jpy += loss;
            }
        }
        sole
    }

    fn stops_tier_1(&self) -> Vec<(usize, usize)> {
        let tier_1: BTreeSet<_> = self.firms.iter().map(|firm| firm.code.as_str()).collect();
        let tier_1: BTreeSet<_> = tier_1.into_iter().filter(|code| self.supplies_buyer(code)).collect();
        let stops = self.firms.iter().enumerate().map(|(row, firm)| {
            let reached = self.reached(&firm.code);
            (row, reached.intersection(&tier_1).filter(|code| **code != firm.code).count())
        });
        let mut stops: Vec<_> = stops.filter(|(_, count)| *count > 0).collect();
        stops.sort_by_key(|(_, count)| usize::MAX - count);
        stops.truncate(10);
        stops
    }

    pub(super) fn indicators(&self) -> Indicators {
        let all = |_: &Firm| true;
        let sme = |firm: &Firm| ["micro", "sme"].contains(&Twin::size(firm));
        let monitored = |firm: &Firm| self.is_monitored(firm);
        let tier_of = |firm: &Firm| self.tiers[self.twin.plain.row_of(&firm.code)];
        let tiers = (1..=self.firms.len() as u32).map(Some).chain([None]);
        let by_tier = tiers.clone().map(|tier| (tier, self.coverage(|firm| tier_of(firm) == tier, monitored)));
        let tiers = tiers.filter(|tier| self.tiers.contains(tier));
        let controls_by_tier = tiers.map(|tier| (tier, self.controls(|firm| tier_of(firm) == tier))).collect();
        let of_size = |size: &'static str| (size, self.controls(|firm| Twin::size(firm) == size));
        let controls_by_size = ["micro", "sme", "large", "unknown"].map(of_size).to_vec();
        let (controls, controls_by_tier, controls_by_size) = match self.reads_assessments() {
            true => (self.controls(all), controls_by_tier, controls_by_size),
            false => Default::default(),
        };
        let by_size = |size: &'static str| (size, self.coverage(|firm| Twin::size(firm) == size, monitored));
        let holding = |schemes: &[&str]| self.coverage(all, |firm| self.holds(firm, schemes));
        Indicators {
            monitored: self.coverage(all, monitored),
            annual_spend_jpy: self.spend(all),
            monitored_spend_jpy: self.spend(monitored),
            monitored_by_tier: by_tier.filter(|(_, coverage)| coverage.of > 0).collect(),
            monitored_by_size: ["micro", "sme", "large", "unknown"].map(by_size).to_vec(),
            security_action_1: holding(&["security_action_1", "security_action_2"]),
            security_action_2: holding(&["security_action_2"]),
            security_action_1_sme: self
                .coverage(sme, |firm| self.holds(firm, &["security_action_1", "security_action_2"])),
            security_action_2_sme: self.coverage(sme, |firm| self.holds(firm, &["security_action_2"])),
            scs_3: holding(&["scs_3", "scs_4", "scs_5"]),
            scs_4: holding(&["scs_4", "scs_5"]),
            scs_5: holding(&["scs_5"]),
            isms: holding(&["isms"]),
            controls,
            controls_by_tier,
            controls_by_size,
            reporting: self.coverage(all, |firm| firm.reports.is_some_and(|since| since <= self.twin.day)),
            evidence_age_median_days: self.median_age(),
            expired: self.expired(),
            sole_source_unmonitored: self.sole_source(),
            tier_1_count: self.firms.iter().filter(|firm| self.supplies_buyer(&firm.code)).count(),
            stops_tier_1: self.stops_tier_1(),
        }
    }
}
