//! Tests that need PostgreSQL servers of their own, or more than one service over one database.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod backup;
mod buyers;
mod cluster;
mod crossing;
mod failures;
mod gate;
mod parity;
mod processes;
mod settings;
#[path = "../api/support.rs"]
mod support;
#[cfg(feature = "postgres-tls")]
mod tls;
mod wall;
