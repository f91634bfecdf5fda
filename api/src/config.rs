//! How the service is set up: the options of `sonae serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    #[arg(long, value_name = "FINDINGS", default_value_t = 100_000)]
    pub max_findings: u32,
    /// The most jobs of one buyer that wait or run
    #[arg(long, value_name = "JOBS", default_value_t = 20)]
    pub max_open_jobs: u32,
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
    /// The folder with the database and the keys.
    pub data: PathBuf,
    /// Where requests come in.
    pub listen: SocketAddr,
    /// Where health and metrics are asked for; a loopback address.
    pub admin_listen: SocketAddr,
    /// Certificate chain and private key, as PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
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
    /// How many connections read at a time.
    pub(crate) fn readers(&self) -> u32 {
        u32::try_from(self.workers).unwrap_or(1).saturating_mul(4).clamp(4, 64)
    }
}
