//! Assessments: what somebody found out about a single control of a supplier.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::record::record;
use crate::tables::assessments;
use crate::{Assurance, Control, ControlStatus, Name, SupplierId, TotalScore, WebAddress};

/// What somebody found out about a control.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = assessments, treat_none_as_default_value = false)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct Assessment {
    pub supplier_id: SupplierId,
    pub control: Control,
    pub status: Option<ControlStatus>,
    pub total_score: Option<TotalScore>,
    pub assessed_on: NaiveDate,
    pub expires_on: Option<NaiveDate>,
    pub assurance: Assurance,
    pub assessor_name: Option<Name>,
    pub evidence_url: Option<WebAddress>,
}

/// Filters of the list of assessments.
#[derive(Debug, Clone, Default)]
pub struct AssessmentFilter {
    /// Only those of this control.
    pub control: Option<Control>,
    /// Only those with this status.
    pub status: Option<ControlStatus>,
    /// Only those of this assurance.
    pub assurance: Option<Assurance>,
    /// Only those that expire before this day.
    pub expires_before: Option<NaiveDate>,
}

record! {
    impl Record for Assessment in assessments;
    by_source: true;
    is_scored: true;
    supplier: supplier_id;
    filter: AssessmentFilter |query, given| {
        if let Some(control) = given.control {
            query = query.filter(assessments::control.eq(control));
        }
        if let Some(status) = given.status {
            query = query.filter(assessments::status.eq(status));
        }
        if let Some(assurance) = given.assurance {
            query = query.filter(assessments::assurance.eq(assurance));
        }
        if let Some(day) = given.expires_before {
            query = query.filter(assessments::expires_on.lt(day));
        }
        query
    }
    sort: AssessmentSort {
        /// The day of the assessment.
        AssessedOn = "assessed_on" / "確認日": assessed_on as NaiveDate, |row| row.attributes.assessed_on;
        /// When it was recorded.
        RecordedAt = "recorded_at" / "記録日時": recorded_in as i64, |row| row.meta.recorded.number;
    }
}
