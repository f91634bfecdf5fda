//! Tests that need PostgreSQL servers of their own, or more than one service over one database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
