//! Watches the records of a CSV stream: on which line each begins, whether its quotes close, and how large it grows.
//!
//! The CSV reader reports none of this. It accepts quotes as they come, and an open quote swallows rows up to the next
//! one: a supplier would be lost without a message, and the rest of the file would be held in memory as one record.

use std::collections::VecDeque;
use std::io::{self, Read};

use ::csv::ByteRecord;
use memchr::{memchr, memchr_iter, memchr3, memrchr2};
use scoring::Faults;

use super::header::{MAX_COLUMNS, too_many_columns};
use crate::base::fault::Reason;

/// The maximum size of a record.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordLimits {
    pub(crate) bytes: u64,
    pub(crate) fields: usize,
}

/// The limits for every file. A whole record is held in memory.
pub(crate) const RECORD_LIMITS: RecordLimits = RecordLimits { bytes: 1 << 20, fields: MAX_COLUMNS };

/// A record that is too large. The reader returns it as the cause of an error.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a record is too large")]
struct TooLarge {
    /// The line on which it begins.
    line: u64,
    /// Whether it has too many fields; otherwise it has too many bytes.
    by_fields: bool,
}

/// Returns the line of a record that is too large, and the reason, if that is the cause of a reader's error.
pub(crate) fn too_large(error: &io::Error) -> Option<(u64, Reason)> {
    let TooLarge { line, by_fields } = error.get_ref()?.downcast_ref()?;
    Some((*line, if *by_fields { too_many_columns() } else { Reason::LineTooLong(RECORD_LIMITS.bytes) }))
}

/// What was observed in a stream that has passed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The records of the first quoted fields that do not close or are followed by text.
    pub(crate) quote_faults: Vec<u64>,
    /// The number of such fields.
    pub(crate) quote_fault_count: usize,
    /// Pairs of a record and the difference between line and record from there on. Short if each record has one line.
    shifts: VecDeque<(u64, u64)>,
    /// The number of records, and of line ends.
    pub(crate) record_count: u64,
    pub(crate) line_count: u64,
}

impl Seen {
    /// Notes the line on which a record begins.
    fn begin(&mut self, record: u64, line: u64) {
        let shift = line - record;
        if self.shifts.back().is_none_or(|(_, last)| *last != shift) {
            self.shifts.push_back((record, shift));
        }
    }

    /// Adds a record that begins after all lines and was not read.
    pub(super) fn add_unread(&mut self) {
        self.begin(self.record_count, self.line_count + 1);
        self.record_count += 1;
        self.line_count += 1;
    }

    /// Returns the line (counted from 1) on which a record (counted from 0) begins.
    pub(crate) fn line_of(&self, record: u64) -> u64 {
        let next = self.shifts.partition_point(|(from, _)| *from <= record);
        let shift = next.checked_sub(1).and_then(|last| self.shifts.get(last)).map_or(1, |(_, shift)| *shift);
        record + shift
    }
}

/// The fields of a record.
pub(super) trait Fields {
    fn count(&self) -> usize;
    fn bytes(&self, field: usize) -> Option<&[u8]>;
    /// Returns a field as text, or `None` if it is missing or not UTF-8.
    fn text(&self, field: usize) -> Option<&str>;
    /// Returns all fields, concatenated, if they may be something other than UTF-8.
    fn unchecked(&self) -> Option<&[u8]>;
}

impl Fields for ByteRecord {
    fn count(&self) -> usize {
        self.len()
    }

    fn bytes(&self, field: usize) -> Option<&[u8]> {
        self.get(field)
    }

    fn text(&self, field: usize) -> Option<&str> {
        str::from_utf8(self.get(field)?).ok()
    }

    fn unchecked(&self) -> Option<&[u8]> {
        Some(self.as_slice()).filter(|bytes| !bytes.is_ascii())
    }
}

/// The records of a text without quotes. They are the ones that the CSV reader finds, several times as fast.
pub(super) struct PlainRecords<'a> {
    text: &'a str,
    signs: Signs<'a>,
    /// Where the current record begins, and where its fields end.
    start: usize,
    ends: Vec<usize>,
    seen: Seen,
}

impl<'a> PlainRecords<'a> {
    /// Returns `None` for a text that has quotes or is not UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok().filter(|_| memchr(b'"', bytes).is_none())?;
        Some(Self { text, signs: Signs::new(bytes), start: 0, ends: Vec::new(), seen: Seen::default() })
    }

    /// Returns the next record. Empty lines are not records.
    pub(super) fn next(&mut self) -> Option<PlainRecord<'_>> {
        let bytes = self.text.as_bytes();
        if let Some(last) = self.ends.last() {
            self.start = last + 1;
        }
        self.ends.clear();
        loop {
            let end = self.signs.next();
            let sign = end.and_then(|end| bytes.get(end)).copied();
            let end = end.unwrap_or(bytes.len());
            if sign == Some(b',') {
                self.ends.push(end);
                continue;
            }
            // A line feed directly after a carriage return ends the same line.
            let is_second = sign == Some(b'\n') && end > 0 && bytes.get(end - 1) == Some(&b'\r');
            let line = self.seen.line_count + 1;
            self.seen.line_count += u64::from(sign.is_some() && !is_second);
            // There is no record after the last line, even if that has no line end.
            if end <= self.start && self.ends.is_empty() {
                sign?;
                self.start = end + 1;
                continue;
            }
            self.ends.push(end);
            self.seen.begin(self.seen.record_count, line);
            self.seen.record_count += 1;
            return Some(PlainRecord { text: self.text, start: self.start, ends: &self.ends });
        }
    }

    /// Returns what was observed. Call it after the last record.
    pub(super) fn finish(self) -> Seen {
        self.seen
    }
}

/// The positions of commas and line ends.
///
/// Fields are short. Looking at eight bytes at once and going on from there takes a third of the time of a new search
/// for each field.
struct Signs<'a> {
    bytes: &'a [u8],
    /// Where the current eight bytes begin, and a bit for each of them that may be a sign and was not yet looked at.
    word: usize,
    candidates: u64,
}

impl<'a> Signs<'a> {
    const ONE_PER_BYTE: u64 = u64::from_ne_bytes([1; 8]);

    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, word: 0, candidates: Self::candidates(bytes, 0) }
    }

    /// Sets the highest bit of each byte that is at most a comma, as all signs are. A borrow may also set the bit of a
    /// byte above such a byte.
    fn candidates(bytes: &[u8], word: usize) -> u64 {
        let eight = match bytes.get(word..word + 8) {
            Some(eight) => eight.try_into().unwrap_or_default(),
            None => {
                let mut eight = [u8::MAX; 8];
                let rest = bytes.get(word..).unwrap_or_default();
                eight.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                eight
            }
        };
        let eight = u64::from_le_bytes(eight);
        eight.wrapping_sub(Self::ONE_PER_BYTE * u64::from(b',' + 1)) & !eight & (Self::ONE_PER_BYTE << 7)
    }
}

impl Iterator for Signs<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            while self.candidates != 0 {
                let place = self.word + (self.candidates.trailing_zeros() / 8) as usize;
                self.candidates &= self.candidates - 1;
                if matches!(self.bytes.get(place), Some(b',' | b'\n' | b'\r')) {
                    return Some(place);
                }
            }
            self.word += 8;
            if self.word >= self.bytes.len() {
                return None;
            }
            self.candidates = Self::candidates(self.bytes, self.word);
        }
    }
}

/// A record without quotes.
pub(super) struct PlainRecord<'a> {
    text: &'a str,
    start: usize,
    ends: &'a [usize],
}

impl Fields for PlainRecord<'_> {
    fn count(&self) -> usize {
        self.ends.len()
    }

    fn bytes(&self, field: usize) -> Option<&[u8]> {
        self.text(field).map(str::as_bytes)
    }

    fn text(&self, field: usize) -> Option<&str> {
        let start = match field.checked_sub(1) {
            None => self.start,
            Some(before) => self.ends.get(before)? + 1,
        };
        self.text.get(start..*self.ends.get(field)?)
    }

    fn unchecked(&self) -> Option<&[u8]> {
        None
    }
}

/// Passes bytes through and watches them.
pub(crate) struct RecordWatch<R> {
    inner: R,
    state: State,
    last_byte: u8,
    line: u64,
    record_count: u64,
    /// The record whose quotes were opened last.
    opened_in: u64,
    seen: Seen,
    /// The limits, if the size of records is limited.
    limits: Option<RecordLimits>,
    /// The number of bytes that have passed, and of those before the current record.
    position: u64,
    begin: u64,
    fields: usize,
    /// The position after the last byte that left no record open.
    end: u64,
}

/// Where records end in a block of bytes.
#[derive(Debug, PartialEq)]
pub(super) enum End {
    /// The position after the last record that ends, or `None` if no record ends.
    Last(Option<usize>),
    /// The position at which a record that is too long begins.
    TooLong(usize),
}

impl End {
    /// Finds the end in bytes that begin with a record.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut watch = RecordWatch::limited(io::empty(), RecordLimits { fields: usize::MAX, ..RECORD_LIMITS });
        let is_too_long = watch.watch(bytes).is_some();
        // A position is at most the number of bytes, so the conversion cannot fail.
        let place = |place| usize::try_from(place).unwrap_or_default();
        if is_too_long {
            return Self::TooLong(place(watch.begin));
        }
        Self::Last(Some(place(watch.end)).filter(|end| *end > 0))
    }

    /// Finds the end in bytes without quotes.
    pub(super) fn of_plain(bytes: &[u8]) -> Self {
        let most = RECORD_LIMITS.bytes as usize;
        let mut start = 0;
        while let Some(window) = bytes.get(start..=start + most) {
            match memrchr2(b'\n', b'\r', window) {
                Some(last) => start += last + 1,
                None => return Self::TooLong(start),
            }
        }
        Self::Last(memrchr2(b'\n', b'\r', bytes).map(|last| last + 1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Before a record. Empty lines are not records.
    Between,
    InRecord,
    InQuotes,
    /// After a quote inside quotes: it ends the field, or is the first of a doubled quote.
    AfterQuote,
}

impl<R> RecordWatch<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            state: State::Between,
            last_byte: b'\n',
            line: 1,
            record_count: 0,
            opened_in: 0,
            seen: Seen::default(),
            limits: None,
            position: 0,
            begin: 0,
            fields: 0,
            end: 0,
        }
    }

    /// Returns a watch that fails at a record that is too large.
    pub(crate) fn limited(inner: R, limits: RecordLimits) -> Self {
        Self { limits: Some(limits), ..Self::new(inner) }
    }

    /// Forgets the lines of records before this one, because a file may have millions.
    pub(crate) fn forget_before(&mut self, record: u64) {
        let shifts = &mut self.seen.shifts;
        while shifts.get(1).is_some_and(|(from, _)| *from <= record) {
            shifts.pop_front();
        }
    }

    /// Returns the line (counted from 1) on which a record that has passed begins.
    pub(crate) fn line_of(&self, record: u64) -> u64 {
        self.seen.line_of(record)
    }

    /// Whether the quotes of a record that has passed do not end correctly.
    pub(crate) fn has_quote_fault(&self, record: u64) -> bool {
        // Only the last record can have passed with its quotes still open.
        let is_open = self.state == State::InQuotes && self.opened_in == record;
        is_open || (!self.seen.quote_faults.is_empty() && self.seen.quote_faults.binary_search(&record).is_ok())
    }

    /// Returns what was observed. Call it at the end of the stream.
    pub(crate) fn finish(mut self) -> Seen {
        if self.state == State::InQuotes {
            self.note_quotes();
        }
        (self.seen.record_count, self.seen.line_count) = (self.record_count, self.line - 1);
        self.seen
    }

    /// Watches bytes that pass. Returns the current record if it has become too large.
    fn watch(&mut self, bytes: &[u8]) -> Option<TooLarge> {
        let mut place = 0;
        let before = self.position;
        while let Some(rest) = bytes.get(place..).filter(|rest| !rest.is_empty()) {
            let found = match self.state {
                State::Between | State::AfterQuote => Some(0),
                State::InRecord => memchr3(b'"', b'\n', b'\r', rest),
                State::InQuotes => memchr(b'"', rest),
            };
            if self.limits.is_some_and(|limits| limits.fields < usize::MAX) && self.state == State::InRecord {
                let passed = found.map_or(Some(rest), |found| rest.get(..found)).unwrap_or_default();
                self.fields += memchr_iter(b',', passed).count();
            }
            let Some(found) = found else { break };
            self.position = before + (place + found) as u64;
            let byte = rest.get(found).copied().unwrap_or_default();
            let last = (place + found).checked_sub(1).and_then(|last| bytes.get(last)).copied();
            let was = self.state;
            self.state = self.next(byte, last.unwrap_or(self.last_byte));
            if self.state == State::Between {
                self.end = self.position + 1;
                let too_large = if was == State::Between { None } else { self.too_large() };
                if too_large.is_some() {
                    return too_large;
                }
            }
            place += found + 1;
        }
        self.position = before + bytes.len() as u64;
        self.last_byte = bytes.last().copied().unwrap_or(self.last_byte);
        if self.state == State::Between { None } else { self.too_large() }
    }

    fn too_large(&self) -> Option<TooLarge> {
        let limits = self.limits?;
        let by_fields = self.fields > limits.fields;
        let is_too_large = by_fields || self.position - self.begin > limits.bytes;
        is_too_large.then(|| TooLarge { line: self.line_of(self.record_count.saturating_sub(1)), by_fields })
    }

    /// Returns the state after a byte that may change it.
    fn next(&mut self, byte: u8, before: u8) -> State {
        // Lines count as a spreadsheet counts rows: a line break inside a cell begins no line. A line feed directly
        // after a carriage return belongs to it.
        let ends_line = self.state != State::InQuotes && (byte == b'\r' || (byte == b'\n' && before != b'\r'));
        self.line += u64::from(ends_line);
        match (self.state, byte) {
            (State::Between, b'\n' | b'\r') => State::Between,
            (State::Between, _) => {
                self.begin_record();
                self.fields += usize::from(byte == b',');
                if byte == b'"' { self.open_quotes() } else { State::InRecord }
            }
            (State::InRecord | State::AfterQuote, b'\n' | b'\r') => State::Between,
            (State::InRecord, b'"') if before == b',' => self.open_quotes(),
            (State::AfterQuote, b',') => {
                self.fields += 1;
                State::InRecord
            }
            (State::InRecord, _) => State::InRecord,
            (State::InQuotes, b'"') => State::AfterQuote,
            (State::InQuotes, _) | (State::AfterQuote, b'"') => State::InQuotes,
            (State::AfterQuote, _) => {
                self.note_quotes();
                State::InRecord
            }
        }
    }

    fn note_quotes(&mut self) {
        if self.seen.quote_faults.len() < Faults::MAX_KEPT {
            self.seen.quote_faults.push(self.opened_in);
        }
        self.seen.quote_fault_count += 1;
    }

    fn begin_record(&mut self) {
        self.seen.begin(self.record_count, self.line);
        self.record_count += 1;
        self.begin = self.position;
        self.fields = 1;
    }

    fn open_quotes(&mut self) -> State {
        self.opened_in = self.record_count - 1;
        State::InQuotes
    }
}

impl<R: Read> Read for RecordWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.watch(buffer.get(..count).unwrap_or_default()) {
            None => Ok(count),
            Some(too_large) => Err(io::Error::other(too_large)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches `text` in pieces of each size up to its length. All results must agree.
    fn seen(text: &str) -> Seen {
        let in_pieces = |size: usize| {
            let mut watch = RecordWatch::new(io::empty());
            text.as_bytes().chunks(size).for_each(|piece| assert_eq!(watch.watch(piece), None));
            watch.finish()
        };
        let whole = in_pieces(text.len());
        for size in 1..text.len() {
            assert_eq!(in_pieces(size), whole, "in pieces of {size} bytes");
        }
        whole
    }

    /// Returns the lines on which the first records begin.
    fn lines(text: &str, record_count: u64) -> Vec<u64> {
        let seen = seen(text);
        (0..record_count).map(|record| seen.line_of(record)).collect()
    }

    #[test]
    fn records_begin_below_empty_lines_and_a_line_break_in_a_cell_begins_no_line() {
        assert_eq!(lines("a\nb\nc\n", 3), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\r\n\r\nc\r\n", 3), [1, 2, 4]);
        assert_eq!(lines("a\rb\r\rc\r", 3), [1, 2, 4]);
        assert_eq!(lines("a,\"1\r\n2\"\r\nb\r\n", 2), [1, 2]);
        assert_eq!(lines("\n\na,\"1\n2\n3\"\n\nb\nc", 3), [3, 5, 6]);
        assert_eq!(lines("\"a\"\"\n\",b\n\"\"\nc", 3), [1, 2, 3]);
    }

    #[test]
    fn the_csv_reader_finds_the_same_records() {
        for text in
            ["a,b\r\n\r\n1,\"x\r\ny\"\r\n\"\"\"\",6\" pipe\r\n\n\"\",\"\"\r\n", "\"a\n\nb\"\n\nc", "a\"b,\"c\",\n,\n"]
        {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(RecordWatch::new(text.as_bytes()));
            let found = reader.records().count() as u64;
            assert_eq!(reader.into_inner().record_count, found, "{text:?}");
        }
    }

    #[test]
    fn records_without_quotes_are_those_that_the_csv_reader_finds() {
        let texts = [
            "",
            "\n",
            "a",
            "a,b\n1,2\n",
            "a,b\r\n\r\n1,2",
            "\r\r\na\n\n,\r,,\r\n\n",
            ",",
            "\n\na\r\rb\r",
            "甲,乙\n丙,\n",
        ];
        for text in texts {
            let mut plain = PlainRecords::new(text.as_bytes()).unwrap();
            let mut found: Vec<Vec<String>> = Vec::new();
            while let Some(record) = plain.next() {
                found.push((0..record.count()).map(|field| record.text(field).unwrap().to_owned()).collect());
            }
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(RecordWatch::new(text.as_bytes()));
            let expected: Vec<Vec<String>> =
                reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            assert_eq!(found, expected, "{text:?}");
            assert_eq!(plain.finish(), reader.into_inner().finish(), "{text:?}");
        }
        assert!(PlainRecords::new(b"a,\"b\"").is_none() && PlainRecords::new(b"a,\x82\xa0").is_none());
    }

    #[test]
    fn signs_are_found_wherever_they_stand() {
        let mut seed = 1u64;
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let drawn = (seed >> 33) as usize;
                    *b",,,\n\r+-.\0\x7f\x80\xac\xad\xff az09".get(drawn % 20).unwrap_or(&b'a')
                })
                .collect();
            let expected: Vec<usize> = memchr::memchr3_iter(b',', b'\n', b'\r', &bytes).collect();
            assert_eq!(Signs::new(&bytes).collect::<Vec<_>>(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_record_is_held_to_its_size_whatever_its_quotes_hold() {
        let limits = RecordLimits { bytes: 20, fields: 3 };
        let too_large = |text: &str, size: usize| {
            let mut watch = RecordWatch::limited(io::empty(), limits);
            text.as_bytes().chunks(size).find_map(|piece| watch.watch(piece))
        };
        for size in [1, 3, 7, 1000] {
            let fine = ["a,b,c\n\"1\n2\",\",,,,\",3\r\n,,\n".repeat(9), "a\r".repeat(99), "\n".repeat(99)];
            for text in &fine {
                assert_eq!(too_large(text, size), None, "{text:?} in pieces of {size}");
            }
            let by = |line, by_fields| Some(TooLarge { line, by_fields });
            assert_eq!(too_large(&format!("a,b\n\"{}", "x\n".repeat(99)), size), by(2, false));
            assert_eq!(too_large(&format!("a\n{}\nb\n", "x".repeat(21)), size), by(2, false));
            assert_eq!(too_large("\"a\nb\"\n\n1,2,\"3\",\n", size), by(3, true));
            assert_eq!(too_large(",,,", size), by(1, true));
        }
    }

    #[test]
    fn lines_are_known_of_records_that_were_not_forgotten() {
        let mut watch = RecordWatch::limited(io::empty(), RecordLimits { bytes: 1000, fields: 9 });
        assert_eq!(watch.watch(b"\na,\"1\r\n2\n3\"\n\nb\nc"), None);
        watch.forget_before(1);
        assert_eq!([1, 2].map(|record| watch.line_of(record)), [4, 5]);
    }

    #[test]
    fn quotes_that_close_are_fine() {
        assert_eq!(seen("a,\"b,\"\"c\"\"\nd\",e\r\n\"\",\"f\"\r\n\"\"\"\",6\" pipe,a\"b\n").quote_fault_count, 0);
    }

    #[test]
    fn a_quote_that_never_closes_is_found_in_its_record() {
        assert_eq!(seen("a,b\n1,2\n3,\"4\n5,6\n").quote_faults, [2]);
    }

    #[test]
    fn a_quote_that_swallows_rows_up_to_the_next_one_is_found_in_its_record() {
        assert_eq!(seen("a,b\n1,\"x\n2,\"y\"\n3,4\n").quote_faults, [1]);
    }
}
