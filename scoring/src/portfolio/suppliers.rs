//! The suppliers of a portfolio in order of code, and the row of each code.

#![expect(clippy::indexing_slicing, reason = "slots are a power of two and hashes are masked to it")]

use std::hash::BuildHasher;

use polars::prelude::*;

use super::checks::{Conformed, Naming, are_ascending, check_duplicates};
use crate::columns::Table;
use crate::columns::name::SUPPLIER_CODE;
use crate::fault::Faults;

/// Checked suppliers, against which tables that name them by row are checked.
///
/// A reader of the other tables can look codes up at once and need not keep them.
#[derive(Debug, Clone)]
pub struct Suppliers {
    /// In ascending byte order of code.
    pub(super) frame: DataFrame,
    codes: StringChunked,
    rows: RowsByCode,
    /// Whether a code that none of them has is a fault. It is not if there was no column of codes.
    pub(super) has_codes: bool,
    pub(super) faults: Faults,
}

impl Suppliers {
    /// The row for a code that no supplier has.
    pub const UNKNOWN_ROW: u32 = u32::MAX;

    /// Checks the table of suppliers and sorts it. Its faults are reported with those of the other tables.
    ///
    /// # Errors
    /// None for a frame of fewer than 2^32 - 1 rows.
    pub fn new(suppliers: &DataFrame) -> PolarsResult<Self> {
        let mut faults = Faults::default();
        let conformed = Conformed::new(Table::Suppliers, suppliers, Naming::Code, &mut faults)?;
        conformed.check(&mut faults)?;
        let has_codes = !conformed.absent.contains(&SUPPLIER_CODE);
        let frame = conformed.frame.sort([SUPPLIER_CODE], SortMultipleOptions::default())?;
        if !are_ascending(&frame)? {
            check_duplicates(&conformed.frame, &mut faults)?;
        }
        let codes = frame.column(SUPPLIER_CODE)?.str()?.rechunk().into_owned();
        let rows = RowsByCode::new(&codes);
        Ok(Self { frame, codes, rows, has_codes, faults })
    }

    /// Takes suppliers that are in order, to be named only by row: none is found by code.
    pub(super) fn of_rows(suppliers: &DataFrame) -> PolarsResult<Self> {
        let mut faults = Faults::default();
        let conformed = Conformed::new(Table::Suppliers, suppliers, Naming::Code, &mut faults)?;
        conformed.check(&mut faults)?;
        let frame = conformed.frame;
        if !are_ascending(&frame)? {
            let reason = "suppliers are not in ascending order of code";
            return Err(PolarsError::InvalidOperation(reason.into()));
        }
        let codes = frame.column(SUPPLIER_CODE)?.str()?.clone();
        let rows = RowsByCode::new(&StringChunked::default());
        Ok(Self { frame, codes, rows, has_codes: true, faults })
    }

    /// Returns the same suppliers, if there are more that could not be read. A code that none of these has is then no
    /// fault.
    #[must_use]
    pub fn of_more(self) -> Self {
        Self { has_codes: false, ..self }
    }

    /// Returns the row of each code, or [`Suppliers::UNKNOWN_ROW`]; none for none.
    pub fn rows_of<'a>(&self, codes: impl Iterator<Item = Option<&'a str>>) -> UInt32Chunked {
        self.rows.find(codes, |row, code| self.codes.get(row as usize) == Some(code))
    }

    /// Returns the code of a row, if there is such a row.
    pub(super) fn code_of(&self, row: u32) -> Option<&str> {
        if row < self.count() { self.codes.get(row as usize) } else { None }
    }

    /// Returns the number of suppliers.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.frame.height()).unwrap_or(u32::MAX)
    }
}

/// Maps codes to rows: an open-addressing table that is at most half full, whose slots contain short codes.
///
/// Most of a look-up is waiting for memory. A code of up to twelve bytes waits once, whereas a map of references into
/// the column waits three times. Codes are looked up in batches, so that their waits overlap.
#[derive(Debug, Clone)]
struct RowsByCode {
    slots: Vec<Slot>,
    hasher: PlRandomState,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    row: u32,
}

/// A code of up to twelve bytes, padded with 0xFF; for a longer one, 0xFF bytes, which begin no text, and its hash.
type Key = [u8; 12];

const FREE_SLOT: Slot = Slot { key: [0xFF; 12], row: Suppliers::UNKNOWN_ROW };

impl RowsByCode {
    /// The number of codes in a batch.
    const CODES_PER_BATCH: usize = 64;

    /// Creates the map, with the first row of each code.
    fn new(codes: &StringChunked) -> Self {
        let mut rows = Self {
            slots: vec![FREE_SLOT; (2 * codes.len() + 1).next_power_of_two()],
            hasher: PlRandomState::default(),
        };
        for (row, code) in (0..).zip(codes.iter()) {
            let Some(code) = code.filter(|code| !code.is_empty()) else { continue };
            let (key, mut place) = rows.key(code);
            let is_same = |found: u32| codes.get(found as usize) == Some(code);
            while rows.slots[place].row != Suppliers::UNKNOWN_ROW && !rows.is_at(place, &key, is_same) {
                place = rows.after(place);
            }
            if rows.slots[place].row == Suppliers::UNKNOWN_ROW {
                rows.slots[place] = Slot { key, row };
            }
        }
        rows
    }

    /// Returns the row of each code. `is_same` says whether a row has a code.
    fn find<'a>(
        &self,
        mut codes: impl Iterator<Item = Option<&'a str>>,
        is_same: impl Fn(u32, &str) -> bool,
    ) -> UInt32Chunked {
        let mut found = PrimitiveChunkedBuilder::<UInt32Type>::new("".into(), codes.size_hint().0);
        let mut batch = Vec::with_capacity(Self::CODES_PER_BATCH);
        let mut first_slots = Vec::with_capacity(Self::CODES_PER_BATCH);
        loop {
            batch.clear();
            batch.extend(
                codes.by_ref().take(Self::CODES_PER_BATCH).map(|code| (code, self.key(code.unwrap_or_default()))),
            );
            if batch.is_empty() {
                return found.finish();
            }
            // A loop that only reads has many reads in progress at once.
            first_slots.clear();
            first_slots.extend(batch.iter().map(|(_, (_, place))| self.slots[*place]));
            for ((code, (key, place)), first) in batch.iter().zip(&first_slots) {
                match code {
                    None => found.append_null(),
                    Some(_) if first.key == *key && key[0] != 0xFF => found.append_value(first.row),
                    Some(code) => {
                        let mut place = *place;
                        while self.slots[place].row != Suppliers::UNKNOWN_ROW
                            && !self.is_at(place, key, |row| is_same(row, code))
                        {
                            place = self.after(place);
                        }
                        found.append_value(self.slots[place].row);
                    }
                }
            }
        }
    }

    /// Returns the key of a code, and the slot where its search begins.
    fn key(&self, code: &str) -> (Key, usize) {
        let hash = self.hasher.hash_one(code);
        let mut key = FREE_SLOT.key;
        match key.get_mut(..code.len()) {
            Some(start) => start.copy_from_slice(code.as_bytes()),
            None => key[4..].copy_from_slice(&hash.to_le_bytes()),
        }
        (key, hash as usize & (self.slots.len() - 1))
    }

    /// Returns whether a code is in a slot.
    fn is_at(&self, place: usize, key: &Key, is_same: impl Fn(u32) -> bool) -> bool {
        self.slots[place].key == *key && (key[0] != 0xFF || is_same(self.slots[place].row))
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_any_length_are_found_and_no_others() {
        let codes: Vec<String> = (0..2000)
            .flat_map(|number| {
                ["", "株", "S-", "twelve-", "longer-than-a-slot-"].map(|start| format!("{start}{number}"))
            })
            .collect();
        let suppliers = Suppliers::new(&df!("supplier_code" => &codes).unwrap()).unwrap();
        assert!(suppliers.faults.is_empty());

        let rows = suppliers.rows_of(codes.iter().map(|code| Some(code.as_str())));

        for (code, row) in codes.iter().zip(rows.iter()) {
            assert_eq!(suppliers.code_of(row.unwrap()), Some(code.as_str()));
        }
        let others = ["", "株", "2000", "longer-than-a-slot-2000", "longer-than-a-slot-", "S-1\0"].map(Some);
        let rows = suppliers.rows_of(others.into_iter().chain([None]));
        assert_eq!(
            rows.iter().collect::<Vec<_>>(),
            [Some(Suppliers::UNKNOWN_ROW); 6].into_iter().chain([None]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn of_suppliers_with_one_code_the_first_is_found() {
        let suppliers = Suppliers::new(&df!("supplier_code" => ["B", "A", "B", "A"]).unwrap()).unwrap();
        assert_eq!(suppliers.rows_of(["A", "B"].map(Some).into_iter()).iter().collect::<Vec<_>>(), [Some(0), Some(2)]);
    }
}
