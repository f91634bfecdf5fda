//! The command line: one file a verb.

mod faults;
mod progress;
mod report;
mod score;
mod target;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use scoring::Lang;

/// Sonae (備え): how likely each supplier is to be stopped by a cyber incident, what that would cost, and why.
#[derive(Debug, Parser)]
#[command(name = "sonae", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Score(score::Args),
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
        Verb::Score(args) => (score::run(&args), args.lang()),
    };
    let (message, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Data(message)) => (message, 1),
        Err(Failure::Step(error)) => {
            let text = with_causes(&*error);
            (lang.pick(format!("失敗しました: {text}"), format!("failed: {text}")), 1)
        }
    };
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

/// An error and its causes, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
