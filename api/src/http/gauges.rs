//! What `/metrics` queries when it is read: the database, the disk and the process, each with a time-out.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use schema::{Choice, Database, DatabasePlace, Figures, JobState, Waits, jobs};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::base::actors::operator;
use crate::base::machine::{self, free_bytes};
use crate::base::telemetry::metrics::{METRICS, MetricKind, job_kinds};
use crate::http::admin::Probe;

/// The time-out for an answer. By default Prometheus gives up after 10 seconds.
const GAUGE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an answer is reused, because several may scrape.
const REUSE_DURATION: Duration = Duration::from_secs(3);

/// A query that runs on its own thread, one at a time. If it is never answered, it costs only that thread, and delays
/// neither a scrape nor the end of the process.
struct Question<T> {
    ask: Box<dyn Fn() -> T + Send + Sync>,
    answers: watch::Sender<Option<(Instant, T)>>,
    asked_at: Mutex<Option<Instant>>,
}

impl<T: Clone + Send + Sync + 'static> Question<T> {
    fn new(ask: impl Fn() -> T + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { ask: Box::new(ask), answers: watch::Sender::new(None), asked_at: Mutex::default() })
    }

    /// Returns a recent answer or a new one, or `None` if none arrives in time.
    async fn answer(self: &Arc<Self>) -> Option<T> {
        let mut answers = self.answers.subscribe();
        if let Some((_, answer)) = answers.borrow_and_update().clone().filter(|(at, _)| at.elapsed() < REUSE_DURATION) {
            return Some(answer);
        }
        if !self.is_asked() {
            return None;
        }
        timeout(GAUGE_TIMEOUT, answers.changed()).await.ok()?.ok()?;
        answers.borrow().as_ref().map(|(_, answer)| answer.clone())
    }

    /// Makes sure that the query is running. Returns false if its answer is overdue or it cannot be started.
    fn is_asked(self: &Arc<Self>) -> bool {
        let mut asked_at = self.asked_at();
        if let Some(asked_at) = *asked_at {
            return asked_at.elapsed() < GAUGE_TIMEOUT;
        }
        let this = Arc::clone(self);
        let asking = thread::Builder::new().name("gauges".to_owned()).spawn(move || {
            // Dropped even if the query panics.
            let _asking = Asking(&this.asked_at);
            let answer = (this.ask)();
            this.answers.send_replace(Some((Instant::now(), answer)));
        });
        *asked_at = asking.is_ok().then(Instant::now);
        asking.is_ok()
    }

    fn asked_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query while it runs.
struct Asking<'a>(&'a Mutex<Option<Instant>>);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The state of the disk.
#[derive(Debug, Clone)]
struct Disk {
    /// The free bytes of the data folder and of the folder for temporary files.
    free: [Option<u64>; 2],
    /// The sizes of an embedded database's file and of its write-ahead log.
    database: Option<[u64; 2]>,
}

/// The metrics of `/metrics` that are queried, in addition to those that are counted.
pub(crate) struct Gauges {
    database: Database,
    queue: Arc<Question<Option<Vec<jobs::Figures>>>>,
    disk: Arc<Question<Disk>>,
    is_ready: Arc<Question<bool>>,
    min_free_bytes: u64,
    model_version: String,
    started_at: schema::Timestamp,
}

impl Gauges {
    pub(crate) fn new(
        database: &Database,
        probe: &Probe,
        (folder, place): (&Path, &DatabasePlace),
        min_free_bytes: u64,
        model_version: &str,
    ) -> Self {
        let file = match place {
            DatabasePlace::Folder(folder) => Some(folder.join("sonae.db")),
            DatabasePlace::Server { .. } => None,
        };
        let folders = [folder.to_owned(), std::env::temp_dir()];
        let (asked, probe) = (database.with_statement_limit(GAUGE_TIMEOUT), probe.clone());
        let (queue, looked_at) = (operator(&asked, "metrics"), asked);
        Self {
            database: database.clone(),
            queue: Question::new(move || queue.read(jobs::figures).ok()),
            disk: Question::new(move || Disk::look(&folders, file.as_ref())),
            is_ready: Question::new(move || probe.look(&looked_at).is_ok()),
            min_free_bytes,
            model_version: model_version.to_owned(),
            started_at: database.clock().now(),
        }
    }

    /// Returns the metrics in the text format of Prometheus.
    pub(crate) async fn render(&self) -> String {
        let ((queue, disk), is_ready) = futures_util::future::join(
            futures_util::future::join(self.queue.answer(), self.disk.answer()),
            self.is_ready.answer(),
        )
        .await;
        let figures = self.database.figures();
        let mut text = Exposition::default();
        let commit = option_env!("SONAE_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown");
        let database = if self.database.is_shared() { "postgresql" } else { "sqlite" };
        let build = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("commit", commit),
            ("model_version", &self.model_version),
            ("database", database),
        ];
        text.sample("sonae_build_info", &build, 1.0);
        text.sample("sonae_ready", &[], f64::from(is_ready == Some(true)));
        let queue = queue.flatten();
        let is_away = figures.is_away || (queue.is_none() && !is_busy(&figures));
        text.sample("sonae_database_away", &[], f64::from(is_away));
        text.connections(&figures);
        // Figures from before the database became unreachable are not shown.
        if let Some(queue) = queue.filter(|_| !is_away) {
            text.queue(&queue);
        }
        if let Some(disk) = disk {
            text.disk(&disk);
        }
        text.sample("sonae_disk_free_min_bytes", &[], self.min_free_bytes as f64);
        text.process(self.started_at);
        text.0
    }
}

/// How long all connections may stay in use before that means that the database does not answer.
const POOL_STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether every connection for transactions is in use while some are still being returned. In that case a missing
/// answer says nothing about the database.
fn is_busy(figures: &Figures) -> bool {
    figures.in_use >= figures.most && figures.unmoved.is_none_or(|unmoved| unmoved < POOL_STALL_TIMEOUT)
}

impl Disk {
    fn look(folders: &[PathBuf; 2], file: Option<&PathBuf>) -> Self {
        let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
        let sizes = |file: &PathBuf| [size(file), size(&file.with_extension("db-wal"))];
        Self { free: folders.each_ref().map(|folder| free_bytes(folder)), database: file.map(sizes) }
    }
}

/// Metrics in the text format of Prometheus. The samples of a metric follow each other.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let heading = METRICS.iter().find(|(known, ..)| *known == name).map(|(_, kind, help)| {
            let kind = match kind {
                MetricKind::Counter => "counter",
                MetricKind::Gauge => "gauge",
                MetricKind::Histogram => "histogram",
            };
            format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
        });
        if let Some(heading) = heading.filter(|heading| !self.0.contains(heading)) {
            self.0 += &heading;
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| {
                let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
                format!("{label}=\"{value}\"")
            })
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn connections(&mut self, figures: &Figures) {
        let replica = figures.replica.as_ref();
        let pools = [Some(("primary", figures.in_use, figures.idle, figures.most))]
            .into_iter()
            .chain([replica.map(|replica| ("replica", replica.in_use, replica.idle, replica.most))])
            .flatten();
        for (pool, in_use, idle, _) in pools.clone() {
            for (state, count) in [("in_use", in_use), ("idle", idle)] {
                self.sample("sonae_database_connections", &[("pool", pool), ("state", state)], f64::from(count));
            }
        }
        for (pool, .., most) in pools {
            self.sample("sonae_database_connections_max", &[("pool", pool)], f64::from(most));
        }
        self.sample("sonae_database_connections_waiting", &[], f64::from(figures.waiting));
        self.sample("sonae_database_writers_waiting", &[], f64::from(figures.writers_waiting));
        let waits = Waits::so_far();
        self.sample("sonae_database_checkouts_total", &[], waits.checkout_count as f64);
        self.sample("sonae_database_wait_seconds_total", &[], waits.waited.as_secs_f64());
        self.sample("sonae_database_wait_timeouts_total", &[], waits.timeout_count as f64);
        let Some(replica) = replica else { return };
        self.sample("sonae_replica_away", &[], f64::from(replica.is_away));
        self.sample("sonae_replica_reads_total", &[], replica.used_count as f64);
        for (reason, count) in [("behind", replica.behind_count), ("no_answer", replica.passed_over_count)] {
            self.sample("sonae_replica_passed_over_total", &[("reason", reason)], count as f64);
        }
    }

    fn queue(&mut self, queue: &[jobs::Figures]) {
        let states = [JobState::Queued, JobState::Running].map(Choice::key);
        let all: Vec<_> = job_kinds().flat_map(|kind| states.map(|state| (kind, state))).collect();
        let find = |kind, state| queue.iter().find(|known| known.kind.key() == kind && known.state.key() == state);
        for (kind, state) in &all {
            let count = find(*kind, *state).map_or(0, |jobs| jobs.count);
            self.sample("sonae_jobs", &[("kind", kind), ("state", state)], count as f64);
        }
        for (kind, state) in &all {
            let age = find(*kind, *state).map_or(Duration::ZERO, |jobs| jobs.oldest_age);
            self.sample("sonae_jobs_oldest_seconds", &[("kind", kind), ("state", state)], age.as_secs_f64());
        }
    }

    fn disk(&mut self, disk: &Disk) {
        if let Some([database, log]) = disk.database {
            self.sample("sonae_sqlite_database_bytes", &[], database as f64);
            self.sample("sonae_sqlite_wal_bytes", &[], log as f64);
            self.sample("sonae_sqlite_busy_total", &[], Waits::so_far().busy_count as f64);
        }
        for (folder, free) in ["data", "temporary"].into_iter().zip(disk.free) {
            if let Some(free) = free {
                self.sample("sonae_disk_free_bytes", &[("folder", folder)], free as f64);
            }
        }
    }

    fn process(&mut self, started_at: schema::Timestamp) {
        self.sample("process_start_time_seconds", &[], started_at.unix_milliseconds() as f64 / 1_000.0);
        if let Some(max) = machine::max_open_files() {
            self.sample("process_max_fds", &[], max as f64);
        }
        let Some(process) = machine::ProcessFigures::look() else { return };
        self.sample("process_cpu_seconds_total", &[], process.cpu_seconds);
        self.sample("process_resident_memory_bytes", &[], process.resident_bytes as f64);
        self.sample("process_virtual_memory_bytes", &[], process.virtual_bytes as f64);
        self.sample("process_open_fds", &[], process.open_files as f64);
        self.sample("process_threads", &[], process.threads as f64);
    }
}
