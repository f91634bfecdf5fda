//! The chain: how stops spread along it, and what they cost the buyer.

pub(crate) mod disruption;
pub(crate) mod graph;
pub(crate) mod reach;
pub(crate) mod systemic;
mod tiers;

use polars::prelude::*;

use crate::Stage;
use crate::columns::name::*;
use crate::columns::{by_choice, by_number};
use crate::error::ScoreError;
use crate::frame::{MIN_ROWS_PER_PIECE, floats, from_floats, in_pieces, keys};
use crate::model::Model;
use crate::points::chance;
use crate::portfolio::Portfolio;
use crate::sums;
use graph::{Graph, Supply};

/// The suppliers with the effects of the chain on them and through them, and the graph of the chain.
pub(crate) struct Chain {
    /// The suppliers with `disruption_rate`, the losses per stop, per incident and a year.
    pub(crate) suppliers: DataFrame,
    /// Which supplier can stop which.
    pub(crate) graph: Graph,
}

/// Adds disruption rates and losses to the suppliers.
///
/// Formula: `r_j = own_j + Σ_i q_ij (1 − e^(−r_i))`; `g_i = L_i + ((1 − e^(−r_i)) / r_i) · Σ_j q_ij g_j`;
///          `direct = r L + own A`; `caused = own (g + A)`
/// Reads:   `own_rate`, `mean_downtime_days`, `data_access`, `network_access`
/// Source:  scoring-model.md, section 3
pub(crate) fn apply(
    suppliers: DataFrame,
    portfolio: &Portfolio,
    model: &Model,
    on_stage: &mut dyn FnMut(Stage),
) -> Result<Chain, ScoreError> {
    let suppliers = suppliers.lazy().with_columns(own_losses(portfolio, model)).collect()?;
    let mean_days = suppliers.column(MEAN_DOWNTIME_DAYS)?;

    let own = floats(&suppliers, OWN_RATE)?;
    let graph = graph_of(portfolio, model, &suppliers)?;
    on_stage(Stage::Graph);
    let (rate, iterations) = disruption::rates(&graph, &own, model)?;
    on_stage(Stage::Disruption { iterations });
    let loss = loss_per_disruption(portfolio, model, mean_days, &rate)?;
    on_stage(Stage::Losses);
    let (systemic, iterations) = systemic::losses(&graph, &rate, &loss, model)?;
    on_stage(Stage::Systemic { iterations });
    drop(own);

    let own_loss = || col(DATA_LOSS_JPY) + col(NETWORK_LOSS_JPY);
    let suppliers = suppliers
        .hstack(&[
            from_floats(DISRUPTION_RATE, rate),
            from_floats(LOSS_PER_DISRUPTION_JPY, loss),
            from_floats(SYSTEMIC_LOSS_PER_DISRUPTION_JPY, systemic),
        ])?
        .lazy()
        .with_columns([
            (col(DISRUPTION_RATE) * col(LOSS_PER_DISRUPTION_JPY) + col(OWN_RATE) * own_loss())
                .alias(EXPECTED_ANNUAL_LOSS_DIRECT_JPY),
            (col(OWN_RATE) * (col(SYSTEMIC_LOSS_PER_DISRUPTION_JPY) + own_loss()))
                .alias(EXPECTED_ANNUAL_LOSS_CAUSED_JPY),
        ])
        .collect()?;
    Ok(Chain { suppliers, graph })
}

/// Returns the losses that only the supplier's own incidents cause, in yen per incident: by the data that it holds, and
/// by its access to the network.
///
/// Formula: `A = data_loss_jpy[data_access] + lateral_probability[network_access] · buyer_breach_loss_jpy`
///
/// What a breach of its network costs is the buyer's own figure; the model's value if the buyer has given none.
fn own_losses(portfolio: &Portfolio, model: &Model) -> [Expr; 2] {
    let breach = portfolio.buyer_breach_loss_jpy.unwrap_or(model.buyer_breach_loss_jpy);
    let data = by_choice(DATA_ACCESS, &model.data_loss_jpy, none_of(&model.data_loss_jpy));
    let lateral = by_choice(NETWORK_ACCESS, &model.lateral_probability, none_of(&model.lateral_probability));
    [data.alias(DATA_LOSS_JPY), (lateral * lit(breach)).alias(NETWORK_LOSS_JPY)]
}

/// Returns the value for no access, used if nothing is recorded: the buyer knows which access it gave.
fn none_of(numbers: &[(&'static str, f64)]) -> f64 {
    numbers.iter().find(|(key, _)| *key == "none").map_or(0.0, |(_, number)| *number)
}

/// Returns the rows to the buyer with `pass`, `mean_downtime_days` of the upstream, and stock and spend without nulls.
///
/// Formula: `pass = domino · criticality · substitutability`
fn rows_to_buyer(portfolio: &Portfolio, model: &Model, mean_days: &Column) -> PolarsResult<DataFrame> {
    let pass = lit(model.domino)
        * by_number(CRITICALITY, &model.criticality)
        * by_number(SUBSTITUTABILITY, &model.substitutability);
    let rows = portfolio
        .relationships
        .clone()
        .lazy()
        .filter(col(DOWNSTREAM).is_null())
        .with_columns([
            pass.alias(PASS),
            col(STOCK_COVER_DAYS).fill_null(lit(0.0)),
            col(ANNUAL_SPEND_JPY).fill_null(lit(0.0)),
        ])
        .collect()?;
    let of_upstream = mean_days.take(&rows.column(UPSTREAM)?.u32()?.cast(&IDX_DTYPE)?.idx()?.clone())?;
    rows.hstack(&[of_upstream])
}

/// Returns how long a stop lasts beyond a supply's stock, relative to its duration: `1 + s/σ` with `σ = m (α − 1)`.
fn beyond_stock(model: &Model) -> Expr {
    lit(1.0) + col(STOCK_COVER_DAYS) / (col(MEAN_DOWNTIME_DAYS) * lit(model.tail_index - 1.0))
}

/// Formula: `q_ij` = the largest over the rows `i → j` of `pass · (1 + s/σ_i)^−α`
fn graph_of(portfolio: &Portfolio, model: &Model, suppliers: &DataFrame) -> PolarsResult<Graph> {
    let scale = |mean_days: &f64| mean_days * (model.tail_index - 1.0);
    let scales: Vec<_> = floats(suppliers, MEAN_DOWNTIME_DAYS)?.iter().map(scale).collect();
    let pieces = in_pieces(&portfolio.relationships, MIN_ROWS_PER_PIECE, |piece| supplies_of(piece, model, &scales))?;
    Ok(Graph::new(portfolio.supplier_count(), &pieces))
}

/// Returns the supplies between suppliers. `scales` are the scales `σ` of the suppliers' downtime, in days.
fn supplies_of(relationships: &DataFrame, model: &Model, scales: &[f64]) -> PolarsResult<Vec<Supply>> {
    let factor = |factors: &[(&'static str, f64)], number: u32| {
        factors.get(number as usize).map_or(f64::NAN, |(_, factor)| *factor)
    };
    let upstream = relationships.column(UPSTREAM)?.u32()?.into_no_null_iter();
    let downstream = relationships.column(DOWNSTREAM)?.u32()?.iter();
    let criticality = relationships.column(CRITICALITY)?.u32()?.into_no_null_iter();
    let substitutability = relationships.column(SUBSTITUTABILITY)?.u32()?.into_no_null_iter();
    let stock = relationships.column(STOCK_COVER_DAYS)?.f64()?.iter();
    let mut supplies = Vec::with_capacity(relationships.height());
    for ((upstream, downstream), ((criticality, substitutability), stock)) in
        upstream.zip(downstream).zip(criticality.zip(substitutability).zip(stock))
    {
        let Some(downstream) = downstream else { continue };
        let pass =
            model.domino * factor(&model.criticality, criticality) * factor(&model.substitutability, substitutability);
        let weight = match stock.unwrap_or(0.0) {
            0.0 => pass,
            stock => {
                let beyond = 1.0 + stock / scales.get(upstream as usize).copied().unwrap_or(f64::NAN);
                pass * beyond.powf(-model.tail_index)
            }
        };
        supplies.push(Supply { upstream, downstream, weight });
    }
    Ok(supplies)
}

/// Returns the yen that the buyer loses per stop, through its own rows with the supplier.
///
/// Formula: `L_i = Σ V · d/365 · (1 − e^(−x)) / x`, `x = r_i d / 365`, `d = pass · m · (1 + s/σ_i)^(1−α)`,
///          `V = annual_spend · revenue_at_risk_multiplier`, over the rows to the buyer in order of all their columns
fn loss_per_disruption(
    portfolio: &Portfolio,
    model: &Model,
    mean_days: &Column,
    rate: &[f64],
) -> PolarsResult<Vec<f64>> {
    let supplies = rows_to_buyer(portfolio, model, mean_days)?
        .lazy()
        .sort(
            [UPSTREAM, ANNUAL_SPEND_JPY, CRITICALITY, SUBSTITUTABILITY, STOCK_COVER_DAYS],
            SortMultipleOptions::default(),
        )
        .select([
            col(UPSTREAM),
            (col(PASS) * col(MEAN_DOWNTIME_DAYS) * beyond_stock(model).pow(lit(1.0 - model.tail_index)))
                .alias(LOST_DAYS),
            (col(ANNUAL_SPEND_JPY) * lit(model.revenue_at_risk_multiplier)).alias(ANNUAL_VALUE_JPY),
        ])
        .collect()?;
    let upstream = keys(&supplies, UPSTREAM)?;
    let (days, values) = (floats(&supplies, LOST_DAYS)?, floats(&supplies, ANNUAL_VALUE_JPY)?);
    let losses: Vec<_> = upstream
        .iter()
        .zip(days.iter().zip(values.iter()))
        .map(|(supplier, (days, value))| {
            let rate = rate.get(*supplier as usize).copied().unwrap_or_default();
            value * days / SUPPLY_DAYS_PER_YEAR * saturation(rate * days / SUPPLY_DAYS_PER_YEAR)
        })
        .collect();
    Ok(sums::by_key(&upstream, &losses, rate.len()))
}

/// A year of supply, of which a stop takes a part.
const SUPPLY_DAYS_PER_YEAR: f64 = 365.0;

/// Returns the part of a rate that is left when stops cannot overlap: `(1 − e^(−x)) / x`, 1 at 0.
fn saturation(x: f64) -> f64 {
    if x > 0.0 { chance(x) / x } else { 1.0 }
}

/// Returns the larger of two changes; NaN if one of them is.
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// Repeats a step until the change that it reports is below the tolerance. Returns the number of repetitions.
fn settle(column: &'static str, model: &Model, mut step: impl FnMut() -> f64) -> Result<u32, ScoreError> {
    for iteration in 1..=model.max_iterations {
        let change = step();
        if change < model.tolerance {
            return Ok(iteration);
        }
        if change.is_nan() {
            return Err(ScoreError::NotFinite { column });
        }
    }
    Err(ScoreError::NotSettled { column, max_iterations: model.max_iterations })
}
