//! Rows of a CSV file: UTF-8, commas, a header, strictly.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;

use ::csv::{ByteRecord, ReaderBuilder};

use super::engine::{Rows, Visit};
use super::report::{Place, Refusal};
use super::table::{Header, text_cell};
use crate::fault::{Fault, Reason};
use crate::fields::Field;
use crate::files::csv::skip_byte_order_mark;
use crate::files::records::RecordWatch;
use crate::problem::Text;

/// A CSV file.
pub(crate) struct CsvRows {
    pub(crate) name: Option<String>,
    pub(crate) file: File,
    pub(crate) max_rows: u64,
    /// Headings that no column has.
    pub(crate) unknown: Vec<Fault>,
}

/// Passes bytes on as long as lines break now and then: a record is held in memory.
struct Bounded<R> {
    inner: R,
    since_break: usize,
}

/// The longest line, and the longest record that breaks none.
const LONGEST_LINE: usize = 4 << 20;

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        self.since_break = match memchr::memrchr(b'\n', read) {
            Some(place) => count - place,
            None => self.since_break + count,
        };
        if self.since_break > LONGEST_LINE { Err(io::ErrorKind::InvalidData.into()) } else { Ok(count) }
    }
}

impl CsvRows {
    fn fault(&self, row: Option<u64>, fault: Fault) -> Refusal {
        Refusal::new(Place { sheet: self.name.clone(), row }, fault)
    }

    fn unreadable(&self, error: &::csv::Error) -> Refusal {
        match error.kind() {
            ::csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.fault(None, Fault::new("", Reason::LineTooLong(LONGEST_LINE as u64)))
            }
            _ => self.fault(None, Fault::new("", Reason::Unreadable(Text::new(error.to_string(), error.to_string())))),
        }
    }
}

impl Rows for CsvRows {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn read(&mut self, columns: &[Field], visit: Visit<'_>) -> Result<(), Refusal> {
        let name = self.name.clone();
        let failed = |error: io::Error| {
            let text = Text::new(error.to_string(), error.to_string());
            Refusal::new(Place { sheet: name.clone(), row: None }, Fault::new("", Reason::Unreadable(text)))
        };
        let mut file = self.file.try_clone().map_err(failed)?;
        file.rewind().map_err(failed)?;
        skip_byte_order_mark(&mut file).map_err(failed)?;
        let source = Bounded { inner: BufReader::with_capacity(1 << 18, file), since_break: 0 };
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(RecordWatch::new(source));

        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))?;
        let first_line = Some(reader.get_ref().line_of(0));
        let headings: Option<Vec<&str>> = record.iter().map(|bytes| str::from_utf8(bytes).ok()).collect();
        let headings = headings.ok_or_else(|| self.fault(first_line, Fault::new("", Reason::NotUtf8)))?;
        if headings.len() == 1 && headings.iter().any(|heading| heading.contains([';', '\t'])) {
            return Err(self.fault(first_line, Fault::new("", Reason::WrongSeparator)));
        }
        let mut unknown = Vec::new();
        let header = Header::read(columns, headings.into_iter().map(Cow::Borrowed), |fault| unknown.push(fault));
        self.unknown = unknown;
        let header = header.map_err(|fault| self.fault(first_line, fault))?;
        let mut place = 0;
        loop {
            if !reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))? {
                break;
            }
            place += 1;
            let line = reader.get_ref().line_of(place);
            if reader.get_ref().quote_fault().is_some_and(|record| record <= place) {
                return Err(self.fault(Some(line), Fault::new("", Reason::BadQuotes)));
            }
            if place > self.max_rows {
                let reason = Reason::TooMuch { what: Text::new("行", "rows"), max: self.max_rows };
                return Err(self.fault(Some(line), Fault::new("", reason)));
            }
            if let ControlFlow::Break(()) = visit(line, cells(&header, &record)) {
                return Ok(());
            }
        }
        let watch = reader.into_inner();
        if let Some(record) = watch.quote_fault_at_end() {
            let line = watch.line_of(record);
            return Err(self.fault(Some(line), Fault::new("", Reason::BadQuotes)));
        }
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.unknown)
    }
}

fn cells<'a>(header: &Header, record: &'a ByteRecord) -> super::engine::Row<'a> {
    if record.len() != header.width() {
        let reason = Reason::FieldCount { expected: header.width(), found: record.len() };
        return Err(vec![Fault::new("", reason)]);
    }
    let (mut cells, mut faults) = (Vec::with_capacity(record.len()), Vec::new());
    for (place, column) in header.columns() {
        match str::from_utf8(record.get(place).unwrap_or_default()) {
            Ok(text) => cells.push((column, text_cell(text))),
            Err(_) => faults.push(Fault::new(column, Reason::NotUtf8)),
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
}
