//! Measurements as they are recorded.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::goals::{Bound, GOALS, Goal};

/// The values of one goal on one database, one for each time it was measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Observation {
    /// The name of the goal.
    pub(crate) goal: &'static str,
    /// The measured values, in the unit of the goal.
    pub(crate) values: Vec<f64>,
    /// The limit, measured in the same run. Empty for an absolute figure.
    pub(crate) limits: Vec<f64>,
    /// The peaks of memory of the measured processes, in bytes.
    pub(crate) peaks_bytes: Vec<f64>,
    /// Further values of the measurement.
    pub(crate) details: BTreeMap<String, Vec<f64>>,
    /// The seconds of a step, by the number of suppliers.
    pub(crate) growth: BTreeMap<String, BTreeMap<u32, Vec<f64>>>,
}

impl Observation {
    /// Returns an observation without values.
    pub(crate) fn of(goal: &'static str) -> Self {
        Self { goal, ..Self::default() }
    }

    /// Adds a value that is recorded in addition to the goal.
    pub(crate) fn note(&mut self, name: impl Into<String>, value: f64) {
        self.details.entry(name.into()).or_default().push(value);
    }
}

impl Observation {
    /// Adds the seconds that a step took for this number of suppliers.
    pub(crate) fn note_growth(&mut self, step: &str, suppliers: u32, seconds: f64) {
        self.growth.entry(step.to_owned()).or_default().entry(suppliers).or_default().push(seconds);
    }
}

/// Median and spread of several values.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The values in the order in which they were measured.
    pub(crate) values: Vec<f64>,
}

impl Summary {
    /// Returns the summary of some values, unless there are none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = median(values)?;
        Some(Self { median, min, max, values: values.to_vec() })
    }
}

/// Returns the middle of some values. If their number is even, it is the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some((upper + lower) / 2.0)
}

/// A goal with its measurements, as the record has it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Verdict {
    pub(crate) name: &'static str,
    pub(crate) backend: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) measured: Summary,
    pub(crate) limit_is: Option<&'static str>,
    pub(crate) limit: Option<Summary>,
    /// The median, or its ratio to the median of the limit.
    pub(crate) figure: f64,
    pub(crate) goal: Bound,
    pub(crate) is_met: bool,
    pub(crate) peak_bytes: Option<Summary>,
    pub(crate) details: BTreeMap<String, Summary>,
    /// The seconds of a step, by the number of suppliers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) growth: BTreeMap<String, BTreeMap<u32, Summary>>,
}

impl Verdict {
    /// Compares an observation with its goal. Returns `None` if nothing was measured.
    pub(crate) fn new(observation: &Observation, backend: &'static str) -> Option<Self> {
        let Goal { name, what, unit, limit: limit_is, bound, .. } =
            *GOALS.iter().find(|goal| goal.name == observation.goal)?;
        let measured = Summary::of(&observation.values)?;
        let limit = Summary::of(&observation.limits);
        let figure = match (&limit, limit_is) {
            (Some(limit), Some(_)) => measured.median / limit.median,
            _ => measured.median,
        };
        let details = observation.details.iter();
        let details = details.filter_map(|(name, values)| Some((name.clone(), Summary::of(values)?)));
        let of_sizes = |sizes: &BTreeMap<u32, Vec<f64>>| {
            sizes.iter().filter_map(|(suppliers, values)| Some((*suppliers, Summary::of(values)?))).collect()
        };
        let growth = observation.growth.iter().map(|(step, sizes)| (step.clone(), of_sizes(sizes)));
        Some(Self {
            name,
            backend,
            what,
            unit,
            measured,
            limit_is,
            limit,
            figure,
            goal: bound,
            is_met: bound.holds(figure),
            peak_bytes: Summary::of(&observation.peaks_bytes),
            details: details.collect(),
            growth: growth.collect(),
        })
    }
}
