//! The portfolio's own experience, learnt from peers of the same section and size.

use polars::prelude::*;

use crate::columns::name::*;
use crate::frame::{floats, from_floats, keys};
use crate::model::Model;
use crate::sums;

/// Adds the factor by which peers' experience corrects a supplier's prior.
///
/// Formula: `clamp((K + Σ_{j≠i} min(H^w_j, peer_cap)) / (K + Σ_{j≠i} prior_j E^w_j), 1/factor_limit, factor_limit)`
/// Reads:   `jsic_section`, `size_class`, `prior`, `watched_years`, `watched_harmful_count`
/// Gives:   `segment_factor` f64; the two sums as `peer_harmful_count` and `peer_expected_count`
/// Source:  scoring-model.md, section 2
pub(crate) fn apply(suppliers: DataFrame, model: &Model) -> PolarsResult<DataFrame> {
    let capped = col(WATCHED_HARMFUL_COUNT).clip_max(lit(model.peer_cap));
    let mut peers = suppliers
        .clone()
        .lazy()
        .select([
            (col(JSIC_SECTION) + lit("/") + col(SIZE_CLASS))
                .rank(RankOptions { method: RankMethod::Dense, descending: false }, None)
                .cast(DataType::UInt32)
                .alias(SEGMENT),
            capped.alias(PEER_HARMFUL_COUNT),
            (col(PRIOR) * col(WATCHED_YEARS)).alias(PEER_EXPECTED_COUNT),
        ])
        .collect()?;
    let segments = keys(&peers, SEGMENT)?.into_owned();
    let segment_count = segments.iter().max().map_or(0, |last| *last as usize + 1);
    for sum in [PEER_HARMFUL_COUNT, PEER_EXPECTED_COUNT] {
        let of_others = sums::of_others(&segments, segment_count, &floats(&peers, sum)?);
        peers.with_column(from_floats(sum, of_others))?;
    }

    let factor = (lit(model.pseudo_incidents) + col(PEER_HARMFUL_COUNT))
        / (lit(model.pseudo_incidents) + col(PEER_EXPECTED_COUNT));
    let factor = factor.clip(lit(1.0 / model.factor_limit), lit(model.factor_limit));
    suppliers
        .hstack(&[peers.column(PEER_HARMFUL_COUNT)?.clone(), peers.column(PEER_EXPECTED_COUNT)?.clone()])?
        .lazy()
        .with_column(factor.alias(SEGMENT_FACTOR))
        .collect()
}
