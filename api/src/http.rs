//! What every request passes, in this order: `listen` and `connection` hold it to its pace and size before anything is
//! parsed, `edge` gives it an id, counts and logs it and turns every error into a problem, `auth` finds out who asks,
//! and the extractors in `extract` and `page` read what was asked for. Handlers are in `resources`.
//!
//! What must hold:
//!
//! - **The role stands in the signature.** A handler that takes [`auth::Viewer`] is reached by the roles of that type
//!   only; it is the first argument, so that nothing of a request is read for somebody who may not ask.
//! - **A token says who it is; the database says whether it is still good.** Revoked tokens and suspended buyers are
//!   refused with the next request.
//! - **A tenant's rows are reached with its own token only**: the tenant of a transaction is that of the caller, and
//!   handlers name none.
//! - **Everything is bounded**: head, body, pace, members, values, parameters, pages, connections of an address. Work
//!   for a request is linear in its size.
//! - **Nothing of a request's content is logged**, and no label of a metric holds what a client chose.
//!
//! `state` is what handlers share; `openapi` completes the document that the annotations of handlers begin;
//! `operations` reads from it which methods a path takes; `admin` is the other listener, with health and metrics, for
//! the machine alone.

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
