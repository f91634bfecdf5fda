//! The command `sonae` and the service: the only crate that knows HTTP, tokens and status codes.

mod app;
mod base;
pub mod cli;
mod demo;
mod files;
mod frames;
mod http;
mod providers;
mod queue;
mod records;
mod resources;
mod routes;

pub use app::{Running, ServeError, serve};
pub use base::config::{Config, ConnectionLimits, DatabaseOptions, Limits, PlaceError};
pub use base::model_file::ModelFileError;
pub use base::store::StoreError;
pub use http::tls::TlsFault;
pub use routes::document;
pub use schema::{Clock, ClockMover};

/// The stable codes of all kinds of problems, as `docs/problems.md` lists them.
pub fn problem_slugs() -> impl Iterator<Item = &'static str> {
    base::problem::ProblemKind::ALL.iter().map(|kind| kind.slug())
}
