//! The checks of input: columns, nulls, ranges, choices, codes, duplicates, and dates in order.

use std::collections::HashMap;

use polars::prelude::*;

use super::Suppliers;
use crate::columns::name::*;
use crate::columns::{ColumnKind, InputColumn, OUTCOMES, SELF_ASSESSMENT, Table, number_of};
use crate::fault::{Fault, Faults, Reason};

/// A condition that makes a row faulty.
pub(super) struct Check {
    /// The column to name in a fault, as declared.
    column: &'static str,
    reason: Reason,
    is_faulty: Expr,
}

/// How the rows of a table name suppliers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming<'a> {
    /// By code.
    Code,
    /// By row among these suppliers.
    Row(&'a Suppliers),
}

impl Naming<'_> {
    /// Returns the name and type of a declared column. Rows replace codes.
    fn column(self, table: Table, declared: &InputColumn) -> (&'static str, DataType) {
        match (self, table.row_column(declared.name)) {
            (Self::Row(_), Some(row)) => (row, DataType::UInt32),
            _ => (declared.name, declared.kind.dtype()),
        }
    }

    /// Returns the checks of a declared column.
    fn checks(self, table: Table, declared: &'static InputColumn) -> Vec<Check> {
        let check = |reason, is_faulty| Check { column: declared.name, reason, is_faulty };
        match (self, self.column(table, declared)) {
            (Self::Row(suppliers), (name, DataType::UInt32)) => {
                let is_missing = check(Reason::MissingValue, col(name).is_null());
                let is_unknown = check(Reason::UnknownSupplier, col(name).gt_eq(lit(suppliers.count())));
                let (is_missing, is_unknown) = (declared.required.then_some(is_missing), Some(is_unknown));
                is_missing.into_iter().chain(is_unknown.filter(|_| suppliers.has_codes)).collect()
            }
            _ => declared_checks(table, declared),
        }
    }

    /// Returns whether a relationship has the same known supplier at both ends.
    fn is_self_supply(self) -> Expr {
        match self {
            Self::Code => col(UPSTREAM_CODE).eq(col(DOWNSTREAM_CODE)),
            Self::Row(suppliers) => col(UPSTREAM).eq(col(DOWNSTREAM)).and(col(UPSTREAM).lt(lit(suppliers.count()))),
        }
    }
}

/// A table that has all declared columns, in their types.
pub(super) struct Conformed<'a> {
    table: Table,
    naming: Naming<'a>,
    /// The frame as given.
    given: DataFrame,
    /// The frame with all columns, and with the numbers of choices if the table numbers them.
    pub(super) frame: DataFrame,
    /// Required columns that were missing or of another type, as declared. They are null now, and already reported.
    pub(super) absent: Vec<&'static str>,
}

impl<'a> Conformed<'a> {
    pub(super) fn new(table: Table, frame: &DataFrame, naming: Naming<'a>, faults: &mut Faults) -> PolarsResult<Self> {
        let mut columns = Vec::with_capacity(table.columns().len());
        let mut absent = Vec::new();
        for declared in table.columns() {
            let (name, mut dtype) = naming.column(table, declared);
            let choices = numbered(table, declared.kind);
            if choices.is_some() {
                dtype = DataType::UInt32;
            }
            let null = || Column::full_null(name.into(), frame.height(), &dtype);
            let reason = match frame.column(name) {
                Ok(column)
                    if *column.dtype() == DataType::String
                        && let Some(choices) = choices =>
                {
                    let number = |choice| number_of(choices, choice);
                    let numbers: UInt32Chunked = column.str()?.iter().map(|choice| choice.map(number)).collect();
                    columns.push(numbers.with_name(name.into()).into_column());
                    continue;
                }
                Ok(column) if *column.dtype() == dtype => {
                    columns.push(column.clone());
                    continue;
                }
                Ok(column) if *column.dtype() != DataType::Null => Some(Reason::WrongType),
                Err(_) if declared.required => Some(Reason::MissingColumn),
                _ => None,
            };
            columns.push(null());
            if let Some(reason) = reason {
                absent.push(declared.name);
                faults.push(Fault { table, row: None, column: Some(declared.name), value: None, reason });
            }
        }
        Ok(Self { table, naming, given: frame.clone(), frame: DataFrame::new(frame.height(), columns)?, absent })
    }

    /// Checks nulls, ranges and choices as declared, and the table's own checks.
    pub(super) fn check(&self, faults: &mut Faults) -> PolarsResult<()> {
        let declared = self.table.columns().iter().flat_map(|declared| self.naming.checks(self.table, declared));
        let checks = declared.chain(own_checks(self.table, self.naming));
        let checks: Vec<_> = checks.filter(|check| !self.absent.contains(&check.column)).collect();
        let masks = checks
            .iter()
            .enumerate()
            .map(|(place, check)| check.is_faulty.clone().fill_null(lit(false)).alias(place.to_string()))
            .collect::<Vec<_>>();
        let masks = self.frame.clone().lazy().select(masks).collect()?;
        for (check, mask) in checks.into_iter().zip(masks.columns()) {
            self.report(check.column, &check.reason, mask.bool()?, faults)?;
        }
        Ok(())
    }

    /// Reports the rows of a mask, creating only as many faults as are kept.
    fn report(
        &self,
        column: &'static str,
        reason: &Reason,
        mask: &BooleanChunked,
        faults: &mut Faults,
    ) -> PolarsResult<()> {
        let count = mask.sum().unwrap_or(0) as usize;
        if count > 0 {
            let (cells, suppliers) = match (self.naming, self.table.row_column(column)) {
                (Naming::Row(suppliers), Some(row)) => (self.given.column(row), Some(suppliers)),
                _ => (self.given.column(column), None),
            };
            let kind = self.table.columns().iter().find(|known| known.name == column).map(|known| known.kind);
            let choices = if let Some(ColumnKind::Choice(choices)) = kind { choices } else { &[] };
            let fault = |row| Fault {
                table: self.table,
                row: Some(row),
                column: Some(column),
                value: cells.as_ref().ok().and_then(|cells| text_at(cells, row, suppliers, choices)),
                reason: reason.clone(),
            };
            let rows = mask.iter().enumerate().filter(|(_, is_faulty)| *is_faulty == Some(true));
            faults.add(rows.map(|(row, _)| fault(row)), count);
        }
        Ok(())
    }

    /// Returns the frame with the suppliers' rows instead of their codes.
    pub(super) fn resolved(self, suppliers: &Suppliers, faults: &mut Faults) -> PolarsResult<DataFrame> {
        if matches!(self.naming, Naming::Row(_)) {
            return Ok(self.frame);
        }
        let mut resolved = self.frame.clone();
        for (code, row) in self.table.references() {
            let codes = self.frame.column(code)?.str()?;
            let rows = suppliers.rows_of(codes.iter());
            if suppliers.has_codes {
                // An empty code is reported as a missing value.
                let is_unknown = &rows.equal(Suppliers::UNKNOWN_ROW) & &codes.not_equal("");
                self.report(code, &Reason::UnknownSupplier, &is_unknown, faults)?;
            }
            resolved.with_column(rows.with_name((*row).into()).into_column())?;
            resolved.drop_in_place(code)?;
        }
        Ok(resolved)
    }
}

/// Returns the choices of a column that holds their numbers.
fn numbered(table: Table, kind: ColumnKind) -> Option<&'static [&'static str]> {
    match kind {
        ColumnKind::Choice(choices) if table.numbers_choices() => Some(choices),
        _ => None,
    }
}

/// Returns a table of a portfolio with texts instead of the numbers of choices.
pub(super) fn with_texts(table: Table, frame: &DataFrame) -> PolarsResult<DataFrame> {
    let mut frame = frame.clone();
    for declared in table.columns() {
        let Some(choices) = numbered(table, declared.kind) else { continue };
        let numbers = frame.column(declared.name)?.u32()?;
        let texts = numbers.iter().map(|number| choices.get(number? as usize).copied());
        let texts = StringChunked::from_iter_options(declared.name.into(), texts);
        frame.with_column(texts.into_column())?;
    }
    Ok(frame)
}

fn declared_checks(table: Table, declared: &'static InputColumn) -> Vec<Check> {
    let cell = || col(declared.name);
    let check = |reason, is_faulty| Check { column: declared.name, reason, is_faulty };
    let mut checks = Vec::new();
    if declared.required {
        checks.push(check(Reason::MissingValue, cell().is_null()));
    }
    match declared.kind {
        ColumnKind::Text => checks.push(check(Reason::MissingValue, cell().eq(lit("")))),
        ColumnKind::Choice(choices) if table.numbers_choices() => {
            checks.push(check(Reason::UnknownChoice(choices), cell().gt_eq(lit(choices.len() as u32))));
        }
        ColumnKind::Choice(choices) => {
            let is_known = choices.iter().map(|choice| cell().eq(lit(*choice))).reduce(Expr::or);
            checks.extend(is_known.map(|known| check(Reason::UnknownChoice(choices), known.not())));
        }
        ColumnKind::Whole(low, high) => {
            let outside = cell().lt(lit(low)).or(cell().gt(lit(high)));
            checks.push(check(Reason::OutOfRange(low as f64, high as f64), outside));
        }
        ColumnKind::Number(low, high) => {
            let inside = cell().gt_eq(lit(low)).and(cell().lt_eq(lit(high))).and(cell().is_nan().not());
            checks.push(check(Reason::OutOfRange(low, high), inside.not()));
        }
        ColumnKind::Date | ColumnKind::Flag => {}
    }
    checks
}

/// Returns a cell as text: the row of one of these suppliers as its code, and the number of one of these choices as that
/// choice; none for null, and for what is not a row.
fn text_at(cells: &Column, row: usize, suppliers: Option<&Suppliers>, choices: &[&str]) -> Option<String> {
    match cells.get(row).ok()? {
        AnyValue::Null => None,
        AnyValue::UInt32(row) if let Some(suppliers) = suppliers => suppliers.code_of(row).map(str::to_owned),
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Float64(number) => Some(number.to_string()),
        AnyValue::Date(days) => Some(crate::date_from_days(days).to_string()),
        other => match other.extract::<usize>().and_then(|number| choices.get(number)) {
            Some(choice) => Some((*choice).to_owned()),
            None => Some(other.to_string()),
        },
    }
}

/// Reports each code that an earlier row already has.
pub(super) fn check_duplicates(suppliers: &DataFrame, faults: &mut Faults) -> PolarsResult<()> {
    let codes = suppliers.column(SUPPLIER_CODE)?;
    let mut first_rows = HashMap::new();
    let mut duplicates = Faults::default();
    for (row, code) in codes.str()?.iter().enumerate() {
        let Some(code) = code else { continue };
        let first_row = *first_rows.entry(code).or_insert(row);
        if first_row != row {
            let reason = Reason::DuplicateSupplier { first_row };
            let fault = Fault {
                table: Table::Suppliers,
                row: Some(row),
                column: Some(SUPPLIER_CODE),
                value: Some(code.to_owned()),
                reason,
            };
            duplicates.push(fault);
        }
    }
    faults.merge(duplicates);
    Ok(())
}

/// Returns whether each code is larger than the one before, byte by byte.
pub(super) fn are_ascending(suppliers: &DataFrame) -> PolarsResult<bool> {
    let codes = suppliers.column(SUPPLIER_CODE)?.str()?;
    Ok(codes.iter().zip(codes.iter().skip(1)).all(|(code, next)| code < next))
}

/// Returns the checks of a table's rows in addition to those that its columns declare.
fn own_checks(table: Table, naming: Naming<'_>) -> Vec<Check> {
    let check = |column, reason, is_faulty| vec![Check { column, reason, is_faulty }];
    match table {
        Table::Suppliers => vec![],
        Table::Relationships => check(DOWNSTREAM_CODE, Reason::SelfSupply, naming.is_self_supply()),
        Table::Enrollments => check(ENDS_ON, Reason::EndsBeforeStart, col(ENDS_ON).lt_eq(col(STARTS_ON))),
        Table::Certifications => check(EXPIRES_ON, Reason::ExpiresBeforeIssue, col(EXPIRES_ON).lt(col(ISSUED_ON))),
        Table::Assessments => {
            let is_total = || col(CONTROL).eq(lit(SELF_ASSESSMENT as u32));
            let wrong = |column, reason, is_faulty| Check { column, reason, is_faulty };
            vec![
                wrong(STATUS, Reason::StatusOfSelfAssessment, is_total().and(col(STATUS).is_not_null())),
                wrong(STATUS, Reason::MissingStatus, is_total().not().and(col(STATUS).is_null())),
                wrong(TOTAL_SCORE, Reason::TotalOfControl, is_total().not().and(col(TOTAL_SCORE).is_not_null())),
                wrong(TOTAL_SCORE, Reason::MissingTotal, is_total().and(col(TOTAL_SCORE).is_null())),
                wrong(EXPIRES_ON, Reason::ExpiresBeforeAssessment, col(EXPIRES_ON).lt(col(ASSESSED_ON))),
            ]
        }
        Table::Incidents => {
            let is_harmful = col(OUTCOME).eq(lit(number_of(OUTCOMES, "harmful")));
            check(COUNT, Reason::HarmfulCount, is_harmful.and(col(COUNT).gt(lit(1i64))))
        }
    }
}
