//! Reads parameters one by one and collects every fault on the way.

use toml::de::DeTable;
use toml::{Table, Value};

use super::{ByKey, Format, Model};
use crate::words::Lang;

/// Why a model is refused.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The text is not TOML; the message names line and column.
    #[error("not a TOML document: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Keys or values are at fault, in order of the model.
    #[error("{} parameters are missing, unknown or out of range, the first: {}", .0.len(), first(.0))]
    Parameters(Vec<ModelFault>),
}

fn first(faults: &[ModelFault]) -> String {
    faults.first().map(|fault| format!("{}: {}", fault.key, fault.text(Lang::En))).unwrap_or_default()
}

/// What is wrong with one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFault {
    /// The key, with its tables: `propagation.domino`.
    pub key: String,
    /// Its line, counted from 1; none for a missing key.
    pub line: Option<usize>,
    /// The value as written; none for a missing key.
    pub value: Option<String>,
    kind: FaultKind,
}

#[derive(Debug, Clone, PartialEq)]
enum FaultKind {
    Missing,
    Unknown,
    Range(Range),
    NotText,
    Below { other: &'static str, strict: bool },
    LastGrade,
    Format,
    Errors,
}

impl ModelFault {
    /// Returns what is wrong and what is expected.
    pub fn text(&self, lang: Lang) -> String {
        let (ja, en) = match &self.kind {
            FaultKind::Missing => ("キーがありません".to_owned(), "the key is missing".to_owned()),
            FaultKind::Unknown => (
                "知らないキーです。消すか綴りを直してください".to_owned(),
                "the key is unknown: remove it or correct its spelling".to_owned(),
            ),
            FaultKind::NotText => {
                ("空でない文字列にしてください".to_owned(), "expected a text that is not empty".to_owned())
            }
            FaultKind::Range(range) => {
                (format!("{}にしてください", range.words(Lang::Ja)), format!("expected {}", range.words(Lang::En)))
            }
            FaultKind::Below { other, strict: true } => {
                (format!("{other} より大きくしてください"), format!("expected more than {other}"))
            }
            FaultKind::Below { other, strict: false } => {
                (format!("{other} 以上にしてください"), format!("expected {other} or more"))
            }
            FaultKind::Format => (
                "書かないか、2 にしてください".to_owned(),
                "expected 2, or no such key for a model of format 1".to_owned(),
            ),
            FaultKind::Errors => (
                "overclaim との和を 1 未満にしてください".to_owned(),
                "expected less than 1 together with overclaim".to_owned(),
            ),
            FaultKind::LastGrade => ("100 より大きくしてください".to_owned(), "expected more than 100".to_owned()),
        };
        lang.pick(ja, en)
    }
}

/// The range of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Range {
    Any,
    NotNegative,
    Positive,
    AtLeastOne,
    AboveOne,
    Share,
    Factor,
    Probability,
    /// A probability whose logarithm is taken: at 0 there would be no score.
    PositiveProbability,
    WholeDays,
    WholeCount,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        let whole = value.fract() == 0.0 && value >= 1.0;
        value.is_finite()
            && match self {
                Self::Any => true,
                Self::NotNegative => value >= 0.0,
                Self::Positive => value > 0.0,
                Self::AtLeastOne => value >= 1.0,
                Self::AboveOne => value > 1.0,
                Self::Share => (0.0..=1.0).contains(&value),
                Self::Factor => value > 0.0 && value <= 1.0,
                Self::Probability => (0.0..1.0).contains(&value),
                Self::PositiveProbability => value > 0.0 && value < 1.0,
                Self::WholeDays => whole && value <= 1e6,
                Self::WholeCount => whole && value <= 1e9,
            }
    }

    fn words(self, lang: Lang) -> &'static str {
        let (ja, en) = match self {
            Self::Any => ("数値", "a number"),
            Self::NotNegative => ("0 以上の数値", "a number of 0 or more"),
            Self::Positive => ("0 より大きい数値", "a number above 0"),
            Self::AtLeastOne => ("1 以上の数値", "a number of 1 or more"),
            Self::AboveOne => ("1 より大きい数値", "a number above 1"),
            Self::Share => ("0 以上 1 以下の数値", "a share from 0 to 1"),
            Self::Factor => ("0 より大きく 1 以下の係数", "a factor above 0 and at most 1"),
            Self::Probability => ("0 以上 1 未満の確率", "a probability of 0 or more and below 1"),
            Self::PositiveProbability => ("0 より大きく 1 未満の確率", "a probability above 0 and below 1"),
            Self::WholeDays => ("1 以上 1,000,000 以下の整数の日数", "a whole number of days from 1 to 1,000,000"),
            Self::WholeCount => ("1 以上の整数", "a whole number of 1 or more"),
        };
        lang.pick(ja, en)
    }
}

/// A TOML document from which keys are taken one by one. What is left at the end is unknown.
pub(super) struct Parameters<'a> {
    text: &'a str,
    root: Table,
    known_tables: Vec<String>,
    faults: Vec<ModelFault>,
}

impl<'a> Parameters<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, ModelError> {
        Ok(Self { text, root: text.parse()?, known_tables: Vec::new(), faults: Vec::new() })
    }

    pub(super) fn version(&mut self) -> String {
        match self.take("version") {
            Some(Value::String(version)) if !version.trim().is_empty() => version,
            other => {
                let kind = if other.is_some() { FaultKind::NotText } else { FaultKind::Missing };
                self.fault("version", other.as_ref(), kind);
                String::new()
            }
        }
    }

    /// Returns the format: 1 without the key.
    pub(super) fn format(&mut self) -> Format {
        match self.take("format") {
            None => Format::One,
            Some(Value::Integer(2)) => Format::Two,
            Some(other) => {
                self.fault("format", Some(&other), FaultKind::Format);
                Format::Two
            }
        }
    }

    /// Checks that those who assess are right more often than chance alone would be.
    pub(super) fn errors_below_one(&mut self, assurance: &str, overclaim: f64, underclaim: f64) {
        // NaN is a value that already has a fault.
        if overclaim + underclaim >= 1.0 {
            let key = format!("assessments.assurance.{assurance}.underclaim");
            self.fault(&key, Some(&Value::Float(underclaim)), FaultKind::Errors);
        }
    }

    /// Returns the number at `key`; NaN, with a fault noted, if there is none in range.
    pub(super) fn number(&mut self, key: &str, range: Range) -> f64 {
        match self.take(key) {
            None => self.fault(key, None, FaultKind::Missing),
            Some(value) => match as_number(&value) {
                Some(number) if range.holds(number) => return number,
                _ => self.fault(key, Some(&value), FaultKind::Range(range)),
            },
        }
        f64::NAN
    }

    /// Returns the numbers of a table that must have each of `keys`.
    pub(super) fn by_key(&mut self, table: &str, keys: &[&'static str], range: Range) -> ByKey {
        keys.iter().map(|key| (*key, self.number(&format!("{table}.{key}"), range))).collect()
    }

    /// Returns the numbers of a table that may have any of `keys`.
    pub(super) fn by_optional_key(&mut self, table: &str, keys: &[&'static str], range: Range) -> ByKey {
        self.known_tables.push(table.to_owned());
        if self.peek(table).is_none() {
            self.fault(table, None, FaultKind::Missing);
        }
        keys.iter()
            .map(|key| (*key, format!("{table}.{key}")))
            .filter_map(|(key, path)| self.peek(&path).is_some().then(|| (key, self.number(&path, range))))
            .collect()
    }

    pub(super) fn ascending(&mut self, values: &[(&'static str, f64)]) {
        self.ordered(values, false);
    }

    pub(super) fn strictly_ascending(&mut self, values: &[(&'static str, f64)]) {
        self.ordered(values, true);
    }

    fn ordered(&mut self, values: &[(&'static str, f64)], strict: bool) {
        for (low, high) in values.iter().zip(values.iter().skip(1)) {
            // NaN is a value that already has a fault.
            if high.1 < low.1 || (strict && high.1 == low.1) {
                self.fault(high.0, Some(&Value::Float(high.1)), FaultKind::Below { other: low.0, strict });
            }
        }
    }

    pub(super) fn grades(&mut self, upper: &[(&'static str, f64)]) {
        const KEYS: [&str; 5] = [
            "scale.grade_upper.A",
            "scale.grade_upper.B",
            "scale.grade_upper.C",
            "scale.grade_upper.D",
            "scale.grade_upper.E",
        ];
        let named: Vec<_> = KEYS.into_iter().zip(upper.iter().map(|(_, bound)| *bound)).collect();
        self.strictly_ascending(&named);
        if let Some((key, bound)) = named.last().filter(|(_, bound)| *bound <= 100.0) {
            self.fault(key, Some(&Value::Float(*bound)), FaultKind::LastGrade);
        }
    }

    /// Returns the model, if no fault was found and no key is left over.
    pub(super) fn finish(&mut self, model: Model) -> Result<Model, ModelError> {
        let mut unknown = Vec::new();
        leftover(&self.root, "", &self.known_tables, &mut unknown);
        for (key, value) in unknown {
            self.fault(&key, Some(&value), FaultKind::Unknown);
        }
        if self.faults.is_empty() { Ok(model) } else { Err(ModelError::Parameters(std::mem::take(&mut self.faults))) }
    }

    fn fault(&mut self, key: &str, value: Option<&Value>, kind: FaultKind) {
        let line = line_of(self.text, key);
        self.faults.push(ModelFault { key: key.to_owned(), line, value: value.map(ToString::to_string), kind });
    }

    fn peek(&self, key: &str) -> Option<&Value> {
        let (mut tables, last) = split(key);
        tables.try_fold(&self.root, |table, name| table.get(name)?.as_table())?.get(last)
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known_tables.extend(key.match_indices('.').filter_map(|(dot, _)| key.get(..dot)).map(str::to_owned));
        let (mut tables, last) = split(key);
        tables.try_fold(&mut self.root, |table, name| table.get_mut(name)?.as_table_mut())?.remove(last)
    }
}

/// Returns the line of a key. It is only looked for if something is wrong with the key.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?.into_inner();
    let (mut tables, last) = split(key);
    let table = tables.try_fold(&document, |table, name| table.get(name)?.get_ref().as_table())?;
    let (key, _) = table.get_key_value(last)?;
    Some(text.get(..key.span().start)?.matches('\n').count() + 1)
}

fn split(key: &str) -> (impl Iterator<Item = &str>, &str) {
    let (tables, last) = key.rsplit_once('.').unwrap_or(("", key));
    (tables.split('.').filter(|name| !name.is_empty()), last)
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) => Some(*number),
        Value::Integer(number) => Some(*number as f64),
        _ => None,
    }
}

/// Collects every key that nobody took, and every table that nobody read.
fn leftover(table: &Table, prefix: &str, known_tables: &[String], unknown: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        match value {
            Value::Table(inner) if known_tables.contains(&key) => {
                leftover(inner, &format!("{key}."), known_tables, unknown);
            }
            _ => unknown.push((key, value.clone())),
        }
    }
}
