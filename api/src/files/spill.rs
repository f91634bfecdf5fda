//! A temporary store for bytes: in memory while they are few, otherwise on the disk, as long as that has space.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

/// The number of bytes that stay in memory.
const MAX_BYTES_IN_MEMORY: usize = 4 << 20;
/// The number of bytes after which the free space is checked again.
const BYTES_BETWEEN_CHECKS: u64 = 4 << 20;
/// How much of the disk is left free: at most this many bytes, and on a small disk one part in `FREE_PART`.
const MAX_FREE_BYTES: u64 = 256 << 20;
const FREE_PART: u64 = 20;

/// A temporary file without a name.
pub(crate) struct Spill {
    file: SpooledTempFile,
    written: u64,
    asked_at: u64,
}

impl Default for Spill {
    fn default() -> Self {
        Self { file: SpooledTempFile::new(MAX_BYTES_IN_MEMORY), written: 0, asked_at: 0 }
    }
}

/// Whether the disk for temporary files can take this many bytes and still keep some space free for everything else.
pub(crate) fn has_room(bytes: u64) -> io::Result<bool> {
    let disk = rustix::fs::statvfs(std::env::temp_dir())?;
    let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let left = MAX_FREE_BYTES.min(all / FREE_PART);
    Ok(bytes <= MAX_BYTES_IN_MEMORY as u64 || free.saturating_sub(left) >= bytes)
}

impl Write for Spill {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.written + bytes.len() as u64;
        if written > MAX_BYTES_IN_MEMORY as u64 && written >= self.asked_at {
            // The bytes held in memory are written together with the first bytes that do not fit there.
            if !has_room(BYTES_BETWEEN_CHECKS + MAX_BYTES_IN_MEMORY as u64)? {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.asked_at = written + BYTES_BETWEEN_CHECKS;
        }
        let count = self.file.write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for Spill {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Spill {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
