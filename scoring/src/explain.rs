//! Explanations: a score split into the parts of its sum, and a loss into its parts, each with the facts behind it.
//!
//! The command line, the service and the sheets all take their sentences from here.

mod facts;
mod sentences;

use std::collections::HashMap;
use std::ops::Range;

use chrono::NaiveDate;
use polars::prelude::*;

use crate::chain::graph::Graph;
use crate::columns::name::*;
use crate::frame::keys;
use crate::model::Format;
use crate::points::chance;
use crate::{Scores, date_from_days, sums};
pub use facts::{Assessment, Certification, Controls, Enrollment, Facts, Outweighed};

/// The explanation of one supplier's score and losses.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The contributions, in the order of [`contributions`](crate::contributions). All but the last sum to the risk
    /// score before it is clamped, all of them to the chain score.
    pub contributions: Vec<Contribution>,
    /// How long a stop lasts. None by a model of format 1.
    pub downtime: Option<Downtime>,
    /// Four annual losses in yen. Supply, data and network losses sum to the expected annual losses.
    pub losses: Vec<Loss>,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The column of the results: `points_base` and so on.
    pub key: &'static str,
    /// Points, of either sign.
    pub points: f64,
    /// The fact behind it.
    pub fact: Fact,
}

/// How long a stop lasts, and what is known about backups, which shorten it.
#[derive(Debug, Clone, PartialEq)]
pub struct Downtime {
    /// Mean days.
    pub days: f64,
    /// Mean days if nothing was known about backups.
    pub days_without_backup: f64,
    /// The assessment that counts.
    pub backup: Option<Assessment>,
}

/// A part of an expected annual loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// [`LOSS_SUPPLY_DIRECT_JPY`], [`LOSS_SUPPLY_CAUSED_JPY`], [`LOSS_DATA_JPY`] or [`LOSS_NETWORK_JPY`].
    pub key: &'static str,
    /// Yen a year.
    pub yen: f64,
    /// The fact behind it.
    pub fact: Fact,
}

/// The supply that the buyer loses through this supplier, by the supplier's own stops and by inherited ones.
pub const LOSS_SUPPLY_DIRECT_JPY: &str = "loss_supply_direct_jpy";
/// The supply that the buyer loses by this supplier's own stops, here and downstream.
pub const LOSS_SUPPLY_CAUSED_JPY: &str = "loss_supply_caused_jpy";
/// The buyer's data that the supplier holds. Part of both annual losses.
pub const LOSS_DATA_JPY: &str = "loss_data_jpy";
/// The supplier's access to the buyer's network. Part of both annual losses.
pub const LOSS_NETWORK_JPY: &str = "loss_network_jpy";

/// The losses that an explanation lists, in order, with their Japanese and English headings.
pub const LOSSES: [(&str, &str, &str); 4] = [
    (LOSS_SUPPLY_DIRECT_JPY, "供給停止（この取引先経由、年）", "supply lost through it a year"),
    (LOSS_SUPPLY_CAUSED_JPY, "供給停止（この取引先に起因、年）", "supply lost by its own stops a year"),
    (LOSS_DATA_JPY, "預けたデータ（年）", "data it holds, a year"),
    (LOSS_NETWORK_JPY, "ネットワーク接続（年）", "network access, a year"),
];

/// Fewer points than this are shown as 0.0.
const SHOWN_AS_ZERO_BELOW: f64 = 0.05;

/// The fact behind a contribution or a loss.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "fields are named as the columns of the model")]
pub enum Fact {
    /// Size and section.
    Base { size_class: String, jsic_section: String },
    /// Incidents at watched peers, compared with those expected.
    Segment { peer_harmful_count: f64, peer_expected_count: f64 },
    /// The record of watched peers, whose counts are redacted.
    Peers,
    /// Active enrollments, and when the last one ended.
    Monitoring { enrollments: Vec<Enrollment>, ended_on: Option<NaiveDate>, weight: f64, is_floored: bool },
    /// The best certification of its kind, if any.
    Certification { isms: bool, best: Option<Certification>, weight: f64, is_floored: bool },
    /// What is known about a single control, if anything.
    Control { control: &'static str, assessment: Option<Assessment>, is_floored: bool },
    /// The supplier's own record.
    History { harmful_count: i64, contained_count: i64, blocked_count: i64, discounted_observed_years: f64 },
    /// Upstream suppliers. The most important ones come with their share of what is inherited.
    Upstream { supplier_count: usize, strongest: Vec<(String, f64)> },
    /// Stops a year, and yen per stop.
    Supply { caused: bool, rate: f64, yen_per_stop: f64 },
    /// Incidents a year, and yen per incident by the data held.
    Data { data_access: String, rate: f64, yen_per_incident: f64 },
    /// Incidents a year, and yen per incident by the access granted.
    Network { network_access: String, rate: f64, yen_per_incident: f64 },
}

/// Explains the scores of a portfolio, supplier by supplier.
pub struct Explainer<'a> {
    scores: &'a Scores,
    graph: &'a Graph,
    columns: HashMap<PlSmallStr, Column>,
    active: Active,
}

/// The active enrollments of all suppliers, and which rows belong to which supplier.
struct Active {
    of_supplier: Vec<Range<usize>>,
    service_class: StringChunked,
    coverage: Float64Chunked,
    is_assumed: BooleanChunked,
    take: Float64Chunked,
    starts_on: Int32Chunked,
}

impl<'a> Explainer<'a> {
    /// Prepares what explanations need.
    ///
    /// # Errors
    /// None for scores as computed.
    pub fn new(scores: &'a Scores) -> PolarsResult<Self> {
        let columns = scores.suppliers.columns().iter();
        Ok(Self {
            scores,
            graph: &scores.graph,
            columns: columns.map(|column| (column.name().clone(), column.clone())).collect(),
            active: Active::new(&scores.active, scores.suppliers.height())?,
        })
    }

    /// Explains the score and the losses of a row of the results.
    pub fn explain(&self, row: usize) -> Explanation {
        let texts = [SIZE_CLASS, JSIC_SECTION].map(|name| self.text(name, row));
        let [size_class, jsic_section] = texts;
        Explanation::new(&self.facts(row), &size_class, &jsic_section, |name| self.number(name, row))
    }

    /// Returns what explains a row of the results, in addition to the results themselves.
    pub fn facts(&self, row: usize) -> Facts {
        let (upstream_supplier_count, strongest_upstream) = self.upstream(row);
        let access = |name| Some(self.text(name, row)).filter(|access| !access.is_empty() && access != "none");
        Facts {
            peer_harmful_count: self.number(PEER_HARMFUL_COUNT, row),
            peer_expected_count: self.number(PEER_EXPECTED_COUNT, row),
            hides_others: false,
            enrollments: self.active.of(row),
            ended_on: self.day(ENDED_ON, row),
            is_floored: self.number(FLOOR_SCALE, row) < 1.0,
            ladder: self.certification(row, [LADDER_SCHEME, LADDER_EXPIRY, LADDER_EXPIRY_IS_ASSUMED, LADDER_FRESHNESS]),
            isms: self.certification(row, [ISMS_SCHEME, ISMS_EXPIRY, ISMS_EXPIRY_IS_ASSUMED, ISMS_FRESHNESS]),
            controls: (self.scores.format == Format::Two).then(|| self.controls(row)),
            harmful_count: self.count(HARMFUL_COUNT, row),
            contained_count: self.count(CONTAINED_COUNT, row),
            blocked_count: self.count(BLOCKED_COUNT, row),
            upstream_supplier_count,
            strongest_upstream,
            data_access: access(DATA_ACCESS),
            data_loss_jpy: self.number(DATA_LOSS_JPY, row),
            network_access: access(NETWORK_ACCESS),
            network_loss_jpy: self.number(NETWORK_LOSS_JPY, row),
        }
    }

    fn certification(&self, row: usize, names: [&str; 4]) -> Option<Certification> {
        let [scheme, expiry, is_assumed, freshness] = names;
        Some(self.text(scheme, row)).filter(|scheme| !scheme.is_empty()).map(|scheme| Certification {
            scheme,
            expires_on: self.day(expiry, row),
            is_assumed: self.flag(is_assumed, row),
            freshness: self.number(freshness, row),
        })
    }

    fn controls(&self, row: usize) -> Controls {
        let (assessed, as_of) = (&self.scores.assessed, self.scores.as_of);
        let weights = assessed.weights(row);
        let [watching, certified, ..] = weights;
        let weight_of = |parts: &[&str], weight| {
            let counts = parts.iter().any(|part| self.number(part, row) != 0.0);
            if counts { weight } else { 1.0 }
        };
        Controls {
            monitoring_weight: weight_of(&[MONITORING], watching),
            certificate_weight: weight_of(&[LADDER, ISMS], certified),
            assessed: assessed.of(row).iter().map(|counted| counted.fact(as_of, &weights)).collect(),
            days_without_backup: self.number(MEAN_DOWNTIME_DAYS, row) / assessed.downtime_factor(row),
        }
    }

    /// Returns the number of suppliers directly upstream, and the most important ones.
    fn upstream(&self, row: usize) -> (usize, Vec<(String, f64)>) {
        const NAMED: usize = 3;
        let edges = self.graph.upstream.of(row);
        let supplier_count = edges.len();
        let mut inherited: Vec<_> =
            edges.map(|(supplier, share)| (supplier, share * chance(self.number(DISRUPTION_RATE, supplier)))).collect();
        let total: f64 = inherited.iter().map(|(_, rate)| rate).sum();
        inherited.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let strongest = inherited
            .into_iter()
            .take(NAMED)
            .filter(|_| total > 0.0)
            .map(|(supplier, rate)| (self.text(SUPPLIER_CODE, supplier), rate / total))
            .collect();
        (supplier_count, strongest)
    }

    /// Returns a number, 0 for null.
    fn number(&self, name: &str, row: usize) -> f64 {
        self.column(name).f64().ok().and_then(|values| values.get(row)).unwrap_or_default()
    }

    /// Returns a text, empty for null.
    fn text(&self, name: &str, row: usize) -> String {
        self.column(name).str().ok().and_then(|values| values.get(row)).unwrap_or_default().to_owned()
    }

    fn day(&self, name: &str, row: usize) -> Option<NaiveDate> {
        self.column(name).date().ok().and_then(|values| values.physical().get(row)).map(date_from_days)
    }

    fn count(&self, name: &str, row: usize) -> i64 {
        self.column(name).i64().ok().and_then(|values| values.get(row)).unwrap_or_default()
    }

    fn flag(&self, name: &str, row: usize) -> bool {
        self.column(name).bool().ok().and_then(|values| values.get(row)).unwrap_or_default()
    }

    fn column(&self, name: &str) -> &Column {
        match self.columns.get(name) {
            Some(column) => column,
            None => unreachable!("the stages give every supplier {name}"),
        }
    }
}

impl Explanation {
    /// Returns what raises the risk score most, apart from size and section, which every supplier has. None if nothing
    /// does.
    pub fn main_reason(&self) -> Option<&Contribution> {
        self.contributions
            .iter()
            .filter(|part| part.key != POINTS_BASE && part.key != POINTS_UPSTREAM && part.points >= SHOWN_AS_ZERO_BELOW)
            .reduce(|highest, part| if part.points > highest.points { part } else { highest })
    }

    /// Returns the largest part of the loss that the supplier's own incidents cause.
    pub fn main_loss(&self) -> Option<&Loss> {
        self.losses
            .iter()
            .filter(|loss| loss.key != LOSS_SUPPLY_DIRECT_JPY)
            .reduce(|largest, loss| if loss.yen > largest.yen { loss } else { largest })
    }
}

impl Active {
    fn new(active: &DataFrame, supplier_count: usize) -> PolarsResult<Self> {
        Ok(Self {
            of_supplier: sums::ranges(&keys(active, SUPPLIER)?, supplier_count),
            service_class: active.column(SERVICE_CLASS)?.str()?.clone(),
            coverage: active.column(COVERAGE)?.f64()?.clone(),
            is_assumed: active.column(IS_ASSUMED)?.bool()?.clone(),
            take: active.column(TAKE)?.f64()?.clone(),
            starts_on: active.column(STARTS_ON)?.date()?.physical().clone(),
        })
    }

    fn of(&self, supplier: usize) -> Vec<Enrollment> {
        let rows = self.of_supplier.get(supplier).cloned().unwrap_or_default();
        rows.filter_map(|row| {
            Some(Enrollment {
                service_class: self.service_class.get(row)?.to_owned(),
                coverage_share: self.coverage.get(row)?,
                is_assumed: self.is_assumed.get(row)?,
                take: self.take.get(row)?,
                starts_on: date_from_days(self.starts_on.get(row)?),
            })
        })
        .collect()
    }
}
