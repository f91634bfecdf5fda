//! A file in blocks of whole records, so that several threads can read one file at once.

use std::io::{self, Read};

use memchr::memchr;

use super::records::{End, RECORD_LIMITS};

/// The size of a block: several times the maximum size of a record.
pub(super) const BLOCK_BYTES: usize = 4 << 20;

/// A block of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// Its ordinal, counted from 0.
    pub(super) number: usize,
    /// Whether a record that is too long follows. Neither that record nor anything after it is read.
    pub(super) is_cut_off: bool,
}

/// Cuts a file into blocks at the ends of records.
pub(super) struct Blocks<R> {
    file: R,
    /// The bytes that were read after the end of the last block.
    rest: Vec<u8>,
    next: usize,
    is_at_end: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, rest: Vec::new(), next: 0, is_at_end: false }
    }

    /// Reads the next block into `bytes`, replacing its contents. Returns `None` at the end of the file and after an
    /// error.
    pub(super) fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<Option<Block>> {
        bytes.clear();
        bytes.reserve(BLOCK_BYTES);
        bytes.append(&mut self.rest);
        let mut is_cut_off = false;
        if !self.is_at_end {
            let wanted = BLOCK_BYTES - bytes.len();
            let read = (&mut self.file).take(wanted as u64).read_to_end(bytes);
            self.is_at_end = !matches!(read, Ok(count) if count == wanted);
            read?;
        }
        if !self.is_at_end || bytes.len() as u64 > RECORD_LIMITS.bytes {
            match end_of_records(bytes) {
                End::Last(Some(end)) if !self.is_at_end => self.rest.extend(bytes.drain(end..)),
                End::Last(_) => {}
                End::TooLong(start) => {
                    bytes.truncate(start);
                    (is_cut_off, self.is_at_end) = (true, true);
                }
            }
        }
        let number = self.next;
        self.next += 1;
        Ok((!bytes.is_empty() || is_cut_off).then_some(Block { number, is_cut_off }))
    }
}

/// Finds where records end in bytes that begin with one. A carriage return is never separated from a line feed that
/// follows it.
fn end_of_records(bytes: &[u8]) -> End {
    let inner = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if memchr(b'"', bytes).is_some() { End::of(inner) } else { End::of_plain(inner) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_ends_with_its_error() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut blocks = Blocks::new(b"a\n".chain(Broken));
        let mut bytes = Vec::new();
        assert!(blocks.read(&mut bytes).is_err());
        assert!(matches!(blocks.read(&mut bytes), Ok(None)));
    }

    #[test]
    fn blocks_follow_one_another_without_a_gap() {
        let text = "x".repeat(99) + "\n";
        let file = text.repeat(3 * BLOCK_BYTES / text.len());
        let mut blocks = Blocks::new(file.as_bytes());
        let (mut bytes, mut read) = (Vec::new(), Vec::new());
        let mut count = 0;
        while let Some(block) = blocks.read(&mut bytes).unwrap() {
            assert_eq!((block.number, block.is_cut_off), (count, false));
            assert!(bytes.ends_with(b"\n") && bytes.len() <= BLOCK_BYTES);
            read.extend_from_slice(&bytes);
            count += 1;
        }
        assert!(count > 2 && read == file.as_bytes());
    }

    #[test]
    fn records_end_behind_their_line_ends_and_never_inside_quotes() {
        for (text, expected) in [
            ("", None),
            ("a,b", None),
            ("a,b\nc", Some("a,b\n")),
            ("a,b\r\nc\r\n", Some("a,b\r\nc\r\n")),
            ("a,b\r\nc\r", Some("a,b\r\n")),
            ("a\rb\rc", Some("a\rb\r")),
            ("a\nb\rc", Some("a\nb\r")),
            ("a\rb\r", Some("a\r")),
            ("a,\"b\nc", None),
            ("a,\"b\nc\"", None),
            ("a,\"b\nc\"\nd,\"e\nf", Some("a,\"b\nc\"\n")),
            ("\"a\"\r\n\"b\r\n", Some("\"a\"\r\n")),
            ("\"a\"\r", None),
            ("\"a\"\r\n\n\n\"", Some("\"a\"\r\n\n\n")),
            ("\"a\"\rb,\"\"\"\n", Some("\"a\"\r")),
        ] {
            let found = end_of_records(text.as_bytes());
            assert_eq!(found, End::Last(expected.map(str::len)), "{text:?}");
        }
    }

    #[test]
    fn a_record_is_cut_off_where_it_is_too_long() {
        let most = RECORD_LIMITS.bytes as usize;
        for (before, quote) in [("", ""), ("a\nb\r\n", ""), ("\"a\nb\"\n", "\""), ("", "\"")] {
            for end in ["", "\n", "\nb\n"] {
                let text =
                    |length: usize| format!("{before}{quote}{}{quote}{end}", "x".repeat(length - 2 * quote.len()));
                let (fits, too_long) = (text(most), text(most + 1));
                assert!(matches!(end_of_records(fits.as_bytes()), End::Last(_)), "{before:?} {quote} {end:?}");
                assert_eq!(end_of_records(too_long.as_bytes()), End::TooLong(before.len()), "{quote} {end:?}");
                let mut bytes = Vec::new();
                let block = Blocks::new(too_long.as_bytes()).read(&mut bytes).unwrap().unwrap();
                assert_eq!((block.is_cut_off, bytes.as_slice()), (true, before.as_bytes()));
            }
        }
    }
}
