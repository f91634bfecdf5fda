//! Tests that need PostgreSQL servers of their own, or more than one service over one database.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../api/answers.rs"]
mod answers;
mod backup;
mod buyers;
mod cluster;
mod crossing;
mod failures;
mod gate;
mod metrics;
mod parity;
mod pools;
mod processes;
mod restore;
mod round_trips;
mod row_level_security;
#[path = "../api/scrape.rs"]
#[expect(dead_code, reason = "this target uses a part of it")]
mod scrape;
mod settings;
mod slots;
#[path = "../api/support.rs"]
mod support;
#[cfg(feature = "postgres-tls")]
mod tls;
mod upgrades;
