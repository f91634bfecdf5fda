//! Counts the changes of the data that a buyer's scores depend on. They make the latest scores stale.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::tables::{data_states, settings};
use crate::{TenantId, Timestamp, Tx};

/// Notes that data which scores depend on has changed, in the transaction that changes it.
///
/// # Errors
/// Database errors, as for all functions below.
pub(crate) fn touch(tx: &mut Tx) -> Result<(), RepoError> {
    let at = tx.moment();
    let first = (
        data_states::tenant_id.eq(tx.tenant),
        data_states::data_version.eq(1),
        data_states::changed_at.eq(at),
        data_states::asked_version.eq(None::<i64>),
        data_states::asked_for_on.eq(None::<NaiveDate>),
    );
    let next = (data_states::data_version.eq(data_states::data_version + 1), data_states::changed_at.eq(at));
    each_backend!(tx.conn, c => diesel::insert_into(data_states::table)
        .values(first)
        .on_conflict(data_states::tenant_id)
        .do_update()
        .set(next)
        .execute(c))?;
    tx.note_changed();
    Ok(())
}

/// Returns the number of changes so far; 0 before anything was registered.
///
/// # Errors
/// Database errors.
pub fn version(tx: &mut Tx) -> Result<i64, RepoError> {
    let found: Option<i64> = each_backend!(tx.conn, c => data_states::table
        .find(tx.tenant)
        .select(data_states::data_version)
        .first(c)
        .optional())?;
    Ok(found.unwrap_or_default())
}

/// The state of a buyer's data, as far as it matters for automatic runs.
#[derive(Debug, Clone, Queryable)]
pub struct DataState {
    /// The buyer.
    pub tenant: TenantId,
    /// The number of changes of the data.
    pub data_version: i64,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// The state for which an automatic run was last requested, if any.
    pub asked_version: Option<i64>,
    /// The day for which it was requested.
    pub asked_for_on: Option<NaiveDate>,
}

/// Returns the state of a buyer's data, if there is any and it is scored automatically.
///
/// # Errors
/// Database errors.
pub fn scored_automatically(tx: &mut Tx) -> Result<Option<DataState>, RepoError> {
    Ok(each_backend!(tx.conn, c => data_states::table
        .left_join(settings::table.on(settings::tenant_id.eq(data_states::tenant_id)))
        .filter(data_states::tenant_id.eq(tx.tenant))
        .filter(settings::scores_automatically.nullable().eq(true).or(settings::tenant_id.nullable().is_null()))
        .select((
            data_states::tenant_id,
            data_states::data_version,
            data_states::changed_at,
            data_states::asked_version,
            data_states::asked_for_on,
        ))
        .first(c)
        .optional())?)
}

/// Notes that an automatic run was requested, for a state and a day.
///
/// # Errors
/// Database errors.
pub fn note_asked(tx: &mut Tx, version: i64, day: NaiveDate) -> Result<(), RepoError> {
    let asked = (data_states::asked_version.eq(version), data_states::asked_for_on.eq(day));
    each_backend!(tx.conn, c => diesel::update(data_states::table.find(tx.tenant)).set(asked).execute(c))?;
    Ok(())
}
