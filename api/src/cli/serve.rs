//! `sonae serve`: the service, until a signal ends it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::{DataFolder, Failure};
use crate::config::{Config, ConnectionLimits, Limits};
use crate::service::{self, hide_new_files};
use crate::telemetry;

/// Run the service
///
/// It listens on this machine alone unless it is given a certificate, or a proxy in front of it has one. The page at /docs
/// explains every operation; `sonae token create` makes the tokens that they ask for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    data: DataFolder,
    /// Where requests come in
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are; an address of this machine alone
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// The certificate chain, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A proxy in front of the service encrypts: other machines may reach it without a certificate
    ///
    /// The proxy must be the only one that can reach the service, and must set X-Forwarded-For and X-Forwarded-Proto itself:
    /// the service then counts requests by the last address in X-Forwarded-For. Without this option neither header is
    /// looked at, for anybody can send them.
    #[arg(long)]
    behind_proxy: bool,
    #[command(flatten)]
    connections: ConnectionLimits,
    /// How many threads serve requests [default: as many as there are cores]
    #[arg(long, value_name = "THREADS")]
    workers: Option<usize>,
    /// How log lines look
    #[arg(long, value_enum, default_value = "human")]
    log_format: LogFormat,
    /// A model.toml to score with in place of the built-in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// How many seconds data rests before it is scored again by itself; a buyer's settings can switch that off
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    rescore_after_seconds: u64,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Human,
    /// A JSON object a line
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() && args.tls_cert.is_none() && !args.behind_proxy {
        return Err(Failure::Usage(format!(
            "--listen {}: other machines could reach it, and tokens would pass in the clear; add --tls-cert and --tls-key, or \
             --behind-proxy where a proxy encrypts",
            args.listen
        )));
    }
    if !args.admin_listen.ip().is_loopback() {
        return Err(Failure::Usage(format!("--admin-listen {}: give a loopback address", args.admin_listen)));
    }
    log(args.log_format, "info");
    hide_new_files();
    let _traces = telemetry::export_traces().map_err(Failure::Usage)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // What is wrong with the URL is a matter of usage, and said before anything begins.
    args.data.place()?;
    let config = Config {
        data: args.data.data.clone(),
        database: args.data.database.clone(),
        listen: args.listen,
        admin_listen: args.admin_listen,
        tls: args.tls_cert.clone().zip(args.tls_key.clone()),
        behind_proxy: args.behind_proxy,
        connection_limits: args.connections,
        workers: args.workers.unwrap_or(cores).max(1),
        limits: args.limits,
        model: args.model.clone(),
        rescore_after: Duration::from_secs(args.rescore_after_seconds),
        handles_signals: true,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let running = service::serve(&config)?;
    let data = match config.data.to_str() {
        Some(super::DEFAULT_DATA) => String::new(),
        _ => format!(" --data {}", config.data.display()),
    };
    super::print(&format!(
        "{scheme}://{address}/docs explains every operation; a token for it: sonae token create{data} --name me --role analyst\n",
        address = running.address(),
    ))?;
    running.wait();
    Ok(())
}

/// Logs what goes wrong, for a person at a terminal.
pub(super) fn log_warnings() {
    log(LogFormat::Human, "warn");
}

fn log(format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    match format {
        LogFormat::Human => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
