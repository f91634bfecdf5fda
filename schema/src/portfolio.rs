//! What scores rest on, as known at a moment: row by row, with the columns that the model reads and no others.

use std::collections::HashSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::commits;
use crate::conn::{each_backend, each_row};
use crate::error::RepoError;
use crate::record::current;
use crate::tables::{
    certifications, enrollments, incident_contacts, incidents, relationships, supplier_versions, suppliers,
};
use crate::{
    Count, Criticality, DataAccess, Day, Days, JsicDivision, Name, NetworkAccess, Outcome, PositiveCount, Scheme,
    ServiceClass, Share, Substitutability, SupplierCode, SupplierId, Timestamp, Tx, Yen,
};

/// Writes the readers of tables: the rows that were current at a moment and never taken back, in order of id.
macro_rules! readers {
    ($($(#[$doc:meta])* $reader:ident: $table:ident as $row:ident { $($field:ident: $ty:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Queryable, Selectable)]
        #[diesel(table_name = $table)]
        #[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
        pub struct $row { $(pub $field: $ty,)* }

        /// Gives each row that was current at a moment to `with`, until that fails.
        ///
        /// # Errors
        /// Those of `with` and of the database.
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
    )*};
}

readers! {
    /// A supplier; merged and archived ones too.
    each_supplier: supplier_versions as SupplierRow {
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
    each_relationship: relationships as RelationshipRow {
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
    each_enrollment: enrollments as EnrollmentRow {
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
    each_certification: certifications as CertificationRow {
        supplier_id: SupplierId,
        scheme: Scheme,
        issued_on: Day,
        expires_on: Option<Day>,
        ended_on: Option<Day>,
    }
    /// An incident.
    each_incident: incidents as IncidentRow {
        supplier_id: SupplierId,
        occurred_on: Day,
        outcome: Outcome,
        count: Option<PositiveCount>,
    }
}

/// The ids of all suppliers of a buyer.
///
/// # Errors
/// Those of the database.
pub fn supplier_ids(tx: &mut Tx) -> Result<HashSet<SupplierId>, RepoError> {
    let all = suppliers::table.filter(suppliers::tenant_id.eq(tx.tenant)).select(suppliers::id);
    let ids: Vec<SupplierId> = each_backend!(tx.conn, c => all.load(c))?;
    Ok(ids.into_iter().collect())
}

/// The suppliers whose incident contact was verified after a day, and up to another one.
///
/// # Errors
/// Those of the database.
pub fn contacts_verified(tx: &mut Tx, after: NaiveDate, until: NaiveDate) -> Result<Vec<SupplierId>, RepoError> {
    Ok(each_backend!(tx.conn, c => incident_contacts::table
        .filter(incident_contacts::tenant_id.eq(tx.tenant))
        .filter(incident_contacts::verified_on.gt(after).and(incident_contacts::verified_on.le(until)))
        .select(incident_contacts::supplier_id)
        .order(incident_contacts::supplier_id.asc())
        .load(c))?)
}
