//! Files of submissions: the imports of a provider, which sees only its own.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use schema::jobs::{self, JobRow};
use schema::{Choice, ImportMode, Job, JobId, RecordKind};
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::sender::Sender;
use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::Provider;
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, choice_schema, flag_schema};
use crate::http::state::State;
use crate::records::{PageQuery, keys};
use crate::resources::imports::{self, FindingList, Format, ImportRequest, Upload};
use crate::resources::jobs::JobView;

/// The kinds of records that providers send.
const KINDS: [RecordKind; 2] = [RecordKind::Enrollments, RecordKind::Incidents];

/// The parameters of an import, for the API document.
struct SubmittedImportQuery;

impl IntoParams for SubmittedImportQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = "What the file holds; of a workbook, the sheet that is called so or the first one. Required, unless the file's name \
                    in a form is that of a kind.";
        let mode = "`all_or_nothing` (usual): no row is taken if any is bad. `accept_valid`: good rows are taken. `replace`: as \
                    `all_or_nothing`, and what the provider sent before and does not now is ended, of suppliers that are assigned to it.";
        let dry_run = "`true`: everything is checked and counted, but nothing is stored.";
        let confirm = "`true`: a replacing import may end more than 20% of what the provider has sent.";
        let modes = keys::<ImportMode>();
        vec![
            openapi::parameter("kind", kind, choice_schema(kind, &KINDS.map(Choice::key), "incidents"), false),
            openapi::parameter("mode", mode, choice_schema(mode, &modes, "all_or_nothing"), false),
            openapi::parameter("dry_run", dry_run, flag_schema(dry_run, true), false),
            openapi::parameter("confirm", confirm, flag_schema(confirm, true), false),
            imports::format_parameter(),
            openapi::parameter("accept_unread_columns", imports::UNREAD, flag_schema(imports::UNREAD, true), false),
        ]
    }
}

fn read_order(
    query: &Query,
    sender: &Sender,
    format: Option<Format>,
    by_name: Option<RecordKind>,
) -> Result<ImportRequest, ApiError> {
    let mut order =
        query.read(&["kind", "mode", "dry_run", "confirm", "accept_unread_columns", "format"], |fields| {
            let kind = imports::read_kind(fields, by_name, &KINDS.map(Choice::key), format.is_some());
            imports::read_manner(fields, (kind, Some(sender.source.clone())), format)
        })?;
    order.provider_name = Some(sender.provider.clone());
    Ok(order)
}

/// The body of a submitted import as a form.
struct SubmittedImportForm;

impl PartialSchema for SubmittedImportForm {
    fn schema() -> RefOr<Schema> {
        imports::form_schema(SubmittedImportQuery::into_params(|| None))
    }
}

impl ToSchema for SubmittedImportForm {}

/// Submit a file
///
/// CSV, NDJSON or XLSX, as the raw body of any media type or as the part `file` of a form, whose other parts are parameters; gzip too.
/// Its first bytes say what it is. Columns are those of the import template; `corporate_number` (法人番号) may stand in place of
/// `supplier_code`. The file is stored before the answer; a job reads it. What is no such file is refused at once. Columns that the
/// file lacks stay as they are, empty cells make a value unknown, and sending a file twice changes nothing.
#[utoipa::path(
    tag = "submissions",
    security(("bearer" = ["provider"])),
    params(SubmittedImportQuery),
    request_body(description = "The file.", content(
        (inline(openapi::FileBody) = "application/octet-stream", example = "external_id,supplier_code,occurred_on,outcome\nI1,S0000001,2026-08-10,blocked\n"),
        (SubmittedImportForm = "multipart/form-data"),
        (inline(openapi::FileBody) = "text/csv", example = "external_id,supplier_code,occurred_on,outcome\nI1,S0000001,2026-08-10,blocked\n"),
        (inline(openapi::FileBody) = "application/x-ndjson", example = "{\"external_id\": \"I1\", \"corporate_number\": \"7010401022916\", \"occurred_on\": \"2026-08-10\", \"outcome\": \"blocked\"}\n"),
        (inline(openapi::FileBody) = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "(a workbook)"),
    )),
    responses((status = 202, body = JobView, description = "Stored; Location names the import."), openapi::TooManyJobs)
)]
#[post("/submissions/imports")]
async fn create_submitted_import(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    body: Upload,
) -> Result<HttpResponse, ApiError> {
    let sender = Sender::new(&provider)?;
    let read = |query: &Query, format, by_name| read_order(query, &sender, format, by_name);
    let job = imports::accept(&provider.0, &state, &request, (query, body), read).await?;
    let mut accepted = HttpResponse::Accepted();
    accepted.insert_header((header::LOCATION, address(job.id)));
    Ok(answer(accepted, &state, &request, &job))
}

fn address(id: JobId) -> String {
    format!("/v1/submissions/imports/{id}")
}

/// Answers with an import, and with the address at which a provider finds its findings.
fn answer(
    mut builder: actix_web::HttpResponseBuilder,
    state: &State,
    request: &HttpRequest,
    job: &JobRow,
) -> HttpResponse {
    if job.finished_at.is_none() {
        builder.insert_header((header::RETRY_AFTER, "1"));
    }
    let mut view = crate::resources::jobs::view(state, job, language(request.headers()));
    for place in ["/result/findings_url", "/result_url"] {
        if let Some(url) = view.pointer_mut(place).filter(|url| url.is_string()) {
            *url = json!(format!("{}/findings", address(job.id)));
        }
    }
    builder.json(view)
}

/// Finds an import that the provider itself sent.
async fn find(provider: &Provider, state: &State, id: JobId) -> Result<JobRow, ApiError> {
    let sender = Sender::new(provider)?;
    let found = state.db.read(&provider.0, move |tx| Ok(jobs::find(tx, id)?)).await?;
    // A job that is not an import belongs to no provider.
    let is_own =
        |job: &JobRow| serde_json::from_str::<ImportRequest>(&job.request).is_ok_and(|request| sender.is_own(&request));
    Ok(found.filter(is_own).ok_or(ProblemKind::NotFound)?)
}

/// Get a submitted import
///
/// Ask again until it has `finished_at`. The result says how many rows were created, updated, unchanged, rejected and ended, and
/// where its findings are.
#[utoipa::path(tag = "submissions", security(("bearer" = ["provider"])), params(IdPath<Job>), responses((status = 200, body = JobView, description = "The import.")))]
#[get("/submissions/imports/{id}")]
async fn get_submitted_import(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
) -> Result<HttpResponse, ApiError> {
    let job = find(&provider, &state, id.0).await?;
    Ok(answer(HttpResponse::Ok(), &state, &request, &job))
}

/// List the findings of a submitted import
///
/// Each rejected row with its reasons, and each warning, in the order of the file.
#[utoipa::path(
    tag = "submissions",
    security(("bearer" = ["provider"])),
    params(IdPath<Job>, PageQuery),
    responses((status = 200, body = FindingList, description = "The page."))
)]
#[get("/submissions/imports/{id}/findings")]
async fn list_submitted_import_findings(
    provider: Provider,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let job = find(&provider, &state, id.0).await?;
    imports::list_findings(provider.0, &state, &request, query, job.id).await
}

pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create_submitted_import).service(get_submitted_import).service(list_submitted_import_findings);
}
