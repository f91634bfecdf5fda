//! The file of `--out`: checked and opened before any work, and at the end either complete or absent.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use scoring::Lang;
use tempfile::NamedTempFile;

use super::Failure;

/// A format, by the extension of a file's name.
#[derive(Debug, Clone, Copy)]
pub(super) enum OutputFormat {
    Csv,
    Xlsx,
    Parquet,
}

/// A file that gets its name when it is complete.
pub(super) struct Target {
    pub(super) format: OutputFormat,
    /// As the user wrote it.
    pub(super) shown: PathBuf,
    /// The target of the path, if that is a link.
    path: PathBuf,
    unfinished: NamedTempFile,
}

impl Target {
    /// Opens a file next to `path`, which must be none of the `inputs`.
    pub(super) fn open(path: &Path, inputs: &[PathBuf], lang: Lang) -> Result<Self, Failure> {
        let shown = path.display();
        let usage = |ja: &str, en: &str| {
            Failure::Usage(lang.pick(format!("--out {shown}: {ja}"), format!("--out {shown}: {en}")))
        };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let format = match ending.to_ascii_lowercase().as_str() {
            "csv" => OutputFormat::Csv,
            "xlsx" => OutputFormat::Xlsx,
            "parquet" => OutputFormat::Parquet,
            _ => {
                return Err(usage(
                    "名前の末尾は .csv、.xlsx、.parquet のいずれかにしてください",
                    "the name must end in .csv, .xlsx or .parquet",
                ));
            }
        };
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == target)) {
            return Err(usage("入力のファイルには書き込めません", "this is an input file; name another one"));
        }
        if target.exists() && !target.is_file() {
            return Err(usage("通常のファイルではありません", "not a regular file; name another one"));
        }
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let unfinished = unfinished_file(folder).map_err(|error| {
            usage(
                &format!("ここにはファイルを作れません（{}）", error.kind()),
                &format!("no file can be created there ({})", error.kind()),
            )
        })?;
        remove_when_interrupted(unfinished.path().to_owned());
        Ok(Self { format, shown: path.to_owned(), path: target, unfinished })
    }

    pub(super) fn file(&self) -> &File {
        self.unfinished.as_file()
    }

    /// Gives the file its name, and the permissions of the one it replaces.
    pub(super) fn finish(self) -> io::Result<()> {
        if let Ok(replaced) = fs::metadata(&self.path) {
            self.unfinished.as_file().set_permissions(replaced.permissions())?;
        }
        self.unfinished.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Creates a file that does not have its name yet. Others may read it as far as the process allows.
fn unfinished_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sonae-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Removes the file on a signal, which ends the process without running destructors.
fn remove_when_interrupted(path: PathBuf) {
    const INTERRUPTED_EXIT_CODE: i32 = 130;
    // Without a handler, only an interrupted run leaves its file behind.
    let _ = ctrlc::set_handler(move || {
        let _ = fs::remove_file(&path);
        std::process::exit(INTERRUPTED_EXIT_CODE);
    });
}
