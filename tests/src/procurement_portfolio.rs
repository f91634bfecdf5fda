//! Writes the portfolio of one buyer from published orders, to try Sonae on real supply.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tests::procurement::{Link, ProcurementError, links_of, read_links, write_portfolio};

/// Write the suppliers of one ministry or agency, and its annual spend with each, as a portfolio
///
/// Scores computed from it are exercises: never publish one together with the name of a real firm.
#[derive(Parser)]
struct Args {
    /// A CSV file with buyer, supplier_corporate_number, total_yen, first_order and last_order
    links: PathBuf,
    /// The name of the buyer, as it is in the file
    buyer: String,
    /// The folder for suppliers.csv and relationships.csv; created if missing
    dir: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (code, text) = match convert(&args) {
        Ok(links) => (ExitCode::SUCCESS, summary(&args.buyer, &links)),
        Err(error @ ProcurementError::File { .. }) => (ExitCode::FAILURE, error.to_string()),
        Err(error) => (ExitCode::FAILURE, format!("{}: {error}", args.links.display())),
    };
    // If nobody listens, the exit code still reports it.
    let _ = writeln!(io::stderr(), "{text}");
    code
}

fn convert(args: &Args) -> Result<Vec<Link>, ProcurementError> {
    let links = links_of(&read_links(&args.links)?, &args.buyer)?;
    write_portfolio(&links, &args.dir)?;
    Ok(links)
}

fn summary(buyer: &str, links: &[Link]) -> String {
    let annual_spend: u64 = links.iter().map(Link::annual_spend_jpy).sum();
    format!("{buyer}: suppliers: {}, annual spend in yen: {annual_spend}", links.len())
}
