//! The limits with which the service is compared: only the database, or only actix-web. Each runs in a process of its
//! own.

mod files;
mod handler;
mod insert;
mod results;
mod scan;
mod workbook;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Subcommand;
use serde::{Deserialize, Serialize};

pub(crate) use handler::{Handler, SERVED};

use crate::Failure;
use crate::installation::{Installation, run};
use crate::service::memory_bytes;

/// The bare work of a process that the bench starts.
#[derive(Debug, Subcommand)]
pub(crate) enum Bare {
    /// Insert the rows that a database has and another one lacks
    Insert { from: String, to: String },
    /// Insert fictitious results into a new table
    Results { to: String, count: u32 },
    /// Read the rows of incidents, one after the other
    Scan { from: String },
    /// Read the files of a portfolio and write results, with polars
    Copy { from: String, results: String, to: String },
    /// Group the incidents and relationships of a portfolio, with polars
    Group { from: String },
    /// Multiply the matrix of the relationships of a portfolio with a vector
    Product { from: String, threads: usize, times: u32 },
    /// Write the cells of a workbook into another one
    Workbook { from: PathBuf },
    /// Answer every request with the same bytes
    Handler { content_type: String },
}

/// The cost of bare work.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Took {
    /// Only the work itself: without connecting, and without reading the rows that are inserted.
    pub(crate) seconds: f64,
    pub(crate) rows: u64,
    pub(crate) peak_bytes: f64,
}

impl Took {
    fn new(time: Duration, rows: u64) -> Result<Self, Failure> {
        Ok(Self { seconds: time.as_secs_f64(), rows, peak_bytes: memory_bytes("self", "VmHWM")? })
    }
}

impl Bare {
    /// Does the work, in the process that was started for it.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let took = match self {
            Self::Insert { from, to } => insert::run(from, to)?,
            Self::Results { to, count } => results::run(to, *count)?,
            Self::Scan { from } => scan::run(from)?,
            Self::Copy { from, results, to } => files::copy(from, results, to)?,
            Self::Group { from } => files::group(from)?,
            Self::Product { from, threads, times } => files::product(from, *threads, *times)?,
            Self::Workbook { from } => workbook::write(from)?,
            Self::Handler { content_type } => return handler::serve(content_type),
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&took)?)?;
        Ok(())
    }
}

/// Inserts the rows that one installation has and another one lacks, with the same tables and indexes, in one
/// transaction.
pub(crate) fn insert(from: &Installation<'_>, to: &Installation<'_>) -> Result<Took, Failure> {
    process(&["insert", &from.address(), &to.address()])
}

/// Inserts made-up results into a table of its own in an installation, in one transaction.
pub(crate) fn results(to: &Installation<'_>, count: u32) -> Result<Took, Failure> {
    process(&["results", &to.address(), &count.to_string()])
}

/// Steps over all incidents of an installation.
pub(crate) fn scan(from: &Installation<'_>) -> Result<Took, Failure> {
    process(&["scan", &from.address()])
}

/// Reads the files of a portfolio and writes existing results.
pub(crate) fn copy(from: &str, results: &str, to: &str) -> Result<Took, Failure> {
    process(&["copy", from, results, to])
}

/// Groups the incidents and relationships of a portfolio.
pub(crate) fn group(from: &str) -> Result<Took, Failure> {
    process(&["group", from])
}

/// Multiplies the matrix of the relationships with a vector. Returns the time of one product.
pub(crate) fn product(from: &str, threads: usize) -> Result<Took, Failure> {
    process(&["product", from, &threads.to_string(), "20"])
}

/// Writes the cells of a workbook, in constant memory.
pub(crate) fn workbook(from: &Path) -> Result<Took, Failure> {
    process(&["workbook", from.to_str().ok_or("no UTF-8")?])
}

fn process(arguments: &[&str]) -> Result<Took, Failure> {
    let said = run(Command::new(std::env::current_exe()?).arg("bare").args(arguments))?;
    Ok(serde_json::from_str(&said)?)
}

/// Returns whether an address is that of a server.
fn is_server(address: &str) -> bool {
    address.starts_with("postgres://")
}
