//! Imports rows: finds the stored record of each row by its key, compares them, and writes what is new or has changed.
//!
//! All writes are made in one transaction, so that an import is stored as a whole or not at all. Before that, its rows
//! are checked in a transaction that only reads.

mod look_up;
mod reading;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::thread;

use schema::{Commit, Id, ImportMode, Name, RecordKind, Source, Stored, SupplierId, Tx, suppliers};

use self::look_up::LookUp;
use self::reading::{Batch, Codes, Pending, Reading};
use super::report::{Findings, Place, Refusal};
use super::table::submitted_columns;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Suppliers};
use crate::base::problem::ApiError;
use crate::base::today::Today;
use crate::files::header::Columns;
use crate::providers::assigned::Assigned;
use crate::providers::sources::own_versions;
use crate::queue::progress::Progress;
use crate::records::columns;
use crate::records::{Resource, of_kind};
use crate::resources::jobs::{RowCounts, TableReport};

/// The settings of an import, independent of its files.
pub(crate) struct Order {
    pub(crate) source: Source,
    pub(crate) mode: ImportMode,
    pub(crate) confirm: bool,
    /// Whether columns that scores depend on may be left unread.
    pub(crate) takes_unread: bool,
    pub(crate) today: Today,
    /// The provider that sends it, if one does. It may send rows only for the suppliers that are assigned to it.
    pub(crate) provider: Option<Name>,
}

/// A row as its reader returns it: the cells by field, or the faults in its text.
pub(crate) type Row<'a> = Result<Vec<(&'a str, Cell<'a>)>, Vec<Fault>>;

/// Rows of a table, each given to a visitor with its number as the user sees it.
pub(crate) trait Rows: Send {
    /// The sheet or file.
    fn name(&self) -> Option<&str>;

    /// Reads all rows; a fault ends the whole import.
    fn read(&mut self, columns: &Columns, visit: Visit<'_>) -> Result<(), Refusal>;

    /// Returns what was odd in the header, once it has been read.
    fn take_warnings(&mut self) -> Vec<Fault> {
        Vec::new()
    }
}

/// A visitor that takes each row with its number.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(u64, Row<'_>) -> ControlFlow<()>;

/// Why an import ends without effect.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody asked to cancel it.
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
    /// Rows are read, each by itself: the faults of most files are found before anything is written.
    Read,
    /// Rows are compared with what is stored, up to the first one that must be written. From there on they are only
    /// read.
    Check,
    /// All rows are compared with what is stored.
    Compare,
    /// All rows are compared, and those that differ are written.
    Write,
}

/// A pass over the tables of an import.
pub(crate) struct Pass {
    pub(crate) depth: Depth,
    /// How many rows it has read.
    rows: u64,
    /// The suppliers of the file itself by code, for the check: its other tables may refer to them before they are
    /// written. `None` if the file has no other table.
    pub(crate) own_suppliers: Option<HashMap<String, SupplierId>>,
}

impl Pass {
    pub(crate) fn new(depth: Depth) -> Self {
        Self { depth, rows: 0, own_suppliers: None }
    }
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
        Import::<Kind>::run(tx, (order, pass), rows, findings, progress)
    })
}

/// How many records one statement looks up.
const LOOKED_UP: usize = 500;
/// How many batches are read ahead of the one that is compared.
const BATCHES_AHEAD: usize = 4;
/// The share of a source's records above which ending them needs to be confirmed.
const MAX_ENDED_SHARE: f64 = 0.2;

/// What a batch writes: each record with its row, and with its earlier attributes if it has any.
struct Changes<R: Resource> {
    first: Vec<(u64, Stored<R>)>,
    next: Vec<(u64, R, Stored<R>)>,
}

struct Import<'a, R: Resource> {
    tx: &'a mut Tx,
    order: &'a Order,
    pass: &'a mut Pass,
    findings: &'a mut Findings,
    progress: &'a Progress,
    /// Finds the stored records that the rows are compared with.
    look_up: LookUp<R>,
    /// The commit that records the rows.
    recorded: Arc<Commit>,
    report: TableReport,
    /// The suppliers that are assigned to the provider.
    assigned: Assigned,
    /// The archived suppliers, for kinds of records that refer to suppliers.
    archived: HashSet<SupplierId>,
    /// The records that a replacing import has delivered.
    seen: HashSet<Id<R>>,
}

impl<'a, R: Resource> Import<'a, R> {
    fn run(
        tx: &'a mut Tx,
        (order, pass): (&'a Order, &'a mut Pass),
        rows: &mut dyn Rows,
        findings: &'a mut Findings,
        progress: &'a Progress,
    ) -> Result<TableReport, Stop> {
        // Rows of suppliers refer to no other supplier. For all other kinds the codes are read once, not row by row.
        let (mut assigned, mut archived) = (Assigned::default(), HashSet::new());
        let suppliers: Box<dyn Suppliers + Send> = match &order.provider {
            Some(provider) => {
                assigned = Assigned::all(tx, provider)?;
                Box::new(assigned.clone())
            }
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
        let report = TableReport { kind: R::KIND, name: rows.name().map(str::to_owned), counts: RowCounts::default() };
        let recorded = tx.own_commit()?;
        let seen = HashSet::new();
        let look_up = LookUp::default();
        let mut import =
            Self { tx, order, pass, findings, progress, look_up, recorded, report, assigned, archived, seen };
        import.read(Reading::new(order, columns, suppliers), rows)?;
        import.end_table(rows)?;
        Ok(import.report)
    }

    /// Reads all rows and takes them batch by batch.
    fn read(&mut self, reading: Reading<R>, rows: &mut dyn Rows) -> Result<(), Stop> {
        let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let (read, taken) = thread::scope(|scope| {
            let reader = thread::Builder::new().name("import reader".to_owned());
            let reader = reader.spawn_scoped(scope, move || reading.read(rows, &sender)).map_err(ApiError::internal)?;
            // The receiver is dropped with the loop, however that ends, and then the reader ends too.
            let taken = batches.into_iter().try_for_each(|batch| self.take(batch));
            let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, Stop>((read, taken))
        })?;
        taken?;
        read.map_err(Stop::Refused)
    }

    /// Finishes a table once all rows were taken: its warnings, and the records that a replacing import ends.
    fn end_table(&mut self, rows: &mut dyn Rows) -> Result<(), Stop> {
        if self.pass.depth == Depth::Read {
            return Ok(());
        }
        let place = Place { sheet: self.report.name.clone(), row: None };
        for warning in rows.take_warnings() {
            self.findings.push(&place, warning, true);
        }
        if self.order.mode == ImportMode::Replace && self.report.counts.rejected == 0 {
            let (held, gone) = self.gone()?;
            match self.pass.depth {
                Depth::Check if !gone.is_empty() => self.pass.depth = Depth::Read,
                _ => self.end(held, &gone)?,
            }
        }
        Ok(())
    }

    fn place(&self, row: u64) -> Place {
        Place { sheet: self.report.name.clone(), row: Some(row) }
    }

    fn reject(&mut self, row: u64, faults: Vec<Fault>) {
        self.report.counts.rejected += 1;
        let place = self.place(row);
        for fault in faults {
            self.findings.push(&place, fault, false);
        }
    }

    /// Compares rows with what is stored, and writes what differs.
    fn take(&mut self, batch: Batch<R>) -> Result<(), Stop> {
        if self.progress.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let Batch { row_count, pending, rejected, totals } = batch;
        self.pass.rows += row_count as u64;
        if self.pass.depth != Depth::Read {
            self.progress.reach(self.pass.rows);
        }
        for (row, faults) in rejected {
            self.reject(row, faults);
        }
        self.report.counts.unchanged += totals.len() as u64;
        for (row, fault) in totals {
            self.findings.push(&self.place(row), fault, true);
        }
        if let (RecordKind::Suppliers, Depth::Read | Depth::Check, Some(own)) =
            (R::KIND, self.pass.depth, &mut self.pass.own_suppliers)
        {
            // These ids are placeholders for suppliers that this import will create.
            let clock = self.tx.clock();
            own.extend(pending.iter().map(|row| (row.key.clone(), clock.id())));
        }
        if self.pass.depth == Depth::Read {
            return Ok(());
        }
        let keys: Vec<&str> = pending.iter().map(|row| row.key.as_str()).collect();
        let now = self.look_up.find(self.tx, &self.order.source, &keys)?;
        let sent = self.sent(&now)?;
        let mut changes = Changes { first: Vec::new(), next: Vec::new() };
        for (row, now) in pending.into_iter().zip(now) {
            self.compare(row, now, &sent, &mut changes);
        }
        if self.pass.depth == Depth::Check {
            if !(changes.first.is_empty() && changes.next.is_empty()) {
                self.pass.depth = Depth::Read;
            }
            return Ok(());
        }
        // In these modes an import with bad rows keeps nothing, so its good rows need not be written.
        if self.pass.depth == Depth::Compare
            || (self.order.mode != ImportMode::AcceptValid && self.report.counts.rejected > 0)
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
        // After writing, so that two rows of one file can warn of each other.
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

    /// Returns what a provider knows of these records: the version that it sent last, of suppliers that are still
    /// assigned to it.
    fn sent(&mut self, now: &[Option<Stored<R>>]) -> Result<HashMap<Id<R>, Stored<R>>, Stop> {
        let Some(provider) = &self.order.provider else { return Ok(HashMap::new()) };
        let open = self.open(now.iter().flatten().cloned().collect())?;
        let own = own_versions(self.tx, provider, open)?;
        Ok(own.into_iter().map(|own| (own.meta.id, own)).collect())
    }

    /// Returns those of these records whose suppliers the sender may see.
    fn open(&mut self, mut rows: Vec<Stored<R>>) -> Result<Vec<Stored<R>>, Stop> {
        let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
        let standing = suppliers::references(self.tx, ids, None)?;
        let is_open = |id| standing.get(&id).is_some_and(|known| self.assigned.holds(known.id));
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
        // The version that a row changes, as far as its sender knows.
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
        let mut faults = Vec::new();
        if let Some(provider) = &self.order.provider {
            attributes.sent_by(provider, &mut faults);
        }
        attributes.check(self.order.today, &mut faults);
        if !faults.is_empty() {
            return self.reject(row.row, faults);
        }
        let is_known = known.map(|known| known.meta.version) == now.as_ref().map(|now| now.meta.version);
        let Some(now) = now else {
            self.report.counts.created += 1;
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
            self.report.counts.unchanged += 1;
            return self.findings.push(&self.place(row.row), Fault::new(R::KEY_FIELD, reason), true);
        }
        // A record that an import has ended is opened again when a later import delivers it.
        let ended_on = now.meta.ended_on.filter(|_| now.meta.recorded.import_id.is_none());
        if is_known && attributes == now.attributes && ended_on == now.meta.ended_on {
            self.report.counts.unchanged += 1;
            return;
        }
        self.report.counts.updated += 1;
        let mut new = now.next(Arc::clone(&self.recorded));
        new.attributes = attributes;
        // If a key belongs to the buyer, the record's source is the one that delivered it last.
        new.meta.source = self.order.source.clone();
        new.meta.ended_on = ended_on;
        changes.next.push((row.row, now.attributes, new));
    }

    /// Returns those of these records whose suppliers are still assigned to the provider. It ends no others.
    fn open_ids(&mut self, ids: &[Id<R>]) -> Result<Vec<Id<R>>, Stop> {
        let mut open = Vec::with_capacity(ids.len());
        for ids in ids.chunks(LOOKED_UP) {
            let rows = R::with_ids(self.tx, ids)?;
            open.extend(self.open(rows)?.into_iter().map(|row| row.meta.id));
        }
        Ok(open)
    }

    /// Returns how many records of the source this import may end, and which of them it did not deliver.
    fn gone(&mut self) -> Result<(usize, Vec<Id<R>>), Stop> {
        let mut held = R::ids_of_source(self.tx, &self.order.source)?;
        if self.order.provider.is_some() {
            held = self.open_ids(&held)?;
        }
        let gone = held.iter().filter(|id| !self.seen.contains(id)).copied().collect();
        Ok((held.len(), gone))
    }

    /// Ends records of a source that has `held` records.
    fn end(&mut self, held: usize, gone: &[Id<R>]) -> Result<(), Stop> {
        if gone.len() as f64 > held as f64 * MAX_ENDED_SHARE && !self.order.confirm {
            let reason = Reason::ReplaceNeedsConfirm { ended: gone.len() as u64, held: held as u64 };
            let place = Place { sheet: self.report.name.clone(), row: None };
            return Err(Stop::Refused(Refusal::new(place, Fault::new("confirm", reason))));
        }
        for ids in gone.chunks(LOOKED_UP) {
            let ended = R::with_ids(self.tx, ids)?.into_iter().map(|now| {
                let mut next = now.next(Arc::clone(&self.recorded));
                next.meta.ended_on = Some(self.order.today.day);
                next
            });
            let ended: Vec<_> = ended.collect();
            if self.pass.depth == Depth::Write {
                R::replace(self.tx, &ended)?;
            }
            self.report.counts.ended += ended.len() as u64;
        }
        Ok(())
    }
}
