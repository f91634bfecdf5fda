//! Who sent a request.

use chrono::NaiveDate;
use chrono_tz::Tz;
use schema::{Access, Context, Database, Instant, Name, Role, SupplierId, TenantId, TokenId};

/// Who sent a request, by a token that is good, and in the course of what.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// What the transactions of the request are told.
    pub(crate) context: Context,
    /// The token's id, as the log keeps it.
    pub(crate) token_id: TokenId,
    /// The provider that it is for, with that role.
    pub(crate) provider_name: Option<Name>,
    /// The supplier that it is for, with that role.
    pub(crate) supplier_id: Option<SupplierId>,
    pub(crate) role: Role,
    /// In which the buyer's days begin.
    pub(crate) time_zone: Tz,
}

impl Caller {
    /// The rows of the caller's buyer.
    pub(crate) fn access(&self, database: &Database) -> Access {
        database.access(self.tenant, &self.context)
    }

    /// The token's name, as records keep it.
    pub(crate) fn name(&self) -> &str {
        &self.context.actor.subject
    }

    /// The buyer's day.
    pub(crate) fn today(&self) -> NaiveDate {
        Instant::now().day_in(self.time_zone)
    }
}
