//! The caller of a request.

use chrono_tz::Tz;
use schema::{Access, Clock, Context, Database, Name, Role, SupplierId, TenantId, TokenId};

use crate::base::today::Today;

/// The caller of a request, identified by a valid token, and the context of the request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// The context of the request's transactions.
    pub(crate) context: Context,
    /// The token's id, as in the log.
    pub(crate) token_id: TokenId,
    /// The token's provider, for the role Provider.
    pub(crate) provider_name: Option<Name>,
    /// The token's supplier, for the role Supplier.
    pub(crate) supplier_id: Option<SupplierId>,
    pub(crate) role: Role,
    /// The time zone in which the buyer's days begin.
    pub(crate) time_zone: Tz,
    pub(crate) clock: Clock,
}

impl Caller {
    /// Returns access to the rows of the caller's buyer.
    pub(crate) fn access(&self, database: &Database) -> Access {
        database.access(self.tenant, &self.context)
    }

    /// Returns the token's name, as records store it.
    pub(crate) fn name(&self) -> &str {
        &self.context.actor.subject
    }

    /// Returns the buyer's day and the moment in it.
    pub(crate) fn today(&self) -> Today {
        Today::at(self.clock.now(), self.time_zone)
    }
}
