//! Buyers: the tenants of an installation.

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::tables::{self, tenants};
use crate::{Name, OperatorTx, Scope, TenantId, Timestamp, Tx};

/// A buyer.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = tenants, treat_none_as_default_value = false)]
pub struct TenantRow {
    /// Its id, in every key of its rows.
    pub id: TenantId,
    /// Its name, which is unique.
    pub name: Name,
    /// The time zone in which its days begin, by its IANA name.
    pub time_zone: String,
    /// When it was added.
    pub created_at: Timestamp,
    /// Since when it is suspended and its tokens are refused, if so.
    pub suspended_at: Option<Timestamp>,
}

/// Adds a buyer.
///
/// # Errors
/// [`RepoError::Duplicate`] if the name is taken, and database errors.
pub fn insert(tx: &mut OperatorTx, tenant: &TenantRow) -> Result<(), RepoError> {
    each_backend!(tx.conn, c => diesel::insert_into(tenants::table).values(tenant).execute(c))?;
    Ok(())
}

/// Lists the buyers, in order of name.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut OperatorTx) -> Result<Vec<TenantRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => tenants::table.order(tenants::name.asc()).select(TenantRow::as_select()).load(c))?)
}

/// Finds the buyer of the transaction.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx) -> Result<Option<TenantRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => tenants::table.find(tx.tenant).select(TenantRow::as_select()).first(c).optional())?)
}

/// Suspends a buyer from now on, or ends its suspension.
///
/// # Errors
/// Database errors.
pub fn set_suspended(tx: &mut OperatorTx, tenant: TenantId, is_suspended: bool) -> Result<(), RepoError> {
    let since = is_suspended.then_some(tx.moment());
    let change = diesel::update(tenants::table.find(tenant)).set(tenants::suspended_at.eq(since));
    each_backend!(tx.conn, c => change.execute(c))?;
    Ok(())
}

/// Deletes the buyer of the transaction, and everything that it has.
///
/// # Errors
/// Database errors.
pub fn delete(tx: &mut Tx) -> Result<(), RepoError> {
    // Referring rows are deleted before those that they refer to.
    macro_rules! delete_all {
        ($($table:ident),*) => {$(
            let rows = tables::$table::table.filter(tables::$table::tenant_id.eq(tx.tenant));
            each_backend!(tx.conn, c => diesel::delete(rows).execute(c))?;
        )*};
    }
    delete_all!(
        export_chunks,
        score_blocks,
        score_runs,
        score_inputs,
        data_states,
        settings,
        import_findings,
        upload_chunks,
        job_queue,
        jobs,
        provider_assignments,
        incidents,
        assessments,
        certifications,
        enrollments,
        relationships,
        supplier_codes,
        incident_contacts,
        supplier_versions,
        suppliers,
        commits,
        tokens,
        tenant_writes
    );
    tx.conn.turn_to(Scope::Installation)?;
    each_backend!(tx.conn, c => diesel::delete(tenants::table.find(tx.tenant)).execute(c))?;
    Ok(())
}
