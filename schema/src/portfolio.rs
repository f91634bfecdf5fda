//! Reads what scores depend on, as known at a moment: row by row, with only the columns that the model reads.
//!
//! What is known now can also be kept, and brought up to date later ([`Rows`]).

use std::collections::HashSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::assessments::Assessment;
use crate::certifications::Certification;
use crate::commits;
use crate::conn::{each_backend, each_row};
use crate::enrollments::Enrollment;
use crate::error::RepoError;
use crate::incidents::Incident;
use crate::record::current;
use crate::relationships::Relationship;
use crate::suppliers::Supplier;
use crate::tables::{
    assessments, certifications, enrollments, incident_contacts, incidents, relationships, supplier_versions, suppliers,
};
use crate::{
    Assurance, Control, ControlStatus, Count, Criticality, DataAccess, Day, Days, Id, JsicDivision, Name,
    NetworkAccess, Outcome, PositiveCount, Scheme, ServiceClass, Share, Substitutability, SupplierCode, SupplierId,
    Timestamp, TotalScore, Tx, Yen,
};

/// Defines the readers of tables: the rows that were current at a moment and not retracted, in order of id.
macro_rules! readers {
    ($($(#[$doc:meta])* $reader:ident, $changed:ident: $table:ident of $kind:ident as $row:ident {
        $($field:ident: $ty:ty,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Queryable, Selectable)]
        #[diesel(table_name = $table)]
        #[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
        pub struct $row { $(pub $field: $ty,)* }

        /// Passes each row that was current at a moment to `with`, until that fails.
        ///
        /// # Errors
        /// Errors of `with` and of the database.
        pub fn $reader<E: From<RepoError>>(
            tx: &mut Tx,
            known_at: Option<Timestamp>,
            mut with: impl FnMut($row) -> Result<(), E>,
        ) -> Result<(), E> {
            let commit = commits::up_to(tx, known_at)?;
            each_row!(
                tx.conn,
                current!($table, tx.tenant, commit)
                    .filter($table::retraction_reason.is_null())
                    .order($table::id.asc())
                    .select($row::as_select()),
                with
            );
            Ok(())
        }

        /// Reads the rows that are current, or only those that were recorded after a commit, in order of id. A
        /// retracted row is none. Their size is deducted from `room`.
        fn $changed(tx: &mut Tx, since: Option<i64>, room: &mut u64) -> Result<Vec<Changed<$kind, $row>>, Stopped> {
            type Read = (Id<$kind>, bool, $row);
            let mut changed = Vec::new();
            let mut push = |(id, is_good, row): Read| {
                let bytes = size_of::<Changed<$kind, $row>>() as u64;
                *room = room.checked_sub(bytes).ok_or(Stopped::Full)?;
                changed.push((id, is_good.then_some(row)));
                Ok::<_, Stopped>(())
            };
            match since {
                None => each_row!(
                    tx.conn,
                    current!($table, tx.tenant, None::<i64>)
                        .order($table::id.asc())
                        .select(($table::id, $table::retraction_reason.is_null(), $row::as_select())),
                    push
                ),
                // Uses the index of commits. They are sorted in this function, so that no database takes the order as a
                // reason to read all rows.
                Some(since) => each_row!(
                    tx.conn,
                    current!($table, tx.tenant, None::<i64>)
                        .filter($table::recorded_in.gt(since))
                        .select(($table::id, $table::retraction_reason.is_null(), $row::as_select())),
                    push
                ),
            }
            changed.sort_unstable_by_key(|(id, _)| *id);
            Ok(changed)
        }
    )*};
}

/// Why rows are not kept.
enum Stopped {
    /// They need more room than there is.
    Full,
    Failed(RepoError),
}

impl<E: Into<RepoError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns what was read; none if it needs more room than there is.
fn fitting<T>(read: Result<T, Stopped>) -> Result<Option<T>, RepoError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Stopped::Full) => Ok(None),
        Err(Stopped::Failed(error)) => Err(error),
    }
}

/// A record as it is now: none if it was retracted.
type Changed<K, R> = (Id<K>, Option<R>);

readers! {
    /// A supplier, including merged and archived ones.
    each_supplier, changed_suppliers: supplier_versions of Supplier as SupplierRow {
        id: SupplierId,
        supplier_code: SupplierCode,
        name: Option<Name>,
        jsic_division: Option<JsicDivision>,
        employee_count: Option<Count>,
        capital_jpy: Option<Yen>,
        data_access: Option<DataAccess>,
        network_access: Option<NetworkAccess>,
        total_endpoints: Option<PositiveCount>,
        reports_incidents_since: Option<Day>,
        merged_into_id: Option<SupplierId>,
        ended_on: Option<Day>,
    }
    /// A relationship.
    each_relationship, changed_relationships: relationships of Relationship as RelationshipRow {
        upstream_id: SupplierId,
        downstream_id: Option<SupplierId>,
        annual_spend_jpy: Option<Yen>,
        criticality: Criticality,
        substitutability: Substitutability,
        stock_cover_days: Option<Days>,
        valid_from_on: Option<Day>,
        valid_to_on: Option<Day>,
        ended_on: Option<Day>,
    }
    /// An enrollment.
    each_enrollment, changed_enrollments: enrollments of Enrollment as EnrollmentRow {
        supplier_id: SupplierId,
        provider_name: Option<Name>,
        service_class: ServiceClass,
        coverage_share: Option<Share>,
        covered_endpoints: Option<Count>,
        starts_on: Day,
        ends_on: Option<Day>,
        onsite_response: bool,
        ended_on: Option<Day>,
    }
    /// A certification.
    each_certification, changed_certifications: certifications of Certification as CertificationRow {
        supplier_id: SupplierId,
        scheme: Scheme,
        issued_on: Day,
        expires_on: Option<Day>,
        ended_on: Option<Day>,
    }
    /// An assessment.
    each_assessment, changed_assessments: assessments of Assessment as AssessmentRow {
        supplier_id: SupplierId,
        control: Control,
        status: Option<ControlStatus>,
        total_score: Option<TotalScore>,
        assessed_on: Day,
        expires_on: Option<Day>,
        assurance: Assurance,
        ended_on: Option<Day>,
    }
    /// An incident.
    each_incident, changed_incidents: incidents of Incident as IncidentRow {
        supplier_id: SupplierId,
        occurred_on: Day,
        outcome: Outcome,
        count: Option<PositiveCount>,
    }
}

/// The rows of a table with their ids, in order of id.
pub type RowsById<K, R> = Vec<(Id<K>, R)>;

/// The current rows of all tables, as the readers of this module would return them. They are kept after the transaction
/// that read them.
#[derive(Debug)]
pub struct Rows {
    /// The latest commit that they reflect, with its moment, which would be different in another database.
    commit: Option<(i64, Timestamp)>,
    /// The suppliers, including merged and archived ones.
    pub suppliers: RowsById<Supplier, SupplierRow>,
    /// The relationships.
    pub relationships: RowsById<Relationship, RelationshipRow>,
    /// The enrollments.
    pub enrollments: RowsById<Enrollment, EnrollmentRow>,
    /// The certifications.
    pub certifications: RowsById<Certification, CertificationRow>,
    /// The assessments.
    pub assessments: RowsById<Assessment, AssessmentRow>,
    /// The incidents.
    pub incidents: RowsById<Incident, IncidentRow>,
}

impl Rows {
    /// Reads all rows. None if they need more than this number of bytes.
    ///
    /// # Errors
    /// Database errors.
    pub fn read(tx: &mut Tx, max_bytes: u64) -> Result<Option<Self>, RepoError> {
        let mut room = max_bytes;
        let mut read = || {
            Ok(Self {
                commit: commits::latest(tx)?,
                suppliers: kept(changed_suppliers(tx, None, &mut room)?),
                relationships: kept(changed_relationships(tx, None, &mut room)?),
                enrollments: kept(changed_enrollments(tx, None, &mut room)?),
                certifications: kept(changed_certifications(tx, None, &mut room)?),
                assessments: kept(changed_assessments(tx, None, &mut room)?),
                incidents: kept(changed_incidents(tx, None, &mut room)?),
            })
        };
        fitting(read())
    }

    /// Brings the rows up to date by reading what was recorded since, in a transaction of the same buyer. None if the
    /// transaction does not see everything that they reflect, or if what was recorded needs more than this number of
    /// bytes.
    ///
    /// # Errors
    /// Database errors.
    pub fn brought_up_to_date(self, tx: &mut Tx, max_bytes: u64) -> Result<Option<Self>, RepoError> {
        Ok(fitting(self.with_changes(tx, max_bytes))?.flatten())
    }

    fn with_changes(mut self, tx: &mut Tx, mut room: u64) -> Result<Option<Self>, Stopped> {
        let room = &mut room;
        let Some((number, at)) = self.commit else { return Ok(None) };
        let latest = commits::latest(tx)?;
        if commits::find(tx, &[number])?.get(&number).is_none_or(|commit| commit.at() != at) {
            return Ok(None);
        }
        let since = Some(number);
        // A version that supersedes another one is recorded by the same commit. So what is not among these is
        // unchanged.
        self.suppliers = merged(self.suppliers, changed_suppliers(tx, since, room)?);
        self.relationships = merged(self.relationships, changed_relationships(tx, since, room)?);
        self.enrollments = merged(self.enrollments, changed_enrollments(tx, since, room)?);
        self.certifications = merged(self.certifications, changed_certifications(tx, since, room)?);
        self.assessments = merged(self.assessments, changed_assessments(tx, since, room)?);
        self.incidents = merged(self.incidents, changed_incidents(tx, since, room)?);
        // Except for suppliers that were deleted, which no commit records. None is ever retracted.
        if i64::try_from(self.suppliers.len()) != Ok(count_suppliers(tx)?) {
            self.suppliers = kept(changed_suppliers(tx, None, room)?);
        }
        self.commit = latest;
        Ok(Some(self))
    }

    /// Returns approximately how many bytes of memory they take.
    pub fn size(&self) -> u64 {
        let counts = [
            self.suppliers.len(),
            self.relationships.len(),
            self.enrollments.len(),
            self.certifications.len(),
            self.assessments.len(),
            self.incidents.len(),
        ];
        Self::size_of(counts.map(|count| count as u64))
    }

    /// Returns approximately how many bytes of memory this number of rows takes: suppliers, relationships, enrollments,
    /// certifications, assessments, incidents.
    pub fn size_of(counts: [u64; 6]) -> u64 {
        /// The bytes of the texts of a row that has any.
        const TEXTS: usize = 64;
        let rows = [
            size_of::<(SupplierId, SupplierRow)>() + TEXTS,
            size_of::<(SupplierId, RelationshipRow)>(),
            size_of::<(SupplierId, EnrollmentRow)>() + TEXTS,
            size_of::<(SupplierId, CertificationRow)>(),
            size_of::<(SupplierId, AssessmentRow)>(),
            size_of::<(SupplierId, IncidentRow)>(),
        ];
        counts.into_iter().zip(rows).map(|(count, bytes)| count.saturating_mul(bytes as u64)).sum()
    }
}

fn kept<K, R>(rows: Vec<Changed<K, R>>) -> RowsById<K, R> {
    rows.into_iter().filter_map(|(id, row)| Some((id, row?))).collect()
}

/// Returns rows with their changes applied. Both are in order of id.
fn merged<K, R>(rows: RowsById<K, R>, changes: Vec<Changed<K, R>>) -> RowsById<K, R> {
    if changes.is_empty() {
        return rows;
    }
    let mut merged = Vec::with_capacity(rows.len() + changes.len());
    let mut rows = rows.into_iter().peekable();
    for (id, change) in changes {
        while let Some(row) = rows.next_if(|(before, _)| *before < id) {
            merged.push(row);
        }
        rows.next_if(|(same, _)| *same == id);
        merged.extend(change.map(|row| (id, row)));
    }
    merged.extend(rows);
    merged
}

fn count_suppliers(tx: &mut Tx) -> Result<i64, RepoError> {
    let all = suppliers::table.filter(suppliers::tenant_id.eq(tx.tenant));
    Ok(each_backend!(tx.conn, c => all.count().get_result(c))?)
}

/// Reads the ids of all suppliers of a buyer.
///
/// # Errors
/// Database errors.
pub fn supplier_ids(tx: &mut Tx) -> Result<HashSet<SupplierId>, RepoError> {
    let all = suppliers::table.filter(suppliers::tenant_id.eq(tx.tenant)).select(suppliers::id);
    let ids: Vec<SupplierId> = each_backend!(tx.conn, c => all.load(c))?;
    Ok(ids.into_iter().collect())
}

/// Lists the suppliers whose incident contact was verified after one day, and not later than another.
///
/// # Errors
/// Database errors.
pub fn contacts_verified(tx: &mut Tx, after: NaiveDate, until: NaiveDate) -> Result<Vec<SupplierId>, RepoError> {
    Ok(each_backend!(tx.conn, c => incident_contacts::table
        .filter(incident_contacts::tenant_id.eq(tx.tenant))
        .filter(incident_contacts::verified_on.gt(after).and(incident_contacts::verified_on.le(until)))
        .select(incident_contacts::supplier_id)
        .order(incident_contacts::supplier_id.asc())
        .load(c))?)
}
