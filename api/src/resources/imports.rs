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
mod findings;
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
use schema::{Choice, JobId, RecordKind, Source};
use scoring::Lang;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use findings::{FindingList, list_findings};
pub(crate) use report::Group as FindingGroup;
pub(crate) use run::{ImportWork, Outcome, import_folder};
pub(crate) use table::scored_columns;
pub(crate) use upload::Upload;

use crate::base::fault::{Fault, Reason};
use crate::base::fields::Fields;
use crate::base::problem::{ApiError, Problem};
use crate::base::text::Text;
use crate::http::auth::{Caller, Integrator, Viewer};
use crate::http::extract::{Query, language};
use crate::http::openapi::{self, choice_schema, flag_schema, object, text_schema};
use crate::http::state::State;
use crate::queue::work;
use crate::records::keys;
use crate::resources::jobs::{Format, ImportRequest};
use upload::Incoming;

/// The parameters of an import, for the API document.
struct ImportQuery;

impl IntoParams for ImportQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let kind = "What the file holds. Omit it for a workbook whose sheets are named as in the template, and for a form whose \
                    file is named after a kind.\nja: ファイルの内容。シート名がひな形と同じブックと、種類の名前のファイルを送るフォームでは不要";
        let source = "The source of the rows; `manual` if omitted. An external id identifies a record within its source.\nja: \
                      行の出所。省略時は `manual`。外部IDは出所ごとに区別する";
        let mode = "`all_or_nothing`, the default: no row is imported if any row is rejected. `accept_valid`: the rows without faults \
                    are imported. `replace`: as `all_or_nothing`, and records of the source that the file does not have are ended, \
                    not deleted.\nja: `all_or_nothing`（省略時）は、1行でも誤りがあれば何も取り込まない。`accept_valid` は、誤りのない行だけを取り込む。\
                    `replace` は `all_or_nothing` に加え、その出所の記録のうちファイルにないものを終了にする（削除はしない）";
        vec![
            openapi::parameter("kind", kind, choice_schema(kind, &keys::<RecordKind>(), "suppliers"), false),
            openapi::parameter("source", source, text_schema(source, "erp").max_length(64), false),
            openapi::parameter(
                "mode",
                mode,
                choice_schema(mode, &keys::<schema::ImportMode>(), "all_or_nothing"),
                false,
            ),
            flag("dry_run", DRY_RUN),
            flag(
                "confirm",
                "`true`: an import with `mode=replace` may end more than 20% of the records of its source.\nja: `true` \
                 なら、`mode=replace` でその出所の20%を超える記録の終了を認める",
            ),
            format_parameter(),
            flag("accept_unread_columns", ACCEPT_UNREAD_COLUMNS),
        ]
    }
}

/// Returns the parameter that names the format of the bytes.
pub(crate) fn format_parameter() -> Parameter {
    let text = "The format of the file. If omitted, its first bytes tell the format; its name and media type do not matter.\nja: \
                ファイルの形式。省略時は先頭の内容で判断する（名前やメディアタイプは使わない）";
    openapi::parameter("format", text, choice_schema(text, &FORMATS.map(|(name, _)| name), "csv"), false)
}

/// The description of the parameter that asks for a dry run.
pub(crate) const DRY_RUN: &str = "`true`: everything is checked and counted, but nothing is stored.\nja: `true` なら、確認と集計だけを\
                                  行い、何も保存しない";

/// The description of the parameter that lets columns go unread.
pub(crate) const ACCEPT_UNREAD_COLUMNS: &str = "`true`: columns that scores depend on but that cannot be read, such as 業種 in words or 資本金 in another unit, are left out \
     with a warning. If omitted, such a column refuses the file.\nja: `true` なら、スコアに使う列のうち読み取れないもの（言葉で書かれた業種、\
     単位の異なる資本金など）を、警告を付けて読み飛ばす。省略時は、そのような列があるファイルを拒否する";

/// Returns a parameter that is a flag.
pub(crate) fn flag(name: &str, text: &str) -> Parameter {
    openapi::parameter(name, text, flag_schema(text, true), false)
}

/// Returns the schema of a form with a file. Its parameters may be in the address instead.
pub(crate) fn form_schema(parameters: Vec<Parameter>) -> RefOr<Schema> {
    let text = "A form with a file. Each parameter is either in the form, before the file, or in the address.\nja: ファイルを送る\
                フォーム。パラメーターは、フォームのファイルより前か、アドレスのどちらかに書く";
    let form = object(text).property("file", openapi::file_schema("The file.\nja: ファイル"), true);
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
/// ja: ファイルを取り込む
///
/// The file is CSV, NDJSON or XLSX, with or without gzip. It is the body, with any media type, or the part `file` of a
/// form, whose other parts are parameters. Headings are the column names of the template or their Japanese names. A file
/// that cannot be imported is refused at once. Any other file is stored, and a job imports it. Columns that the file does
/// not have keep their values. Empty cells make a value unknown. Importing a file twice changes nothing.
/// ja: CSV、NDJSON、Excelブック（.xlsx）を、そのまま、またはgzipで送る。ファイルは本文（メディアタイプは問わない）か、フォームの `file` に入れる。
/// フォームのほかの項目はパラメーターになる。見出しは、ひな形の列名か日本語名を使う。取り込めないファイルはその場で拒否し、それ以外は保存してジョブが取り込む。
/// ファイルにない列の値は変わらず、空のセルは値を「不明」にする。同じファイルを2回取り込んでも何も変わらない。
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["integrator"])),
    params(ImportQuery),
    request_body(description = "The file.\nja: ファイル", content(
        (inline(openapi::FileBody) = "application/octet-stream", example = "supplier_code,name\nS0000001,備製作所株式会社\n"),
        (ImportForm = "multipart/form-data"),
        (inline(openapi::FileBody) = "text/csv", example = "supplier_code,name\nS0000001,備製作所株式会社\n"),
        (inline(openapi::FileBody) = "application/x-ndjson", example = "{\"supplier_code\": \"S0000001\", \"name\": \"備製作所株式会社\"}\n"),
        (inline(openapi::FileBody) = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", example = "(a workbook)"),
    )),
    responses(
        (
            status = 202, body = crate::resources::jobs::JobView,
            description = "The file was stored, and the job will import it.\nja: ファイルを保存した。このジョブが取り込む"
        ),
        openapi::TooManyJobs
    )
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
            let text = Text::new(
                "format はフォームのファイルより前に置いてください",
                "put `format` before the file in the form",
            );
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

/// The parameters of the template, for the API document.
struct TemplateQuery;

impl IntoParams for TemplateQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The language of headings, choices and explanations. If omitted, `Accept-Language` tells it.\nja: \
                    見出し、選択肢、説明の言語。省略時は `Accept-Language` に従う";
        vec![openapi::parameter("lang", text, choice_schema(text, &["ja", "en"], "ja"), false)]
    }
}

/// Get the import template
/// ja: 取り込み用のひな形を取得する
///
/// A workbook with a sheet for each kind of record, lists to choose from, and a sheet that explains each column.
/// ja: 種類ごとのシート、選択肢、列の説明が入ったExcelブック。
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["viewer"])),
    params(TemplateQuery),
    responses((
        status = 200, body = inline(openapi::FileBody), description = "The workbook.\nja: Excelブック",
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
    config.service(create_import).service(get_import_template).service(findings::list_import_findings);
}
