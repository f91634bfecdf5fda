//! Relationships: who supplies another supplier or the buyer.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::record::record;
use crate::tables::relationships;
use crate::{Criticality, Days, Name, Substitutability, SupplierId, Yen};

/// A supply from one supplier to another, or to the buyer.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = relationships, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Relationship {
    pub upstream_id: SupplierId,
    pub downstream_id: Option<SupplierId>,
    pub item: Option<Name>,
    pub annual_spend_jpy: Option<Yen>,
    pub criticality: Criticality,
    pub substitutability: Substitutability,
    pub stock_cover_days: Option<Days>,
    pub valid_from_on: Option<NaiveDate>,
    pub valid_to_on: Option<NaiveDate>,
}

/// Filters of the list of relationships.
#[derive(Debug, Clone, Default)]
pub struct RelationshipFilter {
    /// Only those to any of these suppliers.
    pub downstream_ids: Option<Vec<SupplierId>>,
    /// Only those to the buyer itself.
    pub to_buyer: bool,
    /// Only those of this criticality.
    pub criticality: Option<Criticality>,
    /// Only those of this substitutability.
    pub substitutability: Option<Substitutability>,
    /// Only those in force on this day.
    pub valid_on: Option<NaiveDate>,
}

record! {
    impl Record for Relationship in relationships;
    by_source: true;
    is_scored: true;
    supplier: upstream_id;
    filter: RelationshipFilter |query, given| {
        if let Some(ids) = &given.downstream_ids {
            query = query.filter(relationships::downstream_id.eq_any(ids));
        }
        if given.to_buyer {
            query = query.filter(relationships::downstream_id.is_null());
        }
        if let Some(criticality) = given.criticality {
            query = query.filter(relationships::criticality.eq(criticality));
        }
        if let Some(substitutability) = given.substitutability {
            query = query.filter(relationships::substitutability.eq(substitutability));
        }
        if let Some(day) = given.valid_on {
            query = query.filter(relationships::valid_from_on.is_null().or(relationships::valid_from_on.le(day)));
            query = query.filter(relationships::valid_to_on.is_null().or(relationships::valid_to_on.gt(day)));
        }
        query
    }
    sort: RelationshipSort {
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
