//! What a provider, an operator of お助け隊 services, may see and send.
//!
//! Called by `resources/submissions`, on whose routes alone a provider's token is good, by imports, and by `records`, which
//! reads bodies. What must hold:
//!
//! - A provider reaches a supplier only while an assignment in force names both (`assigned`), by the buyer's code, a
//!   code that the buyer gave the provider, or the 法人番号. A supplier that is not assigned and one that does not exist
//!   are indistinguishable.
//! - What a provider sends has a source of its own, `provider:` and its name (`sources`), which no other writer may
//!   use: so that it reads back and changes its own records only, in the version that it last sent itself. What the
//!   buyer has corrected since is the buyer's.

pub(crate) mod assigned;
pub(crate) mod sources;
