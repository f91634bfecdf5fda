//! Who sent a request.

use chrono_tz::Tz;
use schema::{Access, Clock, Context, Database, Name, Role, SupplierId, TenantId, TokenId};

use crate::base::today::Today;

/// Who sent a request, by a token that is good, and in the course of what.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) tenant: TenantId,
    /// What the transactions of the request are told.
    pub(crate) context: Context,
    /// The token's id, as the log keeps it.
    pub(crate) token_id: TokenId,
    /// The name of the provider, for the role provider.
    pub(crate) provider_name: Option<Name>,
    /// The supplier that it is for, with that role.
    pub(crate) supplier_id: Option<SupplierId>,
    pub(crate) role: Role,
    /// In which the buyer's days begin.
    pub(crate) time_zone: Tz,
    pub(crate) clock: Clock,
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

    /// The buyer's day, and the moment in it.
    pub(crate) fn today(&self) -> Today {
        Today::at(self.clock.now(), self.time_zone)
    }
}
