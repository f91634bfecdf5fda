//! The findings of an import: kept up to a limit, counted beyond it.

use std::sync::Arc;

use schema::jobs::Finding;

use crate::base::fault::Fault;
use crate::base::text::Text;
use crate::queue::outcome::StoredFailure;
use crate::resources::jobs::{ImportFailure, StoredGroup};

/// A place in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The sheet of a workbook, or the file of a folder.
    pub(crate) sheet: Option<String>,
    /// The row or line, counted from 1 as the user sees it.
    pub(crate) row: Option<u64>,
}

/// A fault of a file as a whole, and its place.
#[derive(Debug)]
pub(crate) struct Refusal(Box<(Place, Fault)>);

impl Refusal {
    pub(crate) fn new(place: Place, fault: Fault) -> Self {
        Self(Box::new((place, fault)))
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.0
    }

    pub(crate) fn fault(&self) -> &Fault {
        &self.0.1
    }
}

/// The findings of an import: the first ones up to a limit, and for each kind how many there are.
#[derive(Debug)]
pub(crate) struct Findings {
    kept: Vec<Kept>,
    limit: usize,
    count: u64,
    groups: Vec<Group>,
}

/// A finding whose words are not written out yet: an import may keep a hundred thousand.
#[derive(Debug)]
struct Kept {
    sheet: Option<Arc<str>>,
    row: Option<u64>,
    is_warning: bool,
    fault: Fault,
}

/// Findings of one kind in one column of a table.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) sheet: Option<Arc<str>>,
    pub(crate) code: &'static str,
    /// The column. Empty if a row or the table as a whole is at fault.
    pub(crate) column: String,
    pub(crate) is_warning: bool,
    pub(crate) count: u64,
    /// The first rows with such a finding.
    pub(crate) rows: Vec<u64>,
    /// The value of the first of them.
    pub(crate) value: Option<String>,
    /// The words of the first of them.
    pub(crate) detail: Text,
}

/// The most groups that are reported one by one: a file can make up columns.
const MAX_GROUPS: usize = 100;
/// The most rows that a group names.
const MAX_ROWS: usize = 10;
/// Longer names of columns are cut: in NDJSON anything may be one.
const MAX_COLUMN_LENGTH: usize = 200;
/// How many findings one statement stores.
const BATCH_ROWS: usize = 500;

impl Findings {
    pub(crate) fn new(limit: u32) -> Self {
        Self { kept: Vec::new(), limit: limit as usize, count: 0, groups: Vec::new() }
    }

    pub(crate) fn push(&mut self, place: &Place, mut fault: Fault, is_warning: bool) {
        self.count += 1;
        if fault.field.len() > MAX_COLUMN_LENGTH {
            fault.field = fault.field.chars().take(MAX_COLUMN_LENGTH / 4).chain(['…']).collect();
        }
        let code = fault.reason.code();
        let is_same = |group: &&mut Group| {
            group.code == code
                && group.is_warning == is_warning
                && group.column == fault.field
                && group.sheet.as_deref() == place.sheet.as_deref()
        };
        // The latest group first: the fault of one row is mostly that of the next.
        let sheet = match self.groups.iter_mut().rev().find(is_same) {
            Some(group) => {
                group.count += 1;
                if group.rows.len() < MAX_ROWS {
                    group.rows.extend(place.row);
                }
                group.sheet.clone()
            }
            None => {
                let sheet: Option<Arc<str>> = place.sheet.as_deref().map(Arc::from);
                if self.groups.len() < MAX_GROUPS {
                    self.groups.push(Group {
                        sheet: sheet.clone(),
                        code,
                        column: fault.field.clone(),
                        is_warning,
                        count: 1,
                        rows: place.row.into_iter().collect(),
                        value: fault.value.clone(),
                        detail: fault.reason.detail(),
                    });
                }
                sheet
            }
        };
        if self.kept.len() < self.limit {
            self.kept.push(Kept { sheet, row: place.row, is_warning, fault });
        }
    }

    /// Returns how many findings there are, including those that are not kept.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the groups of findings, faults first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        let of = |is_warning| self.groups.iter().filter(move |group| group.is_warning == is_warning);
        of(false).chain(of(true))
    }

    /// Sorts the kept findings by row within each table. Rows are compared in batches, a little later than they are
    /// read.
    pub(crate) fn sort(&mut self) {
        for table in self.kept.chunk_by_mut(|a, b| a.sheet == b.sheet) {
            table.sort_by_key(|finding| finding.row);
        }
        self.groups.iter_mut().for_each(|group| group.rows.sort_unstable());
    }

    /// Returns the kept findings as they are stored, in batches.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Vec<Finding>> {
        self.kept.chunks(BATCH_ROWS).enumerate().map(|(batch, kept)| {
            let stored = kept.iter().enumerate().map(|(place, kept)| {
                let detail = kept.fault.reason.detail();
                Finding {
                    seq: i32::try_from(batch * BATCH_ROWS + place).unwrap_or(i32::MAX),
                    is_warning: kept.is_warning,
                    sheet: kept.sheet.as_deref().map(str::to_owned),
                    row_number: kept.row.and_then(|row| i64::try_from(row).ok()),
                    column_name: Some(kept.fault.field.clone()).filter(|field| !field.is_empty()).map(storable),
                    value: kept.fault.value.clone().map(storable),
                    code: kept.fault.reason.code().to_owned(),
                    detail_ja: storable(detail.ja),
                    detail_en: storable(detail.en),
                }
            });
            stored.collect()
        })
    }
}

/// Replaces NUL in a text of a file, because PostgreSQL has no NUL in texts.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

impl From<&Group> for StoredGroup {
    fn from(group: &Group) -> Self {
        let Group { sheet, code, column, is_warning, count, rows, value, detail } = group;
        Self {
            is_warning: *is_warning,
            code: (*code).to_owned(),
            sheet: sheet.as_deref().map(str::to_owned),
            column: storable_column(column),
            count: *count,
            rows: rows.clone(),
            value: value.clone().map(storable),
            detail_ja: storable(detail.ja.clone()),
            detail_en: storable(detail.en.clone()),
        }
    }
}

impl From<&Refusal> for ImportFailure {
    fn from(refusal: &Refusal) -> Self {
        let (place, fault) = (refusal.place(), refusal.fault());
        let Text { ja, en } = fault.reason.detail();
        Self {
            reason: StoredFailure::new(fault.reason.code(), Text { ja: storable(ja), en: storable(en) }),
            sheet: place.sheet.clone(),
            row: place.row,
            column: storable_column(&fault.field),
        }
    }
}

/// Returns a column as it is stored. It is empty if a row or a table as a whole is at fault.
fn storable_column(column: &str) -> Option<String> {
    Some(column.to_owned()).filter(|column| !column.is_empty()).map(storable)
}
