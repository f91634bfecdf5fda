//! お助け隊 enrollments.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::record::record;
use crate::tables::enrollments;
use crate::{Count, Monitoring, Name, ServiceClass, Share, SupplierId, Yen};

/// A supplier's enrollment in an お助け隊 service.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = enrollments, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Enrollment {
    pub supplier_id: SupplierId,
    pub service_name: Option<Name>,
    pub provider_name: Option<Name>,
    pub service_class: ServiceClass,
    pub monitoring: Option<Monitoring>,
    pub coverage_share: Option<Share>,
    pub covered_endpoints: Option<Count>,
    pub starts_on: NaiveDate,
    pub ends_on: Option<NaiveDate>,
    pub onsite_response: bool,
    pub insured_limit_jpy: Option<Yen>,
}

/// Filters of the list of enrollments.
#[derive(Debug, Clone, Default)]
pub struct EnrollmentFilter {
    /// Only those of this class.
    pub service_class: Option<ServiceClass>,
    /// Only those with this provider.
    pub provider_name: Option<Name>,
    /// Only those in force on this day.
    pub active_on: Option<NaiveDate>,
}

record! {
    impl Record for Enrollment in enrollments;
    by_source: true;
    is_scored: true;
    supplier: supplier_id;
    filter: EnrollmentFilter |query, given| {
        if let Some(class) = given.service_class {
            query = query.filter(enrollments::service_class.eq(class));
        }
        if let Some(provider) = &given.provider_name {
            query = query.filter(enrollments::provider_name.eq(provider));
        }
        if let Some(day) = given.active_on {
            query = query.filter(enrollments::starts_on.le(day));
            query = query.filter(enrollments::ends_on.is_null().or(enrollments::ends_on.gt(day)));
        }
        query
    }
    sort: EnrollmentSort {
        /// The first day.
        StartsOn = "starts_on" / "開始日": starts_on as NaiveDate, |row| row.attributes.starts_on;
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
