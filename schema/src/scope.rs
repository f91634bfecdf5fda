//! What a transaction is for, and whose rows it reaches.

use crate::TenantId;

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxRole {
    /// Reads, all from one state of the database.
    Reader,
    /// Writes. No other writer of the same buyer runs at the same time, so what it has read does not change before it
    /// ends.
    Writer,
    /// Writes jobs and what belongs to them. If the database allows it, it does not wait for a long-running writer.
    Queue,
}

/// Whose rows a transaction reaches, for a transaction of the operator: see [`Scope::Installation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Installation;

/// Whose rows a transaction reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of one buyer, and what all buyers share.
    Tenant(TenantId),
    /// The list of buyers, the queue of jobs and what all buyers share: nothing that a buyer has registered.
    Installation,
}

impl From<TenantId> for Scope {
    fn from(tenant: TenantId) -> Self {
        Self::Tenant(tenant)
    }
}

impl From<Installation> for Scope {
    fn from(_: Installation) -> Self {
        Self::Installation
    }
}
