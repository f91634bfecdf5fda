//! The findings of an import, row by row.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use schema::jobs::{self, Finding};
use schema::{Job, JobId};
use scoring::Lang;
use serde::Serialize;
use utoipa::ToSchema;

use crate::base::problem::{ApiError, ProblemKind};
use crate::http::auth::{Caller, Viewer};
use crate::http::extract::{IdPath, Query, language};
use crate::http::page::{List, Paging};
use crate::http::state::State;
use crate::records::PageQuery;

/// A finding of an import.
/// ja: 取り込みの指摘
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub(crate) struct FindingView {
    /// Whether it is a warning, whose row is not rejected.
    /// ja: 警告か（行は不採用にならない）
    is_warning: bool,
    /// The sheet of a workbook, or the file of a folder. Null for a single file.
    /// ja: ブックのシート名、またはフォルダのファイル名。単独のファイルではnull
    #[schema(example = "取引先")]
    sheet: Option<String>,
    /// The row as a spreadsheet numbers it, or the line of NDJSON. Null if the finding is about the whole table.
    /// ja: 行（表計算ソフトの行番号、NDJSONでは行の位置）。表全体についての指摘ではnull
    #[schema(example = 12)]
    row: Option<i64>,
    /// The column. Null if the finding is about the whole row or table.
    /// ja: 列。行全体または表全体についての指摘ではnull
    #[schema(example = "employee_count")]
    column: Option<String>,
    /// The value, cut off if it is long. Null if the finding is not about a value.
    /// ja: 値（長い場合は途中まで）。値についての指摘でなければnull
    #[schema(example = "80名")]
    value: Option<String>,
    /// The stable code of the reason.
    /// ja: 理由のコード（変わらない）
    #[schema(example = "not-a-number")]
    code: String,
    /// What is wrong and what to do.
    /// ja: 誤りと対処
    #[schema(example = "not a number; write digits only, without separators or units")]
    detail: String,
}

pub(crate) type FindingList = List<FindingView>;

impl FindingView {
    fn new(finding: Finding, lang: Lang) -> Self {
        let Finding { seq: _, is_warning, sheet, row_number, column_name, value, code, detail_ja, detail_en } = finding;
        let (row, column) = (row_number, column_name);
        Self { is_warning, sheet, row, column, value, code, detail: lang.pick(detail_ja, detail_en) }
    }
}

/// List the findings of an import
/// ja: 取り込みの指摘を一覧する
///
/// Each fault of a rejected row, and each warning, in the order of the file.
/// ja: 不採用の行の誤りと警告を、ファイルの順に返す。
#[utoipa::path(
    tag = "imports",
    security(("bearer" = ["viewer"])),
    params(IdPath<Job>, PageQuery),
    responses((status = 200, body = FindingList))
)]
#[get("/imports/{id}/findings")]
pub(super) async fn list_import_findings(
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
    Ok(paging.page(rows, limit, |row| row.seq).map(|row| FindingView::new(row, lang)).answer(None))
}
