//! Every column, defined once: its name, what it holds, its range and whether it may be null.
//!
//! These tables drive the CSV reader, the checks of [`Portfolio`](crate::Portfolio) and the data dictionary of the
//! workbook.

pub mod name;
mod results;

use polars::prelude::{DataFrame, DataType, Expr, Literal, Schema, col, lit, when};

pub use results::{RESULTS, ResultColumn, Unit, results};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ColumnKind {
    /// A code or a name: any text except the empty one.
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

impl ColumnKind {
    /// Returns the type of such a column in a frame.
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
    /// The Japanese heading, accepted as the same name.
    pub ja: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// Whether every row must have a value.
    pub required: bool,
}

/// A table of a portfolio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The suppliers.
    Suppliers,
    /// Who supplies another supplier or the buyer.
    Relationships,
    /// お助け隊 enrollments.
    Enrollments,
    /// SECURITY ACTION, SCS and ISMS.
    Certifications,
    /// What somebody found out about single controls.
    Assessments,
    /// The incidents.
    Incidents,
}

impl Table {
    /// All tables, in the order in which they are read and checked.
    pub const ALL: [Self; 6] = [
        Self::Suppliers,
        Self::Relationships,
        Self::Enrollments,
        Self::Certifications,
        Self::Assessments,
        Self::Incidents,
    ];

    /// Returns the name of the table, and of its file without the extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Suppliers => "suppliers",
            Self::Relationships => "relationships",
            Self::Enrollments => "enrollments",
            Self::Certifications => "certifications",
            Self::Assessments => "assessments",
            Self::Incidents => "incidents",
        }
    }

    /// Returns the columns that the model reads, and the supplier's name.
    pub const fn columns(self) -> &'static [InputColumn] {
        match self {
            Self::Suppliers => SUPPLIER_COLUMNS,
            Self::Relationships => RELATIONSHIP_COLUMNS,
            Self::Enrollments => ENROLLMENT_COLUMNS,
            Self::Certifications => CERTIFICATION_COLUMNS,
            Self::Assessments => ASSESSMENT_COLUMNS,
            Self::Incidents => INCIDENT_COLUMNS,
        }
    }

    /// Returns the columns that hold codes of suppliers, and those that hold the suppliers' rows instead.
    pub const fn references(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Suppliers => &[],
            Self::Relationships => &[(name::UPSTREAM_CODE, name::UPSTREAM), (name::DOWNSTREAM_CODE, name::DOWNSTREAM)],
            Self::Enrollments | Self::Certifications | Self::Assessments | Self::Incidents => {
                &[(name::SUPPLIER_CODE, name::SUPPLIER)]
            }
        }
    }

    /// Returns the column that holds suppliers' rows instead of the codes of this one.
    pub fn row_column(self, code: &str) -> Option<&'static str> {
        self.references().iter().find(|(name, _)| *name == code).map(|(_, row)| *row)
    }

    /// Returns the table without rows.
    pub fn empty(self) -> DataFrame {
        let schema: Schema = self.columns().iter().map(|column| (column.name.into(), column.kind.dtype())).collect();
        DataFrame::empty_with_schema(&schema)
    }

    /// Returns the same with suppliers' rows instead of their codes.
    pub fn empty_of_rows(self) -> DataFrame {
        let schema: Schema = self
            .columns()
            .iter()
            .map(|column| match self.row_column(column.name) {
                Some(row) => (row.into(), DataType::UInt32),
                None => (column.name.into(), column.kind.dtype()),
            })
            .collect();
        DataFrame::empty_with_schema(&schema)
    }

    /// Returns whether a portfolio holds the choices of this table as their numbers, counted from 0 in order of
    /// [`ColumnKind::Choice`]. They take a quarter of the memory of texts, for tables with millions of rows.
    pub const fn numbers_choices(self) -> bool {
        matches!(self, Self::Relationships | Self::Assessments | Self::Incidents)
    }
}

/// Returns the number for the key in `column`, or `otherwise` if it is none of the keys.
pub(crate) fn by_choice(column: &str, numbers: &[(&'static str, f64)], otherwise: impl Literal) -> Expr {
    numbers
        .iter()
        .fold(lit(otherwise), |rest, (key, number)| when(col(column).eq(lit(*key))).then(lit(*number)).otherwise(rest))
}

/// Returns the same for a column of choices as numbers, which are the positions in `numbers`.
pub(crate) fn by_number(column: &str, numbers: &[(&'static str, f64)]) -> Expr {
    (0u32..).zip(numbers).fold(lit(f64::NAN), |rest, (number, (_, value))| {
        when(col(column).eq(lit(number))).then(lit(*value)).otherwise(rest)
    })
}

/// Returns the number of a choice.
pub(crate) fn number_of(choices: &[&str], choice: &str) -> u32 {
    choices.iter().position(|known| *known == choice).map_or(NO_CHOICE, |place| place as u32)
}

/// The number for a value that is none of the choices.
pub(crate) const NO_CHOICE: u32 = u32::MAX;

const fn column(name: &'static str, ja: &'static str, kind: ColumnKind, required: bool) -> InputColumn {
    InputColumn { name, ja, kind, required }
}

const REQUIRED: bool = true;
const NULLABLE: bool = false;
const MAX_COUNT: i64 = 1_000_000_000_000; // more than there are, and a double still holds every whole number
const MAX_YEN: f64 = 1e15; // a thousand times a national economy, and a double still holds every whole number
const MAX_DAYS: f64 = 365_250.0; // a thousand years of days

pub(crate) const DATA_ACCESS: &[&str] = &["none", "internal", "confidential"];
pub(crate) const NETWORK_ACCESS: &[&str] = &["none", "limited", "privileged"];
pub(crate) const CRITICALITIES: &[&str] = &["stops_line", "degrades", "routine"];
pub(crate) const SUBSTITUTABILITIES: &[&str] = &["sole", "limited", "multiple"];
pub(crate) const SERVICE_CLASSES: &[&str] = &["class_1", "class_2", "new_type"];
/// The steps of the ladder, then ISMS.
pub(crate) const SCHEMES: &[&str] = &["security_action_1", "security_action_2", "scs_3", "scs_4", "scs_5", "isms"];
/// The single controls. `backup` shortens stops; all others lower the rate.
pub(crate) const CONTROLS: [&str; 7] =
    ["mfa", "patching", "hardening", "remote_access", "edr", "backup", "self_assessment"];
pub(crate) const BACKUP: usize = 5;
pub(crate) const SELF_ASSESSMENT: usize = 6;
pub(crate) const STATUSES: &[&str] = &["met", "not_met"];
/// Who says so, in ascending order of trust.
pub(crate) const ASSURANCES: &[&str] = &["self_reported", "verified_by_provider", "verified_by_third_party"];
pub(crate) const OUTCOMES: &[&str] = &["blocked", "contained", "harmful"];

const SUPPLIER_COLUMNS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", ColumnKind::Text, REQUIRED),
    column(name::NAME, "取引先名", ColumnKind::Text, NULLABLE),
    column(name::JSIC_DIVISION, "産業中分類", ColumnKind::Whole(1, 99), NULLABLE),
    column(name::EMPLOYEE_COUNT, "従業員数", ColumnKind::Whole(0, MAX_COUNT), NULLABLE),
    column(name::CAPITAL_JPY, "資本金", ColumnKind::Number(0.0, MAX_YEN), NULLABLE),
    column(name::DATA_ACCESS, "データの取扱い", ColumnKind::Choice(DATA_ACCESS), NULLABLE),
    column(name::NETWORK_ACCESS, "ネットワーク接続", ColumnKind::Choice(NETWORK_ACCESS), NULLABLE),
    column(name::TOTAL_ENDPOINTS, "端末総数", ColumnKind::Whole(1, MAX_COUNT), NULLABLE),
    column(name::REPORTS_INCIDENTS_SINCE, "報告の合意日", ColumnKind::Date, NULLABLE),
];

const RELATIONSHIP_COLUMNS: &[InputColumn] = &[
    column(name::UPSTREAM_CODE, "供給元コード", ColumnKind::Text, REQUIRED),
    column(name::DOWNSTREAM_CODE, "供給先コード", ColumnKind::Text, NULLABLE),
    column(name::ANNUAL_SPEND_JPY, "年間取引額", ColumnKind::Number(0.0, MAX_YEN), NULLABLE),
    column(name::CRITICALITY, "重要度", ColumnKind::Choice(CRITICALITIES), REQUIRED),
    column(name::SUBSTITUTABILITY, "代替性", ColumnKind::Choice(SUBSTITUTABILITIES), REQUIRED),
    column(name::STOCK_COVER_DAYS, "在庫日数", ColumnKind::Number(0.0, MAX_DAYS), NULLABLE),
];

const ENROLLMENT_COLUMNS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", ColumnKind::Text, REQUIRED),
    column(name::SERVICE_CLASS, "サービス区分", ColumnKind::Choice(SERVICE_CLASSES), REQUIRED),
    column(name::COVERAGE_SHARE, "カバー率", ColumnKind::Number(0.0, 1.0), NULLABLE),
    column(name::COVERED_ENDPOINTS, "対象端末数", ColumnKind::Whole(0, MAX_COUNT), NULLABLE),
    column(name::STARTS_ON, "開始日", ColumnKind::Date, REQUIRED),
    column(name::ENDS_ON, "終了日", ColumnKind::Date, NULLABLE),
    column(name::ONSITE_RESPONSE, "駆付け", ColumnKind::Flag, REQUIRED),
];

const CERTIFICATION_COLUMNS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", ColumnKind::Text, REQUIRED),
    column(name::SCHEME, "制度", ColumnKind::Choice(SCHEMES), REQUIRED),
    column(name::ISSUED_ON, "取得日", ColumnKind::Date, REQUIRED),
    column(name::EXPIRES_ON, "有効期限", ColumnKind::Date, NULLABLE),
];

const ASSESSMENT_COLUMNS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", ColumnKind::Text, REQUIRED),
    column(name::CONTROL, "対策", ColumnKind::Choice(&CONTROLS), REQUIRED),
    column(name::STATUS, "実施状況", ColumnKind::Choice(STATUSES), NULLABLE),
    column(name::TOTAL_SCORE, "自社診断の合計点", ColumnKind::Whole(-25, 100), NULLABLE),
    column(name::ASSESSED_ON, "確認日", ColumnKind::Date, REQUIRED),
    column(name::EXPIRES_ON, "有効期限", ColumnKind::Date, NULLABLE),
    column(name::ASSURANCE, "確認者", ColumnKind::Choice(ASSURANCES), REQUIRED),
];

const INCIDENT_COLUMNS: &[InputColumn] = &[
    column(name::SUPPLIER_CODE, "取引先コード", ColumnKind::Text, REQUIRED),
    column(name::OCCURRED_ON, "発生日", ColumnKind::Date, REQUIRED),
    column(name::OUTCOME, "結果", ColumnKind::Choice(OUTCOMES), REQUIRED),
    column(name::COUNT, "件数", ColumnKind::Whole(1, MAX_COUNT), NULLABLE),
];
