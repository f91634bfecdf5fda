//! The numbers of a portfolio: grades, losses and the indicators of SC3.

use scoring::{Coverage, GRADES};
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::controls::{ControlCoverage, ControlInTier, ControlOfSizeClass};
use crate::http::openapi::choice_schema;
use crate::resources::score_runs::overview::Overview;

/// The numbers of a portfolio that name no suppliers.
#[derive(Serialize, ToSchema)]
pub(super) struct PortfolioNumbers {
    /// The number of suppliers that were scored.
    /// ja: スコアを計算した取引先の数
    #[schema(example = 300)]
    supplier_count: usize,
    /// The number of suppliers of each grade, by their own risk.
    /// ja: リスク等級ごとの取引先数
    grades: Vec<GradeCount>,
    /// The number of suppliers of each chain grade, which includes the risk from upstream.
    /// ja: 連鎖等級ごとの取引先数（上流のリスクを含む）
    chain_grades: Vec<GradeCount>,
    /// The expected annual loss of the buyer, in yen.
    /// ja: 発注者の年間期待損失（円）
    #[schema(example = 605_659_058.2)]
    expected_annual_loss_jpy: f64,
    /// The annual spend with direct suppliers, in yen. An unknown spend counts as 0.
    /// ja: 直接の取引先との年間取引額（円）。未入力は0として数える
    #[schema(example = 8_120_000_000.0)]
    annual_spend_jpy: f64,
    /// The part of that spend that goes to monitored suppliers, in yen.
    /// ja: うち監視対象の取引先との取引額（円）
    #[schema(example = 2_330_000_000.0)]
    monitored_spend_jpy: f64,
    /// `monitored_spend_jpy` divided by `annual_spend_jpy`, 0 to 1; null without any spend.
    /// ja: 監視対象の取引額割合（0〜1）。取引額がなければ null
    #[schema(example = 0.287)]
    monitored_spend_share: Option<f64>,
    /// Monitored suppliers: those with an active お助け隊 enrollment whose coverage is above 0.
    /// ja: お助け隊サービスの監視対象の取引先（有効な加入があり、カバー率が0を超える）
    monitored: Proportion,
    /// Suppliers with SECURITY ACTION ★1 or ★2.
    /// ja: SECURITY ACTION ★1以上の取引先
    security_action_1: Proportion,
    /// Suppliers with SECURITY ACTION ★2.
    /// ja: SECURITY ACTION ★2の取引先
    security_action_2: Proportion,
    /// Micro, small and medium enterprises with SECURITY ACTION ★1 or ★2.
    /// ja: SECURITY ACTION ★1以上の中小企業（小規模企業者を含む）
    security_action_1_sme: Proportion,
    /// Micro, small and medium enterprises with SECURITY ACTION ★2.
    /// ja: SECURITY ACTION ★2の中小企業（小規模企業者を含む）
    security_action_2_sme: Proportion,
    /// Suppliers with SCS ★3 or higher.
    /// ja: SCS ★3以上の取引先
    scs_3: Proportion,
    /// Suppliers with SCS ★4 or higher.
    /// ja: SCS ★4以上の取引先
    scs_4: Proportion,
    /// Suppliers with SCS ★5.
    /// ja: SCS ★5の取引先
    scs_5: Proportion,
    /// Suppliers with an ISMS certificate.
    /// ja: ISMS認証のある取引先
    isms: Proportion,
    /// Suppliers that have agreed to report incidents.
    /// ja: 事案の報告に合意した取引先
    reporting: Proportion,
    /// Suppliers whose incident contact was verified in the 12 months up to the day of the scores; null if contacts were
    /// not counted.
    /// ja: 基準日までの12か月以内に事案の連絡先を確認した取引先。集計していなければ null
    verified_contacts: Option<Proportion>,
    /// What is known about each of the seven controls. Empty for scores by a model before 2026.2, and for score runs
    /// from before assessments could be recorded.
    /// ja: 対策ごとの確認の状況（7項目）。2026.2より前のモデルで計算したスコアと、対策の確認に対応する前の計算では空
    controls: Vec<ControlCoverage>,
    /// The same by tier: one item for each tier and control. Empty if `controls` is.
    /// ja: 取引階層ごとの確認の状況（階層と対策の組ごとに1件）。`controls` が空なら空
    controls_by_tier: Vec<ControlInTier>,
    /// The same by size class: one item for each size class and control. Empty if `controls` is.
    /// ja: 企業規模ごとの確認の状況（規模と対策の組ごとに1件）。`controls` が空なら空
    controls_by_size_class: Vec<ControlOfSizeClass>,
    /// Suppliers without any enrollment, certification, assessment, reporting agreement or incident on record.
    /// ja: 加入・認証・対策の確認・報告の合意・事案のどれも記録がない取引先
    without_evidence: Proportion,
    /// Expired enrollments and certifications, out of all that have begun.
    /// ja: 期限切れの加入・認証（開始済みの全件のうち）
    expired: Proportion,
    /// Monitored suppliers by tier.
    /// ja: 取引階層ごとの監視対象の取引先
    monitored_by_tier: Vec<MonitoredInTier>,
    /// Monitored suppliers by size class.
    /// ja: 企業規模ごとの監視対象の取引先
    monitored_by_size_class: Vec<MonitoredOfSizeClass>,
    /// The median age of the newest evidence of each supplier that has any, in days; null if no supplier has any. While
    /// an enrollment is active, the age is 0.
    /// ja: 取引先ごとの最新の根拠の経過日数（中央値）。有効な加入があれば0日とする。根拠のある取引先がなければ null
    #[schema(example = 120.0)]
    evidence_age_median_days: Option<f64>,
    /// The number of direct suppliers that nobody can replace and that are not monitored.
    /// ja: 監視対象外かつ代替困難な直接の取引先の数
    #[schema(example = 9)]
    sole_source_unmonitored_supplier_count: usize,
    /// The expected annual loss of the buyer through those suppliers, in yen.
    /// ja: 監視対象外かつ代替困難な取引先に係る年間期待損失（円）
    #[schema(example = 41_800_000.5)]
    sole_source_unmonitored_loss_jpy: f64,
    /// The number of suppliers that supply the buyer directly.
    /// ja: 1次取引先の数
    #[schema(example = 120)]
    tier_1_supplier_count: usize,
    /// Active enrollments by お助け隊 provider, the most enrollments first.
    /// ja: お助け隊事業者ごとの有効な加入（多い順）
    operators: Vec<ProviderEnrollments>,
}

impl From<Overview> for PortfolioNumbers {
    fn from(overview: Overview) -> Self {
        let monitored_spend_share = overview.monitored_spend_share();
        let Overview {
            supplier_count,
            grades,
            chain_grades,
            expected_annual_loss_jpy,
            most_loss: _,
            annual_spend_jpy,
            monitored_spend_jpy,
            monitored,
            monitored_by_tier,
            monitored_by_size,
            security_action_1,
            security_action_2,
            security_action_1_sme,
            security_action_2_sme,
            scs_3,
            scs_4,
            scs_5,
            isms,
            controls,
            controls_by_tier,
            controls_by_size,
            reporting,
            verified_contacts,
            evidence_age_median_days,
            without_evidence,
            expired,
            sole_source_unmonitored_count,
            sole_source_unmonitored_loss_jpy,
            tier_1_count,
            stops_tier_1: _,
            operators,
            unknown_size: _,
            unknown_section: _,
            unknown_spend_row_count: _,
            assumed_coverage_row_count: _,
        } = overview;
        Self {
            supplier_count,
            grades: by_grade(grades),
            chain_grades: by_grade(chain_grades),
            expected_annual_loss_jpy,
            annual_spend_jpy,
            monitored_spend_jpy,
            monitored_spend_share,
            monitored: monitored.into(),
            security_action_1: security_action_1.into(),
            security_action_2: security_action_2.into(),
            security_action_1_sme: security_action_1_sme.into(),
            security_action_2_sme: security_action_2_sme.into(),
            scs_3: scs_3.into(),
            scs_4: scs_4.into(),
            scs_5: scs_5.into(),
            isms: isms.into(),
            reporting: reporting.into(),
            verified_contacts: verified_contacts.map(Proportion::from),
            controls: controls.into_iter().map(ControlCoverage::from).collect(),
            controls_by_tier: ControlInTier::list(controls_by_tier),
            controls_by_size_class: ControlOfSizeClass::list(controls_by_size),
            without_evidence: without_evidence.into(),
            expired: expired.into(),
            monitored_by_tier: monitored_by_tier
                .into_iter()
                .map(|(tier, monitored)| MonitoredInTier { tier, monitored: monitored.into() })
                .collect(),
            monitored_by_size_class: monitored_by_size
                .into_iter()
                .map(|(size_class, monitored)| MonitoredOfSizeClass { size_class, monitored: monitored.into() })
                .collect(),
            evidence_age_median_days,
            sole_source_unmonitored_supplier_count: sole_source_unmonitored_count,
            sole_source_unmonitored_loss_jpy,
            tier_1_supplier_count: tier_1_count,
            operators: by_provider(operators.unwrap_or_default()),
        }
    }
}

/// A count and its share of a total.
/// ja: 該当数と割合
#[derive(Serialize, ToSchema)]
pub(super) struct Proportion {
    /// How many meet the indicator.
    /// ja: 該当数
    #[schema(example = 78)]
    count: usize,
    /// The total for which the indicator is measured.
    /// ja: 対象の総数
    #[schema(example = 300)]
    of: usize,
    /// `count` divided by `of`, 0 to 1; null if `of` is 0.
    /// ja: 割合（0〜1）。対象がなければ null
    #[schema(example = 0.26)]
    share: Option<f64>,
}

impl From<Coverage> for Proportion {
    fn from(coverage: Coverage) -> Self {
        let Coverage { count, of } = coverage;
        Self { count, of, share: coverage.share() }
    }
}

/// The number of suppliers of a grade.
/// ja: 等級ごとの取引先数
#[derive(Serialize, ToSchema)]
struct GradeCount {
    /// The grade, from A (low risk) to E (high risk).
    /// ja: 等級。A（低い）からE（高い）
    #[schema(value_type = Grade)]
    grade: &'static str,
    /// The number of suppliers of this grade.
    /// ja: この等級の取引先数
    #[schema(example = 129)]
    supplier_count: usize,
}

fn by_grade(counts: [usize; 5]) -> Vec<GradeCount> {
    GRADES.into_iter().zip(counts).map(|(grade, supplier_count)| GradeCount { grade, supplier_count }).collect()
}

/// The monitored suppliers of a tier.
/// ja: 取引階層ごとの監視対象の取引先
#[derive(Serialize, ToSchema)]
struct MonitoredInTier {
    /// The tier. 1 supplies the buyer directly, and 10 includes all tiers beyond it; null without a known path to the
    /// buyer.
    /// ja: 取引階層。1は発注者に直接納める取引先、10は10次以降。発注者までの商流が未登録なら null
    #[schema(example = 1)]
    tier: Option<u32>,
    /// The monitored suppliers of this tier.
    /// ja: この階層の監視対象の取引先
    monitored: Proportion,
}

/// The monitored suppliers of a size class.
/// ja: 企業規模ごとの監視対象の取引先
#[derive(Serialize, ToSchema)]
struct MonitoredOfSizeClass {
    /// The size class.
    /// ja: 企業規模
    #[schema(value_type = SizeClass)]
    size_class: String,
    /// The monitored suppliers of this size class.
    /// ja: この規模の監視対象の取引先
    monitored: Proportion,
}

/// The active enrollments with an お助け隊 provider.
/// ja: お助け隊事業者ごとの有効な加入
#[derive(Serialize, ToSchema)]
struct ProviderEnrollments {
    /// The name of the provider; null if unknown.
    /// ja: 事業者名。不明なら null
    #[schema(example = "事業者01")]
    provider_name: Option<String>,
    /// The number of active enrollments with this provider.
    /// ja: この事業者のサービスへの有効な加入の数
    #[schema(example = 12)]
    enrollment_count: usize,
    /// Their share of all active enrollments, 0 to 1.
    /// ja: 有効な加入全体に占める割合（0〜1）
    #[schema(example = 0.08)]
    share: Option<f64>,
}

fn by_provider(counts: Vec<(Option<String>, usize)>) -> Vec<ProviderEnrollments> {
    let all = counts.iter().map(|(_, count)| count).sum();
    let enrollments = counts.into_iter().map(|(provider_name, enrollment_count)| ProviderEnrollments {
        provider_name,
        enrollment_count,
        share: Coverage { count: enrollment_count, of: all }.share(),
    });
    enrollments.collect()
}

/// The values of a grade, for the API document.
pub(super) struct Grade;

impl PartialSchema for Grade {
    fn schema() -> RefOr<Schema> {
        choice_schema("A grade.", &GRADES, "D").into()
    }
}

impl ToSchema for Grade {}

/// The values of a size class, for the API document.
pub(super) struct SizeClass;

impl PartialSchema for SizeClass {
    fn schema() -> RefOr<Schema> {
        choice_schema("A size class.", &["micro", "sme", "large", "unknown"], "sme").into()
    }
}

impl ToSchema for SizeClass {}
