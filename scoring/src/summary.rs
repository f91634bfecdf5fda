//! The summary of a portfolio: grades, losses, and what is unknown.

use polars::prelude::*;

use crate::Scores;
use crate::columns::name::*;
use crate::frame::{floats, keys};
use crate::model::Format;
use crate::portfolio::Portfolio;
use crate::words::GRADES;

/// A portfolio in a few numbers. Counts are of suppliers unless their name says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// All suppliers.
    pub supplier_count: usize,
    /// By grade A to E of the suppliers' own risk.
    pub grades: [usize; 5],
    /// By grade A to E including inherited risk.
    pub chain_grades: [usize; 5],
    /// The expected annual loss of the buyer, summed over all suppliers, in yen.
    pub expected_annual_loss_jpy: f64,
    /// Rows of the results, those whose own incidents cause the largest loss first.
    pub by_loss_caused: Vec<usize>,
    /// Rows of the results, the highest risk score first.
    pub by_risk: Vec<usize>,
    /// Suppliers of unknown size.
    pub unknown_size_count: usize,
    /// Suppliers of unknown section.
    pub unknown_section_count: usize,
    /// Suppliers with neither enrollment, certification, assessment, agreement nor incident. A model of format 1 ignores
    /// assessments.
    pub no_evidence_count: usize,
    /// Rows to the buyer without a spend.
    pub unknown_spend_row_count: usize,
    /// Active enrollments whose coverage is the model's default.
    pub assumed_coverage_row_count: usize,
}

impl Summary {
    /// Computes the summary of a portfolio and its scores.
    ///
    /// # Errors
    /// None for scores of the same portfolio.
    pub fn new(portfolio: &Portfolio, scores: &Scores) -> PolarsResult<Self> {
        let suppliers = &scores.suppliers;
        let supplier_count = suppliers.height();
        Ok(Self {
            supplier_count,
            grades: grades(suppliers, GRADE)?,
            chain_grades: grades(suppliers, CHAIN_GRADE)?,
            // The sum of nothing is minus zero.
            expected_annual_loss_jpy: floats(suppliers, EXPECTED_ANNUAL_LOSS_DIRECT_JPY)?.iter().sum::<f64>() + 0.0,
            by_loss_caused: descending(suppliers, EXPECTED_ANNUAL_LOSS_CAUSED_JPY)?,
            by_risk: descending(suppliers, RISK_SCORE)?,
            unknown_size_count: count(suppliers, col(SIZE_CLASS).eq(lit("unknown")))?,
            unknown_section_count: count(suppliers, col(JSIC_SECTION).eq(lit("unknown")))?,
            no_evidence_count: no_evidence(portfolio, scores)?,
            unknown_spend_row_count: supplies(portfolio)?.column(ANNUAL_SPEND_JPY)?.null_count(),
            assumed_coverage_row_count: count(&scores.active, col(IS_ASSUMED))?,
        })
    }
}

/// Returns the rows to the buyer, in an order in which their spends may be added.
pub(crate) fn supplies(portfolio: &Portfolio) -> PolarsResult<DataFrame> {
    portfolio
        .relationships
        .clone()
        .lazy()
        .filter(col(DOWNSTREAM).is_null())
        .sort([UPSTREAM, ANNUAL_SPEND_JPY], SortMultipleOptions::default())
        .collect()
}

fn grades(suppliers: &DataFrame, column: &str) -> PolarsResult<[usize; 5]> {
    let mut counts = [0; 5];
    for (count, grade) in counts.iter_mut().zip(GRADES) {
        *count = self::count(suppliers, col(column).eq(lit(grade)))?;
    }
    Ok(counts)
}

fn count(frame: &DataFrame, condition: Expr) -> PolarsResult<usize> {
    let matching = frame.clone().lazy().select([condition.sum().cast(DataType::UInt32).alias("count")]).collect()?;
    Ok(matching.column("count")?.u32()?.get(0).unwrap_or_default() as usize)
}

/// Returns the rows by a number, largest first; equal ones in order of code.
fn descending(suppliers: &DataFrame, column: &str) -> PolarsResult<Vec<usize>> {
    let numbers = floats(suppliers, column)?;
    let mut rows: Vec<_> = numbers.iter().copied().enumerate().collect();
    rows.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(rows.into_iter().map(|(row, _)| row).collect())
}

/// Returns the number of suppliers without any evidence up to the day for which scores were computed.
fn no_evidence(portfolio: &Portfolio, scores: &Scores) -> PolarsResult<usize> {
    let mut has_evidence: Vec<bool> =
        scores.suppliers.column(IS_REPORTING)?.bool()?.iter().map(|is_reporting| is_reporting == Some(true)).collect();
    let tables = [
        (&portfolio.enrollments, STARTS_ON),
        (&portfolio.certifications, ISSUED_ON),
        (&portfolio.incidents, OCCURRED_ON),
    ];
    let assessments = (scores.format == Format::Two).then_some((&portfolio.assessments, ASSESSED_ON));
    for (table, date) in tables.into_iter().chain(assessments) {
        let dates = table.column(date)?.date()?.physical().into_no_null_iter();
        for (supplier, _) in keys(table, SUPPLIER)?.iter().zip(dates).filter(|(_, day)| *day <= scores.as_of) {
            if let Some(has_evidence) = has_evidence.get_mut(*supplier as usize) {
                *has_evidence = true;
            }
        }
    }
    Ok(has_evidence.iter().filter(|has| !**has).count())
}
