//! Incident contacts: whom to call at a supplier. They are personal data, kept without versions so that they can be
//! erased.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::tables::incident_contacts;
use crate::{MailAddress, Name, PhoneNumber, SupplierId, Timestamp, Tx};

/// The incident contact of a supplier.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = incident_contacts, treat_none_as_default_value = false, treat_none_as_null = true)]
#[expect(missing_docs, reason = "each attribute is described once, where the interfaces read it")]
pub struct IncidentContact {
    pub name: Option<Name>,
    pub department: Option<Name>,
    pub mail_address: Option<MailAddress>,
    pub phone_number: Option<PhoneNumber>,
    pub verified_on: Option<NaiveDate>,
    pub recorded_at: Timestamp,
    pub recorded_by: String,
}

/// Finds the contact of a supplier.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx, supplier: SupplierId) -> Result<Option<IncidentContact>, RepoError> {
    Ok(each_backend!(tx.conn, c => incident_contacts::table
        .find((tx.tenant, supplier))
        .select(IncidentContact::as_select())
        .first(c)
        .optional())?)
}

/// Sets the contact of a supplier. An existing one is overwritten.
///
/// # Errors
/// Database errors.
pub fn put(tx: &mut Tx, supplier: SupplierId, contact: &IncidentContact) -> Result<(), RepoError> {
    let key = (incident_contacts::tenant_id.eq(tx.tenant), incident_contacts::supplier_id.eq(supplier));
    each_backend!(tx.conn, c => diesel::insert_into(incident_contacts::table)
        .values((key, contact))
        .on_conflict((incident_contacts::tenant_id, incident_contacts::supplier_id))
        .do_update()
        .set(contact)
        .execute(c))?;
    Ok(())
}

/// Erases the contact of a supplier. Returns whether there was one.
///
/// # Errors
/// Database errors.
pub fn erase(tx: &mut Tx, supplier: SupplierId) -> Result<bool, RepoError> {
    let contact = incident_contacts::table.find((tx.tenant, supplier));
    Ok(each_backend!(tx.conn, c => diesel::delete(contact).execute(c))? > 0)
}
