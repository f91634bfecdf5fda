//! The workbook: scores, their contributions with reasons, the portfolio, the data dictionary, the conditions.

mod formats;
mod sheets;

use std::io::{Seek, Write};

use rust_xlsxwriter::{DocProperties, ExcelDateTime, RowNum, Workbook, Worksheet, XlsxError};
use scoring::{Explanation, Lang, ResultColumn};

use super::file::FileError;
use crate::base::text::Text;
use crate::frames::{FrameCell, Provenance};
use crate::resources::score_runs::overview::Overview;
use sheets::{Book, FIRST_ROW};

/// How many rows of suppliers a sheet has: it holds 1,048,576 rows, of which two are headings.
const ROWS_A_SHEET: RowNum = 1_048_574;

/// How many rows at a time are worth two threads.
pub(crate) const BATCH: usize = 1000;

/// A supplier's row of the workbook. Two sheets read it at the same time.
pub(crate) trait Line: Sync {
    fn name(&self) -> &str;
    fn tier(&self) -> Option<u32>;
    fn cell(&self, column: &ResultColumn) -> FrameCell<'_>;
    fn explanation(&self) -> Result<Explanation, FileError>;
}

/// What the scores of a workbook were computed from.
pub(crate) struct Conditions {
    pub(crate) provenance: Provenance,
    /// How many suppliers the workbook has.
    pub(crate) supplier_count: usize,
    /// Other conditions, each an item and its value.
    pub(crate) others: Vec<(Text, String)>,
}

/// A workbook that is being written. Rows go to files as they come, so that any number of them takes the same memory.
pub(crate) struct Writer {
    workbook: Workbook,
    book: Book,
    scores: Vec<Worksheet>,
    contributions: Vec<Worksheet>,
    /// Where the next row goes.
    line: RowNum,
}

impl Writer {
    pub(crate) fn new(lang: Lang) -> Result<Self, XlsxError> {
        let mut writer = Self {
            workbook: Workbook::new(),
            book: Book::new(lang),
            scores: Vec::new(),
            contributions: Vec::new(),
            line: FIRST_ROW,
        };
        writer.begin_part()?;
        Ok(writer)
    }

    /// Begins sheets for more rows.
    fn begin_part(&mut self) -> Result<(), XlsxError> {
        let part = self.scores.len();
        let mut scores = self.workbook.new_worksheet_with_constant_memory()?;
        self.book.begin_scores(&mut scores, part)?;
        let mut contributions = self.workbook.new_worksheet_with_constant_memory()?;
        self.book.begin_contributions(&mut contributions, part)?;
        self.scores.push(scores);
        self.contributions.push(contributions);
        self.line = FIRST_ROW;
        Ok(())
    }

    /// Adds suppliers, ideally [`BATCH`] at a time.
    pub(crate) fn write<L: Line>(&mut self, mut lines: &[L]) -> Result<(), FileError> {
        while !lines.is_empty() {
            if self.line == FIRST_ROW + ROWS_A_SHEET {
                self.end_part()?;
                self.begin_part()?;
            }
            let room = (FIRST_ROW + ROWS_A_SHEET - self.line) as usize;
            let (now, later) = lines.split_at(room.min(lines.len()));
            self.write_part(now)?;
            lines = later;
        }
        Ok(())
    }

    /// Writes rows to the last two sheets, each on a thread of its own.
    fn write_part<L: Line>(&mut self, lines: &[L]) -> Result<(), FileError> {
        let (book, first) = (&self.book, self.line);
        let (Some(scores), Some(contributions)) = (self.scores.last_mut(), self.contributions.last_mut()) else {
            return Ok(());
        };
        let (of_scores, of_contributions) = rayon::join(
            || lines.iter().zip(first..).try_for_each(|(line, row)| book.score(scores, row, line)),
            || lines.iter().zip(first..).try_for_each(|(line, row)| book.contribution(contributions, row, line)),
        );
        of_scores?;
        of_contributions?;
        self.line += lines.len() as RowNum;
        Ok(())
    }

    /// Adds what depends on the number of rows of the last sheets.
    fn end_part(&mut self) -> Result<(), XlsxError> {
        if let (Some(scores), Some(contributions)) = (self.scores.last_mut(), self.contributions.last_mut()) {
            self.book.end_scores(scores, self.line)?;
            self.book.end_contributions(contributions, self.line)?;
        }
        Ok(())
    }

    /// Adds the other sheets, and writes the workbook.
    pub(crate) fn finish(
        mut self,
        overview: &Overview,
        conditions: &Conditions,
        out: &mut (impl Write + Seek + Send),
    ) -> Result<(), FileError> {
        self.end_part()?;
        for sheet in self.scores.into_iter().chain(self.contributions) {
            self.workbook.push_worksheet(sheet);
        }
        self.workbook.set_properties(&properties(&conditions.provenance));
        self.book.overview(self.workbook.add_worksheet_with_constant_memory()?, overview)?;
        self.book.dictionary(self.workbook.add_worksheet_with_constant_memory()?)?;
        self.book.conditions(self.workbook.add_worksheet_with_constant_memory()?, conditions)?;
        Ok(self.workbook.save_to_writer(out)?)
    }
}

/// Returns the properties, dated by the day scored and not by the day written: the same scores give the same bytes if
/// the other conditions are the same.
fn properties(provenance: &Provenance) -> DocProperties {
    let created = excel_date(provenance).unwrap_or_default();
    DocProperties::new().set_title("Sonae").set_author("Sonae").set_creation_datetime(&created)
}

/// Returns the day scored for, or `None` if it is before the first day that Excel knows.
fn excel_date(provenance: &Provenance) -> Option<ExcelDateTime> {
    ExcelDateTime::parse_from_str(&provenance.as_of.to_string()).ok()
}
