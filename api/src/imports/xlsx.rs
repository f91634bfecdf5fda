//! Rows of a workbook, cell by cell: a range would hold every cell between the first and the last one, and a workbook of
//! 5 KB can have them at the corners of a sheet.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use calamine::{DataRef, Reader, Xlsx};
use chrono::NaiveDate;
use schema::RecordKind;

use super::engine::{Rows, Visit};
use super::report::{Place, Refusal};
use super::table::{Header, MAX_COLUMNS, kind_of_name, text_cell};
use crate::fault::{Fault, Reason};
use crate::fields::Cell;
use crate::problem::Text;

/// A workbook.
pub(crate) struct Workbook {
    book: Xlsx<BufReader<File>>,
}

/// One sheet of it.
pub(crate) struct SheetRows<'a> {
    book: &'a mut Workbook,
    sheet: String,
    /// Headings that no column has.
    unknown: Vec<Fault>,
}

const MOST_ENTRIES: usize = 200;
/// How long the cells of a sheet may take to read.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest text of a cell, as Excel has it.
const LONGEST_TEXT: usize = 32_767;

impl Workbook {
    /// Opens a workbook that unpacks to no more than so many bytes.
    pub(crate) fn open(mut file: File, max_unpacked: u64) -> Result<Self, Fault> {
        measure(&mut file, max_unpacked)?;
        file.rewind().map_err(|error| unreadable(&error))?;
        let book = Xlsx::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
        Ok(Self { book })
    }

    /// The sheets to import: the one that is asked for by kind, or all whose names say what they hold.
    pub(crate) fn sheets(&self, kind: Option<RecordKind>) -> Result<Vec<(RecordKind, String)>, Fault> {
        let names = self.book.sheet_names();
        let mut named: Vec<_> = names.iter().filter_map(|name| Some((kind_of_name(name)?, name.clone()))).collect();
        if let Some(kind) = kind {
            named.retain(|(known, _)| *known == kind);
            if named.is_empty() {
                named.extend(names.first().map(|first| (kind, first.clone())));
            }
        }
        named.sort_by_key(|(kind, _)| *kind);
        if named.is_empty() { Err(Fault::new("", Reason::NothingToImport)) } else { Ok(named) }
    }

    pub(crate) fn rows(&mut self, sheet: String) -> SheetRows<'_> {
        SheetRows { book: self, sheet, unknown: Vec::new() }
    }
}

fn unreadable(error: &dyn std::error::Error) -> Fault {
    let text = crate::files::printable(&crate::cli::with_causes(error));
    Fault::new("", Reason::Unreadable(Text::new(text.clone(), text)))
}

/// Unpacks everything once and counts, for the sizes that an archive states need not be true.
fn measure(file: &mut File, max_unpacked: u64) -> Result<(), Fault> {
    let too_much = |ja, en, max| Fault::new("", Reason::TooMuch { what: Text::new(ja, en), max });
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    if archive.len() > MOST_ENTRIES {
        return Err(too_much("ファイル（ブックの中）", "files in a workbook", MOST_ENTRIES as u64));
    }
    let mut unpacked = 0;
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(|error| unreadable(&error))?;
        unpacked += io::copy(&mut entry.take(max_unpacked + 1 - unpacked), &mut io::sink())
            .map_err(|error| unreadable(&error))?;
        if unpacked > max_unpacked {
            return Err(too_much("バイト（展開後）", "unpacked bytes", max_unpacked));
        }
    }
    Ok(())
}

impl Rows for SheetRows<'_> {
    fn name(&self) -> Option<&str> {
        Some(&self.sheet)
    }

    fn read(&mut self, kind: RecordKind, visit: Visit<'_>) -> Result<(), Refusal> {
        let sheet = self.sheet.clone();
        let refused = |row, fault| Refusal::new(Place { sheet: Some(sheet.clone()), row }, fault);
        let mut cells =
            self.book.book.worksheet_cells_reader(&sheet).map_err(|error| refused(None, unreadable(&error)))?;
        let start = Instant::now();
        let mut header: Option<Header> = None;
        let unknown = &mut self.unknown;
        let mut row = Vec::new();
        let mut row_index = None;
        loop {
            let cell = cells.next_cell().map_err(|error| refused(row_index, unreadable(&error)))?;
            let next_index = cell.as_ref().map(|cell| u64::from(cell.get_position().0) + 1);
            if next_index != row_index {
                if let Some(number) = row_index.filter(|_| !row.is_empty()) {
                    match &header {
                        None => {
                            let read = read_header(kind, &row, unknown);
                            header = Some(read.map_err(|fault| refused(Some(number), fault))?);
                        }
                        Some(header) => {
                            if let ControlFlow::Break(()) = visit(number, read_row(header, &row)) {
                                return Ok(());
                            }
                        }
                    }
                }
                if start.elapsed() > LONGEST {
                    let what = Text::new("秒（読み取り時間）", "seconds of reading");
                    return Err(refused(row_index, Fault::new("", Reason::TooMuch { what, max: LONGEST.as_secs() })));
                }
                row.clear();
                row_index = next_index;
            }
            let Some(cell) = cell else { break };
            let column = cell.get_position().1 as usize;
            // Cells to the right of every header are never looked at, so that they need not be kept.
            if column < MAX_COLUMNS && !matches!(cell.get_value(), DataRef::Empty) {
                row.push((column, value(cell.get_value())));
            }
        }
        if header.is_none() {
            return Err(refused(None, Fault::new("", Reason::NothingToImport)));
        }
        Ok(())
    }

    fn take_warnings(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.unknown)
    }
}

fn read_header(kind: RecordKind, row: &[(usize, Cell<'_>)], unknown: &mut Vec<Fault>) -> Result<Header, Fault> {
    let width = row.iter().map(|(column, _)| column + 1).max().unwrap_or_default();
    let headings = (0..width).map(|place| {
        let cell = row.iter().find(|(column, _)| *column == place);
        match cell {
            Some((_, Cell::Text(text))) => Cow::Borrowed(text.as_ref()),
            _ => Cow::Borrowed(""),
        }
    });
    Header::read(kind, headings, |fault| unknown.push(fault))
}

fn read_row<'a>(header: &Header, row: &'a [(usize, Cell<'a>)]) -> super::engine::Row<'a> {
    let mut cells: Vec<(&str, Cell<'a>)> = header.columns().map(|(_, column)| (column, Cell::Null)).collect();
    let mut faults = Vec::new();
    for (place, cell) in row {
        let Some(column) = header.column(*place) else { continue };
        if let Cell::Text(text) = cell
            && text.chars().count() > LONGEST_TEXT
        {
            let what = Text::new("文字（1つのセル）", "characters in a cell");
            faults.push(Fault::new(column, Reason::TooMuch { what, max: LONGEST_TEXT as u64 }));
        } else if let Some((_, found)) = cells.iter_mut().find(|(known, _)| *known == column) {
            *found = cell.clone();
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
}

fn value<'a>(value: &DataRef<'a>) -> Cell<'a> {
    match value {
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) => match text_cell(text) {
            Cell::Null => Cell::Null,
            _ => Cell::Text(Cow::Owned(text.clone())),
        },
        DataRef::SharedString(text) => text_cell(text),
        DataRef::Bool(flag) => Cell::Flag(*flag),
        DataRef::DateTime(time) if time.is_duration() => Cell::Number(time.as_f64()),
        DataRef::DateTime(time) => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day));
            date.map_or(Cell::Number(time.as_f64()), Cell::Date)
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(Cow::Owned(text.clone())),
        DataRef::Error(error) => Cell::Error(error.to_string()),
        DataRef::Empty => Cell::Null,
    }
}
