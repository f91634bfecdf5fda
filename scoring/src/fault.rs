//! Faults in input: what is wrong, where, and what to do, in both languages.

use crate::columns::Table;
use crate::words::{Lang, grouped};

/// One fault in one row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The table.
    pub table: Table,
    /// The row, counted from 0; none if the table as a whole is at fault.
    pub row: Option<usize>,
    /// The column, if one is at fault.
    pub column: Option<&'static str>,
    /// The value there; none for an empty cell.
    pub value: Option<String>,
    /// What is wrong with it.
    pub reason: Reason,
}

/// Why a value is refused. The codes are stable; the texts may change.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// The table lacks a column whose values are required.
    MissingColumn,
    /// The column of a frame has another type than the model reads.
    WrongType,
    /// An empty cell where a value is required.
    MissingValue,
    /// Not a number although one is expected.
    NotANumber,
    /// A number with decimals although a whole one is expected.
    NotWhole,
    /// A number outside of the range.
    OutOfRange(f64, f64),
    /// None of the values that are allowed in the column.
    UnknownChoice(&'static [&'static str]),
    /// Not a calendar date as `YYYY-MM-DD`.
    NotADate,
    /// Neither `true` nor `false`.
    NotAFlag,
    /// A supplier code that is not in the suppliers table.
    UnknownSupplier,
    /// A supplier code that an earlier row already has.
    DuplicateSupplier {
        /// The earlier row, counted from 0.
        first_row: usize,
    },
    /// A supplier that supplies itself.
    SelfSupply,
    /// An end on or before its start.
    EndsBeforeStart,
    /// An expiry before the issue.
    ExpiresBeforeIssue,
    /// An assessment that expires before it was made.
    ExpiresBeforeAssessment,
    /// A self-assessment with a status, although it has a total.
    StatusOfSelfAssessment,
    /// A single control without a status.
    MissingStatus,
    /// A single control with a total, although it has a status.
    TotalOfControl,
    /// A self-assessment without its total.
    MissingTotal,
    /// A harmful incident with a count above 1.
    HarmfulCount,
}

impl Reason {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingColumn => "missing-column",
            Self::WrongType => "wrong-type",
            Self::MissingValue => "missing-value",
            Self::NotANumber => "not-a-number",
            Self::NotWhole => "not-whole",
            Self::OutOfRange(..) => "out-of-range",
            Self::UnknownChoice(_) => "unknown-choice",
            Self::NotADate => "not-a-date",
            Self::NotAFlag => "not-a-flag",
            Self::UnknownSupplier => "unknown-supplier",
            Self::DuplicateSupplier { .. } => "duplicate-supplier",
            Self::SelfSupply => "self-supply",
            Self::EndsBeforeStart => "ends-before-start",
            Self::ExpiresBeforeIssue => "expires-before-issue",
            Self::ExpiresBeforeAssessment => "expires-before-assessment",
            Self::StatusOfSelfAssessment => "status-of-self-assessment",
            Self::MissingStatus => "missing-status",
            Self::TotalOfControl => "total-of-control",
            Self::MissingTotal => "missing-total",
            Self::HarmfulCount => "harmful-count",
        }
    }

    /// Returns what is wrong.
    pub fn text(&self, lang: Lang) -> String {
        let (ja, en) = match self {
            Self::MissingColumn => ("必須の列がありません", "the table lacks this required column"),
            Self::WrongType => ("列の型が違います", "the column has the wrong type"),
            Self::MissingValue => ("必須の値が空です", "a required value is empty"),
            Self::NotANumber => ("数値ではありません", "not a number"),
            Self::NotWhole => ("整数ではありません", "not a whole number"),
            Self::OutOfRange(..) => ("範囲外です", "out of range"),
            Self::UnknownChoice(_) => ("この列に使えない値です", "not a value of this column"),
            Self::NotADate => ("実在する日付（YYYY-MM-DD）ではありません", "not a calendar date as YYYY-MM-DD"),
            Self::NotAFlag => ("true でも false でもありません", "neither true nor false"),
            Self::UnknownSupplier => ("取引先として登録されていないコードです", "no supplier has this code"),
            Self::DuplicateSupplier { .. } => ("取引先コードが重複しています", "the supplier code appears twice"),
            Self::SelfSupply => ("供給元と供給先が同じ取引先です", "a supplier cannot supply itself"),
            Self::EndsBeforeStart => ("終了日が開始日以前です", "the end is not after the start"),
            Self::ExpiresBeforeIssue => ("有効期限が取得日より前です", "the expiry is before the issue"),
            Self::ExpiresBeforeAssessment => ("有効期限が確認日より前です", "the expiry is before the assessment"),
            Self::StatusOfSelfAssessment => {
                ("自社診断には実施状況がありません", "a self-assessment has a total, not a status")
            }
            Self::MissingStatus => ("対策の実施状況が空です", "the status of the control is empty"),
            Self::TotalOfControl => ("合計点があるのは自社診断だけです", "only a self-assessment has a total"),
            Self::MissingTotal => ("自社診断の合計点が空です", "the total of the self-assessment is empty"),
            Self::HarmfulCount => {
                ("実害のある事案の件数が1ではありません", "a harmful incident has a count other than 1")
            }
        };
        lang.pick(ja, en).to_owned()
    }

    /// Returns what to do about it.
    pub fn remedy(&self, lang: Lang) -> String {
        let (ja, en) = match self {
            Self::OutOfRange(low, high) => return range(*low, *high, lang),
            Self::UnknownChoice(choices) => {
                let list = choices.join(lang.pick("、", ", "));
                return lang.pick(format!("次のいずれかにしてください: {list}"), format!("use one of {list}"));
            }
            Self::MissingColumn => ("見出し行にこの列を加えてください", "add the column to the header"),
            Self::WrongType => ("列の型を直してください", "cast the column to the type the model reads"),
            Self::MissingValue => ("値を入れてください", "fill the value in"),
            Self::NotANumber => {
                ("半角数字だけで、桁区切りや単位なしで書いてください", "write digits only, without separators or units")
            }
            Self::NotWhole => ("小数のない数にしてください", "write it without decimals"),
            Self::NotADate => ("2026-09-30 のように書いてください", "write it like 2026-09-30"),
            Self::NotAFlag => ("true か false と書いてください", "write true or false"),
            Self::UnknownSupplier => {
                ("コードを直すか、先に取引先を加えてください", "correct the code, or add the supplier first")
            }
            Self::DuplicateSupplier { .. } => {
                ("どちらかの行を消すか直してください", "remove or correct one of the two rows")
            }
            Self::SelfSupply => {
                ("供給元か供給先を直すか、行を消してください", "correct one of the two codes or remove the row")
            }
            Self::EndsBeforeStart => (
                "終了日（その日を含まない）を開始日より後にしてください",
                "set ends_on, which is exclusive, after starts_on",
            ),
            Self::ExpiresBeforeIssue => ("有効期限を取得日以後にしてください", "set expires_on to issued_on or later"),
            Self::ExpiresBeforeAssessment => {
                ("有効期限を確認日以後にしてください", "set expires_on to assessed_on or later")
            }
            Self::StatusOfSelfAssessment => (
                "status を空にして、合計点を total_score に入れてください",
                "leave status empty and give the total in total_score",
            ),
            Self::MissingStatus => (
                "met（すべて実施）か not_met（未実施、一部を含む）を入れてください。不明なら行を書きません",
                "give met, or not_met where it is missing in part; leave the row out if it is not known",
            ),
            Self::TotalOfControl => ("total_score を空にしてください", "leave total_score empty"),
            Self::MissingTotal => {
                ("25問の合計点（−25〜100）を入れてください", "give the total of the 25 answers, from −25 to 100")
            }
            Self::HarmfulCount => ("1件ごとに1行にしてください", "give each harmful incident a row of its own"),
        };
        lang.pick(ja, en).to_owned()
    }
}

fn range(low: f64, high: f64, lang: Lang) -> String {
    let high = grouped(high);
    lang.pick(format!("{low} 以上 {high} 以下にしてください"), format!("use {low} to {high}"))
}

/// The faults of a portfolio: the first of each table, and the total number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    first: Vec<Fault>,
    count: usize,
}

impl Faults {
    /// The number of faults that are kept of each table. The rest are only counted.
    pub const MAX_KEPT: usize = 50;

    /// Returns the first faults, in order of table, row and column.
    pub fn first(&self) -> &[Fault] {
        self.first.get(..Self::MAX_KEPT.min(self.first.len())).unwrap_or_default()
    }

    /// Returns the number of faults, including those not kept.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Returns whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a fault that follows all earlier ones in order.
    pub fn push(&mut self, fault: Fault) {
        if self.first.len() < Self::MAX_KEPT {
            self.first.push(fault);
        }
        self.count += 1;
    }

    /// Adds `count` faults of one kind, in order of rows. At most [`Self::MAX_KEPT`] of them are created.
    pub(crate) fn add(&mut self, first: impl Iterator<Item = Fault>, count: usize) {
        self.first.extend(first.take(Self::MAX_KEPT));
        self.count += count;
    }

    /// Adds the faults of another table or pass.
    pub fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.sort();
    }

    /// Sorts the kept faults by table, row and column.
    pub(crate) fn sort(&mut self) {
        let place = |fault: &Fault| {
            let columns = fault.table.columns();
            fault.column.and_then(|name| columns.iter().position(|column| column.name == name))
        };
        self.first.sort_by_key(|fault| (fault.table, fault.row, place(fault)));
    }
}
