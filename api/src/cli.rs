//! The command line: one file for each verb. No other module imports it.
//!
//! A verb opens the store as the service does, does its work in transactions of the same kind, and reports what it did
//! in the language of the locale. Exit codes are part of the interface: 0; 1 if the data is at fault or the machine
//! fails; 2 if the command was used wrongly; `migrate --check` has more. A secret never has to be an option of a
//! command, because other users of a machine can see options.

mod backup;
mod config;
mod demo;
mod faults;
mod health;
mod help;
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
mod settings;
mod target;
mod tenant;
mod token;
mod usage;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use schema::tenants::{self, TenantRow};
use schema::{Access, Clock, Context, DatabasePlace, Installation, Notice};
use scoring::Lang;

use crate::base::actors::COMMAND_LINE;
use crate::base::config::{DatabaseOptions, other_server};
use crate::base::machine::hide_new_files;
use crate::base::store::Store;

/// Sonae (備え): how likely each supplier is to be stopped by a cyber incident, what that would cost, and why.
#[derive(Debug, Parser)]
#[command(name = "sonae", version)]
struct Cli {
    /// A TOML file with settings; `sonae config --describe toml` prints one with all of them
    #[arg(long, global = true, env = "SONAE_CONFIG", value_name = "FILE", display_order = 1000)]
    config: Option<PathBuf>,
    /// The language of everything that commands print [default: ja, or en if the locale is English]
    #[arg(long, global = true, env = "SONAE_LANG", value_enum, display_order = 1000)]
    lang: Option<LangArg>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Args),
    Config(Box<config::Args>),
    Score(score::Args),
    Serve(Box<serve::Args>),
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
    /// It ended with a code of its own, which scripts use.
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
    let arguments: Vec<OsString> = env::args_os().collect();
    match settings::read(&arguments) {
        Ok(given) => run(&given),
        Err(settings::Refused::Clap(error)) => {
            // If the output is closed, there is nobody to inform.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
        Err(settings::Refused::Usage(text)) => {
            say(&text);
            ExitCode::from(2)
        }
    }
}

fn run(given: &settings::Given) -> ExitCode {
    let settings::Given { cli, lang, in_force, notes } = given;
    let lang = *lang;
    // The service logs the notes itself.
    if !matches!(cli.verb, Verb::Serve(_)) {
        notes.iter().for_each(|text| note(text.pick(lang), lang));
    }
    let outcome = match &cli.verb {
        Verb::Demo(args) => demo::run(args, lang),
        Verb::Config(args) => config::run(args, in_force, lang),
        Verb::Score(args) => score::run(args, lang),
        Verb::Serve(args) => serve::run(args, in_force, notes, lang),
        Verb::Import(args) => import::run(args, lang),
        Verb::Migrate(args) => migrate::run(args, lang),
        Verb::ScoreRun(verb) => score_run::run(verb, lang),
        Verb::Prune(args) => prune::run(args, lang),
        Verb::Tenant(verb) => tenant::run(verb, lang),
        Verb::Token(verb) => token::run(verb, lang),
        Verb::Key(verb) => key::run(verb, lang),
        Verb::Backup(args) => backup::run(args, lang),
        Verb::Health(args) => health::run(args, lang),
        Verb::Service(verb) => service::run(verb, lang),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Data(message)) => (message, 1),
        Err(Failure::Code(code, message)) => (message, code),
        Err(Failure::Step(error)) => {
            let text = faults::step(&*error, lang);
            (lang.pick(format!("失敗しました: {text}"), format!("failed: {text}")), 1)
        }
    };
    say(&message);
    ExitCode::from(code)
}

/// Writes a line to standard error.
fn say(text: &str) {
    // If it is closed, there is nobody to inform.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes a note: something that is not wrong, but worth knowing.
fn note(text: &str, lang: Lang) {
    say(&lang.pick(format!("注意: {text}"), format!("note: {text}")));
}

/// The data folder if none is named.
const DEFAULT_DATA: &str = "sonae-data";

/// Where the service keeps its database and keys.
#[derive(Debug, Clone, clap::Args)]
struct DataFolder {
    /// The data folder, which holds the keys and, unless a server is named, the embedded database; created if missing
    #[arg(long, value_name = "DIR", env = "SONAE_DATA", default_value = DEFAULT_DATA)]
    data: PathBuf,
    #[command(flatten)]
    database: DatabaseOptions,
}

/// How long a command waits for a service that imports a large file.
const COMMAND_WRITER_TIMEOUT: Duration = Duration::from_secs(300);
/// How many connections a command has.
const CONNECTIONS: u32 = 2;

impl DataFolder {
    /// Opens an existing database, for verbs that make no sense in a new one.
    fn open_existing(&self, lang: Lang) -> Result<Store, Failure> {
        let place = self.existing(lang)?;
        self.open_at(&place, lang)
    }

    /// Returns the place of a database, which must exist.
    fn existing(&self, lang: Lang) -> Result<DatabasePlace, Failure> {
        let place = self.place(lang)?;
        if matches!(place, DatabasePlace::Folder(_)) && !self.data.join("sonae.db").exists() {
            let data = self.data.display();
            return Err(Failure::Usage(lang.pick(
                format!("--data {data}: サービスや取り込みのデータがありません。データフォルダーを指定してください"),
                format!("--data {data}: it holds no data of a service or an import; name the data folder"),
            )));
        }
        Ok(place)
    }

    fn open(&self, lang: Lang) -> Result<Store, Failure> {
        let place = self.place(lang)?;
        if matches!(place, DatabasePlace::Folder(_)) && !self.data.join("sonae.db").exists() {
            let data = self.data.display();
            note(
                &lang.pick(format!("{data} は新しいデータフォルダーです"), format!("{data} is a new data folder")),
                lang,
            );
        }
        self.open_at(&place, lang)
    }

    fn open_at(&self, place: &DatabasePlace, lang: Lang) -> Result<Store, Failure> {
        hide_new_files();
        let mut tell = |notice: &Notice| migrate::tell(notice, lang);
        let pending = self.database.pending(&mut tell);
        // Before the new server is noted in the folder.
        let moved = other_server(&self.data, place);
        let connections = self.database.connections.unwrap_or(CONNECTIONS);
        let store = Store::open(&self.data, place, connections, COMMAND_WRITER_TIMEOUT, pending, &Clock::system())?;
        if let Some(text) = moved {
            note(text.pick(lang), lang);
        }
        Ok(store)
    }

    fn place(&self, lang: Lang) -> Result<DatabasePlace, Failure> {
        self.database.place(&self.data).map_err(|error| Failure::Usage(error.text(lang)))
    }
}

/// The buyer that a verb is for.
#[derive(Debug, Clone, clap::Args)]
struct TenantArg {
    /// The buyer that the command works for, by name or id
    #[arg(long, value_name = "NAME", env = "SONAE_TENANT", default_value = "default")]
    tenant: String,
}

/// Finds a buyer by its name or id.
fn find_tenant(store: &Store, wanted: &str, lang: Lang) -> Result<TenantRow, Failure> {
    let all = access(store, Installation, "sonae").read(tenants::list)?;
    let found = all.into_iter().find(|tenant| tenant.name.as_str() == wanted || tenant.id.to_string() == wanted);
    found.ok_or_else(|| {
        Failure::Usage(lang.pick(
            format!("{wanted} という発注者はありません。sonae tenant list で一覧できます"),
            format!("there is no buyer {wanted}; `sonae tenant list` lists them"),
        ))
    })
}

/// Returns the access of a command to the rows of a buyer, or to those of the installation.
fn access<T>(store: &Store, tenant: T, command: &str) -> Access<T> {
    store.database.access(tenant, &Context::new(COMMAND_LINE, command))
}

/// Prints the output of a verb, unless nobody reads any more.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader may stop early, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
