//! Runs an import: from the stored bytes of its upload, or from a folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use chrono::NaiveDate;
use schema::jobs::{self, JobRow};
use schema::{
    Choice, Conn, ConnRole, Database, ImportMode, Instant, JobId, JobState, RecordKind, Source, TenantId, Version,
};
use scoring::Lang;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::csv::CsvRows;
use super::engine::{self, Order, Stop, TableReport};
use super::ndjson::NdjsonRows;
use super::report::{Findings, Place, Refusal};
use super::table::kind_of_name;
use super::xlsx::Workbook;
use crate::config::Limits;
use crate::fault::{Fault, Reason};
use crate::jobs::Progress;
use crate::problem::{ApiError, Text};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    Csv,
    Ndjson,
    Xlsx,
}

/// What was asked for, as its job keeps it.
#[derive(Debug, Clone)]
pub(crate) struct ImportRequest {
    pub(crate) kind: Option<RecordKind>,
    pub(crate) source: Source,
    pub(crate) mode: ImportMode,
    pub(crate) dry_run: bool,
    pub(crate) confirm: bool,
    pub(crate) format: Format,
    pub(crate) bytes: u64,
    /// The buyer's day when it was asked for.
    pub(crate) today: NaiveDate,
}

#[derive(Serialize, Deserialize)]
struct RawRequest {
    kind: Option<String>,
    source: String,
    mode: String,
    dry_run: bool,
    confirm: bool,
    format: Format,
    bytes: u64,
    today: NaiveDate,
}

impl Serialize for ImportRequest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawRequest {
            kind: self.kind.map(|kind| kind.key().to_owned()),
            source: self.source.to_string(),
            mode: self.mode.key().to_owned(),
            dry_run: self.dry_run,
            confirm: self.confirm,
            format: self.format,
            bytes: self.bytes,
            today: self.today,
        }
        .serialize(serializer)
    }
}

impl ImportRequest {
    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let raw: RawRequest = serde_json::from_str(text)?;
        Ok(Self {
            kind: raw.kind.as_deref().map(RecordKind::parse).transpose()?,
            source: Source::parse(&raw.source)?,
            mode: ImportMode::parse(&raw.mode)?,
            dry_run: raw.dry_run,
            confirm: raw.confirm,
            format: raw.format,
            bytes: raw.bytes,
            today: raw.today,
        })
    }
}

/// Why a job ended before its work did.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Somebody asked for it.
    Cancelled,
    /// The process ended each time that it ran.
    TooOften,
    /// A fault of ours.
    Panicked,
    /// The database or the disk failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl From<Stop> for Interrupted {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Failed(ApiError::Internal(cause)) => Self::Failed(cause),
            Stop::Failed(ApiError::Busy(cause)) => Self::Failed(cause.into()),
            Stop::Failed(ApiError::Problem(problem)) => Self::Failed(format!("{problem:?}").into()),
            // Refusals are results, and caught before.
            Stop::Refused(refusal) => Self::Failed(refusal.fault().reason.code().into()),
        }
    }
}

impl From<schema::RepoError> for Interrupted {
    fn from(error: schema::RepoError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Interrupted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What came of an import.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) state: JobState,
    pub(crate) is_kept: bool,
    pub(crate) tables: Vec<TableReport>,
    pub(crate) failure: Option<Refusal>,
    pub(crate) findings: Vec<jobs::Finding>,
    pub(crate) finding_count: u64,
}

impl Outcome {
    /// As its job keeps it.
    fn json(&self) -> String {
        let failure = self.failure.as_ref().map(|refusal| {
            let (place, fault) = (refusal.place(), refusal.fault());
            let detail = fault.reason.detail();
            failure_json(
                fault.reason.code(),
                &detail,
                place,
                Some(fault.field.as_str()).filter(|field| !field.is_empty()),
            )
        });
        result_json(self.is_kept, &self.tables, self.finding_count, failure)
    }

    pub(crate) fn sum(&self, count: fn(&TableReport) -> u64) -> u64 {
        self.tables.iter().map(count).sum()
    }
}

fn failure_json(code: &str, detail: &Text, place: &Place, column: Option<&str>) -> Value {
    json!({
        "code": code, "detail_ja": detail.ja, "detail_en": detail.en, "sheet": place.sheet, "row": place.row,
        "column": column,
    })
}

fn result_json(is_kept: bool, tables: &[TableReport], finding_count: u64, failure: Option<Value>) -> String {
    let sum = |count: fn(&TableReport) -> u64| tables.iter().map(count).sum::<u64>();
    json!({
        "created": sum(|table| table.created), "updated": sum(|table| table.updated),
        "unchanged": sum(|table| table.unchanged), "rejected": sum(|table| table.rejected),
        "ended": sum(|table| table.ended), "is_kept": is_kept, "tables": tables, "finding_count": finding_count,
        "failure": failure,
    })
    .to_string()
}

/// The result of a job that ended before its work did.
pub(crate) fn result_of_interrupted(interrupted: &Interrupted) -> String {
    let (code, ja, en) = match interrupted {
        Interrupted::Cancelled => {
            ("cancelled", "取り消されました。何も取り込んでいません", "cancelled; nothing was imported")
        }
        Interrupted::TooOften | Interrupted::Panicked | Interrupted::Failed(_) => (
            "internal",
            "サービス内部の誤りで終わりました。何も取り込んでいません。管理者に伝えてください",
            "the service failed; nothing was imported; tell whoever runs it",
        ),
    };
    result_json(false, &[], 0, Some(failure_json(code, &Text::new(ja, en), &Place::default(), None)))
}

/// A stored result as the API shows it.
pub(crate) fn result_view(mut stored: Value, id: JobId, lang: Lang) -> Value {
    if let Some(failure) = stored.get_mut("failure").and_then(Value::as_object_mut) {
        let (ja, en) = (failure.remove("detail_ja"), failure.remove("detail_en"));
        failure.insert("detail".to_owned(), lang.pick(ja, en).unwrap_or_default());
    }
    if let Some(result) = stored.as_object_mut() {
        result.insert("findings_url".to_owned(), format!("/v1/imports/{id}/findings").into());
    }
    stored
}

/// Runs a job; its effects, its report and its end are one transaction.
pub(crate) fn run(
    database: &Database,
    tenant: TenantId,
    job: &JobRow,
    limits: &Limits,
    progress: &Progress,
) -> Result<JobState, Interrupted> {
    let request = ImportRequest::parse(&job.request).map_err(Interrupted::Failed)?;
    let (file, lines) = fetch(database, tenant, job.id)?;
    if request.format != Format::Xlsx {
        progress.set_total(lines);
    }
    let by = Version { recorded_at: Instant::now(), recorded_by: job.created_by.clone(), import_id: Some(job.id) };
    let order = Order {
        source: request.source.clone(),
        mode: request.mode,
        confirm: request.confirm,
        today: request.today,
        by,
    };
    let files = vec![(request.kind, request.format, None, file)];
    database.run(ConnRole::Writer, |conn| {
        let outcome = import_files(conn, tenant, &order, request.dry_run, files, limits, progress)?;
        jobs::insert_findings(conn, tenant, job.id, &outcome.findings)?;
        jobs::finish(conn, tenant, job.id, outcome.state, &outcome.json(), Instant::now())?;
        Ok(outcome.state)
    })
}

/// The bytes of an upload, in a file without a name, and how many lines they are.
fn fetch(database: &Database, tenant: TenantId, id: JobId) -> Result<(File, u64), Interrupted> {
    let (mut file, mut lines) = (tempfile::tempfile()?, 0);
    for seq in 0.. {
        match database.run(ConnRole::Reader, |conn| jobs::find_chunk(conn, tenant, id, seq))? {
            Some(bytes) => {
                lines += memchr::memchr_iter(b'\n', &bytes).count() as u64;
                file.write_all(&bytes)?;
            }
            None => break,
        }
    }
    Ok((file, lines))
}

/// What there is to import: the kind where it is known, the format, the name, the bytes.
type InputFile = (Option<RecordKind>, Format, Option<String>, File);

/// Imports files, in the caller's transaction; keeps all, or nothing.
fn import_files(
    conn: &mut Conn,
    tenant: TenantId,
    order: &Order,
    dry_run: bool,
    files: Vec<InputFile>,
    limits: &Limits,
    progress: &Progress,
) -> Result<Outcome, Interrupted> {
    let mut findings = Findings::new(limits.max_findings);
    let mut tables = Vec::new();
    let stopped = conn.rehearse(|conn| {
        let done = import_all(conn, tenant, order, files, limits, &mut findings, &mut tables, progress);
        let is_good = tables.iter().all(|table| table.rejected == 0) || order.mode == ImportMode::AcceptValid;
        let keep = done.is_ok() && is_good && !dry_run;
        Ok::<_, Interrupted>((done.map(|()| keep), keep))
    })?;
    let (is_kept, failure) = match stopped {
        Ok(is_kept) => (is_kept, None),
        Err(Stop::Refused(refusal)) => (false, Some(refusal)),
        Err(stop) => return Err(stop.into()),
    };
    let rejected: u64 = tables.iter().map(|table| table.rejected).sum();
    let state = match (&failure, rejected, order.mode) {
        (Some(_), ..) => JobState::Failed,
        (None, 0, _) => JobState::Succeeded,
        (None, _, ImportMode::AcceptValid) => JobState::PartiallySucceeded,
        (None, ..) => JobState::Failed,
    };
    let finding_count = findings.count();
    Ok(Outcome { state, is_kept, tables, failure, findings: findings.finish(), finding_count })
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is of one file alone or of all; a struct would name them once more"
)]
fn import_all(
    conn: &mut Conn,
    tenant: TenantId,
    order: &Order,
    files: Vec<InputFile>,
    limits: &Limits,
    findings: &mut Findings,
    tables: &mut Vec<TableReport>,
    progress: &Progress,
) -> Result<(), Stop> {
    for (kind, format, name, file) in files {
        let refused = |fault| Stop::Refused(Refusal::new(Place { sheet: name.clone(), row: None }, fault));
        let unknown = || refused(Fault::new("kind", Reason::NothingToImport));
        let mut import = |kind, rows: &mut dyn engine::Rows| {
            tables.push(engine::import(conn, tenant, order, kind, rows, findings, progress)?);
            Ok::<_, Stop>(())
        };
        let max_rows = limits.max_rows;
        match format {
            Format::Csv => {
                let mut rows = CsvRows { name: name.clone(), file, max_rows, unknown: Vec::new() };
                import(kind.ok_or_else(unknown)?, &mut rows)?;
            }
            Format::Ndjson => {
                let mut rows = NdjsonRows { name: name.clone(), file, max_rows };
                import(kind.ok_or_else(unknown)?, &mut rows)?;
            }
            Format::Xlsx => {
                let mut book = Workbook::open(file, limits.xlsx_unpacked_bytes).map_err(&refused)?;
                for (kind, sheet) in book.sheets(kind).map_err(&refused)? {
                    import(kind, &mut book.rows(sheet))?;
                }
            }
        }
    }
    Ok(())
}

/// The files of a folder that an import takes, suppliers first.
fn files_of(folder: &Path) -> io::Result<Vec<InputFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let format = match path.extension().and_then(|ending| ending.to_str()) {
            Some("csv") => Format::Csv,
            Some("ndjson" | "jsonl") => Format::Ndjson,
            Some("xlsx") => Format::Xlsx,
            _ => continue,
        };
        let kind = kind_of_name(stem);
        if kind.is_some() || (format == Format::Xlsx && !stem.starts_with('~')) {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            files.push((kind, format, name, File::open(&path)?));
        }
    }
    files.sort_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
    Ok(files)
}

/// Imports the files of a folder for the command line, and records the job as one that has ended.
pub(crate) fn import_folder(
    database: &Database,
    tenant: TenantId,
    folder: &Path,
    request: &ImportRequest,
    limits: &Limits,
    progress: &Progress,
) -> Result<Option<Outcome>, Interrupted> {
    let files = files_of(folder)?;
    if files.is_empty() {
        return Ok(None);
    }
    let (id, now) = (JobId::new(), Instant::now());
    let by = Version { recorded_at: now, recorded_by: COMMAND_LINE.to_owned(), import_id: Some(id) };
    let order = Order {
        source: request.source.clone(),
        mode: request.mode,
        confirm: request.confirm,
        today: request.today,
        by,
    };
    database.run(ConnRole::Writer, |conn| {
        let outcome = import_files(conn, tenant, &order, request.dry_run, files, limits, progress)?;
        let job = JobRow {
            id,
            state: outcome.state,
            request: serde_json::to_string(request).map_err(|error| Interrupted::Failed(error.into()))?,
            result: Some(outcome.json()),
            created_at: now,
            created_by: COMMAND_LINE.to_owned(),
            started_at: Some(now),
            finished_at: Some(Instant::now()),
            attempt_count: 1,
            is_cancel_requested: false,
        };
        jobs::insert(conn, tenant, &job)?;
        jobs::insert_findings(conn, tenant, id, &outcome.findings)?;
        Ok(Some(outcome))
    })
}

/// Who records what comes from the command line.
const COMMAND_LINE: &str = "command line";
