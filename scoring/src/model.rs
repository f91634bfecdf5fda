//! The parameters of the model: read from TOML, checked completely, and never changed.

mod check;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::columns::{CRITICALITIES, DATA_ACCESS, NETWORK_ACCESS, SCHEMES, SERVICE_CLASSES, SUBSTITUTABILITIES};
use crate::size_class::SECTIONS;
use crate::words::GRADES;
pub use check::{ModelError, ModelFault};
use check::{Parameters, Range};

/// Values by key, such as a factor by service class, in the order of the model.
pub(crate) type ByKey = Vec<(&'static str, f64)>;

/// A checked set of parameters. Names and units are those of `model.toml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    version: String,
    hash: String,
    text: String,
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

    /// Reads and checks a model.
    ///
    /// # Errors
    /// All faults at once: text that is not TOML, keys missing or unknown, values out of range.
    ///
    /// ```
    /// let model = scoring::Model::parse(scoring::Model::DEFAULT_TOML)?;
    /// assert_eq!(model.version(), "2026.1");
    ///
    /// let harsh = scoring::Model::DEFAULT_TOML.replace("domino = 0.70", "domino = 1.70");
    /// assert!(scoring::Model::parse(&harsh).is_err());
    /// # Ok::<(), scoring::ModelError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let p = &mut Parameters::parse(text)?;
        let shares = Range::Share;
        let model = Self {
            version: p.version(),
            hash: hex::encode(Sha256::digest(text.as_bytes())),
            text: text.to_owned(),
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
            contained_weight: p.number("history.contained_weight", Range::NotNegative),
            contained_cap: p.number("history.contained_cap", Range::NotNegative),
            mean_days: p.number("downtime.mean_days", Range::Positive),
            tail_index: p.number("downtime.tail_index", Range::AboveOne),
            onsite_factor: p.number("downtime.onsite_factor", Range::Factor),
            domino: p.number("propagation.domino", Range::Probability),
            tolerance: p.number("propagation.tolerance", Range::Positive),
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
        p.finish(model)
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

/// Returns SECURITY ACTION and SCS: all schemes except ISMS, which is the last.
fn ladder_schemes() -> &'static [&'static str] {
    SCHEMES.split_last().map_or(&[], |(_isms, ladder)| ladder)
}
