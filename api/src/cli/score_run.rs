//! `sonae score-run`: starts, lists and reproduces score runs of a buyer's stored data on the command line.

use std::path::PathBuf;

use chrono::NaiveDate;
use chrono_tz::Tz;
use clap::Subcommand;
use schema::score_runs::{self, RunList, RunRow};
use schema::{RunId, Timestamp};
use scoring::Lang;

use super::usage::Reason;
use super::{DataFolder, Failure, TenantArg, access, find_tenant, score};
use crate::resources::score_runs::{RunRequest, known_then, reproduce, run_now};

/// Score a buyer's stored data, list its score runs, or show that one can be reproduced
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Score the stored portfolio, and store the run
    Start(StartArgs),
    /// List the stored runs, latest day first
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Score the input of a stored run again with its model, and compare every bit
    Reproduce {
        /// The id of the run
        #[arg(value_parser = run_id)]
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
    /// Score what was known at this moment (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    known_at: Option<Timestamp>,
    /// Try a model.toml instead of the built-in model; the buyer's scores do not change
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    tenant: TenantArg,
    #[command(flatten)]
    data: DataFolder,
}

fn moment(text: &str) -> Result<Timestamp, Reason> {
    let reason = || {
        Reason::new(
            "日時ではありません。2026-09-30T23:59:59+09:00 のように指定してください",
            "not a moment; write it like 2026-09-30T23:59:59+09:00",
        )
    };
    Timestamp::parse(text).ok_or_else(reason)
}

fn run_id(text: &str) -> Result<RunId, Reason> {
    let reason = |_| {
        Reason::new(
            "スコア計算のIDではありません。sonae score-run list で一覧できます",
            "not an id of a run; `sonae score-run list` lists them",
        )
    };
    text.parse().map_err(reason)
}

pub(super) fn run(verb: &Verb, lang: Lang) -> Result<(), Failure> {
    match verb {
        Verb::Start(args) => start(args, lang),
        Verb::List { tenant, data } => list(tenant, data, lang),
        Verb::Reproduce { id, tenant, data } => show_reproduced(*id, tenant, data, lang),
    }
}

fn start(args: &StartArgs, lang: Lang) -> Result<(), Failure> {
    let model = score::read_model(args.model.as_deref(), lang)?;
    let store = args.data.open_existing(lang)?;
    let tenant = find_tenant(&store, &args.tenant.tenant, lang)?;
    let access = access(&store, tenant.id, "sonae score-run start");
    let zone: Tz = tenant.time_zone.parse()?;
    let now = store.database.clock().now();
    let today = now.day_in(zone);
    let as_of = args.as_of.unwrap_or(today);
    if as_of > today {
        return Err(Failure::Usage(lang.pick(
            format!("--as-of {as_of}: 未来の日付です。発注者の今日は {today} です"),
            format!("--as-of {as_of}: is in the future; the buyer's today is {today}"),
        )));
    }
    if args.known_at.is_some_and(|moment| moment > now) {
        let text = lang.pick("--known-at: 未来の日時です", "--known-at: is in the future");
        return Err(Failure::Usage(text.to_owned()));
    }
    let known_at = match args.known_at {
        None if as_of < today => access.read(|tx| known_then(tx, as_of, zone))?,
        given => given,
    };
    let request =
        RunRequest { as_of, known_at, is_automatic: false, is_trial: args.model.is_some() || args.known_at.is_some() };
    let run = run_now(&access, &model, &request).map_err(|interrupted| Failure::Data(interrupted.text(lang)))?;
    store.database.tidy()?;
    super::print(&format!("{}\n", line(&run, lang)))
}

fn line(run: &RunRow, lang: Lang) -> String {
    let RunRow { id, as_of, known_at, supplier_count, model_version, created_by, .. } = run;
    let exported = if run.exported_at.is_some() { lang.pick("、出力済み", ", exported") } else { "" };
    let trial = if run.is_trial { lang.pick("、試算", ", a trial") } else { "" };
    lang.pick(
        format!(
            "{id}  {as_of}時点、{known_at} までに登録されたデータ、取引先 {supplier_count}社、モデル {model_version}、実行者 {created_by}{exported}{trial}"
        ),
        format!(
            "{id}  as of {as_of}, known at {known_at}, suppliers: {supplier_count}, model {model_version}, by {created_by}{exported}{trial}"
        ),
    )
}

fn list(tenant: &TenantArg, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    let store = data.open_existing(lang)?;
    let tenant = find_tenant(&store, &tenant.tenant, lang)?;
    let all = RunList { with_trials: true, limit: i64::MAX, ..RunList::default() };
    let runs = access(&store, tenant.id, "sonae score-run list").read(|tx| score_runs::list(tx, &all))?;
    super::print(&runs.iter().map(|run| format!("{}\n", line(run, lang))).collect::<String>())
}

fn show_reproduced(id: RunId, tenant: &TenantArg, data: &DataFolder, lang: Lang) -> Result<(), Failure> {
    /// How many differences are shown. The rest are counted.
    const SHOWN: usize = 20;
    let store = data.open_existing(lang)?;
    let tenant = find_tenant(&store, &tenant.tenant, lang)?;
    let unknown = || {
        let tenant = &tenant.name;
        Failure::Usage(lang.pick(
            format!("{tenant} にスコア計算 {id} はありません。sonae score-run list で一覧できます"),
            format!("{tenant} has no run {id}; `sonae score-run list` lists them"),
        ))
    };
    let reproduced = reproduce(&access(&store, tenant.id, "sonae score-run reproduce"), id)
        .map_err(|interrupted| Failure::Data(interrupted.text(lang)))?
        .ok_or_else(unknown)?;
    let (run, compared) = (&reproduced.run, reproduced.compared);
    let RunRow { as_of, supplier_count, model_version, model_hash, input_hash, engine_version, .. } = run;
    let what = lang.pick(
        format!(
            "スコア計算 {id}、{as_of}時点、取引先 {supplier_count}社、モデル {model_version} ({model_hash})、入力 {input_hash}"
        ),
        format!(
            "run {id}, as of {as_of}, suppliers: {supplier_count}, model {model_version} ({model_hash}), input {input_hash}"
        ),
    );
    if reproduced.differing.is_empty() {
        return super::print(&lang.pick(
            format!("{what}\n再計算: {compared}個の値を比べ、すべてビットまで一致しました\n"),
            format!("{what}\nscored again: {compared} values compared, all equal to the bit\n"),
        ));
    }
    let count = reproduced.differing.len();
    let mut text = lang.pick(
        format!("{what}\n再計算: {compared}個の値のうち{count}個が異なります"),
        format!("{what}\nscored again: {count} of {compared} values differ"),
    );
    let this = env!("CARGO_PKG_VERSION");
    if engine_version != this {
        text += &lang.pick(
            format!("。計算したのは Sonae {engine_version}、これは {this} です"),
            format!("; it was scored by Sonae {engine_version}, this is {this}"),
        );
    }
    for (code, column, kept, again) in reproduced.differing.iter().take(SHOWN) {
        text += &lang.pick(
            format!("\n{code} {column}: 保存された値 {kept}、再計算した値 {again}"),
            format!("\n{code} {column}: {kept} was stored, {again} was computed"),
        );
    }
    Err(Failure::Data(text))
}
