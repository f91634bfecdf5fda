//! Copies the cells of a sheet from its part in the archive, row by row.

use chrono::{NaiveDate, NaiveDateTime};

use super::archive::Source;
use super::rows::{RowWriter, Value};
use super::texts::Texts;
use super::xml::{Part, Tag, Token, append, check_length, unescaped};
use super::{Ended, damage, limit, spilled};
use crate::files::header::MAX_COLUMNS;
use crate::files::spill::Spill;

/// The last row and the last column of a sheet, counted from 1.
const LAST_ROW: u32 = 1 << 20;
const LAST_COLUMN: u32 = 1 << 14;
/// The most ranges of a sheet that are merged or filled by one formula. All of them are held in memory.
const MAX_RANGES: usize = 200_000;

/// The cells of a sheet, copied.
pub(super) struct Copy {
    pub(super) rows: Spill,
    /// Ranges of which only the first cell has a value, by their first rows.
    pub(super) ranges: Vec<Range>,
}

/// A range of cells of which the first has the value, or none has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) first: (u32, u32),
    pub(super) last: (u32, u32),
    /// Whether it is merged. Otherwise it is filled by one formula that nothing has calculated.
    pub(super) is_merged: bool,
}

/// Writes the range as people do: `B2:C3`.
impl std::fmt::Display for Range {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letters = |mut column: u32| {
            let mut letters = Vec::new();
            while column > 0 {
                letters.push(char::from(b'A' + ((column - 1) % 26) as u8));
                column = (column - 1) / 26;
            }
            letters.into_iter().rev().collect::<String>()
        };
        write!(out, "{}{}", letters(self.first.1), self.first.0)?;
        match self.first == self.last {
            true => Ok(()),
            false => write!(out, ":{}{}", letters(self.last.1), self.last.0),
        }
    }
}

/// Copies a sheet.
///
/// `left` is how many bytes of shared texts its cells may still have when each is written out, because a cell may name
/// a long text with few bytes. `row` is the row that has been reached, for messages.
pub(super) fn copy(part: Part<Source<'_, '_>>, texts: &Texts, left: &mut u64, row: &mut u32) -> Result<Copy, Ended> {
    let mut copier =
        Copier { part, texts, left, rows: RowWriter::new(), ranges: Vec::new(), column: 0, has_begun: false };
    copier.run(row)?;
    copier.ranges.sort_by_key(|range| range.first);
    Ok(Copy { rows: copier.rows.finish().map_err(spilled)?, ranges: copier.ranges })
}

struct Copier<'a, 's, 'p> {
    part: Part<Source<'s, 'p>>,
    texts: &'a Texts,
    left: &'a mut u64,
    rows: RowWriter,
    ranges: Vec<Range>,
    /// The last column that was read of the row, counted from 1.
    column: u32,
    /// Whether a cell of the row has been copied.
    has_begun: bool,
}

/// A cell as its tag describes it.
#[derive(Default)]
struct Cell {
    kind: CellKind,
    style: u16,
    /// Whether it has a formula, and which other cells that fills.
    has_formula: bool,
    fills: Option<Range>,
    /// The text in it, if there is an element for that.
    text: Option<String>,
}

/// How the value of a cell is written.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum CellKind {
    #[default]
    Number,
    Shared,
    /// The text of a formula.
    Text,
    Inline,
    Flag,
    Error,
    Date,
}

#[derive(Clone, Copy)]
enum Section {
    Rows,
    Merged,
    Other,
}

impl Copier<'_, '_, '_> {
    fn run(&mut self, row: &mut u32) -> Result<(), Ended> {
        let mut section = Section::Other;
        loop {
            match self.part.next()? {
                Token::Open(1, tag) if tag.name() != "worksheet" => {
                    return Err(damage("シートの中身がシートではありません", "a sheet of it is none"));
                }
                Token::Open(2, tag) => {
                    section = match tag.name() {
                        "sheetData" => Section::Rows,
                        "mergeCells" => Section::Merged,
                        _ => Section::Other,
                    };
                }
                Token::Open(3, tag) => match (section, tag.name()) {
                    (Section::Rows, "row") => {
                        let number = row_number(&tag, *row)?;
                        (*row, self.column, self.has_begun) = (number, 0, false);
                    }
                    (Section::Merged, "mergeCell") => {
                        let range = tag.attribute("ref")?.unwrap_or_default();
                        let Some(range) = self::range(&range, true) else { return Err(bad_place(&range)) };
                        self.add(range)?;
                    }
                    _ => {}
                },
                Token::Open(4, tag) => {
                    if let (Section::Rows, "c") = (section, tag.name()) {
                        let (cell, place) = start(&tag)?;
                        self.cell(cell, place, *row)?;
                    }
                }
                Token::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// Keeps a range of several cells if it begins in a column that may be read.
    fn add(&mut self, range: Range) -> Result<(), Ended> {
        if range.first == range.last || range.first.1 > MAX_COLUMNS as u32 {
            return Ok(());
        }
        if self.ranges.len() == MAX_RANGES {
            return Err(Ended::Refused(limit(
                format!("シートの結合したセルが{MAX_RANGES}か所を超えています。結合を解除してください"),
                format!("the sheet has more than {MAX_RANGES} merged ranges; unmerge them"),
            )));
        }
        self.ranges.push(range);
        Ok(())
    }

    /// Reads a cell and copies its value.
    fn cell(&mut self, mut cell: Cell, place: Option<(u32, u32)>, row: u32) -> Result<(), Ended> {
        let column = match place {
            None => self.column + 1,
            Some((at, column)) if at == row => column,
            Some((at, column)) => {
                let place = (at, column);
                return Err(bad_place(&Range { first: place, last: place, is_merged: false }.to_string()));
            }
        };
        if column <= self.column || column > LAST_COLUMN {
            return Err(damage("セルの順が正しくありません", "its cells are out of order"));
        }
        self.column = column;
        self.content(&mut cell)?;
        let fills = cell.fills;
        let value = value(cell, self.texts)?;
        if let (Some(Value::Uncalculated), Some(range)) = (&value, fills) {
            self.add(range)?;
        }
        // Cells to the right of every header are never looked at and need not be kept.
        let (Some(value), Ok(column)) = (value, u8::try_from(column - 1)) else { return Ok(()) };
        if let Value::Shared(number) = value {
            let length = self.texts.length(number).unwrap_or_default();
            *self.left = self.left.checked_sub(length).ok_or_else(|| {
                Ended::Refused(limit(
                    "セルの文字列が、合わせて長すぎます。行を分けて、別々のファイルで送ってください",
                    "the texts of the cells are too long together; split the rows into several files",
                ))
            })?;
        }
        if !self.has_begun {
            self.rows.row(row).map_err(spilled)?;
            self.has_begun = true;
        }
        self.rows.cell(column, &value).map_err(spilled)
    }

    /// Reads what is between the tags of a cell.
    fn content(&mut self, cell: &mut Cell) -> Result<(), Ended> {
        let mut is_value = false;
        loop {
            match self.part.next()? {
                Token::Open(5, tag) => match tag.name() {
                    "v" => {
                        is_value = true;
                        if cell.kind != CellKind::Inline {
                            cell.text.get_or_insert_default();
                        }
                    }
                    "f" => {
                        cell.has_formula = true;
                        cell.fills = filled(&tag)?;
                    }
                    "is" => {
                        let text = cell.text.get_or_insert_default();
                        text.clear();
                        self.part.text(5, text)?;
                    }
                    _ => {}
                },
                Token::Text(piece) if is_value => {
                    if let Some(text) = cell.text.as_mut().filter(|_| cell.kind != CellKind::Inline) {
                        append(text, &piece)?;
                    }
                }
                Token::Close(5) => is_value = false,
                Token::Close(4) => return Ok(()),
                _ => {}
            }
        }
    }
}

/// Returns the number of a row, which must be greater than that of the row before it.
fn row_number(tag: &Tag<'_>, before: u32) -> Result<u32, Ended> {
    let number = match tag.attribute("r")? {
        Some(number) => number.parse().map_err(|_| bad_place(&number))?,
        None => before + 1,
    };
    if number > LAST_ROW || number == 0 {
        return Err(bad_place(&number.to_string()));
    }
    if number <= before {
        return Err(damage("行の順が正しくありません", "its rows are out of order"));
    }
    Ok(number)
}

/// Reads the tag of a cell: how its value is written, and its place.
fn start(tag: &Tag<'_>) -> Result<(Cell, Option<(u32, u32)>), Ended> {
    let (mut cell, mut place, mut unknown, mut bad) = (Cell::default(), None, None, None);
    tag.attributes(|name, value| match name {
        "r" => {
            place = self::place(value);
            bad = place.is_none().then(|| bad_place(value));
        }
        "s" => cell.style = value.parse().unwrap_or(u16::MAX),
        "t" => {
            cell.kind = match value {
                "n" => CellKind::Number,
                "s" => CellKind::Shared,
                "str" => CellKind::Text,
                "inlineStr" => CellKind::Inline,
                "b" => CellKind::Flag,
                "e" => CellKind::Error,
                "d" => CellKind::Date,
                other => {
                    unknown = Some(crate::base::text::printable(other));
                    CellKind::Number
                }
            };
        }
        _ => {}
    })?;
    match (bad, unknown) {
        (Some(bad), _) => Err(bad),
        (None, None) => Ok((cell, place)),
        (None, Some(kind)) => {
            Err(damage(format!("セルの種類 {kind} は不明です"), format!("it has cells of the unknown kind {kind}")))
        }
    }
}

/// Returns the cells that a formula fills in addition to its own.
fn filled(tag: &Tag<'_>) -> Result<Option<Range>, Ended> {
    let (mut range, mut is_array) = (None, false);
    tag.attributes(|name, value| match name {
        "t" => is_array = matches!(value, "array" | "dataTable"),
        "ref" => range = self::range(value, false),
        _ => {}
    })?;
    Ok(range.filter(|_| is_array))
}

/// Returns the value of a cell, if it has one.
fn value(cell: Cell, texts: &Texts) -> Result<Option<Value>, Ended> {
    let uncalculated = cell.has_formula.then_some(Value::Uncalculated);
    let Some(text) = cell.text else { return Ok(uncalculated) };
    check_length(&text)?;
    if text.is_empty() {
        // A formula may give an empty text. A number or any other value is never written as an empty text.
        return Ok(uncalculated.filter(|_| cell.kind != CellKind::Text));
    }
    Ok(Some(match cell.kind {
        CellKind::Number => match text.trim().parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Value::Number(number, cell.style),
            None => Value::Text(text),
        },
        CellKind::Shared => match text.trim().parse::<u32>() {
            Ok(number) if texts.length(number).is_some() => Value::Shared(number),
            _ => return Err(damage("ない文字列を指すセルがあります", "a cell names a text that is not there")),
        },
        CellKind::Text => Value::Text(unescaped(&text).into_owned()),
        CellKind::Inline => Value::Text(text),
        CellKind::Flag => match text.trim() {
            "1" | "true" => Value::Flag(true),
            "0" | "false" => Value::Flag(false),
            _ => Value::Text(text),
        },
        // The longest error of Excel has 15 characters.
        CellKind::Error => Value::Error(text.chars().take(20).collect()),
        CellKind::Date => match moment(text.trim()) {
            Some(time) => Value::Moment(time.and_utc().timestamp_millis()),
            None => Value::Text(text),
        },
    }))
}

/// Reads a date, or a date and a time, as workbooks write them.
fn moment(text: &str) -> Option<NaiveDateTime> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let date = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0);
    text.parse().ok().or_else(date)
}

fn bad_place(place: &str) -> Ended {
    let place = crate::base::text::printable(place);
    damage(format!("セルの位置 {place} が正しくありません"), format!("{place} is no place of a cell"))
}

/// Reads the row and the column of a cell, both counted from 1.
fn place(text: &str) -> Option<(u32, u32)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, digits) = text.split_at_checked(letters)?;
    if !(1..=3).contains(&letters.len()) || !(1..=7).contains(&digits.len()) {
        return None;
    }
    let column =
        letters.bytes().fold(0, |column, letter| column * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    let row = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    ((1..=LAST_ROW).contains(&row) && column <= LAST_COLUMN).then_some((row, column))
}

/// Reads a range from one cell to another.
fn range(text: &str, is_merged: bool) -> Option<Range> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let (first, last) = (place(first)?, place(last)?);
    (first.0 <= last.0 && first.1 <= last.1).then_some(Range { first, last, is_merged })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_cells_are_read_strictly_and_written_as_people_do() {
        assert_eq!(place("A1"), Some((1, 1)));
        assert_eq!(place("xfd1048576"), Some((1 << 20, 1 << 14)));
        for bad in ["", "1", "A", "A0", "XFE1", "A1048577", "ZZZZZZZZ99999999999", "A-1", "A1B", "あ1", "A４"] {
            assert_eq!(place(bad), None, "{bad}");
        }
        assert_eq!(range("AA2:AB10", true).map(|range| range.to_string()).as_deref(), Some("AA2:AB10"));
        assert!(range("B2:A1", true).is_none());
    }
}
