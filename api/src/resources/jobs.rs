//! Jobs: work that outlasts a request, and survives a restart.

mod import;
mod stored_import;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, delete, get};
use schema::jobs::{self, JobRow};
use schema::{Job, JobId, JobKind, JobState, Timestamp, Tx};
use scoring::Lang;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use self::import::ImportResultView;
pub(crate) use self::stored_import::{
    Format, ImportFailure, ImportRequest, ImportResult, RowCounts, StoredGroup, TableReport, findings_url,
};
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::{Caller, Integrator, Viewer};
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, choice_schema};
use crate::http::page::{List, Paging};
use crate::http::state::State;
use crate::queue::outcome::StoredResult;
use crate::records::keys;

/// A job.
/// ja: ジョブ
#[derive(Serialize, ToSchema)]
#[schema(as = Job)]
pub(crate) struct JobView {
    /// The id of the job, and of the import or score run that it makes.
    /// ja: ジョブのID。取り込みやスコア計算のIDと同じ
    id: JobId,
    /// What the job does.
    /// ja: 種類
    kind: JobKind,
    /// The state of the job.
    /// ja: 状態
    state: JobState,
    /// The progress of the job; null unless it is running.
    /// ja: 進み具合。実行中でなければnull
    progress: Option<ProgressView>,
    /// What an import was asked to do; null for other jobs.
    /// ja: 取り込みの指定。ほかのジョブではnull
    request: Option<ImportRequest>,
    /// The result of an import. Null until the import has ended, and for other jobs.
    /// ja: 取り込みの結果。終わるまでと、ほかのジョブではnull
    result: Option<ImportResultView>,
    /// The address of what the job has made: the findings of an import, a score run, or the file of an export. Null
    /// until the job has ended, and for a score run or an export that failed.
    /// ja: 結果のアドレス（取り込みの指摘、スコア計算、書き出したファイル）。終わるまでと、スコア計算や書き出しが失敗した場合はnull
    #[schema(example = "/v1/score-runs/01999999-9999-7999-8999-999999999999")]
    result_url: Option<String>,
    /// Why the job ended without effect; null if it did not.
    /// ja: 何も反映されずに終わった理由。そうでなければnull
    failure: Option<FailureView>,
    /// When the job was requested.
    /// ja: 受け付けた日時
    created_at: Timestamp,
    /// The name of the token that requested the job; `automatic` for a score run that the service started itself.
    /// ja: 依頼したトークンの名前。サービスが自動で始めたスコア計算では `automatic`
    #[schema(example = "purchasing")]
    created_by: String,
    /// When work began; null while the job waits.
    /// ja: 始まった日時。待機中はnull
    started_at: Option<Timestamp>,
    /// When the job ended; null until then.
    /// ja: 終わった日時。終わるまではnull
    finished_at: Option<Timestamp>,
    /// The number of attempts. It is above 1 if the service was restarted during the job.
    /// ja: 実行した回数。途中でサービスが再起動すると2以上になる
    #[schema(example = 1)]
    attempt_count: i32,
}

/// The progress of a job.
/// ja: ジョブの進み具合
#[derive(Serialize, ToSchema)]
#[schema(as = JobProgress)]
struct ProgressView {
    /// The number of units done.
    /// ja: 済んだ数
    #[schema(example = 12_000)]
    done: u64,
    /// The total number of units; null if it is not known.
    /// ja: 全体の数。分からなければnull
    #[schema(example = 25_358)]
    total: Option<u64>,
    /// The unit: `rows` of an import, `steps` of a score run, `suppliers` of an export.
    /// ja: 数えるもの。取り込みは `rows`（行）、スコア計算は `steps`（段階）、書き出しは `suppliers`（取引先）
    #[schema(example = "rows")]
    unit: &'static str,
}

/// Why a job ended without effect.
/// ja: ジョブが何も反映せずに終わった理由
#[derive(Serialize, ToSchema)]
#[schema(as = JobFailure)]
struct FailureView {
    /// The stable code of the reason.
    /// ja: 理由のコード（変わらない）
    #[schema(example = "not-utf-8")]
    code: String,
    /// What was wrong, where, and what to do.
    /// ja: 理由、場所、対処
    #[schema(example = "row 3: the file is not UTF-8; save it as UTF-8")]
    detail: String,
}

type JobList = List<JobView>;

/// Returns a job as the API shows it.
pub(crate) fn view(state: &State, job: &JobRow, lang: Lang) -> JobView {
    let works = state.runner.works();
    let (request, result, failure) = parts(job, lang);
    let result_url = works.result_url(job);
    let running = state.runner.running_job(job.id);
    // A job that has just begun may still be stored as queued.
    let job = running.as_ref().map(|running| &running.job).filter(|_| job.state == JobState::Queued).unwrap_or(job);
    let here = running.as_ref().map(|running| (running.progress.done(), running.progress.total()));
    // The progress of a job of another process is what that process noted last.
    let noted = || {
        let total = job.progress_total.and_then(|total| u64::try_from(total).ok());
        job.progress_done.and_then(|done| u64::try_from(done).ok()).map(|done| (done, total))
    };
    let progress = here.or_else(noted).filter(|_| job.state == JobState::Running);
    JobView {
        id: job.id,
        kind: job.kind,
        state: job.state,
        progress: progress.map(|(done, total)| ProgressView { done, total, unit: works.unit(job.kind) }),
        request,
        result,
        result_url,
        failure,
        created_at: job.created_at,
        created_by: job.created_by.clone(),
        started_at: job.started_at,
        finished_at: job.finished_at,
        attempt_count: job.attempt_count,
    }
}

/// Returns the parts of a job that depend on its kind.
fn parts(job: &JobRow, lang: Lang) -> import::Parts {
    if job.kind == JobKind::Import {
        return import::parts(job, lang);
    }
    let result = job.result.as_deref().and_then(|result| stored::<StoredResult>(job, result));
    let failure = result.and_then(|result| result.failure);
    let failure = failure.map(|failure| FailureView { detail: failure.detail(lang).to_owned(), code: failure.code });
    (None, None, failure)
}

/// Reads what a job has stored as JSON.
fn stored<T: DeserializeOwned>(job: &JobRow, text: &str) -> Option<T> {
    serde_json::from_str(text)
        .inspect_err(|error| warn!(job_id = %job.id, %error, "what a job has stored cannot be read; it is not shown"))
        .ok()
}

impl JobView {
    /// Returns the same import, with another address of its findings.
    pub(crate) fn with_findings_at(mut self, url: &str) -> Self {
        self.result_url = self.result_url.map(|_| url.to_owned());
        if let Some(result) = &mut self.result {
            result.findings_url = url.to_owned();
        }
        self
    }
}

/// Stores a job and wakes the runner.
pub(crate) async fn store(state: &State, caller: &Caller, job: &JobRow) -> Result<(), ApiError> {
    let row = job.clone();
    state.db.write_jobs(caller, move |tx| Ok(jobs::insert(tx, &row)?)).await?;
    state.runner.wake();
    Ok(())
}

/// Answers 202 with a stored job and its address.
pub(crate) fn accepted(state: &State, request: &HttpRequest, job: &JobRow) -> HttpResponse {
    let mut accepted = HttpResponse::Accepted();
    accepted.insert_header((header::LOCATION, format!("/v1/jobs/{}", job.id)));
    answer(accepted, view(state, job, language(request.headers())))
}

/// Fails if a buyer has as many open jobs as it may have.
pub(crate) async fn refuse_too_many(state: &State, caller: &Caller) -> Result<(), ApiError> {
    let most = i64::from(state.limits.max_open_jobs);
    let open = state.db.read(caller, |tx| Ok(jobs::count_open(tx)?)).await?;
    if open < most {
        return Ok(());
    }
    Err(Problem::from(ProblemKind::TooManyJobs)
        .detail(
            format!("終わっていないジョブは{most}件までです。どれかが終わってから送り直してください"),
            format!("a buyer may have {most} open jobs; wait until one has ended, and send the request again"),
        )
        .into())
}

/// The parameters of the list of jobs, for the API document.
struct ListJobs;

impl IntoParams for ListJobs {
    fn into_params(
        _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        let mut parameters = openapi::page_parameters();
        let text = "Only jobs in this state.\nja: この状態のジョブだけ";
        let state = choice_schema(text, &keys::<JobState>(), "running");
        parameters.push(openapi::parameter("state", text, state, false));
        parameters
    }
}

/// List jobs
/// ja: ジョブを一覧する
///
/// The latest job comes first.
/// ja: 新しい順に返す。
#[utoipa::path(tag = "jobs", security(("bearer" = ["viewer"])), params(ListJobs), responses((status = 200, body = JobList)))]
#[get("/jobs")]
async fn list_jobs(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let paging = Paging::new(&state, &viewer.0, &request, query);
    let (window, wanted) = paging.query.read(&["limit", "cursor", "state"], |fields| {
        let window = paging.read::<JobId>(fields);
        let wanted = fields.value::<Option<JobState>>("state", None);
        Some((window?, wanted?))
    })?;
    let limit = window.limit;
    let running = state.runner.running_ids();
    let list = move |tx: &mut Tx| Ok(jobs::list(tx, wanted, &running, window.after, limit)?);
    let rows = state.db.read(&viewer.0, list).await?;
    let page = paging.page(rows, limit, |job| job.id);
    Ok(page.map(|job| view(&state, &job, lang)).answer(None))
}

/// Get a job
/// ja: ジョブを取得する
///
/// Poll the job until `finished_at` is set. `result_url` is then the address of what the job has made. The result of an
/// import has the numbers of rows that were created, updated, unchanged and rejected, and of records that were ended.
/// ja: `finished_at` が入るまで確認する。終わると `result_url` に結果のアドレスが入る。取り込みの `result` では、新規・更新・変更なし・不採用の行数と、
/// 終了にした件数が分かる。
#[utoipa::path(tag = "jobs", security(("bearer" = ["viewer"])), params(IdPath<Job>), responses((status = 200, body = JobView)))]
#[get("/jobs/{id}")]
async fn get_job(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
) -> Result<HttpResponse, ApiError> {
    let found = state.db.read(&viewer.0, move |tx| Ok(jobs::find(tx, id.0)?)).await?;
    let job = found.ok_or(ProblemKind::NotFound)?;
    Ok(answer(HttpResponse::Ok(), view(&state, &job, language(request.headers()))))
}

/// Answers with a job and, while it has not ended, with the time after which to ask again.
pub(crate) fn answer(mut builder: HttpResponseBuilder, job: JobView) -> HttpResponse {
    if job.finished_at.is_none() {
        builder.insert_header((header::RETRY_AFTER, "1"));
    }
    builder.json(job)
}

/// Cancel a job
/// ja: ジョブを取り消す
///
/// A waiting job never begins. A running job ends soon, and nothing that it did is kept. A job that has ended cannot be
/// cancelled.
/// ja: 待機中のジョブは始まらず、実行中のジョブはまもなく終わる。途中までの処理は何も反映されない。終わったジョブは取り消せない。
#[utoipa::path(
    tag = "jobs",
    security(("bearer" = ["integrator"])),
    params(IdPath<Job>),
    responses((status = 202, body = JobView, description = "The cancellation was requested.\nja: 取り消しを受け付けた"), openapi::JobEnded)
)]
#[delete("/jobs/{id}")]
async fn cancel_job(
    integrator: Integrator,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
) -> Result<HttpResponse, ApiError> {
    let caller = integrator.0;
    let found = state.db.read(&caller, move |tx| Ok(jobs::find(tx, id.0)?)).await?;
    let job = found.ok_or(ProblemKind::NotFound)?;
    if job.finished_at.is_some() {
        return Err(Problem::from(ProblemKind::WrongState)
            .detail("すでに終わったジョブです", "the job has already ended")
            .into());
    }
    // Before the database is changed: a running import holds its one writer.
    state.runner.cancel(id.0);
    let job = state
        .db
        .write_jobs(&caller, move |tx| {
            jobs::request_cancel(tx, id.0)?;
            Ok(jobs::find(tx, id.0)?)
        })
        .await?
        .ok_or(ProblemKind::NotFound)?;
    state.runner.wake();
    Ok(answer(HttpResponse::Accepted(), view(&state, &job, language(request.headers()))))
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_jobs).service(get_job).service(cancel_job);
}
