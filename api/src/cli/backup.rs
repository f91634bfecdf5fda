//! `sonae backup`: the keys and the embedded database, copied while the service runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use schema::{DatabasePlace, copy_embedded};
use scoring::Lang;

use super::{COMMAND_WRITER_TIMEOUT, DataFolder, Failure};
use crate::base::keys::private_folder;
use crate::base::machine::hide_new_files;

/// Copy the keys and the embedded database into a new folder
///
/// The service may run meanwhile. The new folder is a data folder: `sonae serve --data DIR` serves it. Of an installation
/// on a PostgreSQL server only the keys are copied; pg_dump copies the database.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to create; it appears complete or not at all
    dir: PathBuf,
    #[command(flatten)]
    data: DataFolder,
}

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    let usage = |ja: String, en: String| Failure::Usage(lang.pick(ja, en));
    let (dir, shown) = (&args.dir, args.dir.display());
    if dir.symlink_metadata().is_ok() {
        return Err(usage(
            format!("{shown} は既にあります。新しい名前を指定してください"),
            format!("{shown} already exists; name a new folder"),
        ));
    }
    let data = &args.data.data;
    if !data.join("keys").is_dir() {
        return Err(usage(
            format!("{} はSonaeのデータフォルダーではありません。--data で指定してください", data.display()),
            format!("{} is not a data folder of Sonae; name one with --data", data.display()),
        ));
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_inside = |data: &Path| parent.canonicalize().is_ok_and(|parent| parent.starts_with(data));
    if data.canonicalize().is_ok_and(|data| is_inside(&data)) {
        return Err(usage(
            format!("{shown} はデータフォルダーの中です。別の場所、できれば別のディスクを指定してください"),
            format!("{shown} is inside the data folder; name a folder elsewhere, preferably on another disk"),
        ));
    }
    let place = args.data.place(lang)?;
    hide_new_files();
    let unfinished = tempfile::Builder::new().prefix(".sonae-backup-").tempdir_in(parent).map_err(|error| {
        usage(format!("{shown} を作れません（{error}）"), format!("{shown} cannot be created ({error})"))
    })?;
    // The keys are copied last, so that no key is missing that signed a token in the database.
    if let DatabasePlace::Folder(folder) = &place {
        let copy = unfinished.path().join("sonae.db");
        copy_embedded(folder, &copy, COMMAND_WRITER_TIMEOUT)?;
        File::open(&copy)?.sync_all()?;
    }
    let count = copy_keys(data, unfinished.path())?;
    sync_folder(unfinished.path())?;
    fs::rename(unfinished.path(), dir)?;
    sync_folder(parent)?;
    // The folder has been renamed and must not be removed.
    let _ = unfinished.keep();
    if matches!(place, DatabasePlace::Server { .. }) {
        let text = lang.pick(
            "データベースはサーバーにあります。pg_dump で別に保存してください",
            "the database is on a server; save it with pg_dump as well",
        );
        super::note(text, lang);
        return super::print(&lang.pick(format!("{shown}: 鍵 {count}個\n"), format!("{shown}: keys: {count}\n")));
    }
    let ja = format!("{shown}: データベースと鍵 {count}個\n");
    super::print(&lang.pick(ja, format!("{shown}: the database, and keys: {count}\n")))
}

/// Copies the keys of a data folder and returns how many there are.
fn copy_keys(from: &Path, to: &Path) -> io::Result<usize> {
    let (from, to) = (from.join("keys"), to.join("keys"));
    private_folder(&to)?;
    let mut count = 0;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|ending| ending == "p8")) else {
            continue;
        };
        let copy = to.join(name);
        fs::copy(&path, &copy)?;
        File::open(&copy)?.sync_all()?;
        count += 1;
    }
    sync_folder(&to)?;
    Ok(count)
}

/// Makes sure that the names in a folder survive a loss of power.
fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    let _ = folder;
    Ok(())
}
