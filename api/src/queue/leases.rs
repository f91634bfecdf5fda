//! How a process keeps its running jobs to itself, and what it does with the jobs of a process that has ended.
//!
//! If several processes share a server, each renews the leases of its jobs. An embedded database has one process, which
//! notes the progress of its jobs for itself after a restart.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use schema::jobs;
use schema::{Database, RepoError, TenantId, Tx, tenants};
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::runner::{QUEUE, Runner, Running, buyer, for_jobs};
use crate::base::actors::operator;
use crate::base::machine::PROGRESS_FILE;
use crate::base::text::with_causes;

/// The interval between renewals: several fit into a lease.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);
/// The time-out for renewing one lease, so that what holds up one job does not cost the others their leases.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval between notes of progress. They are in a file, because jobs hold the embedded database's writer for a
/// long time.
const NOTING_INTERVAL: Duration = Duration::from_millis(100);
/// Parts of uploads that are older than this and belong to no job come from a process that has ended.
const LONGEST_UPLOAD: TimeDelta = TimeDelta::days(1);

/// The progress of a job when the process last noted it.
#[derive(PartialEq, Serialize, Deserialize)]
struct NotedProgress {
    tenant_id: String,
    job_id: String,
    done: i64,
}

impl NotedProgress {
    fn of(running: &Running) -> Self {
        Self {
            tenant_id: running.tenant.to_string(),
            job_id: running.job.id.to_string(),
            done: count(running.progress.done()),
        }
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Runner {
    /// Cleans up after an ended process: returns its jobs to the queue (embedded database only), and deletes parts of
    /// uploads that belong to no job.
    pub(crate) fn clean_up(&self, database: &Database, folder: &Path) -> Result<(), RepoError> {
        match self.requeue(&for_jobs(database), &folder.join(PROGRESS_FILE)) {
            // Existing data can still be read.
            Err(error) if error.is_of_disk() => {
                warn!(error = %with_causes(&error), "what an ended process has left stays for now");
                Ok(())
            }
            done => done,
        }
    }

    fn requeue(&self, database: &Database, progress_file: &Path) -> Result<(), RepoError> {
        let operator = operator(database, QUEUE);
        let mut before = database.clock().now();
        if self.is_shared() {
            before = before.after(-LONGEST_UPLOAD);
        } else {
            operator.write_jobs(jobs::requeue_interrupted)?;
            // If the file is missing or incomplete, the attempt counts as one without progress.
            let noted = fs::read(progress_file).ok().and_then(|text| serde_json::from_slice(&text).ok());
            let noted: Vec<NotedProgress> = noted.unwrap_or_default();
            for NotedProgress { tenant_id, job_id, done } in noted {
                if let (Ok(tenant), Ok(job)) = (tenant_id.parse::<TenantId>(), job_id.parse()) {
                    buyer(database, tenant).write_jobs(|tx| jobs::note_progress(tx, job, done))?;
                }
            }
            drop(fs::remove_file(progress_file));
        }
        for tenant in operator.read(tenants::list)? {
            let delete = |tx: &mut Tx| jobs::delete_orphan_chunks(tx, before);
            buyer(database, tenant.id).write_jobs(delete)?;
        }
        Ok(())
    }

    /// Notes the progress of running jobs in a file, in case the process ends in the middle of them.
    pub(super) fn note_progress(&self, file: &Path) {
        let mut noted = Vec::new();
        while !self.is_stopping() {
            let now: Vec<_> = self.running().iter().map(NotedProgress::of).collect();
            // A file that a kill has left incomplete counts as missing.
            if now != noted && serde_json::to_vec(&now).is_ok_and(|text| fs::write(file, text).is_ok()) {
                noted = now;
            }
            self.rest(NOTING_INTERVAL);
        }
    }

    /// Records the progress of running jobs, so that no other process takes them, and learns whether their cancellation
    /// was requested. When the process is to end, it hands the jobs over at once.
    pub(super) fn keep_leases(&self, database: &Database) {
        let database = database.with_patience(RENEWAL_TIMEOUT).with_statement_limit(RENEWAL_TIMEOUT).without_replica();
        while !self.is_stopping() {
            // Buyers whose rows another process holds. Waiting for one buyer must not cost the others their leases.
            let mut held_up = HashSet::new();
            for Running { tenant, job, progress } in self.running() {
                if held_up.contains(&tenant) {
                    continue;
                }
                let so_far = (count(progress.done()), progress.total().map(count));
                match buyer(&database, tenant).write_jobs(|tx| jobs::renew(tx, &job, so_far)) {
                    Ok(false) => {}
                    // The job has ended meanwhile, or another process has begun it again. The work of this one would be
                    // undone.
                    Ok(true) | Err(RepoError::TakenOver) => progress.cancel(),
                    Err(error) => {
                        held_up.insert(tenant);
                        warn!(error = %with_causes(&error), job_id = %job.id, "a lease could not be renewed");
                    }
                }
            }
            self.rest(RENEWAL_INTERVAL);
        }
        for Running { tenant, job, .. } in self.running() {
            // If this fails, the job's own thread does it, or the lease ends.
            let released = buyer(&database, tenant).write_jobs(|tx| jobs::release(tx, &job));
            info!(job_id = %job.id, is_released = released.is_ok(), "the process ends; another may take its job");
        }
    }
}
