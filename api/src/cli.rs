//! The command line: one file a verb.

mod backup;
mod demo;
mod faults;
mod health;
mod import;
mod key;
pub(crate) mod migrate;
mod progress;
mod prune;
mod report;
mod score;
mod score_run;
mod serve;
mod service;
mod target;
mod tenant;
mod token;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use schema::tenants::{self, TenantRow};
use schema::{Bilingual, ConnRole, Notice, Place, RepoError, Scope};
use scoring::Lang;

use crate::config::DatabaseOptions;
use crate::service::{Store, hide_new_files};

/// Sonae (備え): how likely each supplier is to be stopped by a cyber incident, what that would cost, and why.
#[derive(Debug, Parser)]
#[command(name = "sonae", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Score(score::Args),
    Serve(serve::Args),
    Import(import::Args),
    Migrate(migrate::Args),
    #[command(subcommand)]
    ScoreRun(score_run::Verb),
    Prune(prune::Args),
    #[command(subcommand)]
    Tenant(tenant::Verb),
    #[command(subcommand)]
    Token(token::Verb),
    #[command(subcommand)]
    Key(key::Verb),
    Backup(backup::Args),
    Health(health::Args),
    #[command(subcommand)]
    Service(service::Verb),
}

/// A language, as written on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LangArg {
    /// 日本語
    Ja,
    /// English
    En,
}

impl From<LangArg> for Lang {
    fn from(lang: LangArg) -> Self {
        match lang {
            LangArg::Ja => Self::Ja,
            LangArg::En => Self::En,
        }
    }
}

/// Why a verb failed. Messages are for people, and already in their language.
enum Failure {
    /// The command was used wrongly: exit 2.
    Usage(String),
    /// The data is at fault, or the machine: exit 1.
    Data(String),
    /// It ended with a code of its own, which scripts go by.
    Code(u8, String),
    /// A step failed although its input had passed all checks: exit 1.
    Step(Box<dyn Error>),
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Step(Box::new(error))
    }
}

/// Runs the command line of this process. Exit 0; 1 for bad data; 2 for bad usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let (outcome, lang) = match cli.verb {
        Verb::Demo(args) => (demo::run(&args), args.lang()),
        Verb::Score(args) => (score::run(&args), args.lang()),
        Verb::Serve(args) => (serve::run(&args), Lang::En),
        Verb::Import(args) => (import::run(&args), args.lang()),
        Verb::Migrate(args) => (migrate::run(&args, Lang::En), Lang::En),
        Verb::ScoreRun(verb) => (score_run::run(&verb), Lang::En),
        Verb::Prune(args) => (prune::run(&args), Lang::En),
        Verb::Tenant(verb) => (tenant::run(&verb), Lang::En),
        Verb::Token(verb) => (token::run(&verb), Lang::En),
        Verb::Key(verb) => (key::run(&verb, Lang::En), Lang::En),
        Verb::Backup(args) => (backup::run(&args, Lang::En), Lang::En),
        Verb::Health(args) => (health::run(&args, Lang::En), Lang::En),
        Verb::Service(verb) => (service::run(&verb), Lang::En),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Data(message)) => (message, 1),
        Err(Failure::Code(code, message)) => (message, code),
        Err(Failure::Step(error)) => {
            let text =
                unfit(&*error).map_or_else(|| with_causes(&*error), |text| lang.pick(&text.ja, &text.en).clone());
            (lang.pick(format!("失敗しました: {text}"), format!("failed: {text}")), 1)
        }
    };
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

/// The data folder if none is named.
const DEFAULT_DATA: &str = "sonae-data";

/// Where the service keeps its database and keys.
#[derive(Debug, Clone, clap::Args)]
struct DataFolder {
    /// The folder with the keys, and the database unless --database-url names a server; made where there is none
    #[arg(long, value_name = "DIR", env = "SONAE_DATA", default_value = DEFAULT_DATA)]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// Who records what comes from the command line.
pub(crate) const COMMAND_LINE: &str = "command line";

/// How long a command waits for a service that imports a large file.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many connections a command has.
const CONNECTIONS: u32 = 2;

impl DataFolder {
    /// Opens a database that is there: for what makes no sense in a new one.
    fn open_existing(&self) -> Result<Store, Failure> {
        self.expect_existing()?;
        self.open()
    }

    fn expect_existing(&self) -> Result<(), Failure> {
        if self.database.url.is_some() || self.data.join("sonae.db").exists() {
            return Ok(());
        }
        let data = self.data.display();
        Err(Failure::Usage(format!(
            "--data {data}: no service or import has kept anything there; name its data folder"
        )))
    }

    fn open(&self) -> Result<Store, Failure> {
        hide_new_files();
        if self.database.url.is_none() && !self.data.join("sonae.db").exists() {
            // Nobody is left to tell if standard error is closed.
            let _ = writeln!(io::stderr(), "note: {} is a new data folder", self.data.display());
        }
        let mut tell = |notice: &Notice| migrate::tell(notice, Lang::En);
        let pending = self.database.pending(&mut tell);
        Ok(Store::open(
            &self.data,
            &self.place()?,
            self.database.connections.unwrap_or(CONNECTIONS),
            PATIENCE,
            pending,
        )?)
    }

    fn place(&self) -> Result<Place, Failure> {
        self.database.place(&self.data).map_err(|error| Failure::Usage(error.to_string()))
    }
}

/// The buyer that a verb is for.
#[derive(Debug, Clone, clap::Args)]
struct TenantArg {
    /// The buyer, by name or id
    #[arg(long, value_name = "NAME", env = "SONAE_TENANT", default_value = "default")]
    tenant: String,
}

/// Finds a buyer by its name or id.
fn find_tenant(store: &Store, wanted: &str) -> Result<TenantRow, Failure> {
    let all = store.database.run(ConnRole::Reader, Scope::Installation, tenants::list)?;
    let found = all.into_iter().find(|tenant| tenant.name.as_str() == wanted || tenant.id.as_str() == wanted);
    found.ok_or_else(|| Failure::Usage(format!("there is no buyer {wanted}; `sonae tenant list` lists them")))
}

/// Prints what a verb says, unless nobody reads any more.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads may stop early, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Reads the model that a service is to score with.
pub(crate) fn model_of(path: &std::path::Path) -> Result<scoring::Model, crate::service::ServeError> {
    score::read_model(Some(path), Lang::En).map_err(|failure| match failure {
        Failure::Usage(text) | Failure::Data(text) | Failure::Code(_, text) => crate::service::ServeError::Model(text),
        Failure::Step(error) => crate::service::ServeError::Model(with_causes(&*error)),
    })
}

/// The faults of a folder, for the log.
pub(crate) fn folder_faults(folder: &std::path::Path, error: &crate::files::folder::FolderError) -> String {
    faults::folder(folder, error, Lang::En)
}

/// What an error says in both languages, if it is one of tables that do not fit this release.
fn unfit<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Bilingual> {
    match error.downcast_ref() {
        Some(RepoError::Unfit(text)) => Some(text),
        _ => unfit(error.source()?),
    }
}

/// An error and its causes, on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
