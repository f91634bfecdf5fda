//! What a job shows of an import: its request, its result and its failure.

use schema::JobId;
use schema::jobs::JobRow;
use scoring::Lang;
use serde::Serialize;
use utoipa::ToSchema;

use super::stored_import::{
    ImportFailure, ImportRequest, ImportResult, RowCounts, StoredGroup, TableReport, findings_url,
};
use super::{FailureView, stored};
use crate::records::words_of;

/// The result of an import.
/// ja: 取り込みの結果
#[derive(Serialize, ToSchema)]
#[schema(as = ImportResult)]
pub(super) struct ImportResultView {
    #[serde(flatten)]
    counts: RowCounts,
    /// Whether the import took effect. `false` for a dry run and for an import that failed.
    /// ja: 取り込みが反映されたか。確認だけの場合と失敗した場合は `false`
    is_kept: bool,
    /// The counts of each table.
    /// ja: 表ごとの件数
    tables: Vec<TableReport>,
    /// The number of findings. The list of findings may be shorter, because its length is limited.
    /// ja: 指摘の件数。指摘の一覧には上限があり、これより少ないことがある
    #[schema(example = 0)]
    finding_count: u64,
    /// The findings by kind, faults before warnings; at most 100 kinds.
    /// ja: 種類ごとの指摘。誤りが先、警告が後。100種類まで
    finding_groups: Vec<FindingGroupView>,
    /// The address of the findings.
    /// ja: 指摘の一覧のアドレス
    #[schema(example = "/v1/imports/01999999-9999-7999-8999-999999999999/findings")]
    pub(super) findings_url: String,
    /// Why the import had no effect, and where in the file; null if it did not fail.
    /// ja: 取り込めなかった理由と、ファイルの中の場所。失敗していなければnull
    failure: Option<ImportFailureView>,
}

/// The findings of one kind in one column.
/// ja: 同じ列の、同じ種類の指摘
#[derive(Serialize, ToSchema)]
#[schema(as = FindingGroup)]
struct FindingGroupView {
    /// Whether these are warnings, whose rows are not rejected.
    /// ja: 警告か（行は不採用にならない）
    is_warning: bool,
    /// The stable code of the reason.
    /// ja: 理由のコード（変わらない）
    #[schema(example = "not-a-number")]
    code: String,
    /// The sheet of a workbook, or the file of a folder. Null for a single file.
    /// ja: ブックのシート名、またはフォルダのファイル名。単独のファイルではnull
    #[schema(example = "取引先")]
    sheet: Option<String>,
    /// The column. Null if the finding is about whole rows or the whole table.
    /// ja: 列。行全体または表全体についての指摘ではnull
    #[schema(example = "employee_count")]
    column: Option<String>,
    /// The number of findings.
    /// ja: 指摘の件数
    #[schema(example = 25_358)]
    count: u64,
    /// The first rows with such a finding, as a spreadsheet numbers them; at most 10.
    /// ja: 指摘のある最初の行（表計算ソフトの行番号、NDJSONでは行の位置）。10行まで
    rows: Vec<RowNumber>,
    /// The value in the first of these rows. Null if the finding is not about a value.
    /// ja: 最初の行の値。値についての指摘でなければnull
    #[schema(example = "80名")]
    value: Option<String>,
    /// What is wrong in the first of these rows and what to do.
    /// ja: 最初の行の誤りと対処
    #[schema(example = "not a number; write digits only, without separators or units")]
    detail: String,
}

/// The number of a row.
/// ja: 行番号
#[derive(Serialize, ToSchema)]
#[schema(example = 12)]
struct RowNumber(u64);

/// Why an import had no effect, and where in the file.
/// ja: 取り込めなかった理由と、ファイルの中の場所
#[derive(Serialize, ToSchema)]
#[schema(as = ImportFailure)]
struct ImportFailureView {
    /// The stable code of the reason.
    /// ja: 理由のコード（変わらない）
    #[schema(example = "not-utf-8")]
    code: String,
    /// What was wrong and what to do.
    /// ja: 理由と対処
    #[schema(example = "the file is not UTF-8; save it as UTF-8")]
    detail: String,
    /// The sheet of a workbook, or the file of a folder. Null if the whole import is at fault, or for a single file.
    /// ja: ブックのシート名、またはフォルダのファイル名。取り込み全体についての理由、または単独のファイルではnull
    #[schema(example = "取引先")]
    sheet: Option<String>,
    /// The row as a spreadsheet numbers it, or the line of NDJSON. Null if no single row is at fault.
    /// ja: 行（表計算ソフトの行番号、NDJSONでは行の位置）。特定の行についての理由でなければnull
    #[schema(example = 1)]
    row: Option<u64>,
    /// The column. Null if no single column is at fault.
    /// ja: 列。特定の列についての理由でなければnull
    #[schema(example = "supplier_code")]
    column: Option<String>,
}

/// The parts of a job that only imports have, and its failure.
pub(super) type Parts = (Option<ImportRequest>, Option<ImportResultView>, Option<FailureView>);

/// Returns what the job of an import shows.
pub(super) fn parts(job: &JobRow, lang: Lang) -> Parts {
    let request = stored(job, &job.request);
    let result: Option<ImportResult> = job.result.as_deref().and_then(|result| stored(job, result));
    let failure = result.as_ref().and_then(|result| result.failure.as_ref());
    let failure =
        failure.map(|failure| FailureView { code: failure.reason.code.clone(), detail: located_detail(failure, lang) });
    (request, result.map(|result| ImportResultView::new(result, job.id, lang)), failure)
}

/// Returns why an import failed, with the place in words: `「取引先」、3行目、従業員数: …`.
fn located_detail(failure: &ImportFailure, lang: Lang) -> String {
    let ImportFailure { reason, sheet, row, column } = failure;
    let detail = reason.detail(lang);
    // Without a row, the detail itself names the column.
    let column = column.as_deref().filter(|_| row.is_some());
    let column = column.map(|column| words_of(column).pick(lang).to_owned()).filter(|column| !detail.contains(column));
    let sheet = sheet.as_ref().map(|sheet| lang.pick(format!("「{sheet}」"), format!("sheet {sheet}")));
    let row = row.map(|row| lang.pick(format!("{row}行目"), format!("row {row}")));
    let place: Vec<_> = [sheet, row, column].into_iter().flatten().collect();
    match place.as_slice() {
        [] => detail.to_owned(),
        _ => format!("{}: {detail}", place.join(lang.pick("、", ", "))),
    }
}

impl ImportResultView {
    fn new(result: ImportResult, id: JobId, lang: Lang) -> Self {
        let ImportResult { counts, is_kept, tables, finding_count, finding_groups, failure } = result;
        Self {
            counts,
            is_kept,
            tables,
            finding_count,
            finding_groups: finding_groups.into_iter().map(|group| FindingGroupView::new(group, lang)).collect(),
            findings_url: findings_url(id),
            failure: failure.map(|failure| ImportFailureView::new(failure, lang)),
        }
    }
}

impl FindingGroupView {
    fn new(group: StoredGroup, lang: Lang) -> Self {
        let StoredGroup { is_warning, code, sheet, column, count, rows, value, detail_ja, detail_en } = group;
        let rows = rows.into_iter().map(RowNumber).collect();
        Self { is_warning, code, sheet, column, count, rows, value, detail: lang.pick(detail_ja, detail_en) }
    }
}

impl ImportFailureView {
    fn new(failure: ImportFailure, lang: Lang) -> Self {
        let ImportFailure { reason, sheet, row, column } = failure;
        Self { detail: reason.detail(lang).to_owned(), code: reason.code, sheet, row, column }
    }
}

#[cfg(test)]
mod tests {
    use schema::{Clock, JobKind, JobState};
    use serde_json::{Value, json};

    use super::*;

    /// A result as 0.1.0 stores it. Older ones have no `finding_groups`.
    const RESULT: &str = r#"{"created":0,"updated":0,"unchanged":1,"rejected":1,"ended":0,"is_kept":false,
        "tables":[{"kind":"suppliers","name":"取引先","created":0,"updated":0,"unchanged":1,"rejected":1,"ended":0}],
        "finding_count":1,
        "finding_groups":[{"is_warning":false,"code":"not-a-number","sheet":"取引先","column":"employee_count","count":1,
            "rows":[3],"value":"80名","detail_ja":"数値ではありません","detail_en":"not a number"}],
        "failure":{"code":"bad-quotes","detail_ja":"引用符が閉じていません","detail_en":"a quote is not closed",
            "sheet":"取引先","row":3,"column":"employee_count"}}"#;
    const REQUEST: &str = r#"{"kind":null,"source":"erp","mode":"replace","dry_run":false,"confirm":true,
        "accept_unread_columns":true,"format":"xlsx","bytes":12,"today":"2026-09-30","provider_name":"事業者01"}"#;

    /// Returns what a job shows of its stored request and result.
    fn shown(request: &str, result: &str, lang: Lang) -> (JobRow, Value, Value, Value) {
        let clock = Clock::system();
        let job = JobRow {
            id: clock.id(),
            kind: JobKind::Import,
            state: JobState::Failed,
            request: request.to_owned(),
            result: Some(result.to_owned()),
            created_at: clock.now(),
            created_by: "purchasing".to_owned(),
            started_at: None,
            finished_at: None,
            attempt_count: 1,
            is_cancel_requested: false,
            progress_done: None,
            progress_total: None,
            stalled_count: 0,
            last_done: None,
            traceparent: None,
        };
        let (request, result, failure) = parts(&job, lang);
        (job, json!(request), json!(result), json!(failure))
    }

    #[test]
    fn a_stored_import_is_shown_in_a_language() {
        let (job, request, result, failure) = shown(REQUEST, RESULT, Lang::Ja);

        assert_eq!(request, serde_json::from_str::<Value>(REQUEST).unwrap());
        let expected = json!({
            "created": 0, "updated": 0, "unchanged": 1, "rejected": 1, "ended": 0, "is_kept": false,
            "tables": [{
                "kind": "suppliers", "name": "取引先",
                "created": 0, "updated": 0, "unchanged": 1, "rejected": 1, "ended": 0,
            }],
            "finding_count": 1,
            "finding_groups": [{
                "is_warning": false, "code": "not-a-number", "sheet": "取引先", "column": "employee_count", "count": 1,
                "rows": [3], "value": "80名", "detail": "数値ではありません",
            }],
            "findings_url": format!("/v1/imports/{}/findings", job.id),
            "failure": {
                "code": "bad-quotes", "detail": "引用符が閉じていません", "sheet": "取引先", "row": 3,
                "column": "employee_count",
            },
        });
        assert_eq!(result, expected);
        assert_eq!(
            failure,
            json!({ "code": "bad-quotes", "detail": "「取引先」、3行目、従業員数: 引用符が閉じていません" })
        );
        let (_, _, result, failure) = shown(REQUEST, RESULT, Lang::En);
        assert_eq!(result["finding_groups"][0]["detail"], "not a number");
        assert_eq!(failure["detail"], "sheet 取引先, row 3, employee_count: a quote is not closed");
    }

    #[test]
    fn an_import_that_an_older_version_stored_is_shown_with_defaults() {
        let request = r#"{"kind":"suppliers","source":"manual","mode":"all_or_nothing","dry_run":false,"confirm":false,
            "format":"csv","bytes":12,"today":"2026-09-30"}"#;
        let result = r#"{"created":2,"updated":0,"unchanged":0,"rejected":0,"ended":0,"is_kept":true,
            "tables":[{"kind":"suppliers","name":null,"created":2,"updated":0,"unchanged":0,"rejected":0,"ended":0}],
            "finding_count":0,"failure":null}"#;
        let (_, request, result, failure) = shown(request, result, Lang::En);

        assert_eq!((&request["accept_unread_columns"], &request["provider_name"]), (&json!(false), &Value::Null));
        assert_eq!((&result["created"], &result["tables"][0]["created"]), (&json!(2), &json!(2)));
        assert_eq!((&result["finding_groups"], &result["failure"], failure), (&json!([]), &Value::Null, Value::Null));
    }

    #[test]
    fn a_result_is_stored_as_it_was_before() {
        let stored: ImportResult = serde_json::from_str(RESULT).unwrap();
        assert_eq!(json!(stored), serde_json::from_str::<Value>(RESULT).unwrap());
    }
}
