//! What was seen: blocked accesses, contained malware, and the few incidents that did harm.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde::Serialize;

use super::chain::{self, SHARED};
use super::draw::Draw;
use super::evidence::Enrollment;
use super::firms::Firm;
use super::{AS_OF, month};

/// Suspicious accesses and malware of the demonstration project of FY2020, which 1,117 firms joined (IPA, 2021).
pub(super) const BLOCKED: u64 = 181_536;
pub(super) const CONTAINED: u64 = 1_345;

/// A row of `incidents.csv`.
#[derive(Default, Serialize)]
pub(super) struct Incident<'a> {
    external_id: String,
    supplier_code: &'a str,
    occurred_on: NaiveDate,
    category: &'static str,
    outcome: &'static str,
    count: u64,
    loss_jpy: Option<u64>,
    downtime_days: Option<String>,
    detected_at: Option<String>,
    reported_at: Option<String>,
    partners_affected: Option<u64>,
}

/// A kind of harm: its category, how many times it occurs, the least loss and how often it may double, and the shortest
/// and longest downtime in tenths of a day. Most cost little, ransomware costs most: the means of the surveys of SMEs
/// by IPA (2025) and of JNSA (2025) are far apart.
type Harm = (&'static str, u64, (u64, u64), (u64, u64));
const RANSOMWARE: Harm = ("ransomware", 5, (6_000_000, 3), (70, 450));
const HARM: [Harm; 5] = [
    RANSOMWARE,
    ("unauthorized_access", 10, (300_000, 4), (10, 90)),
    ("business_email_compromise", 8, (400_000, 4), (0, 15)),
    ("malware", 14, (60_000, 5), (5, 60)),
    ("other", 6, (40_000, 4), (0, 30)),
];

pub(super) fn incidents<'a>(draw: &mut Draw, firms: &'a [Firm], enrollments: &[Enrollment<'a>]) -> Vec<Incident<'a>> {
    let (mut rows, all) = (Vec::new(), enrollments.iter().collect::<Vec<_>>());
    seen(draw, enrollments, (100, 66), 11, (BLOCKED, "suspicious_access", "blocked"), &mut rows);
    seen(draw, enrollments, (40, 35), 5, (CONTAINED, "malware", "contained"), &mut rows);
    // Two incidents that also stopped others: at the firm that most others share, and at one more.
    let shared = shared_enrollment(firms, enrollments).map(|hit| (hit, 9));
    for (hit, partners) in shared.into_iter().chain([(larger(draw, &all), 2)]) {
        rows.push(Incident { partners_affected: Some(partners), ..harm(draw, hit, RANSOMWARE) });
    }
    for kind in HARM {
        for _ in 0..kind.1 {
            let hit = larger(draw, &all);
            rows.push(harm(draw, hit, kind));
        }
    }
    rows.sort_by_key(|row| (row.occurred_on, row.supplier_code, row.category));
    for (number, row) in (1..).zip(&mut rows) {
        row.external_id = format!("I{number:05}");
    }
    rows
}

fn shared_enrollment<'e, 'a>(firms: &'a [Firm], enrollments: &'e [Enrollment<'a>]) -> Option<&'e Enrollment<'a>> {
    let shared = SHARED.first().and_then(|(item, ..)| chain::shared(firms, item))?;
    enrollments.iter().find(|enrollment| enrollment.firm.supplier_code == shared.supplier_code)
}

/// Draws a firm that was hit: of two, more often the larger one.
fn larger<'e, 'a>(draw: &mut Draw, all: &[&'e Enrollment<'a>]) -> &'e Enrollment<'a> {
    let (one, other) = (draw.one(all), draw.one(all));
    if one.firm.employees < other.firm.employees && draw.chance(75) { other } else { one }
}

/// Adds monthly counts for months in which the service monitored: for `firms` per cent of the firms in `months` per
/// cent of their months, up to `2^doublings` times as much at one firm as at another.
fn seen<'a>(
    draw: &mut Draw,
    enrollments: &[Enrollment<'a>],
    (firms, months): (u64, u64),
    doublings: u64,
    (total, category, outcome): (u64, &'static str, &'static str),
    rows: &mut Vec<Incident<'a>>,
) {
    let mut places = Vec::new();
    for enrollment in enrollments {
        let (is_seen, level) = (draw.chance(firms), draw.doubling(1, doublings));
        for number in (0..12).filter(|_| is_seen) {
            let from = enrollment.starts_on.max(month(number));
            let to = enrollment.ends_on.unwrap_or(NaiveDate::MAX).min(month(number + 1));
            if from < to && draw.chance(months) {
                let occurred_on = from + Days::new(draw.below((to - from).num_days() as u64));
                places.push((enrollment.firm, occurred_on, level * draw.between(40, 160)));
            }
        }
    }
    // Running sums are rounded, not shares, so that the counts sum to the total.
    let sum: u64 = places.iter().map(|(.., weight)| weight).sum();
    let (mut running, mut given) = (0, 0);
    for (firm, occurred_on, weight) in places {
        running += weight;
        let count = running * total / sum - given;
        given += count;
        if count > 0 {
            let supplier_code = &firm.supplier_code;
            rows.push(Incident { supplier_code, occurred_on, category, outcome, count, ..Incident::default() });
        }
    }
}

/// Draws a harmful incident, most often where and when a service monitored: elsewhere fewer are noticed.
fn harm<'a>(
    draw: &mut Draw,
    hit: &Enrollment<'a>,
    (category, _, (least, doublings), (shortest, longest)): Harm,
) -> Incident<'a> {
    let (from, to) = (hit.starts_on.max(month(0)), hit.ends_on.unwrap_or(AS_OF).min(AS_OF - Days::new(9)));
    let occurred_on = if from < to && draw.chance(85) {
        from + Days::new(draw.below((to - from).num_days() as u64))
    } else {
        AS_OF - Days::new(draw.between(10, 1090))
    };
    let tenths = draw.between(shortest, longest);
    let detected = occurred_on.and_time(NaiveTime::MIN) + TimeDelta::minutes(draw.between(500, 4_000) as i64);
    let reported = detected + TimeDelta::minutes(draw.doubling(45, 6) as i64);
    let written = |time: NaiveDateTime| time.format("%Y-%m-%dT%H:%M:00+09:00").to_string();
    Incident {
        supplier_code: &hit.firm.supplier_code,
        occurred_on,
        category,
        outcome: "harmful",
        count: 1,
        loss_jpy: Some(draw.doubling(least, doublings) / 1_000 * 1_000),
        downtime_days: Some(format!("{}.{}", tenths / 10, tenths % 10)),
        detected_at: Some(written(detected)),
        reported_at: draw.chance(85).then(|| written(reported)),
        ..Incident::default()
    }
}
