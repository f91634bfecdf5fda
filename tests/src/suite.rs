//! Runs all tests: on the embedded database, then on a PostgreSQL of their own if its programs are installed.
//!
//! Arguments are passed on to `cargo test`, such as a part of a test's name.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};

use tests::cluster::{Cluster, ClusterError};

fn main() -> io::Result<ExitCode> {
    let sqlite = Outcome::of(cargo_test(&[]))?;
    let (postgres, all_passed) = match Cluster::start() {
        Ok(cluster) => {
            let mut tests = cargo_test(&["--test", "api", "--test", "postgres"]);
            tests.env(SERVER, cluster.url("postgres")).env(SERVER_ADMIN, cluster.admin_url("postgres"));
            let outcome = Outcome::of(tests)?;
            (format!(" {}: {outcome}", cluster.version()), outcome.passed_all)
        }
        Err(error) => (format!(": not run: {error}"), matches!(error, ClusterError::NoPrograms)),
    };
    writeln!(io::stdout(), "\nSQLite: {sqlite}\nPostgreSQL{postgres}")?;
    Ok(if sqlite.passed_all && all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The variables that name the server for test databases, as the role that owns them and as the superuser.
const SERVER: &str = "SONAE_TEST_POSTGRES";
const SERVER_ADMIN: &str = "SONAE_TEST_POSTGRES_ADMIN";

/// Returns `cargo test` over the whole workspace, so that everything is compiled once, with some of its targets or all.
fn cargo_test(targets: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(targets).args(env::args_os().skip(1));
    command.env_remove(SERVER).env_remove(SERVER_ADMIN);
    command
}

/// The outcome of the tests on one back end.
#[derive(Default)]
struct Outcome {
    passed: u64,
    failed: u64,
    seconds: f64,
    passed_all: bool,
}

impl Outcome {
    /// Runs tests and shows their output as it comes.
    fn of(mut tests: Command) -> io::Result<Self> {
        let mut child = tests.stdout(Stdio::piped()).spawn()?;
        let mut outcome = Self::default();
        let mut said = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        let mut line = Vec::new();
        while said.read_until(b'\n', &mut line)? > 0 {
            io::stdout().write_all(&line)?;
            outcome.add(&String::from_utf8_lossy(&line));
            line.clear();
        }
        outcome.passed_all = child.wait()?.success();
        Ok(outcome)
    }

    /// Adds the result in a line: `test result: ok. 12 passed; 0 failed; 0 ignored; …; finished in 0.52s`.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let number = |before: &str, after: &str| {
            let part = result.trim_end().split("; ").find_map(|part| part.strip_suffix(after))?;
            part.rsplit(before).next()
        };
        let count = |what| number(" ", what).and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        self.passed += count(" passed");
        self.failed += count(" failed");
        self.seconds += number("finished in ", "s").and_then(|seconds| seconds.parse::<f64>().ok()).unwrap_or_default();
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = match (self.failed, self.passed_all) {
            (0, true) => String::new(),
            (0, false) => ", and cargo failed".to_owned(),
            (failed, _) => format!(", {failed} FAILED"),
        };
        write!(out, "{} passed{failed} in {:.0} s", self.passed, self.seconds)
    }
}
