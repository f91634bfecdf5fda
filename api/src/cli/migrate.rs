//! `sonae migrate`: brings the tables up to date, apart from the service.

use std::io::{self, Write};

use schema::{Clock, DatabasePlace, Notice, Pending, RepoError, SchemaState};
use scoring::Lang;

use super::{COMMAND_WRITER_TIMEOUT, DataFolder, Failure, faults, note};
use crate::base::machine::hide_new_files;
use crate::base::store::{described, older, open_database};

/// Bring the tables of the database up to date
///
/// Run it before the first process of a new release starts. On PostgreSQL it also completes row-level security, where that
/// is needed after a restore. Any other command does the same unless --no-migrate is given to it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Change nothing, only report what would be done
    ///
    /// Exit code 0: nothing. 1: migrations are pending, or row-level security is incomplete. 3: the tables were made by a
    /// newer release, and this one cannot work with them. 4: the database cannot be looked at.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    data: DataFolder,
}

/// Exit code: something has to be done.
const PENDING_EXIT_CODE: u8 = 1;
/// Exit code: the tables are those of another release, with which this one cannot work.
const UNFIT_EXIT_CODE: u8 = 3;
/// Exit code: nothing is known.
const UNKNOWN_EXIT_CODE: u8 = 4;

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    let place = args.data.existing(lang)?;
    if args.check { check(&place, lang) } else { migrate(&place, lang) }
}

fn migrate(place: &DatabasePlace, lang: Lang) -> Result<(), Failure> {
    hide_new_files();
    let mut print = |notice: &Notice| {
        let text = described(notice);
        // If standard output is closed, there is nobody to inform.
        let _ = writeln!(io::stdout(), "{}", lang.pick(text.ja, text.en));
    };
    // With --no-migrate, commands leave migrations to this one.
    open_database(place, 1, COMMAND_WRITER_TIMEOUT, Pending::Run(&mut print), &Clock::system())?;
    super::print(lang.pick("データベースの表は最新です\n", "the tables are up to date\n"))
}

fn check(place: &DatabasePlace, lang: Lang) -> Result<(), Failure> {
    let failed = |code| move |error: RepoError| Failure::Code(code, faults::step(&error, lang));
    let state = SchemaState::of(place, COMMAND_WRITER_TIMEOUT).map_err(failed(UNKNOWN_EXIT_CODE))?;
    state.refuse_unfit().map_err(failed(UNFIT_EXIT_CODE))?;
    if !state.newer.is_empty() {
        tell(&Notice::Newer { versions: state.newer.clone() }, lang);
    }
    super::print(&state.pending.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    let mut texts = Vec::new();
    if !state.pending.is_empty() {
        let count = state.pending.len();
        texts.push(lang.pick(
            format!("未適用のマイグレーションが{count}件あります。`sonae migrate` を実行してください"),
            format!("{count} migrations have not run; `sonae migrate` runs them"),
        ));
        if !state.is_new {
            texts.push(older(state.leaves_older_running()?, lang).to_owned());
        }
    }
    if let Some(what) = state.insecure {
        texts.push(lang.pick(what.ja, what.en));
    }
    if texts.is_empty() {
        return super::print(lang.pick("データベースの表は最新です\n", "the tables are up to date\n"));
    }
    Err(Failure::Code(PENDING_EXIT_CODE, texts.join("\n")))
}

/// Reports what happens to the tables on standard error, in addition to the output of a command.
pub(super) fn tell(notice: &Notice, lang: Lang) {
    // Nobody needs to know about a database that is just being created.
    if let Notice::Migrating { is_new: true, .. } | Notice::Migrated { is_new: true, .. } = notice {
        return;
    }
    let text = described(notice);
    note(&lang.pick(text.ja, text.en), lang);
}
