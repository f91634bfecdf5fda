//! Bytes for a while: in memory while they are few, on the disk beyond that, as long as it has room.

use std::io::{self, Read, Seek, SeekFrom, Write};

use tempfile::SpooledTempFile;

/// As many bytes stay in memory.
const IN_MEMORY: usize = 4 << 20;
/// After as many bytes the free space is asked for again.
const BETWEEN: u64 = 4 << 20;
/// The most that is left free, and which part of a small disk.
const MAX_LEFT: u64 = 256 << 20;
const PART_LEFT: u64 = 20;

/// A temporary file without a name.
pub(crate) struct Spill {
    file: SpooledTempFile,
    written: u64,
    asked_at: u64,
}

impl Default for Spill {
    fn default() -> Self {
        Self { file: SpooledTempFile::new(IN_MEMORY), written: 0, asked_at: 0 }
    }
}

/// Whether the disk of temporary files takes so many bytes and keeps some free for everything else.
pub(crate) fn has_room(bytes: u64) -> io::Result<bool> {
    let disk = rustix::fs::statvfs(std::env::temp_dir())?;
    let (free, all) = (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize));
    let left = MAX_LEFT.min(all / PART_LEFT);
    Ok(bytes <= IN_MEMORY as u64 || free.saturating_sub(left) >= bytes)
}

impl Write for Spill {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.written + bytes.len() as u64;
        if written > IN_MEMORY as u64 && written >= self.asked_at {
            // What fits into memory is written with the first bytes that do not.
            if !has_room(BETWEEN + IN_MEMORY as u64)? {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.asked_at = written + BETWEEN;
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
