//! Portfolios as plain rows: drawn at random, changed by hand, turned into frames.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;

use chrono::{Days, NaiveDate};
use polars::prelude::*;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::{collection, option};
use scoring::{ColumnKind, Table, Tables};

use crate::support::{as_of, read_rows};

#[derive(Debug, Clone)]
pub(crate) struct Firm {
    pub(crate) code: String,
    pub(crate) division: Option<i64>,
    pub(crate) employees: Option<i64>,
    pub(crate) capital: Option<f64>,
    pub(crate) data: Option<&'static str>,
    pub(crate) network: Option<&'static str>,
    pub(crate) endpoints: Option<i64>,
    pub(crate) reports: Option<NaiveDate>,
}

#[derive(Debug, Clone)]
pub(crate) struct Supply {
    pub(crate) upstream: String,
    pub(crate) downstream: Option<String>,
    pub(crate) spend: Option<f64>,
    pub(crate) criticality: &'static str,
    pub(crate) substitutability: &'static str,
    pub(crate) stock: Option<f64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Enrollment {
    pub(crate) code: String,
    pub(crate) class: &'static str,
    pub(crate) share: Option<f64>,
    pub(crate) covered: Option<i64>,
    pub(crate) starts: NaiveDate,
    pub(crate) ends: Option<NaiveDate>,
    pub(crate) onsite: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Certification {
    pub(crate) code: String,
    pub(crate) scheme: &'static str,
    pub(crate) issued: NaiveDate,
    pub(crate) expires: Option<NaiveDate>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assessment {
    pub(crate) code: String,
    pub(crate) control: &'static str,
    pub(crate) status: Option<&'static str>,
    pub(crate) total: Option<i64>,
    pub(crate) assessed: NaiveDate,
    pub(crate) expires: Option<NaiveDate>,
    pub(crate) assurance: &'static str,
}

#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) code: String,
    pub(crate) occurred: NaiveDate,
    pub(crate) outcome: &'static str,
    pub(crate) count: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) firms: Vec<Firm>,
    pub(crate) supplies: Vec<Supply>,
    pub(crate) enrollments: Vec<Enrollment>,
    pub(crate) certifications: Vec<Certification>,
    pub(crate) assessments: Vec<Assessment>,
    pub(crate) incidents: Vec<Incident>,
}

/// The controls that lower the rate, backups, and the self-assessment.
pub(crate) const CONTROLS: [&str; 7] =
    ["mfa", "patching", "hardening", "remote_access", "edr", "backup", "self_assessment"];
/// In ascending order of trust.
pub(crate) const ASSURANCES: [&str; 3] = ["self_reported", "verified_by_provider", "verified_by_third_party"];

macro_rules! texts {
    ($rows:expr, $name:expr, $cell:expr) => {
        Column::new($name.into(), $rows.iter().map($cell).collect::<Vec<Option<String>>>())
    };
}

macro_rules! values {
    ($rows:expr, $name:expr, $cell:expr) => {
        Column::new($name.into(), $rows.iter().map($cell).collect::<Vec<_>>())
    };
}

macro_rules! dates {
    ($rows:expr, $name:expr, $cell:expr) => {
        Column::new($name.into(), $rows.iter().map($cell).map(days).collect::<Vec<Option<i32>>>())
            .cast(&DataType::Date)
            .unwrap()
    };
}

fn days(date: Option<NaiveDate>) -> Option<i32> {
    date.map(|date| (date - NaiveDate::default()).num_days() as i32)
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

type Cells = BTreeMap<String, String>;

/// Reads the rows of a table in a folder, each from its cells; none without a file.
fn read<T>(folder: &Path, table: Table, row: impl Fn(&Cells) -> T) -> Vec<T> {
    let path = folder.join(table.name()).with_extension("csv");
    if path.exists() { read_rows(&path).iter().map(row).collect() } else { Vec::new() }
}

fn parsed<T: FromStr<Err: Debug>>(row: &Cells, name: &str) -> Option<T> {
    row.get(name).map(|cell| cell.parse().unwrap())
}

/// Returns the choice that a cell names.
fn choice(row: &Cells, name: &str) -> Option<&'static str> {
    let all = Table::ALL.iter().flat_map(|table| table.columns());
    let choices = all.filter(|column| column.name == name).find_map(|column| match column.kind {
        ColumnKind::Choice(choices) => Some(choices),
        _ => None,
    });
    row.get(name).map(|cell| choices.unwrap().iter().copied().find(|choice| choice == cell).unwrap())
}

impl Plain {
    /// Reads the rows of a folder of the examples.
    pub(crate) fn read(folder: &Path) -> Self {
        let code = |row: &Cells| row["supplier_code"].clone();
        Self {
            firms: read(folder, Table::Suppliers, |row| Firm {
                code: code(row),
                division: parsed(row, "jsic_division"),
                employees: parsed(row, "employee_count"),
                capital: parsed(row, "capital_jpy"),
                data: choice(row, "data_access"),
                network: choice(row, "network_access"),
                endpoints: parsed(row, "total_endpoints"),
                reports: parsed(row, "reports_incidents_since"),
            }),
            supplies: read(folder, Table::Relationships, |row| Supply {
                upstream: row["upstream_code"].clone(),
                downstream: row.get("downstream_code").cloned(),
                spend: parsed(row, "annual_spend_jpy"),
                criticality: choice(row, "criticality").unwrap(),
                substitutability: choice(row, "substitutability").unwrap(),
                stock: parsed(row, "stock_cover_days"),
            }),
            enrollments: read(folder, Table::Enrollments, |row| Enrollment {
                code: code(row),
                class: choice(row, "service_class").unwrap(),
                share: parsed(row, "coverage_share"),
                covered: parsed(row, "covered_endpoints"),
                starts: parsed(row, "starts_on").unwrap(),
                ends: parsed(row, "ends_on"),
                onsite: parsed(row, "onsite_response").unwrap(),
            }),
            certifications: read(folder, Table::Certifications, |row| Certification {
                code: code(row),
                scheme: choice(row, "scheme").unwrap(),
                issued: parsed(row, "issued_on").unwrap(),
                expires: parsed(row, "expires_on"),
            }),
            assessments: read(folder, Table::Assessments, |row| Assessment {
                code: code(row),
                control: choice(row, "control").unwrap(),
                status: choice(row, "status"),
                total: parsed(row, "total_score"),
                assessed: parsed(row, "assessed_on").unwrap(),
                expires: parsed(row, "expires_on"),
                assurance: choice(row, "assurance").unwrap(),
            }),
            incidents: read(folder, Table::Incidents, |row| Incident {
                code: code(row),
                occurred: parsed(row, "occurred_on").unwrap(),
                outcome: choice(row, "outcome").unwrap(),
                count: parsed(row, "count"),
            }),
        }
    }

    pub(crate) fn tables(&self) -> Tables {
        let Self { firms, supplies, enrollments, certifications, assessments, incidents } = self;
        Tables {
            suppliers: frame(
                firms.len(),
                vec![
                    texts!(firms, "supplier_code", |row| text(&row.code)),
                    values!(firms, "jsic_division", |row| row.division),
                    values!(firms, "employee_count", |row| row.employees),
                    values!(firms, "capital_jpy", |row| row.capital),
                    texts!(firms, "data_access", |row| row.data.map(str::to_owned)),
                    texts!(firms, "network_access", |row| row.network.map(str::to_owned)),
                    values!(firms, "total_endpoints", |row| row.endpoints),
                    dates!(firms, "reports_incidents_since", |row| row.reports),
                ],
            ),
            relationships: frame(
                supplies.len(),
                vec![
                    texts!(supplies, "upstream_code", |row| text(&row.upstream)),
                    texts!(supplies, "downstream_code", |row| row.downstream.clone()),
                    values!(supplies, "annual_spend_jpy", |row| row.spend),
                    texts!(supplies, "criticality", |row| text(row.criticality)),
                    texts!(supplies, "substitutability", |row| text(row.substitutability)),
                    values!(supplies, "stock_cover_days", |row| row.stock),
                ],
            ),
            enrollments: frame(
                enrollments.len(),
                vec![
                    texts!(enrollments, "supplier_code", |row| text(&row.code)),
                    texts!(enrollments, "service_class", |row| text(row.class)),
                    values!(enrollments, "coverage_share", |row| row.share),
                    values!(enrollments, "covered_endpoints", |row| row.covered),
                    dates!(enrollments, "starts_on", |row| Some(row.starts)),
                    dates!(enrollments, "ends_on", |row| row.ends),
                    values!(enrollments, "onsite_response", |row| row.onsite),
                ],
            ),
            certifications: frame(
                certifications.len(),
                vec![
                    texts!(certifications, "supplier_code", |row| text(&row.code)),
                    texts!(certifications, "scheme", |row| text(row.scheme)),
                    dates!(certifications, "issued_on", |row| Some(row.issued)),
                    dates!(certifications, "expires_on", |row| row.expires),
                ],
            ),
            assessments: frame(
                assessments.len(),
                vec![
                    texts!(assessments, "supplier_code", |row| text(&row.code)),
                    texts!(assessments, "control", |row| text(row.control)),
                    texts!(assessments, "status", |row| row.status.map(str::to_owned)),
                    values!(assessments, "total_score", |row| row.total),
                    dates!(assessments, "assessed_on", |row| Some(row.assessed)),
                    dates!(assessments, "expires_on", |row| row.expires),
                    texts!(assessments, "assurance", |row| text(row.assurance)),
                ],
            ),
            incidents: frame(
                incidents.len(),
                vec![
                    texts!(incidents, "supplier_code", |row| text(&row.code)),
                    dates!(incidents, "occurred_on", |row| Some(row.occurred)),
                    texts!(incidents, "outcome", |row| text(row.outcome)),
                    values!(incidents, "count", |row| row.count),
                ],
            ),
        }
    }

    /// Returns suppliers in manufacturing with 100 employees, about which nothing else is known.
    pub(crate) fn of_firms(count: usize) -> Self {
        let firm = |place| Firm {
            code: format!("S{place:04}"),
            division: Some(24),
            employees: Some(100),
            capital: None,
            data: None,
            network: None,
            endpoints: None,
            reports: None,
        };
        Self {
            firms: (0..count).map(firm).collect(),
            supplies: vec![],
            enrollments: vec![],
            certifications: vec![],
            assessments: vec![],
            incidents: vec![],
        }
    }

    /// Lets some of the suppliers stop one another at once, each the only source of every other.
    pub(crate) fn tie_all(&mut self, places: std::ops::Range<usize>) {
        let pairs = places.clone().flat_map(|from| places.clone().map(move |to| (from, to)));
        for (from, to) in pairs.filter(|(from, to)| from != to) {
            let row = sole(&self.firms[from].code, Some(&self.firms[to].code));
            self.supplies.push(row);
        }
    }

    /// Returns the code of a supplier drawn at random.
    pub(crate) fn pick(&self, index: &Index) -> String {
        index.get(&self.firms).code.clone()
    }

    /// Returns the row of a supplier in the results.
    pub(crate) fn row_of(&self, code: &str) -> usize {
        self.firms.iter().filter(|firm| firm.code.as_str() < code).count()
    }
}

/// A supply without which the line stops at once.
pub(crate) fn sole(upstream: &str, downstream: Option<&str>) -> Supply {
    Supply {
        upstream: upstream.to_owned(),
        downstream: downstream.map(str::to_owned),
        spend: Some(1e7),
        criticality: "stops_line",
        substitutability: "sole",
        stock: None,
    }
}

/// A control found in place or not.
pub(crate) fn found(
    code: &str,
    control: &'static str,
    is_met: bool,
    assurance: &'static str,
    assessed: NaiveDate,
) -> Assessment {
    Assessment {
        code: code.to_owned(),
        control,
        status: Some(if is_met { "met" } else { "not_met" }),
        total: None,
        assessed,
        expires: None,
        assurance,
    }
}

/// A self-assessment with this total.
pub(crate) fn total(code: &str, total: i64, assurance: &'static str, assessed: NaiveDate) -> Assessment {
    Assessment { status: None, total: Some(total), ..found(code, "self_assessment", true, assurance, assessed) }
}

fn frame(height: usize, columns: Vec<Column>) -> DataFrame {
    DataFrame::new(height, columns).unwrap()
}

/// A day around the window, most of them in it.
pub(crate) fn day() -> impl Strategy<Value = NaiveDate> {
    (-200..4200i64).prop_map(|back| {
        if back < 0 { as_of() + Days::new(back.unsigned_abs()) } else { as_of() - Days::new(back as u64) }
    })
}

fn later(from: NaiveDate, by: Option<u64>) -> Option<NaiveDate> {
    by.map(|by| from + Days::new(by))
}

fn firm() -> impl Strategy<Value = Firm> {
    let size = (
        option::of(1..=99i64),
        option::of(prop_oneof![0..30i64, 0..500i64]),
        option::of(select(vec![0.0, 5e6, 5e7, 5.1e7, 1e8, 3e8, 9e9])),
    );
    let access = (
        option::of(select(vec!["none", "internal", "confidential"])),
        option::of(select(vec!["none", "limited", "privileged"])),
        option::of(1..300i64),
        option::weighted(0.3, day()),
    );
    (size, access).prop_map(|((division, employees, capital), (data, network, endpoints, reports))| Firm {
        code: String::new(),
        division,
        employees,
        capital,
        data,
        network,
        endpoints,
        reports,
    })
}

pub(crate) fn enrollment(code: String) -> impl Strategy<Value = Enrollment> {
    let coverage = (option::of(prop_oneof![0.0..=1.0, Just(0.0), Just(1.0)]), option::of(0..300i64));
    (select(vec!["class_1", "class_2", "new_type"]), coverage, day(), option::of(1..2000u64), any::<bool>()).prop_map(
        move |(class, (share, covered), starts, length, onsite)| Enrollment {
            code: code.clone(),
            class,
            share,
            covered,
            starts,
            ends: later(starts, length),
            onsite,
        },
    )
}

pub(crate) fn certification(code: String) -> impl Strategy<Value = Certification> {
    let schemes = vec!["security_action_1", "security_action_2", "scs_3", "scs_4", "scs_5", "isms"];
    (select(schemes), day(), option::of(0..1500u64)).prop_map(move |(scheme, issued, length)| Certification {
        code: code.clone(),
        scheme,
        issued,
        expires: later(issued, length),
    })
}

/// Days of assessments: few, so that several rows share one, at both sides of where a freshness begins to fall or ends.
fn assessed() -> impl Strategy<Value = NaiveDate> {
    let ages = vec![0, 1, 89, 90, 91, 300, 301, 700];
    prop_oneof![3 => select(ages).prop_map(|age| as_of() - Days::new(age)), 1 => day()]
}

/// Days until an assessment expires: on the day itself, before the scores, within their fade and beyond it.
fn expiry() -> impl Strategy<Value = Option<u64>> {
    option::of(prop_oneof![Just(0u64), 1..700u64, select(vec![89u64, 90, 91, 179, 180, 181])])
}

/// A row of assessment of a control, or of a self-assessment.
pub(crate) fn assessment(code: String, control: &'static str) -> impl Strategy<Value = Assessment> {
    let totals = prop_oneof![-25..=100i64, select(vec![-25i64, -1, 0, 1, 45, 100])];
    (any::<bool>(), totals, assessed(), expiry(), select(ASSURANCES.to_vec())).prop_map(
        move |(is_met, points, assessed, length, assurance)| {
            let row = match control {
                "self_assessment" => total(&code, points, assurance, assessed),
                _ => found(&code, control, is_met, assurance, assessed),
            };
            Assessment { expires: later(assessed, length), ..row }
        },
    )
}

/// Rows about one control of one supplier: they contradict, replace and repeat one another.
fn assessments(codes: Vec<String>) -> impl Strategy<Value = Vec<Assessment>> {
    (select(codes), select(CONTROLS.to_vec()), any::<Index>(), 0..2usize).prop_flat_map(
        |(code, control, repeated, times)| {
            collection::vec(assessment(code, control), 1..5).prop_map(move |mut rows| {
                let again = vec![repeated.get(&rows).clone(); times];
                rows.extend(again);
                rows
            })
        },
    )
}

fn supply(codes: Vec<String>) -> impl Strategy<Value = Supply> {
    let count = codes.len();
    let terms = (
        option::of(0.0..1e10f64),
        select(vec!["stops_line", "degrades", "routine"]),
        select(vec!["sole", "limited", "multiple"]),
        option::of(prop_oneof![Just(0.0), 0.0..90.0f64]),
    );
    (0..count, option::weighted(0.7, 1..count.max(2)), terms).prop_map(
        move |(upstream, step, (spend, criticality, substitutability, stock))| Supply {
            upstream: codes[upstream].clone(),
            // A step of 1 to count − 1 around the ring never comes back to the start.
            downstream: step.filter(|_| count > 1).map(|step| codes[(upstream + step) % count].clone()),
            spend,
            criticality,
            substitutability,
            stock,
        },
    )
}

fn incident(code: String) -> impl Strategy<Value = Incident> {
    (day(), select(vec!["blocked", "contained", "harmful"]), option::of(1..50i64)).prop_map(
        move |(occurred, outcome, count)| Incident {
            code: code.clone(),
            occurred,
            outcome,
            count: if outcome == "harmful" { count.map(|_| 1) } else { count },
        },
    )
}

/// A portfolio of up to 11 suppliers, with cycles, parallel rows, overlaps, contradictions and unknowns. In one of six all
/// suppliers stop one another.
pub(crate) fn portfolio() -> impl Strategy<Value = Plain> {
    collection::vec(firm(), 1..12).prop_flat_map(|mut firms| {
        // Codes are out of order, so that rows and results differ in their order.
        firms.iter_mut().enumerate().for_each(|(place, firm)| firm.code = format!("S{:02}", (place * 7) % 12));
        let codes: Vec<_> = firms.iter().map(|firm| firm.code.clone()).collect();
        let of_some = || select(codes.clone());
        (
            Just(firms),
            collection::vec(supply(codes.clone()), 0..25),
            collection::vec(of_some().prop_flat_map(enrollment), 0..14),
            collection::vec(of_some().prop_flat_map(certification), 0..12),
            collection::vec(assessments(codes.clone()), 0..16),
            collection::vec(of_some().prop_flat_map(incident), 0..14),
            (0..6).prop_map(|draw| draw == 0),
        )
            .prop_map(|(firms, supplies, enrollments, certifications, assessments, incidents, is_tied)| {
                let count = firms.len();
                let assessments = assessments.concat();
                let mut plain = Plain { firms, supplies, enrollments, certifications, assessments, incidents };
                if is_tied {
                    plain.tie_all(0..count);
                }
                plain
            })
    })
}
