//! How the service is set up: the options of `sonae serve`.
//!
//! An option with an environment variable is a setting: the settings file has it too (see `cli/settings.rs`).

mod place;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use schema::{Clock, Notice, Pending, ServerUrl};

pub use place::PlaceError;
pub(crate) use place::{SERVER_NOTE_FILE, note_server, other_server, url_text};

/// How large and how slow a request may be, and how much is kept for the next one.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Limits {
    /// The maximum size of a JSON body, in bytes
    #[arg(long, env = "SONAE_JSON_BYTES", value_name = "BYTES", default_value_t = Self::default().json_bytes)]
    pub json_bytes: u64,
    /// The maximum size of an upload of CSV or NDJSON, in bytes
    #[arg(long, env = "SONAE_TEXT_UPLOAD_BYTES", value_name = "BYTES", default_value_t = Self::default().text_upload_bytes)]
    pub text_upload_bytes: u64,
    /// The maximum size of an upload of a workbook, in bytes
    #[arg(long, env = "SONAE_XLSX_UPLOAD_BYTES", value_name = "BYTES", default_value_t = Self::default().xlsx_upload_bytes)]
    pub xlsx_upload_bytes: u64,
    /// The time-out for receiving a JSON body, in seconds
    #[arg(long, env = "SONAE_JSON_SECONDS", value_name = "SECONDS", default_value_t = Self::default().json_seconds)]
    pub json_seconds: u64,
    /// The time-out for receiving an upload, in seconds
    #[arg(long, env = "SONAE_UPLOAD_SECONDS", value_name = "SECONDS", default_value_t = Self::default().upload_seconds)]
    pub upload_seconds: u64,
    /// The minimum rate at which a body must arrive after the grace period, in bytes per second
    #[arg(long, env = "SONAE_MIN_BYTES_PER_SECOND", value_name = "BYTES", default_value_t = Self::default().min_bytes_per_second)]
    pub min_bytes_per_second: u64,
    /// The grace period at the start of a body, in which its rate does not matter, in seconds
    #[arg(long, env = "SONAE_GRACE_SECONDS", value_name = "SECONDS", default_value_t = Self::default().grace_seconds)]
    pub grace_seconds: u64,
    /// The maximum number of rows of a table in a CSV or NDJSON file
    #[arg(long, env = "SONAE_MAX_ROWS", value_name = "ROWS", default_value_t = Self::default().max_rows)]
    pub max_rows: u64,
    /// The maximum size of a workbook when unpacked, in bytes
    #[arg(long, env = "SONAE_XLSX_UNPACKED_BYTES", value_name = "BYTES", default_value_t = Self::default().xlsx_unpacked_bytes)]
    pub xlsx_unpacked_bytes: u64,
    /// The maximum number of findings that an import keeps; the rest are only counted
    #[arg(long, env = "SONAE_MAX_FINDINGS", value_name = "FINDINGS", default_value_t = Self::default().max_findings)]
    pub max_findings: u32,
    /// The maximum number of jobs of one buyer that wait or run
    #[arg(long, env = "SONAE_MAX_OPEN_JOBS", value_name = "JOBS", default_value_t = Self::default().max_open_jobs)]
    pub max_open_jobs: u32,
    /// The free space that an upload must leave on the disk of the data folder, in bytes; with less, /readyz answers
    /// 503
    #[arg(long, env = "SONAE_MIN_FREE_DISK_BYTES", value_name = "BYTES", default_value_t = Self::default().min_free_disk_bytes)]
    pub min_free_disk_bytes: u64,
    /// The memory for scores of runs that were requested recently, in megabytes; those of 100,000 suppliers take about 80
    #[arg(long, env = "SONAE_WARM_FRAMES_MB", value_name = "MEGABYTES", default_value_t = Self::default().warm_frames_mb)]
    pub warm_frames_mb: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_bytes: 2 << 20,
            text_upload_bytes: 512 << 20,
            xlsx_upload_bytes: 64 << 20,
            json_seconds: 30,
            upload_seconds: 3600,
            min_bytes_per_second: 1024,
            grace_seconds: 10,
            max_rows: 20_000_000,
            xlsx_unpacked_bytes: 512 << 20,
            max_findings: 10_000,
            max_open_jobs: 20,
            min_free_disk_bytes: 16 << 20,
            warm_frames_mb: 256,
        }
    }
}

/// How many connections there may be, and how long they may be idle.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ConnectionLimits {
    /// The maximum number of connections; further ones wait. It is lower if the process may open fewer files
    #[arg(long, env = "SONAE_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = Self::default().max_connections, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// The maximum number of connections from one address (IPv6: one /64 network); behind a proxy, of requests in
    /// progress for the last address in X-Forwarded-For, which the proxy adds
    #[arg(long, env = "SONAE_MAX_CONNECTIONS_PER_ADDRESS", value_name = "COUNT", default_value_t = Self::default().max_connections_per_address, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: u32,
    /// How long a connection may be idle between requests, in seconds; longer than a proxy in front of the service
    /// keeps it [default: 5, behind a proxy 75]
    #[arg(long, env = "SONAE_KEEP_ALIVE_SECONDS", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub keep_alive_seconds: Option<u64>,
    /// The time-out for receiving the head of a request, in seconds
    #[arg(long, env = "SONAE_HEAD_SECONDS", value_name = "SECONDS", default_value_t = Self::default().head_seconds, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_seconds: u64,
    /// The time-out for a client that reads nothing of an answer, in seconds
    #[arg(long, env = "SONAE_ANSWER_SECONDS", value_name = "SECONDS", default_value_t = Self::default().answer_seconds, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub answer_seconds: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 256,
            keep_alive_seconds: None,
            head_seconds: 8,
            answer_seconds: 20,
        }
    }
}

/// The default time-out of a statement of a request, in seconds.
const DEFAULT_STATEMENT_TIMEOUT_SECONDS: u64 = 30;

/// Which database holds everything.
#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseOptions {
    /// The URL of a PostgreSQL server to use instead of the embedded database, such as postgres://user@host/database.
    /// Other users of the machine can see command lines: give a password in a file (--database-url-file), in the
    /// environment or in ~/.pgpass
    #[arg(long = "database-url", value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub url: Option<ServerUrl>,
    /// A file whose first line is that URL
    #[arg(long = "database-url-file", value_name = "FILE", env = "DATABASE_URL_FILE")]
    pub url_file: Option<PathBuf>,
    /// The URL of a replica of that server; reads go there while it is up to date
    #[arg(long = "database-replica-url", value_name = "URL", env = "DATABASE_REPLICA_URL", hide_env_values = true)]
    pub replica_url: Option<ServerUrl>,
    /// A file whose first line is the URL of the replica
    #[arg(long = "database-replica-url-file", value_name = "FILE", env = "DATABASE_REPLICA_URL_FILE")]
    pub replica_url_file: Option<PathBuf>,
    /// Allow unencrypted connections to a server on another machine
    #[arg(long, env = "SONAE_ALLOW_PLAINTEXT_DB", value_name = "BOOL", default_value = "false", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub allow_plaintext_db: bool,
    /// Refuse to start while migrations have not run, instead of running them: `sonae migrate` runs them
    #[arg(long, env = "SONAE_NO_MIGRATE", value_name = "BOOL", default_value = "false", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub no_migrate: bool,
    /// The maximum number of connections of this process to the database [default: 4 for each thread, 4 to 64]
    #[arg(
        long = "database-connections",
        env = "SONAE_DATABASE_CONNECTIONS",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(2..=1000)
    )]
    pub connections: Option<u32>,
    /// The time-out of one statement of a request on a PostgreSQL server, in seconds
    #[arg(
        long = "database-statement-seconds",
        env = "SONAE_DATABASE_STATEMENT_SECONDS",
        value_name = "SECONDS",
        default_value_t = DEFAULT_STATEMENT_TIMEOUT_SECONDS,
        // A server takes 0 as no limit.
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub statement_seconds: u64,
}

impl DatabaseOptions {
    /// Returns the options for the embedded database.
    pub fn embedded() -> Self {
        Self {
            url: None,
            url_file: None,
            replica_url: None,
            replica_url_file: None,
            allow_plaintext_db: false,
            no_migrate: false,
            connections: None,
            statement_seconds: DEFAULT_STATEMENT_TIMEOUT_SECONDS,
        }
    }

    /// Returns what to do about migrations that have not run. `told` receives a notice about those that run.
    pub(crate) fn pending<'a>(&self, told: &'a mut dyn FnMut(&Notice)) -> Pending<'a> {
        if self.no_migrate { Pending::Refuse } else { Pending::Run(told) }
    }
}

/// How long the transfer of a body may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) total: Duration,
    pub(crate) grace: Duration,
    pub(crate) min_bytes_per_second: u64,
}

impl Limits {
    pub(crate) fn json_pace(&self) -> Pace {
        self.pace(self.json_seconds)
    }

    pub(crate) fn upload_pace(&self) -> Pace {
        self.pace(self.upload_seconds)
    }

    /// Returns the number of bytes of scores that are kept in memory.
    pub(crate) fn warm_frames_bytes(&self) -> u64 {
        u64::from(self.warm_frames_mb) << 20
    }

    fn pace(&self, seconds: u64) -> Pace {
        Pace {
            total: Duration::from_secs(seconds),
            grace: Duration::from_secs(self.grace_seconds),
            min_bytes_per_second: self.min_bytes_per_second,
        }
    }
}

/// The configuration of the service.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with the keys, and the database unless it is on a server.
    pub data: PathBuf,
    /// The database.
    pub database: DatabaseOptions,
    /// The address for requests.
    pub listen: SocketAddr,
    /// The address for health and metrics, a loopback address.
    pub admin_listen: SocketAddr,
    /// The certificate chain and the private key, as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether all connections come from a proxy, which names the client of each request.
    pub behind_proxy: bool,
    /// The limits of connections.
    pub connection_limits: ConnectionLimits,
    /// The number of threads that serve requests.
    pub workers: usize,
    /// The limits of requests.
    pub limits: Limits,
    /// A model.toml that replaces the built-in model.
    pub model: Option<PathBuf>,
    /// How long data must be unchanged before it is scored again automatically. If omitted, this depends on the cost of
    /// the last run.
    pub rescore_after: Option<Duration>,
    /// The clock.
    pub clock: Clock,
    /// Whether SIGTERM and SIGINT end the service. Off if it runs inside another program.
    pub handles_signals: bool,
}

impl Config {
    /// Returns how long a connection may be idle. Usual proxies keep their connections for 60 seconds and would reuse
    /// one that is closing, so the default behind a proxy is longer.
    pub(crate) fn keep_alive(&self) -> Duration {
        let default = if self.behind_proxy { 75 } else { 5 };
        Duration::from_secs(self.connection_limits.keep_alive_seconds.unwrap_or(default))
    }

    /// Returns the maximum number of connections that read at a time. On a server they also write.
    pub(crate) fn connections(&self) -> u32 {
        let usual = || u32::try_from(self.workers).unwrap_or(1).saturating_mul(4).clamp(4, 64);
        self.database.connections.unwrap_or_else(usual)
    }
}
