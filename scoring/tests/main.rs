//! Holds the model against the examples, against its properties and against a plain-loop twin.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod examples;
mod faults;
mod naive;
mod plain;
mod properties;
mod support;
