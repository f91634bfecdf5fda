//! A supplier's own score, as the supplier sees it.
//!
//! All other results reveal the buyer, peers or upstream suppliers, or would let them be computed. Therefore these types
//! name what is shown, member by member: what is added to scores, evidence or changes stays hidden until it is added
//! here. Scores and points are rounded to one decimal, because the figures of others could be computed from more.

use std::borrow::Cow;

use chrono::NaiveDate;
use schema::score_runs::RunRow;
use schema::scores::ScoreRow;
use schema::{Assurance, Control, ControlStatus, DataAccess, NetworkAccess, Scheme, ServiceClass, SupplierId};
use scoring::{Assessment, Certification, Contribution, Enrollment, Facts, Lang, name};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::openapi::choice_schema;
use crate::resources::scores::{
    Caveats, ContributionChange, ExplainedScore, Grade, OpenedScore, RunSummary, SizeClass, SourceRunView,
    access_or_none,
};

/// The contributions that a supplier sees of itself.
const CONTRIBUTIONS: [&str; 12] = [
    name::POINTS_BASE,
    name::POINTS_SEGMENT,
    name::POINTS_MONITORING,
    name::POINTS_LADDER,
    name::POINTS_ISMS,
    name::POINTS_MFA,
    name::POINTS_PATCHING,
    name::POINTS_HARDENING,
    name::POINTS_REMOTE_ACCESS,
    name::POINTS_EDR,
    name::POINTS_SELF_ASSESSMENT,
    name::POINTS_HISTORY,
];

fn is_shown(part: &Contribution) -> bool {
    CONTRIBUTIONS.contains(&part.key)
}

/// Rounds a score or points as people read them.
fn to_one_decimal(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The key of a contribution that a supplier sees of itself.
struct OwnContributionKey;

impl PartialSchema for OwnContributionKey {
    fn schema() -> RefOr<Schema> {
        choice_schema("", &CONTRIBUTIONS, name::POINTS_MONITORING).into()
    }
}

impl ToSchema for OwnContributionKey {}

/// A supplier and its risk score.
#[derive(Debug, Serialize, ToSchema)]
struct OwnRisk {
    /// The supplier.
    /// ja: 取引先のID
    supplier_id: SupplierId,
    /// The buyer's code of the supplier when it was scored.
    /// ja: 計算した時点の取引先コード
    #[schema(example = "S0000001")]
    supplier_code: String,
    /// The supplier's name when it was scored; null if unknown.
    /// ja: 計算した時点の取引先名（不明なら null）
    #[schema(example = "備製作所株式会社")]
    name: Option<String>,
    /// The size class by the SME Basic Act.
    /// ja: 中小企業基本法による規模区分
    #[schema(value_type = SizeClass)]
    size_class: String,
    /// The section of JSIC revision 14, or `unknown`.
    /// ja: 日本標準産業分類（第14回改定）の大分類、または `unknown`
    #[schema(example = "E")]
    jsic_section: String,
    /// The risk score, 0 to 100, rounded to one decimal. 100 is worst, and 12.5 points more means twice as likely.
    /// ja: リスクスコア（0〜100、小数第1位まで。100が最も高い。12.5点の差で起こりやすさが2倍）
    #[schema(example = 58.3)]
    risk_score: f64,
    /// The low end of the 90% interval of the risk score.
    /// ja: リスクスコアの90%区間の下限
    #[schema(example = 51.2)]
    risk_score_low: f64,
    /// The high end of the 90% interval of the risk score.
    /// ja: リスクスコアの90%区間の上限
    #[schema(example = 66.0)]
    risk_score_high: f64,
    /// The grade: A is the lowest risk, E the highest.
    /// ja: リスク等級（Aが最も低く、Eが最も高い）
    #[schema(value_type = Grade)]
    grade: String,
}

impl From<ScoreRow> for OwnRisk {
    fn from(row: ScoreRow) -> Self {
        Self {
            supplier_id: row.supplier_id,
            supplier_code: row.supplier_code,
            name: row.name,
            size_class: row.size_class,
            jsic_section: row.jsic_section,
            risk_score: to_one_decimal(row.risk_score),
            risk_score_low: to_one_decimal(row.risk_score_low),
            risk_score_high: to_one_decimal(row.risk_score_high),
            grade: row.grade,
        }
    }
}

/// The supplier's own score as the sum of its contributions, rounded to one decimal. Nothing about other firms, the chain
/// or the buyer's losses is shown.
/// ja: 取引先自身のスコアとその内訳・根拠（小数第1位まで）。他社、連鎖、発注者の損失に関する項目は含まない。
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnScore {
    #[serde(flatten)]
    risk: OwnRisk,
    /// The contributions. They sum to the risk score, before it is limited to 0 to 100.
    /// ja: スコアの内訳（合計がリスクスコアになる。0〜100に収める前の値）
    contributions: Vec<OwnContribution>,
    /// The evidence that the score is based on.
    /// ja: スコアの根拠
    evidence: OwnEvidence,
    /// What has changed since the run before, and why; null if that run did not score the supplier.
    /// ja: 前回の計算からの変化とその理由（前回の計算で対象でなければ null）
    change: Option<OwnScoreChange>,
    /// What readers of a score must know.
    /// ja: スコアを見るときの注意
    caveats: Caveats,
    #[serde(flatten)]
    source: SourceRunView,
}

impl OwnScore {
    pub(super) fn new(score: OpenedScore, source: SourceRunView, lang: Lang) -> Self {
        let OpenedScore { now, before } = score;
        let contributions = now.explanation.contributions.iter().filter(|part| is_shown(part));
        Self {
            contributions: contributions.map(|part| OwnContribution::new(part, lang)).collect(),
            change: before.map(|(run, before)| OwnScoreChange::new(&now, before, &run, lang)),
            evidence: OwnEvidence::new(now.facts, now.row.discounted_observed_years),
            caveats: Caveats::new(lang),
            risk: OwnRisk::from(now.row),
            source,
        }
    }
}

/// A contribution to the supplier's own score.
/// ja: スコアの内訳の1項目
#[derive(Debug, Serialize, ToSchema)]
struct OwnContribution {
    /// The name of the contribution.
    /// ja: 内訳の項目
    #[schema(value_type = OwnContributionKey)]
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

impl OwnContribution {
    fn new(part: &Contribution, lang: Lang) -> Self {
        Self { key: part.key, points: to_one_decimal(part.points), reason: part.reason(lang) }
    }
}

/// The evidence that the supplier's own score is based on.
/// ja: スコアの根拠
#[derive(Debug, Serialize, ToSchema)]
struct OwnEvidence {
    /// The enrollments that are active on the day of the score.
    /// ja: 基準日に有効な加入
    enrollments: Vec<OwnEnrollmentEvidence>,
    /// When the last of the enrollments that are over ended; null if none is.
    /// ja: 終了した加入のうち最後のものの終了日（なければ null）
    enrollment_ended_on: Option<NaiveDate>,
    /// The best of SECURITY ACTION and SCS, and the best ISMS certificate. Only these count.
    /// ja: SECURITY ACTION・SCSのうち最もよいものと、ISMSの認証（スコアに入るもの）
    certifications: Vec<OwnCertificationEvidence>,
    /// The assessments of single controls that count, at most one for each control.
    /// ja: スコアに入る対策の確認（対策ごとに1件まで）
    assessments: Vec<OwnAssessmentEvidence>,
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
    /// Which data of the buyer the supplier holds; `none` if unknown.
    /// ja: 発注者から預かっているデータ（不明なら `none`）
    #[schema(value_type = DataAccess)]
    data_access: Cow<'static, str>,
    /// How the supplier is connected to the buyer's network; `none` if unknown.
    /// ja: 発注者のネットワークへの接続（不明なら `none`）
    #[schema(value_type = NetworkAccess)]
    network_access: Cow<'static, str>,
}

impl OwnEvidence {
    fn new(facts: Facts, discounted_observed_years: f64) -> Self {
        let enrollments = facts.enrollments.into_iter().map(OwnEnrollmentEvidence::from);
        let assessed = facts.controls.map(|controls| controls.assessed).unwrap_or_default();
        let assessments = assessed.into_iter().map(OwnAssessmentEvidence::from);
        let certifications = facts.ladder.into_iter().chain(facts.isms).map(OwnCertificationEvidence::from);
        Self {
            enrollments: enrollments.collect(),
            enrollment_ended_on: facts.ended_on,
            certifications: certifications.collect(),
            assessments: assessments.collect(),
            harmful_count: facts.harmful_count,
            contained_count: facts.contained_count,
            blocked_count: facts.blocked_count,
            discounted_observed_years,
            data_access: access_or_none(facts.data_access),
            network_access: access_or_none(facts.network_access),
        }
    }
}

/// An active enrollment, as it counts.
/// ja: 有効な加入とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
struct OwnEnrollmentEvidence {
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

impl From<Enrollment> for OwnEnrollmentEvidence {
    fn from(enrollment: Enrollment) -> Self {
        Self {
            service_class: enrollment.service_class,
            coverage_share: enrollment.coverage_share,
            is_assumed: enrollment.is_assumed,
            counted_share: enrollment.take,
            starts_on: enrollment.starts_on,
        }
    }
}

/// A certificate or declaration, as it counts.
/// ja: 認証・宣言とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
struct OwnCertificationEvidence {
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

impl From<Certification> for OwnCertificationEvidence {
    fn from(certification: Certification) -> Self {
        Self {
            scheme: certification.scheme,
            expires_on: certification.expires_on,
            is_assumed: certification.is_assumed && certification.expires_on.is_some(),
            freshness: certification.freshness,
        }
    }
}

/// An assessment of a single control, as it counts.
/// ja: 対策の確認とそのスコアへの入り方
#[derive(Debug, Serialize, ToSchema)]
struct OwnAssessmentEvidence {
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
    /// How much of the assessment still counts, 0 to 1.
    /// ja: いまも数える割合（0〜1）
    #[schema(example = 1.0)]
    freshness: f64,
    /// The share that counts beside stronger evidence of the same kind, 0 to 1.
    /// ja: 同じ種類のより強い証拠に加えて数える割合（0〜1）
    #[schema(example = 1.0)]
    counted_share: f64,
}

impl From<Assessment> for OwnAssessmentEvidence {
    fn from(assessment: Assessment) -> Self {
        Self {
            control: assessment.control,
            status: assessment.status,
            total_score: assessment.total_score,
            assurance: assessment.assurance,
            assessed_on: assessment.assessed_on,
            expired_on: assessment.expired_on,
            freshness: assessment.freshness,
            counted_share: assessment.weight,
        }
    }
}

/// What has changed since the run before.
/// ja: 前回の計算からの変化
#[derive(Debug, Serialize, ToSchema)]
struct OwnScoreChange {
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
    /// The change of the risk score since.
    /// ja: リスクスコアの変化
    #[schema(example = -4.0)]
    risk_score_difference: f64,
    /// The contributions that have changed, the largest change first.
    /// ja: 変化した内訳（変化の大きい順）
    contributions: Vec<OwnContributionChange>,
}

impl OwnScoreChange {
    fn new(now: &ExplainedScore, before: ExplainedScore, run: &RunRow, lang: Lang) -> Self {
        let changes = now.changes_since(&before).filter(|change| is_shown(change.now));
        Self {
            run: RunSummary::from(run),
            contributions: changes.map(|change| OwnContributionChange::new(&change, lang)).collect(),
            risk_score_before: to_one_decimal(before.row.risk_score),
            risk_score_difference: to_one_decimal(now.row.risk_score - before.row.risk_score),
            grade_before: before.row.grade,
        }
    }
}

/// A contribution that has changed.
/// ja: 変化した内訳の1項目
#[derive(Debug, Serialize, ToSchema)]
struct OwnContributionChange {
    /// The name of the contribution.
    /// ja: 内訳の項目
    #[schema(value_type = OwnContributionKey)]
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

impl OwnContributionChange {
    fn new(change: &ContributionChange<'_>, lang: Lang) -> Self {
        Self {
            key: change.now.key,
            points_before: to_one_decimal(change.points_before()),
            points: to_one_decimal(change.now.points),
            difference: to_one_decimal(change.difference()),
            reason_before: change.reason_before(lang),
            reason: change.now.reason(lang),
        }
    }
}

/// The supplier's own score in its run.
/// ja: 1回の計算での取引先自身のスコア
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnPastScore {
    #[serde(flatten)]
    risk: OwnRisk,
    #[serde(flatten)]
    run: RunSummary,
}

impl OwnPastScore {
    pub(super) fn new(row: ScoreRow, run: RunSummary) -> Self {
        Self { risk: OwnRisk::from(row), run }
    }
}

/// A page of the supplier's own scores over time, the latest day first, rounded to one decimal.
/// ja: 取引先自身のスコアの推移（基準日の新しい順、小数第1位まで）
#[derive(Serialize, ToSchema)]
pub(super) struct OwnScoreHistory {
    /// One score for each run. Runs that did not score the supplier are left out.
    /// ja: 計算ごとのスコア（対象でない計算は除く）
    pub(super) items: Vec<OwnPastScore>,
    /// The `cursor` of the next page; null on the last page.
    /// ja: 次のページの `cursor`（最後のページでは null）
    #[schema(example = "cG9z")]
    pub(super) next_cursor: Option<String>,
    #[serde(flatten)]
    pub(super) source: SourceRunView,
}
