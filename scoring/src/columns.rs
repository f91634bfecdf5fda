//! Every column once: its name, what it holds, its range and its null rule.
//!
//! The CSV reader, the checks of [`Portfolio`](crate::Portfolio) and the data dictionary of the
//! workbook are all driven by these tables.

use crate::words::Lang;
use polars::prelude::{DataFrame, DataType, Expr, Literal, Schema, col, lit, when};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A code or a name: any text but the empty one.
    Text,
    /// One of a fixed set of keys.
    Choice(&'static [&'static str]),
    /// A whole number from the first to the second value.
    Whole(i64, i64),
    /// A number from the first to the second value.
    Number(f64, f64),
    /// A calendar date, `YYYY-MM-DD`.
    Date,
    /// `true` or `false`.
    Flag,
}

impl Kind {
    /// The type of such a column in a frame.
    pub const fn dtype(self) -> DataType {
        match self {
            Self::Text | Self::Choice(_) => DataType::String,
            Self::Whole(..) => DataType::Int64,
            Self::Number(..) => DataType::Float64,
            Self::Date => DataType::Date,
            Self::Flag => DataType::Boolean,
        }
    }
}

/// A column that the model reads.
#[derive(Debug, Clone, Copy)]
pub struct InputColumn {
    /// The name in files and frames.
    pub name: &'static str,
    /// The Japanese heading, taken as the same name.
    pub ja: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether every row must have a value.
    pub required: bool,
}

/// A table of a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The firms.
    Suppliers,
    /// Who supplies whom, and the buyer.
    Relationships,
    /// お助け隊 enrollments.
    Enrollments,
    /// SECURITY ACTION, SCS and ISMS.
    Certifications,
    /// What happened.
    Incidents,
}

impl Table {
    /// All tables, in the order in which they are read and checked.
    pub const ALL: [Self; 5] =
        [Self::Suppliers, Self::Relationships, Self::Enrollments, Self::Certifications, Self::Incidents];

    /// The name of the table, and of its file without the ending.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suppliers => "suppliers",
            Self::Relationships => "relationships",
            Self::Enrollments => "enrollments",
            Self::Certifications => "certifications",
            Self::Incidents => "incidents",
        }
    }

    /// The columns that the model reads, and the supplier's name.
    pub const fn columns(self) -> &'static [InputColumn] {
        match self {
            Self::Suppliers => SUPPLIERS,
            Self::Relationships => RELATIONSHIPS,
            Self::Enrollments => ENROLLMENTS,
            Self::Certifications => CERTIFICATIONS,
            Self::Incidents => INCIDENTS,
        }
    }

    /// The table without a row.
    pub fn empty(self) -> DataFrame {
        let schema: Schema = self.columns().iter().map(|column| (column.name.into(), column.kind.dtype())).collect();
        DataFrame::empty_with_schema(&schema)
    }

    /// Columns that files hold beside those of the model: known, and not read.
    pub const fn other_columns(self) -> &'static [&'static str] {
        match self {
            Self::Suppliers => &["kana", "corporate_number", "prefecture_code"],
            Self::Relationships => &["source", "external_id", "item", "valid_from_on", "valid_to_on"],
            Self::Enrollments => {
                &["source", "external_id", "service_name", "provider_name", "monitoring", "insured_limit_jpy"]
            }
            Self::Certifications => &["source", "external_id", "scope", "evidence_url"],
            Self::Incidents => &["source", "external_id", "category", "loss_jpy", "downtime_days"],
        }
    }
}

/// The number that goes with the key in `column`, or `otherwise` where none of the keys is there.
pub(crate) fn by_choice(column: &str, numbers: &[(&'static str, f64)], otherwise: impl Literal) -> Expr {
    numbers
        .iter()
        .fold(lit(otherwise), |rest, (key, number)| when(col(column).eq(lit(*key))).then(lit(*number)).otherwise(rest))
}

const fn column(name: &'static str, ja: &'static str, kind: Kind, required: bool) -> InputColumn {
    InputColumn { name, ja, kind, required }
}

const REQUIRED: bool = true;
const NULLABLE: bool = false;
const MANY: i64 = 1 << 53; // beyond it a double no longer holds every whole number
const FINITE: f64 = f64::MAX;
const YEN: f64 = 1e18; // beyond any economy, and far from where sums overflow

pub(crate) const DATA_ACCESS: &[&str] = &["none", "internal", "confidential"];
pub(crate) const NETWORK_ACCESS: &[&str] = &["none", "limited", "privileged"];
pub(crate) const CRITICALITIES: &[&str] = &["stops_line", "degrades", "routine"];
pub(crate) const SUBSTITUTABILITIES: &[&str] = &["sole", "limited", "multiple"];
pub(crate) const SERVICE_CLASSES: &[&str] = &["class_1", "class_2", "new_type"];
/// The steps of the ladder, then ISMS.
pub(crate) const SCHEMES: &[&str] = &["security_action_1", "security_action_2", "scs_3", "scs_4", "scs_5", "isms"];
pub(crate) const OUTCOMES: &[&str] = &["blocked", "contained", "harmful"];

const SUPPLIERS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", Kind::Text, REQUIRED),
    column(name::NAME, "取引先名", Kind::Text, NULLABLE),
    column(name::JSIC_DIVISION, "産業中分類", Kind::Whole(1, 99), NULLABLE),
    column(name::EMPLOYEE_COUNT, "従業員数", Kind::Whole(0, MANY), NULLABLE),
    column(name::CAPITAL_JPY, "資本金", Kind::Number(0.0, YEN), NULLABLE),
    column(name::DATA_ACCESS, "データの取扱い", Kind::Choice(DATA_ACCESS), NULLABLE),
    column(name::NETWORK_ACCESS, "ネットワーク接続", Kind::Choice(NETWORK_ACCESS), NULLABLE),
    column(name::TOTAL_ENDPOINTS, "端末総数", Kind::Whole(1, MANY), NULLABLE),
    column(name::REPORTS_INCIDENTS_SINCE, "報告の合意日", Kind::Date, NULLABLE),
];

const RELATIONSHIPS: &[InputColumn] = &[
    column(name::UPSTREAM_CODE, "供給元コード", Kind::Text, REQUIRED),
    column(name::DOWNSTREAM_CODE, "供給先コード", Kind::Text, NULLABLE),
    column(name::ANNUAL_SPEND_JPY, "年間取引額", Kind::Number(0.0, YEN), NULLABLE),
    column(name::CRITICALITY, "重要度", Kind::Choice(CRITICALITIES), REQUIRED),
    column(name::SUBSTITUTABILITY, "代替性", Kind::Choice(SUBSTITUTABILITIES), REQUIRED),
    column(name::STOCK_COVER_DAYS, "在庫日数", Kind::Number(0.0, FINITE), NULLABLE),
];

const ENROLLMENTS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", Kind::Text, REQUIRED),
    column(name::SERVICE_CLASS, "サービス区分", Kind::Choice(SERVICE_CLASSES), REQUIRED),
    column(name::COVERAGE_SHARE, "カバー率", Kind::Number(0.0, 1.0), NULLABLE),
    column(name::COVERED_ENDPOINTS, "対象端末数", Kind::Whole(0, MANY), NULLABLE),
    column(name::STARTS_ON, "開始日", Kind::Date, REQUIRED),
    column(name::ENDS_ON, "終了日", Kind::Date, NULLABLE),
    column(name::ONSITE_RESPONSE, "駆付け", Kind::Flag, REQUIRED),
];

const CERTIFICATIONS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", Kind::Text, REQUIRED),
    column(name::SCHEME, "制度", Kind::Choice(SCHEMES), REQUIRED),
    column(name::ISSUED_ON, "取得日", Kind::Date, REQUIRED),
    column(name::EXPIRES_ON, "有効期限", Kind::Date, NULLABLE),
];

const INCIDENTS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", Kind::Text, REQUIRED),
    column(name::OCCURRED_ON, "発生日", Kind::Date, REQUIRED),
    column(name::OUTCOME, "結果", Kind::Choice(OUTCOMES), REQUIRED),
    column(name::COUNT, "件数", Kind::Whole(1, MANY), NULLABLE),
];

/// What a number of a result is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// No number: a code or a key.
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
}

impl Unit {
    /// The unit as people write it; empty for a text.
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
    /// What it is counted in.
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
        ("割引後の事案数", "discounted incident count"),
        Unit::Count,
        (
            "実害のある事案と封じ込め済みの事案（古いものほど軽く数える）",
            "harmful and contained incidents, older ones counting less",
        ),
    ),
    result(
        name::DISCOUNTED_OBSERVED_YEARS,
        ("割引後の観測年数", "discounted observed years"),
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
        ("自社起因の年間発生率（90 %区間の下限）", "own rate, low end of the 90 % interval"),
        Unit::PerYear,
        ("90 %区間の下限", "low end of the 90 % interval"),
    ),
    result(
        name::OWN_RATE_HIGH,
        ("自社起因の年間発生率（90 %区間の上限）", "own rate, high end of the 90 % interval"),
        Unit::PerYear,
        ("90 %区間の上限", "high end of the 90 % interval"),
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
        ("リスクスコア（90 %区間の下限）", "risk score, low end of the 90 % interval"),
        Unit::Score,
        ("90 %区間の下限", "low end of the 90 % interval"),
    ),
    result(
        name::RISK_SCORE_HIGH,
        ("リスクスコア（90 %区間の上限）", "risk score, high end of the 90 % interval"),
        Unit::Score,
        ("90 %区間の上限", "high end of the 90 % interval"),
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
        ("年間途絶率", "disruption rate"),
        Unit::PerYear,
        ("自社起因と上流から受け継ぐ停止", "stops of its own and inherited from upstream"),
    ),
    result(
        name::DISRUPTION_PROBABILITY,
        ("年間途絶確率", "disruption probability"),
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
        ("停止1回の波及損失", "systemic loss per disruption"),
        Unit::Yen,
        ("1回の停止があらゆる経路で発注者に与える損失", "what one stop costs the buyer through every path"),
    ),
    result(
        name::EXPECTED_ANNUAL_LOSS_DIRECT_JPY,
        ("年間期待損失（この取引先を通じて）", "expected annual loss through the supplier"),
        Unit::Yen,
        ("この取引先を通じて発注者に届く年間の損失", "what reaches the buyer through this supplier in a year"),
    ),
    result(
        name::EXPECTED_ANNUAL_LOSS_CAUSED_JPY,
        ("年間期待損失（この取引先が起こす）", "expected annual loss caused"),
        Unit::Yen,
        (
            "この取引先自身の事案がここと下流で起こす年間の損失。支援の優先順",
            "what its own incidents cause here and downstream in a year: the order in which to help",
        ),
    ),
];

/// Names of columns, in frames and in files.
#[expect(missing_docs, reason = "what they hold stands in `RESULTS` and in the stages that give them")]
pub mod name {
    // What files hold.
    pub const SUPPLIER_CODE: &str = "supplier_code";
    pub const NAME: &str = "name";
    pub const JSIC_DIVISION: &str = "jsic_division";
    pub const EMPLOYEE_COUNT: &str = "employee_count";
    pub const CAPITAL_JPY: &str = "capital_jpy";
    pub const DATA_ACCESS: &str = "data_access";
    pub const NETWORK_ACCESS: &str = "network_access";
    pub const TOTAL_ENDPOINTS: &str = "total_endpoints";
    pub const REPORTS_INCIDENTS_SINCE: &str = "reports_incidents_since";
    pub const UPSTREAM_CODE: &str = "upstream_code";
    pub const DOWNSTREAM_CODE: &str = "downstream_code";
    pub const ANNUAL_SPEND_JPY: &str = "annual_spend_jpy";
    pub const CRITICALITY: &str = "criticality";
    pub const SUBSTITUTABILITY: &str = "substitutability";
    pub const STOCK_COVER_DAYS: &str = "stock_cover_days";
    pub const SERVICE_CLASS: &str = "service_class";
    pub const COVERAGE_SHARE: &str = "coverage_share";
    pub const COVERED_ENDPOINTS: &str = "covered_endpoints";
    pub const STARTS_ON: &str = "starts_on";
    pub const ENDS_ON: &str = "ends_on";
    pub const ONSITE_RESPONSE: &str = "onsite_response";
    pub const SCHEME: &str = "scheme";
    pub const ISSUED_ON: &str = "issued_on";
    pub const EXPIRES_ON: &str = "expires_on";
    pub const OCCURRED_ON: &str = "occurred_on";
    pub const OUTCOME: &str = "outcome";
    pub const COUNT: &str = "count";

    // What the model gives.
    pub const SIZE_CLASS: &str = "size_class";
    pub const JSIC_SECTION: &str = "jsic_section";
    pub const BASE_RATE: &str = "base_rate";
    pub const DISCOUNTED_INCIDENT_COUNT: &str = "discounted_incident_count";
    pub const DISCOUNTED_OBSERVED_YEARS: &str = "discounted_observed_years";
    pub const SEGMENT_FACTOR: &str = "segment_factor";
    pub const OWN_RATE: &str = "own_rate";
    pub const OWN_RATE_LOW: &str = "own_rate_low";
    pub const OWN_RATE_HIGH: &str = "own_rate_high";
    pub const INCIDENT_PROBABILITY: &str = "incident_probability";
    pub const RISK_SCORE: &str = "risk_score";
    pub const RISK_SCORE_LOW: &str = "risk_score_low";
    pub const RISK_SCORE_HIGH: &str = "risk_score_high";
    pub const GRADE: &str = "grade";
    pub const POINTS_BASE: &str = "points_base";
    pub const POINTS_SEGMENT: &str = "points_segment";
    pub const POINTS_MONITORING: &str = "points_monitoring";
    pub const POINTS_LADDER: &str = "points_ladder";
    pub const POINTS_ISMS: &str = "points_isms";
    pub const POINTS_HISTORY: &str = "points_history";
    pub const DISRUPTION_RATE: &str = "disruption_rate";
    pub const DISRUPTION_PROBABILITY: &str = "disruption_probability";
    pub const CHAIN_SCORE: &str = "chain_score";
    pub const CHAIN_GRADE: &str = "chain_grade";
    pub const POINTS_UPSTREAM: &str = "points_upstream";
    pub const LOSS_PER_DISRUPTION_JPY: &str = "loss_per_disruption_jpy";
    pub const SYSTEMIC_LOSS_PER_DISRUPTION_JPY: &str = "systemic_loss_per_disruption_jpy";
    pub const EXPECTED_ANNUAL_LOSS_DIRECT_JPY: &str = "expected_annual_loss_direct_jpy";
    pub const EXPECTED_ANNUAL_LOSS_CAUSED_JPY: &str = "expected_annual_loss_caused_jpy";

    // What stages hand on to later ones and to explanations.
    pub const SUPPLIER: &str = "supplier";
    pub const UPSTREAM: &str = "upstream";
    pub const DOWNSTREAM: &str = "downstream";
    pub const COVERAGE: &str = "coverage";
    pub const IS_ASSUMED: &str = "is_assumed";
    pub const LOG_FACTOR: &str = "log_factor";
    pub const TAKE: &str = "take";
    pub const MONITORING: &str = "monitoring";
    pub const LADDER: &str = "ladder";
    pub const ISMS: &str = "isms";
    pub const FLOOR_SCALE: &str = "floor_scale";
    pub const HAS_ONSITE: &str = "has_onsite";
    pub const ENDED_ON: &str = "ended_on";
    pub const EXPIRY: &str = "expiry";
    pub const FRESHNESS: &str = "freshness";
    pub const LADDER_SCHEME: &str = "ladder_scheme";
    pub const LADDER_EXPIRY: &str = "ladder_expiry";
    pub const LADDER_FRESHNESS: &str = "ladder_freshness";
    pub const ISMS_SCHEME: &str = "isms_scheme";
    pub const ISMS_EXPIRY: &str = "isms_expiry";
    pub const ISMS_FRESHNESS: &str = "isms_freshness";
    pub const PRIOR: &str = "prior";
    pub const WEIGHT: &str = "weight";
    pub const DISCOUNTED_HARMFUL_COUNT: &str = "discounted_harmful_count";
    pub const IS_REPORTING: &str = "is_reporting";
    pub const WATCHED_YEARS: &str = "watched_years";
    pub const WATCHED_HARMFUL_COUNT: &str = "watched_harmful_count";
    pub const HARMFUL_COUNT: &str = "harmful_count";
    pub const CONTAINED_COUNT: &str = "contained_count";
    pub const BLOCKED_COUNT: &str = "blocked_count";
    pub const PEER_HARMFUL_COUNT: &str = "peer_harmful_count";
    pub const PEER_EXPECTED_COUNT: &str = "peer_expected_count";
    pub const OWN_LOSS_JPY: &str = "own_loss_jpy";
}
