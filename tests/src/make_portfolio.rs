//! Writes a made-up portfolio of any size, to measure with.

use std::io;
use std::path::PathBuf;

use clap::Parser;
use tests::Size;

/// Write a fictitious portfolio into a folder; the same options give the same bytes
#[derive(Parser)]
struct Args {
    /// The folder; created if missing
    dir: PathBuf,
    /// The number of suppliers
    #[arg(long, default_value_t = 100_000)]
    suppliers: u32,
    /// The number of relationships between suppliers; in addition, one supplier in ten supplies the buyer
    #[arg(long, default_value_t = 1_000_000)]
    edges: u32,
    /// The number of rows of incidents
    #[arg(long, default_value_t = 1_000_000)]
    incidents: u32,
}

fn main() -> io::Result<()> {
    let Args { dir, suppliers, edges, incidents } = Args::parse();
    Size { suppliers, edges, incidents }.write(&dir)
}
