//! Score runs as the API shows them.

use chrono::NaiveDate;
use schema::score_runs::RunRow;
use schema::{RunId, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// A score run. It never changes, apart from `exported_at` and `stale`.
/// ja: スコア計算1回分。`exported_at` と `stale` のほかは変わらない
#[derive(Serialize, ToSchema)]
#[schema(as = ScoreRun)]
pub(super) struct RunView {
    /// The id of the run and of the job that made it.
    /// ja: スコア計算とそのジョブのID
    id: RunId,
    /// The day for which scores were computed.
    /// ja: スコアの基準日
    as_of: NaiveDate,
    /// The moment whose knowledge was scored: the one of the request, the end of a past day, or when the latest record
    /// before the run was recorded.
    /// ja: 計算に使ったデータの時点。指定された日時、過去の基準日の終わり、または計算前の最後の登録日時
    known_at: Timestamp,
    /// When the scores were computed.
    /// ja: 計算した日時
    scored_at: Timestamp,
    /// The name of the token that requested the run, or `automatic`.
    /// ja: 計算を依頼したトークンの名前。自動計算では `automatic`
    #[schema(example = "purchasing")]
    created_by: String,
    /// Whether the run was automatic, after a change or at a new day.
    /// ja: 自動計算か（データの変更後と日付が変わった後に行う）
    is_automatic: bool,
    /// When the run was first exported; null if it was not. An exported run is kept.
    /// ja: 最初に書き出した日時。書き出していなければ null。書き出したスコア計算は自動では削除しない
    exported_at: Option<Timestamp>,
    /// The version of the scoring model.
    /// ja: スコアモデルの版
    #[schema(example = "2026.2")]
    model_version: String,
    /// The SHA-256 of the text of the model.
    /// ja: スコアモデルのSHA-256
    #[schema(example = "61207aee4817…")]
    model_hash: String,
    /// The version of Sonae that computed the scores.
    /// ja: 計算した Sonae の版
    #[schema(example = "0.1.0")]
    engine_version: String,
    /// The SHA-256 of the data that was scored.
    /// ja: 計算に使ったデータのSHA-256
    #[schema(example = "9f86d081884c…")]
    input_hash: String,
    /// The cost of a breach of the buyer's own network, in yen, as the buyer had set it; null if the model's value was
    /// used.
    /// ja: 発注者のネットワークが侵害されたときの損失の設定（円）。モデルの値で計算したときは null
    #[schema(example = 1_000_000_000)]
    buyer_breach_loss_jpy: Option<i64>,
    /// The number of suppliers that were scored.
    /// ja: スコアを計算した取引先の数
    #[schema(example = 1117)]
    supplier_count: i64,
    /// The number of rows of relationships that were read.
    /// ja: 計算に使った取引の行数
    #[schema(example = 2210)]
    relationship_count: i64,
    /// The number of enrollments that were read.
    /// ja: 計算に使った加入の数
    #[schema(example = 1190)]
    enrollment_count: i64,
    /// The number of certifications that were read.
    /// ja: 計算に使った認証の数
    #[schema(example = 603)]
    certification_count: i64,
    /// The number of assessments that were read.
    /// ja: 計算に使った対策の確認の数
    #[schema(example = 412)]
    assessment_count: i64,
    /// The number of rows of incidents that were read.
    /// ja: 計算に使った事案の行数
    #[schema(example = 9012)]
    incident_count: i64,
    /// Whether the run is a trial, which does not replace the buyer's scores: by another model, or with the `known_at`
    /// of a request.
    /// ja: 試算か（別のモデルや、指定した `known_at` による計算。発注者の最新のスコアにはならない）
    #[schema(example = false)]
    is_trial: bool,
    /// How long reading and scoring took, in milliseconds.
    /// ja: 読み取りと計算にかかった時間（ミリ秒）
    #[schema(example = 240)]
    duration_ms: i64,
    /// Whether the scores are stale: data or the model has changed since, or the day is over. A trial is always stale.
    /// ja: スコアが最新でないか（計算後にデータまたはモデルが変わったか、基準日が過ぎた）。試算では常に true
    #[schema(example = false)]
    stale: bool,
}

impl RunView {
    pub(super) fn new(run: RunRow, stale: bool) -> Self {
        let RunRow {
            id,
            as_of,
            known_at,
            scored_at,
            created_by,
            is_automatic,
            exported_at,
            model_version,
            model_hash,
            engine_version,
            input_hash,
            buyer_breach_loss_jpy,
            data_version: _,
            is_trial,
            supplier_count,
            relationship_count,
            enrollment_count,
            certification_count,
            assessment_count,
            incident_count,
            duration_ms,
        } = run;
        Self {
            id,
            as_of,
            known_at,
            scored_at,
            created_by,
            is_automatic,
            exported_at,
            model_version,
            model_hash,
            engine_version,
            input_hash,
            buyer_breach_loss_jpy,
            supplier_count,
            relationship_count,
            enrollment_count,
            certification_count,
            assessment_count,
            incident_count,
            is_trial,
            duration_ms,
            stale,
        }
    }
}
