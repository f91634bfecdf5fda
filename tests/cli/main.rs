//! The command line as a user runs it: files in, files, text and exit codes out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod bad_input;
mod demo;
mod deployment;
mod determinism;
mod outputs;
mod procurement;
mod report;
mod settings;
mod snapshots;
mod support;
