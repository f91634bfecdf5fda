//! Writes a made-up portfolio of any size, to measure with.

use std::io;
use std::path::PathBuf;

use clap::Parser;
use tests::Size;

/// Write a made-up portfolio into a folder, the same bytes each time
#[derive(Parser)]
struct Args {
    /// The folder, which is made where it does not exist
    dir: PathBuf,
    /// How many suppliers
    #[arg(long, default_value_t = 100_000)]
    suppliers: u32,
    /// How many rows between suppliers, beside one in ten to the buyer
    #[arg(long, default_value_t = 1_000_000)]
    edges: u32,
    /// How many rows of incidents
    #[arg(long, default_value_t = 1_000_000)]
    incidents: u32,
}

fn main() -> io::Result<()> {
    let Args { dir, suppliers, edges, incidents } = Args::parse();
    Size { suppliers, edges, incidents }.write(&dir)
}
