//! Imports rows: finds what each is by its key, compares, and writes what is new or has changed.
//!
//! Everything is written in one transaction, so that an import is there as a whole or not at all. Its rows are checked in one
//! before that, which only reads.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use schema::{
    Choice, Commit, ExternalId, Id, ImportMode, Name, RecordKind, Source, Stored, SupplierCode, SupplierId, Tx,
    suppliers,
};
use serde::Serialize;

use super::report::{Findings, Place, Refusal};
use super::table::{Columns, as_column, columns, submitted_columns};
use super::text;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Fields, Suppliers};
use crate::base::problem::ApiError;
use crate::base::today::Today;
use crate::providers::assigned::Assigned;
use crate::providers::sources::own_versions;
use crate::queue::progress::Progress;
use crate::records::{Key, Resource, of_kind};

/// What an import does, whatever its files hold.
pub(crate) struct Order {
    pub(crate) source: Source,
    pub(crate) mode: ImportMode,
    pub(crate) confirm: bool,
    /// Whether columns that scores rest on may be left unread.
    pub(crate) takes_unread: bool,
    pub(crate) today: Today,
    /// The provider who sends it, and may do so for the suppliers that are assigned to it.
    pub(crate) provider: Option<Name>,
}

/// What became of a table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TableReport {
    pub(crate) kind: &'static str,
    /// The sheet or file.
    pub(crate) name: Option<String>,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) rejected: u64,
    pub(crate) ended: u64,
}

impl TableReport {
    /// Whether it had no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.created + self.updated + self.unchanged + self.rejected == 0
    }
}

/// A row as its reader gives it: the cells by field, or what is wrong with its text.
pub(crate) type Row<'a> = Result<Vec<(&'a str, Cell<'a>)>, Vec<Fault>>;

/// Rows of a table, each given to a visitor with its number as the user sees it.
pub(crate) trait Rows {
    /// The sheet or file.
    fn name(&self) -> Option<&str>;

    /// Reads all rows; a fault ends the whole import.
    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal>;

    /// What was odd in the header, once it was read.
    fn take_warnings(&mut self) -> Vec<Fault> {
        Vec::new()
    }
}

/// Takes a row.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(u64, Row<'_>) -> ControlFlow<()>;

/// Why an import ends without effect.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody asked for it.
    Cancelled,
    /// The file as a whole is at fault.
    Refused(Refusal),
    /// The database failed.
    Failed(ApiError),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl From<schema::RepoError> for Stop {
    fn from(error: schema::RepoError) -> Self {
        Self::Failed(error.into())
    }
}

/// How far an import of a table goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Rows are read, each by itself: what is wrong with most files shows before anything is written.
    Read,
    /// They are compared with what is stored too.
    Compare,
    /// And what differs is written.
    Write,
}

/// A pass over the tables of an import.
pub(crate) struct Pass {
    pub(crate) depth: Depth,
    /// The suppliers of the file itself, by code, until they are written: its other tables may refer to them. None where
    /// there is no other table.
    pub(crate) own_suppliers: Option<HashMap<String, SupplierId>>,
}

/// Imports a table of some kind.
pub(crate) fn import(
    tx: &mut Tx,
    (order, pass): (&Order, &mut Pass),
    kind: RecordKind,
    rows: &mut dyn Rows,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<TableReport, Stop> {
    of_kind!(kind, Kind => {
        Import::<Kind>::new(tx, (order, pass), rows.name(), findings, progress)?.run(rows)
    })
}

/// Rows of one look-up: as many as one statement takes.
const BATCH_ROWS: usize = 500;
/// Above this share of what a source holds, ending it needs to be confirmed.
const MAX_ENDED_SHARE: f64 = 0.2;

/// A row that was read, before it is compared.
struct Pending<R> {
    row: u64,
    key: String,
    external_id: Option<ExternalId>,
    attributes: R,
    /// The fields that the row has, be they empty.
    given: Rc<[&'static str]>,
    /// What is odd in it.
    warnings: Vec<Fault>,
}

/// The fields that the rows of a table have: asked for each row, and the same for almost all of them.
struct Given {
    /// The names of the cells of the last row.
    names: Vec<String>,
    fields: Rc<[&'static str]>,
}

impl Given {
    fn of(&mut self, cells: &[(&str, Cell<'_>)], columns: &Columns, is_of_provider: bool) -> Rc<[&'static str]> {
        if !self.names.iter().eq(cells.iter().map(|(name, _)| *name)) {
            self.names = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
            let names = columns.fields.iter().map(|column| column.name);
            let given = names.filter(|name| cells.iter().any(|(given, _)| given == name));
            // Each row of a provider says whom it is of, by its code or otherwise.
            self.fields = given.chain(is_of_provider.then_some("supplier_code")).collect();
        }
        Rc::clone(&self.fields)
    }
}

/// What a batch writes: each record with its row, and with what it was before.
struct Changes<R: Resource> {
    first: Vec<(u64, Stored<R>)>,
    next: Vec<(u64, R, Stored<R>)>,
}

/// The codes of the buyer's suppliers.
struct Codes(HashMap<String, SupplierId>);

impl Suppliers for Codes {
    fn by_code(&mut self, code: &SupplierCode) -> Option<SupplierId> {
        self.0.get(code.as_str()).copied()
    }

    fn family(&mut self, id: SupplierId) -> Vec<SupplierId> {
        vec![id]
    }
}

/// Which row had a key first: a hash in place of the key, in as few bytes as can be, for a file may have millions.
struct FirstRows {
    hasher: RandomState,
    /// By a part of the hash, so that one of them grows at a time.
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

/// Tells rows of totals, as reports have them below their tables, from suppliers.
#[derive(Default)]
struct Totals {
    rows: u64,
    with_digits: u64,
}

impl Totals {
    /// What a row is, by its code, its name where the table has names, and how many of its other cells are empty.
    fn judge(&mut self, cells: &[(&str, Cell<'_>)], key: &str) -> Option<Reason> {
        let cell = |name: &str| cells.iter().find(|(known, _)| *known == name).map(|(_, cell)| cell);
        let code = cell(key).and_then(Cell::as_text)?;
        if code.is_ascii() && code.contains(|character: char| character.is_ascii_digit()) {
            // Almost every code.
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

struct Import<'a, R: Resource> {
    tx: &'a mut Tx,
    order: &'a Order,
    pass: &'a mut Pass,
    findings: &'a mut Findings,
    progress: &'a Progress,
    /// The commit that records the rows.
    recorded: Arc<Commit>,
    report: TableReport,
    suppliers: Box<dyn Suppliers>,
    /// Suppliers that are archived, of records that refer to some.
    archived: HashSet<SupplierId>,
    columns: Columns,
    given: Given,
    totals: Totals,
    first_rows: FirstRows,
    counted: HashMap<String, usize>,
    /// What a replacing import has seen.
    seen: HashSet<Id<R>>,
    pending: Vec<Pending<R>>,
}

impl<'a, R: Resource> Import<'a, R> {
    fn new(
        tx: &'a mut Tx,
        (order, pass): (&'a Order, &'a mut Pass),
        name: Option<&str>,
        findings: &'a mut Findings,
        progress: &'a Progress,
    ) -> Result<Self, Stop> {
        // Suppliers refer to none; for all others the codes are read once, not row by row.
        let mut archived = HashSet::new();
        let suppliers: Box<dyn Suppliers> = match &order.provider {
            Some(provider) => Box::new(Assigned::all(tx, provider)?),
            None if R::KIND == RecordKind::Suppliers => Box::new(()),
            None => {
                let mut codes = suppliers::codes(tx)?;
                for (code, id) in pass.own_suppliers.iter().flatten() {
                    codes.ids.entry(code.clone()).or_insert(*id);
                }
                archived = codes.archived;
                Box::new(Codes(codes.ids))
            }
        };
        let fields = match &order.provider {
            Some(_) => submitted_columns(R::KIND).collect(),
            None => columns(R::KIND).collect(),
        };
        let columns = Columns { kind: R::KIND, fields, takes_unread: order.takes_unread };
        let report = TableReport {
            kind: R::KIND.key(),
            name: name.map(str::to_owned),
            created: 0,
            updated: 0,
            unchanged: 0,
            rejected: 0,
            ended: 0,
        };
        let recorded = tx.own_commit()?;
        Ok(Self {
            tx,
            order,
            pass,
            findings,
            progress,
            recorded,
            report,
            suppliers,
            archived,
            columns,
            given: Given { names: Vec::new(), fields: Rc::default() },
            totals: Totals::default(),
            first_rows: FirstRows::new(),
            counted: HashMap::new(),
            seen: HashSet::new(),
            pending: Vec::with_capacity(BATCH_ROWS),
        })
    }

    fn run(mut self, rows: &mut dyn Rows) -> Result<TableReport, Stop> {
        let mut stop = None;
        let columns = Columns { fields: self.columns.fields.clone(), ..self.columns };
        let read = rows.read(&columns, &mut |row, cells| match self.take(row, cells) {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => {
                stop = Some(reason);
                ControlFlow::Break(())
            }
        });
        if let Some(stop) = stop {
            return Err(stop);
        }
        read.map_err(Stop::Refused)?;
        self.flush()?;
        if self.pass.depth == Depth::Read {
            return Ok(self.report);
        }
        let place = Place { sheet: self.report.name.clone(), row: None };
        for warning in rows.take_warnings() {
            self.findings.push(&place, warning, true);
        }
        if self.order.mode == ImportMode::Replace && self.report.rejected == 0 {
            self.end_the_rest()?;
        }
        Ok(self.report)
    }

    fn place(&self, row: u64) -> Place {
        Place { sheet: self.report.name.clone(), row: Some(row) }
    }

    fn reject(&mut self, row: u64, faults: Vec<Fault>) {
        self.report.rejected += 1;
        let place = self.place(row);
        for fault in faults {
            self.findings.push(&place, fault, false);
        }
    }

    fn take(&mut self, row: u64, cells: Row<'_>) -> Result<(), Stop> {
        if self.pass.depth != Depth::Read {
            self.progress.step(1);
        }
        let cells = match cells {
            Ok(cells) => cells,
            Err(faults) => {
                self.reject(row, faults);
                return Ok(());
            }
        };
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
        let total = self.totals.judge(&cells, self.total_key());
        if let Some(Reason::TotalRow) = total {
            self.report.unchanged += 1;
            let place = self.place(row);
            let value = cells.iter().find(|(name, _)| *name == self.total_key()).and_then(|(_, cell)| cell.shown());
            let fault = Fault { field: self.total_key().to_owned(), value, reason: Reason::TotalRow };
            self.findings.push(&place, fault, true);
            return Ok(());
        }
        match self.read(row, cells) {
            Ok(mut pending) => {
                // Others refer to suppliers that are there, so that no total is taken for one.
                let is_supplier = R::KIND == RecordKind::Suppliers;
                pending.warnings.extend(total.filter(|_| is_supplier).map(|reason| Fault::new(R::KEY_FIELD, reason)));
                self.pending.push(pending);
            }
            Err(mut faults) => {
                // What is told is what stands in the file.
                for fault in &mut faults {
                    if let Some((_, original)) = originals.iter().find(|(column, _)| *column == fault.field) {
                        fault.value.clone_from(original);
                    }
                }
                self.reject(row, faults);
            }
        }
        if self.pending.len() == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// The column in which a report has the word of a row of totals.
    fn total_key(&self) -> &'static str {
        match R::KIND {
            RecordKind::Relationships => "upstream_code",
            RecordKind::SupplierCodes => "code",
            _ => "supplier_code",
        }
    }

    fn read(&mut self, row: u64, cells: Vec<(&str, Cell<'_>)>) -> Result<Pending<R>, Vec<Fault>> {
        let damaged = cells.iter().filter_map(|(name, cell)| {
            let reason = text::fault(&cell.as_text()?)?;
            Some(Fault { field: (*name).to_owned(), value: cell.shown(), reason })
        });
        let damaged: Vec<Fault> = damaged.collect();
        let given = self.given.of(&cells, &self.columns, self.order.provider.is_some());
        let mut fields = Fields::new(cells, &mut *self.suppliers);
        let attributes = R::read(&mut fields, None);
        let external_id =
            if R::HAS_EXTERNAL_ID { fields.value::<Option<ExternalId>>("external_id", None) } else { Some(None) };
        let (mut faults, warnings) = (fields.faults, fields.warnings);
        // One reason a field: garbled text is often too long or no choice as well.
        faults.retain(|fault| damaged.iter().all(|damaged| damaged.field != fault.field));
        faults.extend(damaged);
        if let (Some(attributes), false) = (&attributes, faults.is_empty()) {
            // What is wrong between fields is told with what is wrong in them, and how many-th a row is does not hang
            // on whether it is good.
            attributes.check(self.order.today, &mut faults);
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

    /// Compares the rows that wait with what is stored, and writes what differs.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.progress.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let pending = std::mem::take(&mut self.pending);
        if self.pass.depth == Depth::Read {
            if let (RecordKind::Suppliers, Some(own)) = (R::KIND, &mut self.pass.own_suppliers) {
                // They stand for suppliers that this import will make.
                let clock = self.tx.clock();
                own.extend(pending.into_iter().map(|row| (row.key, clock.id())));
            }
            return Ok(());
        }
        let keys: Vec<String> = pending.iter().map(|row| row.key.clone()).collect();
        let stored = R::with_keys(self.tx, &self.order.source, &keys, None)?;
        let mut stored: HashMap<String, Stored<R>> =
            stored.into_iter().map(|row| (row.meta.record_key.clone(), row)).collect();
        let sent = self.sent(&stored)?;
        let mut changes = Changes { first: Vec::new(), next: Vec::new() };
        for row in pending {
            let now = stored.remove(&row.key);
            self.compare(row, now, &sent, &mut changes);
        }
        // Nothing of an import with bad rows is kept in these modes: its good rows need not be written.
        if self.pass.depth == Depth::Compare || (self.order.mode != ImportMode::AcceptValid && self.report.rejected > 0)
        {
            return Ok(());
        }
        let (first_rows, first): (Vec<_>, Vec<_>) = changes.first.into_iter().unzip();
        let mut next = Vec::with_capacity(changes.next.len());
        let mut before: Vec<(u64, Option<R>)> = first_rows.into_iter().map(|row| (row, None)).collect();
        for (row, was, now) in changes.next {
            before.push((row, Some(was)));
            next.push(now);
        }
        R::register(self.tx, &first)?;
        R::insert(self.tx, &first)?;
        R::replace(self.tx, &next)?;
        // After writing, so that two rows of one file warn of each other.
        let written: Vec<&Stored<R>> = first.iter().chain(&next).collect();
        let changed: Vec<_> = before.iter().map(|(_, was)| was.as_ref()).zip(written.iter().copied()).collect();
        let warnings = R::warnings(self.tx, &written)?;
        let changes = R::changes(self.tx, &changed)?;
        for (((row, _), written), warnings) in before.iter().zip(&written).zip(warnings.into_iter().zip(changes)) {
            let place = self.place(*row);
            for (name, id) in written.attributes.references() {
                if self.archived.contains(&id) {
                    self.findings.push(&place, Fault::new(name, Reason::SupplierArchived), true);
                }
            }
            for warning in warnings.0.into_iter().chain(warnings.1) {
                self.findings.push(&place, warning, true);
            }
        }
        Ok(())
    }

    /// What a provider knows of these records: the version that it sent last, of suppliers that are assigned to it still.
    fn sent(&mut self, stored: &HashMap<String, Stored<R>>) -> Result<HashMap<Id<R>, Stored<R>>, Stop> {
        let Some(provider) = &self.order.provider else { return Ok(HashMap::new()) };
        let open = self.open(stored.values().cloned().collect())?;
        let own = own_versions(self.tx, provider, open)?;
        Ok(own.into_iter().map(|own| (own.meta.id, own)).collect())
    }

    /// Those of these records whose suppliers are open to whoever imports.
    fn open(&mut self, mut rows: Vec<Stored<R>>) -> Result<Vec<Stored<R>>, Stop> {
        let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
        let standing = suppliers::references(self.tx, ids, None)?;
        let is_open = |id| standing.get(&id).is_some_and(|known| self.suppliers.holds(known.id));
        rows.retain(|row| row.attributes.suppliers().all(is_open));
        Ok(rows)
    }

    fn compare(
        &mut self,
        row: Pending<R>,
        now: Option<Stored<R>>,
        sent: &HashMap<Id<R>, Stored<R>>,
        changes: &mut Changes<R>,
    ) {
        for warning in row.warnings {
            self.findings.push(&self.place(row.row), warning, true);
        }
        let mut attributes = row.attributes;
        let is_replacing = self.order.mode == ImportMode::Replace;
        // The version that a row changes, as far as whoever sends it knows.
        let known = match &now {
            Some(now) if self.order.provider.is_some() => sent.get(&now.meta.id),
            now => now.as_ref(),
        };
        if known.is_none() && now.is_some() {
            return self.reject(row.row, vec![Fault::new(R::KEY_FIELD, Reason::NotAssigned)]);
        }
        if let Some(known) = known {
            if is_replacing {
                self.seen.insert(known.meta.id);
            }
            attributes.keep_omitted(&known.attributes, &row.given);
            attributes.keep_unset(&known.attributes);
        } else {
            attributes.complete();
        }
        if let Some(provider) = &self.order.provider {
            attributes.sent_by(provider);
        }
        let mut faults = Vec::new();
        attributes.check(self.order.today, &mut faults);
        if !faults.is_empty() {
            return self.reject(row.row, faults);
        }
        let is_known = known.map(|known| known.meta.version) == now.as_ref().map(|now| now.meta.version);
        let Some(now) = now else {
            self.report.created += 1;
            let id = self.tx.clock().id();
            let (source, recorded) = (self.order.source.clone(), Arc::clone(&self.recorded));
            let stored = Stored::first(id, row.key, source, row.external_id, recorded, attributes);
            if is_replacing {
                self.seen.insert(stored.meta.id);
            }
            changes.first.push((row.row, stored));
            return;
        };
        if let Some(reason) = R::left_alone(&now) {
            self.report.unchanged += 1;
            return self.findings.push(&self.place(row.row), Fault::new(R::KEY_FIELD, reason), true);
        }
        // What an import has ended begins again when it comes back.
        let ended_on = now.meta.ended_on.filter(|_| now.meta.recorded.import_id.is_none());
        if is_known && attributes == now.attributes && ended_on == now.meta.ended_on {
            self.report.unchanged += 1;
            return;
        }
        self.report.updated += 1;
        let mut new = now.next(Arc::clone(&self.recorded));
        new.attributes = attributes;
        // Of a key that belongs to the buyer, the latest source is the one that delivers it.
        new.meta.source = self.order.source.clone();
        new.meta.ended_on = ended_on;
        changes.next.push((row.row, now.attributes, new));
    }

    /// Those of these records whose suppliers are assigned to the provider still: it ends no others.
    fn open_ids(&mut self, ids: &[Id<R>]) -> Result<Vec<Id<R>>, Stop> {
        let mut open = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH_ROWS) {
            let rows = R::with_ids(self.tx, ids)?;
            open.extend(self.open(rows)?.into_iter().map(|row| row.meta.id));
        }
        Ok(open)
    }

    /// Ends what the source has delivered before and does not deliver now.
    fn end_the_rest(&mut self) -> Result<(), Stop> {
        let mut held = R::ids_of_source(self.tx, &self.order.source)?;
        if self.order.provider.is_some() {
            held = self.open_ids(&held)?;
        }
        let gone: Vec<_> = held.iter().filter(|id| !self.seen.contains(id)).copied().collect();
        if gone.len() as f64 > held.len() as f64 * MAX_ENDED_SHARE && !self.order.confirm {
            let reason = Reason::ReplaceNeedsConfirm { ended: gone.len() as u64, held: held.len() as u64 };
            let place = Place { sheet: self.report.name.clone(), row: None };
            return Err(Stop::Refused(Refusal::new(place, Fault::new("confirm", reason))));
        }
        for ids in gone.chunks(BATCH_ROWS) {
            let ended = R::with_ids(self.tx, ids)?.into_iter().map(|now| {
                let mut next = now.next(Arc::clone(&self.recorded));
                next.meta.ended_on = Some(self.order.today.day);
                next
            });
            let ended: Vec<_> = ended.collect();
            if self.pass.depth == Depth::Write {
                R::replace(self.tx, &ended)?;
            }
            self.report.ended += ended.len() as u64;
        }
        Ok(())
    }
}
