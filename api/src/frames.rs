//! Rows and files to frames and back: the seam to scoring, and the only room that knows polars.
//!
//! Called by `files` (a folder of CSV files becomes a portfolio) and by the resources that score or export. A number
//! must come out with the bits that went in: results are compared and reproduced to the bit.

pub(crate) mod portfolio;

use std::fs::File;
use std::io::Write;

use chrono::NaiveDate;
use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Column, CompatLevel, DataType, Float64Chunked, Float64Type, Int32Chunked,
    Int32Type, Int64Type, IntoColumn, NewChunkedArray, PrimitiveChunkedBuilder, Schema, SchemaExt, StringChunked,
    StringChunkedBuilder, UInt32Type,
};
pub(crate) use polars::prelude::{DataFrame, PolarsError as FrameError, PolarsResult as FrameResult};
use polars_io::parquet::write::BatchedWriter;
use polars_io::prelude::{CsvWriter, KeyValueMetadata, ParquetWriter, SerWriter};
use polars_parquet::write::schema_to_metadata_key;
use schema::scores::ScoreRow;
use scoring::{InputColumn, Kind, RESULTS, ResultColumn, Scores, Suppliers, Table, Unit};

/// Collects cells of text into the columns that a table declares.
pub(crate) struct FrameBuilder<'a> {
    row_count: usize,
    columns: Vec<ColumnBuilder>,
    /// Whose rows stand in place of codes.
    suppliers: Option<&'a Suppliers>,
}

/// A cell that cannot be read as what its column holds.
pub(crate) struct Unreadable;

impl<'a> FrameBuilder<'a> {
    /// For so many rows, or more. With suppliers, the columns are those of a portfolio: with their rows in place of
    /// their codes, and the numbers of choices where the table numbers them.
    pub(crate) fn new<'b>(
        table: Table,
        columns: impl Iterator<Item = &'b InputColumn>,
        suppliers: Option<&'a Suppliers>,
        capacity: usize,
    ) -> Self {
        let row_column = |declared: &InputColumn| suppliers.and_then(|_| table.row_column(declared.name));
        let is_numbered = suppliers.is_some() && table.numbers_choices();
        let column = |declared| ColumnBuilder::new(declared, row_column(declared), is_numbered, capacity);
        let columns = columns.map(column).collect();
        Self { row_count: 0, columns, suppliers }
    }

    /// How many rows it holds.
    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    /// Adds a row of one cell a column; `unreadable` is told the place and text of what cannot be read.
    ///
    /// An unreadable cell leaves null, or where null is not allowed a stand-in, so that checks of whole frames do
    /// not report it again. Such a frame must not be scored.
    pub(crate) fn push_row<'b>(
        &mut self,
        cells: impl Iterator<Item = Option<&'b str>>,
        mut unreadable: impl FnMut(usize, &'b str),
    ) {
        for (place, (column, text)) in self.columns.iter_mut().zip(cells).enumerate() {
            let text = text.filter(|text| !text.is_empty());
            if column.push(text).is_err() {
                unreadable(place, text.unwrap_or_default());
            }
        }
        self.row_count += 1;
    }

    /// The frame; `unknown` is told the row, the place and the text of each code that no supplier has.
    pub(crate) fn finish(self, mut unknown: impl FnMut(usize, usize, &str)) -> FrameResult<DataFrame> {
        let columns = self.columns.into_iter().enumerate();
        let columns =
            columns.map(|(place, column)| column.finish(self.suppliers, |row, code| unknown(row, place, code)));
        DataFrame::new(self.row_count, columns.collect::<FrameResult<Vec<_>>>()?)
    }
}

/// Frames of the same columns as one.
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
    cells: Cells,
}

enum Cells {
    Text(StringChunkedBuilder),
    Whole(PrimitiveChunkedBuilder<Int64Type>),
    Number(PrimitiveChunkedBuilder<Float64Type>),
    Date(PrimitiveChunkedBuilder<Int32Type>),
    Flag(BooleanChunkedBuilder),
    /// Codes whose rows are wanted.
    Code(Codes),
    /// Numbers of choices.
    Choice(&'static [&'static str], PrimitiveChunkedBuilder<UInt32Type>),
}

/// Codes in one piece, each with its end; an empty one is none.
struct Codes {
    row_column: &'static str,
    text: String,
    ends: Vec<usize>,
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
}

impl ColumnBuilder {
    fn new(declared: &InputColumn, row_column: Option<&'static str>, is_numbered: bool, capacity: usize) -> Self {
        let name = declared.name.into();
        let cells = match declared.kind {
            _ if let Some(row_column) = row_column => {
                Cells::Code(Codes { row_column, text: String::new(), ends: Vec::with_capacity(capacity) })
            }
            Kind::Choice(choices) if is_numbered => {
                Cells::Choice(choices, PrimitiveChunkedBuilder::new(name, capacity))
            }
            Kind::Text | Kind::Choice(_) => Cells::Text(StringChunkedBuilder::new(name, capacity)),
            Kind::Whole(..) => Cells::Whole(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Number(..) => Cells::Number(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Date => Cells::Date(PrimitiveChunkedBuilder::new(name, capacity)),
            Kind::Flag => Cells::Flag(BooleanChunkedBuilder::new(name, capacity)),
        };
        Self { required: declared.required, cells }
    }

    fn push(&mut self, text: Option<&str>) -> Result<(), Unreadable> {
        match &mut self.cells {
            Cells::Text(cells) => {
                cells.append_option(text);
                Ok(())
            }
            Cells::Code(codes) => {
                codes.text.push_str(text.unwrap_or_default());
                codes.ends.push(codes.text.len());
                Ok(())
            }
            Cells::Choice(choices, cells) => {
                let number = |text| choices.iter().position(|choice| *choice == text).map(|place| place as u32);
                push(text.map(number), self.required.then_some(0), |cell| cells.append_option(cell))
            }
            Cells::Whole(cells) => push(text.map(whole), self.required.then_some(1), |cell| cells.append_option(cell)),
            Cells::Number(cells) => {
                push(text.map(number), self.required.then_some(0.0), |cell| cells.append_option(cell))
            }
            Cells::Date(cells) => {
                push(text.map(days), self.required.then_some(FIRST_DAY), |cell| cells.append_option(cell))
            }
            Cells::Flag(cells) => {
                push(text.map(flag), self.required.then_some(false), |cell| cells.append_option(cell))
            }
        }
    }

    fn finish(self, suppliers: Option<&Suppliers>, mut unknown: impl FnMut(usize, &str)) -> FrameResult<Column> {
        Ok(match self.cells {
            Cells::Text(cells) => cells.finish().into_column(),
            Cells::Whole(cells) => cells.finish().into_column(),
            Cells::Number(cells) => cells.finish().into_column(),
            Cells::Date(cells) => cells.finish().into_column().cast(&DataType::Date)?,
            Cells::Flag(cells) => cells.finish().into_column(),
            Cells::Choice(_, cells) => cells.finish().into_column(),
            Cells::Code(codes) => {
                let rows = suppliers.map(|suppliers| suppliers.rows_of(codes.iter())).unwrap_or_default();
                for (row, (found, code)) in rows.iter().zip(codes.iter()).enumerate() {
                    if found == Some(Suppliers::UNKNOWN) {
                        unknown(row, code.unwrap_or_default());
                    }
                }
                rows.with_name(codes.row_column.into()).into_column()
            }
        })
    }
}

/// Appends what was read: null for an empty cell, the stand-in for an unreadable one.
fn push<T>(read: Option<Option<T>>, stand_in: Option<T>, append: impl FnOnce(Option<T>)) -> Result<(), Unreadable> {
    match read {
        None => append(None),
        Some(Some(value)) => append(Some(value)),
        Some(None) => {
            append(stand_in);
            return Err(Unreadable);
        }
    }
    Ok(())
}

/// 0001-01-01, which no end that can be written lies before.
const FIRST_DAY: i32 = -719_162;

/// Digits, or a number whose decimals are zero: spreadsheets write `120.0` for 120.
fn whole(text: &str) -> Option<i64> {
    let exact = |number: f64| (number.fract() == 0.0 && number.abs() <= (1i64 << 53) as f64).then_some(number as i64);
    text.parse().ok().or_else(|| number(text).and_then(exact))
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date as days since 1970-01-01.
fn days(text: &str) -> Option<i32> {
    crate::base::text::date(text).map(|date| date.signed_duration_since(NaiveDate::default()).num_days() as i32)
}

fn flag(text: &str) -> Option<bool> {
    // In any case: programs write True, spreadsheets TRUE.
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// What a result was computed from, kept beside it where the format has room.
pub(crate) struct Provenance {
    pub(crate) as_of: NaiveDate,
    pub(crate) model_version: String,
    pub(crate) model_hash: String,
}

/// Writes the results as CSV, numbers as the shortest decimals that read back to the same double.
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

/// What the file says of itself: its provenance, and the types of Arrow. Texts are plain ones there: the views that polars
/// writes unless told otherwise cannot be opened by older readers, nor filtered or sorted by newer ones. The bytes are
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

/// Scores as Parquet, written row group by row group as they come.
pub(crate) struct ScoreParquet {
    writer: BatchedWriter<File>,
    rows: Vec<ScoreRow>,
}

impl ScoreParquet {
    /// Rows that are held at a time, and that make a row group.
    const GROUP: usize = 50_000;

    pub(crate) fn new(out: File, provenance: &Provenance) -> FrameResult<Self> {
        let schema = frame_of(&[])?.schema().clone();
        let metadata = metadata(provenance, &schema);
        let writer = ParquetWriter::new(out).with_key_value_metadata(Some(metadata)).batched(&schema)?;
        Ok(Self { writer, rows: Vec::new() })
    }

    pub(crate) fn push(&mut self, row: &ScoreRow) -> FrameResult<()> {
        self.rows.push(row.clone());
        if self.rows.len() < Self::GROUP { Ok(()) } else { self.write() }
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

/// Scores as columns: the results, the name behind the code, and the tier at the end.
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
}

enum Values {
    Text(StringChunked),
    Number(Float64Chunked),
}

/// The results cell by cell.
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
            columns: RESULTS.iter().map(values).collect::<FrameResult<_>>()?,
        })
    }

    pub(crate) fn row_count(&self) -> usize {
        self.names.len()
    }

    /// The name of a supplier, empty where none is known.
    pub(crate) fn name(&self, row: usize) -> &str {
        self.names.get(row).unwrap_or_default()
    }

    /// A cell of a row; `column` is one of [`RESULTS`].
    pub(crate) fn cell(&self, column: &ResultColumn, row: usize) -> FrameCell<'_> {
        match self.find(column.name, row) {
            Some(cell) => cell,
            None => unreachable!("{} is a column of the results", column.name),
        }
    }

    /// A text of a row; `column` is one of [`RESULTS`] that holds texts.
    pub(crate) fn text(&self, column: &str, row: usize) -> &str {
        match self.find(column, row) {
            Some(FrameCell::Text(text)) => text,
            _ => unreachable!("{column} is a text of the results"),
        }
    }

    /// A number of a row; `column` is one of [`RESULTS`] that holds numbers.
    pub(crate) fn number(&self, column: &str, row: usize) -> f64 {
        match self.find(column, row) {
            Some(FrameCell::Number(number)) => number,
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
