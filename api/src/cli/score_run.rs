//! `sonae score-run`: scores of a buyer's stored data, started, listed and reproduced at the command line.

use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::Subcommand;
use schema::score_runs::{self, RunList, RunRow};
use schema::{ConnRole, Instant, RunId};
use scoring::Lang;

use super::{COMMAND_LINE, DataFolder, Failure, TenantArg, find_tenant, score};
use crate::score_runs::{RunRequest, known_then, reproduce, run_now};

/// Score a buyer's stored data, list its score runs, or show that one can be reproduced
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Score the portfolio as it is stored, and keep the run
    Start(StartArgs),
    /// List the runs that are kept, those of the latest day first
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Score again what a run scored, with the model that it used, and compare every bit
    Reproduce {
        /// The id of the run
        id: RunId,
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct StartArgs {
    /// The day to score for, YYYY-MM-DD, as known then [default: the buyer's today]
    #[arg(long, value_name = "DATE", value_parser = score::date)]
    as_of: Option<NaiveDate>,
    /// Score as known at this moment, as RFC 3339
    #[arg(long, value_name = "TIME", value_parser = moment)]
    known_at: Option<Instant>,
    /// Try a model.toml in place of the built-in one; the buyer's scores stay as they are
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    data: DataFolder,
}

fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse(text).ok_or_else(|| "not a moment; write it like 2026-09-30T23:59:59+09:00".to_owned())
}

pub(super) fn run(verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Start(args) => start(args),
        Verb::List { tenant, data } => list(tenant, data),
        Verb::Reproduce { id, tenant, data } => show_reproduced(*id, tenant, data),
    }
}

fn start(args: &StartArgs) -> Result<(), Failure> {
    let model = score::read_model(args.model.as_deref(), Lang::En)?;
    let store = args.data.open_existing()?;
    let tenant = find_tenant(&store, &args.tenant.tenant)?;
    let zone: Tz = tenant.time_zone.parse()?;
    let now = Instant::now();
    let today = now.day_in(zone);
    let as_of = args.as_of.unwrap_or(today);
    if as_of > today {
        return Err(Failure::Usage(format!("--as-of {as_of}: lies in the future; the buyer's today is {today}")));
    }
    if args.known_at.is_some_and(|moment| moment > now) {
        return Err(Failure::Usage("--known-at lies in the future".to_owned()));
    }
    let known_at = match args.known_at {
        None if as_of < today => {
            store.database.run(ConnRole::Reader, tenant.id, |conn| known_then(conn, tenant.id, as_of, zone))?
        }
        given => given,
    };
    let request = RunRequest {
        as_of,
        known_at: known_at.map(|moment| moment.to_string()),
        is_automatic: false,
        is_trial: args.model.is_some() || args.known_at.is_some(),
    };
    let run = run_now(&store.database, tenant.id, &model, &request, COMMAND_LINE)
        .map_err(|interrupted| Failure::Data(interrupted.text(Lang::En)))?;
    store.database.tidy()?;
    super::print(&format!("{}\n", line(&run)))
}

fn line(run: &RunRow) -> String {
    let RunRow { id, as_of, known_at, supplier_count, model_version, created_by, .. } = run;
    let exported = if run.exported_at.is_some() { ", exported" } else { "" };
    let trial = if run.is_trial { ", a trial" } else { "" };
    format!(
        "{id}  as of {as_of}, known at {known_at}, suppliers: {supplier_count}, model {model_version}, by {created_by}{exported}{trial}"
    )
}

fn list(tenant: &TenantArg, data: &DataFolder) -> Result<(), Failure> {
    let store = data.open_existing()?;
    let tenant = find_tenant(&store, &tenant.tenant)?;
    let all = RunList { with_trials: true, limit: i64::MAX, ..RunList::default() };
    let runs = store.database.run(ConnRole::Reader, tenant.id, |conn| score_runs::list(conn, tenant.id, &all))?;
    super::print(&runs.iter().map(|run| format!("{}\n", line(run))).collect::<String>())
}

fn show_reproduced(id: RunId, tenant: &TenantArg, data: &DataFolder) -> Result<(), Failure> {
    /// Differences that are shown; the rest are counted.
    const SHOWN: usize = 20;
    let store = data.open_existing()?;
    let tenant = find_tenant(&store, &tenant.tenant)?;
    let reproduced = reproduce(&store.database, tenant.id, id)
        .map_err(|interrupted| Failure::Data(interrupted.text(Lang::En)))?
        .ok_or_else(|| Failure::Usage(format!("{} has no run {id}; `sonae score-run list` lists them", tenant.name)))?;
    let (run, compared) = (&reproduced.run, reproduced.compared);
    let what = format!(
        "run {id}, as of {}, suppliers: {}, model {} ({}), input {}",
        run.as_of, run.supplier_count, run.model_version, run.model_hash, run.input_hash
    );
    if reproduced.differing.is_empty() {
        return super::print(&format!("{what}\nscored again: {compared} values compared, all equal to the bit\n"));
    }
    let count = reproduced.differing.len();
    let mut text = format!("{what}\nscored again: {count} of {compared} values differ");
    if run.engine_version != env!("CARGO_PKG_VERSION") {
        text += &format!("; it was scored by Sonae {}, this is {}", run.engine_version, env!("CARGO_PKG_VERSION"));
    }
    for (code, column, kept, again) in reproduced.differing.iter().take(SHOWN) {
        text += &format!("\n{code} {column}: {kept} was kept, {again} came out");
    }
    Err(Failure::Data(text))
}
