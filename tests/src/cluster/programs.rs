//! Finds the programs of a PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The oldest major version on which Sonae runs.
pub(super) const OLDEST: u32 = 15;

/// The programs of one installation.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    pub(super) version: String,
    major: u32,
}

impl Programs {
    /// Finds the programs: in `PG_BIN` if it is set; otherwise where `pg_config` says, the newest that a package has
    /// installed, or those of the `PATH`.
    pub(super) fn find() -> Option<Self> {
        if let Some(folder) = env::var_os("PG_BIN") {
            return Self::in_folder(folder.into());
        }
        let path: Vec<_> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
        let places = [configured().into_iter().collect(), packaged(), path];
        places.into_iter().find_map(|place| place.into_iter().filter_map(Self::in_folder).max_by_key(|it| it.major))
    }

    /// Returns the programs of a folder, unless one is missing, too old, or another program of the same name.
    fn in_folder(folder: PathBuf) -> Option<Self> {
        version(&folder, "initdb").and_then(|_| version(&folder, "pg_ctl"))?;
        let version = version(&folder, "postgres")?;
        let major = version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()?;
        (major >= OLDEST).then_some(Self { folder, version, major })
    }
}

/// Returns the version that a program reports: `initdb (PostgreSQL) 15.18 (Debian …)`.
fn version(folder: &Path, program: &str) -> Option<String> {
    let said = Command::new(folder.join(program)).arg("--version").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let version = said.strip_prefix(program)?.strip_prefix(" (PostgreSQL) ")?;
    version.split_whitespace().next().map(str::to_owned)
}

fn configured() -> Option<PathBuf> {
    let said = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(String::from_utf8(said.stdout).ok()?.trim().into())
}

/// Returns the folders of Debian, Red Hat and Homebrew: one for each version.
fn packaged() -> Vec<PathBuf> {
    let places = [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@")];
    let entries = places.into_iter().flat_map(|(parent, prefix)| {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
    });
    entries.map(|entry| entry.path().join("bin")).collect()
}
