//! Watches the records of a CSV stream: on which line each begins, and whether its quotes close.
//!
//! The CSV reader tells neither. It takes quotes as they come, and an open one swallows rows up to the next: a
//! supplier would be lost without a word.

use std::io::{self, Read};

use memchr::{memchr2, memchr3};
use scoring::Faults;

/// What is wrong with a quoted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuoteFault {
    /// The file ends inside the quotes.
    Open,
    /// More text follows the closing quote.
    TextAfter,
}

/// What was seen of a stream that has passed.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// The first quoted fields that do not end as they should, by record.
    pub(crate) quote_faults: Vec<(u64, QuoteFault)>,
    /// How many such fields there are.
    pub(crate) quote_fault_count: usize,
    /// From which record on records stand how many lines below their own number: short where each has one line.
    shifts: Vec<(u64, u64)>,
}

impl Seen {
    /// The line, counted from 1, on which a record, counted from 0, begins.
    pub(crate) fn line_of(&self, record: u64) -> u64 {
        let next = self.shifts.partition_point(|(from, _)| *from <= record);
        let shift = next.checked_sub(1).and_then(|last| self.shifts.get(last)).map_or(1, |(_, shift)| *shift);
        record + shift
    }
}

/// Passes bytes on and watches them.
pub(crate) struct RecordWatch<R> {
    inner: R,
    state: State,
    last_byte: u8,
    line: u64,
    record_count: u64,
    /// The record whose quotes are open.
    opened_in: u64,
    seen: Seen,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Before a record; empty lines are none.
    Between,
    InRecord,
    InQuotes,
    /// After a quote inside quotes: the end of the field, or the first of a doubled quote.
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
        }
    }

    /// The line, counted from 1, on which a record that has passed begins.
    pub(crate) fn line_of(&self, record: u64) -> u64 {
        self.seen.line_of(record)
    }

    /// The first record so far whose quotes do not end as they should.
    pub(crate) fn quote_fault(&self) -> Option<u64> {
        self.seen.quote_faults.first().map(|(record, _)| *record)
    }

    /// The first record whose quotes do not end as they should; to be called at the end of the stream.
    pub(crate) fn quote_fault_at_end(&self) -> Option<u64> {
        self.quote_fault().or((self.state == State::InQuotes).then_some(self.opened_in))
    }

    /// What was seen; to be called at the end of the stream.
    pub(crate) fn finish(mut self) -> Seen {
        if self.state == State::InQuotes {
            self.note(QuoteFault::Open);
        }
        self.seen
    }

    fn watch(&mut self, bytes: &[u8]) {
        let mut place = 0;
        while let Some(rest) = bytes.get(place..).filter(|rest| !rest.is_empty()) {
            let found = match self.state {
                State::Between | State::AfterQuote => Some(0),
                State::InRecord => memchr3(b'"', b'\n', b'\r', rest),
                State::InQuotes => memchr2(b'"', b'\n', rest),
            };
            let Some(found) = found else { break };
            let byte = rest.get(found).copied().unwrap_or_default();
            let before = (place + found).checked_sub(1).and_then(|before| bytes.get(before)).copied();
            self.state = self.next(byte, before.unwrap_or(self.last_byte));
            place += found + 1;
        }
        self.last_byte = bytes.last().copied().unwrap_or(self.last_byte);
    }

    /// The state after a byte at which it may change.
    fn next(&mut self, byte: u8, before: u8) -> State {
        // A carriage return outside of quotes ends a line, and a line feed right behind it belongs to it.
        let ends_line = match self.state {
            State::InQuotes => byte == b'\n',
            _ => byte == b'\r' || (byte == b'\n' && before != b'\r'),
        };
        self.line += u64::from(ends_line);
        match (self.state, byte) {
            (State::Between, b'\n' | b'\r') => State::Between,
            (State::Between, _) => {
                self.begin_record();
                if byte == b'"' { self.open_quotes() } else { State::InRecord }
            }
            (State::InRecord | State::AfterQuote, b'\n' | b'\r') => State::Between,
            (State::InRecord, b'"') if before == b',' => self.open_quotes(),
            (State::InRecord, _) | (State::AfterQuote, b',') => State::InRecord,
            (State::InQuotes, b'"') => State::AfterQuote,
            (State::InQuotes, _) | (State::AfterQuote, b'"') => State::InQuotes,
            (State::AfterQuote, _) => {
                self.note(QuoteFault::TextAfter);
                State::InRecord
            }
        }
    }

    fn note(&mut self, fault: QuoteFault) {
        if self.seen.quote_faults.len() < Faults::KEPT {
            self.seen.quote_faults.push((self.opened_in, fault));
        }
        self.seen.quote_fault_count += 1;
    }

    fn begin_record(&mut self) {
        let shift = self.line - self.record_count;
        if self.seen.shifts.last().is_none_or(|(_, last)| *last != shift) {
            self.seen.shifts.push((self.record_count, shift));
        }
        self.record_count += 1;
    }

    fn open_quotes(&mut self) -> State {
        self.opened_in = self.record_count - 1;
        State::InQuotes
    }
}

impl<R: Read> Read for RecordWatch<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.watch(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Watches `text` in pieces of each size up to its own length, which must all agree.
    fn seen(text: &str) -> Seen {
        let in_pieces = |size: usize| {
            let mut watch = RecordWatch::new(io::empty());
            text.as_bytes().chunks(size).for_each(|piece| watch.watch(piece));
            watch.finish()
        };
        let whole = in_pieces(text.len());
        for size in 1..text.len() {
            assert_eq!(in_pieces(size), whole, "in pieces of {size} bytes");
        }
        whole
    }

    /// The lines on which the first records begin.
    fn lines(text: &str, record_count: u64) -> Vec<u64> {
        let seen = seen(text);
        (0..record_count).map(|record| seen.line_of(record)).collect()
    }

    #[test]
    fn records_begin_below_empty_lines_and_below_records_of_several_lines() {
        assert_eq!(lines("a\nb\nc\n", 3), [1, 2, 3]);
        assert_eq!(lines("a\r\nb\r\n\r\nc\r\n", 3), [1, 2, 4]);
        assert_eq!(lines("a\rb\r\rc\r", 3), [1, 2, 4]);
        assert_eq!(lines("a,\"1\r\n2\"\r\nb\r\n", 2), [1, 3]);
        assert_eq!(lines("\n\na,\"1\n2\n3\"\n\nb\nc", 3), [3, 7, 8]);
        assert_eq!(lines("\"a\"\"\n\",b\n\"\"\nc", 3), [1, 3, 4]);
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
    fn quotes_that_close_are_fine() {
        assert_eq!(seen("a,\"b,\"\"c\"\"\nd\",e\r\n\"\",\"f\"\r\n\"\"\"\",6\" pipe,a\"b\n").quote_faults, []);
    }

    #[test]
    fn a_quote_that_never_closes_is_found_in_its_record() {
        assert_eq!(seen("a,b\n1,2\n3,\"4\n5,6\n").quote_faults, [(2, QuoteFault::Open)]);
    }

    #[test]
    fn a_quote_that_swallows_rows_up_to_the_next_one_is_found_in_its_record() {
        assert_eq!(seen("a,b\n1,\"x\n2,\"y\"\n3,4\n").quote_faults, [(1, QuoteFault::TextAfter)]);
    }
}
