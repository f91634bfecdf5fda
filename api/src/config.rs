//! How the service is set up: the options of `sonae serve`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schema::{Notice, Pending, Place, ServerUrl, UrlError};

/// How large and how slow a request may be.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Limits {
    /// The largest JSON body, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 20)]
    pub json_bytes: u64,
    /// The largest upload of CSV or NDJSON, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    pub text_upload_bytes: u64,
    /// The largest upload of a workbook, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    pub xlsx_upload_bytes: u64,
    /// The longest that a JSON body may take to arrive, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub json_seconds: u64,
    /// The longest that an upload may take to arrive, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub upload_seconds: u64,
    /// The slowest that a body may arrive once its first seconds are over, in bytes a second
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    pub min_bytes_per_second: u64,
    /// How many seconds a body may take before it counts as slow
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace_seconds: u64,
    /// The most rows of a table in a CSV or NDJSON file
    #[arg(long, value_name = "ROWS", default_value_t = 20_000_000)]
    pub max_rows: u64,
    /// The most bytes that a workbook may unpack to
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    pub xlsx_unpacked_bytes: u64,
    /// The most findings that an import keeps; the rest are counted
    #[arg(long, value_name = "FINDINGS", default_value_t = 10_000)]
    pub max_findings: u32,
    /// The most jobs of one buyer that wait or run
    #[arg(long, value_name = "JOBS", default_value_t = 20)]
    pub max_open_jobs: u32,
    /// How many bytes an upload leaves free on the disk of the data folder; below that /readyz says no
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    pub min_free_disk_bytes: u64,
}

/// How many connections there may be, and how long they may be idle.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct ConnectionLimits {
    /// The most connections in all; fewer where fewer files may be open. Others wait until one ends
    #[arg(long, value_name = "COUNT", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,
    /// The most connections of one address (in IPv6 of one /64 network); behind a proxy, the most requests in hand of the
    /// last address in X-Forwarded-For, which the proxy has added
    #[arg(long, value_name = "COUNT", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections_per_address: u32,
    /// How many seconds a connection may be idle between requests; longer than a proxy in front of the service keeps one
    /// [default: 5, behind a proxy 75]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub keep_alive_seconds: Option<u64>,
    /// How many seconds the head of a request may take to arrive
    #[arg(long, value_name = "SECONDS", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub head_seconds: u64,
    /// How many seconds somebody who reads an answer may take nothing of it
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub answer_seconds: u64,
}

/// How long a statement of a request may take, unless set otherwise.
const STATEMENT_SECONDS: u64 = 30;

/// Which database holds everything.
#[derive(Clone, clap::Args)]
pub struct DatabaseOptions {
    /// A PostgreSQL server in place of the embedded database, as postgres://user@host/database. A password is better in the environment
    /// or in ~/.pgpass: other users of the machine see command lines
    #[arg(
        long = "database-url",
        id = "database-url",
        value_name = "URL",
        env = "DATABASE_URL",
        hide_env_values = true
    )]
    pub url: Option<String>,
    /// A replica of that server, for reading whatever it has already
    #[arg(
        long = "database-replica-url",
        value_name = "URL",
        env = "DATABASE_REPLICA_URL",
        hide_env_values = true,
        requires = "database-url"
    )]
    pub replica_url: Option<String>,
    /// Let data travel in the clear to a server on another machine
    #[arg(long, env = "SONAE_ALLOW_PLAINTEXT_DB", value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_plaintext_db: bool,
    /// Refuse a database on which migrations have not run, in place of running them: `sonae migrate` does
    #[arg(long, env = "SONAE_NO_MIGRATE", value_parser = clap::builder::BoolishValueParser::new())]
    pub no_migrate: bool,
    /// How many connections to the database there may be [default: by the number of threads]
    #[arg(long = "database-connections", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub connections: Option<u32>,
    /// After how many seconds a PostgreSQL server gives up a statement of a request
    #[arg(
        long = "database-statement-seconds",
        value_name = "SECONDS",
        default_value_t = STATEMENT_SECONDS,
        // To the server, 0 is no limit at all.
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub statement_seconds: u64,
}

impl DatabaseOptions {
    /// The embedded database.
    pub fn embedded() -> Self {
        Self {
            url: None,
            replica_url: None,
            allow_plaintext_db: false,
            no_migrate: false,
            connections: None,
            statement_seconds: STATEMENT_SECONDS,
        }
    }

    /// What becomes of migrations that have not run; `told` hears of those that run.
    pub(crate) fn pending<'a>(&self, told: &'a mut dyn FnMut(&Notice)) -> Pending<'a> {
        if self.no_migrate { Pending::Refuse } else { Pending::Run(told) }
    }

    /// Where the database is: in the data folder, unless a server is named.
    pub(crate) fn place(&self, folder: &Path) -> Result<Place, UrlError> {
        let parse = |url: &String| ServerUrl::parse(url, self.allow_plaintext_db);
        Ok(match &self.url {
            None => Place::Folder(folder.to_owned()),
            Some(url) => Place::Server { url: parse(url)?, replica: self.replica_url.as_ref().map(parse).transpose()? },
        })
    }
}

impl fmt::Debug for DatabaseOptions {
    /// Without URLs: there may be passwords in them.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DatabaseOptions").finish_non_exhaustive()
    }
}

/// How long a body may take.
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

    fn pace(&self, seconds: u64) -> Pace {
        Pace {
            total: Duration::from_secs(seconds),
            grace: Duration::from_secs(self.grace_seconds),
            min_bytes_per_second: self.min_bytes_per_second,
        }
    }
}

/// How the service is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder with the keys, and the database unless it is on a server.
    pub data: PathBuf,
    /// Which database.
    pub database: DatabaseOptions,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where health and metrics are asked for; a loopback address.
    pub admin_listen: SocketAddr,
    /// Certificate chain and private key, as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether all connections come from a proxy, which says whose requests it passes on.
    pub behind_proxy: bool,
    /// How many connections there may be.
    pub connection_limits: ConnectionLimits,
    /// How many threads serve requests.
    pub workers: usize,
    /// How large and how slow a request may be.
    pub limits: Limits,
    /// A model.toml in place of the built-in one.
    pub model: Option<PathBuf>,
    /// How long data rests before it is scored again by itself.
    pub rescore_after: Duration,
    /// Whether SIGTERM and SIGINT end the service; not where it runs inside of another program.
    pub handles_signals: bool,
}

impl Config {
    /// How long a connection may be idle: usual proxies keep theirs for 60 seconds, and would reuse one that is closing.
    pub(crate) fn keep_alive(&self) -> Duration {
        let default = if self.behind_proxy { 75 } else { 5 };
        Duration::from_secs(self.connection_limits.keep_alive_seconds.unwrap_or(default))
    }

    /// How many connections read at a time; on a server, also write.
    pub(crate) fn connections(&self) -> u32 {
        let usual = || u32::try_from(self.workers).unwrap_or(1).saturating_mul(4).clamp(4, 64);
        self.database.connections.unwrap_or_else(usual)
    }
}
