//! The archive of a workbook: its parts by name. Each part is unpacked as it is read and never held as a whole.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;
use std::time::{Duration, Instant};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::xml::Part;
use super::{Ended, damaged, limit};
use crate::base::fault::{Fault, Reason};
use crate::base::text::Text;
use crate::queue::progress::Progress;

/// The most parts that a workbook may have.
const MAX_PARTS: usize = 5_000;
/// The most bytes of the archive's directory, which is held in memory.
const LARGEST_DIRECTORY: u64 = 4 << 20;
/// Above this many unpacked bytes, a part may not unpack to more than [`GREATEST_RATIO`] times its size.
const LARGE_PART: u64 = 1 << 20;
const GREATEST_RATIO: u64 = 100;
/// How long a workbook may take to read.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest tag, text or comment of a part: each is held in memory as a whole.
const MAX_TOKEN_BYTES: usize = 1 << 20;

/// A workbook's archive.
pub(super) struct Archive<'p> {
    zip: ZipArchive<BufReader<Metered>>,
    /// The parts' positions by name, in lower case: names of parts do not depend on their case.
    places: HashMap<String, usize>,
    budget: Budget<'p>,
}

/// The limits of all parts together.
struct Budget<'p> {
    max_unpacked: u64,
    unpacked: u64,
    until: Instant,
    progress: &'p Progress,
}

/// A file of which only a limited number of bytes is read.
struct Metered {
    file: File,
    left: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        match self.left.get().checked_sub(count as u64) {
            Some(left) => self.left.set(left),
            None => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(count)
    }
}

impl Seek for Metered {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl<'p> Archive<'p> {
    pub(super) fn open(mut file: File, max_unpacked: u64, progress: &'p Progress) -> Result<Self, Ended> {
        check_counts(&mut file)?;
        let left = Rc::new(Cell::new(LARGEST_DIRECTORY));
        let metered = Metered { file, left: Rc::clone(&left) };
        let zip = ZipArchive::new(BufReader::new(metered)).map_err(|error| unreadable(&error))?;
        left.set(u64::MAX);
        let names = zip.file_names().enumerate();
        let places = names.filter_map(|(place, name)| Some((key(&name.ok()?), place))).collect();
        let budget = Budget { max_unpacked, unpacked: 0, until: Instant::now() + READ_TIMEOUT, progress };
        Ok(Self { zip, places, budget })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(&key(name))
    }

    /// Returns the size that a part unpacks to, as the archive states it.
    pub(super) fn stated_size(&self, name: &str) -> u64 {
        let place = self.places.get(&key(name));
        place.and_then(|place| self.zip.by_index_data(*place).ok()).map_or(0, |part| part.size())
    }

    /// Opens a part, if there is one of this name.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<Source<'_, 'p>>>, Ended> {
        let Some(place) = self.places.get(&key(name)) else { return Ok(None) };
        let file = self.zip.by_index(*place).map_err(|error| unreadable(&error))?;
        let packed = file.compressed_size().max(1);
        let inner = BufReader::with_capacity(1 << 16, file);
        Ok(Some(Part::new(Source { inner, packed, unpacked: 0, token: 0, ended: None, budget: &mut self.budget })))
    }
}

fn key(name: &str) -> String {
    name.replace('\\', "/").to_ascii_lowercase()
}

fn unreadable(error: &ZipError) -> Ended {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Ended::Refused(super::kind::with_password()),
        _ => damaged(error),
    }
}

/// Checks how many parts the archive states, before anything is allocated for that many.
///
/// Directories of the 64-bit form are for more parts than any workbook has. Some programs always write their records in
/// addition to the usual one, which does no harm.
fn check_counts(file: &mut File) -> Result<(), Ended> {
    const END: &[u8] = b"PK\x05\x06";
    let failed = |error: io::Error| damaged(&error);
    let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
    file.seek(SeekFrom::Start(length.saturating_sub(1 << 17))).map_err(failed)?;
    let mut tail = Vec::new();
    file.by_ref().take(1 << 17).read_to_end(&mut tail).map_err(failed)?;
    file.rewind().map_err(failed)?;
    for place in memchr::memmem::find_iter(&tail, END) {
        let number = |at: usize| match tail.get(place + at..place + at + 2) {
            Some(&[low, high]) => usize::from(u16::from_le_bytes([low, high])),
            _ => 0,
        };
        // Each of these values sends readers to the 64-bit form.
        let is_large = [4, 6, 8, 10].into_iter().any(|at| number(at) == 0xffff)
            || [12, 16].into_iter().any(|at| (number(at), number(at + 2)) == (0xffff, 0xffff));
        if is_large || number(10) > MAX_PARTS {
            return Err(Ended::Refused(limit(
                format!(
                    "ブックの中のファイルが{MAX_PARTS}個を超えています。不要な図やシートを除いて保存し直してください"
                ),
                format!(
                    "the workbook is made of more than {MAX_PARTS} files; remove pictures and sheets, and save it again"
                ),
            )));
        }
    }
    Ok(())
}

/// A part that is being unpacked. One token at a time may be read, and only as long as the budget lasts.
pub(super) struct Source<'a, 'p> {
    inner: BufReader<ZipFile<'a, BufReader<Metered>>>,
    packed: u64,
    unpacked: u64,
    /// How many more bytes the token may have.
    token: usize,
    /// Why reading has stopped.
    ended: Option<Ended>,
    budget: &'a mut Budget<'p>,
}

impl Source<'_, '_> {
    /// Lets the next token be read.
    pub(super) fn next_token(&mut self) {
        self.token = MAX_TOKEN_BYTES;
    }

    /// Returns why reading has stopped, if that was decided here.
    pub(super) fn take_end(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// Counts unpacked bytes and checks the limits.
    fn count(&mut self, bytes: usize) -> Result<(), Ended> {
        self.unpacked += bytes as u64;
        let budget = &mut self.budget;
        budget.unpacked += bytes as u64;
        if budget.progress.is_cancelled() {
            return Err(Ended::Cancelled);
        }
        let refused = |ja: String, en: String| Err(Ended::Refused(limit(ja, en)));
        if budget.unpacked > budget.max_unpacked {
            let max = budget.max_unpacked;
            return refused(
                format!("ブックを展開すると{max}バイトを超えます。シートを分けて、別々のファイルで送ってください"),
                format!("the workbook unpacks to more than {max} bytes; split it into several files"),
            );
        }
        if self.unpacked > LARGE_PART && self.unpacked / self.packed > GREATEST_RATIO {
            return refused(
                format!(
                    "ブックの一部が、展開すると{GREATEST_RATIO}倍を超える大きさになります。使っていない行や列の書式を消して保存し直してください"
                ),
                format!(
                    "a part of the workbook unpacks to more than {GREATEST_RATIO} times its size; clear the formats of \
                     rows and columns that are not used, and save it again"
                ),
            );
        }
        if Instant::now() > budget.until {
            let seconds = READ_TIMEOUT.as_secs();
            return refused(
                format!("ブックの読み取りが{seconds}秒で終わりません。ファイルを分けて送ってください"),
                format!("the workbook cannot be read within {seconds} seconds; split it into several files"),
            );
        }
        Ok(())
    }
}

impl Read for Source<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.inner.buffer().is_empty() {
            let count = self.inner.fill_buf()?.len();
            if let Err(ended) = self.count(count) {
                self.ended = Some(ended);
                return Err(io::ErrorKind::Other.into());
            }
        }
        let held = self.inner.buffer();
        if self.token == 0 && !held.is_empty() {
            let why = Text::new("1つの文字列が1 MBを超えています", "a single text of more than 1 MB");
            self.ended = Some(Ended::Refused(Fault::new("", Reason::Unreadable(why))));
            return Err(io::ErrorKind::Other.into());
        }
        Ok(held.get(..held.len().min(self.token)).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.token = self.token.saturating_sub(count);
    }
}
