//! Runs `sonae` on folders of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) const EXAMPLES: [&str; 10] =
    ["basics", "limits", "chain", "graph", "portfolio", "other-model", "assessments", "overlap", "recovery", "skewed"];

pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scoring/tests/examples").join(name)
}

/// A folder of CSV files that is removed with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Returns the smallest portfolio: two suppliers about which nothing is known.
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap()).with("suppliers.csv", "supplier_code\nA\nB\n")
    }

    pub(crate) fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn with(self, file: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path().join(file), content).unwrap();
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The command `sonae score DIR --as-of 2026-09-30`, to which arguments can be added.
pub(crate) struct Score(Command);

impl Score {
    pub(crate) fn of(folder: &Path) -> Self {
        Self(sonae()).arg("score").arg(folder).arg("--as-of").arg("2026-09-30")
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.arg(arg);
        self
    }

    pub(crate) fn out(self, path: &Path) -> Self {
        self.arg("--out").arg(path)
    }

    pub(crate) fn english(self) -> Self {
        self.arg("--lang").arg("en")
    }

    /// Adds the model of an example, if it has one.
    pub(crate) fn model_of(self, example: &Path) -> Self {
        let model = example.join("model.toml");
        if model.exists() { self.arg("--model").arg(model) } else { self }
    }

    pub(crate) fn threads(mut self, count: usize) -> Self {
        self.0.env("POLARS_MAX_THREADS", count.to_string()).env("RAYON_NUM_THREADS", count.to_string());
        self
    }

    pub(crate) fn run(mut self) -> Ran {
        Ran(self.0.output().unwrap())
    }
}

pub(crate) fn sonae() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sonae-under-test"));
    for (inherited, _) in std::env::vars_os() {
        let is_read = |name: &str| ["SONAE_", "DATABASE_", "LC_", "LANG"].iter().any(|read| name.starts_with(read));
        if inherited.to_str().is_some_and(is_read) {
            command.env_remove(inherited);
        }
    }
    command
}

/// A command that has ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.0.status.code(), Some(0), "{}", self.stderr());
        self
    }

    /// Asserts that it ended with a code and nothing on standard output. Returns standard error.
    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "{}{}", self.stdout(), self.stderr());
        assert_eq!(self.stdout(), "");
        self.stderr()
    }
}

/// Reads the rows of a CSV file by heading.
pub(crate) fn read_csv(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

/// Reads the headings of a CSV file, in order.
pub(crate) fn headings(path: &Path) -> Vec<String> {
    csv::Reader::from_path(path).unwrap().headers().unwrap().iter().map(str::to_owned).collect()
}
