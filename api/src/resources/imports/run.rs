//! Runs an import: from the stored bytes of its upload, or from a folder.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use schema::jobs::{self, JobRow};
use schema::{Access, Choice, ImportMode, JobId, JobKind, JobState, RecordKind, Timestamp, Tx};
use serde_json::json;

use super::csv::CsvRows;
use super::engine::{self, Depth, Order, Pass, Stop};
use super::ndjson::NdjsonRows;
use super::report::{Findings, Place, Refusal};
use super::table::kind_of_name;
use super::xlsx;
use crate::base::config::Limits;
use crate::base::fault::{Fault, Reason};
use crate::base::telemetry::metrics;
use crate::base::today::Today;
use crate::files::spill::has_room;
use crate::queue::outcome::{Interrupted, StoredFailure};
use crate::queue::progress::Progress;
use crate::queue::work::{self, Attempt, Work};
use crate::resources::jobs::{
    Format, ImportFailure, ImportRequest, ImportResult, RowCounts, StoredGroup, TableReport, findings_url,
};

impl ImportRequest {
    fn order(&self, moment: Timestamp) -> Order {
        Order {
            source: self.source.clone(),
            mode: self.mode,
            confirm: self.confirm,
            takes_unread: self.accept_unread_columns,
            today: Today { day: self.today, moment },
            provider: self.provider_name.clone(),
        }
    }
}

impl From<Stop> for Interrupted {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Failed(error) => error.into(),
            // Refusals are results and are handled before.
            Stop::Refused(refusal) => Self::Failed(refusal.fault().reason.code().into()),
        }
    }
}

/// The outcome of an import.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) state: JobState,
    pub(crate) is_kept: bool,
    pub(crate) tables: Vec<TableReport>,
    pub(crate) failure: Option<Refusal>,
    pub(crate) findings: Findings,
    /// Files of a folder that were not imported, because no kind has their name or their format cannot be read.
    pub(crate) skipped: Vec<String>,
}

impl Outcome {
    /// Returns the result as the job stores it.
    fn result(&self) -> ImportResult {
        ImportResult {
            counts: self.counts(),
            is_kept: self.is_kept,
            tables: self.tables.clone(),
            finding_count: self.findings.count(),
            finding_groups: self.findings.groups().map(StoredGroup::from).collect(),
            failure: self.failure.as_ref().map(ImportFailure::from),
        }
    }

    /// Returns the counts of all tables.
    pub(crate) fn counts(&self) -> RowCounts {
        self.tables.iter().map(|table| table.counts).sum()
    }
}

/// Imports a file.
pub(crate) struct ImportWork {
    pub(crate) limits: Limits,
}

impl Work for ImportWork {
    const KIND: JobKind = JobKind::Import;
    const UNIT: &'static str = "rows";
    const ORDER: work::Order = work::Order::ChangesRecords;
    type Request = ImportRequest;

    /// Its effects, its report and its end are one transaction.
    fn run(&self, attempt: &Attempt<'_>, request: ImportRequest) -> Result<JobState, Interrupted> {
        let &Attempt { access, job, progress } = attempt;
        let limits = &self.limits;
        if !has_room(request.bytes)? {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        let (file, lines) = fetch(access, job.id)?;
        if request.format != Format::Xlsx {
            progress.set_total(lines);
        }
        let tables = open(vec![(request.kind, request.format, None, file)], limits, progress);
        let import = Import { access, id: job.id, request: &request, limits, progress };
        let outcome = import.run(tables, |tx, outcome| {
            for findings in outcome.findings.stored() {
                jobs::insert_findings(tx, job.id, &findings)?;
            }
            Ok(jobs::finish(tx, job, outcome.state, &json!(outcome.result()).to_string())?)
        })?;
        if !request.dry_run {
            // If the import was undone, only its rejected rows count.
            let kept = |count: u64| if outcome.is_kept { count } else { 0 };
            for table in &outcome.tables {
                let RowCounts { created, updated, unchanged, rejected, ended } = table.counts;
                let counts = [kept(created), kept(updated), kept(unchanged), rejected, kept(ended)];
                metrics::rows_imported(table.kind.key(), counts);
            }
        }
        Ok(outcome.state)
    }

    fn interrupted(failure: StoredFailure) -> String {
        let failure = ImportFailure { reason: failure, sheet: None, row: None, column: None };
        json!(ImportResult { failure: Some(failure), ..ImportResult::default() }).to_string()
    }

    fn result_url(job: &JobRow) -> Option<String> {
        job.result.as_ref().map(|_| findings_url(job.id))
    }
}

/// Copies the bytes of an upload to an unnamed file. Returns it with the number of its lines.
fn fetch(access: &Access, id: JobId) -> Result<(File, u64), Interrupted> {
    let (mut file, mut lines) = (tempfile::tempfile()?, 0);
    for seq in 0.. {
        match access.read(|tx| jobs::find_chunk(tx, id, seq))? {
            Some(bytes) => {
                lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                file.write_all(&bytes)?;
            }
            None => break,
        }
    }
    Ok((file, lines))
}

/// A file to import: the kind if it is known, the format, the name and the bytes.
type InputFile = (Option<RecordKind>, Format, Option<String>, File);

/// A table that can be read.
type Table = (RecordKind, Box<dyn engine::Rows>);

/// Opens files as tables and unpacks workbooks. It does not use the database.
fn open(files: Vec<InputFile>, limits: &Limits, progress: &Progress) -> Result<Vec<Table>, Stop> {
    let mut tables: Vec<Table> = Vec::new();
    for (kind, format, name, file) in files {
        let place = || Place { sheet: name.clone(), row: None };
        let known =
            || kind.ok_or_else(|| Stop::Refused(Refusal::new(place(), Fault::new("kind", Reason::NothingToImport))));
        let max_rows = limits.max_rows;
        match format {
            Format::Csv => {
                let kind = known()?;
                tables.push((kind, Box::new(CsvRows { name, file, max_rows, unknown: Vec::new() })));
            }
            Format::Ndjson => {
                let kind = known()?;
                tables.push((kind, Box::new(NdjsonRows { name, file, max_rows })));
            }
            Format::Xlsx => {
                let sheets = xlsx::unpack(file, name, kind, limits.xlsx_unpacked_bytes, progress)?;
                tables.extend(sheets.into_iter().map(|(kind, rows)| (kind, Box::new(rows) as _)));
            }
        }
    }
    tables.sort_by_key(|(kind, _)| *kind);
    // Rows of a kind are counted, and the missing ones found, within one table only.
    let twice = tables.windows(2).find_map(|pair| match pair {
        [(first, _), (second, rows)] if first == second => Some(rows),
        _ => None,
    });
    match twice {
        None => Ok(tables),
        Some(rows) => {
            let place = Place { sheet: rows.name().map(str::to_owned), row: None };
            Err(Stop::Refused(Refusal::new(place, Fault::new("", Reason::RepeatedTable))))
        }
    }
}

/// An import of tables, from the check to the outcome.
struct Import<'a> {
    access: &'a Access,
    id: JobId,
    request: &'a ImportRequest,
    limits: &'a Limits,
    progress: &'a Progress,
}

/// The outcomes of the tables of a pass, and why it stopped.
type Passed = (Vec<TableReport>, Result<(), Stop>);

impl Import<'_> {
    /// Checks all rows, then writes them.
    ///
    /// No other writer has to wait while rows are checked, nor for an import whose check already gives the outcome.
    /// `record` stores the outcome in the transaction that writes.
    fn run(
        &self,
        opened: Result<Vec<Table>, Stop>,
        record: impl Fn(&mut Tx, &Outcome) -> Result<(), Interrupted>,
    ) -> Result<Outcome, Interrupted> {
        let access = self.access;
        let mut tables = Vec::new();
        let refused = match opened {
            Ok(opened) => {
                tables = opened;
                // On a server no buyer waits for the writer of another, and this mode writes the good rows whatever the
                // check would find: the check is left out.
                match access.database().is_shared() && self.request.mode == ImportMode::AcceptValid {
                    true => None,
                    false => access.read(|tx| self.check(tx, &mut tables))?,
                }
            }
            stopped => {
                let none = (Vec::new(), stopped.map(|_| ()));
                Some(self.outcome(none, Findings::new(self.limits.max_findings), false)?)
            }
        };
        if let Some(outcome) = refused {
            access.write_jobs(|tx| record(tx, &outcome))?;
            return Ok(outcome);
        }
        access.write(|tx| {
            let outcome = self.write(tx, &mut tables)?;
            record(tx, &outcome)?;
            Ok(outcome)
        })
    }

    /// Reads all rows. Returns the outcome of an import that changes nothing, if it is known without writing.
    fn check(&self, tx: &mut Tx, tables: &mut [Table]) -> Result<Option<Outcome>, Interrupted> {
        tx.expect_many_rows()?;
        let order = self.request.order(tx.moment());
        let own_suppliers = (tables.len() > 1).then(HashMap::new);
        let mut check = Pass::new(Depth::Check);
        check.own_suppliers = own_suppliers;
        let mut findings = Findings::new(self.limits.max_findings);
        let (reports, stopped) = self.pass(tx, (&order, &mut check), tables, &mut findings);
        let is_good = self.takes(&reports);
        if stopped.is_ok() && check.depth == Depth::Check {
            // Nothing has to be written.
            return self.outcome((reports, stopped), findings, is_good && !self.request.dry_run).map(Some);
        }
        let takes_valid = self.request.mode == ImportMode::AcceptValid;
        let mut findings = Findings::new(self.limits.max_findings);
        match stopped {
            Ok(()) if is_good => return Ok(None),
            // The good rows of the tables before it are written for their findings. The savepoint is undone then.
            Err(Stop::Refused(_)) if takes_valid => return Ok(None),
            // If the first table is refused, nothing is reported about rows.
            Err(Stop::Refused(refusal)) if reports.is_empty() => {
                return self.outcome((reports, Err(Stop::Refused(refusal))), findings, false).map(Some);
            }
            Ok(()) | Err(Stop::Refused(_)) => {}
            Err(stop) => return Err(stop.into()),
        }
        let suppliers = reports.iter().find(|report| report.kind == RecordKind::Suppliers);
        let are_there = suppliers.is_none_or(|report| report.counts.rejected == 0);
        if tables.len() > 1 && are_there {
            // Warnings about rows of several tables appear only once they are written. The savepoint is undone then.
            return Ok(None);
        }
        let mut compare = Pass::new(Depth::Compare);
        let passed = self.pass(tx, (&order, &mut compare), tables, &mut findings);
        self.outcome(passed, findings, false).map(Some)
    }

    fn write(&self, tx: &mut Tx, tables: &mut [Table]) -> Result<Outcome, Interrupted> {
        tx.set_import(self.id);
        let order = self.request.order(tx.moment());
        let mut findings = Findings::new(self.limits.max_findings);
        let (passed, is_kept) = tx.savepoint(|tx| {
            let mut write = Pass::new(Depth::Write);
            let (reports, stopped) = self.pass(tx, (&order, &mut write), tables, &mut findings);
            let keep = stopped.is_ok() && self.takes(&reports) && !self.request.dry_run;
            Ok::<_, Interrupted>((((reports, stopped), keep), keep))
        })?;
        self.outcome(passed, findings, is_kept)
    }

    /// Returns whether the mode accepts the tables with their rejected rows.
    fn takes(&self, reports: &[TableReport]) -> bool {
        self.request.mode == ImportMode::AcceptValid || reports.iter().all(|report| report.counts.rejected == 0)
    }

    /// Goes through the tables until one of them stops the pass.
    fn pass(
        &self,
        tx: &mut Tx,
        (order, pass): (&Order, &mut Pass),
        tables: &mut [Table],
        findings: &mut Findings,
    ) -> Passed {
        let mut reports = Vec::new();
        for (kind, rows) in tables {
            match engine::import(tx, (order, &mut *pass), *kind, &mut **rows, findings, self.progress) {
                Ok(report) => reports.push(report),
                Err(stop) => return (reports, Err(stop)),
            }
        }
        (reports, Ok(()))
    }

    fn outcome(
        &self,
        (mut tables, stopped): Passed,
        mut findings: Findings,
        is_kept: bool,
    ) -> Result<Outcome, Interrupted> {
        let mut failure = match stopped {
            Ok(()) => None,
            Err(Stop::Refused(refusal)) => Some(refusal),
            Err(stop) => return Err(stop.into()),
        };
        let rejected: u64 = tables.iter().map(|table| table.counts.rejected).sum();
        if failure.is_none() && rejected > 0 && self.request.mode != ImportMode::AcceptValid {
            failure = Some(Refusal::new(Place::default(), Fault::new("", Reason::RejectedRows(rejected))));
        }
        let state = match (&failure, rejected) {
            (Some(_), _) => JobState::Failed,
            (None, 0) => JobState::Succeeded,
            (None, _) => JobState::PartiallySucceeded,
        };
        if failure.is_some() {
            // Nothing was written, and nothing would be.
            for table in &mut tables {
                (table.counts.created, table.counts.updated, table.counts.ended) = (0, 0, 0);
            }
        } else if tables.iter().all(TableReport::is_empty) && findings.count() == 0 {
            findings.push(&Place::default(), Fault::new("", Reason::NoRows), true);
        }
        findings.sort();
        Ok(Outcome { state, is_kept, tables, failure, findings, skipped: Vec::new() })
    }
}

/// Returns the files of a folder that an import takes, suppliers first, and the names of those whose kind is unknown or
/// whose format cannot be read.
fn files_of(folder: &Path) -> io::Result<(Vec<InputFile>, Vec<String>)> {
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let format = match ending.as_deref() {
            Some("csv") => Format::Csv,
            Some("ndjson" | "jsonl") => Format::Ndjson,
            Some("xlsx" | "xlsm") => Format::Xlsx,
            // These are tables in formats that cannot be read. They are named, because the user might believe that they
            // were imported.
            Some("xls" | "xlsb" | "ods" | "tsv") => {
                skipped.extend(name);
                continue;
            }
            _ => continue,
        };
        let kind = kind_of_name(stem);
        if kind.is_some() || (format == Format::Xlsx && !stem.starts_with('~')) {
            files.push((kind, format, name, File::open(&path)?));
        } else {
            skipped.extend(name);
        }
    }
    skipped.sort();
    files.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    Ok((files, skipped))
}

/// Imports the files of a folder for the command line, and records the job as one that has ended.
pub(crate) fn import_folder(
    access: &Access,
    folder: &Path,
    request: &ImportRequest,
    limits: &Limits,
    progress: &Progress,
) -> Result<Option<Outcome>, Interrupted> {
    let (files, skipped) = files_of(folder)?;
    if files.is_empty() {
        return Ok(None);
    }
    let (id, now) = (access.clock().id(), access.clock().now());
    let tables = open(files, limits, progress);
    let import = Import { access, id, request, limits, progress };
    let mut outcome = import.run(tables, |tx, outcome| {
        let job = JobRow {
            id,
            kind: JobKind::Import,
            state: outcome.state,
            request: serde_json::to_string(request).map_err(|error| Interrupted::Failed(error.into()))?,
            result: Some(json!(outcome.result()).to_string()),
            created_at: now,
            created_by: tx.actor().subject.to_string(),
            started_at: Some(now),
            finished_at: Some(tx.clock().now()),
            attempt_count: 1,
            is_cancel_requested: false,
            progress_done: None,
            progress_total: None,
            stalled_count: 0,
            last_done: None,
            traceparent: None,
        };
        jobs::insert(tx, &job)?;
        for findings in outcome.findings.stored() {
            jobs::insert_findings(tx, id, &findings)?;
        }
        Ok(())
    })?;
    outcome.skipped = skipped;
    Ok(Some(outcome))
}
