//! Headers of tables, and what stands below a heading: one reading for `sonae score` and for imports.

use std::borrow::Cow;

use ::csv::ByteRecord;
use schema::RecordKind;

use super::guard::unguarded;
use super::text;
use crate::base::fault::{Fault, Reason};
use crate::base::fields::{Cell, Field, Kind};
use crate::base::text::Text;

/// The most columns of a table.
pub(crate) const MAX_COLUMNS: usize = 256;
/// The longest text of a cell, as Excel has it.
pub(crate) const MAX_TEXT_LENGTH: usize = 32_767;

/// The columns of a table, as its header is read.
pub(crate) struct Columns {
    pub(crate) kind: RecordKind,
    pub(crate) fields: Vec<Field>,
    /// Whether columns that scores rest on may be left unread.
    pub(crate) takes_unread: bool,
}

/// A heading that means a column whose values are to be read in another way.
struct Reading {
    /// The name of the cells, until they are read.
    name: &'static str,
    column: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// So many yen in one.
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

static READINGS: [Reading; 17] = readings!("capital_jpy" "annual_spend_jpy" "loss_jpy" "insured_limit_jpy");

/// Units that say nothing new of a column, and what they count in yen where they do.
const UNITS: [(&str, f64); 16] = [
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
];

/// Words in headings of columns that scores rest on: a table without the column, and with such a heading, means it.
const WORDS: [(RecordKind, &str, &[&str]); 25] = [
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
    (RecordKind::Incidents, "count", &["件数"]),
    (RecordKind::Incidents, "loss_jpy", &["損失", "被害額"]),
    (RecordKind::Incidents, "downtime_days", &["停止"]),
    (RecordKind::SupplierCodes, "company", &["会社"]),
];
/// What follows such a word in headings that mean something else: when the data was changed, say.
const OTHERS: [&str; 10] =
    ["更新", "作成", "登録", "出力", "取得日", "連携", "区分コード", "備考", "データid", "データ番号"];

impl Columns {
    fn named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The name of the cells under a heading, where it means a column.
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
            // JSIC divisions are numbers of two digits, and held to that.
            "業種コード" | "産業コード" | "産業分類" | "産業分類コード" | "jsicコード" => {
                self.named("jsic_division").map(|field| field.name)
            }
            "都道府県" | "都道府県名" | "prefecture" => {
                self.named("prefecture_code").map(|_| "prefecture_code←名")
            }
            _ => None,
        };
        if let Some(name) = known(&heading).or_else(|| other(&heading)) {
            return Some(name);
        }
        let (stem, unit) = with_unit(&heading)?;
        let name = known(stem)?;
        let is_yen = name.ends_with("_jpy");
        let factor = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, factor)| *factor)?;
        let is_number = matches!(self.named(name)?.kind, Kind::Whole(..) | Kind::Number(..));
        match factor {
            1.0 if is_yen => Some(name),
            0.0 if is_number && !is_yen => Some(name),
            _ => {
                let is_it = |reading: &&Reading| {
                    reading.column == name && matches!(reading.how, How::Times(times) if times == factor)
                };
                READINGS.iter().find(is_it).map(|reading| reading.name)
            }
        }
    }

    /// The column of this table, if any, that a heading seems to mean and scores rest on.
    fn seems(&self, heading: &str) -> Option<Option<&Field>> {
        let heading = text::plain(heading);
        if OTHERS.iter().any(|other| heading.contains(other)) {
            return None;
        }
        let found = WORDS
            .iter()
            .filter(|(kind, ..)| *kind == self.kind)
            .find(|(.., words)| words.iter().any(|word| heading.contains(word)))?;
        Some(self.named(found.1))
    }
}

/// A heading and the unit behind it: `資本金(千円)`, `資本金[単位:千円]`, `資本金・千円`.
fn with_unit(heading: &str) -> Option<(&str, &str)> {
    let (stem, unit) = heading.split_once(['(', '[', '【', '〔', '・', '/', ':', '、'])?;
    let unit = unit.trim_end_matches([')', ']', '】', '〕']);
    let unit = unit.trim_start_matches("単位").trim_start_matches([':', '・', '=']);
    Some((stem, unit))
}

/// The column whose values cells hold, and the cell as that column has it.
pub(crate) fn as_column<'a>(name: &'a str, cell: Cell<'a>) -> (&'a str, Cell<'a>) {
    let Some(reading) = (!name.is_ascii()).then(|| READINGS.iter().find(|reading| reading.name == name)).flatten()
    else {
        return (name, cell);
    };
    let cell = match (reading.how, &cell) {
        // What is no number is told of as it stands there.
        (How::Times(times), _) => cell.as_number().map_or(cell, |number| Cell::Number(scaled(number, times))),
        (How::Prefecture, Cell::Text(text)) => prefecture(text).map_or(cell, |code| Cell::Text(code.into())),
        (How::Prefecture, _) => cell,
    };
    (reading.column, cell)
}

/// The column that cells of this name are read for.
pub(crate) fn column_of(name: &str) -> &str {
    as_column(name, Cell::Null).0
}

/// A product that is whole where it is so but for the rounding of doubles: 4.35 times ten thousand.
fn scaled(number: f64, times: f64) -> f64 {
    let product = number * times;
    let whole = product.round();
    if (product - whole).abs() < 1e-6 * whole.abs().clamp(1.0, 1e4) { whole } else { product }
}

/// The code of a prefecture by its name, with or without 都, 府 or 県.
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

/// Which cell of a row holds which column, and what is wrong or odd with the headings.
#[derive(Debug, Default)]
pub(crate) struct Header {
    columns: Vec<Option<&'static str>>,
    pub(crate) faults: Vec<Fault>,
    /// Headings that no column has, and that are not read.
    pub(crate) warnings: Vec<Fault>,
}

/// Headings that a missing column is told with.
const SHOWN_HEADINGS: usize = 30;

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

    /// Reads the first row.
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
            if !heading.is_empty() && found.len() < SHOWN_HEADINGS {
                found.push(shown);
            }
            header.columns.push(column);
        }
        let is_taken = |name: &str| taken.iter().any(|(taken, _)| *taken == name);
        // A heading that cannot be read may be the one that is missing.
        let missing = known.fields.iter().filter(|column| is_legible && column.is_required && !is_taken(column.name));
        header.faults.extend(missing.map(|column| {
            let found = found.clone();
            Fault::new(column.name, Reason::MissingColumn { heading: column.heading, name: column.name, found })
        }));
        let mut unread = Vec::new();
        for heading in others {
            match known.seems(&heading) {
                // A column that the table has beside it is the one that is meant to be read.
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

    /// The header, or the first thing that is wrong with it.
    pub(crate) fn sound(mut self) -> Result<Self, Fault> {
        if self.faults.is_empty() { Ok(self) } else { Err(self.faults.swap_remove(0)) }
    }

    /// How many cells a row has.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns that are read, with the place of each.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (usize, &'static str)> {
        self.columns.iter().enumerate().filter_map(|(place, column)| Some((place, (*column)?)))
    }

    /// Why a row does not go with this header: it has more cells, or fewer.
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

/// What is wrong with a heading that nobody can have meant so.
fn heading_fault(heading: &str) -> Option<Reason> {
    let is_raw = |character: char| character.is_control() && !matches!(character, '\t' | '\r' | '\n');
    if heading.contains(is_raw) {
        return Some(Reason::Value(schema::ValueError::ControlCharacter));
    }
    text::fault(heading)
}

/// A cell of CSV, without the guard against formulas.
///
/// # Errors
/// That it has more characters than a cell can have.
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
