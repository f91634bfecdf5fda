//! The command `sonae` and the service: the only crate that knows HTTP, tokens and status codes.
//!
//! The rooms (groups of modules), from top to bottom. A room imports itself and the rooms below it, never one above.
//! `.ci/rooms` checks this.
//!
//! | room | what lives there |
//! | --- | --- |
//! | `cli`, `demo` | the terminal: one file per verb, and the demo portfolio |
//! | `app` | puts everything together: settings, store, jobs, two listeners; how the process ends |
//! | `routes` | the table of contents: one line per resource, and the document built from them |
//! | `resources` | one noun, one place: its routes, its views, and the work that it starts |
//! | `records` | what versioned records share: create, read, list, change, retract |
//! | `http` | what every request passes: connections, the edge, authentication, extractors, paging, the document |
//! | `queue` | runs jobs; independent of the resources |
//! | `providers` | what an お助け隊 operator may see and send |
//! | `files` | reads and writes what people keep in spreadsheets |
//! | `frames` | rows and files to data frames and back: the only place that uses polars |
//! | `base` | texts, faults, fields, problems, keys, settings, the store: imported by all |
//!
//! A feature has the same name everywhere: `suppliers` is `resources/suppliers.rs` here, `suppliers.rs` in `schema`,
//! `tests/api/suppliers.rs`, and the tag in the document.

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

/// Answers and frames consist of many small allocations on many threads. This allocator handles them in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub use app::{Running, ServeError, serve};
pub use base::config::{Config, ConnectionLimits, DatabaseOptions, Limits, PlaceError};
pub use base::model_file::ModelFileError;
pub use base::store::StoreError;
pub use http::tls::TlsFault;
pub use routes::document;
pub use schema::{Clock, ClockMover};
pub use scoring::Lang;

/// Returns the stable code, the status and both titles of all kinds of problems, as `docs/problems.md` lists them.
pub fn problem_kinds() -> impl Iterator<Item = (&'static str, u16, [&'static str; 2])> {
    let titles = |kind: base::problem::ProblemKind| [Lang::Ja, Lang::En].map(|lang| kind.title(lang));
    base::problem::ProblemKind::ALL.iter().map(move |kind| (kind.slug(), kind.status().as_u16(), titles(*kind)))
}
