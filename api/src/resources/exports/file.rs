//! Scores as files: CSV for spreadsheets, NDJSON and Parquet for machines, and the workbook.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};

use chrono::NaiveDate;
use schema::Timestamp;
use schema::score_runs::RunRow;
use schema::scores::ScoreRow;
use scoring::{Explanation, Lang, RESULTS, ResultColumn};
use serde::{Deserialize, Serialize};

use super::xlsx::{self, BATCH, Conditions, Line};
use crate::files::guard::guarded;
use crate::frames::{FrameCell, FrameError, Provenance, ScoreParquet};
use crate::resources::score_runs::overview::Overview;
use crate::resources::scores::{ScoreItem, explanation};

/// The format of a file of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Xlsx,
    Csv,
    Parquet,
    Ndjson,
}

impl Format {
    /// Returns the extension of a file's name.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
        }
    }

    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the file could not be written")]
    Io(#[from] io::Error),
    #[error("the workbook could not be written")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    #[error("the facts that explain a score cannot be read")]
    Facts(#[from] serde_json::Error),
    #[error("a step on a data frame failed")]
    Frame(#[from] FrameError),
}

/// A file of scores that is being written: rows go out as they come.
pub(crate) struct ScoreFile {
    file: File,
    run: RunRow,
    body: Body,
}

enum Body {
    /// With the scores that are written next.
    Xlsx(Box<xlsx::Writer>, Vec<(ScoreRow, String)>),
    Text(Format, BufWriter<File>),
    Parquet(Box<ScoreParquet>),
}

/// Returns the columns of CSV: the results, and those that name the supplier and the run.
fn csv_columns() -> impl Iterator<Item = &'static str> {
    let results = RESULTS.iter().map(|column| column.name);
    let (code, rest) = (results.clone().take(1), results.skip(1));
    code.chain(["name"]).chain(rest).chain(["tier", "as_of", "scored_at", "model_version"])
}

impl ScoreFile {
    pub(crate) fn new(format: Format, run: &RunRow, lang: Lang) -> Result<Self, FileError> {
        let file = tempfile::tempfile()?;
        let body = match format {
            Format::Xlsx => Body::Xlsx(Box::new(xlsx::Writer::new(lang)?), Vec::with_capacity(BATCH)),
            Format::Parquet => Body::Parquet(Box::new(ScoreParquet::new(file.try_clone()?, &provenance(run))?)),
            Format::Csv | Format::Ndjson => Body::Text(format, BufWriter::new(file.try_clone()?)),
        };
        let mut scores = Self { file, run: run.clone(), body };
        if let Body::Text(Format::Csv, out) = &mut scores.body {
            // The byte-order mark tells spreadsheets that it is UTF-8.
            out.write_all("\u{feff}".as_bytes())?;
            let names: Vec<_> = csv_columns().map(quoted).collect();
            write!(out, "{}\r\n", names.join(","))?;
        }
        Ok(scores)
    }

    /// Adds a supplier. `facts` explain its score, as JSON, for formats that show reasons.
    pub(crate) fn push(&mut self, row: ScoreRow, facts: String) -> Result<(), FileError> {
        match &mut self.body {
            Body::Xlsx(writer, batch) => {
                batch.push((row, facts));
                if batch.len() == BATCH {
                    writer.write(batch)?;
                    batch.clear();
                }
            }
            Body::Text(Format::Csv, out) => write!(out, "{}\r\n", csv_line(&row, &self.run))?,
            Body::Text(_, out) => {
                let RunRow { as_of, scored_at, ref model_version, .. } = self.run;
                let line = JsonLine { score: ScoreItem(Cow::Owned(row)), as_of, scored_at, model_version };
                serde_json::to_writer(&mut *out, &line).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
            Body::Parquet(writer) => writer.push(&row)?,
        }
        Ok(())
    }

    /// Ends the file and returns it.
    pub(crate) fn finish(mut self, overview: &Overview, conditions: &Conditions) -> Result<File, FileError> {
        match self.body {
            Body::Xlsx(mut writer, batch) => {
                writer.write(&batch)?;
                writer.finish(overview, conditions, &mut self.file)?;
            }
            Body::Text(_, mut out) => out.flush()?,
            Body::Parquet(writer) => writer.finish()?,
        }
        Ok(self.file)
    }
}

/// A line of NDJSON.
#[derive(Serialize)]
struct JsonLine<'a> {
    #[serde(flatten)]
    score: ScoreItem<'a>,
    as_of: NaiveDate,
    scored_at: Timestamp,
    model_version: &'a str,
}

/// A score as it is stored, with the facts that explain it as JSON.
impl Line for (ScoreRow, String) {
    fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or_default()
    }

    fn tier(&self) -> Option<u32> {
        self.0.tier?.try_into().ok()
    }

    fn cell(&self, column: &ResultColumn) -> FrameCell<'_> {
        cell(&self.0, column.name)
    }

    fn explanation(&self) -> Result<Explanation, FileError> {
        Ok(explanation(&self.0, &serde_json::from_str(&self.1)?))
    }
}

/// Returns what the scores of a run were computed from.
pub(crate) fn provenance(run: &RunRow) -> Provenance {
    Provenance { as_of: run.as_of, model_version: run.model_version.clone(), model_hash: run.model_hash.clone() }
}

/// Returns a result of a score.
fn cell<'a>(row: &'a ScoreRow, name: &str) -> FrameCell<'a> {
    match row.text(name) {
        Some(text) => FrameCell::Text(text),
        None => match row.number(name) {
            Some(number) => FrameCell::Number(number),
            None => FrameCell::Absent,
        },
    }
}

fn csv_line(row: &ScoreRow, run: &RunRow) -> String {
    let cells = csv_columns().map(|name| match name {
        "name" => quoted(row.name.as_deref().unwrap_or_default()),
        "tier" => row.tier.map(|tier| tier.to_string()).unwrap_or_default(),
        "as_of" => run.as_of.to_string(),
        "scored_at" => run.scored_at.to_string(),
        "model_version" => quoted(&run.model_version),
        name => match cell(row, name) {
            FrameCell::Text(text) => quoted(text),
            FrameCell::Number(number) => number.to_string(),
            FrameCell::Absent => String::new(),
        },
    });
    cells.collect::<Vec<_>>().join(",")
}

/// Returns a text as a field of CSV: in quotes, and guarded against formulas.
fn quoted(text: &str) -> String {
    format!("\"{}\"", guarded(text).replace('"', "\"\""))
}
