//! `sonae serve`: the service, until a signal ends it.

use std::env;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{self, Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, ValueEnum};
use schema::Clock;
use scoring::Lang;
use tracing::warn;
use tracing_subscriber::EnvFilter;

use super::score::read_model;
use super::settings::{InForce, Origin};
use super::{DataFolder, Failure};
use crate::app::{self, Running};
use crate::base::config::{Config, ConnectionLimits, Limits};
use crate::base::machine::hide_new_files;
use crate::base::telemetry;
use crate::base::text::Text;
use crate::http::tls;

/// Run the service
///
/// It listens on this machine alone unless you give it a certificate, or put a proxy that has one in front of it. The page at
/// /docs explains every operation; `sonae token create` creates the tokens that they need.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    data: DataFolder,
    /// The address to listen on for requests
    #[arg(long, env = "SONAE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The address to listen on for /livez, /readyz and /metrics; a loopback address
    #[arg(long, env = "SONAE_ADMIN_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// The certificate chain, a PEM file
    #[arg(long, env = "SONAE_TLS_CERT", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, a PEM file
    #[arg(long, env = "SONAE_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// A proxy in front of the service terminates TLS: other machines may reach the service without a certificate
    ///
    /// The proxy must be the only one that can reach the service, and must set X-Forwarded-For and X-Forwarded-Proto itself:
    /// the service then counts requests by the last address in X-Forwarded-For. Without this option both headers are
    /// ignored, because anybody can send them.
    #[arg(long, env = "SONAE_BEHIND_PROXY", value_name = "BOOL", default_value = "false", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    behind_proxy: bool,
    #[command(flatten)]
    connections: ConnectionLimits,
    /// The number of threads that serve requests [default: one for each core]
    #[arg(long, env = "SONAE_WORKERS", value_name = "THREADS")]
    workers: Option<usize>,
    /// The format of log lines
    #[arg(long, env = "SONAE_LOG_FORMAT", value_enum, default_value = "human")]
    log_format: LogFormat,
    /// A model.toml to use instead of the built-in model
    #[arg(long, env = "SONAE_MODEL", value_name = "FILE")]
    model: Option<PathBuf>,
    /// How long data must be unchanged before it is scored again automatically, in seconds; each buyer can turn this
    /// off [default: 0 if the last run took less than 1 second, otherwise 2]
    ///
    /// By default automatic runs of a buyer also pause for four times as long as the last run took, at least 2
    /// seconds and at most 5 minutes. With a number of seconds they do not.
    #[arg(long, env = "SONAE_RESCORE_AFTER_SECONDS", value_name = "SECONDS")]
    rescore_after_seconds: Option<u64>,
    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people
    Human,
    /// One JSON object per line
    Json,
}

impl Args {
    /// Returns the configuration of the service, if these options go together.
    pub(super) fn config(&self, in_force: &InForce, lang: Lang) -> Result<Config, Failure> {
        let usage = |key: &str, value: &dyn std::fmt::Display, ja: &str, en: &str| {
            Failure::Usage(format!("{} {value}: {}", in_force.name(key), lang.pick(ja, en)))
        };
        if !self.listen.ip().is_loopback() && self.tls_cert.is_none() && !self.behind_proxy {
            return Err(usage(
                "listen",
                &self.listen,
                "他のマシンから届き、トークンが暗号化されずに流れます。--tls-cert と --tls-key を指定するか、プロキシが暗号化する場合は --behind-proxy を指定してください",
                "other machines could reach it, and tokens would be sent unencrypted; add --tls-cert and --tls-key, or --behind-proxy if a proxy encrypts",
            ));
        }
        if !self.admin_listen.ip().is_loopback() {
            let (ja, en) = ("ループバックアドレスを指定してください", "use a loopback address");
            return Err(usage("admin_listen", &self.admin_listen, ja, en));
        }
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            (Some(file), None) => {
                return Err(usage(
                    "tls_cert",
                    &file.display(),
                    "--tls-key も指定してください",
                    "--tls-key is needed too",
                ));
            }
            (None, Some(file)) => {
                return Err(usage(
                    "tls_key",
                    &file.display(),
                    "--tls-cert も指定してください",
                    "--tls-cert is needed too",
                ));
            }
        };
        if let Some((certificate, key)) = &tls
            && let Err(fault) = tls::server_config(certificate, key)
        {
            let key = if fault.is_of_key { "tls_key" } else { "tls_cert" };
            return Err(usage(key, &fault.path.display(), &fault.why.ja, &fault.why.en));
        }
        if let Err(Failure::Usage(text) | Failure::Data(text)) = read_model(self.model.as_deref(), lang) {
            return Err(Failure::Usage(format!("{} {text}", in_force.name("model"))));
        }
        // A fault of the URL is a matter of usage, and is reported before anything begins.
        self.data.place(lang)?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Config {
            data: self.data.data.clone(),
            database: self.data.database.clone(),
            listen: self.listen,
            admin_listen: self.admin_listen,
            tls,
            behind_proxy: self.behind_proxy,
            connection_limits: self.connections,
            workers: self.workers.unwrap_or(cores).max(1),
            limits: self.limits,
            model: self.model.clone(),
            rescore_after: self.rescore_after_seconds.map(Duration::from_secs),
            clock: Clock::system(),
            handles_signals: true,
        })
    }

    /// Returns the command that makes a token for this service. It can be pasted into any other terminal.
    fn token_command(&self, in_force: &InForce, running: &Running) -> String {
        let mut words = vec![program()];
        let mut option = |name: &str, path: &Path| {
            let path = path::absolute(path).unwrap_or_else(|_| path.to_owned());
            words.extend([format!("--{name}"), quoted(&path.display().to_string())]);
        };
        if let Some(file) = &in_force.file {
            option("config", file);
        }
        option("data", &self.data.data);
        let database = &self.data.database;
        if let Some(file) = &database.url_file {
            option("database-url-file", file);
        }
        if database.allow_plaintext_db && !matches!(in_force.origin("allow_plaintext_db"), Origin::File(_)) {
            words.push("--allow-plaintext-db".to_owned());
        }
        if let Some(name) = running.first_buyer() {
            words.extend(["--tenant".to_owned(), quoted(name)]);
        }
        words.splice(1..1, ["token", "create"].map(str::to_owned));
        words.extend(["--name", "me", "--role", "analyst"].map(str::to_owned));
        let command = words.join(" ");
        match (&database.url, in_force.origin("database_url")) {
            (Some(url), Origin::Flag | Origin::Variable(_)) => {
                let address = quoted(url.without_password());
                let with_url = format!("DATABASE_URL={address} {command}");
                if url.has_password() {
                    // The command asks for the password, because what is printed here ends up in logs. It runs in a
                    // subshell, so that the password does not stay in the environment.
                    format!(
                        "(trap 'stty echo; exit 130' INT; stty -echo; printf 'PGPASSWORD: ' >&2; IFS= read -r PGPASSWORD; \
                         stty echo; echo >&2; export PGPASSWORD; {with_url})"
                    )
                } else {
                    with_url
                }
            }
            _ => command,
        }
    }
}

/// Returns an address as a browser on this machine reaches it.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

/// Returns this program as a shell finds it.
fn program() -> String {
    let called = env::args().next().unwrap_or_else(|| "sonae".to_owned());
    if !called.contains('/') {
        return called;
    }
    env::current_exe().map_or(called, |path| quoted(&path.display().to_string()))
}

/// Quotes a word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub(super) fn run(args: &Args, in_force: &InForce, notes: &[Text], lang: Lang) -> Result<(), Failure> {
    let config = args.config(in_force, lang)?;
    log(args.log_format, "info");
    for note in notes {
        warn!("{}", note.en);
    }
    hide_new_files();
    let _traces = telemetry::export_traces().map_err(|text| Failure::Usage(text.pick(lang).to_owned()))?;
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let running = app::serve(&config)?;
    let (address, command) = (reachable(running.address()), args.token_command(in_force, &running));
    super::print(&lang.pick(
        format!("{scheme}://{address}/docs で全操作を試せます。別の端末でトークンを作るには:\n  {command}\n"),
        format!(
            "{scheme}://{address}/docs explains every operation. To create a token, in another terminal:\n  {command}\n"
        ),
    ))?;
    Ok(running.wait()?)
}

/// Logs warnings and errors, for a person at a terminal.
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
