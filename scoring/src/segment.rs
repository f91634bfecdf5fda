//! The portfolio's own experience, learned from peers of the same section and size.

use polars::prelude::*;

use crate::columns::name::*;
use crate::frame::{floats, from_floats};
use crate::model::Model;
use crate::sums;

/// Adds the factor by which peers' experience corrects a supplier's prior.
///
/// Formula: `clamp((K + Σ_{j≠i} min(H^w_j, peer_cap)) / (K + Σ_{j≠i} prior_j E^w_j), 1/factor_limit, factor_limit)`
/// Reads:   `jsic_section`, `size_class`, `prior`, `watched_years`, `watched_harmful_count`
/// Gives:   `segment_factor` f64; the two sums as `peer_harmful_count` and `peer_expected_count`
/// Source:  scoring-model.md, section 2
pub(crate) fn apply(suppliers: DataFrame, model: &Model) -> PolarsResult<DataFrame> {
    let segments = segments(&suppliers)?;
    let segment_count = segments.iter().max().map_or(0, |last| *last as usize + 1);
    let capped: Vec<_> =
        floats(&suppliers, WATCHED_HARMFUL_COUNT)?.iter().map(|count| count.min(model.peer_cap)).collect();
    let priors = floats(&suppliers, PRIOR)?;
    let years = floats(&suppliers, WATCHED_YEARS)?;
    let expected: Vec<_> = priors.iter().zip(years.iter()).map(|(prior, years)| prior * years).collect();
    let peers = [
        from_floats(PEER_HARMFUL_COUNT, sums::of_others(&segments, segment_count, &capped)),
        from_floats(PEER_EXPECTED_COUNT, sums::of_others(&segments, segment_count, &expected)),
    ];

    let factor = (lit(model.pseudo_incidents) + col(PEER_HARMFUL_COUNT))
        / (lit(model.pseudo_incidents) + col(PEER_EXPECTED_COUNT));
    let factor = factor.clip(lit(1.0 / model.factor_limit), lit(model.factor_limit));
    suppliers.hstack(&peers)?.lazy().with_column(factor.alias(SEGMENT_FACTOR)).collect()
}

/// Returns the segment of each supplier. Those of the same section and size have the same number.
fn segments(suppliers: &DataFrame) -> PolarsResult<Vec<u32>> {
    let mut numbers = PlHashMap::new();
    let (sections, sizes) = (suppliers.column(JSIC_SECTION)?.str()?, suppliers.column(SIZE_CLASS)?.str()?);
    let number = |segment| {
        let next = numbers.len() as u32;
        *numbers.entry(segment).or_insert(next)
    };
    Ok(sections.iter().zip(sizes.iter()).map(number).collect())
}
