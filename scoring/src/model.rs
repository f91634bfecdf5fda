//! The parameters of the model: read from TOML, checked completely, and never changed.

mod check;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::columns::{
    ASSURANCES, CONTROLS, CRITICALITIES, DATA_ACCESS, NETWORK_ACCESS, SCHEMES, SERVICE_CLASSES, SUBSTITUTABILITIES,
};
use crate::size_class::SECTIONS;
use crate::words::GRADES;
pub use check::{ModelError, ModelFault};
use check::{Parameters, Range};

/// Values by key, such as a factor by service class, in the order of the model.
pub(crate) type ByKey = Vec<(&'static str, f64)>;

/// The rules by which a model is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// The rules of version 2026.1: no assessments, Wilson and Hilferty's interval.
    One,
    /// The rules since version 2026.2.
    Two,
}

/// What single controls are assumed to do, and how sure assessments are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assessments {
    pub(crate) evidence_floor: f64,
    pub(crate) overlap_share: f64,
    pub(crate) full_days: f64,
    /// In order of [`ASSURANCES`].
    pub(crate) assurances: Vec<Assurance>,
    /// In order of [`CONTROLS`].
    pub(crate) controls: Vec<Control>,
}

/// How often those who assess are wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Assurance {
    /// The share of suppliers without a control that are recorded as having it.
    pub(crate) overclaim: f64,
    /// The share of suppliers with a control that are recorded as lacking it.
    pub(crate) underclaim: f64,
    /// How much of a self-assessment's distance from the mean is real.
    pub(crate) score_reliability: f64,
}

/// What one control is assumed to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Control {
    /// The share of harmful incidents, or of days lost, that it prevents.
    pub(crate) cut: f64,
    /// The share of suppliers that have it.
    pub(crate) prevalence: f64,
    pub(crate) half_life_days: f64,
}

/// A checked set of parameters. Names and units are those of `model.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    version: String,
    hash: String,
    text: String,
    /// The probability that the interval of a rate leaves out at both ends together is 1 minus this. `None` in format 1.
    pub(crate) level: Option<f64>,
    /// `None` in format 1.
    pub(crate) assessments: Option<Assessments>,
    pub(crate) annual_probability: f64,
    pub(crate) size_multiplier: ByKey,
    pub(crate) section_multiplier: ByKey,
    pub(crate) shape: f64,
    pub(crate) pseudo_incidents: f64,
    pub(crate) peer_cap: f64,
    pub(crate) factor_limit: f64,
    pub(crate) default_coverage_share: f64,
    pub(crate) combined_floor: f64,
    pub(crate) isms: f64,
    pub(crate) expiry_fade_days: f64,
    pub(crate) undated_full_days: f64,
    pub(crate) undated_half_life_days: f64,
    pub(crate) validity_days: Vec<(&'static str, i32)>,
    pub(crate) otasuketai: ByKey,
    pub(crate) ladder: ByKey,
    pub(crate) monitored: f64,
    pub(crate) reporting: f64,
    pub(crate) silent: f64,
    pub(crate) lookback_days: i32,
    pub(crate) half_life_days: f64,
    pub(crate) contained_weight: f64,
    pub(crate) contained_cap: f64,
    pub(crate) mean_days: f64,
    pub(crate) tail_index: f64,
    pub(crate) onsite_factor: f64,
    pub(crate) domino: f64,
    pub(crate) tolerance: f64,
    pub(crate) plain_iterations: u32,
    pub(crate) max_iterations: u32,
    pub(crate) criticality: ByKey,
    pub(crate) substitutability: ByKey,
    pub(crate) revenue_at_risk_multiplier: f64,
    pub(crate) buyer_breach_loss_jpy: f64,
    pub(crate) data_loss_jpy: ByKey,
    pub(crate) lateral_probability: ByKey,
    pub(crate) rate_low: f64,
    pub(crate) rate_high: f64,
    pub(crate) grade_upper: ByKey,
}

impl Model {
    /// The text of the model that Sonae ships.
    pub const DEFAULT_TOML: &str = include_str!("../model.toml");
    /// The text of the model that Sonae shipped before.
    pub const TOML_2026_1: &str = include_str!("../model-2026.1.toml");

    /// Reads and checks a model.
    ///
    /// # Errors
    /// All faults at once: text that is not TOML, keys missing or unknown, values out of range.
    ///
    /// ```
    /// let model = scoring::Model::parse(scoring::Model::DEFAULT_TOML)?;
    /// assert_eq!(model.version(), "2026.2");
    ///
    /// let harsh = scoring::Model::DEFAULT_TOML.replace("domino = 0.70", "domino = 1.70");
    /// assert!(scoring::Model::parse(&harsh).is_err());
    /// # Ok::<(), scoring::ModelError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let p = &mut Parameters::parse(text)?;
        let version = p.version();
        let is_first = p.format() == Format::One;
        let shares = Range::Share;
        let model = Self {
            version,
            hash: hex::encode(Sha256::digest(text.as_bytes())),
            text: text.to_owned(),
            level: (!is_first).then(|| p.number("interval.level", Range::PositiveProbability)),
            assessments: (!is_first).then(|| assessments(p)),
            annual_probability: p.number("base_rate.annual_probability", Range::PositiveProbability),
            size_multiplier: p.by_key("base_rate.size_multiplier", &["micro", "sme", "large"], Range::Positive),
            section_multiplier: p.by_optional_key(
                "base_rate.section_multiplier",
                &SECTIONS.map(|(section, _)| section),
                Range::Positive,
            ),
            shape: p.number("prior.shape", Range::Positive),
            pseudo_incidents: p.number("segment.pseudo_incidents", Range::Positive),
            peer_cap: p.number("segment.peer_cap", Range::NotNegative),
            factor_limit: p.number("segment.factor_limit", Range::AtLeastOne),
            default_coverage_share: p.number("controls.default_coverage_share", shares),
            combined_floor: p.number("controls.combined_floor", Range::Factor),
            isms: p.number("controls.isms", Range::Factor),
            expiry_fade_days: p.number("controls.expiry_fade_days", Range::Positive),
            undated_full_days: p.number("controls.undated_full_days", Range::Positive),
            undated_half_life_days: p.number("controls.undated_half_life_days", Range::Positive),
            validity_days: p
                .by_optional_key("controls.validity_days", SCHEMES, Range::WholeDays)
                .into_iter()
                .map(|(scheme, days)| (scheme, days as i32))
                .collect(),
            otasuketai: p.by_key("controls.otasuketai", SERVICE_CLASSES, Range::Factor),
            ladder: p.by_key("controls.ladder", ladder_schemes(), Range::Factor),
            monitored: p.number("observation.monitored", Range::Probability),
            reporting: p.number("observation.reporting", Range::Probability),
            silent: p.number("observation.silent", Range::Probability),
            lookback_days: p.number("history.lookback_days", Range::WholeDays) as i32,
            half_life_days: p.number("history.half_life_days", Range::Positive),
            contained_weight: p
                .number("history.contained_weight", if is_first { Range::NotNegative } else { Range::Share }),
            contained_cap: p.number("history.contained_cap", Range::NotNegative),
            mean_days: p.number("downtime.mean_days", Range::Positive),
            tail_index: p.number("downtime.tail_index", Range::AboveOne),
            onsite_factor: p.number("downtime.onsite_factor", Range::Factor),
            domino: p.number("propagation.domino", Range::Probability),
            tolerance: p.number("propagation.tolerance", Range::Positive),
            plain_iterations: match is_first {
                true => PLAIN_ITERATIONS_OF_FORMAT_1,
                false => p.number("propagation.plain_iterations", Range::WholeCount) as u32,
            },
            max_iterations: p.number("propagation.max_iterations", Range::WholeCount) as u32,
            criticality: p.by_key("propagation.criticality", CRITICALITIES, Range::Factor),
            substitutability: p.by_key("propagation.substitutability", SUBSTITUTABILITIES, Range::Factor),
            revenue_at_risk_multiplier: p.number("impact.revenue_at_risk_multiplier", Range::Positive),
            buyer_breach_loss_jpy: p.number("impact.buyer_breach_loss_jpy", Range::NotNegative),
            data_loss_jpy: p.by_key("impact.data_loss_jpy", DATA_ACCESS, Range::NotNegative),
            lateral_probability: p.by_key("impact.lateral_probability", NETWORK_ACCESS, Range::Probability),
            rate_low: p.number("scale.rate_low", Range::Positive),
            rate_high: p.number("scale.rate_high", Range::Positive),
            grade_upper: p.by_key("scale.grade_upper", &GRADES, Range::Any),
        };
        p.ascending(&[
            ("observation.silent", model.silent),
            ("observation.reporting", model.reporting),
            ("observation.monitored", model.monitored),
        ]);
        p.strictly_ascending(&[("scale.rate_low", model.rate_low), ("scale.rate_high", model.rate_high)]);
        p.grades(&model.grade_upper);
        if let Some(assessments) = &model.assessments {
            let floor = ("assessments.evidence_floor", assessments.evidence_floor);
            p.ascending(&[floor, ("controls.combined_floor", model.combined_floor)]);
            for (name, assurance) in ASSURANCES.iter().zip(&assessments.assurances) {
                p.errors_below_one(name, assurance.overclaim, assurance.underclaim);
            }
        }
        p.finish(model)
    }

    /// Returns the rules by which it is applied.
    pub fn format(&self) -> Format {
        if self.assessments.is_some() { Format::Two } else { Format::One }
    }

    /// Returns the version that its author gave it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the SHA-256 of the text that it was read from, in hexadecimal, as `sha256sum` prints it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the text that it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns `100 / ln(rate_high / rate_low)`: points for each unit of a natural logarithm.
    pub(crate) fn points_per_log(&self) -> f64 {
        100.0 / (self.rate_high / self.rate_low).ln()
    }
}

impl Default for Model {
    fn default() -> Self {
        static SHIPPED: LazyLock<Model> = LazyLock::new(|| match Model::parse(Model::DEFAULT_TOML) {
            Ok(model) => model,
            Err(error) => unreachable!("a test reads the shipped model: {error}"),
        });
        SHIPPED.clone()
    }
}

/// How many plain steps of the backward pass a model of format 1 takes before it is finished in another way.
const PLAIN_ITERATIONS_OF_FORMAT_1: u32 = 500;

fn assessments(p: &mut Parameters<'_>) -> Assessments {
    let assurance = |p: &mut Parameters<'_>, name: &str| {
        let mut share = |key, range| p.number(&format!("assessments.assurance.{name}.{key}"), range);
        Assurance {
            overclaim: share("overclaim", Range::Probability),
            underclaim: share("underclaim", Range::Probability),
            score_reliability: share("score_reliability", Range::Share),
        }
    };
    let control = |p: &mut Parameters<'_>, name: &str| {
        let mut number = |key, range| p.number(&format!("assessments.control.{name}.{key}"), range);
        Control {
            cut: number("cut", Range::Probability),
            prevalence: number("prevalence", Range::PositiveProbability),
            half_life_days: number("half_life_days", Range::Positive),
        }
    };
    Assessments {
        evidence_floor: p.number("assessments.evidence_floor", Range::Factor),
        overlap_share: p.number("assessments.overlap_share", Range::Share),
        full_days: p.number("assessments.full_days", Range::NotNegative),
        assurances: ASSURANCES.iter().map(|name| assurance(p, name)).collect(),
        controls: CONTROLS.iter().map(|name| control(p, name)).collect(),
    }
}

/// Returns SECURITY ACTION and SCS: all schemes except ISMS, which is the last.
fn ladder_schemes() -> &'static [&'static str] {
    SCHEMES.split_last().map_or(&[], |(_isms, ladder)| ladder)
}
