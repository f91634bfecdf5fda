//! Files of submissions: the imports of a provider, which sees only its own.

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, post};
use schema::jobs::{self, JobRow};
use schema::{Choice, ImportMode, Job, JobId, RecordKind};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

use super::sender::Sender;
use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::Provider;
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, choice_schema};
use crate::http::state::State;
use crate::records::{PageQuery, keys};
use crate::resources::imports::{self, FindingList, Upload};
use crate::resources::jobs::{Format, ImportRequest, JobView};

/// The kinds of records that providers send.
const KINDS: [RecordKind; 3] = [RecordKind::Enrollments, RecordKind::Assessments, RecordKind::Incidents];

/// The parameters of an import, for the API document.
struct SubmittedImportQuery;

impl IntoParams for SubmittedImportQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = "What the file holds. Required, unless the file of a form is named after a kind. In a workbook, the sheet with \
                    that name is read, or the first visible sheet if none has it.\nja: ファイルの内容。必須（種類の名前のファイルをフォームで送る場合は不要）。\
                    ブックでは、その名前のシート（なければ最初の表示中のシート）を読む";
        let mode = "`all_or_nothing`, the default: no row is imported if any row is rejected. `accept_valid`: the rows without faults \
                    are imported. `replace`: as `all_or_nothing`, and what the provider sent before about suppliers assigned to it is \
                    ended if the file does not have it.\nja: `all_or_nothing`（省略時）は、1行でも誤りがあれば何も取り込まない。\
                    `accept_valid` は、誤りのない行だけを取り込む。`replace` は `all_or_nothing` に加え、担当する取引先について以前に\
                    送った記録のうち、ファイルにないものを終了にする";
        let confirm = "`true`: an import with `mode=replace` may end more than 20% of the records that the provider has sent.\nja: \
                       `true` なら、`mode=replace` で、送った記録の20%を超える終了を認める";
        let modes = keys::<ImportMode>();
        vec![
            openapi::parameter("kind", kind, choice_schema(kind, &KINDS.map(Choice::key), "incidents"), false),
            openapi::parameter("mode", mode, choice_schema(mode, &modes, "all_or_nothing"), false),
            imports::flag("dry_run", imports::DRY_RUN),
            imports::flag("confirm", confirm),
            imports::format_parameter(),
            imports::flag("accept_unread_columns", imports::ACCEPT_UNREAD_COLUMNS),
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
/// ja: ファイルを送る
///
/// The file is CSV, NDJSON or XLSX, with or without gzip. It is the body, with any media type, or the part `file` of a
/// form, whose other parts are parameters. Headings are those of the import template; `corporate_number` (法人番号) may
/// replace `supplier_code`. A file that cannot be imported is refused at once. Any other file is stored, and a job
/// imports it. Columns that the file does not have keep their values. Empty cells make a value unknown. Sending a file
/// twice changes nothing.
/// ja: CSV、NDJSON、Excelブック（.xlsx）を、そのまま、またはgzipで送る。ファイルは本文（メディアタイプは問わない）か、フォームの `file` に入れる。
/// フォームのほかの項目はパラメーターになる。見出しは取り込み用のひな形と同じで、`supplier_code` の代わりに `corporate_number`（法人番号）も使える。
/// 取り込めないファイルはその場で拒否し、それ以外は保存してジョブが取り込む。ファイルにない列の値は変わらず、空のセルは値を「不明」にする。
/// 同じファイルを2回送っても何も変わらない。
#[utoipa::path(
    tag = "submissions",
    security(("bearer" = ["provider"])),
    params(SubmittedImportQuery),
    request_body(description = "The file.\nja: ファイル", content(
        (inline(openapi::FileBody) = "application/octet-stream", example = "external_id,supplier_code,occurred_on,outcome\nI1,S0000001,2026-08-10,blocked\n"),
        (SubmittedImportForm = "multipart/form-data"),
        (inline(openapi::FileBody) = "text/csv", example = "external_id,supplier_code,occurred_on,outcome\nI1,S0000001,2026-08-10,blocked\n"),
        (inline(openapi::FileBody) = "application/x-ndjson", example = "{\"external_id\": \"I1\", \"corporate_number\": \"7010401022916\", \"occurred_on\": \"2026-08-10\", \"outcome\": \"blocked\"}\n"),
        (inline(openapi::FileBody) = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "(a workbook)"),
    )),
    responses(
        (
            status = 202, body = JobView,
            description = "The file was stored, and the job will import it.\nja: ファイルを保存した。このジョブが取り込む"
        ),
        openapi::TooManyJobs
    )
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

/// Returns the address at which a provider reads an import.
fn address(id: JobId) -> String {
    format!("/v1/submissions/imports/{id}")
}

/// Answers with an import, whose findings have an address that a provider may read.
fn answer(builder: HttpResponseBuilder, state: &State, request: &HttpRequest, job: &JobRow) -> HttpResponse {
    let view = crate::resources::jobs::view(state, job, language(request.headers()));
    crate::resources::jobs::answer(builder, view.with_findings_at(&format!("{}/findings", address(job.id))))
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
/// ja: 送ったファイルの取り込みを確認する
///
/// Poll the import until `finished_at` is set. The result then has the numbers of rows that were created, updated,
/// unchanged and rejected, the number of records that were ended, and the address of the findings.
/// ja: `finished_at` が入るまで確認する。終わると `result` に、新規・更新・変更なし・不採用の行数、終了にした件数、指摘の一覧のアドレスが入る。
#[utoipa::path(
    tag = "submissions",
    security(("bearer" = ["provider"])),
    params(IdPath<Job>),
    responses((status = 200, body = JobView, description = "The import, as a job.\nja: 取り込みのジョブ"))
)]
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
/// ja: 送ったファイルの指摘を一覧する
///
/// Each fault of a rejected row, and each warning, in the order of the file.
/// ja: 不採用の行の誤りと警告を、ファイルの順に返す。
#[utoipa::path(
    tag = "submissions",
    security(("bearer" = ["provider"])),
    params(IdPath<Job>, PageQuery),
    responses((status = 200, body = FindingList))
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
