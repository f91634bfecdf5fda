//! Reads the rows of a table, each by itself, on a thread of its own. It runs a little ahead of the thread that
//! compares and writes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use schema::{ExternalId, RecordKind, SupplierCode, SupplierId};

use super::super::report::Refusal;
use super::{Order, Row, Rows};
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Fields, Suppliers};
use crate::base::today::Today;
use crate::files::header::{Columns, as_column};
use crate::files::text;
use crate::records::{Key, Resource};

/// How many rows a batch has: as many as one statement looks up.
const BATCH_ROWS: usize = 500;

/// The rows that were read, by outcome.
pub(super) struct Batch<R> {
    /// How many rows were read.
    pub(super) row_count: usize,
    pub(super) pending: Vec<Pending<R>>,
    pub(super) rejected: Vec<(u64, Vec<Fault>)>,
    /// Rows of totals, which are skipped.
    pub(super) totals: Vec<(u64, Fault)>,
}

impl<R> Default for Batch<R> {
    fn default() -> Self {
        Self { row_count: 0, pending: Vec::new(), rejected: Vec::new(), totals: Vec::new() }
    }
}

/// A row that was read, before it is compared.
pub(super) struct Pending<R> {
    pub(super) row: u64,
    pub(super) key: String,
    pub(super) external_id: Option<ExternalId>,
    pub(super) attributes: R,
    /// The fields that the row has, even if they are empty.
    pub(super) given: Arc<[&'static str]>,
    /// What is odd in the row.
    pub(super) warnings: Vec<Fault>,
}

/// The fields that the rows of a table have. They are looked up for each row and are the same for almost all of them.
struct Given {
    /// The names of the cells of the last row.
    names: Vec<String>,
    fields: Arc<[&'static str]>,
}

impl Given {
    fn of(&mut self, cells: &[(&str, Cell<'_>)], columns: &Columns, is_of_provider: bool) -> Arc<[&'static str]> {
        if !self.names.iter().eq(cells.iter().map(|(name, _)| *name)) {
            self.names = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
            let names = columns.fields.iter().map(|column| column.name);
            let given = names.filter(|name| cells.iter().any(|(given, _)| given == name));
            // Each row of a provider names its supplier, by code or otherwise.
            self.fields = given.chain(is_of_provider.then_some("supplier_code")).collect();
        }
        Arc::clone(&self.fields)
    }
}

/// The codes of the buyer's suppliers.
pub(super) struct Codes(pub(super) HashMap<String, SupplierId>);

impl Suppliers for Codes {
    fn by_code(&mut self, code: &SupplierCode) -> Option<SupplierId> {
        self.0.get(code.as_str()).copied()
    }

    fn family(&mut self, id: SupplierId) -> Vec<SupplierId> {
        vec![id]
    }
}

/// Finds which row had a key first. It stores a hash in place of the key, in as few bytes as possible, because a file
/// may have millions of rows.
struct FirstRows {
    hasher: RandomState,
    /// One map for each value of a part of the hash, so that only one of them grows at a time.
    parts: Vec<HashMap<[u32; 2], u32>>,
}

impl FirstRows {
    const PARTS: u64 = 64;

    fn new() -> Self {
        Self { hasher: RandomState::new(), parts: (0..Self::PARTS).map(|_| HashMap::new()).collect() }
    }

    fn earlier(&mut self, key: &str, row: u64) -> Option<u64> {
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get_mut((hash % Self::PARTS) as usize)?;
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        let first = *part.entry([(hash >> 32) as u32, hash as u32]).or_insert(row);
        (first != row).then_some(first.into())
    }
}

/// Tells suppliers from the rows of totals that reports have below their tables.
#[derive(Default)]
struct Totals {
    rows: u64,
    with_digits: u64,
}

impl Totals {
    /// Returns a reason if a row is a total or looks like one, by its code, its name if the table has names, and how
    /// many of its other cells are empty.
    fn judge(&mut self, cells: &[(&str, Cell<'_>)], key: &str) -> Option<Reason> {
        let cell = |name: &str| cells.iter().find(|(known, _)| *known == name).map(|(_, cell)| cell);
        let code = cell(key).and_then(Cell::as_text)?;
        if code.is_ascii() && code.contains(|character: char| character.is_ascii_digit()) {
            // Almost every code is such a one.
            self.rows += 1;
            self.with_digits += 1;
            return None;
        }
        let code = text::plain(&code);
        if matches!(code.as_str(), "合計" | "小計" | "総計") {
            return Some(Reason::TotalRow);
        }
        let has_digits = code.chars().any(|character| character.is_ascii_digit());
        let others_have = self.with_digits >= 2 && self.with_digits * 10 >= self.rows * 9;
        let is_word = matches!(
            code.as_str(),
            "計" | "累計" | "総合計" | "合計金額" | "合計額" | "合計件数" | "平均" | "件数" | "sum" | "average"
        ) || code.ends_with("合計")
            || code.ends_with("小計")
            || code.contains("total");
        let is_nameless = matches!(cell("name"), Some(Cell::Null));
        let empty = cells.iter().filter(|(name, cell)| *name != key && matches!(cell, Cell::Null)).count();
        let is_like = is_word || (others_have && cells.len() > 2 && is_nameless && (empty + 1) * 2 >= cells.len());
        if !has_digits && is_like {
            return Some(Reason::LooksLikeTotal);
        }
        self.rows += 1;
        self.with_digits += u64::from(has_digits);
        None
    }
}

/// Reads the rows of a table.
pub(super) struct Reading<R: Resource> {
    columns: Columns,
    suppliers: Box<dyn Suppliers + Send>,
    is_of_provider: bool,
    today: Today,
    given: Given,
    totals: Totals,
    first_rows: FirstRows,
    counted: HashMap<String, usize>,
    batch: Batch<R>,
}

impl<R: Resource> Reading<R> {
    /// Creates a reader of the columns and suppliers that an import takes.
    pub(super) fn new(order: &Order, columns: Columns, suppliers: Box<dyn Suppliers + Send>) -> Self {
        Self {
            columns,
            suppliers,
            is_of_provider: order.provider.is_some(),
            today: order.today,
            given: Given { names: Vec::new(), fields: Arc::default() },
            totals: Totals::default(),
            first_rows: FirstRows::new(),
            counted: HashMap::new(),
            batch: Batch::default(),
        }
    }

    /// Reads all rows and sends them in batches for as long as the receiver takes them.
    pub(super) fn read(mut self, rows: &mut dyn Rows, batches: &SyncSender<Batch<R>>) -> Result<(), Refusal> {
        let columns = Columns { fields: self.columns.fields.clone(), ..self.columns };
        rows.read(&columns, &mut |row, cells| match self.take(row, cells).map(|batch| batches.send(batch)) {
            None | Some(Ok(())) => ControlFlow::Continue(()),
            Some(Err(_)) => ControlFlow::Break(()),
        })?;
        // If the receiver is gone, it does not need the last batch.
        let _ = batches.send(self.batch);
        Ok(())
    }

    /// Takes a row. Returns a batch once it is full.
    fn take(&mut self, row: u64, cells: Row<'_>) -> Option<Batch<R>> {
        self.batch.row_count += 1;
        match cells {
            Ok(cells) => self.take_cells(row, cells),
            Err(faults) => self.batch.rejected.push((row, faults)),
        }
        (self.batch.row_count == BATCH_ROWS).then(|| std::mem::take(&mut self.batch))
    }

    fn take_cells(&mut self, row: u64, cells: Vec<(&str, Cell<'_>)>) {
        let mut originals = Vec::new();
        let cells: Vec<_> = cells
            .into_iter()
            .map(|(name, cell)| {
                if name.is_ascii() {
                    return (name, cell);
                }
                let original = cell.shown();
                let (column, cell) = as_column(name, cell);
                originals.push((column.to_owned(), original));
                (column, cell)
            })
            .collect();
        let total = self.totals.judge(&cells, Self::total_key());
        if let Some(Reason::TotalRow) = total {
            let value = cells.iter().find(|(name, _)| *name == Self::total_key()).and_then(|(_, cell)| cell.shown());
            let fault = Fault { field: Self::total_key().to_owned(), value, reason: Reason::TotalRow };
            self.batch.totals.push((row, fault));
            return;
        }
        match self.read_cells(row, cells) {
            Ok(mut pending) => {
                // Rows of other kinds refer to existing suppliers, so that a total cannot be taken for one.
                let is_supplier = R::KIND == RecordKind::Suppliers;
                pending.warnings.extend(total.filter(|_| is_supplier).map(|reason| Fault::new(R::KEY_FIELD, reason)));
                self.batch.pending.push(pending);
            }
            Err(mut faults) => {
                // A fault shows the value as it is in the file.
                for fault in &mut faults {
                    if let Some((_, original)) = originals.iter().find(|(column, _)| *column == fault.field) {
                        fault.value.clone_from(original);
                    }
                }
                self.batch.rejected.push((row, faults));
            }
        }
    }

    /// Returns the column in which a report has the word for a row of totals.
    fn total_key() -> &'static str {
        match R::KIND {
            RecordKind::Relationships => "upstream_code",
            RecordKind::SupplierCodes => "code",
            _ => "supplier_code",
        }
    }

    fn read_cells(&mut self, row: u64, cells: Vec<(&str, Cell<'_>)>) -> Result<Pending<R>, Vec<Fault>> {
        let damaged = cells.iter().filter_map(|(name, cell)| {
            let reason = text::fault(&cell.as_text()?)?;
            Some(Fault { field: (*name).to_owned(), value: cell.shown(), reason })
        });
        let damaged: Vec<Fault> = damaged.collect();
        let given = self.given.of(&cells, &self.columns, self.is_of_provider);
        let mut fields = Fields::new(cells, &mut *self.suppliers);
        let attributes = R::read(&mut fields, None);
        let external_id =
            if R::HAS_EXTERNAL_ID { fields.value::<Option<ExternalId>>("external_id", None) } else { Some(None) };
        let (mut faults, warnings) = (fields.faults, fields.warnings);
        // One reason for each field: garbled text is often also too long or not a valid choice.
        faults.retain(|fault| damaged.iter().all(|damaged| damaged.field != fault.field));
        faults.extend(damaged);
        if let (Some(attributes), false) = (&attributes, faults.is_empty()) {
            // Cross-field faults are reported together with field faults. Bad rows are counted too, so that a row's
            // ordinal does not depend on whether it is valid.
            attributes.check(self.today, &mut faults);
            if let Some(Key::Counted(prefix)) = external_id.as_ref().and_then(|id| attributes.key(id.as_ref())) {
                *self.counted.entry(prefix).or_default() += 1;
            }
        }
        let (Some(attributes), Some(external_id)) = (attributes, external_id) else { return Err(faults) };
        if !faults.is_empty() {
            return Err(faults);
        }
        let Some(key) = attributes.key(external_id.as_ref()) else {
            return Err(vec![Fault::new(R::KEY_FIELD, Reason::Model(scoring::Reason::MissingValue))]);
        };
        let key = match key {
            Key::Fixed(key) => {
                if let Some(first) = self.first_rows.earlier(&key, row) {
                    let (field, reason) = (R::KEY_FIELD.to_owned(), Reason::RepeatedKey(first));
                    let value = key.rsplit('\u{1f}').next().map(crate::base::text::printable);
                    return Err(vec![Fault { field, value, reason }]);
                }
                key
            }
            Key::Counted(prefix) => {
                let place = self.counted.entry(prefix.clone()).or_default();
                *place += 1;
                Key::Counted(prefix).at(*place)
            }
        };
        Ok(Pending { row, key, external_id, attributes, given, warnings })
    }
}
