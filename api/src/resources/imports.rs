//! Imports: files in, records and a report of every row out.
//!
//! The path of a file: `upload` receives its bytes as they come, and `sniff` finds its format before it is accepted.
//! The bytes are stored and a job is queued. `run` copies the bytes to an unnamed file and opens it as tables: `csv`,
//! `ndjson`, or `xlsx`, which unpacks each sheet into rows. `table` has the fields of a kind, which
//! [`crate::files::header`] matches with headings. `engine` reads, compares and writes batches of rows, and `report`
//! keeps the findings of each row.
//!
//! What must hold:
//!
//! - **All or nothing**, unless the sender asks that valid rows be taken: rows, findings and the end of the job are one
//!   transaction.
//! - **Nothing is changed silently.** A cell that a spreadsheet has converted to something else is a fault. A column
//!   that is not read is named.
//! - **A trial (`dry_run`) reports what the import would do**, row by row, and keeps nothing.
//! - Memory, disk and time are bounded by the limits of [`crate::base::config::Limits`], however a workbook is packed.
//! - A row is counted and located as its sender sees it: by the sheet and the line of the file.

mod csv;
mod engine;
mod ndjson;
mod report;
mod run;
mod sniff;
mod table;
mod template;
mod upload;
mod xlsx;

use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use bytes::Bytes;
use schema::jobs::{self, JobRow};
use schema::{Choice, Job, JobId, RecordKind, Source};
use scoring::Lang;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use report::Group as FindingGroup;
pub(crate) use run::{Format, ImportRequest, ImportWork, Outcome, import_folder};
pub(crate) use table::scored_columns;
pub(crate) use upload::Upload;

use crate::base::fault::{Fault, Reason};
use crate::base::fields::Fields;
use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::text::Text;
use crate::http::auth::{Caller, Integrator, Viewer};
use crate::http::extract::{IdPath, Query, language};
use crate::http::openapi::{self, choice_schema, flag_schema, object, text_schema, whole_schema};
use crate::http::page::Paging;
use crate::http::state::State;
use crate::queue::work;
use crate::records::{PageQuery, keys};
use upload::Incoming;

/// The parameters of an import, for the API document.
struct ImportQuery;

impl IntoParams for ImportQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = "What the file holds. A workbook needs none: its sheets say it by their names, as in the template.";
        let source = "The source of the rows; `manual` if omitted. External ids belong to their source.";
        let mode = "`all_or_nothing` (usual): no row is taken if any is bad. `accept_valid`: good rows are taken. `replace`: as \
                    `all_or_nothing`, and what this source delivered before and does not now is ended, never deleted.";
        vec![
            openapi::parameter("kind", kind, choice_schema(kind, &keys::<RecordKind>(), "suppliers"), false),
            openapi::parameter("source", source, text_schema(source, "erp").max_length(64), false),
            openapi::parameter(
                "mode",
                mode,
                choice_schema(mode, &keys::<schema::ImportMode>(), "all_or_nothing"),
                false,
            ),
            flag("dry_run", "`true`: everything is checked and counted, but nothing is stored."),
            flag("confirm", "`true`: a replacing import may end more than 20% of what its source holds."),
            format_parameter(),
            flag("accept_unread_columns", UNREAD),
        ]
    }
}

/// Returns the parameter that names the format of the bytes.
pub(crate) fn format_parameter() -> Parameter {
    let text = "The format of the file. If omitted, its first bytes say it; its name and media type do not.";
    openapi::parameter("format", text, choice_schema(text, &FORMATS.map(|(name, _)| name), "csv"), false)
}

/// The description of the parameter that lets columns go unread.
pub(crate) const UNREAD: &str = "`true`: columns that scores rest on, such as 業種 or 資本金 in another unit, are left out with a \
                                 warning where they cannot be read; usually they refuse the file.";

fn flag(name: &str, text: &str) -> Parameter {
    openapi::parameter(name, text, flag_schema(text, true), false)
}

/// Returns the schema of a form with a file. Its parameters may be in the address instead.
pub(crate) fn form_schema(parameters: Vec<Parameter>) -> RefOr<Schema> {
    let form = object("A form with a file. Each parameter stands either here, before the file, or in the address.")
        .property("file", openapi::file_schema("The file."), true);
    let form = parameters.into_iter().fold(form, |form, parameter| match parameter.schema {
        Some(schema) => form.property(&parameter.name, schema, false),
        None => form,
    });
    form.closed().into()
}

/// The body of an import as a form.
struct ImportForm;

impl PartialSchema for ImportForm {
    fn schema() -> RefOr<Schema> {
        form_schema(ImportQuery::into_params(|| None))
    }
}

impl ToSchema for ImportForm {}

/// Import a file
///
/// CSV, NDJSON or XLSX, as the raw body of any media type or as the part `file` of a form, whose other parts are parameters; gzip too.
/// Its first bytes say what it is. Columns have the names of the template or their Japanese headings. The file is stored before the
/// answer; a job reads it. What is no such file is refused at once. Columns that the file lacks stay as they are, empty cells make a
/// value unknown, and importing a file twice changes nothing.
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["integrator"])),
    params(ImportQuery),
    request_body(description = "The file.", content(
        (inline(openapi::FileBody) = "application/octet-stream", example = "supplier_code,name\nS0000001,備製作所株式会社\n"),
        (ImportForm = "multipart/form-data"),
        (inline(openapi::FileBody) = "text/csv", example = "supplier_code,name\nS0000001,備製作所株式会社\n"),
        (inline(openapi::FileBody) = "application/x-ndjson", example = "{\"supplier_code\": \"S0000001\", \"name\": \"備製作所株式会社\"}\n"),
        (inline(openapi::FileBody) = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "(a workbook)"),
    )),
    responses((status = 202, body = crate::resources::jobs::JobView, description = "Stored; Location names the job."), openapi::TooManyJobs)
)]
#[post("/imports")]
async fn create_import(
    integrator: Integrator,
    state: Data<State>,
    request: HttpRequest,
    query: Query,
    body: Upload,
) -> Result<HttpResponse, ApiError> {
    let job = accept(&integrator.0, &state, &request, (query, body), read_order).await?;
    Ok(crate::resources::jobs::accepted(&state, &request, &job))
}

/// Stores a file and the job that imports it.
///
/// `read` reads the parameters. Once the format of the file is known, a parameter that it needs and that is missing is
/// a fault. The kind may come from the file's name.
pub(crate) async fn accept(
    caller: &Caller,
    state: &State,
    request: &HttpRequest,
    (mut query, body): (Query, Upload),
    read: impl Fn(&Query, Option<Format>, Option<RecordKind>) -> Result<ImportRequest, ApiError>,
) -> Result<JobRow, ApiError> {
    // Faults in the parameters are reported before any byte of the body is requested.
    read(&query, None, None)?;
    crate::resources::jobs::refuse_too_many(state, caller).await?;
    state.expect_room(request)?;
    let mut file = Incoming::open(request, body, state.limits).await?;
    let (before, by_name) = (file.parameters().len(), file.kind_by_name());
    query.0.extend_from_slice(file.parameters());
    read(&query, None, by_name)?;
    let asked = asked_format(&query);
    let format = file.recognise(asked).await?;
    if !file.is_form() {
        read(&query, Some(format), by_name)?;
    }
    let id = state.clock().id();
    let stored = async {
        let bytes = store(state, caller, id, &mut file).await?;
        file.finish().await?;
        query.0.extend(file.parameters().iter().skip(before).cloned());
        let order = read(&query, Some(format), by_name)?;
        if asked_format(&query) != asked {
            let text = Text::new("format はファイルより前に置いてください", "put format before the file");
            return Err(
                Problem::parameters(vec![Fault::new("format", Reason::File { code: "format-differs", text })]).into()
            );
        }
        Ok::<_, ApiError>(ImportRequest { bytes, today: caller.today().day, ..order })
    };
    let order = match stored.await {
        Ok(order) => order,
        Err(error) => {
            state.db.write_jobs(caller, move |tx| Ok(jobs::delete_chunks(tx, id)?)).await?;
            return Err(error);
        }
    };
    let job = JobRow { id, ..work::queued::<ImportWork>(state.clock(), &order, caller.name())? };
    crate::resources::jobs::store(state, caller, &job).await?;
    Ok(job)
}

const FORMATS: [(&str, Format); 3] = [("csv", Format::Csv), ("ndjson", Format::Ndjson), ("xlsx", Format::Xlsx)];

/// Returns the format that the parameters ask for. [`read_manner`] checks that it is a known one.
fn asked_format(query: &Query) -> Option<Format> {
    let (_, asked) = query.0.iter().find(|(name, _)| name == "format")?;
    FORMATS.iter().find(|(name, _)| name == asked).map(|(_, format)| *format)
}

fn read_order(query: &Query, format: Option<Format>, by_name: Option<RecordKind>) -> Result<ImportRequest, ApiError> {
    query.read(&["kind", "source", "mode", "dry_run", "confirm", "accept_unread_columns", "format"], |fields| {
        // A workbook needs no kind: the names of its sheets give it.
        let is_needed = matches!(format, Some(Format::Csv | Format::Ndjson));
        let kind = read_kind(fields, by_name, &keys::<RecordKind>(), is_needed);
        let source = fields.source();
        read_manner(fields, (kind, source), format)
    })
}

/// Reads the kind of records in a file: from the parameter or, if omitted, from the file's name.
pub(crate) fn read_kind(
    fields: &mut Fields<'_>,
    by_name: Option<RecordKind>,
    known: &[&'static str],
    is_needed: bool,
) -> Option<Option<RecordKind>> {
    let by_name = by_name.filter(|kind| known.contains(&kind.key()));
    let kind = fields.value::<Option<RecordKind>>("kind", None)?.or(by_name);
    let reason = match kind {
        None if is_needed => Reason::KindNeeded(known.to_vec()),
        Some(kind) if !known.contains(&kind.key()) => Reason::NotOneOf(known.to_vec()),
        _ => return Some(kind),
    };
    fields.faults.push(Fault { field: "kind".to_owned(), value: kind.map(|kind| kind.key().to_owned()), reason });
    None
}

/// Reads how an import is to be done, given its kind and its source.
pub(crate) fn read_manner(
    fields: &mut Fields<'_>,
    (kind, source): (Option<Option<RecordKind>>, Option<Source>),
    format: Option<Format>,
) -> Option<ImportRequest> {
    let mode = fields.value::<Option<schema::ImportMode>>("mode", None);
    let dry_run = fields.value::<Option<bool>>("dry_run", None);
    let confirm = fields.value::<Option<bool>>("confirm", None);
    let asked = fields.value::<Option<String>>("format", None)?;
    if asked.is_some_and(|asked| FORMATS.iter().all(|(name, _)| *name != asked)) {
        fields.faults.push(Fault::new("format", Reason::NotOneOf(FORMATS.map(|(name, _)| name).to_vec())));
    }
    let accept_unread_columns = fields.value::<Option<bool>>("accept_unread_columns", None);
    Some(ImportRequest {
        kind: kind?,
        source: source?,
        mode: mode?.unwrap_or(schema::ImportMode::AllOrNothing),
        dry_run: dry_run?.unwrap_or(false),
        confirm: confirm?.unwrap_or(false),
        accept_unread_columns: accept_unread_columns?.unwrap_or(false),
        format: format.unwrap_or(Format::Csv),
        bytes: 0,
        today: Default::default(),
        provider_name: None,
    })
}

/// How many bytes of an upload are stored as one part, at least.
const CHUNK_BYTES: usize = 1 << 20;

/// Stores an upload part by part, so that a job that starts again after a restart finds it. Returns its size in bytes.
async fn store(state: &State, caller: &Caller, id: JobId, file: &mut Incoming) -> Result<u64, ApiError> {
    let (mut seq, mut bytes) = (0, 0);
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let piece = file.next().await?;
        let is_end = piece.is_none();
        if let Some(piece) = piece {
            bytes += piece.len() as u64;
            chunk.extend_from_slice(&piece);
        }
        if chunk.len() >= CHUNK_BYTES || (is_end && !chunk.is_empty()) {
            let full = Bytes::from(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_BYTES)));
            state.db.write_jobs(caller, move |tx| Ok(jobs::insert_chunk(tx, id, seq, &full)?)).await?;
            seq += 1;
        }
        if is_end {
            return Ok(bytes);
        }
    }
}

/// The schema of a finding of an import.
struct FindingView;

impl PartialSchema for FindingView {
    fn schema() -> RefOr<Schema> {
        object("What an import says of a row.")
            .property("is_warning", flag_schema("Whether the row was imported nevertheless.", false), true)
            .property("sheet", text_schema("The sheet, or the file of a folder.", "取引先").or_null(), true)
            .property("row", whole_schema("The row or line, as the user sees it.", 12).or_null(), true)
            .property("column", text_schema("The column.", "employee_count").or_null(), true)
            .property("value", text_schema("The value of the cell, truncated if long.", "80名").or_null(), true)
            .property("code", text_schema("The stable code of the reason.", "not-a-number"), true)
            .property("detail", text_schema("What is wrong and what to do.", "not a number; write digits only"), true)
            .into()
    }
}

impl ToSchema for FindingView {
    fn name() -> std::borrow::Cow<'static, str> {
        "Finding".into()
    }
}

/// The schema of a page of findings.
pub(crate) struct FindingList;

impl PartialSchema for FindingList {
    fn schema() -> RefOr<Schema> {
        openapi::list_schema("Finding").into()
    }
}

impl ToSchema for FindingList {
    fn name() -> std::borrow::Cow<'static, str> {
        "FindingList".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((FindingView::name().into_owned(), FindingView::schema()));
    }
}

/// List the findings of an import
///
/// Each rejected row with its reasons, and each warning, in the order of the file.
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["viewer"])),
    params(IdPath<Job>, PageQuery),
    responses((status = 200, body = FindingList, description = "The page."))
)]
#[get("/imports/{id}/findings")]
async fn list_import_findings(
    viewer: Viewer,
    state: Data<State>,
    request: HttpRequest,
    id: IdPath<Job>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let job = state.db.read(&viewer.0, move |tx| Ok(jobs::find(tx, id.0)?)).await?;
    let job = job.ok_or(ProblemKind::NotFound)?;
    list_findings(viewer.0, &state, &request, query, job.id).await
}

/// Lists the findings of an import that the caller may see.
pub(crate) async fn list_findings(
    caller: Caller,
    state: &State,
    request: &HttpRequest,
    query: Query,
    id: JobId,
) -> Result<HttpResponse, ApiError> {
    let lang = language(request.headers());
    let paging = Paging::new(state, &caller, request, query);
    let window = paging.query.read(&["limit", "cursor"], |fields| paging.read::<i32>(fields))?;
    let (from, limit) = (window.after.map_or(0, |seq| seq + 1), window.limit);
    let rows = state.db.read(&caller, move |tx| Ok(jobs::list_findings(tx, id, from, limit)?)).await?;
    let page = paging.page(rows, limit, |row| row.seq).map(|row| {
        json!({
            "is_warning": row.is_warning, "sheet": row.sheet, "row": row.row_number, "column": row.column_name,
            "value": row.value, "code": row.code, "detail": lang.pick(&row.detail_ja, &row.detail_en),
        })
    });
    Ok(page.answer(None))
}

/// The parameters of the template, for the API document.
struct TemplateQuery;

impl IntoParams for TemplateQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The language of headings, lists and explanations; by Accept-Language if omitted.";
        vec![openapi::parameter("lang", text, choice_schema(text, &["ja", "en"], "ja"), false)]
    }
}

/// Get the import template
///
/// A workbook with a sheet for each kind, lists for closed sets, and a sheet that explains each column.
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["viewer"])),
    params(TemplateQuery),
    responses((
        status = 200, body = inline(openapi::FileBody), description = "The workbook.",
        content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "(a workbook)"
    ))
)]
#[get("/imports/template.xlsx")]
async fn get_import_template(_: Viewer, request: HttpRequest, query: Query) -> Result<HttpResponse, ApiError> {
    let asked = query.read(&["lang"], |fields| {
        let asked = fields.value::<Option<String>>("lang", None)?;
        if asked.as_deref().is_some_and(|lang| !matches!(lang, "ja" | "en")) {
            let reason = crate::base::fault::Reason::NotOneOf(vec!["ja", "en"]);
            fields.faults.push(crate::base::fault::Fault::new("lang", reason));
        }
        Some(asked)
    })?;
    let lang = match asked.as_deref() {
        Some("ja") => Lang::Ja,
        Some("en") => Lang::En,
        _ => language(request.headers()),
    };
    let book = actix_web::web::block(move || template::write(lang)).await.map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"sonae-template.xlsx\""))
        .body(book.map_err(ApiError::internal)?))
}

pub(crate) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(create_import).service(get_import_template).service(list_import_findings);
}
