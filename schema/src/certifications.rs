//! Declarations and certificates: SECURITY ACTION, SCS, ISMS.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::record::record;
use crate::tables::certifications;
use crate::{Name, Scheme, SupplierId, WebAddress};

/// A supplier's declaration or certificate.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = certifications, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Certification {
    pub supplier_id: SupplierId,
    pub scheme: Scheme,
    pub issued_on: NaiveDate,
    pub expires_on: Option<NaiveDate>,
    pub scope: Option<Name>,
    pub evidence_url: Option<WebAddress>,
}

/// Filters of the list of certifications.
#[derive(Debug, Clone, Default)]
pub struct CertificationFilter {
    /// Only those of this scheme.
    pub scheme: Option<Scheme>,
    /// Only those issued by this day and not expired on it.
    pub valid_on: Option<NaiveDate>,
    /// Only those that expire before this day.
    pub expires_before: Option<NaiveDate>,
}

record! {
    impl Record for Certification in certifications;
    by_source: true;
    is_scored: true;
    supplier: supplier_id;
    filter: CertificationFilter |query, given| {
        if let Some(scheme) = given.scheme {
            query = query.filter(certifications::scheme.eq(scheme));
        }
        if let Some(day) = given.valid_on {
            query = query.filter(certifications::issued_on.le(day));
            query = query.filter(certifications::expires_on.is_null().or(certifications::expires_on.ge(day)));
        }
        if let Some(day) = given.expires_before {
            query = query.filter(certifications::expires_on.lt(day));
        }
        query
    }
    sort: CertificationSort {
        /// The day of issue.
        IssuedOn = "issued_on" / "取得日": issued_on as NaiveDate, |row| row.attributes.issued_on;
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
