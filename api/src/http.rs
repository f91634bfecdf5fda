//! What every request passes, in this order. `listen` and `connection` limit its pace and size before anything is
//! parsed. `edge` gives it an id, counts and logs it, and turns every error into a problem. `auth` authenticates the
//! caller. The extractors in `extract` and `page` read the request. Handlers are in `resources`.
//!
//! Invariants:
//!
//! - **The role is in the signature.** A handler that takes [`auth::Viewer`] is reached only by the roles of that type.
//!   It is the first argument, so nothing of a request is read for a caller without the role.
//! - **A token says who the caller is; the database says whether the token is still valid.** Revoked tokens and
//!   suspended buyers are refused within a second (see `known_tokens`).
//! - **A tenant's rows are reached only with its own token.** The tenant of a transaction is that of the caller, and
//!   handlers name none.
//! - **Everything is bounded**: head, body, pace, members, values, parameters, pages, connections of an address. The
//!   work for a request is linear in its size.
//! - **The content of a request is never logged**, and no label of a metric contains text chosen by a client.
//!
//! `state` is shared by all handlers. `openapi` completes the document that the annotations of handlers begin.
//! `operations` reads from it which methods a path has. `admin` is the other listener, with health and metrics, for
//! this machine only.

pub(crate) mod admin;
pub(crate) mod auth;
pub(crate) mod caller;
pub(crate) mod compress;
pub(crate) mod connection;
pub(crate) mod docs;
pub(crate) mod edge;
pub(crate) mod extract;
pub(crate) mod framing;
pub(crate) mod gauges;
pub(crate) mod known_tokens;
pub(crate) mod listen;
pub(crate) mod openapi;
pub(crate) mod operations;
pub(crate) mod page;
pub(crate) mod peers;
pub(crate) mod refused;
pub(crate) mod state;
pub(crate) mod tls;
