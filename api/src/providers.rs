//! What a provider (お助け隊 operator) may see and send.

pub(crate) mod assigned;
pub(crate) mod sources;
