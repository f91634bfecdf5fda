//! Measures the service against the limits of the machine: `cargo run --release -p tests --bin bench`.
//!
//! Each measurement is done several times, each time in a process of its own: the service, or this program with the
//! subcommand `bare`, which does the same without the service. Goals are in `goals.rs`; the page for readers is
//! `docs/operate/performance.md`.

mod bare;
mod cells;
mod goals;
mod installation;
mod load;
mod observation;
mod portfolio;
mod report;
mod service;
mod stage;
mod work;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use tests::cluster::Cluster;

use crate::bare::Bare;
use crate::goals::{GOALS, Work};
use crate::installation::Site;
use crate::observation::Verdict;
use crate::portfolio::{Counts, Portfolio};
use crate::report::Report;
use crate::stage::Stage;

/// Why a measurement has no result.
type Failure = Box<dyn Error>;

/// Measure the service against the limits of the machine
///
/// Ends with exit code 1 if a goal is missed, and names each missed goal.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many times each measurement is done
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// The size of the portfolio
    #[arg(long, value_enum, default_value = "full")]
    size: Size,
    /// The databases to measure on
    #[arg(long, value_enum, default_value = "both")]
    backend: Backends,
    /// Measure only these goals, and those that come from the same measurements
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    only: Vec<String>,
    /// Write the results to a file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the results to docs/operate/performance.md
    #[arg(long)]
    write_docs: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Do the same work without the service
    #[command(hide = true)]
    Bare {
        #[command(subcommand)]
        bare: Bare,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Size {
    /// 5,000 suppliers: a check that everything runs
    Small,
    /// 100,000 suppliers: the size of the goals
    Full,
}

impl Size {
    /// Returns how many suppliers `sonae score` reads.
    fn file_suppliers(self) -> u32 {
        match self {
            Self::Small => 20_000,
            Self::Full => 1_000_000,
        }
    }

    fn counts(self) -> Counts {
        match self {
            Self::Small => Counts { suppliers: 5000, relationships: 15_000, incidents: 50_000 },
            Self::Full => Counts { suppliers: 100_000, relationships: 300_000, incidents: 1_000_000 },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backends {
    Sqlite,
    Postgres,
    Both,
}

/// The name under which this program is the command `sonae`: both are built together.
const SONAE: &str = "sonae";

fn main() -> ExitCode {
    if std::env::args_os().next().is_some_and(|name| name == SONAE) {
        return api::cli::main();
    }
    let args = Args::parse();
    let ended = match &args.command {
        Some(Command::Bare { bare }) => bare.run().map(|()| true),
        None => measure(&args),
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // If nobody listens, the exit code still reports it.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and reports. Returns whether all goals are met.
fn measure(args: &Args) -> Result<bool, Failure> {
    let works = works(&args.only)?;
    let folder = tempfile::Builder::new().prefix("sonae-bench-").tempdir()?;
    let portfolio = Portfolio::write(args.size.counts(), folder.path())?;
    let mut verdicts = Vec::new();
    if works.contains(&Work::Files) {
        writeln!(io::stderr(), "{:?}", Work::Files)?;
        let observations = work::files::measure(args.size.file_suppliers(), args.runs, folder.path())?;
        verdicts.extend(observations.iter().filter_map(|observation| Verdict::new(observation, "none")));
    }
    if args.backend != Backends::Postgres {
        let site = Site { folder: folder.path(), cluster: None };
        measure_on("SQLite", &works, &Stage::new(site, &portfolio, args.runs), &mut verdicts)?;
    }
    let cluster = if args.backend == Backends::Sqlite { None } else { Some(Cluster::with(&SERVER)?) };
    if let Some(cluster) = &cluster {
        let site = Site { folder: folder.path(), cluster: Some(cluster) };
        measure_on("PostgreSQL", &works, &Stage::new(site, &portfolio, args.runs), &mut verdicts)?;
    }
    let report = Report::new(portfolio.counts, args.runs, cluster.as_ref().map(Cluster::version), verdicts);
    if let Some(file) = &args.json {
        fs::write(file, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    if args.write_docs {
        report.write_docs()?;
    }
    write!(io::stdout(), "{}", report.table())?;
    let missed = report.missed();
    if !missed.is_empty() {
        writeln!(io::stdout(), "\nmissed: {}", missed.join(", "))?;
    }
    Ok(missed.is_empty())
}

/// The settings of a server in production: commits are durable.
const SERVER: [(&str, &str); 5] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("shared_buffers", "1GB"),
    ("max_wal_size", "8GB"),
];

fn measure_on(
    backend: &'static str,
    works: &[Work],
    stage: &Stage<'_>,
    verdicts: &mut Vec<Verdict>,
) -> Result<(), Failure> {
    for work in works.iter().filter(|work| **work != Work::Files) {
        writeln!(io::stderr(), "{backend}: {work:?}")?;
        let observations = work.measure(stage).map_err(|error| format!("{backend}: {work:?}: {error}"))?;
        verdicts.extend(observations.iter().filter_map(|observation| Verdict::new(observation, backend)));
    }
    Ok(())
}

/// Returns the measurements that give the goals with these names, or all.
fn works(names: &[String]) -> Result<Vec<Work>, Failure> {
    let known: Vec<&str> = GOALS.iter().map(|goal| goal.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("--only {unknown}: use one of {}", known.join(", ")).into());
    }
    let asked = GOALS.iter().filter(|goal| names.is_empty() || names.iter().any(|name| name == goal.name));
    let mut works: Vec<Work> = asked.map(|goal| goal.work).collect();
    works.dedup();
    Ok(works)
}
