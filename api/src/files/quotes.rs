//! Watches the quotes of a CSV stream, which the CSV reader takes as they come.
//!
//! An open quote swallows rows up to the next one; a lenient reader then loses suppliers without a word.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter};

/// What is wrong with a quoted field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuoteFault {
    /// The file ends inside the quotes.
    Open,
    /// More text follows the closing quote.
    TextAfter,
}

/// Passes bytes on and notes, by line, quoted fields that do not end as they should.
pub(crate) struct QuoteCheck<R> {
    inner: R,
    state: State,
    last_byte: u8,
    /// Line ends before the bytes at hand.
    line_ends: u64,
    /// The line on which the quoted field at hand began, once the bytes of its opening are gone.
    opened_on: u64,
    faults: Vec<(u64, QuoteFault)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Outside,
    Inside,
    /// After a quote inside quotes: the end of the field, or the first of a doubled quote.
    AfterQuote,
}

impl<R> QuoteCheck<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, state: State::Outside, last_byte: b'\n', line_ends: 0, opened_on: 0, faults: Vec::new() }
    }

    /// The faults found; call it at the end of the stream.
    pub(crate) fn into_faults(mut self) -> Vec<(u64, QuoteFault)> {
        if self.state == State::Inside {
            self.faults.push((self.opened_on, QuoteFault::Open));
        }
        self.faults
    }

    fn watch(&mut self, bytes: &[u8]) {
        let line_at = |place: usize| {
            let before = bytes.get(..place).unwrap_or_default();
            self.line_ends + memchr_iter(b'\n', before).count() as u64 + 1
        };
        // Where the field at hand began, if that is within these bytes.
        let mut opened_at = None;
        let mut place = 0;
        while let Some(rest) = bytes.get(place..).filter(|rest| !rest.is_empty()) {
            match self.state {
                State::AfterQuote => {
                    match rest.first() {
                        Some(b'"') => self.state = State::Inside,
                        Some(b',' | b'\r' | b'\n') => self.state = State::Outside,
                        _ => {
                            self.faults.push((opened_at.map_or(self.opened_on, line_at), QuoteFault::TextAfter));
                            self.state = State::Outside;
                        }
                    }
                    place += 1;
                }
                State::Inside | State::Outside => {
                    let Some(found) = memchr(b'"', rest).map(|found| place + found) else { break };
                    let before = found.checked_sub(1).and_then(|before| bytes.get(before)).unwrap_or(&self.last_byte);
                    if self.state == State::Inside {
                        self.state = State::AfterQuote;
                    } else if matches!(before, b',' | b'\r' | b'\n') {
                        opened_at = Some(found);
                        self.state = State::Inside;
                    }
                    place = found + 1;
                }
            }
        }
        if let Some(opened_at) = opened_at {
            self.opened_on = line_at(opened_at);
        }
        self.line_ends += memchr_iter(b'\n', bytes).count() as u64;
        self.last_byte = bytes.last().copied().unwrap_or(self.last_byte);
    }
}

impl<R: Read> Read for QuoteCheck<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.watch(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `text` in pieces of each size up to its own length, which must all agree.
    fn faults(text: &str) -> Vec<(u64, QuoteFault)> {
        let in_pieces = |size: usize| {
            let mut check = QuoteCheck::new(io::empty());
            text.as_bytes().chunks(size).for_each(|piece| check.watch(piece));
            check.into_faults()
        };
        let whole = in_pieces(text.len());
        for size in 1..text.len() {
            assert_eq!(in_pieces(size), whole, "in pieces of {size} bytes");
        }
        whole
    }

    #[test]
    fn quotes_that_close_are_fine() {
        assert_eq!(faults("a,\"b,\"\"c\"\"\nd\",e\r\n\"\",\"f\"\r\n\"\"\"\",6\" pipe,a\"b\n"), []);
    }

    #[test]
    fn a_quote_that_never_closes_is_found_where_it_opens() {
        assert_eq!(faults("a,b\n1,2\n3,\"4\n5,6\n"), [(3, QuoteFault::Open)]);
    }

    #[test]
    fn a_quote_that_swallows_rows_up_to_the_next_one_is_found_where_it_opens() {
        assert_eq!(faults("a,b\n1,\"x\n2,\"y\"\n3,4\n"), [(2, QuoteFault::TextAfter)]);
    }
}
