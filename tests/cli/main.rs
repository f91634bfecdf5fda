//! The command line as a user runs it: files in, files, text and exit codes out.

mod bad_input;
mod determinism;
mod outputs;
mod report;
mod support;
