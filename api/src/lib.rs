//! Sonae's interfaces: the command line today, HTTP and pages in time.

pub mod cli;
mod files;
mod frames;
mod overview;
