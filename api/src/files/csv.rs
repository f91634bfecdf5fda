//! Reads a table from CSV: strictly, in one pass, and with the line of every row.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use ::csv::{ByteRecord, ReaderBuilder};
use scoring::{Faults, InputColumn, Lang, Table, name, unreadable};

use super::records::{QuoteFault, RecordWatch, Seen};
use crate::frames::{DataFrame, FrameBuilder};

/// A table as read, with all that is wrong with its text.
pub(crate) struct CsvTable {
    /// The rows. To be scored only if neither list of faults holds one.
    pub(crate) frame: DataFrame,
    /// Cells that cannot be read as what their column holds.
    pub(crate) cell_faults: Faults,
    /// Faults of the text itself.
    pub(crate) text_faults: TextFaults,
    /// Headings that no table of Sonae has.
    pub(crate) unknown_headings: Vec<String>,
    /// Whether the header could be read at all.
    pub(crate) has_header: bool,
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
}

impl TextReason {
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoHeader => "no-header",
            Self::RepeatedHeading => "repeated-heading",
            Self::FieldCount { .. } => "field-count",
            Self::NotUtf8 => "not-utf-8",
            Self::OpenQuote => "open-quote",
            Self::TextAfterQuote => "text-after-quote",
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
            Self::OpenQuote | Self::TextAfterQuote => {
                ("引用符を閉じ、値の中の引用符は2つ重ねてください", "close the quotes, and double those inside a value")
            }
        };
        lang.pick(ja, en).to_owned()
    }
}

/// The line of each row.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    seen: Seen,
    /// From which row on how many records lie before a row, beside the rows before it: the header, and rows left out.
    shifts: Vec<(usize, u64)>,
}

impl Lines {
    /// Notes which record a row was.
    fn note(&mut self, row: usize, record: u64) {
        let shift = record - row as u64;
        if self.shifts.last().is_none_or(|(_, last)| *last != shift) {
            self.shifts.push((row, shift));
        }
    }

    /// The line, counted from 1, on which a record, counted from 0, begins.
    pub(crate) fn of_record(&self, record: u64) -> u64 {
        self.seen.line_of(record)
    }

    /// The line, counted from 1, on which a row, counted from 0, begins.
    pub(crate) fn of_row(&self, row: usize) -> Option<u64> {
        let next = self.shifts.partition_point(|(from, _)| *from <= row);
        self.shifts.get(next.checked_sub(1)?).map(|(_, shift)| self.seen.line_of(row as u64 + shift))
    }
}

/// Reads a table; `on_bytes` is told how many bytes were read since it was last called.
///
/// A row whose text is at fault is left out. Of suppliers its code is kept, so that rows that name it are not
/// blamed for it.
///
/// # Errors
/// Only those of the file system: whatever the file holds comes back as faults.
pub(crate) fn read(path: &Path, table: Table, on_bytes: impl FnMut(u64)) -> io::Result<CsvTable> {
    let mut file = File::open(path)?;
    skip_byte_order_mark(&mut file)?;
    let mut text_faults = TextFaults::default();
    let mut cell_faults = Faults::default();
    let mut lines = Lines::default();
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(1 << 18)
        .from_reader(RecordWatch::new(Counted { inner: file, on_bytes }));

    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record)? {
        text_faults.push(0, None, None, TextReason::NoHeader);
    }
    let header = Header::read(table, &record, &mut text_faults);
    let mut builder = FrameBuilder::new(header.columns.iter().map(|(declared, _)| *declared));
    let mut place = 0;
    while reader.read_byte_record(&mut record)? {
        place += 1;
        let row = builder.row_count();
        if header.is_sound(&record, place, &mut text_faults) {
            let cell = |(_, field): &(_, usize)| record.get(*field).and_then(|bytes| str::from_utf8(bytes).ok());
            builder.push_row(header.columns.iter().map(cell), |place, text| {
                if let Some((declared, _)) = header.columns.get(place) {
                    cell_faults.push(unreadable(table, row, declared, text.to_owned()));
                }
            });
        } else if table == Table::Suppliers {
            let code = |(declared, field): &(&InputColumn, usize)| {
                let bytes = (declared.name == name::SUPPLIER_CODE).then(|| record.get(*field))??;
                str::from_utf8(bytes).ok()
            };
            builder.push_row(header.columns.iter().map(code), |_, _| ());
        } else {
            continue;
        }
        lines.note(row, place);
    }

    lines.seen = reader.into_inner().finish();
    text_faults.merge_quotes(&lines.seen);
    let has_header = text_faults
        .first
        .iter()
        .all(|fault| fault.record > 0 || !matches!(fault.reason, TextReason::NoHeader | TextReason::NotUtf8));
    let frame = builder.finish().map_err(io::Error::other)?;
    Ok(CsvTable { frame, cell_faults, text_faults, unknown_headings: header.unknown, has_header, lines })
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
    fn is_sound(&self, row: &ByteRecord, record: u64, faults: &mut TextFaults) -> bool {
        if row.len() != self.field_count {
            let reason = TextReason::FieldCount { expected: self.field_count, found: row.len() };
            faults.push(record, None, None, reason);
            return false;
        }
        if row.as_slice().is_ascii() {
            return true;
        }
        let cells = self.columns.iter().filter_map(|(declared, field)| Some((declared, row.get(*field)?)));
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

/// Tells how many bytes pass.
struct Counted<R, F> {
    inner: R,
    on_bytes: F,
}

impl<R: Read, F: FnMut(u64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.on_bytes)(count as u64);
        Ok(count)
    }
}
