//! Statements in each database's own SQL, side by side: where that is much faster, or the only way.

use std::fmt;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};

use crate::conn::Conn;
use crate::error::RepoError;
use crate::id::Key;
use crate::jobs::Claim;
use crate::scope::Scope;
use crate::tables::job_queue;
use crate::{Choice, Id, JobId, JobKind, JobState, TenantId, Timestamp, postgres};

/// A job that was taken from the queue.
#[derive(QueryableByName)]
pub(crate) struct Taken {
    #[diesel(sql_type = Key)]
    pub(crate) tenant_id: TenantId,
    #[diesel(sql_type = Key)]
    pub(crate) id: JobId,
    /// Whether another process had begun it.
    #[diesel(sql_type = Bool)]
    pub(crate) is_taken_over: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) taken_from: Option<String>,
}

/// Takes the job that has waited longest among those that may begin.
///
/// A server also gives a job whose process has not renewed its lease. Jobs that others are taking at this moment are
/// passed over. On an embedded database this only reads: its one process knows which jobs it runs.
///
/// Leases use the server's clock, which is the same for all processes. `ahead` is how far a test has moved the clock of
/// the process, and is added.
///
/// A job of a following kind waits for each changing job of its buyer that was requested before it or is running.
pub(crate) fn take_job(conn: &mut Conn, claim: &Claim<'_>, ahead: Duration) -> Result<Option<Taken>, RepoError> {
    let sqlite = "SELECT tenant_id, id, false AS is_taken_over, NULL AS taken_from \
                  FROM job_queue AS job WHERE state = 'queued' \
                  AND hex(id) NOT IN (SELECT value FROM json_each(?)) AND hex(tenant_id) NOT IN (SELECT value FROM json_each(?)) \
                  AND NOT (kind IN (SELECT value FROM json_each(?)) AND EXISTS (\
                  SELECT 1 FROM job_queue AS other WHERE other.tenant_id = job.tenant_id \
                  AND other.kind IN (SELECT value FROM json_each(?)) AND ((other.state = 'queued' AND other.id < job.id) \
                  OR hex(other.id) IN (SELECT value FROM json_each(?))))) \
                  ORDER BY id LIMIT 1";
    let postgres = "WITH next AS (SELECT tenant_id, id, state, process FROM job_queue AS job \
                    WHERE (state = 'queued' OR leased_until < now() + $6 * interval '1 millisecond') AND id <> ALL ($2) AND tenant_id <> ALL ($3) \
                    AND NOT (kind = ANY ($4) AND EXISTS (\
                    SELECT FROM job_queue AS other WHERE other.tenant_id = job.tenant_id AND other.kind = ANY ($5) \
                    AND (other.id < job.id OR (other.id > job.id AND other.leased_until >= now() + $6 * interval '1 millisecond')))) \
                    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) \
                    UPDATE job_queue SET state = 'running', process = $1, \
                    leased_until = now() + $6 * interval '1 millisecond' + interval '15 seconds' \
                    FROM next WHERE (job_queue.tenant_id, job_queue.id) = (next.tenant_id, next.id) \
                    RETURNING job_queue.tenant_id, job_queue.id, next.state = 'running' AS is_taken_over, \
                    next.process AS taken_from";
    fn kinds(all: &[JobKind]) -> Vec<&'static str> {
        all.iter().map(|kind| kind.key()).collect()
    }
    let [following, changing] = [kinds(&claim.order.following), kinds(&claim.order.changing)];
    Ok(match conn {
        Conn::Sqlite(c) => {
            let [held, full] = [json_list(claim.held.iter().map(hex)), json_list(claim.full.iter().map(hex))];
            diesel::sql_query(sqlite)
                .bind::<Text, _>(held.clone())
                .bind::<Text, _>(full)
                .bind::<Text, _>(json_list(following.iter()))
                .bind::<Text, _>(json_list(changing.iter()))
                .bind::<Text, _>(held)
                .get_result(c)
        }
        Conn::Postgres(c, _) => diesel::sql_query(postgres)
            .bind::<Text, _>(claim.process)
            .bind::<Array<Key>, _>(claim.held)
            .bind::<Array<Key>, _>(claim.full)
            .bind::<Array<Text>, _>(following)
            .bind::<Array<Text>, _>(changing)
            .bind::<BigInt, _>(ms(ahead))
            .get_result(c),
    }
    .optional()?)
}

/// Returns an id as the embedded database's `hex` writes it.
fn hex<T>(id: &Id<T>) -> String {
    id.bytes().iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Returns a JSON array of texts that need no escapes.
fn json_list(texts: impl Iterator<Item = impl fmt::Display>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", quoted.join(","))
}

/// Lists the other processes that have not renewed the lease of a job in time, with the end of the lease.
pub(crate) fn late_processes(
    conn: &mut Conn,
    own_process: &str,
    ahead: Duration,
) -> Result<Vec<(String, Timestamp)>, RepoError> {
    // An embedded database has only one process.
    let Conn::Postgres(c, _) = conn else { return Ok(Vec::new()) };
    let is_late =
        sql::<Bool>("leased_until < now() + ").bind::<BigInt, _>(ms(ahead)).sql(" * interval '1 millisecond'");
    Ok(job_queue::table
        .filter(job_queue::state.eq(JobState::Running))
        .filter(is_late)
        .filter(job_queue::process.ne(own_process))
        .order(job_queue::id)
        .select((job_queue::process.assume_not_null(), job_queue::leased_until.assume_not_null()))
        .load(c)?)
}

/// Ends the sessions of a process that hangs, as far as their transactions began before a moment. Returns their number.
pub(crate) fn end_sessions(conn: &mut Conn, process: &str, before: Timestamp) -> Result<i64, RepoError> {
    match conn {
        // Its previous process has ended, or there would be no other.
        Conn::Sqlite(_) => Ok(0),
        Conn::Postgres(c, _) => {
            // The roles of transactions may not end sessions, but the login role may.
            c.batch_execute("SET LOCAL ROLE NONE")?;
            let ended = postgres::end_sessions(c, process, before)?;
            conn.turn_to(Scope::Installation)?;
            Ok(ended)
        }
    }
}

/// Renews the lease of a job. An embedded database needs no leases, since one process has it and all its jobs.
pub(crate) fn renew_lease(conn: &mut Conn, tenant: TenantId, id: JobId, ahead: Duration) -> Result<(), RepoError> {
    let postgres = "UPDATE job_queue SET leased_until = now() + $3 * interval '1 millisecond' + interval '15 seconds' \
                    WHERE tenant_id = $1 AND id = $2";
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(c, _) => {
            let renewal = diesel::sql_query(postgres).bind::<Key, _>(tenant).bind::<Key, _>(id);
            renewal.bind::<BigInt, _>(ms(ahead)).execute(c)?;
            Ok(())
        }
    }
}

/// Cleans up after large writes: tells the planner how large tables are now and which buyers they hold, if they have
/// changed by a tenth. A server does so itself, but only after a minute or more. The embedded database also gives back
/// the space of its log and the memory of its cache.
pub(crate) fn tidy(conn: &mut Conn) -> Result<(), RepoError> {
    let sqlite = "PRAGMA analysis_limit = 400; PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE); PRAGMA shrink_memory";
    let postgres = "DO $$ DECLARE name regclass; BEGIN \
                    FOR name IN SELECT relid FROM pg_stat_user_tables WHERE n_mod_since_analyze > 1000 + n_live_tup / 10 \
                    LOOP EXECUTE format('ANALYZE %s', name); END LOOP; END $$";
    match conn {
        Conn::Sqlite(c) => without_waiting(c, sqlite),
        Conn::Postgres(c, _) => Ok(c.batch_execute(postgres)?),
    }
}

/// Removes erased data from the files of the database. A server's log keeps it for as long as the log is kept. While a
/// job reads, the embedded database's log keeps it until the job ends and cleans up.
pub(crate) fn fold_log(conn: &mut Conn) -> Result<(), RepoError> {
    match conn {
        Conn::Sqlite(c) => without_waiting(c, "PRAGMA wal_checkpoint(TRUNCATE)"),
        Conn::Postgres(c, _) => Ok(c.batch_execute("VACUUM incident_contacts")?),
    }
}

/// Runs statements without waiting for readers. Otherwise all writers would wait too, and a job may read for minutes.
fn without_waiting(conn: &mut SqliteConnection, statements: &str) -> Result<(), RepoError> {
    #[derive(QueryableByName)]
    struct Timeout {
        #[diesel(sql_type = BigInt)]
        timeout: i64,
    }
    let Timeout { timeout } = diesel::sql_query("SELECT timeout FROM pragma_busy_timeout").get_result(conn)?;
    conn.batch_execute("PRAGMA busy_timeout = 0")?;
    let done = conn.batch_execute(statements);
    conn.batch_execute(&format!("PRAGMA busy_timeout = {timeout}"))?;
    Ok(done?)
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
