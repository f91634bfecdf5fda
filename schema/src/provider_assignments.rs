//! Provider assignments: which お助け隊 provider may send evidence for which supplier.

use diesel::prelude::*;

use crate::record::record;
use crate::tables::provider_assignments;
use crate::{Name, SupplierId};

/// A provider's right to send evidence for a supplier.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = provider_assignments, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct ProviderAssignment {
    pub provider_name: Name,
    pub supplier_id: SupplierId,
}

/// Filters of the list of assignments.
#[derive(Debug, Clone, Default)]
pub struct ProviderAssignmentFilter {
    /// Only those of this provider.
    pub provider_name: Option<Name>,
}

record! {
    impl Record for ProviderAssignment in provider_assignments;
    by_source: false;
    is_scored: false;
    supplier: supplier_id;
    filter: ProviderAssignmentFilter |query, given| {
        if let Some(provider) = &given.provider_name {
            query = query.filter(provider_assignments::provider_name.eq(provider));
        }
        query
    }
    sort: ProviderAssignmentSort {
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
