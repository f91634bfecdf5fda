//! The workbook: scores, their contributions with reasons, the portfolio, the data dictionary, the conditions.

mod formats;
mod sheets;

use std::io::Write;
use std::ops::Range;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};
use scoring::{Explainer, Lang, Scores, Summary};

use crate::frames::{FrameError, Provenance, Results};
use formats::Formats;
use sheets::Book;

/// A sheet holds 1,048,576 rows; two are headings.
const ROWS_A_SHEET: usize = 1_048_574;

/// Why a workbook could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkbookError {
    #[error("the workbook could not be written")]
    Xlsx(#[from] XlsxError),
    #[error("a step on a data frame failed")]
    Frame(#[from] FrameError),
}

/// Writes the workbook in constant memory.
pub(crate) fn write(
    provenance: &Provenance,
    scores: &Scores,
    summary: &Summary,
    explainer: &Explainer<'_>,
    lang: Lang,
    out: &mut (impl Write + Send),
) -> Result<(), WorkbookError> {
    let book = Book { results: Results::new(scores)?, formats: Formats::new(), lang };
    let mut workbook = Workbook::new();
    workbook.set_properties(&properties(provenance));
    for part in parts(book.results.row_count()) {
        book.scores(workbook.add_worksheet_with_constant_memory()?, &part)?;
    }
    for part in parts(book.results.row_count()) {
        book.contributions(workbook.add_worksheet_with_constant_memory()?, &part, explainer)?;
    }
    book.summary(workbook.add_worksheet_with_constant_memory()?, summary)?;
    book.dictionary(workbook.add_worksheet_with_constant_memory()?)?;
    book.conditions(workbook.add_worksheet_with_constant_memory()?, provenance)?;
    workbook.save_to_writer(out)?;
    Ok(())
}

/// The rows of one sheet, of as many as it takes.
struct Part {
    number: usize,
    rows: Range<usize>,
}

fn parts(row_count: usize) -> impl Iterator<Item = Part> {
    (0..row_count.div_ceil(ROWS_A_SHEET).max(1)).map(move |number| {
        let start = number * ROWS_A_SHEET;
        Part { number, rows: start..row_count.min(start + ROWS_A_SHEET) }
    })
}

/// Named after the day scored, not the day written: the same scores give the same bytes.
fn properties(provenance: &Provenance) -> DocProperties {
    let created = excel_date(provenance).unwrap_or_default();
    DocProperties::new().set_title("Sonae").set_author("Sonae").set_creation_datetime(&created)
}

/// The day scored for; none where it lies before the first that Excel knows.
fn excel_date(provenance: &Provenance) -> Option<ExcelDateTime> {
    ExcelDateTime::parse_from_str(&provenance.as_of.to_string()).ok()
}
