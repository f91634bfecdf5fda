//! Rows of a CSV file: UTF-8, commas, a header, strictly.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use ::csv::{ByteRecord, ReaderBuilder};

use super::engine::{Rows, Visit};
use super::report::{Place, Refusal};
use crate::base::fault::{Fault, Reason};
use crate::base::text::Text;
use crate::files::guard::unguarded;
use crate::files::header::{Columns, Header, MAX_COLUMNS, MAX_TEXT_LENGTH, text_cell};
use crate::files::records::{RecordLimits, RecordWatch, TooLarge};
use crate::files::text;

/// A CSV file.
pub(crate) struct CsvRows {
    pub(crate) name: Option<String>,
    pub(crate) file: File,
    pub(crate) max_rows: u64,
    /// Headings that no column has.
    pub(crate) unknown: Vec<Fault>,
}

/// How large a record may be: all of it is held in memory.
const LIMITS: RecordLimits = RecordLimits { bytes: 1 << 20, fields: MAX_COLUMNS };
const BUFFER: usize = 1 << 16;

fn too_many_columns() -> Reason {
    Reason::TooMuch { what: Text::new("列の数", "columns"), max: MAX_COLUMNS as u64 }
}

/// Why a text cannot be read, as far as its readers have said so, and where.
pub(super) fn reason(error: &io::Error) -> (Option<u64>, Reason) {
    let cause = error.get_ref();
    if let Some(text::Refused(reason)) = cause.and_then(|cause| cause.downcast_ref()) {
        return (None, reason.clone());
    }
    match cause.and_then(|cause| cause.downcast_ref::<TooLarge>()) {
        Some(large) if large.by_fields => (Some(large.line), too_many_columns()),
        Some(large) => (Some(large.line), Reason::LineTooLong(LIMITS.bytes)),
        None => (None, Reason::Unreadable(Text::new(error.to_string(), error.to_string()))),
    }
}

impl CsvRows {
    fn fault(&self, row: Option<u64>, fault: Fault) -> Refusal {
        Refusal::new(Place { sheet: self.name.clone(), row }, fault)
    }

    fn failed(&self, error: &io::Error) -> Refusal {
        let (row, reason) = reason(error);
        self.fault(row, Fault::new("", reason))
    }

    fn unreadable(&self, error: &::csv::Error) -> Refusal {
        match error.kind() {
            ::csv::ErrorKind::Io(error) => self.failed(error),
            _ => self.fault(None, Fault::new("", Reason::Unreadable(Text::new(error.to_string(), error.to_string())))),
        }
    }

    fn header(&mut self, columns: &Columns, record: &ByteRecord, row: u64) -> Result<Header, Refusal> {
        let refused = |this: &Self, fault| Err(this.fault(Some(row), fault));
        if record.len() > MAX_COLUMNS {
            return refused(self, Fault::new("", too_many_columns()));
        }
        let headings: Option<Vec<&str>> = record.iter().map(|bytes| str::from_utf8(bytes).ok()).collect();
        let Some(headings) = headings else {
            return refused(self, Fault::new("", text::not_utf8(record.as_slice())));
        };
        if headings.len() == 1 && headings.iter().any(|heading| heading.contains([';', '\t'])) {
            return refused(self, Fault::new("", Reason::WrongSeparator));
        }
        let headings = headings.into_iter().map(|heading| Cow::Borrowed(unguarded(heading)));
        let mut unknown = Vec::new();
        let header = Header::read(columns, headings, |fault| unknown.push(fault));
        self.unknown = unknown;
        header.map_err(|fault| self.fault(Some(row), fault))
    }
}

impl Rows for CsvRows {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal> {
        let source = text::open(&self.file).map_err(|error| self.failed(&error))?;
        let watch = RecordWatch::of_rows(source, LIMITS);
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(BUFFER).from_reader(watch);

        let mut record = ByteRecord::new();
        if !reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))? {
            return Err(self.fault(None, Fault::new("", Reason::EmptyFile)));
        }
        let first_row = reader.get_ref().line_of(0);
        let header = self.header(columns, &record, first_row)?;
        let mut place = 0;
        loop {
            if !reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))? {
                break;
            }
            place += 1;
            reader.get_mut().forget_before(place);
            let row = reader.get_ref().line_of(place);
            if reader.get_ref().quote_fault().is_some_and(|record| record <= place) {
                return Err(self.fault(Some(row), Fault::new("", Reason::BadQuotes)));
            }
            if place > self.max_rows {
                let reason = Reason::TooMuch { what: Text::new("行の数", "rows"), max: self.max_rows };
                return Err(self.fault(Some(row), Fault::new("", reason)));
            }
            if let ControlFlow::Break(()) = visit(row, cells(&header, &record)) {
                return Ok(());
            }
        }
        let watch = reader.into_inner();
        if let Some(record) = watch.quote_fault_at_end() {
            let row = watch.line_of(record);
            return Err(self.fault(Some(row), Fault::new("", Reason::BadQuotes)));
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
            Ok(text) if text.len() > MAX_TEXT_LENGTH && text.chars().count() > MAX_TEXT_LENGTH => {
                let what = Text::new("1つのセルの文字数", "characters in a cell");
                faults.push(Fault::new(column, Reason::TooMuch { what, max: MAX_TEXT_LENGTH as u64 }));
            }
            Ok(text) => cells.push((column, text_cell(unguarded(text)))),
            Err(_) => faults.push(Fault::new(column, text::not_utf8(record.as_slice()))),
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
}
