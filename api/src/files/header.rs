//! Headers of tables and the cells below a heading. `sonae score` and imports read them in the same way.

use std::borrow::Cow;

use ::csv::ByteRecord;
use schema::RecordKind;

use super::guard::unguarded;
use super::text;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Field, Kind};
use crate::base::text::Text;

/// The maximum number of columns of a table.
pub(crate) const MAX_COLUMNS: usize = 256;
/// The maximum length of the text of a cell, as in Excel.
pub(crate) const MAX_TEXT_LENGTH: usize = 32_767;

/// The columns of a table, by which its header is read.
pub(crate) struct Columns {
    pub(crate) kind: RecordKind,
    pub(crate) fields: Vec<Field>,
    /// Whether columns on which scores depend may be left unread.
    pub(crate) takes_unread: bool,
}

/// A heading that means a column, but whose values must be converted.
struct Reading {
    /// The name of the cells until they are read.
    name: &'static str,
    column: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// The number of yen in one unit.
    Times(f64),
    /// The name of a prefecture.
    Prefecture,
}

macro_rules! readings {
    ($($column:literal)*) => {
        [
            $(Reading { name: concat!($column, "×千"), column: $column, how: How::Times(1e3) },
            Reading { name: concat!($column, "×万"), column: $column, how: How::Times(1e4) },
            Reading { name: concat!($column, "×百万"), column: $column, how: How::Times(1e6) },
            Reading { name: concat!($column, "×億"), column: $column, how: How::Times(1e8) },)*
            Reading { name: "prefecture_code←名", column: "prefecture_code", how: How::Prefecture },
        ]
    };
}

static COLUMN_READINGS: [Reading; 17] = readings!("capital_jpy" "annual_spend_jpy" "loss_jpy" "insured_limit_jpy");

/// Units that may follow a heading, with their value in yen; 0 for units of other columns.
const HEADING_UNITS: [(&str, f64); 17] = [
    ("円", 1.0),
    ("jpy", 1.0),
    ("¥", 1.0),
    ("千円", 1e3),
    ("万円", 1e4),
    ("百万円", 1e6),
    ("億円", 1e8),
    ("人", 0.0),
    ("名", 0.0),
    ("社", 0.0),
    ("件", 0.0),
    ("台", 0.0),
    ("日", 0.0),
    ("日間", 0.0),
    ("日数", 0.0),
    ("個", 0.0),
    ("点", 0.0),
];

/// Words in headings that point to columns on which scores depend. If a table lacks the column but has such a heading,
/// the heading seems to mean it.
const COLUMN_WORDS: [(RecordKind, &str, &[&str]); 28] = [
    (RecordKind::Suppliers, "jsic_division", &["業種", "産業", "業界", "industry"]),
    (RecordKind::Suppliers, "employee_count", &["従業員", "従業者", "社員数", "employee", "headcount"]),
    (RecordKind::Suppliers, "capital_jpy", &["資本金", "capital"]),
    (RecordKind::Suppliers, "data_access", &["データ", "情報の取扱", "情報取扱", "機密", "個人情報", "dataaccess"]),
    (RecordKind::Suppliers, "network_access", &["ネットワーク", "接続", "vpn", "networkaccess"]),
    (RecordKind::Suppliers, "total_endpoints", &["端末", "パソコン", "pc台数", "endpoint"]),
    (RecordKind::Suppliers, "reports_incidents_since", &["報告の合意", "報告合意", "合意日"]),
    (RecordKind::Suppliers, "", &["取引額", "取引金額"]),
    (RecordKind::Relationships, "downstream_code", &["供給先", "納入先", "納品先", "販売先", "downstream"]),
    (
        RecordKind::Relationships,
        "annual_spend_jpy",
        &["取引額", "取引金額", "購入額", "購入金額", "発注額", "発注金額", "調達額", "仕入額", "支出", "spend"],
    ),
    (RecordKind::Relationships, "stock_cover_days", &["在庫"]),
    (RecordKind::Relationships, "valid_from_on", &["開始"]),
    (RecordKind::Relationships, "valid_to_on", &["終了", "満了"]),
    (RecordKind::Enrollments, "coverage_share", &["カバー率", "対象範囲", "適用率", "coverage"]),
    (RecordKind::Enrollments, "covered_endpoints", &["端末"]),
    (RecordKind::Enrollments, "monitoring", &["監視"]),
    (RecordKind::Enrollments, "ends_on", &["終了", "解約", "満了", "期限"]),
    (RecordKind::Enrollments, "onsite_response", &["駆付", "駆け付け", "駆けつけ", "かけつけ"]),
    (RecordKind::Enrollments, "insured_limit_jpy", &["保険"]),
    (RecordKind::Certifications, "expires_on", &["期限", "満了", "expir"]),
    (RecordKind::Certifications, "scope", &["対象範囲", "適用範囲"]),
    (RecordKind::Assessments, "status", &["実施", "導入", "対応状況", "達成", "status"]),
    (RecordKind::Assessments, "total_score", &["合計", "点数", "得点", "score"]),
    (RecordKind::Assessments, "expires_on", &["期限", "満了", "expir"]),
    (RecordKind::Incidents, "count", &["件数"]),
    (RecordKind::Incidents, "loss_jpy", &["損失", "被害額"]),
    (RecordKind::Incidents, "downtime_days", &["停止"]),
    (RecordKind::SupplierCodes, "company", &["会社"]),
];
/// Words that follow such a word in headings with another meaning, such as the time of the last change.
const OTHER_MEANINGS: [&str; 10] =
    ["更新", "作成", "登録", "出力", "取得日", "連携", "区分コード", "備考", "データid", "データ番号"];

impl Columns {
    fn named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the name of the cells under a heading, if the heading means a column.
    fn meant(&self, heading: &str) -> Option<&'static str> {
        let exact = self.fields.iter().find(|field| field.name == heading || field.heading == heading);
        if let Some(field) = exact {
            return Some(field.name);
        }
        let heading = text::plain(heading);
        let known = |plain: &str| {
            let field = self
                .fields
                .iter()
                .find(|field| text::plain(field.name) == plain || text::plain(field.heading) == plain);
            field.map(|field| field.name)
        };
        let other = |plain: &str| match plain {
            // The values must be JSIC divisions, which have two digits, and are checked as such.
            "業種コード" | "産業コード" | "産業分類" | "産業分類コード" | "jsicコード" => {
                self.named("jsic_division").map(|field| field.name)
            }
            "都道府県" | "都道府県名" | "prefecture" => {
                self.named("prefecture_code").map(|_| "prefecture_code←名")
            }
            "合計点" | "自社診断点数" => self.named("total_score").map(|field| field.name),
            "評価日" | "回答日" => self.named("assessed_on").map(|field| field.name),
            "確認区分" => self.named("assurance").map(|field| field.name),
            _ => None,
        };
        if let Some(name) = known(&heading).or_else(|| other(&heading)) {
            return Some(name);
        }
        let (stem, unit) = with_unit(&heading)?;
        let name = known(stem).or_else(|| other(stem))?;
        let is_yen = name.ends_with("_jpy");
        let factor = HEADING_UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor)?;
        let is_number = matches!(self.named(name)?.kind, Kind::Whole(..) | Kind::Number(..));
        match factor {
            1.0 if is_yen => Some(name),
            0.0 if is_number && !is_yen => Some(name),
            _ => {
                let is_it = |reading: &&Reading| {
                    reading.column == name && matches!(reading.how, How::Times(times) if times == factor)
                };
                COLUMN_READINGS.iter().find(is_it).map(|reading| reading.name)
            }
        }
    }

    /// Returns the column of this table, if any, that a heading seems to mean and on which scores depend. The outer
    /// `None` means that the heading points to no such column.
    fn seems(&self, heading: &str) -> Option<Option<&Field>> {
        let heading = text::plain(heading);
        if OTHER_MEANINGS.iter().any(|other| heading.contains(other)) {
            return None;
        }
        let found = COLUMN_WORDS
            .iter()
            .filter(|(kind, ..)| *kind == self.kind)
            .find(|(.., words)| words.iter().any(|word| heading.contains(word)))?;
        Some(self.named(found.1))
    }
}

/// Splits a heading into its stem and the unit after it: `資本金(千円)`, `資本金[単位:千円]`, `資本金・千円`.
fn with_unit(heading: &str) -> Option<(&str, &str)> {
    let (stem, unit) = heading.split_once(['(', '[', '【', '〔', '・', '/', ':', '、'])?;
    let unit = unit.trim_end_matches([')', ']', '】', '〕']);
    let unit = unit.trim_start_matches("単位").trim_start_matches([':', '・', '=']);
    Some((stem, unit))
}

/// Returns the column that the cells are for, and the cell converted to that column's form.
pub(crate) fn as_column<'a>(name: &'a str, cell: Cell<'a>) -> (&'a str, Cell<'a>) {
    let Some(reading) =
        (!name.is_ascii()).then(|| COLUMN_READINGS.iter().find(|reading| reading.name == name)).flatten()
    else {
        return (name, cell);
    };
    let cell = match (reading.how, &cell) {
        // A value that is not a number is reported as it was written.
        (How::Times(times), _) => cell.as_number().map_or(cell, |number| Cell::Number(scaled(number, times))),
        (How::Prefecture, Cell::Text(text)) => prefecture(text).map_or(cell, |code| Cell::Text(code.into())),
        (How::Prefecture, _) => cell,
    };
    (reading.column, cell)
}

/// Returns the column for which cells of this name are read.
pub(crate) fn column_of(name: &str) -> &str {
    as_column(name, Cell::Null).0
}

/// Returns the product, rounded to a whole number if only the rounding of doubles keeps it from being one: 4.35 times
/// ten thousand.
fn scaled(number: f64, times: f64) -> f64 {
    let product = number * times;
    let whole = product.round();
    if (product - whole).abs() < 1e-6 * whole.abs().clamp(1.0, 1e4) { whole } else { product }
}

/// Returns the code of a prefecture by its name, with or without 都, 府 or 県.
fn prefecture(name: &str) -> Option<String> {
    const NAMES: [&str; 47] = [
        "北海道",
        "青森",
        "岩手",
        "宮城",
        "秋田",
        "山形",
        "福島",
        "茨城",
        "栃木",
        "群馬",
        "埼玉",
        "千葉",
        "東京",
        "神奈川",
        "新潟",
        "富山",
        "石川",
        "福井",
        "山梨",
        "長野",
        "岐阜",
        "静岡",
        "愛知",
        "三重",
        "滋賀",
        "京都",
        "大阪",
        "兵庫",
        "奈良",
        "和歌山",
        "鳥取",
        "島根",
        "岡山",
        "広島",
        "山口",
        "徳島",
        "香川",
        "愛媛",
        "高知",
        "福岡",
        "佐賀",
        "長崎",
        "熊本",
        "大分",
        "宮崎",
        "鹿児島",
        "沖縄",
    ];
    let name = text::plain(name);
    let is_it = |known: &&str| name.strip_prefix(*known).is_some_and(|rest| matches!(rest, "" | "都" | "府" | "県"));
    NAMES.iter().position(is_it).map(|place| format!("{:02}", place + 1))
}

/// Which cell of a row holds which column, and the faults and warnings about the headings.
#[derive(Debug, Default)]
pub(crate) struct Header {
    columns: Vec<Option<&'static str>>,
    pub(crate) faults: Vec<Fault>,
    /// Headings that match no column and are not read.
    pub(crate) warnings: Vec<Fault>,
}

/// The maximum number of headings that are listed when a column is missing.
const MAX_SHOWN_HEADINGS: usize = 30;

pub(crate) fn too_many_columns() -> Reason {
    Reason::TooMuch { what: Text::new("列の数", "columns"), max: MAX_COLUMNS as u64 }
}

impl Header {
    /// Reads the first record of a CSV file.
    pub(crate) fn of_record(known: &Columns, record: &ByteRecord) -> Self {
        let refused = |reason| Self {
            columns: vec![None; record.len()],
            faults: vec![Fault::new("", reason)],
            warnings: Vec::new(),
        };
        if record.len() > MAX_COLUMNS {
            return refused(too_many_columns());
        }
        let headings: Option<Vec<&str>> = record.iter().map(|bytes| str::from_utf8(bytes).ok()).collect();
        let Some(headings) = headings else { return refused(text::not_utf8(record.as_slice())) };
        if headings.len() == 1 && headings.iter().any(|heading| heading.contains([';', '\t'])) {
            return refused(Reason::WrongSeparator);
        }
        Self::read(known, headings.into_iter().map(|heading| Cow::Borrowed(unguarded(heading))))
    }

    /// Reads the headings of the first row.
    pub(crate) fn read<'a>(known: &Columns, headings: impl Iterator<Item = Cow<'a, str>>) -> Self {
        let mut header = Self::default();
        let mut found: Vec<String> = Vec::new();
        let mut taken: Vec<(&str, String)> = Vec::new();
        let mut others: Vec<String> = Vec::new();
        let mut is_legible = true;
        for heading in headings {
            if header.columns.len() == MAX_COLUMNS {
                header.faults.push(Fault::new("", too_many_columns()));
                return header;
            }
            let heading = heading.trim();
            let shown = crate::base::text::printable(heading);
            if let Some(reason) = heading_fault(heading) {
                header.faults.push(Fault { field: shown, value: None, reason });
                header.columns.push(None);
                is_legible = false;
                continue;
            }
            let mut column = known.meant(heading);
            let plain = column.map(column_of);
            if let Some(plain) = plain {
                if let Some((_, first)) = taken.iter().find(|(known, _)| *known == plain) {
                    header.faults.push(Fault::new(plain, Reason::RepeatedHeading(first.clone(), shown.clone())));
                    column = None;
                }
                taken.push((plain, shown.clone()));
            } else if !heading.is_empty() {
                others.push(shown.clone());
            }
            if !heading.is_empty() && found.len() < MAX_SHOWN_HEADINGS {
                found.push(shown);
            }
            header.columns.push(column);
        }
        let is_taken = |name: &str| taken.iter().any(|(taken, _)| *taken == name);
        // A heading that cannot be read may be the one that seems to be missing.
        let missing = known.fields.iter().filter(|column| is_legible && column.is_required && !is_taken(column.name));
        header.faults.extend(missing.map(|column| {
            let found = found.clone();
            Fault::new(column.name, Reason::MissingColumn { heading: column.heading, name: column.name, found })
        }));
        let mut unread = Vec::new();
        for heading in others {
            match known.seems(&heading) {
                // If the table already has that column, this heading is not the one to be read as it.
                Some(Some(field)) if !is_taken(field.name) => unread.push((heading, Some(field.heading))),
                Some(None) => unread.push((heading, None)),
                _ => header.warnings.push(Fault::new(heading, Reason::UnknownHeading)),
            }
        }
        if known.takes_unread {
            let warning = |column: (String, _)| Fault::new(column.0.clone(), Reason::UnreadColumns(vec![column]));
            header.warnings.extend(unread.into_iter().map(warning));
        } else if let Some((heading, _)) = unread.first() {
            header.faults.push(Fault::new(heading.clone(), Reason::UnreadColumns(unread)));
        }
        header
    }

    /// Returns the header, or its first fault.
    pub(crate) fn sound(mut self) -> Result<Self, Fault> {
        if self.faults.is_empty() { Ok(self) } else { Err(self.faults.swap_remove(0)) }
    }

    /// Returns how many cells a row has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns the columns that are read, with the place of each.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.columns.iter().enumerate().filter_map(|(place, column)| Some((place, (*column)?)))
    }

    /// Returns why a row does not fit this header: it has more or fewer cells.
    pub(crate) fn row_fault(&self, cell_count: usize) -> Option<Fault> {
        if cell_count == self.width() {
            return None;
        }
        let reason = match cell_count {
            count if count > MAX_COLUMNS => too_many_columns(),
            found => Reason::FieldCount { expected: self.width(), found },
        };
        Some(Fault::new("", reason))
    }
}

/// Returns what is wrong with a heading that cannot be intended.
fn heading_fault(heading: &str) -> Option<Reason> {
    let is_raw = |character: char| character.is_control() && !matches!(character, '\t' | '\r' | '\n');
    if heading.contains(is_raw) {
        return Some(Reason::Value(schema::ValueError::ControlCharacter));
    }
    text::fault(heading)
}

/// Returns a cell of CSV without the guard against formulas.
///
/// # Errors
/// Fails if the text is longer than a cell may be.
pub(crate) fn text_cell(text: &str) -> Result<Cell<'_>, Reason> {
    if text.len() > MAX_TEXT_LENGTH && text.chars().count() > MAX_TEXT_LENGTH {
        let what = Text::new("1つのセルの文字数", "characters in a cell");
        return Err(Reason::TooMuch { what, max: MAX_TEXT_LENGTH as u64 });
    }
    let text = unguarded(text);
    Ok(if text.is_empty() { Cell::Null } else { Cell::Text(Cow::Borrowed(text)) })
}

#[cfg(test)]
mod tests {
    use schema::suppliers::Supplier;

    use super::*;

    fn suppliers() -> Columns {
        let fields = vec![
            Field::of::<Supplier, _>(|row| &row.jsic_division, "jsic_division", ("産業中分類", "", "", "")),
            Field::of::<Supplier, _>(|row| &row.employee_count, "employee_count", ("従業員数", "", "", "")),
            Field::of::<Supplier, _>(|row| &row.capital_jpy, "capital_jpy", ("資本金", "", "", "")),
        ];
        Columns { kind: RecordKind::Suppliers, fields, takes_unread: false }
    }

    #[test]
    fn a_unit_behind_a_heading_is_read() {
        let known = suppliers();
        let meant = |heading| known.meant(heading).map(|name| as_column(name, Cell::Text("12".into())));
        let number = |heading| match meant(heading) {
            Some((name, Cell::Number(number))) => Some((name, number)),
            Some((name, Cell::Text(text))) => Some((name, text.parse().unwrap())),
            _ => None,
        };
        for (heading, times) in [
            ("資本金(円)", 1.0),
            ("資本金（千円）", 1e3),
            ("資本金 [単位：百万円]", 1e6),
            ("資本金（万円）", 1e4),
            ("資本金・千円", 1e3),
        ] {
            assert_eq!(number(heading), Some(("capital_jpy", 12.0 * times)), "{heading}");
        }
        for heading in
            ["従業員数(人)", "従業員数（名）", "従業員数（単位：人）", "従業員数", "Employee Count", " 従業員数 ※"]
        {
            assert_eq!(number(heading), Some(("employee_count", 12.0)), "{heading}");
        }
        for heading in ["従業員数(千円)", "資本金(人)", "資本金(ドル)", "従業員規模", "業種", "メモ"]
        {
            assert!(meant(heading).is_none(), "{heading}");
        }
        assert_eq!((scaled(4.35, 1e4), scaled(0.1, 1e6), scaled(1.5, 1.0)), (43_500.0, 100_000.0, 1.5));
        assert_eq!(prefecture("東京都").as_deref(), Some("13"));
        assert_eq!(prefecture("京都").as_deref(), Some("26"));
        assert_eq!(prefecture("東京市"), None);
    }

    #[test]
    fn headings_that_scores_rest_on_are_told_from_others() {
        let known = suppliers();
        for heading in [
            "業種",
            "業種名",
            "資本金(ドル)",
            "従業員規模",
            "データの取り扱い",
            "ネットワーク接続状況",
            "端末台数",
            "年間取引額",
        ] {
            assert!(known.seems(heading).is_some(), "{heading}");
        }
        for heading in ["メモ", "住所", "電話番号", "データ更新日", "代表者", "備考", "業種更新日"]
        {
            assert!(known.seems(heading).is_none(), "{heading}");
        }
    }
}
