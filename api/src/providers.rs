//! What a provider (an operator of お助け隊 services) may see and send.
//!
//! Called by `resources/submissions`, whose routes are the only ones that accept a provider's token, by imports, and by
//! `records`, which reads bodies. Invariants:
//!
//! - A provider reaches a supplier only while an assignment in force names both (`assigned`): by the buyer's code, by a
//!   code that the buyer gave the provider, or by the 法人番号. A supplier that is not assigned cannot be distinguished
//!   from one that does not exist.
//! - What a provider sends has its own source, `provider:` and the provider's name (`sources`), which nobody else may
//!   use. So a provider reads back and changes only its own records, in the version that it last sent itself. Later
//!   corrections belong to the buyer.

pub(crate) mod assigned;
pub(crate) mod sources;
