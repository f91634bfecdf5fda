//! Tests the model against the examples, against its properties and against a second implementation in plain loops.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests read the examples; the model itself reads nothing")]

mod examples;
mod explanations;
mod faults;
mod indicators;
mod naive;
mod pins;
mod plain;
mod properties;
mod support;
mod threads;
