//! Imports rows: finds what each is by its key, compares, and writes what is new or has changed.
//!
//! Everything happens in one transaction, so that an import is there as a whole or not at all.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;

use chrono::NaiveDate;
use schema::{
    Choice, Conn, ExternalId, Id, ImportMode, Name, RecordKind, Source, Stored, SupplierCode, SupplierId, TenantId,
    Version, suppliers,
};
use serde::Serialize;

use super::report::{Findings, Place, Refusal};
use super::table::{columns, submitted_columns};
use crate::fault::{Fault, Reason};
use crate::fields::{Cell, Field, Fields, Suppliers};
use crate::jobs::Progress;
use crate::problem::ApiError;
use crate::provider_assignments::Assigned;
use crate::records::{Key, Resource, of_kind};
use crate::submissions::own_versions;

/// What an import does, whatever its files hold.
pub(crate) struct Order {
    pub(crate) source: Source,
    pub(crate) mode: ImportMode,
    pub(crate) confirm: bool,
    pub(crate) today: NaiveDate,
    pub(crate) by: Version,
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

/// A row as its reader gives it: the cells by field, or what is wrong with its text.
pub(crate) type Row<'a> = Result<Vec<(&'a str, Cell<'a>)>, Vec<Fault>>;

/// Rows of a table, each given to a visitor with its number as the user sees it.
pub(crate) trait Rows {
    /// The sheet or file.
    fn name(&self) -> Option<&str>;

    /// Reads all rows; a fault ends the whole import.
    fn read(&mut self, columns: &[Field], visit: Visit<'_>) -> Result<(), Refusal>;

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

/// Imports a table of some kind.
pub(crate) fn import(
    conn: &mut Conn,
    tenant: TenantId,
    order: &Order,
    kind: RecordKind,
    rows: &mut dyn Rows,
    findings: &mut Findings,
    progress: &Progress,
) -> Result<TableReport, Stop> {
    of_kind!(kind, Kind => Import::<Kind>::new(conn, tenant, order, rows.name(), findings, progress)?.run(rows))
}

/// Rows of one look-up: as many as one statement takes.
const BATCH: usize = 500;
/// Above this share of what a source holds, ending it needs to be confirmed.
const MOST_ENDED: f64 = 0.2;

/// A row that was read, before it is compared.
struct Pending<R> {
    row: u64,
    key: String,
    external_id: Option<ExternalId>,
    attributes: R,
    /// The fields that the row has, be they empty.
    given: Vec<&'static str>,
}

/// What a batch writes, and which row each came from.
struct Changes<R: Resource> {
    first: Vec<Stored<R>>,
    next: Vec<Stored<R>>,
    rows: HashMap<Id<R>, u64>,
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

/// Which row had a key first. Two hashes in place of the key: a file may have millions.
#[derive(Default)]
struct FirstRows {
    hashers: (RandomState, RandomState),
    rows: HashMap<(u64, u64), u64>,
}

impl FirstRows {
    fn earlier(&mut self, key: &str, row: u64) -> Option<u64> {
        let hash = (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key));
        let first = *self.rows.entry(hash).or_insert(row);
        (first != row).then_some(first)
    }
}

struct Import<'a, R: Resource> {
    conn: &'a mut Conn,
    tenant: TenantId,
    order: &'a Order,
    findings: &'a mut Findings,
    progress: &'a Progress,
    report: TableReport,
    suppliers: Box<dyn Suppliers>,
    columns: Vec<Field>,
    first_rows: FirstRows,
    counted: HashMap<String, usize>,
    seen: std::collections::HashSet<Id<R>>,
    pending: Vec<Pending<R>>,
}

impl<'a, R: Resource> Import<'a, R> {
    fn new(
        conn: &'a mut Conn,
        tenant: TenantId,
        order: &'a Order,
        name: Option<&str>,
        findings: &'a mut Findings,
        progress: &'a Progress,
    ) -> Result<Self, Stop> {
        // Suppliers refer to none; for all others the codes are read once, not row by row.
        let suppliers: Box<dyn Suppliers> = match &order.provider {
            Some(provider) => Box::new(Assigned::all(conn, tenant, provider)?),
            None if R::KIND == RecordKind::Suppliers => Box::new(()),
            None => Box::new(Codes(suppliers::ids_of_codes(conn, tenant)?)),
        };
        let columns = match &order.provider {
            Some(_) => submitted_columns(R::KIND).collect(),
            None => columns(R::KIND).collect(),
        };
        let report = TableReport {
            kind: R::KIND.key(),
            name: name.map(str::to_owned),
            created: 0,
            updated: 0,
            unchanged: 0,
            rejected: 0,
            ended: 0,
        };
        Ok(Self {
            conn,
            tenant,
            order,
            findings,
            progress,
            report,
            suppliers,
            columns,
            first_rows: FirstRows::default(),
            counted: HashMap::new(),
            seen: std::collections::HashSet::new(),
            pending: Vec::with_capacity(BATCH),
        })
    }

    fn run(mut self, rows: &mut dyn Rows) -> Result<TableReport, Stop> {
        let mut stop = None;
        let columns = self.columns.clone();
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
        self.progress.step(1);
        let cells = match cells {
            Ok(cells) => cells,
            Err(faults) => {
                self.reject(row, faults);
                return Ok(());
            }
        };
        match self.read(row, cells) {
            Ok(pending) => self.pending.push(pending),
            Err(faults) => self.reject(row, faults),
        }
        if self.pending.len() == BATCH { self.flush() } else { Ok(()) }
    }

    fn read(&mut self, row: u64, cells: Vec<(&str, Cell<'_>)>) -> Result<Pending<R>, Vec<Fault>> {
        let names = self.columns.iter().map(|column| column.name);
        let mut given: Vec<_> = names.filter(|name| cells.iter().any(|(given, _)| given == name)).collect();
        if self.order.provider.is_some() {
            // Each row of a provider says whom it is of, by its code or otherwise.
            given.push("supplier_code");
        }
        let mut fields = Fields::new(cells, &mut *self.suppliers);
        let attributes = R::read(&mut fields, None);
        let external_id =
            if R::HAS_EXTERNAL_ID { fields.value::<Option<ExternalId>>("external_id", None) } else { Some(None) };
        let mut faults = fields.faults;
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
                    return Err(vec![Fault::new(R::KEY_FIELD, Reason::RepeatedKey(first))]);
                }
                key
            }
            Key::Counted(prefix) => {
                let place = self.counted.entry(prefix.clone()).or_default();
                *place += 1;
                Key::Counted(prefix).at(*place)
            }
        };
        Ok(Pending { row, key, external_id, attributes, given })
    }

    /// Compares the rows that wait with what is stored, and writes what differs.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.progress.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let pending = std::mem::take(&mut self.pending);
        let keys: Vec<String> = pending.iter().map(|row| row.key.clone()).collect();
        let stored = R::with_keys(self.conn, self.tenant, &self.order.source, &keys, None)?;
        let mut stored: HashMap<String, Stored<R>> =
            stored.into_iter().map(|row| (row.meta.record_key.clone(), row)).collect();
        let sent = self.sent(&stored)?;
        let mut changes = Changes { first: Vec::new(), next: Vec::new(), rows: HashMap::new() };
        for row in pending {
            let now = stored.remove(&row.key);
            self.compare(row, now, &sent, &mut changes);
        }
        // Nothing of an import with bad rows is kept in these modes: its good rows need not be written.
        if self.order.mode != ImportMode::AcceptValid && self.report.rejected > 0 {
            return Ok(());
        }
        R::register(self.conn, self.tenant, &changes.first)?;
        R::insert(self.conn, self.tenant, &changes.first)?;
        R::replace(self.conn, self.tenant, &changes.next)?;
        // After writing, so that two rows of one file warn of each other.
        for written in changes.first.iter().chain(&changes.next) {
            let warnings = R::warnings(self.conn, self.tenant, written)?;
            let place = Place { sheet: self.report.name.clone(), row: changes.rows.get(&written.meta.id).copied() };
            for warning in warnings {
                self.findings.push(&place, warning, true);
            }
        }
        Ok(())
    }

    /// What a provider knows of these records: the version that it sent last, of suppliers that are assigned to it still.
    fn sent(&mut self, stored: &HashMap<String, Stored<R>>) -> Result<HashMap<Id<R>, Stored<R>>, Stop> {
        let Some(provider) = &self.order.provider else { return Ok(HashMap::new()) };
        let open = self.open(stored.values().cloned().collect())?;
        let own = own_versions(self.conn, self.tenant, provider, open)?;
        Ok(own.into_iter().map(|own| (own.meta.id, own)).collect())
    }

    /// Those of these records whose suppliers are open to whoever imports.
    fn open(&mut self, mut rows: Vec<Stored<R>>) -> Result<Vec<Stored<R>>, Stop> {
        let ids = rows.iter().flat_map(|row| row.attributes.suppliers());
        let standing = suppliers::references(self.conn, self.tenant, ids, None)?;
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
        let mut attributes = row.attributes;
        // The version that a row changes, as far as whoever sends it knows.
        let known = match &now {
            Some(now) if self.order.provider.is_some() => sent.get(&now.meta.id),
            now => now.as_ref(),
        };
        if known.is_none() && now.is_some() {
            return self.reject(row.row, vec![Fault::new(R::KEY_FIELD, Reason::NotAssigned)]);
        }
        if let Some(known) = known {
            self.seen.insert(known.meta.id);
            attributes.fill(&known.attributes, &row.given);
            attributes.keep(&known.attributes);
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
            let stored = Stored::first(row.key, self.order.source.clone(), row.external_id, &self.order.by, attributes);
            self.seen.insert(stored.meta.id);
            changes.rows.insert(stored.meta.id, row.row);
            changes.first.push(stored);
            return;
        };
        if let Some(reason) = R::left_alone(&now) {
            self.report.unchanged += 1;
            let place = self.place(row.row);
            return self.findings.push(&place, Fault::new(R::KEY_FIELD, reason), true);
        }
        let mut new = now.next(&self.order.by);
        new.attributes = attributes;
        // Of a key that belongs to the buyer, the latest source is the one that delivers it.
        new.meta.source = self.order.source.clone();
        // What an import has ended begins again when it comes back; what a person has archived stays so.
        if now.meta.import_id.is_some() {
            new.meta.ended_on = None;
        }
        if is_known && new.attributes == now.attributes && new.meta.ended_on == now.meta.ended_on {
            self.report.unchanged += 1;
        } else {
            self.report.updated += 1;
            changes.rows.insert(new.meta.id, row.row);
            changes.next.push(new);
        }
    }

    /// Those of these records whose suppliers are assigned to the provider still: it ends no others.
    fn open_ids(&mut self, ids: &[Id<R>]) -> Result<Vec<Id<R>>, Stop> {
        let mut open = Vec::with_capacity(ids.len());
        for ids in ids.chunks(BATCH) {
            let mut rows = Vec::with_capacity(ids.len());
            for id in ids {
                rows.extend(R::find(self.conn, self.tenant, *id, None)?);
            }
            open.extend(self.open(rows)?.into_iter().map(|row| row.meta.id));
        }
        Ok(open)
    }

    /// Ends what the source has delivered before and does not deliver now.
    fn end_the_rest(&mut self) -> Result<(), Stop> {
        let mut held = R::ids_of_source(self.conn, self.tenant, &self.order.source)?;
        if self.order.provider.is_some() {
            held = self.open_ids(&held)?;
        }
        let gone: Vec<_> = held.iter().filter(|id| !self.seen.contains(id)).copied().collect();
        if gone.len() as f64 > held.len() as f64 * MOST_ENDED && !self.order.confirm {
            let reason = Reason::ReplaceNeedsConfirm { ended: gone.len() as u64, held: held.len() as u64 };
            let place = Place { sheet: self.report.name.clone(), row: None };
            return Err(Stop::Refused(Refusal::new(place, Fault::new("confirm", reason))));
        }
        for ids in gone.chunks(BATCH) {
            let mut ended = Vec::with_capacity(ids.len());
            for id in ids {
                if let Some(now) = R::find(self.conn, self.tenant, *id, None)? {
                    let mut next = now.next(&self.order.by);
                    next.meta.ended_on = Some(self.order.today);
                    ended.push(next);
                }
            }
            R::replace(self.conn, self.tenant, &ended)?;
            self.report.ended += ended.len() as u64;
        }
        Ok(())
    }
}
