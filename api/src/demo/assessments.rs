//! What is known about the firms' single controls: answers to questionnaires, and what others have checked.

use std::collections::HashMap;

use chrono::{Days, Months, NaiveDate};
use serde::Serialize;

use super::AS_OF;
use super::draw::Draw;
use super::evidence::{Certification, Enrollment};
use super::firms::Firm;

/// A row of `assessments.csv`.
#[derive(Serialize)]
pub(super) struct Assessment<'a> {
    external_id: String,
    supplier_code: &'a str,
    control: &'static str,
    status: Option<&'static str>,
    total_score: Option<u64>,
    assessed_on: NaiveDate,
    expires_on: Option<NaiveDate>,
    assurance: &'static str,
    assessor_name: Option<&'a str>,
}

/// The percentage of firms that have a control, roughly as in `model.toml`.
const HAVE: [(&str, u64); 6] =
    [("mfa", 20), ("patching", 30), ("hardening", 15), ("remote_access", 55), ("edr", 19), ("backup", 20)];
/// The controls that an お助け隊 provider can see.
const SEEN_BY_PROVIDER: [&str; 3] = ["edr", "patching", "remote_access"];
const SEEN_BY_AUDITOR: [&str; 4] = ["mfa", "patching", "hardening", "backup"];

/// Who assesses, and how often what is recorded is wrong, in percent: of firms without a control, and of those with it.
struct Assessor<'a> {
    assurance: &'static str,
    name: Option<&'a str>,
    overclaim: u64,
    underclaim: u64,
}

const SUPPLIER: Assessor<'static> = Assessor { assurance: "self_reported", name: None, overclaim: 25, underclaim: 5 };

struct Rows<'a>(Vec<Assessment<'a>>);

impl<'a> Rows<'a> {
    /// Adds what an assessor found on one day about the controls of a firm.
    fn add(
        &mut self,
        draw: &mut Draw,
        firm: &'a Firm,
        assessor: &Assessor<'a>,
        (assessed_on, expires_on): (NaiveDate, Option<NaiveDate>),
        controls: impl Iterator<Item = (&'static str, bool)>,
    ) {
        for (control, is_there) in controls {
            let is_wrong = draw.chance(if is_there { assessor.underclaim } else { assessor.overclaim });
            let status = if is_there == is_wrong { "not_met" } else { "met" };
            self.push(firm, assessor, (control, Some(status), None), (assessed_on, expires_on));
        }
    }

    fn push(
        &mut self,
        firm: &'a Firm,
        assessor: &Assessor<'a>,
        (control, status, total_score): (&'static str, Option<&'static str>, Option<u64>),
        (assessed_on, expires_on): (NaiveDate, Option<NaiveDate>),
    ) {
        self.0.push(Assessment {
            external_id: format!("A{:04}", self.0.len() + 1),
            supplier_code: &firm.supplier_code,
            control,
            status,
            total_score,
            assessed_on,
            expires_on,
            assurance: assessor.assurance,
            assessor_name: assessor.name,
        });
    }
}

pub(super) fn assessments<'a>(
    draw: &mut Draw,
    firms: &'a [Firm],
    enrollments: &'a [Enrollment<'a>],
    certifications: &[Certification<'a>],
) -> Vec<Assessment<'a>> {
    let active = enrollments.iter().filter(|row| row.ends_on.is_none_or(|end| end > AS_OF));
    let providers: HashMap<&str, &Enrollment<'_>> = active.map(|row| (row.supplier_code, row)).collect();
    let audited = certifications.iter().filter(|row| row.scheme == "isms");
    let audits: HashMap<&str, NaiveDate> = audited.map(|row| (row.supplier_code, row.issued_on)).collect();
    let mut rows = Rows(Vec::new());
    for firm in firms {
        // A third of the firms answers at all.
        if !draw.chance(34) {
            continue;
        }
        let truth = HAVE.map(|(control, percent)| (control, draw.chance(percent)));
        answers(draw, firm, &truth, &mut rows);
        if let Some(enrollment) = providers.get(firm.supplier_code.as_str()).filter(|_| draw.chance(22)) {
            let assessed_on = day_since(draw, enrollment.starts_on);
            let name = Some(enrollment.provider_name.as_str());
            let provider = Assessor { assurance: "verified_by_provider", name, overclaim: 8, underclaim: 3 };
            let seen = truth.into_iter().filter(|(control, _)| SEEN_BY_PROVIDER.contains(control));
            rows.add(draw, firm, &provider, (assessed_on, None), seen);
        }
        if let Some(issued_on) = audits.get(firm.supplier_code.as_str()).filter(|_| draw.chance(40)) {
            let assessed_on = day_since(draw, *issued_on);
            let name = Some("デモ監査法人01");
            let auditor = Assessor { assurance: "verified_by_third_party", name, overclaim: 3, underclaim: 2 };
            let seen = truth.into_iter().filter(|(control, _)| SEEN_BY_AUDITOR.contains(control));
            rows.add(draw, firm, &auditor, (assessed_on, Some(a_year_after(assessed_on))), seen);
        }
    }
    rows.0
}

/// Adds what a firm says itself: several controls of a questionnaire at one date, the self-assessment, or both.
fn answers<'a>(draw: &mut Draw, firm: &'a Firm, truth: &[(&'static str, bool)], rows: &mut Rows<'a>) {
    let has_questionnaire = draw.chance(80);
    if has_questionnaire {
        let assessed_on = answered_on(draw);
        let expires_on = draw.chance(20).then(|| a_year_after(assessed_on));
        // Most firms leave a question out here and there.
        let answered: Vec<_> = truth.iter().copied().filter(|_| draw.chance(75)).collect();
        rows.add(draw, firm, &SUPPLIER, (assessed_on, expires_on), answered.into_iter());
    }
    if !has_questionnaire || draw.chance(25) {
        let total_score = draw.between(5, 55) + draw.below(31);
        rows.push(firm, &SUPPLIER, ("self_assessment", None, Some(total_score)), (answered_on(draw), None));
    }
}

/// Draws the day of an answer: most are of the last half year, some are old.
fn answered_on(draw: &mut Draw) -> NaiveDate {
    let (from, to) = draw.pick(&[(55, (10, 180)), (30, (181, 540)), (15, (541, 1_100))]);
    AS_OF - Days::new(draw.between(from, to))
}

fn day_since(draw: &mut Draw, first: NaiveDate) -> NaiveDate {
    let days = u64::try_from((AS_OF - first).num_days()).unwrap_or_default();
    first + Days::new(draw.between(0, days))
}

fn a_year_after(day: NaiveDate) -> NaiveDate {
    day + Months::new(12)
}
