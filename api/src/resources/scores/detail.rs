//! A supplier's score with its reasons, as the buyer sees it.

use std::borrow::Cow;

use chrono::NaiveDate;
use schema::score_runs::RunRow;
use schema::{Assurance, Control, ControlStatus, DataAccess, NetworkAccess, Scheme, ServiceClass};
use scoring::{Assessment, Certification, Contribution, Downtime, Enrollment, Facts, Lang, Loss};
use serde::Serialize;
use utoipa::ToSchema;

use super::one::{ContributionChange, ExplainedScore, OpenedScore};
use super::view::{Caveats, ContributionKey, Grade, LossKey, ScoreItem};
use super::{RunSummary, SourceRunView};

/// A supplier's score as the sum of its contributions.
/// ja: 取引先のスコアとその内訳・根拠
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScoreDetail)]
pub(super) struct ScoreDetailView {
    #[serde(flatten)]
    score: ScoreItem<'static>,
    /// The contributions. All but the last sum to the risk score, and all of them to the chain score, before these are
    /// limited to 0 to 100.
    /// ja: スコアの内訳（最後の1つを除く合計がリスクスコア、すべての合計が連鎖スコアになる。いずれも0〜100に収める前の値）
    contributions: Vec<ContributionView>,
    /// The parts of the expected annual losses.
    /// ja: 年間期待損失の内訳
    losses: Vec<LossView>,
    /// How long a stop lasts; null if the model of the run knows no backups.
    /// ja: 1回の停止が続く日数（計算に使ったモデルがバックアップを扱わなければ null）
    downtime: Option<DowntimeView>,
    /// The evidence that the score is based on.
    /// ja: スコアの根拠
    evidence: EvidenceView,
    /// What has changed since the run before, and why; null if that run did not score the supplier.
    /// ja: 前回の計算からの変化とその理由（前回の計算でこの取引先が対象でなければ null）
    change: Option<ChangeView>,
    /// What readers of a score must know.
    /// ja: スコアを見るときの注意
    caveats: Caveats,
    #[serde(flatten)]
    source: SourceRunView,
}

impl ScoreDetailView {
    pub(super) fn new(score: OpenedScore, source: SourceRunView, lang: Lang) -> Self {
        let OpenedScore { now, before } = score;
        Self {
            contributions: now.explanation.contributions.iter().map(|part| ContributionView::new(part, lang)).collect(),
            losses: now.explanation.losses.iter().map(|loss| LossView::new(loss, lang)).collect(),
            downtime: now.explanation.downtime.as_ref().map(|downtime| DowntimeView::new(downtime, lang)),
            change: before.map(|(run, before)| ChangeView::new(&now, before, &run, lang)),
            evidence: EvidenceView::new(now.facts, now.row.discounted_observed_years),
            caveats: Caveats::new(lang),
            score: ScoreItem(Cow::Owned(now.row)),
            source,
        }
    }
}

/// A contribution to the score.
/// ja: スコアの内訳の1項目
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contribution)]
struct ContributionView {
    /// The column of the results that holds the points.
    /// ja: 内訳の項目
    #[schema(value_type = ContributionKey)]
    key: &'static str,
    /// The points, of either sign.
    /// ja: 点数（正または負）
    #[schema(example = -4.0)]
    points: f64,
    /// The reason for the points.
    /// ja: 理由
    #[schema(example = "enrolled in class 1 (coverage 100.0%, since 2024-10-01)")]
    reason: String,
}

impl ContributionView {
    fn new(part: &Contribution, lang: Lang) -> Self {
        Self { key: part.key, points: part.points, reason: part.reason(lang) }
    }
}

/// A part of the expected annual losses.
/// ja: 年間期待損失の内訳の1項目
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LossPart)]
struct LossView {
    /// Which part it is.
    /// ja: 内訳の項目
    #[schema(value_type = LossKey)]
    key: &'static str,
    /// The loss in yen a year.
    /// ja: 年間の損失額（円）
    #[schema(example = 1_234_567.8)]
    loss_jpy: f64,
    /// The reason for the loss.
    /// ja: 理由
    #[schema(example = "the buyer's data it holds (confidential data)")]
    reason: String,
}

impl LossView {
    fn new(loss: &Loss, lang: Lang) -> Self {
        Self { key: loss.key, loss_jpy: loss.yen, reason: loss.reason(lang) }
    }
}

/// How long a stop lasts, and what is known about backups.
/// ja: 1回の停止が続く日数と、バックアップについて分かっていること
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Downtime)]
struct DowntimeView {
    /// The mean number of days that a stop lasts.
    /// ja: 1回の停止が続く平均の日数
    #[schema(example = 4.4)]
    mean_downtime_days: f64,
    /// The same if nothing was known about backups.
    /// ja: バックアップについて何も分からない場合の平均の日数
    #[schema(example = 5.8)]
    without_backup_days: f64,
    /// The reason for the difference.
    /// ja: 違いの理由
    #[schema(example = "tested off-line backup in place (verified by a provider): mean downtime 5.8 → 4.4 days")]
    reason: String,
}

impl DowntimeView {
    fn new(downtime: &Downtime, lang: Lang) -> Self {
        Self {
            mean_downtime_days: downtime.days,
            without_backup_days: downtime.days_without_backup,
            reason: downtime.sentence(lang),
        }
    }
}

/// The evidence that a score is based on.
/// ja: スコアの根拠
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScoreEvidence)]
struct EvidenceView {
    /// The enrollments that are active on the day of the score.
    /// ja: 基準日に有効な加入
    enrollments: Vec<EnrollmentView>,
    /// When the last of the enrollments that are over ended; null if none is.
    /// ja: 終了した加入のうち最後のものの終了日（なければ null）
    enrollment_ended_on: Option<NaiveDate>,
    /// The best of SECURITY ACTION and SCS, and the best ISMS certificate. Only these count.
    /// ja: SECURITY ACTION・SCSのうち最もよいものと、ISMSの認証（スコアに入るもの）
    certifications: Vec<CertificationView>,
    /// The assessments of single controls that count, at most one for each control.
    /// ja: スコアに入る対策の確認（対策ごとに1件まで）
    assessments: Vec<AssessmentView>,
    /// The number of harmful incidents on record.
    /// ja: 実害のあった事案の件数
    #[schema(example = 0)]
    harmful_count: i64,
    /// The number of contained incidents on record.
    /// ja: 封じ込めた事案の件数
    #[schema(example = 1)]
    contained_count: i64,
    /// The number of blocked incidents on record. They do not affect the score.
    /// ja: 遮断した事案の件数（スコアには影響しない）
    #[schema(example = 163)]
    blocked_count: i64,
    /// The years in which an incident would have been recorded, older ones counting less.
    /// ja: 事案があれば記録に残ったはずの年数（古い期間ほど軽く数える）
    #[schema(example = 1.9)]
    discounted_observed_years: f64,
    /// The number of suppliers recorded directly upstream.
    /// ja: 登録されている直接の供給元の数
    #[schema(example = 2)]
    upstream_supplier_count: usize,
    /// Which data of the buyer the supplier holds; `none` if unknown.
    /// ja: 預けているデータ（不明なら `none`）
    #[schema(value_type = DataAccess)]
    data_access: Cow<'static, str>,
    /// How the supplier is connected to the buyer's network; `none` if unknown.
    /// ja: 発注者のネットワークへの接続（不明なら `none`）
    #[schema(value_type = NetworkAccess)]
    network_access: Cow<'static, str>,
}

impl EvidenceView {
    fn new(facts: Facts, discounted_observed_years: f64) -> Self {
        let enrollments = facts.enrollments.into_iter().map(EnrollmentView::from);
        let assessed = facts.controls.map(|controls| controls.assessed).unwrap_or_default();
        let assessments = assessed.into_iter().map(AssessmentView::from);
        let certifications = facts.ladder.into_iter().chain(facts.isms).map(CertificationView::from);
        Self {
            enrollments: enrollments.collect(),
            enrollment_ended_on: facts.ended_on,
            certifications: certifications.collect(),
            assessments: assessments.collect(),
            harmful_count: facts.harmful_count,
            contained_count: facts.contained_count,
            blocked_count: facts.blocked_count,
            discounted_observed_years,
            upstream_supplier_count: facts.upstream_supplier_count,
            data_access: access_or_none(facts.data_access),
            network_access: access_or_none(facts.network_access),
        }
    }
}

/// Returns the key of an access, as it is shown.
pub(crate) fn access_or_none(access: Option<String>) -> Cow<'static, str> {
    access.map_or(Cow::Borrowed("none"), Cow::Owned)
}

/// An active enrollment, as it counts.
/// ja: 有効な加入とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EnrollmentEvidence)]
struct EnrollmentView {
    /// The class of the service.
    /// ja: サービスの類型
    #[schema(value_type = ServiceClass)]
    service_class: String,
    /// The share of endpoints that is monitored, 0 to 1.
    /// ja: 監視されている端末の割合（0〜1）
    #[schema(example = 0.8)]
    coverage_share: f64,
    /// Whether that share is an assumption of the model, because the real one is unknown.
    /// ja: その割合がモデルの仮定か（実際の割合が不明な場合）
    is_assumed: bool,
    /// The share that counts in addition to stronger enrollments, 0 to 1.
    /// ja: より効果の高い加入に加えて数える割合（0〜1）
    #[schema(example = 0.8)]
    counted_share: f64,
    /// The first day of the enrollment.
    /// ja: 加入の開始日
    starts_on: NaiveDate,
}

impl From<Enrollment> for EnrollmentView {
    fn from(enrollment: Enrollment) -> Self {
        let Enrollment { service_class, coverage_share, is_assumed, take, starts_on } = enrollment;
        Self { service_class, coverage_share, is_assumed, counted_share: take, starts_on }
    }
}

/// A certificate or declaration, as it counts.
/// ja: 認証・宣言とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CertificationEvidence)]
struct CertificationView {
    /// The scheme.
    /// ja: 制度
    #[schema(value_type = Scheme)]
    scheme: String,
    /// The last day of validity, stated or assumed; null if it does not expire.
    /// ja: 有効期限（仮定を含む。期限がなければ null）
    expires_on: Option<NaiveDate>,
    /// Whether that day is an assumption of the model.
    /// ja: その期限がモデルの仮定か
    is_assumed: bool,
    /// How much of it still counts, 0 to 1.
    /// ja: いまも数える割合（0〜1）
    #[schema(example = 1.0)]
    freshness: f64,
}

impl From<Certification> for CertificationView {
    fn from(certification: Certification) -> Self {
        let Certification { scheme, expires_on, is_assumed, freshness } = certification;
        Self { scheme, expires_on, is_assumed: is_assumed && expires_on.is_some(), freshness }
    }
}

/// An assessment of a single control, as it counts.
/// ja: 対策の確認とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AssessmentEvidence)]
struct AssessmentView {
    /// The control.
    /// ja: 対策
    #[schema(value_type = Control)]
    control: String,
    /// Whether it is in place; null for the self-assessment.
    /// ja: 実施状況（自社診断では null）
    #[schema(value_type = Option<ControlStatus>)]
    status: Option<String>,
    /// The total of the self-assessment, -25 to 100; null for other controls.
    /// ja: 自社診断の合計点（−25〜100。ほかの対策では null）
    #[schema(example = 72)]
    total_score: Option<i64>,
    /// Who says so.
    /// ja: 確認者
    #[schema(value_type = Assurance)]
    assurance: String,
    /// The day of the assessment.
    /// ja: 確認日
    assessed_on: NaiveDate,
    /// Its last day of validity, if that is over.
    /// ja: 期限切れの場合の有効期限
    expired_on: Option<NaiveDate>,
    /// The chance that the control is in place, before ageing, 0 to 1.
    /// ja: 対策が実施されている確からしさ（時間の経過を考える前、0〜1）
    #[schema(example = 0.89)]
    probability: f64,
    /// The share of suppliers that have the control, 0 to 1.
    /// ja: 一般に実施している取引先の割合（0〜1）
    #[schema(example = 0.2)]
    prevalence_share: f64,
    /// How much of the assessment still counts, 0 to 1.
    /// ja: いまも数える割合（0〜1）
    #[schema(example = 1.0)]
    freshness: f64,
    /// The share that counts beside stronger evidence of the same kind, 0 to 1.
    /// ja: 同じ種類のより強い証拠に加えて数える割合（0〜1）
    #[schema(example = 1.0)]
    counted_share: f64,
}

impl From<Assessment> for AssessmentView {
    fn from(assessment: Assessment) -> Self {
        let Assessment {
            control,
            status,
            total_score,
            assurance,
            assessed_on,
            expired_on,
            sure,
            prevalence,
            freshness,
            weight,
            outweighed: _,
        } = assessment;
        Self {
            control,
            status,
            total_score,
            assurance,
            assessed_on,
            expired_on,
            probability: sure,
            prevalence_share: prevalence,
            freshness,
            counted_share: weight,
        }
    }
}

/// What has changed since the run before.
/// ja: 前回の計算からの変化
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScoreChange)]
struct ChangeView {
    /// The run before.
    #[serde(flatten)]
    run: RunSummary,
    /// The risk score of the run before.
    /// ja: 前回のリスクスコア
    #[schema(example = 62.3)]
    risk_score_before: f64,
    /// The grade of the run before.
    /// ja: 前回のリスク等級
    #[schema(value_type = Grade)]
    grade_before: String,
    /// The chain score of the run before.
    /// ja: 前回の連鎖スコア
    #[schema(example = 63.0)]
    chain_score_before: f64,
    /// The chain grade of the run before.
    /// ja: 前回の連鎖等級
    #[schema(value_type = Grade)]
    chain_grade_before: String,
    /// The change of the risk score since.
    /// ja: リスクスコアの変化
    #[schema(example = -4.0)]
    risk_score_difference: f64,
    /// The change of the chain score since.
    /// ja: 連鎖スコアの変化
    #[schema(example = -4.0)]
    chain_score_difference: f64,
    /// The contributions that have changed, the largest change first.
    /// ja: 変化した内訳（変化の大きい順）
    contributions: Vec<ContributionChangeView>,
}

impl ChangeView {
    fn new(now: &ExplainedScore, before: ExplainedScore, run: &RunRow, lang: Lang) -> Self {
        let contributions = now.changes_since(&before).map(|change| ContributionChangeView::new(&change, lang));
        Self {
            run: RunSummary::from(run),
            contributions: contributions.collect(),
            risk_score_before: before.row.risk_score,
            grade_before: before.row.grade,
            chain_score_before: before.row.chain_score,
            chain_grade_before: before.row.chain_grade,
            risk_score_difference: now.row.risk_score - before.row.risk_score,
            chain_score_difference: now.row.chain_score - before.row.chain_score,
        }
    }
}

/// A contribution that has changed.
/// ja: 変化した内訳の1項目
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContributionChange)]
struct ContributionChangeView {
    /// The column of the results that holds the points.
    /// ja: 内訳の項目
    #[schema(value_type = ContributionKey)]
    key: &'static str,
    /// The points of the run before.
    /// ja: 前回の点数
    #[schema(example = 0.0)]
    points_before: f64,
    /// The points now.
    /// ja: 今回の点数
    #[schema(example = -4.0)]
    points: f64,
    /// The change of the points.
    /// ja: 点数の変化
    #[schema(example = -4.0)]
    difference: f64,
    /// The reason for the points of the run before.
    /// ja: 前回の理由
    #[schema(example = "no お助け隊 enrollment is known")]
    reason_before: String,
    /// The reason for the points now.
    /// ja: 今回の理由
    #[schema(example = "enrolled in class 1 (coverage 100.0%)")]
    reason: String,
}

impl ContributionChangeView {
    fn new(change: &ContributionChange<'_>, lang: Lang) -> Self {
        Self {
            key: change.now.key,
            points_before: change.points_before(),
            points: change.now.points,
            difference: change.difference(),
            reason_before: change.reason_before(lang),
            reason: change.now.reason(lang),
        }
    }
}
