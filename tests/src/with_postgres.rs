//! Runs a command with a PostgreSQL of its own, whose address is in `DATABASE_URL`.

use std::env;
use std::error::Error;
use std::process::{Command, ExitCode};

use tests::cluster::Cluster;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = env::args_os().skip(1);
    let program = words.next().ok_or("usage: with-postgres COMMAND [ARGUMENT]...")?;
    let cluster = Cluster::start()?;
    let status = Command::new(program).args(words).env("DATABASE_URL", cluster.create_database()?).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
