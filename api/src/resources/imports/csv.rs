//! Rows of a CSV file, one by one.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use ::csv::{ByteRecord, ReaderBuilder};

use super::engine::{Rows, Visit};
use super::report::{Place, Refusal};
use crate::base::fault::{Fault, Reason};
use crate::base::text::Text;
use crate::files::header::{Columns, Header, column_of, text_cell};
use crate::files::records::{RECORD_LIMITS, RecordWatch, too_large};
use crate::files::text::{self, Watched};

/// A CSV file.
pub(crate) struct CsvRows {
    pub(crate) name: Option<String>,
    pub(crate) file: File,
    pub(crate) max_rows: u64,
    /// Headings that no column has.
    pub(crate) unknown: Vec<Fault>,
}

const BUFFER: usize = 1 << 16;

/// Returns why a text cannot be read, as far as its readers have reported it, and the line.
pub(super) fn reason(error: &io::Error) -> (Option<u64>, Reason) {
    if let Some(reason) = text::refusal(error) {
        return (None, reason.clone());
    }
    match too_large(error) {
        Some((line, reason)) => (Some(line), reason),
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

    /// Returns the row of a record that has been read. Quotes in it that are not closed properly end the import.
    fn row_of<R>(&self, watch: &RecordWatch<R>, record: u64) -> Result<u64, Refusal> {
        let row = watch.line_of(record);
        match watch.has_quote_fault(record) {
            true => Err(self.fault(Some(row), Fault::new("", Reason::BadQuotes))),
            false => Ok(row),
        }
    }
}

impl Rows for CsvRows {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal> {
        let source = Watched::new(text::open(&self.file).map_err(|error| self.failed(&error))?);
        let watch = RecordWatch::limited(source, RECORD_LIMITS);
        let mut reader =
            ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(BUFFER).from_reader(watch);

        let mut record = ByteRecord::new();
        if !reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))? {
            return Err(self.fault(None, Fault::new("", Reason::EmptyFile)));
        }
        let row = self.row_of(reader.get_ref(), 0)?;
        let mut header = Header::of_record(columns, &record).sound().map_err(|fault| self.fault(Some(row), fault))?;
        self.unknown = std::mem::take(&mut header.warnings);
        let mut place = 0;
        while reader.read_byte_record(&mut record).map_err(|error| self.unreadable(&error))? {
            place += 1;
            reader.get_mut().forget_before(place);
            let row = self.row_of(reader.get_ref(), place)?;
            if place > self.max_rows {
                let reason = Reason::TooMuch { what: Text::new("行の数", "rows"), max: self.max_rows };
                return Err(self.fault(Some(row), Fault::new("", reason)));
            }
            if let ControlFlow::Break(()) = visit(row, cells(&header, &record)) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.unknown)
    }
}

fn cells<'a>(header: &Header, record: &'a ByteRecord) -> super::engine::Row<'a> {
    if let Some(fault) = header.row_fault(record.len()) {
        return Err(vec![fault]);
    }
    let (mut cells, mut faults) = (Vec::with_capacity(record.len()), Vec::new());
    for (place, column) in header.columns() {
        let text = str::from_utf8(record.get(place).unwrap_or_default());
        match text.map_err(|_| text::not_utf8(record.as_slice())).and_then(text_cell) {
            Ok(cell) => cells.push((column, cell)),
            Err(reason) => faults.push(Fault::new(column_of(column), reason)),
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
}
