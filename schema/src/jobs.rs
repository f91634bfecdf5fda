//! Stores jobs: work that outlasts a request, the bytes that it reads and what it reports about them.

use std::time::Duration;

use diesel::prelude::*;

use crate::conn::{Conn, each_backend};
use crate::error::RepoError;
use crate::record::BATCH;
use crate::tables::{export_chunks, import_findings, job_queue, jobs, upload_chunks};
use crate::{JobId, JobKind, JobState, OperatorTx, TenantId, Timestamp, Tx, dialect, migrate};

/// A job.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = jobs, treat_none_as_default_value = false)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Its state.
    pub state: JobState,
    /// What was asked for, as JSON.
    pub request: String,
    /// Its outcome, as JSON.
    pub result: Option<String>,
    /// When it was requested.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When work began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The number of times that work began.
    pub attempt_count: i32,
    /// Whether its cancellation was requested.
    pub is_cancel_requested: bool,
    /// The progress that its process noted last.
    pub progress_done: Option<i64>,
    /// The progress at which it is done, if known.
    pub progress_total: Option<i64>,
    /// The number of attempts in a row, including this one, that have not been seen to get further than the one before.
    pub stalled_count: i32,
    /// The progress of the previous attempt.
    pub last_done: Option<i64>,
    /// The trace of the request that asked for it, as W3C's `traceparent`.
    pub traceparent: Option<String>,
}

impl JobRow {
    /// Returns whether the latest attempt got more than a tenth further than the one before. A smaller difference may
    /// only come from how often progress is noted.
    fn has_advanced(&self) -> bool {
        let last = self.last_done.unwrap_or_default();
        self.progress_done.is_some_and(|done| done > last.saturating_add(last / 10))
    }
}

/// A finding of an import about a row.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = import_findings, treat_none_as_default_value = false)]
pub struct Finding {
    /// The position of the finding in its import, from 0.
    pub seq: i32,
    /// Whether the row was imported nevertheless.
    pub is_warning: bool,
    /// The sheet, if the file is a workbook.
    pub sheet: Option<String>,
    /// The row or line, as a user sees it.
    pub row_number: Option<i64>,
    /// The column.
    pub column_name: Option<String>,
    /// The value in that place, cut off if it is long.
    pub value: Option<String>,
    /// The stable code of the reason.
    pub code: String,
    /// The reason in Japanese.
    pub detail_ja: String,
    /// The reason in English.
    pub detail_en: String,
}

/// Adds a job, and puts it into the queue if its state is queued.
///
/// # Errors
/// Database errors.
pub fn insert(tx: &mut Tx, job: &JobRow) -> Result<(), RepoError> {
    let values = (jobs::tenant_id.eq(tx.tenant), job);
    each_backend!(tx.conn, c => diesel::insert_into(jobs::table).values(values).execute(c))?;
    if job.state == JobState::Queued {
        let place = (
            job_queue::tenant_id.eq(tx.tenant),
            job_queue::id.eq(job.id),
            job_queue::kind.eq(job.kind),
            job_queue::state.eq(JobState::Queued),
            job_queue::queued_at.eq(job.created_at),
        );
        each_backend!(tx.conn, c => diesel::insert_into(job_queue::table).values(place).execute(c))?;
    }
    Ok(())
}

/// Finds a job.
///
/// # Errors
/// Database errors.
pub fn find(tx: &mut Tx, id: JobId) -> Result<Option<JobRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => jobs::table.find((tx.tenant, id)).select(JobRow::as_select()).first(c).optional())?)
}

/// Lists jobs, latest first, optionally only those before one. The jobs in `running` run in this process and are listed
/// as such, whether that is stored yet or not.
///
/// # Errors
/// Database errors.
pub fn list(
    tx: &mut Tx,
    state: Option<JobState>,
    running: &[JobId],
    before: Option<JobId>,
    limit: i64,
) -> Result<Vec<JobRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => {
        let mut query = jobs::table.filter(jobs::tenant_id.eq(tx.tenant)).into_boxed();
        let runs_here = || jobs::finished_at.is_null().and(jobs::id.eq_any(running));
        query = match state {
            Some(JobState::Running) => query.filter(jobs::state.eq(JobState::Running).or(runs_here())),
            Some(JobState::Queued) => query.filter(jobs::state.eq(JobState::Queued).and(jobs::id.ne_all(running))),
            Some(state) => query.filter(jobs::state.eq(state)),
            None => query,
        };
        if let Some(before) = before {
            query = query.filter(jobs::id.lt(before));
        }
        query.order(jobs::id.desc()).limit(limit).select(JobRow::as_select()).load(c)
    })?)
}

/// Counts the jobs of a buyer that have not ended.
///
/// # Errors
/// Database errors.
pub fn count_open(tx: &mut Tx) -> Result<i64, RepoError> {
    let open = job_queue::table.filter(job_queue::tenant_id.eq(tx.tenant));
    Ok(each_backend!(tx.conn, c => open.count().get_result(c))?)
}

/// Jobs of one kind and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// What they do.
    pub kind: JobKind,
    /// Whether they wait or run.
    pub state: JobState,
    /// The number of jobs.
    pub count: i64,
    /// The age of the oldest request.
    pub oldest_age: Duration,
}

/// Counts the jobs of all buyers that have not ended.
///
/// # Errors
/// Database errors.
pub fn figures(tx: &mut OperatorTx) -> Result<Vec<Figures>, RepoError> {
    use diesel::dsl::{count_star, min};
    let rows: Vec<(JobKind, JobState, i64, Option<Timestamp>)> = each_backend!(tx.conn, c => job_queue::table
        .group_by((job_queue::kind, job_queue::state))
        .select((job_queue::kind, job_queue::state, count_star(), min(job_queue::queued_at)))
        .load(c))?;
    let now = tx.moment();
    let figures = rows.into_iter().map(|(kind, state, count, oldest)| {
        let oldest_age = oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
        Figures { kind, state, count, oldest_age }
    });
    Ok(figures.collect())
}

/// Returns whether a job of a kind waits or runs.
///
/// # Errors
/// Database errors.
pub fn has_open(tx: &mut Tx, kind: JobKind) -> Result<bool, RepoError> {
    let open = job_queue::table
        .inner_join(jobs::table.on(jobs::tenant_id.eq(job_queue::tenant_id).and(jobs::id.eq(job_queue::id))))
        .filter(job_queue::tenant_id.eq(tx.tenant).and(jobs::kind.eq(kind)));
    Ok(each_backend!(tx.conn, c => diesel::select(diesel::dsl::exists(open)).get_result(c))?)
}

/// Finds the job of a kind that was requested last, among those that have ended.
///
/// # Errors
/// Database errors.
pub fn latest_ended(tx: &mut Tx, kind: JobKind) -> Result<Option<JobRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => jobs::table
        .filter(jobs::tenant_id.eq(tx.tenant))
        .filter(jobs::kind.eq(kind).and(jobs::finished_at.is_not_null()))
        .order(jobs::id.desc())
        .select(JobRow::as_select())
        .first(c)
        .optional())?)
}

/// A process that has not renewed the lease of a job in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hung {
    /// Its name.
    pub process: String,
    /// The number of its sessions that were ended because they held what others wait for.
    pub ended_sessions: i64,
}

/// Ends the sessions of other processes that have not renewed the lease of a job in time. Such processes hang, and
/// their jobs can only be taken over afterwards.
///
/// # Errors
/// Database errors.
pub fn end_hung_processes(tx: &mut OperatorTx, own_process: &str) -> Result<Vec<Hung>, RepoError> {
    let mut hung = Vec::new();
    let ahead = tx.clock().ahead();
    for (process, until) in dialect::late_processes(&mut tx.conn, own_process, ahead)? {
        let ended_sessions = dialect::end_sessions(&mut tx.conn, &process, until)?;
        hung.push(Hung { process, ended_sessions });
    }
    Ok(hung)
}

/// A job that was taken from the queue.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The buyer that it belongs to.
    pub tenant: TenantId,
    /// The job, with this attempt.
    pub job: JobRow,
    /// The process that had begun it and did not renew its lease, if there was one. It has no name if it began the job
    /// before processes had names.
    pub taken_from: Option<Option<String>>,
}

/// The kinds whose jobs run one after another within a buyer.
#[derive(Debug, Clone, Default)]
pub struct JobOrder {
    /// Those that change records.
    pub changing: Vec<JobKind>,
    /// Those that wait for earlier jobs of the changing kinds.
    pub following: Vec<JobKind>,
}

/// Which process takes a job, and which jobs it may take.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// The process that takes it.
    pub process: &'a str,
    /// Jobs that it already holds.
    pub held: &'a [JobId],
    /// Buyers that may have no further job in this process.
    pub full: &'a [TenantId],
    /// Which kinds wait for others.
    pub order: &'a JobOrder,
}

/// Takes the job that has waited longest among those that may begin, in a transaction of the installation.
///
/// On a server, the job is marked as running at once. On an embedded database, this only reads, so that a job can begin
/// while another one writes; [`mark_running`] does the rest.
///
/// # Errors
/// Database errors.
pub fn claim(tx: &mut OperatorTx, claim: &Claim<'_>) -> Result<Option<Claimed>, RepoError> {
    let ahead = tx.clock().ahead();
    let Some(taken) = dialect::take_job(&mut tx.conn, claim, ahead)? else { return Ok(None) };
    // On an error, the job stays in the queue for a process whose release works with the tables.
    migrate::expect_schema(tx)?;
    tx.conn.turn_to(taken.tenant_id)?;
    let key = (taken.tenant_id, taken.id);
    let before: Option<JobRow> =
        each_backend!(tx.conn, c => jobs::table.find(key).select(JobRow::as_select()).first(c).optional())?;
    let before = before.ok_or(RepoError::TakenOver)?;
    let job = JobRow {
        state: JobState::Running,
        started_at: Some(tx.moment()),
        attempt_count: before.attempt_count.saturating_add(1),
        progress_done: None,
        progress_total: None,
        stalled_count: if before.has_advanced() { 1 } else { before.stalled_count.saturating_add(1) },
        last_done: before.progress_done,
        ..before
    };
    if matches!(*tx.conn, Conn::Postgres(..)) {
        note_attempt(&mut tx.conn, taken.tenant_id, &job)?;
    }
    let taken_from = taken.is_taken_over.then_some(taken.taken_from);
    Ok(Some(Claimed { tenant: taken.tenant_id, job, taken_from }))
}

/// Marks a job that was taken from the queue of an embedded database as running. If the process ends before this, the
/// job is still queued.
///
/// # Errors
/// Database errors.
pub fn mark_running(tx: &mut Tx, process: &str, job: &JobRow) -> Result<(), RepoError> {
    let place = diesel::update(job_queue::table.find((tx.tenant, job.id)));
    let change = (job_queue::state.eq(JobState::Running), job_queue::process.eq(process));
    each_backend!(tx.conn, c => place.set(change).execute(c))?;
    note_attempt(&mut tx.conn, tx.tenant, job)
}

fn note_attempt(conn: &mut Conn, tenant: TenantId, job: &JobRow) -> Result<(), RepoError> {
    let change = (
        jobs::state.eq(job.state),
        jobs::started_at.eq(job.started_at),
        jobs::attempt_count.eq(job.attempt_count),
        jobs::progress_done.eq(job.progress_done),
        jobs::progress_total.eq(job.progress_total),
        jobs::stalled_count.eq(job.stalled_count),
        jobs::last_done.eq(job.last_done),
    );
    let row = diesel::update(jobs::table.find((tenant, job.id))).set(change);
    each_backend!(conn, c => row.execute(c))?;
    Ok(())
}

/// The row of a job, as long as it belongs to the process that began this attempt. The attempt may not be marked yet.
macro_rules! own {
    ($tenant:expr, $job:expr) => {{
        let is_marked = jobs::state.eq(JobState::Running).and(jobs::attempt_count.eq($job.attempt_count));
        jobs::table
            .filter(jobs::tenant_id.eq($tenant).and(jobs::id.eq($job.id)).and(jobs::finished_at.is_null()))
            .filter(is_marked.or(jobs::attempt_count.eq($job.attempt_count - 1)))
    }};
}

/// Notes the progress of a running job and renews its lease. Returns whether its cancellation was requested.
///
/// # Errors
/// [`RepoError::TakenOver`] if another process has begun the job again, and database errors.
pub fn renew(tx: &mut Tx, job: &JobRow, (done, total): (i64, Option<i64>)) -> Result<bool, RepoError> {
    let change = (jobs::progress_done.eq(done), jobs::progress_total.eq(total));
    let own = diesel::update(own!(tx.tenant, job)).set(change).returning(jobs::is_cancel_requested);
    let is_cancel_requested = each_backend!(tx.conn, c => own.get_result(c).optional())?;
    let ahead = tx.clock().ahead();
    dialect::renew_lease(&mut tx.conn, tx.tenant, job.id, ahead)?;
    is_cancel_requested.ok_or(RepoError::TakenOver)
}

/// Notes the progress of an attempt that has ended with its process.
///
/// # Errors
/// Database errors.
pub fn note_progress(tx: &mut Tx, id: JobId, done: i64) -> Result<(), RepoError> {
    let job = diesel::update(jobs::table.find((tx.tenant, id))).set(jobs::progress_done.eq(done));
    each_backend!(tx.conn, c => job.execute(c))?;
    Ok(())
}

/// Puts a running job back into the queue after its work was undone. The attempt does not count as stalled, because it
/// was not the job that ended it.
///
/// # Errors
/// [`RepoError::TakenOver`] if another process has begun the job again, and database errors.
pub fn release(tx: &mut Tx, job: &JobRow) -> Result<(), RepoError> {
    let change = (
        jobs::state.eq(JobState::Queued),
        jobs::stalled_count.eq(job.stalled_count.saturating_sub(1)),
        jobs::progress_done.eq(job.last_done),
    );
    let own = diesel::update(own!(tx.tenant, job)).set(change);
    if each_backend!(tx.conn, c => own.execute(c))? == 0 {
        return Err(RepoError::TakenOver);
    }
    let place = diesel::update(job_queue::table.find((tx.tenant, job.id)));
    let change = (
        job_queue::state.eq(JobState::Queued),
        job_queue::leased_until.eq(None::<Timestamp>),
        job_queue::process.eq(None::<String>),
    );
    each_backend!(tx.conn, c => place.set(change).execute(c))?;
    Ok(())
}

/// Puts the jobs of all buyers that were running when the process ended back into the queue. This is for an embedded
/// database, which has only one process. A server's jobs are taken over when their leases expire.
///
/// # Errors
/// Database errors.
pub fn requeue_interrupted(tx: &mut OperatorTx) -> Result<usize, RepoError> {
    let interrupted = job_queue::table.filter(job_queue::state.eq(JobState::Running));
    let change = (job_queue::state.eq(JobState::Queued), job_queue::process.eq(None::<String>));
    Ok(each_backend!(tx.conn, c => diesel::update(interrupted).set(change).execute(c))?)
}

/// Ends a job and deletes the bytes that it read.
///
/// # Errors
/// [`RepoError::TakenOver`] if another process has begun the job again, and database errors.
pub fn finish(tx: &mut Tx, job: &JobRow, state: JobState, result: &str) -> Result<(), RepoError> {
    let change = (
        jobs::state.eq(state),
        jobs::result.eq(result),
        jobs::started_at.eq(job.started_at),
        jobs::attempt_count.eq(job.attempt_count),
        jobs::finished_at.eq(tx.clock().now()),
    );
    let own = diesel::update(own!(tx.tenant, job)).set(change);
    if each_backend!(tx.conn, c => own.execute(c))? == 0 {
        return Err(RepoError::TakenOver);
    }
    each_backend!(tx.conn, c => diesel::delete(job_queue::table.find((tx.tenant, job.id))).execute(c))?;
    delete_chunks(tx, job.id)
}

/// Requests the cancellation of a job.
///
/// # Errors
/// Database errors.
pub fn request_cancel(tx: &mut Tx, id: JobId) -> Result<(), RepoError> {
    let job = diesel::update(jobs::table.find((tx.tenant, id))).set(jobs::is_cancel_requested.eq(true));
    each_backend!(tx.conn, c => job.execute(c))?;
    Ok(())
}

/// Deletes jobs that have left neither findings nor files.
///
/// # Errors
/// [`RepoError::Reference`] if one has findings or a file, and database errors.
pub fn delete(tx: &mut Tx, ids: &[JobId]) -> Result<(), RepoError> {
    for ids in ids.chunks(BATCH) {
        let rows = jobs::table.filter(jobs::tenant_id.eq(tx.tenant)).filter(jobs::id.eq_any(ids));
        each_backend!(tx.conn, c => diesel::delete(rows).execute(c))?;
    }
    Ok(())
}

/// Adds a part of an upload.
///
/// # Errors
/// Database errors.
pub fn insert_chunk(tx: &mut Tx, id: JobId, seq: i32, bytes: &[u8]) -> Result<(), RepoError> {
    let values = (
        upload_chunks::tenant_id.eq(tx.tenant),
        upload_chunks::job_id.eq(id),
        upload_chunks::seq.eq(seq),
        upload_chunks::bytes.eq(bytes),
    );
    each_backend!(tx.conn, c => diesel::insert_into(upload_chunks::table).values(values).execute(c))?;
    Ok(())
}

/// Finds a part of an upload.
///
/// # Errors
/// Database errors.
pub fn find_chunk(tx: &mut Tx, id: JobId, seq: i32) -> Result<Option<Vec<u8>>, RepoError> {
    Ok(each_backend!(tx.conn, c => upload_chunks::table
        .find((tx.tenant, id, seq))
        .select(upload_chunks::bytes)
        .first(c)
        .optional())?)
}

/// Adds a part of the file that an export has written.
///
/// # Errors
/// Database errors.
pub fn insert_export_chunk(tx: &mut Tx, id: JobId, seq: i32, bytes: &[u8]) -> Result<(), RepoError> {
    let values = (
        export_chunks::tenant_id.eq(tx.tenant),
        export_chunks::job_id.eq(id),
        export_chunks::seq.eq(seq),
        export_chunks::bytes.eq(bytes),
    );
    each_backend!(tx.conn, c => diesel::insert_into(export_chunks::table).values(values).execute(c))?;
    Ok(())
}

/// Finds a part of the file that an export has written.
///
/// # Errors
/// Database errors.
pub fn find_export_chunk(tx: &mut Tx, id: JobId, seq: i32) -> Result<Option<Vec<u8>>, RepoError> {
    Ok(each_backend!(tx.conn, c => export_chunks::table
        .find((tx.tenant, id, seq))
        .select(export_chunks::bytes)
        .first(c)
        .optional())?)
}

/// Deletes the files of exports that ended before a moment. Returns the number of their parts.
///
/// # Errors
/// Database errors.
pub fn delete_export_chunks(tx: &mut Tx, before: Timestamp) -> Result<usize, RepoError> {
    let old = jobs::table
        .filter(jobs::tenant_id.eq(tx.tenant))
        .filter(jobs::kind.eq(JobKind::Export))
        .filter(jobs::finished_at.lt(before))
        .select(jobs::id);
    let chunks =
        export_chunks::table.filter(export_chunks::tenant_id.eq(tx.tenant)).filter(export_chunks::job_id.eq_any(old));
    Ok(each_backend!(tx.conn, c => diesel::delete(chunks).execute(c))?)
}

/// Lists the latest jobs of a kind, latest first.
///
/// # Errors
/// Database errors.
pub fn latest_of_kind(tx: &mut Tx, kind: JobKind, limit: i64) -> Result<Vec<JobRow>, RepoError> {
    Ok(each_backend!(tx.conn, c => jobs::table
        .filter(jobs::tenant_id.eq(tx.tenant).and(jobs::kind.eq(kind)))
        .order(jobs::id.desc())
        .limit(limit)
        .select(JobRow::as_select())
        .load(c))?)
}

/// Deletes the parts of an upload.
///
/// # Errors
/// Database errors.
pub fn delete_chunks(tx: &mut Tx, id: JobId) -> Result<(), RepoError> {
    let chunks =
        upload_chunks::table.filter(upload_chunks::tenant_id.eq(tx.tenant)).filter(upload_chunks::job_id.eq(id));
    each_backend!(tx.conn, c => diesel::delete(chunks).execute(c))?;
    Ok(())
}

/// Deletes the parts of uploads that began before a moment and never became a job, because their process ended.
///
/// # Errors
/// Database errors.
pub fn delete_orphan_chunks(tx: &mut Tx, before: Timestamp) -> Result<usize, RepoError> {
    let known = jobs::table.filter(jobs::tenant_id.eq(tx.tenant)).select(jobs::id);
    let orphans = upload_chunks::table
        .filter(upload_chunks::tenant_id.eq(tx.tenant).and(upload_chunks::job_id.lt(JobId::earliest_at(before))))
        .filter(diesel::dsl::not(upload_chunks::job_id.eq_any(known)));
    Ok(each_backend!(tx.conn, c => diesel::delete(orphans).execute(c))?)
}

/// Adds findings of an import.
///
/// # Errors
/// Database errors.
pub fn insert_findings(tx: &mut Tx, id: JobId, findings: &[Finding]) -> Result<(), RepoError> {
    for findings in findings.chunks(BATCH) {
        let key = (import_findings::tenant_id.eq(tx.tenant), import_findings::job_id.eq(id));
        let values: Vec<_> = findings.iter().map(|finding| (key, finding)).collect();
        each_backend!(tx.conn, c => diesel::insert_into(import_findings::table).values(values).execute(c))?;
    }
    Ok(())
}

/// Lists findings of an import, starting at a position.
///
/// # Errors
/// Database errors.
pub fn list_findings(tx: &mut Tx, id: JobId, from: i32, limit: i64) -> Result<Vec<Finding>, RepoError> {
    Ok(each_backend!(tx.conn, c => import_findings::table
        .filter(import_findings::tenant_id.eq(tx.tenant).and(import_findings::job_id.eq(id)))
        .filter(import_findings::seq.ge(from))
        .order(import_findings::seq.asc())
        .limit(limit)
        .select(Finding::as_select())
        .load(c))?)
}
