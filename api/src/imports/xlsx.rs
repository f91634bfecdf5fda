//! Rows of a workbook, cell by cell: a range would hold every cell between the first and the last one, and a workbook of
//! 5 KB can have them at the corners of a sheet.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use calamine::{DataRef, Reader, Xlsx};
use chrono::NaiveDate;
use schema::RecordKind;
use serde::{Deserialize, Serialize};

use super::engine::{Rows, Stop, Visit};
use super::report::{Place, Refusal};
use super::table::{Columns, Header, LONGEST_TEXT, MAX_COLUMNS, kind_of_name, text_cell};
use crate::fault::{Fault, Reason};
use crate::fields::Cell;
use crate::jobs::Progress;
use crate::problem::{ApiError, Text};

/// A sheet, its cells copied out of the workbook row by row.
pub(crate) struct SheetRows {
    sheet: String,
    cells: File,
    /// Headings that no column has.
    unknown: Vec<Fault>,
}

/// A row as it is copied: its number, and the place and value of each cell that holds something.
#[derive(Serialize, Deserialize)]
struct CopiedRow(u64, Vec<(usize, Copied)>);

#[derive(Serialize, Deserialize)]
enum Copied {
    Text(String),
    Number(f64),
    Date(NaiveDate),
    Flag(bool),
    Error(String),
}

const MOST_ENTRIES: usize = 200;
/// Above this many bytes an archive's member may not unpack to more than so many times its size.
const LARGE_MEMBER: u64 = 1 << 20;
const GREATEST_RATIO: u64 = 100;
/// Texts that the cells of a workbook share: all of them are held in memory.
const MOST_TEXTS: usize = 2_000_000;
const MOST_SHEETS: usize = 100;
/// How long the cells of a workbook may take to read.
const LONGEST: Duration = Duration::from_secs(60);

/// Copies the sheets of a workbook that are to be imported: the one that is asked for by kind, or all whose names say
/// what they hold.
///
/// Before anything is written: a workbook that was made to take long holds up nobody.
pub(crate) fn unpack(
    mut file: File,
    kind: Option<RecordKind>,
    max_unpacked: u64,
    progress: &Progress,
) -> Result<Vec<(RecordKind, SheetRows)>, Stop> {
    let refused = |fault| Stop::Refused(Refusal::new(Place::default(), fault));
    measure(&mut file, max_unpacked).map_err(refused)?;
    // The reader adds numbers that a workbook gives without a look: what no workbook has may end in a panic there.
    catch_unwind(AssertUnwindSafe(|| {
        file.rewind().map_err(|error| refused(unreadable(&error)))?;
        let mut book = Xlsx::new(BufReader::new(file)).map_err(|error| refused(unreadable(&error)))?;
        let until = Instant::now() + LONGEST;
        let sheets = sheets(&book, kind).map_err(refused)?;
        sheets.into_iter().map(|(kind, sheet)| Ok((kind, copy(&mut book, sheet, until, progress)?))).collect()
    }))
    .unwrap_or_else(|_| {
        let why = Text::new("セルの位置が正しくありません", "cells with impossible places");
        Err(refused(Fault::new("", Reason::Unreadable(why))))
    })
}

fn sheets(book: &Xlsx<BufReader<File>>, kind: Option<RecordKind>) -> Result<Vec<(RecordKind, String)>, Fault> {
    let names = book.sheet_names();
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

fn copy(
    book: &mut Xlsx<BufReader<File>>,
    sheet: String,
    until: Instant,
    progress: &Progress,
) -> Result<SheetRows, Stop> {
    let refused = |row, fault| Stop::Refused(Refusal::new(Place { sheet: Some(sheet.clone()), row }, fault));
    let mut copied = BufWriter::new(tempfile::tempfile().map_err(ApiError::internal)?);
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(|error| refused(None, unreadable(&error)))?;
    let mut row = CopiedRow(0, Vec::new());
    let mut is_first = true;
    loop {
        let cell = cells.next_cell().map_err(|error| refused(Some(row.0), unreadable(&error)))?;
        let number = cell.as_ref().map(|cell| u64::from(cell.get_position().0) + 1);
        if is_first || number != Some(row.0) {
            if !row.1.is_empty() {
                serde_json::to_writer(&mut copied, &row).map_err(ApiError::internal)?;
                copied.write_all(b"\n").map_err(ApiError::internal)?;
            }
            if progress.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            if Instant::now() > until {
                let what = Text::new("秒（読み取り時間）", "seconds of reading");
                return Err(refused(number, Fault::new("", Reason::TooMuch { what, max: LONGEST.as_secs() })));
            }
            is_first = false;
            row.1.clear();
            row.0 = number.unwrap_or_default();
        }
        let Some(cell) = cell else { break };
        let column = cell.get_position().1 as usize;
        // Cells to the right of every header are never looked at, so that they need not be kept.
        if let Some(value) = value(cell.get_value()).filter(|_| column < MAX_COLUMNS) {
            row.1.push((column, value));
        }
    }
    drop(cells);
    let cells = copied.into_inner().map_err(|error| ApiError::internal(error.into_error()))?;
    Ok(SheetRows { sheet, cells, unknown: Vec::new() })
}

fn unreadable(error: &dyn std::error::Error) -> Fault {
    let text = crate::files::printable(&crate::cli::with_causes(error));
    let why =
        Text::new(format!("Excel ブックではないか、壊れています: {text}"), format!("no workbook, or damaged: {text}"));
    Fault::new("", Reason::Unreadable(why))
}

/// Unpacks everything once and counts, for the sizes that an archive states need not be true.
fn measure(file: &mut File, max_unpacked: u64) -> Result<(), Fault> {
    let too_much = |ja, en, max| Err(Fault::new("", Reason::TooMuch { what: Text::new(ja, en), max }));
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
    if archive.len() > MOST_ENTRIES {
        return too_much("ファイル（ブックの中）", "files in a workbook", MOST_ENTRIES as u64);
    }
    let (mut unpacked, mut texts, mut sheets) = (0, 0, 0);
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(|error| unreadable(&error))?;
        let packed = entry.compressed_size().max(1);
        let name = entry.name().map_err(|error| unreadable(&error))?.into_owned();
        let (is_texts, is_book) = (name.ends_with("sharedStrings.xml"), name.ends_with("workbook.xml"));
        let (mut member, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            let count = entry.read(&mut buffer).map_err(|error| unreadable(&error))?;
            let read = buffer.get(..count).unwrap_or_default();
            if is_texts {
                texts += memchr::memmem::find_iter(read, b"<si").count();
            }
            if is_book {
                sheets += memchr::memmem::find_iter(read, b"<sheet ").count();
            }
            unpacked += count as u64;
            member += count as u64;
            if unpacked > max_unpacked {
                return too_much("バイト（展開後）", "unpacked bytes", max_unpacked);
            }
            if member > LARGE_MEMBER && member / packed > GREATEST_RATIO {
                return too_much("倍（展開後の大きさ）", "times its size when unpacked", GREATEST_RATIO);
            }
            if texts > MOST_TEXTS {
                return too_much("個の文字列", "different texts", MOST_TEXTS as u64);
            }
            if sheets > MOST_SHEETS {
                return too_much("枚のシート", "sheets", MOST_SHEETS as u64);
            }
            if count == 0 {
                break;
            }
        }
    }
    Ok(())
}

impl Rows for SheetRows {
    fn name(&self) -> Option<&str> {
        Some(&self.sheet)
    }

    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal> {
        let sheet = self.sheet.clone();
        let refused = |row, fault| Refusal::new(Place { sheet: Some(sheet.clone()), row }, fault);
        let failed = |error: io::Error| refused(None, unreadable(&error));
        self.cells.rewind().map_err(failed)?;
        let mut header: Option<Header> = None;
        let mut reader = BufReader::new(&self.cells);
        let mut line = Vec::new();
        loop {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                break;
            }
            let CopiedRow(number, row) =
                serde_json::from_slice(&line).map_err(|error| refused(None, unreadable(&error)))?;
            match &header {
                None => {
                    let read = read_header(columns, &row, &mut self.unknown);
                    header = Some(read.map_err(|fault| refused(Some(number), fault))?);
                }
                Some(header) => {
                    if let ControlFlow::Break(()) = visit(number, read_row(header, &row)) {
                        return Ok(());
                    }
                }
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

fn read_header(columns: &Columns, row: &[(usize, Copied)], unknown: &mut Vec<Fault>) -> Result<Header, Fault> {
    let width = row.iter().map(|(column, _)| column + 1).max().unwrap_or_default();
    let headings = (0..width).map(|place| match row.iter().find(|(column, _)| *column == place) {
        Some((_, Copied::Text(text))) => Cow::Borrowed(text.as_str()),
        _ => Cow::Borrowed(""),
    });
    Header::read(columns, headings, |fault| unknown.push(fault))
}

fn read_row<'a>(header: &Header, row: &'a [(usize, Copied)]) -> super::engine::Row<'a> {
    let mut cells: Vec<(&str, Cell<'a>)> = header.columns().map(|(_, column)| (column, Cell::Null)).collect();
    let mut faults = Vec::new();
    for (place, value) in row {
        let Some(column) = header.column(*place) else { continue };
        let cell = match value {
            Copied::Text(text) if text.chars().count() > LONGEST_TEXT => {
                let what = Text::new("文字（1つのセル）", "characters in a cell");
                faults.push(Fault::new(column, Reason::TooMuch { what, max: LONGEST_TEXT as u64 }));
                continue;
            }
            Copied::Text(text) => text_cell(text),
            Copied::Number(number) => Cell::Number(*number),
            Copied::Date(date) => Cell::Date(*date),
            Copied::Flag(flag) => Cell::Flag(*flag),
            Copied::Error(error) => Cell::Error(error.clone()),
        };
        if let Some((_, found)) = cells.iter_mut().find(|(known, _)| *known == column) {
            *found = cell;
        }
    }
    if faults.is_empty() { Ok(cells) } else { Err(faults) }
}

/// What a cell holds, if anything.
fn value(value: &DataRef<'_>) -> Option<Copied> {
    let text = |text: &str| (!text.is_empty()).then(|| Copied::Text(text.to_owned()));
    match value {
        DataRef::Int(number) => Some(Copied::Number(*number as f64)),
        DataRef::Float(number) => Some(Copied::Number(*number)),
        DataRef::String(shown) | DataRef::DateTimeIso(shown) | DataRef::DurationIso(shown) => text(shown),
        DataRef::SharedString(shown) => text(shown),
        DataRef::Bool(flag) => Some(Copied::Flag(*flag)),
        DataRef::DateTime(time) if time.is_duration() => Some(Copied::Number(time.as_f64())),
        DataRef::DateTime(time) => {
            let (year, month, day, ..) = time.to_ymd_hms_milli();
            let date = NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day));
            Some(date.map_or(Copied::Number(time.as_f64()), Copied::Date))
        }
        DataRef::Error(error) => Some(Copied::Error(error.to_string())),
        DataRef::Empty => None,
    }
}
