//! What the service needs from its machine: private files, enough open files, and space on the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use tracing::warn;

use crate::base::config::SERVER_NOTE_FILE;

/// The file in which the process of an embedded database notes the progress of its jobs. An import holds the database's
/// writer the whole time, so the database cannot hold it.
pub(crate) const PROGRESS_FILE: &str = "job-progress.json";

/// The names of Sonae's own files in the data folder. Anything else there belongs to somebody else.
pub(crate) const OWN_FILES: [&str; 8] =
    ["keys", "serve.lock", "sonae.db", "sonae.db-shm", "sonae.db-wal", PROGRESS_FILE, RESERVE_FILE, SERVER_NOTE_FILE];
/// A file that only takes up space. On a full disk it is removed, so that the database has the space that it needs to
/// open.
const RESERVE_FILE: &str = "sonae.reserve";
const RESERVE_BYTES: usize = 1 << 20;

/// Makes all files that the process creates from now on private to its owner.
pub(crate) fn hide_new_files() {
    #[cfg(unix)]
    {
        use rustix::fs::Mode;
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
}

/// Raises the limit of open files as far as the process may, and returns it.
pub(crate) fn raise_open_files() -> u64 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, ..limit };
        let limit = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
        limit.current.unwrap_or(u64::MAX)
    }
    #[cfg(not(unix))]
    u64::MAX
}

/// Returns the limit of open files, or `None` if the machine does not tell.
pub(crate) fn max_open_files() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    None
}

/// The resources that the process uses, as Linux shows them in /proc.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessFigures {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) virtual_bytes: u64,
    pub(crate) open_files: u64,
    pub(crate) threads: u64,
}

impl ProcessFigures {
    /// Returns `None` if the machine does not tell.
    pub(crate) fn look() -> Option<Self> {
        // Linux counts in hundredths of a second here, regardless of its own clock.
        const TICKS_PER_SECOND: f64 = 100.0;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the command, which may contain spaces and brackets. The rest begins with the third field.
        let (_, rest) = stat.rsplit_once(')')?;
        let ticks = rest.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
        Some(Self {
            cpu_seconds: ticks as f64 / TICKS_PER_SECOND,
            resident_bytes: field("VmRSS")? << 10,
            virtual_bytes: field("VmSize")? << 10,
            open_files: fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            threads: field("Threads")?,
        })
    }
}

/// Returns the free bytes on the disk of a folder, or `None` if the machine does not tell.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let space = rustix::fs::statvfs(folder).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}

/// Identifies the file behind a name, so that its replacement by another file is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

pub(crate) fn file_id(path: &Path) -> io::Result<FileId> {
    let file = fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(FileId(file.dev(), file.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(FileId(0, 0))
    }
}

/// Makes sure that only the owner can read Sonae's files in a data folder: corrects permissions, or refuses.
pub(crate) fn hide(folder: &Path) -> io::Result<()> {
    let keys = folder.join("keys");
    let mut is_shared = false;
    for entry in fs::read_dir(folder).map_err(naming(folder))? {
        let entry = entry?;
        match OWN_FILES.iter().find(|own| entry.file_name() == **own) {
            Some(_) => take_from_others(&entry.path())?,
            None => is_shared = true,
        }
    }
    if keys.is_dir() {
        for key in fs::read_dir(&keys).map_err(naming(&keys))? {
            take_from_others(&key?.path())?;
        }
    }
    if !is_shared {
        return take_from_others(folder);
    }
    // A folder that contains more than Sonae's data may be readable by others, as long as they cannot add files to it.
    if others_may(folder, 0o022)? {
        return Err(refusal(
            folder,
            "others may write there, and it holds more than Sonae's data; name a folder of its own",
        ));
    }
    Ok(())
}

#[cfg(unix)]
fn others_may(path: &Path, bits: u32) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::metadata(path)?.permissions().mode() & bits != 0)
}

#[cfg(unix)]
fn take_from_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(naming(path))?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)) {
        Ok(()) => {
            warn!(path = %path.display(), "other users of this machine could reach this; now its owner alone can");
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            warn!(path = %path.display(), "other users of this machine can reach this, and its disk is read-only");
            Ok(())
        }
        Err(error) => {
            let text = format!(
                "other users of this machine can reach it, and its permissions cannot be changed ({error}); \
                                have its owner run chmod go= on it"
            );
            Err(refusal(path, &text))
        }
    }
}

#[cfg(not(unix))]
fn others_may(_: &Path, _: u32) -> io::Result<bool> {
    Ok(false)
}

#[cfg(not(unix))]
fn take_from_others(_: &Path) -> io::Result<()> {
    Ok(())
}

fn refusal(path: &Path, text: &str) -> io::Error {
    io::Error::other(format!("{}: {text}", path.display()))
}

/// What to do if a file of the data folder cannot be read or written; appended to the error.
pub(crate) const FILE_OWNER_ADVICE: (&str, &str) = (
    "。別のユーザーが所有している可能性があります。sudo chown -R でサービスのユーザーを所有者にしてください",
    "; another user may own it: give it to the user of the service with sudo chown -R",
);

/// Adds the path of the file to an error.
pub(crate) fn naming(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Creates the database file before the database does, so that it is private from the first byte.
pub(crate) fn make_database_file(folder: &Path) -> io::Result<()> {
    let path = folder.join("sonae.db");
    match private_file().create_new(true).open(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(naming(&path)(error)),
        _ => Ok(()),
    }
}

/// Returns the options for opening private files.
pub(crate) fn private_file() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reserves some space for the next start. If there is no space, nothing is reserved.
pub(crate) fn keep_reserve(folder: &Path) {
    let path = folder.join(RESERVE_FILE);
    let Ok(mut file) = private_file().create_new(true).open(&path) else { return };
    // Not zeros, because some file systems store those without using space.
    let block: Vec<u8> = (0..RESERVE_BYTES).map(|place| (place * 31 % 251) as u8).collect();
    if file.write_all(&block).and_then(|()| file.sync_all()).is_err() {
        let _ = fs::remove_file(&path);
    }
}

/// Releases the reserved space. Returns whether there was any.
pub(crate) fn give_up_reserve(folder: &Path) -> bool {
    fs::remove_file(folder.join(RESERVE_FILE)).is_ok()
}

/// Writes a little next to the database, as the database would, and removes it again.
pub(crate) fn try_writing(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&[0x5a; 8 << 10])?;
    file.as_file().sync_all()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_others_could_reach_is_taken_from_them() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        fs::create_dir(&keys).unwrap();
        for file in [folder.path().join("sonae.db"), folder.path().join("sonae.db-wal"), keys.join("a.p8")] {
            fs::write(&file, "x").unwrap();
            set_mode(&file, 0o644);
        }
        set_mode(&keys, 0o755);
        set_mode(folder.path(), 0o755);

        hide(folder.path()).unwrap();
        assert_eq!((mode(folder.path()), mode(&keys)), (0o700, 0o700));
        assert_eq!((mode(&folder.path().join("sonae.db")), mode(&keys.join("a.p8"))), (0o600, 0o600));
    }

    #[test]
    fn a_folder_that_holds_more_stays_as_it_is_and_is_refused_where_others_may_write() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("other"), "x").unwrap();
        set_mode(folder.path(), 0o755);
        hide(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o755);

        set_mode(folder.path(), 0o777);
        assert!(hide(folder.path()).unwrap_err().to_string().contains("name a folder of its own"));
    }

    #[test]
    fn the_reserve_takes_room_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        keep_reserve(folder.path());
        assert_eq!(fs::metadata(folder.path().join(RESERVE_FILE)).unwrap().len(), RESERVE_BYTES as u64);
        assert!(give_up_reserve(folder.path()) && !give_up_reserve(folder.path()));
    }
}
