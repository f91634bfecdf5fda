//! The checks at the door: columns, nulls, ranges, choices, codes, duplicates, and dates in order.

use std::collections::HashMap;

use polars::prelude::*;

use crate::columns::name::*;
use crate::columns::{InputColumn, Kind, Table};
use crate::fault::{Fault, Faults, Reason};

/// A condition that makes a row faulty, at the column that is to be named.
pub(super) struct Check {
    column: &'static str,
    reason: Reason,
    is_faulty: Expr,
}

/// How the rows of a table name suppliers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Naming {
    /// By code.
    Code,
    /// By row among so many suppliers.
    Row(u32),
}

impl Naming {
    /// What a declared column is called, and its type: rows stand in place of codes.
    fn column(self, table: Table, declared: &InputColumn) -> (&'static str, DataType) {
        let row = references(table).iter().find(|(code, _)| *code == declared.name);
        match (self, row) {
            (Self::Row(_), Some((_, row))) => (row, DataType::UInt32),
            _ => (declared.name, declared.kind.dtype()),
        }
    }

    /// What a declared column must hold.
    fn checks(self, table: Table, declared: &InputColumn) -> Vec<Check> {
        match (self, self.column(table, declared)) {
            (Self::Row(count), (name, DataType::UInt32)) => {
                let is_missing = Check { column: name, reason: Reason::MissingValue, is_faulty: col(name).is_null() };
                let is_unknown =
                    Check { column: name, reason: Reason::UnknownSupplier, is_faulty: col(name).gt_eq(lit(count)) };
                declared.required.then_some(is_missing).into_iter().chain([is_unknown]).collect()
            }
            _ => declared_checks(declared),
        }
    }

    /// The columns of a relationship's two ends.
    fn ends(self) -> (&'static str, &'static str) {
        match self {
            Self::Code => (UPSTREAM_CODE, DOWNSTREAM_CODE),
            Self::Row(_) => (UPSTREAM, DOWNSTREAM),
        }
    }
}

/// The columns of a table that hold codes of suppliers, and those that hold their rows.
const fn references(table: Table) -> &'static [(&'static str, &'static str)] {
    match table {
        Table::Suppliers => &[],
        Table::Relationships => &[(UPSTREAM_CODE, UPSTREAM), (DOWNSTREAM_CODE, DOWNSTREAM)],
        Table::Enrollments | Table::Certifications | Table::Incidents => &[(SUPPLIER_CODE, SUPPLIER)],
    }
}

/// A table that has all declared columns, in their types.
pub(super) struct Conformed {
    table: Table,
    naming: Naming,
    pub(super) frame: DataFrame,
    /// Required columns that were missing or of another type: null now, and reported already.
    pub(super) absent: Vec<&'static str>,
}

impl Conformed {
    pub(super) fn new(table: Table, frame: &DataFrame, naming: Naming, faults: &mut Faults) -> PolarsResult<Self> {
        let mut columns = Vec::with_capacity(table.columns().len());
        let mut absent = Vec::new();
        for declared in table.columns() {
            let (name, dtype) = naming.column(table, declared);
            let null = || Column::full_null(name.into(), frame.height(), &dtype);
            let reason = match frame.column(name) {
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
                absent.push(name);
                faults.push(Fault { table, row: None, column: Some(name), value: None, reason });
            }
        }
        Ok(Self { table, naming, frame: DataFrame::new(frame.height(), columns)?, absent })
    }

    /// Checks nulls, ranges and choices as declared, and the checks that are a table's own.
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

    /// Notes the rows of a mask, drawing only as many as are kept.
    fn report(
        &self,
        column: &'static str,
        reason: &Reason,
        mask: &BooleanChunked,
        faults: &mut Faults,
    ) -> PolarsResult<()> {
        let count = mask.sum().unwrap_or(0) as usize;
        if count > 0 {
            let cells = self.frame.column(column)?;
            let fault = |row| Fault {
                table: self.table,
                row: Some(row),
                column: Some(column),
                value: text_at(cells, row),
                reason: reason.clone(),
            };
            let rows = mask.iter().enumerate().filter(|(_, is_faulty)| *is_faulty == Some(true));
            faults.add(rows.map(|(row, _)| fault(row)), count);
        }
        Ok(())
    }

    /// Puts the supplier's row in place of its code.
    pub(super) fn resolve(self, codes: &DataFrame, has_codes: bool, faults: &mut Faults) -> PolarsResult<DataFrame> {
        let mut resolved = self.frame.clone();
        for (code, supplier) in references(self.table) {
            let rows = rows_of(&self.frame, code, codes)?.with_name((*supplier).into());
            if has_codes {
                // An empty code is reported as a missing value.
                let has_code = self.frame.column(code)?.str()?.not_equal("");
                self.report(code, &Reason::UnknownSupplier, &(&rows.is_null() & &has_code), faults)?;
            }
            resolved.with_column(rows)?;
            resolved.drop_in_place(code)?;
        }
        Ok(resolved)
    }
}

fn declared_checks(declared: &InputColumn) -> Vec<Check> {
    let cell = || col(declared.name);
    let check = |reason, is_faulty| Check { column: declared.name, reason, is_faulty };
    let mut checks = Vec::new();
    if declared.required {
        checks.push(check(Reason::MissingValue, cell().is_null()));
    }
    match declared.kind {
        Kind::Text => checks.push(check(Reason::MissingValue, cell().eq(lit("")))),
        Kind::Choice(choices) => {
            let is_known = choices.iter().map(|choice| cell().eq(lit(*choice))).reduce(Expr::or);
            checks.extend(is_known.map(|known| check(Reason::UnknownChoice(choices), known.not())));
        }
        Kind::Whole(low, high) => {
            let outside = cell().lt(lit(low)).or(cell().gt(lit(high)));
            checks.push(check(Reason::OutOfRange(low as f64, high as f64), outside));
        }
        Kind::Number(low, high) => {
            let inside = cell().gt_eq(lit(low)).and(cell().lt_eq(lit(high))).and(cell().is_nan().not());
            checks.push(check(Reason::OutOfRange(low, high), inside.not()));
        }
        Kind::Date | Kind::Flag => {}
    }
    checks
}

/// A cell as text; none for null.
fn text_at(cells: &Column, row: usize) -> Option<String> {
    match cells.get(row).ok()? {
        AnyValue::Null => None,
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Float64(number) => Some(number.to_string()),
        AnyValue::Date(days) => Some(crate::date_from_days(days).to_string()),
        other => Some(other.to_string()),
    }
}

/// Reports each code that an earlier row has already.
pub(super) fn check_duplicates(suppliers: &DataFrame, faults: &mut Faults) -> PolarsResult<()> {
    let codes = suppliers.column(SUPPLIER_CODE)?;
    if codes.n_unique()? == codes.len() {
        return Ok(());
    }
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

/// Whether each code is larger than the one before, byte by byte.
pub(super) fn are_ascending(suppliers: &DataFrame) -> PolarsResult<bool> {
    let codes = suppliers.column(SUPPLIER_CODE)?.str()?;
    Ok(codes.iter().zip(codes.iter().skip(1)).all(|(code, next)| code < next))
}

/// The row of each code among the suppliers, u32, null where it is null or unknown.
fn rows_of(frame: &DataFrame, code: &str, codes: &DataFrame) -> PolarsResult<Column> {
    let join = JoinArgs { maintain_order: MaintainOrderJoin::Left, ..JoinArgs::new(JoinType::Left) };
    let rows = frame
        .select([code])?
        .lazy()
        .join(codes.clone().lazy(), [col(code)], [col(SUPPLIER_CODE)], join)
        .select([col(SUPPLIER)])
        .collect()?;
    rows.column(SUPPLIER).cloned()
}

/// What a table's rows must hold beside what its columns declare.
fn own_checks(table: Table, naming: Naming) -> Vec<Check> {
    let check = |column, reason, is_faulty| vec![Check { column, reason, is_faulty }];
    match table {
        Table::Suppliers => vec![],
        Table::Relationships => {
            let (upstream, downstream) = naming.ends();
            check(downstream, Reason::SelfSupply, col(upstream).eq(col(downstream)))
        }
        Table::Enrollments => check(ENDS_ON, Reason::EndsBeforeStart, col(ENDS_ON).lt_eq(col(STARTS_ON))),
        Table::Certifications => check(EXPIRES_ON, Reason::ExpiresBeforeIssue, col(EXPIRES_ON).lt(col(ISSUED_ON))),
        Table::Incidents => {
            let is_harmful = col(OUTCOME).eq(lit("harmful"));
            check(COUNT, Reason::HarmfulCount, is_harmful.and(col(COUNT).gt(lit(1i64))))
        }
    }
}
