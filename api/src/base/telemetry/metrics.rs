//! The metrics: what each one means, and the ones that are counted as events happen. `http::gauges` queries the others.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use schema::{Choice, JobKind, RecordKind};

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

use MetricKind::{Counter, Gauge, Histogram};

/// Every metric: its name, its type and its meaning. `docs/operate/metrics.md` lists the same with their labels.
pub(crate) const METRICS: [(&str, MetricKind, &str); 36] = [
    ("sonae_build_info", Gauge, "Always 1; the labels say which build this is and what it runs on."),
    ("sonae_ready", Gauge, "Whether requests can be served, as /readyz says."),
    ("sonae_http_requests_total", Counter, "Requests that were answered."),
    ("sonae_http_request_seconds", Histogram, "Time from the head of a request to the head of its answer."),
    ("sonae_http_requests_in_flight", Gauge, "Requests whose answers have not been sent to their end."),
    ("sonae_database_away", Gauge, "Whether the database does not answer."),
    ("sonae_database_connections", Gauge, "Connections to the database that are open."),
    ("sonae_database_connections_max", Gauge, "Connections to the database that may be open."),
    ("sonae_database_connections_waiting", Gauge, "Transactions that wait for a connection."),
    ("sonae_database_writers_waiting", Gauge, "Transactions that wait for another writer of their buyer."),
    ("sonae_database_checkouts_total", Counter, "Connections that were taken from a pool."),
    ("sonae_database_wait_seconds_total", Counter, "Time that transactions have waited for a connection."),
    ("sonae_database_wait_timeouts_total", Counter, "Transactions for which no connection came free in time."),
    ("sonae_replica_away", Gauge, "Whether the replica is passed over until it answers."),
    ("sonae_replica_reads_total", Counter, "Reads that the replica served."),
    ("sonae_replica_passed_over_total", Counter, "Reads that the primary served in place of the replica."),
    ("sonae_jobs", Gauge, "Jobs that wait or run, of all processes."),
    ("sonae_jobs_oldest_seconds", Gauge, "Time since the oldest of these jobs was asked for; 0 without one."),
    ("sonae_jobs_ended_total", Counter, "Attempts at jobs that ended in this process."),
    ("sonae_job_seconds", Histogram, "Time that attempts at jobs took."),
    ("sonae_jobs_taken_over_total", Counter, "Jobs that this process took from one that had stopped renewing them."),
    ("sonae_import_rows_total", Counter, "Rows of imports, by what became of them."),
    ("sonae_score_run_seconds", Histogram, "Time that score runs took to read and score a portfolio."),
    ("sonae_suppliers_scored_total", Counter, "Suppliers that score runs have scored."),
    ("sonae_sqlite_busy_total", Counter, "Transactions that gave up waiting for a writer in another process."),
    ("sonae_sqlite_database_bytes", Gauge, "Size of the database's file."),
    ("sonae_sqlite_wal_bytes", Gauge, "Size of the database's write-ahead log."),
    ("sonae_disk_free_bytes", Gauge, "Free space where a folder is."),
    ("sonae_disk_free_min_bytes", Gauge, "Free space below which uploads are refused and the service is not ready."),
    ("process_cpu_seconds_total", Counter, "Processor time of the process, user and system."),
    ("process_resident_memory_bytes", Gauge, "Memory of the process that is resident."),
    ("process_virtual_memory_bytes", Gauge, "Address space of the process."),
    ("process_open_fds", Gauge, "Files and connections that the process has open."),
    ("process_max_fds", Gauge, "Files and connections that the process may have open."),
    ("process_threads", Gauge, "Threads of the process."),
    ("process_start_time_seconds", Gauge, "When the process started, in seconds since 1970."),
];

/// Upper bounds of the buckets for the duration of requests, in seconds.
const REQUEST_SECONDS_BUCKETS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of the buckets for the duration of jobs, in seconds.
const JOB_SECONDS_BUCKETS: [f64; 13] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// Returns the recorder of counted metrics: one per process, however many services it runs.
pub(crate) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let buckets = [
                ("sonae_http_request_seconds", &REQUEST_SECONDS_BUCKETS[..]),
                ("sonae_job_seconds", &JOB_SECONDS_BUCKETS),
                ("sonae_score_run_seconds", &JOB_SECONDS_BUCKETS),
            ];
            let builder = buckets.iter().try_fold(PrometheusBuilder::new(), |builder, (name, bounds)| {
                builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)
            });
            let recorder = builder.unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
            let handle = recorder.handle();
            // If a program that embeds the service has set another recorder, these metrics stay empty.
            if metrics::set_global_recorder(recorder).is_ok() {
                describe();
                begin_at_zero();
            }
            handle
        })
        .clone()
}

fn describe() {
    for (name, kind, help) in METRICS {
        match kind {
            Counter => describe_counter!(name, help),
            Gauge => describe_gauge!(name, help),
            Histogram => describe_histogram!(name, help),
        }
    }
}

/// Registers the counters whose labels are known. If the first event created the series, Prometheus would see no
/// increase.
fn begin_at_zero() {
    for kind in job_kinds() {
        counter!("sonae_jobs_taken_over_total", "kind" => kind).increment(0);
        for outcome in JOB_OUTCOMES {
            counter!("sonae_jobs_ended_total", "kind" => kind, "outcome" => outcome).increment(0);
        }
    }
    for (_, table, _) in RecordKind::ALL {
        for outcome in ROW_OUTCOMES {
            counter!("sonae_import_rows_total", "table" => *table, "outcome" => outcome).increment(0);
        }
    }
    counter!("sonae_suppliers_scored_total").increment(0);
    gauge!("sonae_http_requests_in_flight").increment(0.0);
}

/// Returns the keys of all kinds of jobs.
pub(crate) fn job_kinds() -> impl Iterator<Item = &'static str> {
    JobKind::ALL.iter().map(|(_, key, _)| *key)
}

/// A request in progress.
pub(crate) struct InFlight(());

impl InFlight {
    pub(crate) fn begin() -> Self {
        gauge!("sonae_http_requests_in_flight").increment(1.0);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!("sonae_http_requests_in_flight").decrement(1.0);
    }
}

/// The label of all paths that match no route, so that a scanner cannot add a series with each guess.
pub(crate) const NO_ROUTE: &str = "unmatched";

/// Counts a request that was answered.
pub(crate) fn request_answered(method: &'static str, route: &str, status: u16, took: Duration) {
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    counter!("sonae_http_requests_total", &labels).increment(1);
    let [method, route, _] = labels;
    histogram!("sonae_http_request_seconds", &[method, route]).record(took);
}

/// The possible outcomes of an attempt at a job.
pub(crate) const JOB_OUTCOMES: [&str; 7] =
    ["succeeded", "partially_succeeded", "refused", "cancelled", "failed", "interrupted", "taken_over"];

/// Counts an attempt at a job that has ended.
pub(crate) fn job_ended(kind: JobKind, outcome: &'static str, took: Duration) {
    counter!("sonae_jobs_ended_total", "kind" => kind.key(), "outcome" => outcome).increment(1);
    histogram!("sonae_job_seconds", "kind" => kind.key()).record(took);
}

/// Counts a job that this process took from another one.
pub(crate) fn job_taken_over(kind: JobKind) {
    counter!("sonae_jobs_taken_over_total", "kind" => kind.key()).increment(1);
}

/// The possible outcomes of a row of an import.
const ROW_OUTCOMES: [&str; 5] = ["created", "updated", "unchanged", "rejected", "ended"];

/// Counts rows of an import, in the order of [`ROW_OUTCOMES`].
pub(crate) fn rows_imported(table: &'static str, counts: [u64; 5]) {
    for (outcome, count) in ROW_OUTCOMES.into_iter().zip(counts) {
        counter!("sonae_import_rows_total", "table" => table, "outcome" => outcome).increment(count);
    }
}

/// Counts a score run.
pub(crate) fn run_scored(took: Duration, supplier_count: usize) {
    histogram!("sonae_score_run_seconds").record(took);
    counter!("sonae_suppliers_scored_total").increment(supplier_count as u64);
}
