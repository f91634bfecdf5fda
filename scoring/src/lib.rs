//! The scoring model of Sonae: data frames in, data frames out.
//!
//! No clock, randomness, environment, files or network: the same tables, model and date give the same bits,
//! in any order of rows and with any number of threads.

mod assessments;
mod base;
mod chain;
mod columns;
mod controls;
mod credibility;
mod error;
mod explain;
mod fault;
mod frame;
mod gamma;
mod indicators;
mod model;
mod observation;
mod points;
mod portfolio;
mod segment;
mod size_class;
mod summary;
mod sums;
mod words;

use chrono::{NaiveDate, TimeDelta};
use polars::prelude::*;

use assessments::Assessed;
use controls::Controls;

pub use columns::{ColumnKind, InputColumn, RESULTS, ResultColumn, Table, Unit, name, results};
pub use error::ScoreError;
pub use explain::{
    Assessment, Certification, Contribution, Controls as ControlFacts, Downtime, Enrollment, Explainer, Explanation,
    Fact, Facts, LOSS_DATA_JPY, LOSS_NETWORK_JPY, LOSS_SUPPLY_CAUSED_JPY, LOSS_SUPPLY_DIRECT_JPY, LOSSES, Loss,
    Outweighed,
};
pub use fault::{Fault, Faults, Reason};
pub use indicators::{ControlCoverage, Coverage, Indicators, SoleSource};
pub use model::{Format, Model, ModelError, ModelFault};
pub use points::{CONTRIBUTIONS, contributions};
pub use portfolio::{Notice, Portfolio, PortfolioError, Suppliers, Tables};
pub use summary::Summary;
pub use words::{CAVEATS, GRADES, Lang, Yen, grouped, label, percent, signed};

/// The results, with one row per supplier in ascending byte order of code, and what explanations need.
#[derive(Debug, Clone)]
pub struct Scores {
    pub(crate) suppliers: DataFrame,
    pub(crate) active: DataFrame,
    pub(crate) assessed: Assessed,
    pub(crate) format: Format,
    pub(crate) graph: chain::graph::Graph,
    pub(crate) as_of: i32,
}

/// Scores a portfolio as of a day.
///
/// Evidence dated after the day changes nothing. The stages are those of scoring-model.md, sections 1 to 4.
///
/// # Errors
/// An iteration along the chain that does not settle, or parameters so extreme that a number overflows.
pub fn score(portfolio: &Portfolio, model: &Model, as_of: NaiveDate) -> Result<Scores, ScoreError> {
    score_in_stages(portfolio, model, as_of, &mut |_| ())
}

/// A stage of the scoring that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The suppliers, each on its own.
    Suppliers,
    /// The graph of the chain.
    Graph,
    /// The disruption rates.
    Disruption {
        /// The number of iterations until they settled.
        iterations: u32,
    },
    /// What a disruption costs the buyer directly.
    Losses,
    /// What it costs along the chain.
    Systemic {
        /// The number of iterations until it settled.
        iterations: u32,
    },
    /// Scores, grades and contributions.
    Results,
}

/// Scores a portfolio like [`score`], and calls `on_stage` after each stage.
///
/// # Errors
/// Those of [`score`].
pub fn score_in_stages(
    portfolio: &Portfolio,
    model: &Model,
    as_of: NaiveDate,
    on_stage: &mut dyn FnMut(Stage),
) -> Result<Scores, ScoreError> {
    let day = days_from_date(as_of);
    let with_controls = || {
        let suppliers = portfolio
            .suppliers
            .clone()
            .lazy()
            .with_columns([size_class::size_class(), size_class::jsic_section()])
            .with_column(base::base_rate(model))
            .collect()?;
        controls::apply(suppliers, portfolio, model, day)
    };
    let (controls, record) = rayon::join(with_controls, || observation::record(portfolio, model, day));
    let controls = controls?;
    let suppliers = observation::apply(controls.suppliers, record?, model, day)?;
    let suppliers = segment::apply(suppliers, model)?;
    let suppliers = credibility::apply(suppliers, model)?;
    on_stage(Stage::Suppliers);
    let chain = chain::apply(suppliers, portfolio, model, on_stage)?;
    let suppliers = points::apply(chain.suppliers, model)?;
    check_finite(&suppliers, model.format())?;
    on_stage(Stage::Results);
    let Controls { active, assessed, .. } = controls;
    Ok(Scores { suppliers, active, assessed, format: model.format(), graph: chain.graph, as_of: day })
}

/// Returns an error for a result that is not finite. Parameters that are each in range can still lead beyond what a
/// number can hold.
fn check_finite(suppliers: &DataFrame, format: Format) -> Result<(), ScoreError> {
    for result in columns::results(format).filter(|result| result.unit != Unit::Text) {
        if !frame::floats(suppliers, result.name)?.iter().all(|number| number.is_finite()) {
            return Err(ScoreError::NotFinite { column: result.name });
        }
    }
    Ok(())
}

impl Scores {
    /// Returns the results as listed in scoring-model.md, section 4: 37 columns, or 30 by a model of format 1.
    pub fn table(&self) -> PolarsResult<DataFrame> {
        self.suppliers.select(columns::results(self.format).map(|result| result.name))
    }

    /// Returns the rules of the model that scored.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the suppliers' names in the same order; null if unknown.
    pub fn supplier_names(&self) -> PolarsResult<&Column> {
        self.suppliers.column(columns::name::NAME)
    }
}

/// Returns the days since 1970-01-01.
fn days_from_date(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

fn date_from_days(days: i32) -> NaiveDate {
    let epoch = NaiveDate::default();
    epoch.checked_add_signed(TimeDelta::days(days.into())).unwrap_or(epoch)
}
