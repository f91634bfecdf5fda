//! Rows of a workbook: its sheets are copied out of it, cell by cell, before anything is written.
//!
//! A workbook may say little with many bytes, or much with few. In memory are only one token of its XML, the places of
//! its shared texts, its formats and its merged ranges, and each of these has a limit. The disk never takes more than
//! the workbook unpacks to.

mod archive;
mod book;
mod formats;
mod kind;
mod rows;
mod sheet;
mod texts;
mod xml;

use std::borrow::Cow;
use std::error::Error;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use schema::RecordKind;

use self::archive::Archive;
use self::book::{Book, Sheet};
use self::formats::Format;
use self::rows::{RowReader, Value};
use self::sheet::{Copy, Range};
use self::texts::Texts;
use super::engine::{Rows, Stop, Visit};
use super::report::{Place, Refusal};
use super::table::kind_of_name;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::Cell;
use crate::base::problem::ApiError;
use crate::base::text::Text;
use crate::files::header::{Columns, Header, MAX_COLUMNS};
use crate::files::spill::has_room;
use crate::queue::progress::Progress;

/// How many characters of a heading are read.
const MAX_HEADING_LENGTH: usize = 200;

/// A sheet whose cells were copied out of the workbook row by row.
pub(crate) struct SheetRows {
    sheet: String,
    copy: Copy,
    /// What the sheets of a workbook share.
    shared: Arc<Shared>,
    /// Warnings about sheets that are not read.
    warnings: Vec<Fault>,
    /// Headings that no column has.
    unknown: Vec<Fault>,
}

struct Shared {
    texts: Mutex<Texts>,
    formats: Vec<Format>,
    is_1904: bool,
}

impl Shared {
    fn texts(&self) -> MutexGuard<'_, Texts> {
        // The texts are read from a file, each by its place, and stay consistent whatever happens.
        self.texts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a workbook is not read to its end.
enum Ended {
    Cancelled,
    Refused(Fault),
    Failed(ApiError),
}

impl Ended {
    fn at(self, place: Place) -> Stop {
        match self {
            Self::Cancelled => Stop::Cancelled,
            Self::Refused(fault) => Stop::Refused(Refusal::new(place, fault)),
            Self::Failed(error) => Stop::Failed(error),
        }
    }
}

/// Copies the sheets of a workbook that are to be imported: the one that is asked for by kind, or all whose names give
/// their kind. `name` is that of the file, for messages.
pub(crate) fn unpack(
    mut file: File,
    name: Option<String>,
    kind: Option<RecordKind>,
    max_unpacked: u64,
    progress: &Progress,
) -> Result<Vec<(RecordKind, SheetRows)>, Stop> {
    let book = |ended: Ended| ended.at(Place { sheet: name.clone(), row: None });
    kind::check(&mut file).map_err(book)?;
    let mut archive = Archive::open(file, max_unpacked, progress).map_err(book)?;
    let (sheets, shared, mut warnings) = open(&mut archive, kind).map_err(book)?;
    let (mut tables, mut left) = (Vec::new(), max_unpacked);
    for (kind, Sheet { name, part, .. }) in sheets {
        let mut row = 0;
        let copy = match archive.part(&part) {
            Ok(Some(part)) => sheet::copy(part, &shared.texts(), &mut left, &mut row),
            Ok(None) => Err(damage("シートの中身がありません", "a sheet of it is not there")),
            Err(ended) => Err(ended),
        };
        let place = || Place { sheet: Some(name.clone()), row: (row > 0).then_some(u64::from(row)) };
        let copy = copy.map_err(|ended| ended.at(place()))?;
        let warnings = std::mem::take(&mut warnings);
        tables
            .push((kind, SheetRows { sheet: name, copy, shared: Arc::clone(&shared), warnings, unknown: Vec::new() }));
    }
    Ok(tables)
}

/// The sheets to read, each with its kind.
type Chosen = Vec<(RecordKind, Sheet)>;

/// Reads everything but the cells: the sheets to read, what they share, and warnings about sheets that are not read.
fn open(archive: &mut Archive<'_>, kind: Option<RecordKind>) -> Result<(Chosen, Arc<Shared>, Vec<Fault>), Ended> {
    let book = Book::read(archive)?;
    let (sheets, warnings) = choose(&book.sheets, kind).map_err(Ended::Refused)?;
    let parts = book.texts.iter().chain(sheets.iter().map(|(_, sheet)| &sheet.part));
    let size = parts.map(|part| archive.stated_size(part)).fold(0, u64::saturating_add);
    if !has_room(size).map_err(|error| Ended::Failed(ApiError::internal(error)))? {
        return Err(Ended::Refused(Fault::new("", Reason::NoRoom)));
    }
    let formats = book.formats(archive)?;
    let texts = match &book.texts {
        Some(part) => archive.part(part)?.map(Texts::read).transpose()?,
        None => None,
    };
    let texts = Mutex::new(texts.unwrap_or_default());
    Ok((sheets, Arc::new(Shared { texts, formats, is_1904: book.is_1904 }), warnings))
}

/// Chooses the visible sheets to read: those whose names give their kind or, if a kind is asked for that no name gives,
/// the first one. Hidden sheets are left out with a warning, because the sender does not see them.
fn choose(sheets: &[Sheet], kind: Option<RecordKind>) -> Result<(Chosen, Vec<Fault>), Fault> {
    let is_asked = |found: RecordKind| kind.is_none_or(|kind| kind == found);
    let named =
        sheets.iter().filter_map(|sheet| Some((kind_of_name(&sheet.name).filter(|kind| is_asked(*kind))?, sheet)));
    let (mut chosen, hidden): (Vec<_>, Vec<_>) =
        named.map(|(kind, sheet)| (kind, sheet.clone())).partition(|(_, sheet)| sheet.is_visible);
    if let (Some(kind), true) = (kind, chosen.is_empty()) {
        chosen.extend(sheets.iter().find(|sheet| sheet.is_visible).map(|first| (kind, first.clone())));
    }
    chosen.sort_by_key(|(kind, _)| *kind);
    let mut hidden = hidden.into_iter().map(|(_, sheet)| Fault::new("", Reason::HiddenSheet(sheet.name)));
    if chosen.is_empty() {
        return Err(hidden.next().unwrap_or_else(|| Fault::new("", Reason::NothingToImport)));
    }
    Ok((chosen, hidden.collect()))
}

fn damaged(error: &dyn Error) -> Ended {
    // The messages of libraries are in English, and useful to programmers at most.
    let text = crate::base::text::printable(&crate::base::text::with_causes(error));
    damage("ブックが壊れているか、途中で切れています", format!("the workbook is damaged or cut off: {text}"))
}

fn damage(ja: impl Into<String>, en: impl Into<String>) -> Ended {
    Ended::Refused(Fault::new("", Reason::Unreadable(Text::new(ja, en))))
}

fn limit(ja: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new("", Reason::File { code: "too-much", text: Text::new(ja, en) })
}

/// Returns why something cannot be written to the disk.
fn spilled(error: io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::StorageFull => Ended::Refused(Fault::new("", Reason::NoRoom)),
        _ => Ended::Failed(ApiError::internal(error)),
    }
}

impl Rows for SheetRows {
    fn name(&self) -> Option<&str> {
        Some(&self.sheet)
    }

    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal> {
        let Self { sheet, copy: Copy { rows, ranges }, shared, unknown, .. } = self;
        unknown.clear();
        let refused = |row, fault| Refusal::new(Place { sheet: Some(sheet.clone()), row }, fault);
        let failed = |error: io::Error| {
            let text = Text::new(error.to_string(), error.to_string());
            refused(None, Fault::new("", Reason::Unreadable(text)))
        };
        let mut rows = RowReader::new(rows).map_err(failed)?;
        let (mut header, mut cells, mut ranges) = (None, Vec::new(), Ranges::new(ranges));
        while let Some(number) = rows.next(&mut cells).map_err(failed)? {
            let row = Some(u64::from(number));
            if !ranges.advance(number, &cells) {
                let why = Text::new("結合したセルが重なっています", "merged ranges of it overlap");
                return Err(refused(row, Fault::new("", Reason::Unreadable(why))));
            }
            match &header {
                None => {
                    let headings = shared.headings(&cells).map_err(failed)?;
                    let read = Header::read(columns, headings.into_iter());
                    let mut read = read.sound().map_err(|fault| refused(row, fault))?;
                    unknown.append(&mut read.warnings);
                    header = Some(read);
                }
                Some(header) => {
                    let cells = shared.row(header, &cells, &ranges).map_err(failed)?;
                    if let ControlFlow::Break(()) = visit(u64::from(number), Ok(cells)) {
                        return Ok(());
                    }
                }
            }
        }
        match header {
            Some(_) => Ok(()),
            None => Err(refused(None, Fault::new("", Reason::NothingToImport))),
        }
    }

    fn take_warnings(&mut self) -> Vec<Fault> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.append(&mut self.unknown);
        warnings
    }
}

impl Shared {
    fn text(&self, value: &Value) -> io::Result<Option<String>> {
        Ok(match value {
            Value::Text(text) => Some(text.clone()),
            Value::Shared(number) => Some(self.texts().get(*number)?),
            _ => None,
        })
    }

    fn headings(&self, cells: &[(usize, Value)]) -> io::Result<Vec<Cow<'static, str>>> {
        let width = cells.last().map_or(0, |(column, _)| column + 1);
        let mut headings = vec![Cow::Borrowed(""); width];
        for (column, value) in cells {
            if let (Some(heading), Some(text)) = (headings.get_mut(*column), self.text(value)?) {
                *heading = Cow::Owned(text.chars().take(MAX_HEADING_LENGTH).collect());
            }
        }
        Ok(headings)
    }

    fn row<'h>(
        &self,
        header: &'h Header,
        cells: &[(usize, Value)],
        ranges: &Ranges<'_>,
    ) -> io::Result<Vec<(&'h str, Cell<'static>)>> {
        let mut row = Vec::new();
        for (place, column) in header.columns() {
            let value = cells.binary_search_by_key(&place, |(column, _)| *column).ok();
            let value = value.and_then(|found| cells.get(found)).map(|(_, value)| value);
            let cell = match (ranges.covering(place), value) {
                (Some(range), _) if range.is_merged => {
                    Cell::Refused { shown: None, reason: Reason::MergedCells(range.to_string()) }
                }
                (Some(_), None) => Cell::Refused { shown: None, reason: Reason::Uncalculated },
                (_, Some(value)) => self.cell(value)?,
                (None, None) => Cell::Null,
            };
            row.push((column, cell));
        }
        Ok(row)
    }

    fn cell(&self, value: &Value) -> io::Result<Cell<'static>> {
        Ok(match value {
            Value::Text(_) | Value::Shared(_) => {
                let text = self.text(value)?.unwrap_or_default();
                if text.is_empty() { Cell::Null } else { Cell::Text(Cow::Owned(text)) }
            }
            Value::Number(number, style) => match self.formats.get(usize::from(*style)) {
                Some(Format::Moment) => match moment(*number, self.is_1904) {
                    // A time of day without a date.
                    Some(time) if time.year() < 1900 => Cell::Moment(time),
                    Some(time) => time_cell(time),
                    None => Cell::Number(*number),
                },
                Some(Format::Elapsed) => {
                    let seconds = (number * 86_400.0).round();
                    let (hours, minutes) = ((seconds / 3600.0).trunc(), (seconds / 60.0).trunc() % 60.0);
                    Cell::Places(*number, format!("{hours}:{:02}:{:02}", minutes.abs(), (seconds % 60.0).abs()))
                }
                Some(Format::Places(code)) if number.fract() == 0.0 => match formats::shown(code, *number) {
                    Some(shown) => Cell::Places(*number, shown),
                    None => Cell::Number(*number),
                },
                _ => Cell::Number(*number),
            },
            Value::Moment(milliseconds) => match DateTime::from_timestamp_millis(*milliseconds) {
                Some(time) => time_cell(time.naive_utc()),
                None => Cell::Null,
            },
            Value::Flag(flag) => Cell::Flag(*flag),
            Value::Error(error) => {
                Cell::Refused { shown: Some(error.clone()), reason: Reason::ErrorCell(error.clone()) }
            }
            Value::Uncalculated => Cell::Refused { shown: None, reason: Reason::Uncalculated },
        })
    }
}

fn time_cell(time: NaiveDateTime) -> Cell<'static> {
    if time.time() == NaiveTime::MIN { Cell::Date(time.date()) } else { Cell::Moment(time) }
}

/// Returns the date and time of a number that counts days.
fn moment(days: f64, is_1904: bool) -> Option<NaiveDateTime> {
    // Excel has a 29 February 1900, which did not exist. The days before it count from one day later.
    let start = match is_1904 {
        true => NaiveDate::from_ymd_opt(1904, 1, 1),
        false if (60.0..61.0).contains(&days) => None,
        false if days < 60.0 => NaiveDate::from_ymd_opt(1899, 12, 31),
        false => NaiveDate::from_ymd_opt(1899, 12, 30),
    };
    const LAST_DAY: f64 = 2_958_466.0;
    let milliseconds = (0.0..LAST_DAY).contains(&days).then(|| (days * 86_400_000.0).round() as i64)?;
    start?.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::milliseconds(milliseconds))
}

/// The ranges of a sheet while its rows are read one after another.
struct Ranges<'a> {
    later: std::slice::Iter<'a, Range>,
    /// The ranges that reach into the row, and whether their first cell has a value.
    open: Vec<(Range, bool)>,
    row: u32,
}

impl<'a> Ranges<'a> {
    fn new(ranges: &'a [Range]) -> Self {
        Self { later: ranges.iter(), open: Vec::new(), row: 0 }
    }

    /// Goes on to a row. Returns false if more ranges reach into it than can lie side by side.
    fn advance(&mut self, row: u32, cells: &[(usize, Value)]) -> bool {
        self.row = row;
        self.open.retain(|(range, _)| range.last.0 >= row);
        while let Some(range) = self.later.as_slice().first().filter(|range| range.first.0 <= row) {
            self.later.next();
            let has_value = range.first.0 == row
                && cells.binary_search_by_key(&(range.first.1 as usize - 1), |(column, _)| *column).is_ok();
            if range.last.0 >= row {
                self.open.push((*range, has_value));
            }
        }
        self.open.len() <= MAX_COLUMNS
    }

    /// Returns the range that a cell of the row belongs to, if the cell is not its first and the first has a value.
    fn covering(&self, place: usize) -> Option<Range> {
        let column = place as u32 + 1;
        let covers =
            |range: &Range| (range.first.1..=range.last.1).contains(&column) && (self.row, column) != range.first;
        self.open.iter().find(|(range, has_value)| *has_value && covers(range)).map(|(range, _)| *range)
    }
}
