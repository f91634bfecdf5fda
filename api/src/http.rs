//! What every request passes: the edge, who asks, extractors, paging, the document.

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod compress;
pub(crate) mod connection;
pub(crate) mod docs;
pub(crate) mod edge;
pub(crate) mod extract;
pub(crate) mod framing;
pub(crate) mod gauges;
pub(crate) mod listen;
pub(crate) mod openapi;
pub(crate) mod operations;
pub(crate) mod page;
pub(crate) mod peers;
pub(crate) mod refused;
pub(crate) mod state;
pub(crate) mod tls;
