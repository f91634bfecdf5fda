//! `sonae demo`: a made-up portfolio, imported, scored, shown, and served.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use chrono::{Months, NaiveDate, TimeDelta};
use schema::score_runs::RunRow;
use schema::scores::{self, ScoreFilter, ScoreRow};
use schema::settings::{self, Settings};
use schema::tokens::{self, TokenRow};
use schema::{Access, Clock, DatabasePlace, ImportMode, Name, Pending, Role, Source};
use scoring::{Explanation, Facts, Lang, Model, Yen, grouped, percent};

use super::{COMMAND_WRITER_TIMEOUT, Failure, access, find_tenant, report, serve};
use crate::app;
use crate::base::config::{Config, DatabaseOptions};
use crate::base::keys::DEFAULT_TOKEN_LIFETIME;
use crate::base::machine::{OWN_FILES, hide_new_files};
use crate::base::problem::ApiError;
use crate::base::store::Store;
use crate::base::text::printable;
use crate::demo::{self, AS_OF};
use crate::queue::outcome::Interrupted;
use crate::queue::progress::Progress;
use crate::resources::exports::file::provenance;
use crate::resources::imports::import_folder;
use crate::resources::jobs::{Format, ImportRequest};
use crate::resources::portfolio::read_overview;
use crate::resources::score_runs::overview::Overview;
use crate::resources::score_runs::{RunRequest, run_now};
use crate::resources::scores::{explanation, read_facts};

/// Show everything with a fictitious portfolio
///
/// Imports and scores 1,117 fictitious suppliers, in the proportions of IPA's demonstration project of FY2020, in a data folder of its own
/// that is created anew each time. Then it serves them on this machine alone until it is stopped.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder of the demo; created anew each time
    #[arg(long, value_name = "DIR", default_value = "sonae-demo")]
    data: PathBuf,
    /// The address to listen on [default: 127.0.0.1:8080, or any free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Import, score and print, without the service
    #[arg(long)]
    no_serve: bool,
    #[command(flatten)]
    limits: crate::base::config::Limits,
    #[command(flatten)]
    connections: crate::base::config::ConnectionLimits,
}

/// The file that marks a folder as one that a demo may make anew.
const DEMO_MARKER_FILE: &str = "made-by-sonae-demo";

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    if let Some(listen) = args.listen.filter(|listen| !listen.ip().is_loopback()) {
        return Err(Failure::Usage(lang.pick(
            format!("--listen {listen}: デモはこのマシンの中だけで動きます。127.0.0.1 を指定してください"),
            format!("--listen {listen}: the demo is for this machine alone; use a loopback address"),
        )));
    }
    if let Some(listen) = args.listen
        && let Err(error) = TcpListener::bind(listen)
    {
        return Err(Failure::Usage(lang.pick(
            format!("--listen {listen}: 使えません: {error}"),
            format!("--listen {listen}: cannot be used: {error}"),
        )));
    }
    empty(&args.data, lang)?;
    let spinner =
        super::progress::step("架空の取引先を取り込み、計算中", "importing and scoring a fictitious portfolio", lang);
    let shown = prepare(args, lang);
    spinner.finish_and_clear();
    let (text, token) = shown?;
    super::print(&text)?;
    if args.no_serve {
        return Ok(());
    }
    serve_until_stopped(args, &token, lang)
}

/// Creates the folder, or empties one that a demo has made.
fn empty(folder: &Path, lang: Lang) -> Result<(), Failure> {
    let refused = |ja: &str, en: &str| {
        let folder = folder.display();
        Failure::Usage(lang.pick(format!("--data {folder}: {ja}"), format!("--data {folder}: {en}")))
    };
    let unusable = |error: io::Error| refused(&format!("使えません: {error}"), &format!("it cannot be used: {error}"));
    let has_content = folder.exists() && folder.read_dir().map_err(unusable)?.next().is_some();
    if has_content && !folder.join(DEMO_MARKER_FILE).exists() {
        return Err(refused(
            "デモのフォルダーではありません。空のフォルダーを指定してください",
            "it is not a folder of the demo; name an empty folder",
        ));
    }
    if let Ok(lock) = File::open(folder.join("serve.lock"))
        && matches!(lock.try_lock(), Err(fs::TryLockError::WouldBlock))
    {
        return Err(refused(
            "別のデモが動いています。止めてから実行してください",
            "another demo serves it; stop that one first",
        ));
    }
    let mine = [&[DEMO_MARKER_FILE], OWN_FILES.as_slice()].concat();
    for entry in if has_content { Some(folder.read_dir()?) } else { None }.into_iter().flatten() {
        let name = entry?.file_name();
        if !mine.iter().any(|known| name == *known) {
            let name = name.to_string_lossy();
            return Err(refused(
                &format!("デモのものではない {name} があります。別の場所に移してください"),
                &format!("it holds {name}, which the demo did not create; move it elsewhere"),
            ));
        }
    }
    if has_content {
        fs::remove_dir_all(folder)?;
    }
    crate::base::keys::private_folder(folder).map_err(unusable)?;
    File::create(folder.join(DEMO_MARKER_FILE)).map_err(unusable)?;
    Ok(())
}

/// Imports and scores. Returns the text to print, and a token.
fn prepare(args: &Args, lang: Lang) -> Result<(String, String), Failure> {
    hide_new_files();
    let files = tempfile::tempdir()?;
    demo::write(files.path())?;
    let store = Store::open(
        &args.data,
        &DatabasePlace::Folder(args.data.clone()),
        1,
        COMMAND_WRITER_TIMEOUT,
        Pending::Run(&mut |_| ()),
        &Clock::system(),
    )?;
    let tenant = find_tenant(&store, "default", lang)?.id;
    let access = access(&store, tenant, "sonae demo");
    import(&access, files.path(), args, lang)?;
    let run = score(&access, lang)?;
    let now = access.clock().now();
    let token = TokenRow {
        id: access.clock().id(),
        name: Name::parse("demo").map_err(|error| Failure::Step(error.into()))?,
        role: Role::Admin,
        provider_name: None,
        supplier_id: None,
        issued_at: now,
        expires_at: now.after(DEFAULT_TOKEN_LIFETIME),
        revoked_at: None,
    };
    access.write(|tx| tokens::insert(tx, &token))?;
    let token = store.keys.sign(tenant, &token)?;
    Ok((shown(&access, &run, lang)?, token))
}

fn import(access: &Access, folder: &Path, args: &Args, lang: Lang) -> Result<(), Failure> {
    let request = ImportRequest {
        kind: None,
        source: Source::parse("demo").map_err(|error| Failure::Step(error.into()))?,
        mode: ImportMode::AllOrNothing,
        dry_run: false,
        confirm: false,
        accept_unread_columns: false,
        format: Format::Csv,
        bytes: 0,
        today: AS_OF,
        provider_name: None,
    };
    let outcome = import_folder(access, folder, &request, &args.limits, &Progress::default())
        .map_err(|interrupted| Failure::Data(interrupted.text(lang)))?;
    match outcome {
        Some(outcome) if outcome.is_kept => Ok(()),
        other => Err(Failure::Step(format!("the made-up portfolio was not taken: {other:?}").into())),
    }
}

/// Scores the ends of four quarters, so that there is a history. Returns the last run.
fn score(access: &Access, lang: Lang) -> Result<RunRow, Failure> {
    access.write(|tx| {
        // No automatic run follows: the scores stay those of the day that is shown.
        let change = Settings { scores_automatically: false, ..Settings::default() };
        let now = settings::find(tx)?;
        settings::put(tx, &now, &change)
    })?;
    let quarter = |back: u32| AS_OF.checked_sub_months(Months::new(3 * back)).map_or(AS_OF, end_of_month);
    let mut last = None;
    for as_of in (0..4).rev().map(quarter) {
        let request = RunRequest { as_of, known_at: None, is_automatic: false, is_trial: false };
        let run = run_now(access, &Model::default(), &request)
            .map_err(|interrupted| Failure::Data(interrupted.text(lang)))?;
        last = Some(run);
    }
    last.ok_or_else(|| Failure::Step("there is no quarter".into()))
}

fn end_of_month(day: NaiveDate) -> NaiveDate {
    use chrono::Datelike;
    let next = day.with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
    next.and_then(|next| next.checked_sub_signed(TimeDelta::days(1))).unwrap_or(day)
}

/// A score with the facts that explain it.
type ExplainedScore = (ScoreRow, Facts);

fn shown(access: &Access, run: &RunRow, lang: Lang) -> Result<String, Failure> {
    let failed = |error: ApiError| Failure::Data(Interrupted::from(error).text(lang));
    let overview = access.read(|tx| read_overview(tx, run.id)).map_err(failed)?;
    let scored = access.read(|tx| {
        let mut scored: Vec<ExplainedScore> = Vec::new();
        scores::each(tx, run.id, &ScoreFilter::default(), |row, facts| {
            scored.push((row, read_facts(&facts)?));
            Ok::<_, ApiError>(())
        })?;
        Ok::<_, ApiError>(scored)
    });
    let scored = scored.map_err(failed)?;
    let count = |of: fn(&Facts) -> i64| grouped(scored.iter().map(|(_, facts)| of(facts)).sum::<i64>() as f64);
    let [harmful, contained, blocked] =
        [count(|facts| facts.harmful_count), count(|facts| facts.contained_count), count(|facts| facts.blocked_count)];
    let provenance = report::provenance(&provenance(run), lang);
    let suppliers = grouped(overview.supplier_count as f64);
    let [known, _] = overview.lines(lang);
    let parts = [
        lang.pick(
            format!(
                "架空の取引先 {suppliers}社。企業名も事案もすべて作り話です（{provenance}）\n\
                 IPAの2020年度実証事業と同じ割合: 加入1,117社、検知・遮断した不審なアクセス {blocked}件、封じ込めたマルウェア {contained}件。\n\
                 架空の12か月（2025年10月〜2026年9月）に割り振り、実害のある事案 {harmful}件を加えています。\n"
            ),
            format!(
                "{suppliers} fictitious suppliers: no firm and no incident is real ({provenance})\n\
                 In the proportions of IPA's demonstration project of FY2020: 1,117 enrolled, {blocked} suspicious accesses blocked, \
                 {contained} pieces of malware contained,\n\
                 spread over 12 fictitious months (2025-10 to 2026-09), with {harmful} harmful incidents added.\n"
            ),
        ),
        report::grades(&overview, lang),
        report::section("お助け隊とSC3の指標", "coverage and SC3's indicators", lang),
        [report::lines(known, lang)].into_iter().chain(report::controls(&overview, lang)).collect::<Vec<_>>().join("\n"),
        report::section(
            "自社起因の年間期待損失 上位10社（支援の優先順）",
            "the ten suppliers whose own incidents cause the greatest losses (whom to help first)",
            lang,
        ),
        most_loss(&overview, &scored, lang),
        report::caveats(lang),
    ];
    Ok(parts.join("\n"))
}

fn most_loss(overview: &Overview, scored: &[ExplainedScore], lang: Lang) -> String {
    let headings = [
        ("取引先コード", "code"),
        ("取引先名", "name"),
        ("起因する損失（年）", "loss caused a year"),
        ("割合", "share"),
        ("等級", "grade"),
        ("主な損失", "main loss"),
    ];
    let mut table = report::table(&headings, lang, &[2, 3]);
    for (code, caused) in &overview.most_loss {
        let Some((row, facts)) = scored.iter().find(|(row, _)| row.supplier_code == *code) else { continue };
        let opened: Explanation = explanation(row, facts);
        table.add_row([
            printable(code),
            printable(row.name.as_deref().unwrap_or_default()),
            Yen(*caused).to_string(),
            percent(caused / overview.expected_annual_loss_jpy),
            row.grade.clone(),
            opened.main_loss().map(|loss| loss.reason(lang)).unwrap_or_default(),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

fn serve_until_stopped(args: &Args, token: &str, lang: Lang) -> Result<(), Failure> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let usual = SocketAddr::from(([127, 0, 0, 1], 8080));
    let free_or_any = |address| match TcpListener::bind(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => any,
        _ => address,
    };
    serve::log_warnings();
    let config = Config {
        data: args.data.clone(),
        // Made-up data stays apart from the data on a server.
        database: DatabaseOptions::embedded(),
        listen: args.listen.unwrap_or_else(|| free_or_any(usual)),
        admin_listen: any,
        tls: None,
        behind_proxy: false,
        connection_limits: args.connections,
        workers: 2,
        limits: args.limits,
        model: None,
        rescore_after: None,
        clock: Clock::system(),
        handles_signals: true,
    };
    let running = app::serve(&config)?;
    super::print(&next_steps(running.address(), token, &args.data, lang))?;
    Ok(running.wait()?)
}

fn next_steps(address: SocketAddr, token: &str, data: &Path, lang: Lang) -> String {
    let english = lang.pick("", " -H 'Accept-Language: en'");
    let curl = |options: &str, path: &str| {
        format!("  curl{options}{english} -H \"Authorization: Bearer $TOKEN\" 'http://{address}{path}'\n")
    };
    let line = |ja: &str, en: &str| lang.pick(ja, en).to_owned();
    [
        line("次に見るところ\n", "where to look next\n"),
        lang.pick(
            format!("- http://{address}/docs で全操作を試せます（右上の Authorize に下のトークンを貼る）\n"),
            format!(
                "- http://{address}/docs explains every operation and lets you try it (paste the token below under Authorize)\n"
            ),
        ),
        line(
            "- スコアは2026-09-30時点のものです。時間がたっているため stale: true と表示され、自動では計算し直しません\n  （POST /v1/score-runs で計算、PATCH /v1/settings の scores_automatically で自動計算を入れられます）\n",
            "- the scores are as of 2026-09-30 and therefore marked stale: true. They are not updated automatically here: start a run with\n  POST /v1/score-runs, or set scores_automatically with PATCH /v1/settings\n",
        ),
        lang.pick(
            format!("- データは {} にあります。デモを始めるたびに作り直します\n\n", data.display()),
            format!("- the data is in {}; the demo creates it anew each time\n\n", data.display()),
        ),
        line("別の端末で\n", "in another terminal\n"),
        format!("  export TOKEN={token}\n"),
        line("  # 損失の大きい取引先から3社\n", "  # the three suppliers that cause the greatest losses\n"),
        curl("", "/v1/scores?sort=-expected_annual_loss_caused_jpy&limit=3"),
        line(
            "  # 1社を取引先コードで引き、内訳・根拠・前回からの変化を見る\n",
            "  # one supplier by its code, with contributions, evidence and what has changed\n",
        ),
        curl("", "/v1/scores/by-code?code=D0969"),
        line("  # 全体の指標と、その推移\n", "  # the portfolio, and its history\n"),
        curl("", "/v1/portfolio"),
        curl("", "/v1/portfolio/history"),
        line("  # Excelブック（D・Eの取引先）\n", "  # a workbook of the suppliers graded D and E\n"),
        curl(" -o scores.xlsx", "/v1/exports/scores.xlsx?grade=D,E"),
        line("\n止めるには Ctrl+C\n", "\nCtrl+C stops it\n"),
    ]
    .concat()
}
