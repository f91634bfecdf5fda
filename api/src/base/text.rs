//! Texts for people in both languages, texts of errors and of values in files, and dates and hashes as texts.

use std::error::Error;

use chrono::NaiveDate;
use scoring::Lang;
use sha2::{Digest, Sha256};

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) ja: String,
    pub(crate) en: String,
}

impl Text {
    pub(crate) fn new(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self { ja: ja.into(), en: en.into() }
    }

    pub(crate) fn pick(&self, lang: Lang) -> &str {
        lang.pick(&self.ja, &self.en)
    }
}

/// Returns a text from a file as a terminal may show it: invisible characters are escaped, and a long text is cut.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(|character| {
            let (plain, escaped) = match character.is_control() || schema::is_ignorable(character) {
                true => (None, Some(character.escape_default())),
                false => (Some(character), None),
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Returns an error and its causes on one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Returns the first hexadecimal digits of the SHA-256 of some bytes.
pub(crate) fn short_hash(bytes: &[u8], digits: usize) -> String {
    let mut hash = hex::encode(Sha256::digest(bytes));
    hash.truncate(digits);
    hash
}

/// Reads a calendar date written as `YYYY-MM-DD`, from the year 1 on.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return None };
    let digits = |bytes: &[&u8]| {
        bytes.iter().try_fold(0u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(**byte - b'0')))
    };
    let year = digits(&[y1, y2, y3, y4]).filter(|year| *year > 0)?;
    NaiveDate::from_ymd_opt(year as i32, digits(&[m1, m2])?, digits(&[d1, d2])?)
}
