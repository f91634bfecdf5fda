//! The suppliers of a portfolio in order of code, and which row each code has.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use polars::prelude::*;

use super::checks::{Conformed, Naming, are_ascending, check_duplicates};
use crate::columns::Table;
use crate::columns::name::SUPPLIER_CODE;
use crate::fault::Faults;

/// Suppliers that were checked: what tables that name them by row are checked against.
///
/// Whoever reads the other tables can look each code up at once and need not hold it.
#[derive(Debug, Clone)]
pub struct Suppliers {
    /// In ascending byte order of code.
    pub(super) frame: DataFrame,
    codes: StringChunked,
    /// The first row of each code.
    rows: HashTable<u32>,
    hasher: PlRandomState,
    /// Whether there was a column of codes at all.
    pub(super) has_codes: bool,
    pub(super) faults: Faults,
}

impl Suppliers {
    /// The row of a code that no supplier has.
    pub const UNKNOWN: u32 = u32::MAX;

    /// Checks the table of suppliers and puts it in order; its faults come with those of the other tables.
    ///
    /// # Errors
    /// None for a frame of fewer than 2^32 - 1 rows.
    pub fn new(suppliers: &DataFrame) -> PolarsResult<Self> {
        let mut faults = Faults::default();
        let conformed = Conformed::new(Table::Suppliers, suppliers, Naming::Code, &mut faults)?;
        conformed.check(&mut faults)?;
        check_duplicates(&conformed.frame, &mut faults)?;
        let has_codes = !conformed.absent.contains(&SUPPLIER_CODE);
        let frame = conformed.frame.sort([SUPPLIER_CODE], SortMultipleOptions::default())?;
        Ok(Self { has_codes, faults, ..Self::sorted(frame, true)? })
    }

    /// Takes suppliers that are in order, to be named by row alone.
    pub(super) fn of_rows(suppliers: &DataFrame) -> PolarsResult<Self> {
        let mut faults = Faults::default();
        let conformed = Conformed::new(Table::Suppliers, suppliers, Naming::Code, &mut faults)?;
        conformed.check(&mut faults)?;
        if !are_ascending(&conformed.frame)? {
            let reason = "suppliers are not in ascending order of code";
            return Err(PolarsError::InvalidOperation(reason.into()));
        }
        Ok(Self { faults, ..Self::sorted(conformed.frame, false)? })
    }

    fn sorted(frame: DataFrame, by_code: bool) -> PolarsResult<Self> {
        let codes = frame.column(SUPPLIER_CODE)?.str()?.rechunk().into_owned();
        let hasher = PlRandomState::default();
        let mut rows = HashTable::with_capacity(if by_code { codes.len() } else { 0 });
        let code_of = |row: u32| codes.get(row as usize).unwrap_or_default();
        for (row, code) in (0..).zip(codes.iter()).filter(|_| by_code) {
            let Some(code) = code else { continue };
            let entry = rows.entry(
                hasher.hash_one(code),
                |found| code_of(*found) == code,
                |found| hasher.hash_one(code_of(*found)),
            );
            entry.or_insert(row);
        }
        Ok(Self { frame, codes, rows, hasher, has_codes: true, faults: Faults::default() })
    }

    /// The row of a code, or [`Suppliers::UNKNOWN`].
    pub fn row_of(&self, code: &str) -> u32 {
        let found = self.rows.find(self.hasher.hash_one(code), |row| self.code_of(*row) == Some(code));
        found.copied().unwrap_or(Self::UNKNOWN)
    }

    /// The code of a row, if there is such a row.
    pub(super) fn code_of(&self, row: u32) -> Option<&str> {
        if row < self.count() { self.codes.get(row as usize) } else { None }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.frame.height()).unwrap_or(u32::MAX)
    }
}
