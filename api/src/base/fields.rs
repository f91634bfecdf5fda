//! Fields: how values are read from JSON, from files and from the query string, with all faults at once.
//!
//! A [`Field`] describes one field. The API document, the workbook template and the readers are all built from it.

use std::borrow::Cow;

use chrono::{Datelike, NaiveDate, NaiveDateTime};
use schema::{Choice, CorporateNumber, Id, Source, SupplierCode, SupplierId, Timestamp, UpTo, ValueError, Whole};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

use crate::base::fault::{Fault, Made, Reason};
use crate::base::text::Text;
use crate::base::text::{date, printable};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text of at most `max` characters.
    Text {
        max: usize,
    },
    /// Text of `count` digits.
    Digits {
        count: usize,
    },
    /// One of a closed set: keys, and their Japanese words.
    Choice(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Whole(i64, i64),
    /// A number.
    Number(f64, f64),
    Date,
    /// A moment with its offset.
    Time,
    Flag,
    /// A UUID.
    Id,
}

/// A field of a record, a parameter of a list or a column of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// The Japanese heading. Files may use it in place of the name.
    pub(crate) heading: &'static str,
    /// What the field is, and what happens if it is unknown.
    pub(crate) ja: &'static str,
    pub(crate) en: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_required: bool,
    /// An example, as JSON.
    pub(crate) example: &'static str,
    /// Reads a value that is present.
    pub(crate) read: fn(&Cell<'_>) -> Result<Scalar, Reason>,
}

/// A value that was read without knowing its type beforehand. A choice is its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Whole(i64),
    Number(f64),
    Date(NaiveDate),
    Flag(bool),
}

impl Field {
    /// Returns a field with the type of a record's attribute.
    pub(crate) const fn of<R, T: FieldValue>(
        _attribute: fn(&R) -> &T,
        name: &'static str,
        (heading, ja, en, example): (&'static str, &'static str, &'static str, &'static str),
    ) -> Self {
        Self { name, heading, ja, en, kind: T::KIND, is_required: T::IS_REQUIRED, example, read: T::read_scalar }
    }
}

/// A value as it was received.
#[derive(Debug, Clone)]
pub(crate) enum Cell<'a> {
    /// Nothing: null, or an empty cell.
    Null,
    /// Text of a file or of the query string. Numbers, dates and flags are written out in it.
    Text(Cow<'a, str>),
    /// A value of JSON, which has a type.
    Json(&'a Value),
    /// A number of a workbook.
    Number(f64),
    /// A number of a workbook whose format fixes its places, and the text that it is shown as: 000123.
    Places(f64, String),
    /// A date of a workbook.
    Date(NaiveDate),
    /// A date with a time of day, of a workbook. It has no offset. Before 1900 it is a time of day alone.
    Moment(NaiveDateTime),
    /// A flag of a workbook.
    Flag(bool),
    /// A cell of a workbook whose value cannot be read, and why.
    Refused { shown: Option<String>, reason: Reason },
}

impl Cell<'_> {
    /// Returns the cell as a report shows it.
    pub(crate) fn shown(&self) -> Option<String> {
        let text = match self {
            Self::Null => return None,
            Self::Text(text) => text.to_string(),
            Self::Json(Value::String(text)) => text.clone(),
            Self::Json(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Places(_, shown) => shown.clone(),
            Self::Date(date) => date.to_string(),
            Self::Moment(time) if time.year() < 1900 => time.format("%H:%M:%S").to_string(),
            Self::Moment(time) => time.format("%Y-%m-%dT%H:%M:%S").to_string(),
            // As a workbook shows it.
            Self::Flag(flag) => flag.to_string().to_uppercase(),
            Self::Refused { shown, .. } => shown.clone()?,
        };
        Some(printable(&text))
    }

    /// Returns the cell as text. Numbers and dates of a workbook become what the workbook shows.
    fn text(&self) -> Result<Cow<'_, str>, Reason> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Json(Value::String(text)) => Ok(Cow::Borrowed(text)),
            // Spreadsheets keep 15 digits.
            Self::Number(number) | Self::Places(number, _) if number.abs() >= 1e15 => {
                Err(Reason::MadeOfCode(Made::LongNumber))
            }
            Self::Refused { reason, .. } => Err(reason.clone()),
            Self::Null | Self::Json(_) => Err(Reason::WrongType("string")),
            Self::Number(_) | Self::Places(..) | Self::Date(_) | Self::Moment(_) | Self::Flag(_) => {
                Ok(Cow::Owned(self.shown().unwrap_or_default()))
            }
        }
    }

    /// Returns the cell as a code. Refuses what a spreadsheet may have converted when a code was typed.
    fn code(&self) -> Result<Cow<'_, str>, Reason> {
        match self {
            Self::Number(number) | Self::Places(number, _) if number.fract() != 0.0 => {
                Err(Reason::MadeOfCode(Made::Fraction))
            }
            Self::Date(_) | Self::Moment(_) => Err(Reason::MadeOfCode(Made::Date)),
            Self::Flag(_) => Err(Reason::MadeOfCode(Made::Flag)),
            _ => self.text(),
        }
    }

    /// Returns the text of a file or of JSON, or `None` if the cell is not text.
    pub(crate) fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    /// Returns the cell as a number, or `None` if it is not one.
    pub(crate) fn as_number(&self) -> Option<f64> {
        self.number().ok()
    }

    fn number(&self) -> Result<f64, Reason> {
        match self {
            Self::Number(number) | Self::Places(number, _) => Ok(*number),
            Self::Json(Value::Number(number)) => number.as_f64().ok_or(Reason::Model(scoring::Reason::NotANumber)),
            Self::Json(_) => Err(Reason::WrongType("number")),
            Self::Refused { reason, .. } => Err(reason.clone()),
            Self::Text(text) => {
                let text = text.trim();
                // Full-width digits are accepted too, because people type them.
                let number: Option<f64> =
                    if text.is_ascii() { text.parse() } else { text.nfkc().collect::<String>().parse() }.ok();
                number.filter(|number| number.is_finite()).ok_or(Reason::Model(scoring::Reason::NotANumber))
            }
            Self::Null | Self::Date(_) | Self::Moment(_) | Self::Flag(_) => {
                Err(Reason::Model(scoring::Reason::NotANumber))
            }
        }
    }

    fn whole(&self) -> Result<i64, Reason> {
        let not_whole = || Reason::Model(scoring::Reason::NotWhole);
        if let Self::Json(Value::Number(number)) = self
            && let Some(whole) = number.as_i64()
        {
            return Ok(whole);
        }
        if let Self::Text(text) = self
            && let Ok(whole) = text.trim().parse()
        {
            return Ok(whole);
        }
        let number = self.number()?;
        // A double cannot tell whole numbers beyond 2^53 apart. No field goes that far, so such a number is out of
        // range.
        if number.fract() == 0.0 { Ok(number as i64) } else { Err(not_whole()) }
    }

    fn date(&self) -> Result<NaiveDate, Reason> {
        match self {
            Self::Date(date) => Ok(*date),
            Self::Moment(time) if time.year() >= 1900 => Ok(time.date()),
            Self::Number(number) if number.abs() >= 1e15 => Err(Reason::Model(scoring::Reason::NotADate)),
            Self::Json(value) if !value.is_string() => Err(Reason::WrongType("string")),
            Self::Refused { reason, .. } => Err(reason.clone()),
            _ => {
                let text = self.text()?;
                let text = if matches!(self, Self::Text(_)) { text.trim() } else { &text };
                date(text).ok_or(Reason::Model(scoring::Reason::NotADate))
            }
        }
    }
}

/// A type that a field can have.
pub(crate) trait FieldValue: Sized {
    const KIND: Kind;
    const IS_REQUIRED: bool = true;

    /// Reads a value that is present.
    fn read(cell: &Cell<'_>) -> Result<Self, Reason>;

    /// Reads the same value as a [`Scalar`], for callers that do not know the type.
    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason>;

    /// Returns the value that means "none", if the type is optional.
    fn null() -> Option<Self> {
        None
    }

    /// Returns what looks wrong in a value that was accepted.
    fn oddity(&self, _cell: &Cell<'_>) -> Option<Reason> {
        None
    }
}

impl<T: FieldValue> FieldValue for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_REQUIRED: bool = false;

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        T::read(cell).map(Some)
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        T::read_scalar(cell)
    }

    fn null() -> Option<Self> {
        Some(None)
    }

    fn oddity(&self, cell: &Cell<'_>) -> Option<Reason> {
        self.as_ref().and_then(|value| value.oddity(cell))
    }
}

macro_rules! text_fields {
    ($($name:ident: $kind:expr, $text:ident $(, $oddity:ident)?;)*) => {$(
        impl FieldValue for schema::$name {
            const KIND: Kind = $kind;

            fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
                Self::parse(&cell.$text()?).map_err(Reason::Value)
            }

            fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
                Self::read(cell).map(|text| Scalar::Text(text.to_string()))
            }

            $(fn oddity(&self, cell: &Cell<'_>) -> Option<Reason> {
                $oddity(cell, self.as_str())
            })?
        }
    )*};
}

/// Warns if the code was written with another character in place of the hyphen.
fn other_hyphen(cell: &Cell<'_>, code: &str) -> Option<Reason> {
    let text = cell.text().ok()?;
    schema::has_other_hyphen(&text).then(|| Reason::OtherHyphen(code.to_owned()))
}

text_fields! {
    SupplierCode: Kind::Text { max: Self::MAX_LENGTH }, code, other_hyphen;
    SystemName: Kind::Text { max: Self::MAX_LENGTH }, code, other_hyphen;
    Source: Kind::Text { max: Self::MAX_LENGTH }, code;
    ExternalId: Kind::Text { max: Self::MAX_LENGTH }, code, other_hyphen;
    Name: Kind::Text { max: Self::MAX_LENGTH }, text;
    Remark: Kind::Text { max: Self::MAX_LENGTH }, text;
    WebAddress: Kind::Text { max: Self::MAX_LENGTH }, text;
    MailAddress: Kind::Text { max: Self::MAX_LENGTH }, text;
    PhoneNumber: Kind::Text { max: Self::MAX_LENGTH }, text;
    CorporateNumber: Kind::Digits { count: 13 }, code;
    JsicDivision: Kind::Digits { count: 2 }, code;
    PrefectureCode: Kind::Digits { count: 2 }, code;
}

macro_rules! choice_fields {
    ($($name:ty),* $(,)?) => {$(
        impl FieldValue for $name {
            const KIND: Kind = Kind::Choice(&{
                let mut words = [("", ""); <$name>::ALL.len()];
                let mut place = 0;
                while place < words.len() {
                    let (_, key, ja) = <$name>::ALL[place];
                    words[place] = (key, ja);
                    place += 1;
                }
                words
            });

            fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
                let text = cell.text()?;
                let found = match cell {
                    Cell::Json(_) => Self::ALL.iter().find(|(_, key, _)| *key == text),
                    _ => {
                        let text = text.trim();
                        // Almost every cell is as programs write it. This path allocates no text.
                        if let Ok(value) = <Self as Choice>::parse(text) {
                            return Ok(value);
                        }
                        let text: String = text.nfkc().collect();
                        // Lists have 限定 and screens 限定的. Both are accepted.
                        let stem = |word: &str| word.strip_suffix('的').unwrap_or(word).to_owned();
                        let is_word = |ja: &str| ja == text || stem(ja) == stem(&text);
                        let other = other_word(&text);
                        Self::ALL.iter().find(|(_, key, ja)| *key == text || is_word(ja) || other == Some(*key))
                    }
                };
                let words = match Self::KIND {
                    Kind::Choice(words) => words,
                    _ => &[],
                };
                found.map(|(value, ..)| *value).ok_or(Reason::NotAChoice(words))
            }

            fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
                Self::read(cell).map(|value| Scalar::Text(value.key().to_owned()))
            }
        }
    )*};
}

#[expect(clippy::indexing_slicing, reason = "the loop runs over the table's own length, and a fault ends the build")]
mod choices {
    use unicode_normalization::UnicodeNormalization;

    use super::{Cell, Choice, FieldValue, Kind, Reason, Scalar};

    /// Other words for keys, in NFKC and without blanks. What is in brackets is never just left out: 実施(一部) is not 実施.
    const OTHER_WORDS: [(&str, &str); 9] = [
        ("多要素認証(遠隔接続・管理者・重要なクラウドのすべて)", "mfa"),
        ("安全な基本設定の一律適用(要塞化)", "hardening"),
        ("外部接続口(VPN装置等)の最新化、RDP非公開", "remote_access"),
        ("外部接続口の管理(VPN装置等の最新化、RDP非公開)", "remote_access"),
        ("EDR(端末の90%以上)", "edr"),
        ("自社診断の合計点", "self_assessment"),
        ("導入", "met"),
        ("未導入", "not_met"),
        ("未実施(一部を含む)", "not_met"),
    ];

    /// Returns the key that another word stands for.
    fn other_word(text: &str) -> Option<&'static str> {
        let is_it = |word: &str| text.chars().filter(|character| !character.is_whitespace()).eq(word.chars());
        OTHER_WORDS.iter().find(|(word, _)| is_it(word)).map(|(_, key)| *key)
    }

    choice_fields! {
        schema::DataAccess, schema::NetworkAccess, schema::Criticality, schema::Substitutability,
        schema::ServiceClass, schema::Monitoring, schema::Scheme, schema::Control, schema::ControlStatus, schema::Assurance, schema::Outcome, schema::IncidentCategory,
        schema::RecordKind, schema::ImportMode, schema::JobState, schema::Role,
    }
}

impl<const MIN: i64, const MAX: i64> FieldValue for Whole<MIN, MAX> {
    const KIND: Kind = Kind::Whole(MIN, MAX);

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        Self::try_from(cell.whole()?).map_err(Reason::Value)
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(|number| Scalar::Whole(number.get()))
    }
}

impl<const MAX: u32> FieldValue for UpTo<MAX> {
    const KIND: Kind = Kind::Number(0.0, MAX as f64);

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        Self::try_from(cell.number()?).map_err(Reason::Value)
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(|number| Scalar::Number(number.get()))
    }
}

impl FieldValue for NaiveDate {
    const KIND: Kind = Kind::Date;

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        cell.date()
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(Scalar::Date)
    }
}

impl FieldValue for Timestamp {
    const KIND: Kind = Kind::Time;

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        let text = cell.text()?;
        let text = text.trim();
        // A `+` that was not escaped in an address arrives as a space. No time has a space before its offset.
        let unescaped = match (cell, text.rsplit_once(' ')) {
            (Cell::Text(_), Some((moment, offset))) if moment.contains(['T', 't']) => {
                Some(format!("{moment}+{offset}"))
            }
            _ => None,
        };
        Self::parse(unescaped.as_deref().unwrap_or(text)).ok_or(Reason::NotATime)
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(|time| Scalar::Text(time.to_string()))
    }
}

impl FieldValue for bool {
    const KIND: Kind = Kind::Flag;

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        match cell {
            Cell::Json(Value::Bool(flag)) => Ok(*flag),
            Cell::Json(_) => Err(Reason::WrongType("boolean")),
            Cell::Flag(flag) => Ok(*flag),
            _ => match cell.text()?.trim() {
                // Also accepts the case that spreadsheets and Python write.
                text if text.eq_ignore_ascii_case("true") => Ok(true),
                text if text.eq_ignore_ascii_case("false") => Ok(false),
                _ => Err(Reason::Model(scoring::Reason::NotAFlag)),
            },
        }
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(Scalar::Flag)
    }
}

impl<T> FieldValue for Id<T> {
    const KIND: Kind = Kind::Id;

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        cell.text()?.trim().parse().map_err(|_| Reason::NotAnId)
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(|id| Scalar::Text(id.to_string()))
    }
}

/// Plain text, such as a search term.
impl FieldValue for String {
    const KIND: Kind = Kind::Text { max: 200 };

    fn read(cell: &Cell<'_>) -> Result<Self, Reason> {
        let text = cell.text()?.trim().to_owned();
        match text.chars().count() {
            _ if text.chars().any(char::is_control) => Err(Reason::Value(ValueError::ControlCharacter)),
            0 => Err(Reason::Value(ValueError::Empty)),
            count if count > 200 => Err(Reason::Value(ValueError::TooLong { max: 200 })),
            _ => Ok(text),
        }
    }

    fn read_scalar(cell: &Cell<'_>) -> Result<Scalar, Reason> {
        Self::read(cell).map(Scalar::Text)
    }
}

/// Finds suppliers by the buyer's codes.
pub(crate) trait Suppliers {
    fn by_code(&mut self, code: &SupplierCode) -> Option<SupplierId>;

    /// Returns a supplier and those merged into it.
    fn family(&mut self, id: SupplierId) -> Vec<SupplierId>;

    /// Whether these are the suppliers assigned to a provider, who names each by its code or by its 法人番号.
    fn are_assigned(&self) -> bool {
        false
    }

    fn by_number(&mut self, _: &CorporateNumber) -> Option<SupplierId> {
        None
    }

    /// Whether a canonical record is one of them.
    fn holds(&self, _: SupplierId) -> bool {
        true
    }
}

/// No suppliers, for what refers to none.
impl Suppliers for () {
    fn by_code(&mut self, _: &SupplierCode) -> Option<SupplierId> {
        None
    }

    fn family(&mut self, _: SupplierId) -> Vec<SupplierId> {
        Vec::new()
    }
}

/// The maximum number of members of an object or parameters of a query string: several times what any record has.
pub(crate) const MAX_MEMBERS: usize = 100;

/// The field by which a provider may name a supplier instead of by its code.
pub(crate) const CORPORATE_NUMBER: &str = "corporate_number";

/// The fields of one body, row or query string, and the faults found in them.
pub(crate) struct Fields<'a> {
    cells: Vec<(&'a str, Cell<'a>)>,
    suppliers: &'a mut dyn Suppliers,
    pub(crate) faults: Vec<Fault>,
    /// What looks wrong in values that were accepted.
    pub(crate) warnings: Vec<Fault>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(cells: Vec<(&'a str, Cell<'a>)>, suppliers: &'a mut dyn Suppliers) -> Self {
        Self { cells, suppliers, faults: Vec::new(), warnings: Vec::new() }
    }

    /// Reports names that occur twice and unknown names.
    ///
    /// At most [`MAX_MEMBERS`] cells are kept, so comparing each with those before it stays cheap.
    pub(crate) fn expect_only(&mut self, known: &[&'static str]) {
        if self.cells.len() > MAX_MEMBERS {
            self.cells.truncate(MAX_MEMBERS);
            let what = Text::new("項目の数", "members");
            self.faults.push(Fault::new("", Reason::TooMany { what, max: MAX_MEMBERS }));
        }
        for (place, (name, _)) in self.cells.iter().enumerate() {
            if self.cells.iter().take(place).any(|(earlier, _)| earlier == name) {
                self.faults.push(Fault::new(*name, Reason::RepeatedField));
            } else if !known.contains(name) {
                self.faults.push(Fault::new(*name, Reason::UnknownField(known.to_vec())));
            }
        }
    }

    /// Whether the field is present, even if empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.cells.iter().any(|(known, _)| *known == name)
    }

    /// Returns a field of a JSON body as received, or `None` if it is omitted or null.
    pub(crate) fn json(&self, name: &str) -> Option<&'a Value> {
        self.cells.iter().find_map(|(known, cell)| match cell {
            Cell::Json(value) if *known == name && !value.is_null() => Some(*value),
            _ => None,
        })
    }

    /// Reads a field. If it is omitted, the value that the record has now is returned.
    pub(crate) fn value<T: FieldValue>(&mut self, name: &str, now: Option<T>) -> Option<T> {
        let cell = self.cells.iter().find(|(known, _)| *known == name).map(|(_, cell)| cell);
        let value = match cell {
            None => match now.or_else(T::null) {
                Some(value) => return Some(value),
                None => Err(Reason::Model(scoring::Reason::MissingValue)),
            },
            Some(Cell::Null | Cell::Json(Value::Null)) => T::null().ok_or(Reason::Model(scoring::Reason::MissingValue)),
            Some(cell) => T::read(cell),
        };
        let fault = |reason| Fault { field: name.to_owned(), value: cell.and_then(Cell::shown), reason };
        match value {
            Ok(value) => {
                let oddity = cell.and_then(|cell| value.oddity(cell));
                self.warnings.extend(oddity.map(fault));
                Some(value)
            }
            Err(reason) => {
                self.faults.push(fault(reason));
                None
            }
        }
    }

    /// Reads the source of a record: `manual` if omitted. Sources of providers are refused.
    pub(crate) fn source(&mut self) -> Option<Source> {
        let source = self.value::<Option<Source>>("source", None)?.unwrap_or_else(Source::manual);
        if source.is_of_provider() {
            let reason = Reason::ReservedSource;
            self.faults.push(Fault { field: "source".to_owned(), value: Some(source.to_string()), reason });
            return None;
        }
        Some(source)
    }

    /// Reads the code of an existing supplier.
    pub(crate) fn supplier(&mut self, name: &'static str, now: Option<SupplierId>) -> Option<SupplierId> {
        if self.suppliers.are_assigned() {
            return self.assigned_supplier(name);
        }
        if !self.has(name) && now.is_some() {
            return now;
        }
        let code: SupplierCode = self.value(name, None)?;
        self.resolve(name, &code)
    }

    /// Reads the code of an existing supplier, or nothing.
    pub(crate) fn optional_supplier(
        &mut self,
        name: &str,
        now: Option<Option<SupplierId>>,
    ) -> Option<Option<SupplierId>> {
        if let (false, Some(now)) = (self.has(name), now) {
            return Some(now);
        }
        match self.value::<Option<SupplierCode>>(name, None)? {
            None => Some(None),
            Some(code) => self.resolve(name, &code).map(Some),
        }
    }

    /// Reads a filter by the code or the id of a supplier. It selects the supplier and those merged into it; an unknown
    /// code selects nobody. Returns `Some(None)` if the filter is omitted.
    pub(crate) fn family(&mut self, code_name: &str, id_name: &'static str) -> Option<Option<Vec<SupplierId>>> {
        let code = self.value::<Option<SupplierCode>>(code_name, None);
        let id = self.value::<Option<SupplierId>>(id_name, None);
        let (code, id) = (code?, id?);
        if code.is_some() && id.is_some() {
            self.faults.push(Fault::new(code_name, Reason::NotTogether(id_name)));
            return None;
        }
        let is_filtered = code.is_some() || id.is_some();
        let found = id.or_else(|| self.suppliers.by_code(&code?));
        let family = found.map(|id| self.suppliers.family(id)).unwrap_or_default();
        Some(is_filtered.then_some(family))
    }

    /// Reads a supplier that is assigned to a provider, by its code or its 法人番号, but not both.
    fn assigned_supplier(&mut self, code_name: &'static str) -> Option<SupplierId> {
        let code = self.value::<Option<SupplierCode>>(code_name, None);
        let number = self.value::<Option<CorporateNumber>>(CORPORATE_NUMBER, None);
        let (name, asked, found) = match (code?, number?) {
            (Some(code), None) => (code_name, code.to_string(), self.suppliers.by_code(&code)),
            (None, Some(number)) => (CORPORATE_NUMBER, number.to_string(), self.suppliers.by_number(&number)),
            (Some(_), Some(_)) => {
                self.faults.push(Fault::new(CORPORATE_NUMBER, Reason::NotTogether(code_name)));
                return None;
            }
            (None, None) => {
                self.faults.push(Fault::new(code_name, Reason::Model(scoring::Reason::MissingValue)));
                return None;
            }
        };
        if found.is_none() {
            self.faults.push(Fault { field: name.to_owned(), value: Some(asked), reason: Reason::NotAssigned });
        }
        found
    }

    fn resolve(&mut self, name: &str, code: &SupplierCode) -> Option<SupplierId> {
        let found = self.suppliers.by_code(code);
        if found.is_none() {
            let reason = Reason::Model(scoring::Reason::UnknownSupplier);
            // As the caller wrote it.
            let cell = self.cells.iter().find(|(known, _)| *known == name).map(|(_, cell)| cell);
            let value = cell.and_then(Cell::shown).or_else(|| Some(code.to_string()));
            self.faults.push(Fault { field: name.to_owned(), value, reason });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code<T: FieldValue>(cell: Cell<'_>) -> Option<&'static str> {
        T::read(&cell).err().map(|reason| reason.code())
    }

    #[test]
    fn json_values_have_the_type_of_their_field_and_texts_of_files_are_read() {
        assert_eq!(code::<schema::Yen>(Cell::Json(&json!("5"))), Some("wrong-type"));
        assert_eq!(code::<schema::Yen>(Cell::Text("5".into())), None);
        assert_eq!(code::<schema::Yen>(Cell::Text("5.0".into())), None);
        assert_eq!(code::<schema::Yen>(Cell::Text("5.5".into())), Some("not-whole"));
        assert_eq!(code::<schema::Yen>(Cell::Json(&json!(5.5))), Some("not-whole"));
        assert_eq!(code::<schema::Yen>(Cell::Json(&json!(-5))), Some("out-of-range"));
        assert_eq!(code::<schema::Share>(Cell::Text("NaN".into())), Some("not-a-number"));
        assert_eq!(code::<bool>(Cell::Json(&json!("true"))), Some("wrong-type"));
        assert_eq!(code::<NaiveDate>(Cell::Text("2026-02-30".into())), Some("not-a-date"));
        assert_eq!(code::<schema::Criticality>(Cell::Text("ライン停止".into())), None);
        assert_eq!(code::<schema::Criticality>(Cell::Json(&json!("ライン停止"))), Some("unknown-choice"));
        assert_eq!(code::<SupplierCode>(Cell::Number(123.0)), None);
    }

    #[test]
    fn every_fault_is_noted_and_unknown_names_too() {
        let (count, date) = (json!(-1), json!("2026-13-01"));
        let cells = vec![("a", Cell::Json(&count)), ("b", Cell::Json(&date)), ("b", Cell::Null), ("c", Cell::Null)];
        let mut none = ();
        let mut fields = Fields::new(cells, &mut none);
        fields.expect_only(&["a", "b"]);
        assert!(fields.value::<schema::Count>("a", None).is_none());
        assert!(fields.value::<NaiveDate>("b", None).is_none());
        assert!(fields.value::<NaiveDate>("d", None).is_none());
        assert_eq!(fields.value::<Option<NaiveDate>>("d", None), Some(None));
        let codes: Vec<_> = fields.faults.iter().map(|fault| (fault.field.as_str(), fault.reason.code())).collect();
        assert_eq!(
            codes,
            [
                ("b", "repeated-field"),
                ("c", "unknown-field"),
                ("a", "out-of-range"),
                ("b", "not-a-date"),
                ("d", "missing-value"),
            ]
        );
    }
}
