//! Score runs: the whole portfolio scored as of a day, on request or automatically.
//!
//! How a run is made:
//!
//! - One reader transaction reads everything that counts, as known at a moment, from rows straight into frames
//!   (`snapshot`). It reads only what has changed if rows of the last run were kept (`warm`).
//! - The model of the service scores the frames.
//! - One writer transaction stores the results, the frames as Parquet and the end of the job (`run`). The model is
//!   stored just before that.
//!
//! What must hold:
//!
//! - **A run is reproducible to the bit.** Its input is stored once for all runs with the same content, named by its
//!   SHA-256, and so is its model. Scored again, they give the same numbers: `sonae score-run reproduce` does so.
//! - `as_of` is the day that the scores are for, `known_at` the moment whose knowledge they depend on. Both are part of
//!   a run, with the hashes of its input and its model.
//! - The current scores are those of the latest run that is not a trial. A run is **stale** when the data, the model or
//!   the day has changed since it read.
//! - An automatic run replaces those of the same day, and older ones are thinned out (`retention`). Runs that a person
//!   has requested stay.
//! - `schedule` asks for automatic runs: after a change, at once or once data has rested; when a day begins; and again
//!   after a run that failed.

pub(crate) mod overview;
mod retention;
mod run;
mod schedule;
mod snapshot;
mod view;
mod warm;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use chrono::NaiveDate;
use schema::score_runs::{self, RunList, RunRow};
use schema::{JobId, RepoError, RunId, ScoreRun, Timestamp, Tx, commits, data_states, jobs};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use retention::{EXPORT_DAYS, prune, to_prune};
pub(crate) use run::{RunRequest, ScoreRunWork, end_of_day, reproduce, run_now};
pub(crate) use schedule::{Changes, Schedule};
pub(crate) use warm::WarmRows;

use crate::base::fault::{Fault, Reason};
use crate::base::fields::Fields;
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::today::Today;
use crate::http::auth::{Analyst, Viewer};
use crate::http::extract::{IdPath, JsonBody, Query};
use crate::http::openapi::{self, date_schema, flag_schema, id_schema, object, time_schema};
use crate::http::page::{List, Page, Paging};
use crate::http::state::State;
use crate::queue::work;
use crate::records::if_none_match;
use view::RunView;

/// The schema of the body that starts a run.
struct StartRun;

impl PartialSchema for StartRun {
    fn schema() -> RefOr<Schema> {
        let as_of = date_schema(
            "The day to compute scores for, at most today in the buyer's time zone; today if omitted.\n\
             ja: スコアの基準日。発注者の今日まで。省略時は今日",
        );
        let known_at = time_schema(
            "Score what was known at this moment; the run is then a trial. If omitted: for today, what is known now; for a past \
             day, what was known at its end, or what is known now if nothing was known by then.\n\
             ja: この時点までに登録されたデータで試算する。省略時は、今日なら現在のデータ、過去の日付ならその日の終わりまでに登録されたデータ\
             （まだ登録がなければ現在のデータ）で計算する",
        );
        object("What to score.\nja: 計算の対象")
            .property("as_of", as_of.or_null(), false)
            .property("known_at", known_at.or_null(), false)
            .closed()
            .into()
    }
}

impl ToSchema for StartRun {
    fn name() -> std::borrow::Cow<'static, str> {
        "StartScoreRun".into()
    }
}

type ScoreRunList = List<RunView>;

/// Returns whether a run is stale: a trial, or made from other data, with another model or for an earlier day than
/// `today`.
pub(crate) fn is_stale(run: &RunRow, data_version: i64, model_hash: &str, today: NaiveDate) -> bool {
    run.is_trial || run.data_version != data_version || run.model_hash != model_hash || run.as_of < today
}

/// Start a score run
/// ja: スコア計算を始める
///
/// Scores all suppliers, and stores the results and the data that they are based on. Poll the job until it ends, then get
/// its `result_url`. A run for a past day scores what was known then and does not replace the latest scores. It uses the
/// buyer's present `buyer_breach_loss_jpy`.
/// ja: 全取引先のスコアを計算し、計算に使ったデータとともに保存する。ジョブの終了を確かめてから `result_url` を取得する。
/// 過去の日付では、その日までに登録されたデータで計算し、最新のスコアは変わらない。`buyer_breach_loss_jpy` は現在の設定を使う。
#[utoipa::path(
    tag = "score_runs",
    security(("bearer" = ["analyst"])),
    request_body(content = StartRun, description = "What to score; `{}` scores today.\nja: 計算の対象。`{}` なら今日のスコア"),
    responses((status = 202, body = crate::resources::jobs::JobView, description = "Accepted. `Location` is the address of the job.\nja: 受け付けた。`Location` はジョブのアドレス"), openapi::TooManyJobs)
)]
#[post("/score-runs")]
async fn start_score_run(
    analyst: Analyst,
    state: Data<State>,
    request: HttpRequest,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let caller = analyst.0;
    let today = caller.today();
    let (as_of, known_at) = read_start(&body, today)?;
    crate::resources::jobs::refuse_too_many(&state, &caller).await?;
    let zone = caller.time_zone;
    let run = state
        .db
        .read(&caller, move |tx| {
            let is_trial = known_at.is_some();
            let known_at = match known_at {
                None if as_of < today.day => known_then(tx, as_of, zone)?,
                given => given,
            };
            Ok(RunRequest { as_of, known_at, is_automatic: false, is_trial })
        })
        .await?;
    let job = work::queued::<ScoreRunWork>(state.clock(), &run, caller.name())?;
    crate::resources::jobs::store(&state, &caller, &job).await?;
    Ok(crate::resources::jobs::accepted(&state, &request, &job))
}

/// Returns the end of a past day, or `None` if nothing was known by then: a portfolio that was registered later is
/// scored as it is now.
pub(crate) fn known_then(tx: &mut Tx, as_of: NaiveDate, zone: chrono_tz::Tz) -> Result<Option<Timestamp>, RepoError> {
    let first = commits::first_moment(tx)?;
    let end = end_of_day(as_of, zone);
    Ok(end.filter(|end| first.is_some_and(|first| first <= *end)))
}

fn read_start(body: &JsonBody, today: Today) -> Result<(NaiveDate, Option<Timestamp>), ApiError> {
    let mut none = ();
    let mut fields = Fields::new(body.members().cells(), &mut none);
    fields.expect_only(&["as_of", "known_at"]);
    let as_of = fields.value::<Option<NaiveDate>>("as_of", None);
    let known_at = fields.value::<Option<Timestamp>>("known_at", None);
    if as_of.flatten().is_some_and(|day| day > today.day) {
        fields.faults.push(Fault::new("as_of", Reason::InTheFuture(today.day)));
    }
    if known_at.flatten().is_some_and(|moment| moment > today.moment) {
        fields.faults.push(Fault::new("known_at", Reason::InTheFuture(today.day)));
    }
    match (as_of, known_at, fields.faults) {
        (Some(as_of), Some(known_at), faults) if faults.is_empty() => Ok((as_of.unwrap_or(today.day), known_at)),
        (.., faults) => Err(Problem::body(faults).into()),
    }
}

/// The parameters of the list of runs, for the API document.
struct ListRuns;

impl IntoParams for ListRuns {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = HistoryQuery::into_params(|| None);
        let text = "`true`: only automatic runs; `false`: only requested ones.\nja: `true` なら自動計算だけ、`false` なら依頼された計算だけ";
        parameters.push(openapi::parameter("is_automatic", text, flag_schema(text, false), false));
        parameters
    }
}

/// The parameters of lists over several runs, for the API document.
pub(crate) struct HistoryQuery;

impl IntoParams for HistoryQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = openapi::page_parameters();
        parameters.extend(openapi::as_of_parameters());
        parameters
    }
}

/// The names of the parameters of [`HistoryQuery`].
pub(crate) const HISTORY: [&str; 4] = ["limit", "cursor", "as_of_gte", "as_of_lte"];

/// The parameters of what is read from one run, for the API document.
pub(crate) struct RunQuery;

impl IntoParams for RunQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let run = "The score run to read; the latest if omitted.\nja: 読み取るスコア計算。省略時は最新";
        vec![openapi::parameter("score_run_id", run, id_schema(run), false), if_none_match()]
    }
}

/// List score runs
/// ja: スコア計算を一覧する
///
/// The runs of the latest day come first. The settings say how long automatic runs are kept.
/// ja: 基準日の新しい順に返す。自動計算を保存する期間は設定で決まる。
#[utoipa::path(tag = "score_runs", security(("bearer" = ["viewer"])), params(ListRuns), responses((status = 200, body = ScoreRunList)))]
#[get("/score-runs")]
async fn list_score_runs(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let today = viewer.0.today().day;
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let asked = paging.query.read(&["limit", "cursor", "as_of_gte", "as_of_lte", "is_automatic"], |fields| {
        let asked = read_runs(fields, &paging)?;
        Some(RunList { is_automatic: fields.value("is_automatic", None)?, with_trials: true, ..asked })
    })?;
    let shared = state.clone();
    let page = state
        .db
        .read(&viewer.0, move |tx| {
            let page = page_of_runs(tx, &asked, &paging)?;
            let data_version = data_states::version(tx)?;
            Ok(page.map(|run| {
                let stale = is_stale(&run, data_version, shared.model.hash(), today);
                RunView::new(run, stale)
            }))
        })
        .await?;
    Ok(page.answer(None))
}

/// Reads which runs and which page are asked for. Runs can be filtered by day.
pub(crate) fn read_runs(fields: &mut Fields<'_>, paging: &Paging) -> Option<RunList> {
    let window = paging.read(fields);
    let as_of_gte = fields.value("as_of_gte", None);
    let as_of_lte = fields.value("as_of_lte", None);
    let window = window?;
    Some(RunList {
        as_of_gte: as_of_gte?,
        as_of_lte: as_of_lte?,
        is_automatic: None,
        with_trials: false,
        after: window.after,
        limit: window.limit,
    })
}

/// Reads a page of runs.
pub(crate) fn page_of_runs(tx: &mut Tx, asked: &RunList, paging: &Paging) -> Result<Page<RunRow>, RepoError> {
    let runs = score_runs::list(tx, asked)?;
    Ok(paging.page(runs, asked.limit, |run| (run.as_of, run.id)))
}

/// Get a score run
/// ja: スコア計算を取得する
///
/// What was scored, by which model and when.
/// ja: 計算の対象、モデル、日時など。
#[utoipa::path(tag = "score_runs", security(("bearer" = ["viewer"])), params(IdPath<ScoreRun>), responses((status = 200, body = RunView)))]
#[get("/score-runs/{id}")]
async fn get_score_run(viewer: Viewer, state: Data<State>, id: IdPath<ScoreRun>) -> Result<HttpResponse, ApiError> {
    let (today, shared) = (viewer.0.today().day, state.clone());
    let run = state
        .db
        .read(&viewer.0, move |tx| {
            let run = score_runs::find(tx, id.0)?.ok_or(ProblemKind::NotFound)?;
            let stale = is_stale(&run, data_states::version(tx)?, shared.model.hash(), today);
            Ok(RunView::new(run, stale))
        })
        .await?;
    Ok(HttpResponse::Ok().json(run))
}

/// Deletes runs and the jobs that made them. Returns how many inputs were deleted with them.
pub(crate) fn drop_runs(tx: &mut Tx, runs: &[RunId]) -> Result<usize, RepoError> {
    let inputs = score_runs::delete(tx, runs)?;
    jobs::delete(tx, &runs.iter().map(|run| JobId::of_run(*run)).collect::<Vec<_>>())?;
    Ok(inputs)
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(start_score_run).service(list_score_runs).service(get_score_run);
}
