//! Incidents: blocked, contained, harmful.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::record::record;
use crate::tables::incidents;
use crate::{Count, Days, IncidentCategory, Outcome, PositiveCount, Remark, SupplierId, Timestamp, Yen};

/// An incident at a supplier.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = incidents, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Incident {
    pub supplier_id: SupplierId,
    pub occurred_on: NaiveDate,
    pub category: Option<IncidentCategory>,
    pub outcome: Outcome,
    pub count: Option<PositiveCount>,
    pub loss_jpy: Option<Yen>,
    pub downtime_days: Option<Days>,
    pub detected_at: Option<Timestamp>,
    pub reported_at: Option<Timestamp>,
    pub partners_affected: Option<Count>,
    pub indicators: Option<Remark>,
}

/// Filters of the list of incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// Only those with this outcome.
    pub outcome: Option<Outcome>,
    /// Only those of this category.
    pub category: Option<IncidentCategory>,
    /// Only those on this day or later.
    pub occurred_on_gte: Option<NaiveDate>,
    /// Only those on this day or earlier.
    pub occurred_on_lte: Option<NaiveDate>,
}

record! {
    impl Record for Incident in incidents;
    by_source: true;
    is_scored: true;
    supplier: supplier_id;
    filter: IncidentFilter |query, given| {
        if let Some(outcome) = given.outcome {
            query = query.filter(incidents::outcome.eq(outcome));
        }
        if let Some(category) = given.category {
            query = query.filter(incidents::category.eq(category));
        }
        if let Some(day) = given.occurred_on_gte {
            query = query.filter(incidents::occurred_on.ge(day));
        }
        if let Some(day) = given.occurred_on_lte {
            query = query.filter(incidents::occurred_on.le(day));
        }
        query
    }
    sort: IncidentSort {
        /// The day.
        OccurredOn = "occurred_on" / "発生日": occurred_on as NaiveDate, |row| row.attributes.occurred_on;
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
