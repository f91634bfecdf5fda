//! Issued tokens: what they may do, and whether they are still valid.

use diesel::prelude::*;

use crate::conn::each_backend;
use crate::error::RepoError;
use crate::tables::{tenants, tokens};
use crate::{Name, Role, SupplierId, Timestamp, TokenId, Tx};

/// An issued token, without the token itself.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = tokens, treat_none_as_default_value = false)]
pub struct TokenRow {
    /// Its `jti`.
    pub id: TokenId,
    /// Its name, unique among the tokens of a buyer.
    pub name: Name,
    /// Its role.
    pub role: Role,
    /// The provider that it is for, with the role of a provider.
    pub provider_name: Option<Name>,
    /// The supplier that it is for, with the role of a supplier.
    pub supplier_id: Option<SupplierId>,
    /// Since when it is valid.
    pub issued_at: Timestamp,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// Since when it is revoked, if it is.
    pub revoked_at: Option<Timestamp>,
}

/// Adds a token.
///
/// # Errors
/// [`RepoError::Duplicate`] if the name is taken, and database errors.
pub fn insert(tx: &mut Tx, token: &TokenRow) -> Result<(), RepoError> {
    let values = (tokens::tenant_id.eq(tx.tenant), token);
    each_backend!(tx.conn, c => diesel::insert_into(tokens::table).values(values).execute(c))?;
    Ok(())
}

/// Lists the tokens of a buyer, in order of issue.
///
/// # Errors
/// Database errors.
pub fn list(tx: &mut Tx) -> Result<Vec<TokenRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => tokens::table
        .filter(tokens::tenant_id.eq(tx.tenant))
        .order(tokens::id.asc())
        .select(TokenRow::as_select())
        .load(c))?)
}

/// Lists the names of all tokens that a provider ever had, including revoked ones. They show what the provider
/// recorded.
///
/// # Errors
/// Database errors.
pub fn names_of_provider(tx: &mut Tx, provider: &Name) -> Result<Vec<String>, RepoError> {
    Ok(each_backend!(tx.conn, c => tokens::table
        .filter(tokens::tenant_id.eq(tx.tenant))
        .filter(tokens::provider_name.eq(provider))
        .order(tokens::id.asc())
        .select(tokens::name)
        .load::<Name>(c))?
    .into_iter()
    .map(|name| name.to_string())
    .collect())
}

/// A token that is presented, with what its buyer's record says.
#[derive(Debug, Clone)]
pub struct Presented {
    /// The token.
    pub token: TokenRow,
    /// The time zone in which the buyer's days begin.
    pub time_zone: String,
}

/// Finds a token that is not revoked, of a buyer that is not suspended, in one query.
///
/// # Errors
/// Database errors.
pub fn find_good(tx: &mut Tx, id: TokenId) -> Result<Option<Presented>, RepoError> {
    let found: Option<(TokenRow, String)> = each_backend!(tx.conn, c => tokens::table
        .inner_join(tenants::table)
        .filter(tokens::tenant_id.eq(tx.tenant).and(tokens::id.eq(id)))
        .filter(tokens::revoked_at.is_null())
        .filter(tenants::suspended_at.is_null())
        .select((TokenRow::as_select(), tenants::time_zone))
        .first(c)
        .optional())?;
    Ok(found.map(|(token, time_zone)| Presented { token, time_zone }))
}

/// Revokes a token. Returns whether there was one to revoke.
///
/// # Errors
/// Database errors.
pub fn revoke(tx: &mut Tx, id: TokenId) -> Result<bool, RepoError> {
    let token = tokens::table
        .filter(tokens::tenant_id.eq(tx.tenant).and(tokens::id.eq(id)))
        .filter(tokens::revoked_at.is_null());
    let change = diesel::update(token).set(tokens::revoked_at.eq(tx.moment()));
    let count = each_backend!(tx.conn, c => change.execute(c))?;
    Ok(count > 0)
}
