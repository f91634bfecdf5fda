//! Reads tables from CSV: strictly, in one pass over blocks on all threads, and with the line of every row.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ::csv::{ByteRecord, ReaderBuilder};
use memchr::memchr_iter;
use scoring::{Faults, InputColumn, Lang, Suppliers, Table, name, unreadable};

use super::blocks::{BLOCK_BYTES, Block, Blocks};
use super::records::{Fields, PlainRecords, QuoteFault, RecordWatch, Seen};
use crate::frames::{DataFrame, FrameBuilder, stacked};

/// A table as read, with all that is wrong with its text.
pub(crate) struct CsvTable {
    /// The rows. To be scored only if neither list of faults holds one.
    pub(crate) frame: DataFrame,
    /// Cells that cannot be read as what their column holds.
    pub(crate) cell_faults: Faults,
    /// Faults of the text itself.
    pub(crate) text_faults: TextFaults,
    /// The first codes that no supplier has, by row and column.
    pub(crate) unknown_codes: HashMap<(usize, &'static str), String>,
    /// Headings that no table of Sonae has.
    pub(crate) unknown_headings: Vec<String>,
    /// Whether the header could be read at all.
    pub(crate) has_header: bool,
    /// Whether there are rows that were not read.
    pub(crate) is_cut_off: bool,
    /// Which line each row stands on.
    pub(crate) lines: Lines,
}

/// A fault of a CSV file as a text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextFault {
    /// Counted from 0, the header.
    pub(crate) record: u64,
    pub(crate) column: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) reason: TextReason,
}

/// The first faults of a text, and how many there are.
#[derive(Debug, Default)]
pub(crate) struct TextFaults {
    pub(crate) first: Vec<TextFault>,
    pub(crate) count: usize,
}

impl TextFaults {
    fn push(&mut self, record: u64, column: Option<&str>, value: Option<String>, reason: TextReason) {
        if self.first.len() < Faults::KEPT {
            self.first.push(TextFault { record, column: column.map(str::to_owned), value, reason });
        }
        self.count += 1;
    }

    /// Adds the faults of what follows so many records.
    fn append(&mut self, others: Self, records_before: u64) {
        self.count += others.count;
        let others = others.first.into_iter();
        let others = others.map(|fault| TextFault { record: records_before + fault.record, ..fault });
        self.first.extend(others.take(Faults::KEPT.saturating_sub(self.first.len())));
    }

    /// Adds the faults of quotes, which are known only at the end, in their places.
    fn merge_quotes(&mut self, seen: &Seen) {
        self.count += seen.quote_fault_count;
        self.first.extend(seen.quote_faults.iter().map(|(record, fault)| {
            let reason = match fault {
                QuoteFault::Open => TextReason::OpenQuote,
                QuoteFault::TextAfter => TextReason::TextAfterQuote,
            };
            TextFault { record: *record, column: None, value: None, reason }
        }));
        self.first.sort_by_key(|fault| fault.record);
        self.first.truncate(Faults::KEPT);
    }
}

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TextReason {
    NoHeader,
    RepeatedHeading,
    FieldCount { expected: usize, found: usize },
    NotUtf8,
    OpenQuote,
    TextAfterQuote,
    TooLong,
}

impl TextReason {
    /// Whether a header with this fault could be read all the same.
    fn leaves_header(self) -> bool {
        !matches!(self, Self::NoHeader | Self::NotUtf8 | Self::TooLong)
    }

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "no-header",
            Self::RepeatedHeading => "repeated-heading",
            Self::FieldCount { .. } => "field-count",
            Self::NotUtf8 => "not-utf-8",
            Self::OpenQuote => "open-quote",
            Self::TextAfterQuote => "text-after-quote",
            Self::TooLong => "line-too-long",
        }
    }

    pub(crate) fn text(self, lang: Lang) -> String {
        let (ja, en) = match self {
            Self::NoHeader => ("見出し行がありません", "the file has no header"),
            Self::RepeatedHeading => ("同じ見出しが2回あります", "the heading appears twice"),
            Self::FieldCount { expected, found } => {
                return lang.pick(
                    format!("見出しは{expected}列ですが、この行は{found}列です"),
                    format!("fields in this row: {found}, in the header: {expected}"),
                );
            }
            Self::NotUtf8 => ("UTF-8 ではありません", "not UTF-8"),
            Self::OpenQuote => {
                ("引用符が閉じられないままファイルが終わっています", "the file ends inside quotes that open here")
            }
            Self::TextAfterQuote => {
                ("ここで開いた引用符が閉じたあとに文字が続いています", "text follows the quotes that open here")
            }
            Self::TooLong => {
                return lang.pick(
                    format!("この行は長すぎます（{BLOCK_BYTES}バイトまで）"),
                    format!("this row has more than {BLOCK_BYTES} bytes"),
                );
            }
        };
        lang.pick(ja, en).to_owned()
    }

    pub(crate) fn remedy(self, lang: Lang) -> String {
        let (ja, en) = match self {
            Self::NoHeader => ("1行目に列名を書いてください", "write the column names on the first line"),
            Self::RepeatedHeading => {
                ("どちらかの列を消すか名前を変えてください", "remove or rename one of the two columns")
            }
            Self::FieldCount { .. } => (
                "区切りのカンマの過不足を直し、カンマを含む値は引用符で囲んでください",
                "mend the commas, and quote values that hold one",
            ),
            Self::NotUtf8 => ("「CSV UTF-8」形式で保存し直してください", "save the file again as CSV UTF-8"),
            Self::OpenQuote | Self::TextAfterQuote | Self::TooLong => {
                ("引用符を閉じ、値の中の引用符は2つ重ねてください", "close the quotes, and double those inside a value")
            }
        };
        lang.pick(ja, en).to_owned()
    }
}

/// The line of each row of a file, block by block.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<BlockLines>);

/// The lines of a block's rows.
#[derive(Debug, Default)]
struct BlockLines {
    /// How many rows, records and lines lie before the block.
    rows_before: usize,
    records_before: u64,
    lines_before: u64,
    seen: Seen,
    /// From which row on how many records lie before a row, beside the rows before it: the header, and rows left out.
    shifts: Vec<(usize, u64)>,
}

impl BlockLines {
    /// Notes which record a row was.
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
    /// The line, counted from 1, on which a record, counted from 0, begins.
    pub(crate) fn of_record(&self, record: u64) -> u64 {
        let next = self.0.partition_point(|block| block.records_before <= record);
        let block = next.checked_sub(1).and_then(|last| self.0.get(last));
        block.map_or(record + 1, |block| block.of_record(record - block.records_before))
    }

    /// The line, counted from 1, on which a row, counted from 0, begins.
    pub(crate) fn of_row(&self, row: usize) -> Option<u64> {
        let next = self.0.partition_point(|block| block.rows_before <= row);
        let block = self.0.get(next.checked_sub(1)?)?;
        let row = row - block.rows_before;
        let next = block.shifts.partition_point(|(from, _)| *from <= row);
        block.shifts.get(next.checked_sub(1)?).map(|(_, shift)| block.of_record(row as u64 + shift))
    }
}

/// A file that is being read, by as many threads as like to.
struct Reading {
    table: Table,
    header: Header,
    faults: TextFaults,
    blocks: Mutex<Blocks<File>>,
    parts: Mutex<Vec<(usize, io::Result<Part>)>>,
}

/// What one block holds; rows and records are counted from its beginning.
struct Part {
    frame: DataFrame,
    cell_faults: Faults,
    text_faults: TextFaults,
    unknown_codes: Vec<((usize, &'static str), String)>,
    lines: BlockLines,
}

/// Reads tables on all threads of the machine, in order; `on_bytes` is told how many bytes were read since it was last
/// called. With suppliers, their rows stand in place of their codes.
///
/// A row whose text is at fault is left out. Of suppliers its code is kept, so that rows that name it are not
/// blamed for it.
///
/// # Errors
/// Only those of the file system: whatever a file holds comes back as faults.
pub(crate) fn read(
    files: Vec<(Table, File)>,
    suppliers: Option<&Suppliers>,
    on_bytes: &(impl Fn(u64) + Sync),
) -> Vec<(Table, io::Result<CsvTable>)> {
    let blocks = files.iter().map(|(_, file)| file.metadata().map_or(0, |file| file.len() / BLOCK_BYTES as u64));
    let blocks = usize::try_from(blocks.sum::<u64>()).unwrap_or(usize::MAX);
    let opened: Vec<_> = files.into_iter().map(|(table, file)| (table, Reading::open(table, file))).collect();
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
    // A panic elsewhere ends the reading as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reading {
    fn open(table: Table, mut file: File) -> io::Result<Self> {
        skip_byte_order_mark(&mut file)?;
        let start = file.stream_position()?;
        let mut faults = TextFaults::default();
        let mut record = ByteRecord::new();
        if !csv_reader((&mut file).take(BLOCK_BYTES as u64)).read_byte_record(&mut record)? {
            faults.push(0, None, None, TextReason::NoHeader);
        }
        file.seek(io::SeekFrom::Start(start))?;
        let header = Header::read(table, &record, &mut faults);
        let (blocks, parts) = (Mutex::new(Blocks::new(file)), Mutex::default());
        Ok(Self { table, header, faults, blocks, parts })
    }

    fn read_block(&self, bytes: &mut Vec<u8>) -> Option<io::Result<Block>> {
        locked(&self.blocks).read(bytes).transpose()
    }

    fn part(&self, block: Block, bytes: &[u8], suppliers: Option<&Suppliers>) -> io::Result<Part> {
        let capacity = memchr_iter(b'\n', bytes).count() + 1;
        let mut rows = Rows {
            reading: self,
            builder: self.builder(suppliers, capacity),
            record: 0,
            cell_faults: Faults::default(),
            text_faults: TextFaults::default(),
            lines: BlockLines::default(),
        };
        let has_header = block.number == 0;
        if block.is_cut_off {
            rows.text_faults.push(0, None, None, TextReason::TooLong);
            (rows.lines.seen.record_count, rows.lines.seen.line_count) = (1, 1);
        } else if let Some(mut records) = PlainRecords::new(bytes) {
            rows.record = u64::from(has_header && records.next().is_some());
            while let Some(record) = records.next() {
                rows.push(&record);
            }
            rows.lines.seen = records.finish();
        } else {
            let mut reader = csv_reader(RecordWatch::new(bytes));
            let mut record = ByteRecord::new();
            rows.record = u64::from(has_header && reader.read_byte_record(&mut record)?);
            while reader.read_byte_record(&mut record)? {
                rows.push(&record);
            }
            rows.lines.seen = reader.into_inner().finish();
            rows.text_faults.merge_quotes(&rows.lines.seen);
        }
        rows.finish()
    }

    fn builder<'a>(&self, suppliers: Option<&'a Suppliers>, capacity: usize) -> FrameBuilder<'a> {
        let columns = self.header.columns.iter().map(|(declared, _)| *declared);
        FrameBuilder::new(self.table, columns, suppliers, capacity)
    }

    /// Puts the blocks together, in order.
    fn finish(self, suppliers: Option<&Suppliers>) -> io::Result<CsvTable> {
        // A file without a block has columns all the same.
        let none = self.builder(suppliers, 0).finish(|_, _, _| ()).map_err(io::Error::other)?;
        let mut parts = self.parts.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_by_key(|(number, _)| *number);
        let (mut text_faults, mut cell_faults) = (self.faults, Faults::default());
        let (mut frames, mut unknown_codes, mut lines) = (vec![none], HashMap::new(), Vec::new());
        let (mut rows, mut records, mut line_count) = (0, 0, 0);
        for (_, part) in parts {
            let mut part = part?;
            (part.lines.rows_before, part.lines.records_before, part.lines.lines_before) = (rows, records, line_count);
            text_faults.append(part.text_faults, records);
            cell_faults.append(part.cell_faults, rows);
            let codes = part.unknown_codes.into_iter().map(|((row, column), code)| ((rows + row, column), code));
            // As many of each column as there are faults to be told.
            let most = Faults::KEPT * self.table.references().len();
            unknown_codes.extend(codes.take(most.saturating_sub(unknown_codes.len())));
            rows += part.frame.height();
            records += part.lines.seen.record_count;
            line_count += part.lines.seen.line_count;
            lines.push(part.lines);
            frames.push(part.frame);
        }
        let frame = stacked(frames).map_err(io::Error::other)?;
        let has_header = text_faults.first.iter().all(|fault| fault.record > 0 || fault.reason.leaves_header());
        let is_cut_off = text_faults.first.iter().any(|fault| fault.reason == TextReason::TooLong);
        Ok(CsvTable {
            frame,
            cell_faults,
            text_faults,
            unknown_codes,
            unknown_headings: self.header.unknown,
            has_header,
            is_cut_off,
            lines: Lines(lines),
        })
    }
}

/// The rows of a block in the making.
struct Rows<'a> {
    reading: &'a Reading,
    builder: FrameBuilder<'a>,
    record: u64,
    cell_faults: Faults,
    text_faults: TextFaults,
    lines: BlockLines,
}

impl Rows<'_> {
    fn push(&mut self, fields: &impl Fields) {
        let (table, header) = (self.reading.table, &self.reading.header);
        let (row, record) = (self.builder.row_count(), self.record);
        self.record += 1;
        if header.is_sound(fields, record, &mut self.text_faults) {
            let cells = header.columns.iter().map(|(_, field)| fields.text(*field));
            self.builder.push_row(cells, |place, text| {
                if let Some((declared, _)) = header.columns.get(place) {
                    self.cell_faults.push(unreadable(table, row, declared, text.to_owned()));
                }
            });
        } else if table == Table::Suppliers {
            let code = |(declared, field): &(&InputColumn, usize)| {
                (declared.name == name::SUPPLIER_CODE).then(|| fields.text(*field)).flatten()
            };
            self.builder.push_row(header.columns.iter().map(code), |_, _| ());
        } else {
            return;
        }
        self.lines.note(row, record);
    }

    fn finish(self) -> io::Result<Part> {
        // They come column by column, and are told row by row.
        let mut unknown_codes: Vec<((usize, &'static str), String)> = Vec::new();
        let frame = self.builder.finish(|row, place, code| {
            let Some((declared, _)) = self.reading.header.columns.get(place) else { return };
            let of_column = unknown_codes.iter().rev().take_while(|((_, column), _)| *column == declared.name);
            if of_column.count() < Faults::KEPT {
                unknown_codes.push(((row, declared.name), code.to_owned()));
            }
        });
        unknown_codes.sort_by_key(|((row, _), _)| *row);
        Ok(Part {
            frame: frame.map_err(io::Error::other)?,
            cell_faults: self.cell_faults,
            text_faults: self.text_faults,
            unknown_codes,
            lines: self.lines,
        })
    }
}

fn csv_reader<R: Read>(text: R) -> ::csv::Reader<R> {
    ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(1 << 16).from_reader(text)
}

/// Which field holds which declared column.
struct Header {
    field_count: usize,
    columns: Vec<(&'static InputColumn, usize)>,
    unknown: Vec<String>,
}

impl Header {
    fn read(table: Table, record: &ByteRecord, faults: &mut TextFaults) -> Self {
        let mut header = Self { field_count: record.len(), columns: Vec::new(), unknown: Vec::new() };
        for (field, bytes) in record.iter().enumerate() {
            let Ok(heading) = str::from_utf8(bytes) else {
                let value = String::from_utf8_lossy(bytes).into_owned();
                faults.push(0, None, Some(value), TextReason::NotUtf8);
                continue;
            };
            let heading = heading.trim();
            let declared = table.columns().iter().find(|column| column.name == heading || column.ja == heading);
            match declared {
                Some(declared) if header.columns.iter().any(|(known, _)| known.name == declared.name) => {
                    faults.push(0, Some(heading), None, TextReason::RepeatedHeading);
                }
                Some(declared) => header.columns.push((declared, field)),
                None if heading.is_empty() || table.other_columns().contains(&heading) => {}
                None => header.unknown.push(heading.to_owned()),
            }
        }
        header
    }

    /// Whether a row has the header's number of fields, and text in those that are read.
    fn is_sound(&self, row: &impl Fields, record: u64, faults: &mut TextFaults) -> bool {
        if row.count() != self.field_count {
            let reason = TextReason::FieldCount { expected: self.field_count, found: row.count() };
            faults.push(record, None, None, reason);
            return false;
        }
        if row.is_text() {
            return true;
        }
        let cells = self.columns.iter().filter_map(|(declared, field)| Some((declared, row.bytes(*field)?)));
        let mut is_sound = true;
        for (declared, bytes) in cells.filter(|(_, bytes)| str::from_utf8(bytes).is_err()) {
            let value = String::from_utf8_lossy(bytes).into_owned();
            faults.push(record, Some(declared.name), Some(value), TextReason::NotUtf8);
            is_sound = false;
        }
        is_sound
    }
}

/// Moves past the mark that some programs put before UTF-8.
pub(crate) fn skip_byte_order_mark(file: &mut File) -> io::Result<()> {
    let mut start = Vec::with_capacity(3);
    file.by_ref().take(3).read_to_end(&mut start)?;
    let skipped = if start == b"\xEF\xBB\xBF" { 3 } else { 0 };
    file.seek(io::SeekFrom::Start(skipped)).map(|_| ())
}
