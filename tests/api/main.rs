//! Tests of the service, over HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod answers;
mod backup;
mod clock;
mod connections;
mod contract;
mod csv_files;
mod disk;
mod document;
mod edge;
mod evidence;
mod exports;
mod files;
mod guides;
mod identity;
mod imports;
mod keys;
mod limits;
mod lists;
mod metrics;
mod migrations;
mod own;
mod portfolio;
mod queue;
mod rescoring;
mod scores;
mod scrape;
mod snapshots;
mod submissions;
mod suppliers;
mod support;
mod survival;
mod text_files;
mod tokens;
mod traces;
mod uploads;
mod workbooks;
