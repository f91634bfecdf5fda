//! What the job of an import stores: its request, and its result.
//!
//! The next version reads what this one has stored. A member that is added here needs a default.

use std::iter::Sum;

use chrono::NaiveDate;
use schema::{ImportMode, JobId, Name, RecordKind, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::queue::outcome::StoredFailure;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ImportFormat, example = "csv")]
pub(crate) enum Format {
    Csv,
    Ndjson,
    Xlsx,
}

/// What an import was asked to do.
/// ja: 取り込みの指定
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportRequest {
    /// What the file holds. Null for a workbook whose sheets are named after their kinds.
    /// ja: ファイルの内容。シート名で種類が分かるブックではnull
    pub(crate) kind: Option<RecordKind>,
    /// The source of the rows.
    /// ja: 行の出所
    #[schema(value_type = String, example = "erp")]
    pub(crate) source: Source,
    /// What happens to the other rows if some are rejected, and to records that the file does not have.
    /// ja: 不採用の行がある場合にほかの行をどう扱うか、ファイルにない記録をどう扱うか
    pub(crate) mode: ImportMode,
    /// Whether it is a dry run, which stores nothing.
    /// ja: 確認だけで、何も保存しない取り込みか
    pub(crate) dry_run: bool,
    /// Whether a replacing import may end more than 20% of the records of its source.
    /// ja: `mode=replace` で、その出所の20%を超える記録の終了を認めるか
    pub(crate) confirm: bool,
    /// Whether columns that scores depend on are left out if they cannot be read. If not, such a column refuses the
    /// file.
    /// ja: スコアに使う列を読み取れないとき、その列を読み飛ばすか。読み飛ばさない場合はファイルを拒否する
    #[serde(default)]
    pub(crate) accept_unread_columns: bool,
    /// The format of the file.
    /// ja: ファイルの形式
    pub(crate) format: Format,
    /// The size of the file, unpacked if it came as gzip, in bytes.
    /// ja: ファイルの大きさ（バイト）。gzipで送られた場合は展開後
    #[schema(example = 1_797_873)]
    pub(crate) bytes: u64,
    /// The buyer's day when the import was requested.
    /// ja: 取り込みを受け付けた日（発注者の時間帯）
    pub(crate) today: NaiveDate,
    /// The provider that sent the file. Null if the buyer sent it.
    /// ja: ファイルを送った事業者。発注者が送った場合はnull
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "事業者01")]
    pub(crate) provider_name: Option<Name>,
}

// Without a doc comment, because what has these counts has a text of its own in the API document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RowCounts {
    /// The number of rows that created a record.
    /// ja: 新規の行数
    #[serde(default)]
    #[schema(example = 20)]
    pub(crate) created: u64,
    /// The number of rows that changed a record.
    /// ja: 更新の行数
    #[serde(default)]
    #[schema(example = 3)]
    pub(crate) updated: u64,
    /// The number of rows that changed nothing.
    /// ja: 変更なしの行数
    #[serde(default)]
    #[schema(example = 177)]
    pub(crate) unchanged: u64,
    /// The number of rows that were rejected.
    /// ja: 不採用の行数
    #[serde(default)]
    #[schema(example = 0)]
    pub(crate) rejected: u64,
    /// The number of records that a replacing import ended, because its file does not have them.
    /// ja: `mode=replace` で、ファイルにないため終了にした記録の件数
    #[serde(default)]
    #[schema(example = 0)]
    pub(crate) ended: u64,
}

impl Sum for RowCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            created: sum.created + one.created,
            updated: sum.updated + one.updated,
            unchanged: sum.unchanged + one.unchanged,
            rejected: sum.rejected + one.rejected,
            ended: sum.ended + one.ended,
        })
    }
}

/// What an import did with one table.
/// ja: 表ごとの取り込み結果
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ImportedTable)]
pub(crate) struct TableReport {
    /// What the table holds.
    /// ja: 表の内容
    pub(crate) kind: RecordKind,
    /// The sheet of a workbook, or the file of a folder. Null for a single file.
    /// ja: ブックのシート名、またはフォルダのファイル名。単独のファイルではnull
    #[schema(example = "取引先")]
    pub(crate) name: Option<String>,
    #[serde(flatten)]
    pub(crate) counts: RowCounts,
}

impl TableReport {
    /// Whether it had no rows.
    pub(crate) fn is_empty(&self) -> bool {
        let RowCounts { created, updated, unchanged, rejected, ended: _ } = self.counts;
        created + updated + unchanged + rejected == 0
    }
}

/// The result of an import.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ImportResult {
    #[serde(flatten)]
    pub(crate) counts: RowCounts,
    pub(crate) is_kept: bool,
    pub(crate) tables: Vec<TableReport>,
    pub(crate) finding_count: u64,
    pub(crate) finding_groups: Vec<StoredGroup>,
    pub(crate) failure: Option<ImportFailure>,
}

/// Findings of one kind in one column of a table.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StoredGroup {
    pub(crate) is_warning: bool,
    pub(crate) code: String,
    pub(crate) sheet: Option<String>,
    pub(crate) column: Option<String>,
    pub(crate) count: u64,
    pub(crate) rows: Vec<u64>,
    pub(crate) value: Option<String>,
    pub(crate) detail_ja: String,
    pub(crate) detail_en: String,
}

/// Why an import ended without effect, and where.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ImportFailure {
    #[serde(flatten)]
    pub(crate) reason: StoredFailure,
    pub(crate) sheet: Option<String>,
    pub(crate) row: Option<u64>,
    pub(crate) column: Option<String>,
}

/// Returns the address of the findings of an import.
pub(crate) fn findings_url(id: JobId) -> String {
    format!("/v1/imports/{id}/findings")
}
