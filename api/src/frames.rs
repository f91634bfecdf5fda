//! Converts rows and files to frames and back. This is the boundary to scoring, and the only module that uses polars.
//!
//! It is called by `files` (which turns a folder of CSV files into a portfolio) and by the resources that score or
//! export. A number must keep its exact bits, because results are compared and reproduced to the bit.

pub(crate) mod portfolio;

use std::fs::File;
use std::io::Write;

use chrono::NaiveDate;
use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Column, CompatLevel, DataType, Float64Chunked, Float64Type, Int32Chunked,
    Int32Type, Int64Type, IntoColumn, NewChunkedArray, PrimitiveChunkedBuilder, Schema, SchemaExt, StringChunked,
    StringChunkedBuilder, UInt32Chunked, UInt32Type,
};
pub(crate) use polars::prelude::{DataFrame, PolarsError as FrameError, PolarsResult as FrameResult};
use polars_io::parquet::write::BatchedWriter;
use polars_io::prelude::{CsvWriter, KeyValueMetadata, ParquetWriter, SerWriter};
use polars_parquet::write::schema_to_metadata_key;
use schema::scores::ScoreRow;
use scoring::{ColumnKind, InputColumn, RESULTS, ResultColumn, Scores, Suppliers, Table, Unit, results};

use crate::base::fields::{Kind as FieldKind, Scalar};

/// Collects cells of text into the columns that a table declares.
pub(crate) struct FrameBuilder<'a> {
    row_count: usize,
    columns: Vec<ColumnBuilder>,
    /// The suppliers whose rows replace codes, if any.
    suppliers: Option<&'a Suppliers>,
}

impl<'a> FrameBuilder<'a> {
    /// Makes a builder for `capacity` rows or more. Each column comes with what its field holds, if cells are written
    /// as that. With `suppliers`, the columns are those of a portfolio: rows of suppliers replace codes, and numbers
    /// replace choices where the table numbers them.
    pub(crate) fn new<'b>(
        table: Table,
        columns: impl Iterator<Item = (&'b InputColumn, Option<FieldKind>)>,
        suppliers: Option<&'a Suppliers>,
        capacity: usize,
    ) -> Self {
        let row_column = |declared: &InputColumn| suppliers.and_then(|_| table.row_column(declared.name));
        let is_numbered = suppliers.is_some() && table.numbers_choices();
        let column = |(declared, field): (&InputColumn, _)| ColumnBuilder {
            required: declared.required,
            field,
            cells: Cells::new(declared, row_column(declared), is_numbered, capacity),
        };
        let columns = columns.map(column).collect();
        Self { row_count: 0, columns, suppliers }
    }

    /// Returns the number of rows.
    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    /// Adds a row with one cell per column. Almost all cells are as programs write them and are read here. `otherwise`
    /// receives the place and text of any other cell, and reads it in every accepted form.
    ///
    /// An unreadable cell becomes null, or a stand-in if null is not allowed, so that checks of whole frames do not
    /// report it again. Such a frame must not be scored.
    pub(crate) fn push_row<'b>(
        &mut self,
        cells: impl Iterator<Item = Option<&'b str>>,
        mut otherwise: impl FnMut(usize, &str) -> Option<Scalar>,
    ) {
        for (place, (column, text)) in self.columns.iter_mut().zip(cells).enumerate() {
            column.push(text.filter(|text| !text.is_empty()), |text| otherwise(place, text));
        }
        self.row_count += 1;
    }

    /// Returns the frame. `otherwise` receives the place and text of each code that matches no supplier as written.
    /// `unknown` receives the row, place and text of each code that still matches none after `otherwise`, or cannot be
    /// read.
    pub(crate) fn finish(
        self,
        otherwise: impl Fn(usize, &str) -> Option<Scalar>,
        mut unknown: impl FnMut(usize, usize, &str),
    ) -> FrameResult<DataFrame> {
        let columns = self.columns.into_iter().enumerate();
        let columns = columns.map(|(place, column)| {
            let otherwise = |code: &str| otherwise(place, code);
            column.cells.finish(self.suppliers, otherwise, |row, code| unknown(row, place, code))
        });
        DataFrame::new(self.row_count, columns.collect::<FrameResult<Vec<_>>>()?)
    }
}

/// Stacks frames with the same columns into one.
pub(crate) fn stacked(frames: Vec<DataFrame>) -> FrameResult<DataFrame> {
    let mut frames = frames.into_iter();
    let mut all = frames.next().unwrap_or_default();
    for frame in frames {
        all.vstack_mut_owned(frame)?;
    }
    Ok(all)
}

struct ColumnBuilder {
    required: bool,
    field: Option<FieldKind>,
    cells: Cells,
}

enum Cells {
    Text(StringChunkedBuilder),
    /// Keys of choices.
    Key(&'static [&'static str], StringChunkedBuilder),
    Whole(PrimitiveChunkedBuilder<Int64Type>),
    Number(PrimitiveChunkedBuilder<Float64Type>),
    Date(PrimitiveChunkedBuilder<Int32Type>),
    Flag(BooleanChunkedBuilder),
    /// Codes that are to be replaced by rows.
    Code(Codes),
    /// Numbers of choices.
    Choice(&'static [&'static str], PrimitiveChunkedBuilder<UInt32Type>),
}

/// Codes in one string, with the end of each. An empty one means no code.
struct Codes {
    row_column: &'static str,
    text: String,
    ends: Vec<usize>,
    /// The rows of codes that may have a guard, and are another text without it.
    guarded: Vec<usize>,
}

impl Codes {
    fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let code = self.text.get(start..*end).filter(|code| !code.is_empty());
            start = *end;
            code
        })
    }

    fn get(&self, row: usize) -> Option<&str> {
        let start = match row.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        self.text.get(start..*self.ends.get(row)?)
    }
}

impl Cells {
    fn new(declared: &InputColumn, row_column: Option<&'static str>, is_numbered: bool, capacity: usize) -> Self {
        let name = declared.name.into();
        match declared.kind {
            _ if let Some(row_column) = row_column => {
                let (text, ends) = (String::new(), Vec::with_capacity(capacity));
                Self::Code(Codes { row_column, text, ends, guarded: Vec::new() })
            }
            ColumnKind::Choice(choices) if is_numbered => {
                Self::Choice(choices, PrimitiveChunkedBuilder::new(name, capacity))
            }
            ColumnKind::Choice(choices) => Self::Key(choices, StringChunkedBuilder::new(name, capacity)),
            ColumnKind::Text => Self::Text(StringChunkedBuilder::new(name, capacity)),
            ColumnKind::Whole(..) => Self::Whole(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnKind::Number(..) => Self::Number(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnKind::Date => Self::Date(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnKind::Flag => Self::Flag(BooleanChunkedBuilder::new(name, capacity)),
        }
    }

    fn finish(
        self,
        suppliers: Option<&Suppliers>,
        otherwise: impl FnMut(&str) -> Option<Scalar>,
        unknown: impl FnMut(usize, &str),
    ) -> FrameResult<Column> {
        Ok(match self {
            Self::Text(cells) | Self::Key(_, cells) => cells.finish().into_column(),
            Self::Whole(cells) => cells.finish().into_column(),
            Self::Number(cells) => cells.finish().into_column(),
            Self::Date(cells) => cells.finish().into_column().cast(&DataType::Date)?,
            Self::Flag(cells) => cells.finish().into_column(),
            Self::Choice(_, cells) => cells.finish().into_column(),
            Self::Code(codes) => {
                let rows = suppliers.map(|suppliers| codes.rows(suppliers, otherwise, unknown)).unwrap_or_default();
                rows.with_name(codes.row_column.into()).into_column()
            }
        })
    }
}

impl Codes {
    /// Returns the suppliers' rows. Almost all codes are found as written; the others are read by `otherwise` first.
    fn rows(
        &self,
        suppliers: &Suppliers,
        mut otherwise: impl FnMut(&str) -> Option<Scalar>,
        mut unknown: impl FnMut(usize, &str),
    ) -> UInt32Chunked {
        let rows = suppliers.rows_of(self.iter());
        let is_left = |(row, found): &(usize, Option<u32>)| {
            *found == Some(Suppliers::UNKNOWN_ROW)
                || (!self.guarded.is_empty() && self.guarded.binary_search(row).is_ok())
        };
        let left: Vec<usize> = rows.iter().enumerate().filter(is_left).map(|(row, _)| row).collect();
        if left.is_empty() {
            return rows;
        }
        let read = left.iter().map(|row| match otherwise(self.get(*row)?)? {
            Scalar::Text(code) => Some(code),
            _ => None,
        });
        let read: Vec<Option<String>> = read.collect();
        let mut rows: Vec<Option<u32>> = rows.iter().collect();
        for (row, found) in left.into_iter().zip(suppliers.rows_of(read.iter().map(Option::as_deref)).iter()) {
            let found = found.unwrap_or(Suppliers::UNKNOWN_ROW);
            if found == Suppliers::UNKNOWN_ROW {
                unknown(row, self.get(row).unwrap_or_default());
            }
            if let Some(known) = rows.get_mut(row) {
                *known = Some(found);
            }
        }
        rows.into_iter().collect()
    }
}

impl ColumnBuilder {
    /// Adds a cell: null if it is empty. A required cell that `otherwise` cannot read either becomes a stand-in.
    fn push(&mut self, text: Option<&str>, otherwise: impl FnOnce(&str) -> Option<Scalar>) {
        let (field, required) = (self.field, self.required);
        match &mut self.cells {
            Cells::Text(cells) => match text {
                Some(text) if !is_plain(text, field) => match otherwise(text) {
                    Some(Scalar::Text(read)) => cells.append_value(read),
                    _ => cells.append_option(required.then_some(text)),
                },
                text => cells.append_option(text),
            },
            Cells::Key(choices, cells) => {
                let known = |text: &str| choices.iter().find(|choice| **choice == text).copied();
                let read = |text| match otherwise(text)? {
                    Scalar::Text(key) => known(&key),
                    _ => None,
                };
                let stand_in = choices.first().filter(|_| required).copied();
                cells.append_option(text.and_then(|text| known(text).or_else(|| read(text)).or(stand_in)));
            }
            Cells::Code(codes) => {
                let text = text.unwrap_or_default();
                if text.starts_with('\'') {
                    codes.guarded.push(codes.ends.len());
                }
                codes.text.push_str(text);
                codes.ends.push(codes.text.len());
            }
            Cells::Choice(choices, cells) => {
                let number = |text: &str| choices.iter().position(|choice| *choice == text).map(|place| place as u32);
                let read = |text| match otherwise(text)? {
                    Scalar::Text(key) => number(&key),
                    _ => None,
                };
                let stand_in = required.then_some(0);
                cells.append_option(text.and_then(|text| number(text).or_else(|| read(text)).or(stand_in)));
            }
            Cells::Whole(cells) => {
                let read = |text| match otherwise(text)? {
                    Scalar::Whole(number) => Some(number),
                    Scalar::Text(digits) => digits.parse().ok(),
                    _ => None,
                };
                let stand_in = required.then_some(1);
                cells.append_option(text.and_then(|text| whole(text, field).or_else(|| read(text)).or(stand_in)));
            }
            Cells::Number(cells) => {
                let read = |text| match otherwise(text)? {
                    Scalar::Number(number) => Some(number),
                    Scalar::Whole(number) => Some(number as f64),
                    _ => None,
                };
                let stand_in = required.then_some(0.0);
                cells.append_option(text.and_then(|text| number(text, field).or_else(|| read(text)).or(stand_in)));
            }
            Cells::Date(cells) => {
                let read = |text| match otherwise(text)? {
                    Scalar::Date(date) => Some(days(date)),
                    _ => None,
                };
                let date = |text| crate::base::text::date(text).map(days);
                let stand_in = required.then_some(FIRST_DAY);
                cells.append_option(text.and_then(|text| date(text).or_else(|| read(text)).or(stand_in)));
            }
            Cells::Flag(cells) => {
                let read = |text| match otherwise(text)? {
                    Scalar::Flag(flag) => Some(flag),
                    _ => None,
                };
                let stand_in = required.then_some(false);
                cells.append_option(text.and_then(|text| flag(text).or_else(|| read(text)).or(stand_in)));
            }
        }
    }
}

/// 0001-01-01. No end date that can be written is before it.
const FIRST_DAY: i32 = -719_162;

/// Whether reading leaves this text unchanged: printable ASCII without surrounding spaces, without a guard, and without
/// `+`, which begins UTF-7.
fn is_plain(text: &str, field: Option<FieldKind>) -> bool {
    let Some(FieldKind::Text { max }) = field else { return false };
    text.len() <= max
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'+')
        && !text.starts_with([' ', '\''])
        && !text.ends_with(' ')
}

fn whole(text: &str, field: Option<FieldKind>) -> Option<i64> {
    match field? {
        FieldKind::Digits { count } if text.len() > count || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        _ => text.parse().ok(),
    }
}

fn number(text: &str, field: Option<FieldKind>) -> Option<f64> {
    match field? {
        FieldKind::Whole(..) => text.parse().ok().map(|number: i64| number as f64),
        // Minus zero becomes zero, so that equal values have the same bits.
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| number + 0.0),
    }
}

/// Returns a date as days since 1970-01-01.
fn days(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

fn flag(text: &str) -> Option<bool> {
    // In any case, because programs write True and spreadsheets TRUE.
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What a result was computed from. It is stored with the result if the format has room for it.
pub(crate) struct Provenance {
    pub(crate) as_of: NaiveDate,
    pub(crate) model_version: String,
    pub(crate) model_hash: String,
}

/// Writes the results as CSV. Numbers are the shortest decimals that read back to the same double.
pub(crate) fn write_csv(scores: &Scores, out: &mut impl Write) -> FrameResult<()> {
    CsvWriter::new(out).finish(&mut scores.table()?)
}

/// Writes the results as Parquet, with their provenance as key-value metadata.
pub(crate) fn write_parquet(scores: &Scores, provenance: &Provenance, out: &mut impl Write) -> FrameResult<()> {
    let mut table = scores.table()?;
    let metadata = metadata(provenance, table.schema());
    ParquetWriter::new(out).with_key_value_metadata(Some(metadata)).finish(&mut table)?;
    Ok(())
}

/// Returns the metadata of the file: its provenance and the Arrow types. Texts are declared as plain strings. By
/// default polars declares views, which older readers cannot open and newer ones cannot filter or sort. The bytes are
/// the same.
fn metadata(provenance: &Provenance, schema: &Schema) -> KeyValueMetadata {
    let arrow = schema_to_metadata_key(&schema.to_arrow(CompatLevel::oldest()));
    let arrow = (arrow.key, arrow.value.unwrap_or_default());
    let provenance = [
        ("sonae.as_of", provenance.as_of.to_string()),
        ("sonae.model_version", provenance.model_version.clone()),
        ("sonae.model_sha256", provenance.model_hash.clone()),
    ];
    let provenance = provenance.map(|(key, value)| (key.to_owned(), value));
    KeyValueMetadata::from_static([arrow].into_iter().chain(provenance).collect())
}

/// Writes scores as Parquet, one row group at a time.
pub(crate) struct ScoreParquet {
    writer: BatchedWriter<File>,
    rows: Vec<ScoreRow>,
}

impl ScoreParquet {
    /// The number of rows that are held at a time and form a row group.
    const ROWS_PER_GROUP: usize = 50_000;

    pub(crate) fn new(out: File, provenance: &Provenance) -> FrameResult<Self> {
        let schema = frame_of(&[])?.schema().clone();
        let metadata = metadata(provenance, &schema);
        let writer = ParquetWriter::new(out).with_key_value_metadata(Some(metadata)).batched(&schema)?;
        Ok(Self { writer, rows: Vec::new() })
    }

    pub(crate) fn push(&mut self, row: &ScoreRow) -> FrameResult<()> {
        self.rows.push(row.clone());
        if self.rows.len() < Self::ROWS_PER_GROUP { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> FrameResult<()> {
        self.writer.write_batch(&frame_of(&self.rows)?)?;
        self.rows.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> FrameResult<()> {
        self.write()?;
        self.writer.finish().map(drop)
    }
}

/// Returns scores as columns: the results, with the name after the code and the tier at the end.
fn frame_of(rows: &[ScoreRow]) -> FrameResult<DataFrame> {
    let text = |name: &str, of: &dyn Fn(&ScoreRow) -> Option<String>| {
        StringChunked::from_iter_options(name.into(), rows.iter().map(of)).into_column()
    };
    let mut columns = Vec::with_capacity(RESULTS.len() + 2);
    for declared in RESULTS {
        let name = declared.name;
        columns.push(match declared.unit {
            Unit::Text => text(name, &|row| row.text(name).map(str::to_owned)),
            _ => {
                let numbers = rows.iter().map(|row| row.number(name));
                Float64Chunked::from_iter_options(name.into(), numbers).into_column()
            }
        });
    }
    columns.insert(1, text(scoring::name::NAME, &|row| row.name.clone()));
    let tiers = rows.iter().map(|row| row.tier);
    columns.push(Int32Chunked::from_iter_options("tier".into(), tiers).into_column());
    DataFrame::new(rows.len(), columns)
}

/// A cell of the results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FrameCell<'a> {
    Text(&'a str),
    Number(f64),
    /// A result that the model which scored does not have.
    Absent,
}

enum Values {
    Text(StringChunked),
    Number(Float64Chunked),
}

/// The results, cell by cell.
pub(crate) struct Results {
    names: StringChunked,
    columns: Vec<(&'static ResultColumn, Values)>,
}

impl Results {
    pub(crate) fn new(scores: &Scores) -> FrameResult<Self> {
        let table = scores.table()?;
        let values = |declared: &'static ResultColumn| {
            let column = table.column(declared.name)?;
            let values = match declared.unit {
                Unit::Text => Values::Text(column.str()?.clone()),
                _ => Values::Number(column.f64()?.clone()),
            };
            Ok((declared, values))
        };
        Ok(Self {
            names: scores.supplier_names()?.str()?.clone(),
            columns: results(scores.format()).map(values).collect::<FrameResult<_>>()?,
        })
    }

    pub(crate) fn row_count(&self) -> usize {
        self.names.len()
    }

    /// Returns the name of a supplier, or an empty text if it is unknown.
    pub(crate) fn name(&self, row: usize) -> &str {
        self.names.get(row).unwrap_or_default()
    }

    /// Returns a cell of a row. `column` is one of [`RESULTS`].
    pub(crate) fn cell(&self, column: &ResultColumn, row: usize) -> FrameCell<'_> {
        self.find(column.name, row).unwrap_or(FrameCell::Absent)
    }

    /// Returns a text of a row. `column` is one of [`RESULTS`] that holds texts.
    pub(crate) fn text(&self, column: &str, row: usize) -> &str {
        match self.find(column, row) {
            Some(FrameCell::Text(text)) => text,
            _ => unreachable!("{column} is a text of the results"),
        }
    }

    /// Returns a number of a row, or NaN if the model does not have it. `column` is one of [`RESULTS`] that holds numbers.
    pub(crate) fn number(&self, column: &str, row: usize) -> f64 {
        match self.find(column, row) {
            Some(FrameCell::Number(number)) => number,
            None => f64::NAN,
            _ => unreachable!("{column} is a number of the results"),
        }
    }

    fn find(&self, column: &str, row: usize) -> Option<FrameCell<'_>> {
        let (_, values) = self.columns.iter().find(|(declared, _)| declared.name == column)?;
        Some(values.cell(row))
    }
}

impl Values {
    fn cell(&self, row: usize) -> FrameCell<'_> {
        match self {
            Self::Text(values) => FrameCell::Text(values.get(row).unwrap_or_default()),
            Self::Number(values) => FrameCell::Number(values.get(row).unwrap_or(f64::NAN)),
        }
    }
}
