//! The columns of the results, with what people need to know to read them.

use super::name;
use crate::model::Format;
use crate::words::Lang;

/// The unit of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Not a number: a code or a key.
    Text,
    /// Events a year, 0 or more.
    PerYear,
    /// Events.
    Count,
    /// Years of 365.25 days.
    Years,
    /// A multiplier.
    Factor,
    /// 0 to 1.
    Probability,
    /// 0 to 100, 100 the riskiest.
    Score,
    /// A part of a score, of either sign.
    Points,
    /// Japanese yen.
    Yen,
    /// Days, 0 or more.
    Days,
}

impl Unit {
    /// Returns the unit as people write it; empty for a text.
    pub fn text(self, lang: Lang) -> &'static str {
        let (ja, en) = match self {
            Self::Text => ("", ""),
            Self::PerYear => ("回/年", "a year"),
            Self::Count => ("件", "incidents"),
            Self::Years => ("年", "years"),
            Self::Factor => ("倍", "factor"),
            Self::Probability => ("確率 0〜1", "probability 0 to 1"),
            Self::Score => ("0〜100、100が最も高い", "0 to 100, 100 is worst"),
            Self::Points => ("点", "points"),
            Self::Yen => ("円", "yen"),
            Self::Days => ("日", "days"),
        };
        lang.pick(ja, en)
    }
}

/// A column of the results.
#[derive(Debug, Clone, Copy)]
pub struct ResultColumn {
    /// The name in files and frames.
    pub name: &'static str,
    /// The heading, Japanese and English.
    pub heading: (&'static str, &'static str),
    /// Its unit.
    pub unit: Unit,
    /// What it means, Japanese and English.
    pub meaning: (&'static str, &'static str),
}

const fn result(
    name: &'static str,
    heading: (&'static str, &'static str),
    unit: Unit,
    meaning: (&'static str, &'static str),
) -> ResultColumn {
    ResultColumn { name, heading, unit, meaning }
}

/// The number of results of a model of format 1, which are the first ones.
const FORMAT_1_COUNT: usize = 30;

/// Returns the results by the rules of a model, in order.
pub fn results(format: Format) -> impl Iterator<Item = &'static ResultColumn> {
    let count = match format {
        Format::One => FORMAT_1_COUNT,
        Format::Two => RESULTS.len(),
    };
    RESULTS.iter().take(count)
}

/// The results, in order. None is ever null.
pub const RESULTS: &[ResultColumn] = &[
    result(name::SUPPLIER_CODE, ("取引先コード", "supplier code"), Unit::Text, ("コード（文字列）", "code, as text")),
    result(
        name::SIZE_CLASS,
        ("規模区分", "size class"),
        Unit::Text,
        ("中小企業基本法による区分: micro, sme, large, unknown", "by the SME Basic Act: micro, sme, large, unknown"),
    ),
    result(
        name::JSIC_SECTION,
        ("産業大分類", "JSIC section"),
        Unit::Text,
        ("日本標準産業分類（第14回改定）の大分類、または unknown", "section of JSIC revision 14, or unknown"),
    ),
    result(
        name::BASE_RATE,
        ("基礎発生率", "base rate"),
        Unit::PerYear,
        ("規模と業種だけから見込む実害のある事案", "harmful incidents expected from size and section alone"),
    ),
    result(
        name::DISCOUNTED_INCIDENT_COUNT,
        ("経過時間で重み付けした事案数", "discounted incident count"),
        Unit::Count,
        (
            "実害のある事案と封じ込め済みの事案（古いものほど軽く数える）",
            "harmful and contained incidents, older ones counting less",
        ),
    ),
    result(
        name::DISCOUNTED_OBSERVED_YEARS,
        ("経過時間で重み付けした観測年数", "discounted observed years"),
        Unit::Years,
        ("事案があれば記録に残ったはずの期間", "years in which an incident would have reached the record"),
    ),
    result(
        name::SEGMENT_FACTOR,
        ("同業同規模の補正", "segment factor"),
        Unit::Factor,
        (
            "同じ業種・規模の取引先の実績による補正",
            "correction by the experience of peers of the same section and size",
        ),
    ),
    result(
        name::OWN_RATE,
        ("自社起因の年間発生率", "own rate"),
        Unit::PerYear,
        ("取引先自身の実害のある事案", "harmful incidents of the supplier itself"),
    ),
    result(
        name::OWN_RATE_LOW,
        ("自社起因の年間発生率（90%区間の下限）", "own rate, low end of the 90% interval"),
        Unit::PerYear,
        ("90%区間の下限", "low end of the 90% interval"),
    ),
    result(
        name::OWN_RATE_HIGH,
        ("自社起因の年間発生率（90%区間の上限）", "own rate, high end of the 90% interval"),
        Unit::PerYear,
        ("90%区間の上限", "high end of the 90% interval"),
    ),
    result(
        name::INCIDENT_PROBABILITY,
        ("年間事案確率", "incident probability"),
        Unit::Probability,
        ("1年以内に実害のある事案が1件以上起きる確率", "chance of at least one harmful incident within a year"),
    ),
    result(
        name::RISK_SCORE,
        ("リスクスコア", "risk score"),
        Unit::Score,
        (
            "取引先自身のリスク。100が最も高い。12.5点の差で起こりやすさが2倍",
            "the supplier's own risk; 100 is worst, 12.5 points more means twice as likely",
        ),
    ),
    result(
        name::RISK_SCORE_LOW,
        ("リスクスコア（90%区間の下限）", "risk score, low end of the 90% interval"),
        Unit::Score,
        ("90%区間の下限", "low end of the 90% interval"),
    ),
    result(
        name::RISK_SCORE_HIGH,
        ("リスクスコア（90%区間の上限）", "risk score, high end of the 90% interval"),
        Unit::Score,
        ("90%区間の上限", "high end of the 90% interval"),
    ),
    result(name::GRADE, ("リスク等級", "grade"), Unit::Text, ("A（低い）からE（高い）", "A, low, to E, high")),
    result(
        name::POINTS_BASE,
        ("内訳: 規模と業種", "points: size and section"),
        Unit::Points,
        ("規模と業種による点数", "points for size and section"),
    ),
    result(
        name::POINTS_SEGMENT,
        ("内訳: 同業同規模の実績", "points: peers"),
        Unit::Points,
        ("同じ業種・規模の取引先の実績による点数", "points for the experience of peers"),
    ),
    result(
        name::POINTS_MONITORING,
        ("内訳: お助け隊の監視", "points: monitoring"),
        Unit::Points,
        ("お助け隊サービスの監視による点数（仮定に基づく）", "points for お助け隊 monitoring (rests on assumptions)"),
    ),
    result(
        name::POINTS_LADDER,
        ("内訳: SECURITY ACTION・SCS", "points: SECURITY ACTION and SCS"),
        Unit::Points,
        (
            "SECURITY ACTION・SCSのうち最もよいもの（仮定に基づく）",
            "points for the best of SECURITY ACTION and SCS (rests on assumptions)",
        ),
    ),
    result(
        name::POINTS_ISMS,
        ("内訳: ISMS", "points: ISMS"),
        Unit::Points,
        ("ISMSによる点数（仮定に基づく）", "points for ISMS (rests on assumptions)"),
    ),
    result(
        name::POINTS_HISTORY,
        ("内訳: 自社の記録", "points: own record"),
        Unit::Points,
        ("取引先自身の記録による点数", "points for the supplier's own record"),
    ),
    result(
        name::DISRUPTION_RATE,
        ("年間供給停止率", "disruption rate"),
        Unit::PerYear,
        ("自社起因と上流から受け継ぐ停止", "stops of its own and inherited from upstream"),
    ),
    result(
        name::DISRUPTION_PROBABILITY,
        ("年間供給停止確率", "disruption probability"),
        Unit::Probability,
        ("1年以内に1回以上止まる確率", "chance of at least one stop within a year"),
    ),
    result(
        name::CHAIN_SCORE,
        ("連鎖スコア", "chain score"),
        Unit::Score,
        ("上流から受け継ぐ分を含むスコア", "the score with what is inherited from upstream"),
    ),
    result(
        name::CHAIN_GRADE,
        ("連鎖等級", "chain grade"),
        Unit::Text,
        ("A（低い）からE（高い）、上流を含む", "A, low, to E, high, upstream included"),
    ),
    result(
        name::POINTS_UPSTREAM,
        ("内訳: 上流", "points: upstream"),
        Unit::Points,
        ("上流の取引先による点数（連鎖スコアだけに入る）", "points for upstream suppliers (chain score only)"),
    ),
    result(
        name::LOSS_PER_DISRUPTION_JPY,
        ("停止1回の直接損失", "loss per disruption"),
        Unit::Yen,
        ("1回の停止で発注者が直接失う額", "what one stop costs the buyer directly"),
    ),
    result(
        name::SYSTEMIC_LOSS_PER_DISRUPTION_JPY,
        ("停止1回あたりの波及損失", "systemic loss per disruption"),
        Unit::Yen,
        ("1回の停止があらゆる経路で発注者に与える損失", "what one stop costs the buyer through every path"),
    ),
    result(
        name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY,
        ("年間期待損失（この取引先経由）", "expected annual loss through the supplier"),
        Unit::Yen,
        ("この取引先を経由して発注者に届く年間の損失", "what reaches the buyer through this supplier in a year"),
    ),
    result(
        name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY,
        ("年間期待損失（この取引先に起因）", "expected annual loss caused"),
        Unit::Yen,
        (
            "この取引先自身の事案により、この取引先と下流で生じる年間の損失。支援の優先順",
            "what its own incidents cause here and downstream in a year: the order in which to help",
        ),
    ),
    result(
        name::POINTS_MFA,
        ("内訳: 多要素認証", "points: MFA"),
        Unit::Points,
        ("多要素認証による点数（仮定に基づく）", "points for multi-factor authentication (rests on assumptions)"),
    ),
    result(
        name::POINTS_PATCHING,
        ("内訳: 重大な脆弱性の修正", "points: patching"),
        Unit::Points,
        (
            "重大な脆弱性の14日以内の修正による点数（仮定に基づく）",
            "points for patching within 14 days (rests on assumptions)",
        ),
    ),
    result(
        name::POINTS_HARDENING,
        ("内訳: 安全な基本設定", "points: hardening"),
        Unit::Points,
        (
            "安全な基本設定の一律適用による点数（仮定に基づく）",
            "points for a hardened configuration (rests on assumptions)",
        ),
    ),
    result(
        name::POINTS_REMOTE_ACCESS,
        ("内訳: 外部接続口の管理", "points: remote access"),
        Unit::Points,
        ("外部接続口の管理による点数（仮定に基づく）", "points for remote access kept current (rests on assumptions)"),
    ),
    result(
        name::POINTS_EDR,
        ("内訳: EDR", "points: EDR"),
        Unit::Points,
        ("EDRによる点数（仮定に基づく）", "points for EDR (rests on assumptions)"),
    ),
    result(
        name::POINTS_SELF_ASSESSMENT,
        ("内訳: 自社診断", "points: self-assessment"),
        Unit::Points,
        ("自社診断の合計点による点数（仮定に基づく）", "points for the self-assessment (rests on assumptions)"),
    ),
    result(
        name::MEAN_DOWNTIME_DAYS,
        ("平均停止日数", "mean downtime"),
        Unit::Days,
        ("1回の停止が続く平均の日数", "mean days that a stop lasts"),
    ),
];
