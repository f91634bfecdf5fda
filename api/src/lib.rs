//! The command `sonae` and the service: the only crate that knows HTTP, tokens and status codes.

mod auth;
mod certifications;
pub mod cli;
mod compress;
mod config;
mod demo;
mod docs;
mod edge;
mod enrollments;
mod exports;
mod extract;
mod fault;
mod fields;
mod files;
mod frames;
mod imports;
mod incidents;
mod jobs;
mod openapi;
mod overview;
mod own;
mod page;
mod portfolio;
mod problem;
mod provider_assignments;
mod records;
mod relationships;
mod routes;
mod score_runs;
mod scores;
mod service;
mod services;
mod settings;
mod state;
mod submissions;
mod supplier_codes;
mod suppliers;
mod telemetry;

pub use config::{Config, ConnectionLimits, DatabaseOptions, Limits, PlaceError};
pub use schema::{Clock, ClockMover};
pub use service::{Running, ServeError, document, serve};

/// The stable codes of all kinds of problems, as `docs/problems.md` lists them.
pub fn problem_slugs() -> impl Iterator<Item = &'static str> {
    problem::ProblemKind::ALL.iter().map(|kind| kind.slug())
}
