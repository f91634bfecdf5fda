//! Jobs: work that outlasts a request, and survives a restart.

mod import;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, delete, get};
use schema::jobs::{self, JobRow};
use schema::{Job, JobId, JobKind, JobState, Tx};
use scoring::Lang;
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::http::auth::{Caller, Integrator, Viewer};
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, choice_schema, id_schema, object, text_schema, time_schema, whole_schema};
use crate::http::page::Paging;
use crate::http::state::State;
use crate::records::keys;

/// The schema of a job.
pub(crate) struct JobView;

impl PartialSchema for JobView {
    fn schema() -> RefOr<Schema> {
        let progress = object("Its progress; null unless it is running.")
            .property("done", whole_schema("The number of units done.", 12_000), true)
            .property("total", whole_schema("The total number of units, if known.", 25_358).or_null(), true)
            .property("unit", text_schema("What is counted.", "rows"), true);
        let failure = object("Why it ended without effect; null if it did not.")
            .property("code", text_schema("The stable code.", "not-utf-8"), true)
            .property(
                "detail",
                text_schema("What was wrong and what to do.", "not UTF-8; save the file as UTF-8"),
                true,
            );
        let request = import::request_schema().described("What an import was asked to do; null for other jobs.");
        object("A job.")
            .property("id", id_schema("The id: of the job, and of the import or score run that it makes."), true)
            .property("kind", choice_schema("What it does.", &keys::<JobKind>(), "import"), true)
            .property("state", choice_schema("How far it is.", &keys::<JobState>(), "succeeded"), true)
            .property("progress", progress.or_null(), true)
            .property("request", request.or_null(), true)
            .property("result", import::result_schema().or_null(), true)
            .property(
                "result_url",
                text_schema(
                    "The address of its result: findings, a score run, or a file. Null until it has ended.",
                    "/v1/score-runs/0199…",
                )
                .or_null(),
                true,
            )
            .property("failure", failure.or_null(), true)
            .property("created_at", time_schema("When it was requested."), true)
            .property("created_by", text_schema("The token that requested it.", "purchasing"), true)
            .property("started_at", time_schema("When work began.").or_null(), true)
            .property("finished_at", time_schema("When it ended.").or_null(), true)
            .property("attempt_count", whole_schema("The number of attempts; one more after each restart.", 1), true)
            .into()
    }
}

impl ToSchema for JobView {
    fn name() -> std::borrow::Cow<'static, str> {
        "Job".into()
    }
}

/// The schema of a page of jobs.
pub(crate) struct JobList;

impl PartialSchema for JobList {
    fn schema() -> RefOr<Schema> {
        openapi::list_schema("Job").into()
    }
}

impl ToSchema for JobList {
    fn name() -> std::borrow::Cow<'static, str> {
        "JobList".into()
    }
}

/// Returns a job as the API shows it.
pub(crate) fn view(state: &State, job: &JobRow, lang: Lang) -> Value {
    let details = state.runner.works().details(job, lang);
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
    let progress = progress.map(|(done, total)| json!({ "done": done, "total": total, "unit": details.unit }));
    json!({
        "id": job.id, "kind": job.kind, "state": job.state, "progress": progress, "request": details.request,
        "result": details.result, "result_url": details.result_url, "failure": details.failure,
        "created_at": job.created_at, "created_by": job.created_by, "started_at": job.started_at,
        "finished_at": job.finished_at, "attempt_count": job.attempt_count,
    })
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
    answer(accepted, state, request, job)
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
            format!("終わっていないジョブは{most}件までです。終わるのを待ってください"),
            format!("{most} jobs may be open; wait until some have ended"),
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
        let state = choice_schema("The state.", &keys::<JobState>(), "running");
        parameters.push(openapi::parameter("state", "Only those in this state.", state, false));
        parameters
    }
}

/// List jobs
///
/// Latest first.
#[utoipa::path(tag = "jobs", security(("bearer" = ["viewer"])), params(ListJobs), responses((status = 200, body = JobList, description = "The page.")))]
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
///
/// Ask again until `finished_at` is there; `result_url` then says where what it made is. The result of an import says how many rows were
/// created, updated, unchanged, rejected and ended.
#[utoipa::path(tag = "jobs", security(("bearer" = ["viewer"])), params(IdPath<Job>), responses((status = 200, body = JobView, description = "The job.")))]
#[get("/jobs/{id}")]
async fn get_job(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
) -> Result<HttpResponse, ApiError> {
    let found = state.db.read(&viewer.0, move |tx| Ok(jobs::find(tx, id.0)?)).await?;
    let job = found.ok_or(ProblemKind::NotFound)?;
    Ok(answer(HttpResponse::Ok(), &state, &request, &job))
}

/// Answers with a job and, while it has not ended, with the time after which to ask again.
pub(crate) fn answer(
    mut builder: actix_web::HttpResponseBuilder,
    state: &State,
    request: &HttpRequest,
    job: &JobRow,
) -> HttpResponse {
    if job.finished_at.is_none() {
        builder.insert_header((header::RETRY_AFTER, "1"));
    }
    builder.json(view(state, job, language(request.headers())))
}

/// Cancel a job
///
/// A job that waits or runs ends without effect, at once or after the rows in hand.
#[utoipa::path(
    tag = "jobs",
    security(("bearer" = ["integrator"])),
    params(IdPath<Job>),
    responses((status = 202, body = JobView, description = "Its end was asked for."), openapi::WrongState)
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
        return Err(Problem::from(ProblemKind::WrongState).detail("終わったジョブです", "the job has ended").into());
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
    Ok(answer(HttpResponse::Accepted(), &state, &request, &job))
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(list_jobs).service(get_job).service(cancel_job);
}
