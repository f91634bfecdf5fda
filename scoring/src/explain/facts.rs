//! The facts that explanations need in addition to the results.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    Contribution, Downtime, Explanation, Fact, LOSS_DATA_JPY, LOSS_NETWORK_JPY, LOSS_SUPPLY_CAUSED_JPY,
    LOSS_SUPPLY_DIRECT_JPY, Loss,
};
use crate::columns::name::*;
use crate::model::Format;
use crate::points::contributions;

/// The facts that one supplier's explanation needs in addition to its results. Stored with them in few bytes, they
/// explain the score for as long as it is kept. Default values are left out of the text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// Harmful incidents at watched peers, discounted.
    #[serde(skip_serializing_if = "is_zero")]
    pub peer_harmful_count: f64,
    /// Harmful incidents that were expected there, discounted.
    #[serde(skip_serializing_if = "is_zero")]
    pub peer_expected_count: f64,
    /// Whether facts about others are redacted: the counts of peers, and who is upstream.
    #[serde(skip_serializing_if = "is_false")]
    pub hides_others: bool,
    /// The enrollments that are active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enrollments: Vec<Enrollment>,
    /// When the last enrollment that is over ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_on: Option<NaiveDate>,
    /// Whether all controls together reached their limit.
    #[serde(skip_serializing_if = "is_false")]
    pub is_floored: bool,
    /// The best of SECURITY ACTION and SCS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ladder: Option<Certification>,
    /// The best ISMS certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isms: Option<Certification>,
    /// The single controls. None by a model of format 1, which knows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controls: Option<Controls>,
    /// Harmful incidents on record.
    #[serde(skip_serializing_if = "is_none")]
    pub harmful_count: i64,
    /// Contained incidents on record.
    #[serde(skip_serializing_if = "is_none")]
    pub contained_count: i64,
    /// Blocked incidents on record, which do not affect the score.
    #[serde(skip_serializing_if = "is_none")]
    pub blocked_count: i64,
    /// The number of suppliers recorded directly upstream.
    #[serde(skip_serializing_if = "is_no_supplier")]
    pub upstream_supplier_count: usize,
    /// The most important of them, with their share of what is inherited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strongest_upstream: Vec<(String, f64)>,
    /// Which data of the buyer it holds: `none` if that is not known.
    #[serde(skip_serializing_if = "is_no_access")]
    pub data_access: Option<String>,
    /// What the loss of that data costs, in yen per incident.
    #[serde(skip_serializing_if = "is_zero")]
    pub data_loss_jpy: f64,
    /// How it is connected to the buyer's network: `none` if that is not known.
    #[serde(skip_serializing_if = "is_no_access")]
    pub network_access: Option<String>,
    /// What that connection costs, in yen per incident.
    #[serde(skip_serializing_if = "is_zero")]
    pub network_loss_jpy: f64,
}

/// An active enrollment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrollment {
    /// `class_1`, `class_2` or `new_type`.
    pub service_class: String,
    /// The share of endpoints that it covers.
    pub coverage_share: f64,
    /// Whether that share is the model's default, because the real one is unknown.
    pub is_assumed: bool,
    /// The share that counts in addition to stronger enrollments.
    pub take: f64,
    /// Its first day.
    pub starts_on: NaiveDate,
}

/// The certification that counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certification {
    /// The key of the scheme.
    pub scheme: String,
    /// Its last day, as stated or by the scheme's validity.
    pub expires_on: Option<NaiveDate>,
    /// Whether that day is the model's assumption.
    pub is_assumed: bool,
    /// How much of it still counts, 0 to 1.
    pub freshness: f64,
}

/// What is known about single controls, and how it overlaps with enrollments and certificates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Controls {
    /// The assessments that count, at most one for each control.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assessed: Vec<Assessment>,
    /// How much monitoring counts beside stronger evidence of the same kind, 0 to 1.
    #[serde(skip_serializing_if = "is_one")]
    pub monitoring_weight: f64,
    /// How much certificates count beside stronger evidence of the same kind, 0 to 1.
    #[serde(skip_serializing_if = "is_one")]
    pub certificate_weight: f64,
    /// The mean days that a stop would last if nothing was known about backups.
    #[serde(skip_serializing_if = "is_zero")]
    pub days_without_backup: f64,
}

impl Default for Controls {
    fn default() -> Self {
        Self { assessed: Vec::new(), monitoring_weight: 1.0, certificate_weight: 1.0, days_without_backup: 0.0 }
    }
}

/// The assessment that counts for a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The key of the control.
    pub control: String,
    /// `met` or `not_met`; none for the self-assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The total of the self-assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_score: Option<i64>,
    /// Who says so: `self_reported`, `verified_by_provider` or `verified_by_third_party`.
    pub assurance: String,
    /// The day of the assessment.
    pub assessed_on: NaiveDate,
    /// Its last day, if that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_on: Option<NaiveDate>,
    /// The chance that the control is in place, before ageing, 0 to 1.
    pub sure: f64,
    /// The share of suppliers that have it, 0 to 1.
    pub prevalence: f64,
    /// How much of the assessment still counts, 0 to 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub freshness: f64,
    /// How much it counts beside stronger evidence of the same kind, 0 to 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f64,
    /// Another assessment, which says otherwise and does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outweighed: Option<Outweighed>,
}

/// An assessment that says otherwise and does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outweighed {
    /// Who says so.
    pub assurance: String,
    /// The day of the assessment.
    pub assessed_on: NaiveDate,
    /// `met` or `not_met`.
    pub status: String,
}

fn one() -> f64 {
    1.0
}

fn is_one(number: &f64) -> bool {
    *number == 1.0
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn is_none(count: &i64) -> bool {
    *count == 0
}

fn is_no_supplier(count: &usize) -> bool {
    *count == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_no_access(access: &Option<String>) -> bool {
    access.as_deref().is_none_or(|access| access == "none")
}

impl Facts {
    /// Returns the rules of the model behind them.
    pub fn format(&self) -> Format {
        if self.controls.is_some() { Format::Two } else { Format::One }
    }

    /// Returns the facts that the supplier itself may see. All others are redacted, and so are those that are added
    /// later, until they are listed here.
    #[must_use]
    pub fn for_supplier(self) -> Self {
        Self {
            hides_others: true,
            enrollments: self.enrollments,
            ended_on: self.ended_on,
            is_floored: self.is_floored,
            controls: self.controls,
            ladder: self.ladder,
            isms: self.isms,
            harmful_count: self.harmful_count,
            contained_count: self.contained_count,
            blocked_count: self.blocked_count,
            data_access: self.data_access,
            network_access: self.network_access,
            ..Self::default()
        }
    }
}

impl Explanation {
    /// Explains a supplier's score and losses from its results and the facts behind them.
    ///
    /// `number` returns the columns of [`RESULTS`](crate::RESULTS) that are numbers.
    pub fn new(facts: &Facts, size_class: &str, jsic_section: &str, number: impl Fn(&'static str) -> f64) -> Self {
        let Facts { is_floored, .. } = *facts;
        let controls = facts.controls.as_ref();
        let weight = |of: fn(&Controls) -> f64| controls.map_or(1.0, of);
        let certificate_weight = weight(|controls| controls.certificate_weight);
        let certification = |isms, best: &Option<Certification>| Fact::Certification {
            isms,
            best: best.clone(),
            weight: certificate_weight,
            is_floored,
        };
        let control = |key: &'static str| Fact::Control {
            control: key.strip_prefix("points_").unwrap_or(key),
            assessment: controls.and_then(|controls| controls.of(key.strip_prefix("points_")?)).cloned(),
            is_floored,
        };
        let fact = |key: &'static str| match key {
            POINTS_BASE => Fact::Base { size_class: size_class.to_owned(), jsic_section: jsic_section.to_owned() },
            POINTS_SEGMENT if facts.hides_others => Fact::Peers,
            POINTS_SEGMENT => Fact::Segment {
                peer_harmful_count: facts.peer_harmful_count,
                peer_expected_count: facts.peer_expected_count,
            },
            POINTS_MONITORING => Fact::Monitoring {
                enrollments: facts.enrollments.clone(),
                ended_on: facts.ended_on,
                weight: weight(|controls| controls.monitoring_weight),
                is_floored,
            },
            POINTS_LADDER => certification(false, &facts.ladder),
            POINTS_ISMS => certification(true, &facts.isms),
            POINTS_HISTORY => Fact::History {
                harmful_count: facts.harmful_count,
                contained_count: facts.contained_count,
                blocked_count: facts.blocked_count,
                discounted_observed_years: number(DISCOUNTED_OBSERVED_YEARS),
            },
            POINTS_UPSTREAM => Fact::Upstream {
                supplier_count: facts.upstream_supplier_count,
                strongest: facts.strongest_upstream.clone(),
            },
            _ => control(key),
        };
        let contributions = contributions(facts.format());
        let contributions =
            contributions.map(|key| Contribution { key, points: number(key), fact: fact(key) }).collect();
        let downtime = controls.map(|controls| Downtime {
            days: number(MEAN_DOWNTIME_DAYS),
            days_without_backup: controls.days_without_backup,
            backup: controls.of("backup").cloned(),
        });
        Self { contributions, downtime, losses: losses(facts, number) }
    }
}

impl Controls {
    /// Returns the assessment that counts for a control.
    pub fn of(&self, control: &str) -> Option<&Assessment> {
        self.assessed.iter().find(|assessment| assessment.control == control)
    }
}

fn losses(facts: &Facts, number: impl Fn(&'static str) -> f64) -> Vec<Loss> {
    let (own, all) = (number(OWN_RATE), number(DISRUPTION_RATE));
    let (direct, systemic) = (number(LOSS_PER_DISRUPTION_JPY), number(SYSTEMIC_LOSS_PER_DISRUPTION_JPY));
    let access = |access: &Option<String>| access.clone().unwrap_or_else(|| "none".to_owned());
    let (data, network) = (facts.data_loss_jpy, facts.network_loss_jpy);
    vec![
        Loss {
            key: LOSS_SUPPLY_DIRECT_JPY,
            yen: all * direct,
            fact: Fact::Supply { caused: false, rate: all, yen_per_stop: direct },
        },
        Loss {
            key: LOSS_SUPPLY_CAUSED_JPY,
            yen: own * systemic,
            fact: Fact::Supply { caused: true, rate: own, yen_per_stop: systemic },
        },
        Loss {
            key: LOSS_DATA_JPY,
            yen: own * data,
            fact: Fact::Data { data_access: access(&facts.data_access), rate: own, yen_per_incident: data },
        },
        Loss {
            key: LOSS_NETWORK_JPY,
            yen: own * network,
            fact: Fact::Network { network_access: access(&facts.network_access), rate: own, yen_per_incident: network },
        },
    ]
}
