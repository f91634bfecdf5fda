//! Reads tables from CSV in one pass, with blocks spread over all threads, and knows the line of every row.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Take};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ::csv::{ByteRecord, ReaderBuilder};
use memchr::memchr_iter;
use scoring::{Faults, InputColumn, Suppliers, Table, name};

use super::blocks::{BLOCK_BYTES, Block, Blocks};
use super::guard::unguarded;
use super::header::{Columns, Header, as_column, column_of, text_cell};
use super::records::{self, Fields, PlainRecords, RECORD_LIMITS, RecordWatch, Seen};
use super::text;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Field, Kind, Scalar};
use crate::base::text::printable;
use crate::frames::{DataFrame, FrameBuilder, stacked};

/// A table as read, with all faults of its text.
pub(crate) struct CsvTable {
    /// The rows. They may be scored only if there is no fault.
    pub(crate) frame: DataFrame,
    /// Faults of the text itself, and of cells that cannot be read as their column's type.
    pub(crate) faults: TextFaults,
    /// The first codes that are unknown or not valid codes, by row and column.
    pub(crate) unknown_codes: HashMap<(usize, &'static str), Fault>,
    /// Columns that were not read.
    pub(crate) warnings: Vec<Fault>,
    /// Whether some rows were not read.
    pub(crate) is_cut_off: bool,
    /// The line of each row.
    pub(crate) lines: Lines,
}

/// A fault of a CSV file.
#[derive(Debug, Clone)]
pub(crate) struct TextFault {
    /// The record, counted from 0 (the header). `None` if the whole file is at fault.
    pub(crate) record: Option<u64>,
    pub(crate) fault: Fault,
}

/// The first faults of a text, and the number of all.
#[derive(Debug, Default)]
pub(crate) struct TextFaults {
    pub(crate) first: Vec<TextFault>,
    pub(crate) count: usize,
}

impl TextFaults {
    fn push(&mut self, record: impl Into<Option<u64>>, fault: Fault) {
        if self.first.len() < Faults::MAX_KEPT {
            self.first.push(TextFault { record: record.into(), fault });
        }
        self.count += 1;
    }

    /// Adds the faults of a block that comes after `records_before` records.
    fn append(&mut self, others: Self, records_before: u64) {
        self.count += others.count;
        let others = others.first.into_iter();
        let others =
            others.map(|fault| TextFault { record: fault.record.map(|record| records_before + record), ..fault });
        self.first.extend(others.take(Faults::MAX_KEPT.saturating_sub(self.first.len())));
    }

    /// Inserts the faults of quotes, which are known only at the end, at their places.
    fn merge_quotes(&mut self, seen: &Seen) {
        self.count += seen.quote_fault_count;
        let quotes = |record: &u64| TextFault { record: Some(*record), fault: Fault::new("", Reason::BadQuotes) };
        self.first.extend(seen.quote_faults.iter().map(quotes));
        self.first.sort_by_key(|fault| fault.record);
        self.first.truncate(Faults::MAX_KEPT);
    }
}

/// The line of each row of a file, block by block.
#[derive(Debug)]
pub(crate) struct Lines {
    header_line: u64,
    blocks: Vec<BlockLines>,
}

/// The lines of a block's rows.
#[derive(Debug, Default)]
struct BlockLines {
    /// The number of rows, records and lines before the block.
    rows_before: usize,
    records_before: u64,
    lines_before: u64,
    seen: Seen,
    /// Pairs of a row and the difference between record and row from there on. It counts the header and rows left out.
    shifts: Vec<(usize, u64)>,
}

impl BlockLines {
    /// Notes which record became a row.
    fn note(&mut self, row: usize, record: u64) {
        let shift = record - row as u64;
        if self.shifts.last().is_none_or(|(_, last)| *last != shift) {
            self.shifts.push((row, shift));
        }
    }

    fn of_record(&self, record: u64) -> u64 {
        self.lines_before + self.seen.line_of(record)
    }
}

impl Lines {
    /// Returns the line (counted from 1) on which a record (counted from 0) begins.
    pub(crate) fn of_record(&self, record: u64) -> u64 {
        let next = self.blocks.partition_point(|block| block.records_before <= record);
        let block = next.checked_sub(1).and_then(|last| self.blocks.get(last));
        block.map_or(self.header_line, |block| block.of_record(record - block.records_before))
    }

    /// Returns the line (counted from 1) on which a row (counted from 0) begins.
    pub(crate) fn of_row(&self, row: usize) -> Option<u64> {
        let next = self.blocks.partition_point(|block| block.rows_before <= row);
        let block = self.blocks.get(next.checked_sub(1)?)?;
        let row = row - block.rows_before;
        let next = block.shifts.partition_point(|(from, _)| *from <= row);
        block.shifts.get(next.checked_sub(1)?).map(|(_, shift)| block.of_record(row as u64 + shift))
    }
}

/// A file that is being read by any number of threads.
struct Reading {
    table: Table,
    opening: Opening,
    layout: Layout,
    /// `None` if the header cannot be read.
    blocks: Option<Mutex<Blocks<Take<File>>>>,
    parts: Mutex<Vec<(usize, io::Result<Part>)>>,
}

/// What one block holds. Rows and records are counted from the beginning of the block.
struct Part {
    frame: DataFrame,
    faults: TextFaults,
    unknown_codes: Vec<((usize, &'static str), Fault)>,
    lines: BlockLines,
    is_cut_off: bool,
}

/// Reads tables with these columns on all threads of the machine, and returns them in order. `on_bytes` receives the
/// number of bytes read since its last call. With `suppliers`, rows of suppliers replace their codes.
///
/// A row with a fault in its text is left out. For suppliers the code is kept, so that rows that name it are not
/// reported as well.
///
/// # Errors
/// Only errors of the file system. Every fault of the contents is returned in the table.
pub(crate) fn read(
    files: Vec<(Table, File)>,
    columns: impl Fn(Table) -> Columns,
    suppliers: Option<&Suppliers>,
    on_bytes: &(impl Fn(u64) + Sync),
) -> Vec<(Table, io::Result<CsvTable>)> {
    let blocks = files.iter().map(|(_, file)| file.metadata().map_or(0, |file| file.len() / BLOCK_BYTES as u64));
    let blocks = usize::try_from(blocks.sum::<u64>()).unwrap_or(usize::MAX);
    let opened: Vec<_> =
        files.into_iter().map(|(table, file)| (table, Reading::open(table, &columns(table), &file))).collect();
    let work = || {
        let mut bytes = Vec::new();
        for (_, reading) in &opened {
            let Ok(reading) = reading else { continue };
            while let Some(block) = reading.read_block(&mut bytes) {
                on_bytes(bytes.len() as u64);
                let (number, part) = match block {
                    Ok(block) => (block.number, reading.part(block, &bytes, suppliers)),
                    Err(error) => (usize::MAX, Err(error)),
                };
                locked(&reading.parts).push((number, part));
            }
        }
    };
    thread::scope(|scope| {
        let others = (thread::available_parallelism().map_or(1, usize::from) - 1).min(blocks);
        (0..others).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    opened.into_iter().map(|(table, reading)| (table, reading.and_then(|reading| reading.finish(suppliers)))).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in another thread ends the whole reading.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the beginning of a file shows.
#[derive(Default)]
struct Opening {
    header: Header,
    line: u64,
    faults: TextFaults,
}

impl Opening {
    fn read(columns: &Columns, file: &File) -> io::Result<Self> {
        let refused = |line, record: Option<u64>, reason| {
            let mut faults = TextFaults::default();
            faults.push(record, Fault::new("", reason));
            Ok(Self { header: Header::default(), line, faults })
        };
        let text = match text::open(file) {
            Ok(text) => text,
            Err(error) => return text::refusal(&error).cloned().map_or(Err(error), |reason| refused(1, None, reason)),
        };
        let mut reader = csv_reader(RecordWatch::limited(text, RECORD_LIMITS));
        let mut record = ByteRecord::new();
        let read = reader.read_byte_record(&mut record).map_err(io_error);
        match read {
            Ok(true) => {}
            Ok(false) => return refused(1, None, Reason::EmptyFile),
            Err(error) => {
                let large = records::too_large(&error);
                return large.map_or(Err(error), |(line, reason)| refused(line, Some(0), reason));
            }
        }
        let line = reader.get_ref().line_of(0);
        if reader.get_ref().has_quote_fault(0) {
            return refused(line, Some(0), Reason::BadQuotes);
        }
        let mut header = Header::of_record(columns, &record);
        let mut faults = TextFaults::default();
        header.faults.drain(..).for_each(|fault| faults.push(0, fault));
        Ok(Self { header, line, faults })
    }
}

impl Reading {
    fn open(table: Table, columns: &Columns, file: &File) -> io::Result<Self> {
        let opening = Opening::read(columns, file)?;
        let layout = Layout::new(table, columns, &opening.header);
        let blocks = match layout.0.is_empty() {
            true => None,
            false => Some(Mutex::new(Blocks::new(text::open(file)?))),
        };
        Ok(Self { table, opening, layout, blocks, parts: Mutex::default() })
    }

    fn read_block(&self, bytes: &mut Vec<u8>) -> Option<io::Result<Block>> {
        locked(self.blocks.as_ref()?).read(bytes).transpose()
    }

    fn part(&self, block: Block, bytes: &[u8], suppliers: Option<&Suppliers>) -> io::Result<Part> {
        text::refuse_escapes(bytes)?;
        let capacity = memchr_iter(b'\n', bytes).count() + 1;
        let mut rows = Rows {
            reading: self,
            builder: self.builder(suppliers, capacity),
            record: 0,
            faults: TextFaults::default(),
            lines: BlockLines::default(),
        };
        let has_header = block.number == 0;
        if let Some(mut records) = PlainRecords::new(bytes) {
            rows.record = u64::from(has_header && records.next().is_some());
            while let Some(record) = records.next() {
                rows.push(&record, true);
            }
            rows.lines.seen = records.finish();
        } else {
            let mut reader = csv_reader(RecordWatch::new(bytes));
            let mut record = ByteRecord::new();
            rows.record = u64::from(has_header && reader.read_byte_record(&mut record)?);
            while reader.read_byte_record(&mut record)? {
                let is_whole = !reader.get_ref().has_quote_fault(rows.record);
                rows.push(&record, is_whole);
            }
            rows.lines.seen = reader.into_inner().finish();
            rows.faults.merge_quotes(&rows.lines.seen);
        }
        if block.is_cut_off {
            rows.faults.push(rows.lines.seen.record_count, Fault::new("", Reason::LineTooLong(RECORD_LIMITS.bytes)));
            rows.lines.seen.add_unread();
        }
        Ok(Part { is_cut_off: block.is_cut_off, ..rows.finish()? })
    }

    fn builder<'a>(&self, suppliers: Option<&'a Suppliers>, capacity: usize) -> FrameBuilder<'a> {
        let columns = self.layout.0.iter().map(|column| (column.declared, column.written_as()));
        FrameBuilder::new(self.table, columns, suppliers, capacity)
    }

    /// Joins the blocks in order.
    fn finish(self, suppliers: Option<&Suppliers>) -> io::Result<CsvTable> {
        // A file without blocks still has columns.
        let none = self.builder(suppliers, 0).finish(|_, _| None, |_, _, _| ()).map_err(io::Error::other)?;
        let mut parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_by_key(|(number, _)| *number);
        let Opening { header, line: header_line, mut faults } = self.opening;
        let mut is_cut_off = self.blocks.is_none();
        let (mut frames, mut unknown_codes, mut lines) = (vec![none], HashMap::new(), Vec::new());
        let (mut rows, mut records, mut line_count) = (0, 0, 0);
        for (_, part) in parts {
            let mut part = match part {
                Ok(part) => part,
                Err(error) => {
                    let reason = text::refusal(&error).cloned().ok_or(error)?;
                    faults.push(None, Fault::new("", reason));
                    is_cut_off = true;
                    break;
                }
            };
            is_cut_off |= part.is_cut_off;
            (part.lines.rows_before, part.lines.records_before, part.lines.lines_before) = (rows, records, line_count);
            faults.append(part.faults, records);
            let codes = part.unknown_codes.into_iter().map(|((row, column), code)| ((rows + row, column), code));
            // For each column, as many as there are faults to be reported.
            let most = Faults::MAX_KEPT * self.table.references().len();
            unknown_codes.extend(codes.take(most.saturating_sub(unknown_codes.len())));
            rows += part.frame.height();
            records += part.lines.seen.record_count;
            line_count += part.lines.seen.line_count;
            lines.push(part.lines);
            frames.push(part.frame);
        }
        let frame = stacked(frames).map_err(io::Error::other)?;
        let lines = Lines { header_line, blocks: lines };
        Ok(CsvTable { frame, faults, unknown_codes, warnings: header.warnings, is_cut_off, lines })
    }
}

/// The rows of a block that is being read.
struct Rows<'a> {
    reading: &'a Reading,
    builder: FrameBuilder<'a>,
    record: u64,
    faults: TextFaults,
    lines: BlockLines,
}

impl Rows<'_> {
    /// Adds a record. If a record of suppliers is damaged, only its code is added; a damaged record of another table is
    /// not.
    fn push(&mut self, fields: &impl Fields, is_whole: bool) {
        let Reading { table, opening, layout, .. } = self.reading;
        let (row, record) = (self.builder.row_count(), self.record);
        self.record += 1;
        if is_whole && is_sound(&opening.header, fields, record, &mut self.faults) {
            let cells = layout.0.iter().map(|column| fields.text(column.place));
            self.builder.push_row(cells, |place, text| {
                layout.read(place, text).map_err(|fault| self.faults.push(record, fault)).ok()
            });
        } else if *table == Table::Suppliers {
            let code = |column: &LaidOut| {
                (column.declared.name == name::SUPPLIER_CODE).then(|| fields.text(column.place)).flatten()
            };
            self.builder.push_row(layout.0.iter().map(code), |place, text| layout.read(place, text).ok());
        } else {
            return;
        }
        self.lines.note(row, record);
    }

    fn finish(self) -> io::Result<Part> {
        let layout = &self.reading.layout;
        // They arrive column by column and are reported row by row.
        let mut unknown_codes: Vec<((usize, &'static str), Fault)> = Vec::new();
        let frame = self.builder.finish(
            |place, code| layout.read(place, code).ok(),
            |row, place, code| {
                let Some(LaidOut { declared, .. }) = layout.0.get(place) else { return };
                let of_column = unknown_codes.iter().rev().take_while(|((_, column), _)| *column == declared.name);
                if of_column.count() < Faults::MAX_KEPT {
                    let unknown = || Fault {
                        field: declared.name.to_owned(),
                        value: Some(printable(code)),
                        reason: Reason::Model(scoring::Reason::UnknownSupplier),
                    };
                    let fault = layout.read(place, code).err().unwrap_or_else(unknown);
                    unknown_codes.push(((row, declared.name), fault));
                }
            },
        );
        unknown_codes.sort_by_key(|((row, _), _)| *row);
        let (faults, lines) = (self.faults, self.lines);
        Ok(Part { frame: frame.map_err(io::Error::other)?, faults, unknown_codes, lines, is_cut_off: false })
    }
}

fn csv_reader<R: Read>(text: R) -> ::csv::Reader<R> {
    ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1 << 16).from_reader(text)
}

fn io_error(error: ::csv::Error) -> io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A column of the model in a file.
struct LaidOut {
    declared: &'static InputColumn,
    /// The place of its field in a record.
    place: usize,
    /// The name of its cells until they are read.
    name: &'static str,
    field: Field,
}

impl LaidOut {
    /// Returns what its cells hold, or `None` if its heading says that they are written in another way.
    fn written_as(&self) -> Option<Kind> {
        (self.name == self.field.name).then_some(self.field.kind)
    }
}

/// The columns of the model that a file contains.
struct Layout(Vec<LaidOut>);

impl Layout {
    fn new(table: Table, columns: &Columns, header: &Header) -> Self {
        let laid_out = header.columns().filter_map(|(place, name)| {
            let field = *columns.fields.iter().find(|field| field.name == column_of(name))?;
            let declared = table.columns().iter().find(|declared| declared.name == field.name)?;
            Some(LaidOut { declared, place, name, field })
        });
        Self(laid_out.collect())
    }

    /// Reads a cell in any form that its field accepts.
    fn read(&self, place: usize, text: &str) -> Result<Scalar, Fault> {
        let Some(LaidOut { name, field, .. }) = self.0.get(place) else {
            unreachable!("the builder has the columns of the layout")
        };
        let read = text_cell(text).and_then(|cell| {
            let (_, cell) = as_column(name, cell);
            let damage = cell.as_text().and_then(|text| text::fault(&text));
            damage.map_or_else(|| (field.read)(&cell), Err)
        });
        read.map_err(|reason| Fault { field: field.name.to_owned(), value: Some(printable(unguarded(text))), reason })
    }
}

/// Whether a row has as many fields as the header, and valid text in those that are read.
fn is_sound(header: &Header, row: &impl Fields, record: u64, faults: &mut TextFaults) -> bool {
    if let Some(fault) = header.row_fault(row.count()) {
        faults.push(record, fault);
        return false;
    }
    let Some(all) = row.unchecked() else { return true };
    let mut is_sound = true;
    for (place, name) in header.columns() {
        if row.bytes(place).is_some_and(|bytes| str::from_utf8(bytes).is_err()) {
            faults.push(record, Fault::new(column_of(name), text::not_utf8(all)));
            is_sound = false;
        }
    }
    is_sound
}
