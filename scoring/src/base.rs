//! The base rate: what is expected of a firm of this size and section before anything else is known.

use polars::prelude::*;

use crate::columns::by_choice;
use crate::columns::name::{BASE_RATE, JSIC_SECTION, SIZE_CLASS};
use crate::model::Model;

/// Harmful incidents a year by size and section.
///
/// Formula: `−ln(1 − annual_probability) · size_multiplier · section_multiplier`; an unknown size takes
///          the largest multiplier, an unknown section the largest of 1 and all of them
/// Reads:   `size_class`, `jsic_section`, never null
/// Gives:   `base_rate` f64, a year, > 0
/// Source:  scoring-model.md, section 2
pub(crate) fn base_rate(model: &Model) -> Expr {
    let everywhere = -(-model.annual_probability).ln_1p();
    let size = by_choice(SIZE_CLASS, &model.size_multiplier, largest(&model.size_multiplier));
    let section = when(col(JSIC_SECTION).eq(lit("unknown")))
        .then(lit(largest(&model.section_multiplier).max(1.0)))
        .otherwise(by_choice(JSIC_SECTION, &model.section_multiplier, 1.0));
    (lit(everywhere) * size * section).alias(BASE_RATE)
}

fn largest(multipliers: &[(&'static str, f64)]) -> f64 {
    multipliers.iter().map(|(_, multiplier)| *multiplier).fold(0.0, f64::max)
}
