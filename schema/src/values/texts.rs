//! Texts: codes, names, and numbers that are not for calculating.

use std::borrow::Cow;

use diesel::backend::Backend;
use diesel::deserialize::FromSqlRow;
use diesel::deserialize::{self, FromSql};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use unicode_normalization::{UnicodeNormalization, is_nfkc};

use super::ValueError;

/// Defines texts with a maximum length, each made by its `parse`.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($max:literal, $parse:expr);)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
        #[diesel(sql_type = Text)]
        pub struct $name(String);

        impl $name {
            /// The maximum number of characters.
            pub const MAX_LENGTH: usize = $max;

            /// Parses a text.
            ///
            /// # Errors
            /// What is wrong with the text.
            pub fn parse(text: &str) -> Result<Self, ValueError> {
                let parse: fn(&str) -> Result<String, ValueError> = $parse;
                let text = parse(text)?;
                if text.is_empty() {
                    return Err(ValueError::Empty);
                }
                // A text of n bytes has at most n characters, so only long ones are counted.
                if text.len() > $max && text.chars().count() > $max {
                    return Err(ValueError::TooLong { max: $max });
                }
                Ok(Self(text))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::deserialize_parsed(deserializer, Self::parse)
            }
        }

        impl<DB: Backend> ToSql<Text, DB> for $name
        where
            str: ToSql<Text, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.as_str().to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<Text, DB> for $name
        where
            String: FromSql<Text, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                String::from_sql(bytes).map(Self)
            }
        }
    )*};
}

texts! {
    /// The buyer's code for a supplier: NFKC, any dash as `-`, without spaces around it, case-sensitive.
    SupplierCode(64, code);
    /// The name of a purchasing system, or of a company of the buyer's group in it. Same rules as for a code.
    SystemName(64, code);
    /// The source of a record, as an import names it. Same rules as for a code.
    Source(64, code);
    /// The id of a record in its source. Same rules as for a code.
    ExternalId(200, code);
    /// The name of a firm, a service or a person, without spaces around it.
    Name(200, line);
    /// A remark or a reason, which may have several lines.
    Remark(2000, lines);
    /// A 法人番号: 13 digits, the first of which checks the others.
    CorporateNumber(13, corporate_number);
    /// A JSIC division (産業中分類) of revision 14: 01 to 99.
    JsicDivision(2, |text| two_digits(text, 99));
    /// A prefecture by JIS X 0401: 01 to 47.
    PrefectureCode(2, |text| two_digits(text, 47));
    /// A web address, http or https.
    WebAddress(2000, web_address);
    /// A mail address.
    MailAddress(254, mail_address);
    /// A telephone number: digits, spaces, `+`, `-` and parentheses.
    PhoneNumber(40, phone_number);
}

impl JsicDivision {
    /// Returns the division as a number, 1 to 99.
    pub fn number(&self) -> i64 {
        self.0.parse().unwrap_or_default()
    }
}

impl Source {
    /// Returns the source of what is entered by hand, and of an import that names none.
    pub fn manual() -> Self {
        Self("manual".to_owned())
    }

    /// The prefix of the sources of providers. No other source begins with it.
    pub const PROVIDER_PREFIX: &str = "provider:";

    /// Returns whether it is the source of a provider, or looks like one.
    pub fn is_of_provider(&self) -> bool {
        self.as_str().to_lowercase().starts_with(Self::PROVIDER_PREFIX)
    }
}

/// Returns whether a character is invisible or changes the direction of text, which can make a name look like another.
fn is_hidden(character: char) -> bool {
    let turns = matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || turns || character == '\u{feff}'
}

/// Returns whether a character shows nothing: those that Unicode lets a font ignore, and equally blank ones.
///
/// Names may have some of them, such as the variation selectors of 異体字; codes may not.
pub fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Returns whether a character looks like a hyphen but is not one. NFKC turns the full-width hyphen into a real one.
fn is_dash(character: char) -> bool {
    matches!(
        character,
        '\u{2d7}' | '\u{58a}' | '\u{5be}' | '\u{1400}' | '\u{1806}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{207b}'
                | '\u{208b}'
                | '\u{2212}'
                | '\u{23af}'
                | '\u{23bc}'
                | '\u{23bd}'
                | '\u{23e4}'
                | '\u{2500}'
                | '\u{2501}'
                | '\u{2574}'
                | '\u{2576}'
                | '\u{2578}'
                | '\u{257a}'
                | '\u{2796}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{10110}'
    )
}

/// Returns a text with every dash as a hyphen; `None` if there is no dash other than the hyphen.
///
/// The long-vowel mark counts as a dash between ASCII letters and digits, where it can be nothing else.
fn with_hyphens(text: &str) -> Option<String> {
    let may_have = |character: char| is_dash(character) || matches!(character, 'ー' | '\u{ff70}');
    if text.is_ascii() || !text.contains(may_have) {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    let (mut before, mut is_other) = (None, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_alphanumeric = |beside: Option<char>| beside.is_some_and(|beside| beside.is_ascii_alphanumeric());
        let is_mark = matches!(character, 'ー' | '\u{ff70}')
            && is_alphanumeric(before)
            && is_alphanumeric(characters.peek().copied());
        let is_hyphen = is_mark || is_dash(character);
        is_other |= is_hyphen;
        plain.push(if is_hyphen { '-' } else { character });
        before = Some(character);
    }
    is_other.then_some(plain)
}

/// Returns whether a code has a character that only looks like a hyphen.
pub fn has_other_hyphen(code: &str) -> bool {
    !code.is_ascii() && with_hyphens(&code.nfkc().collect::<String>()).is_some()
}

fn line(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    if text.chars().any(is_hidden) { Err(ValueError::ControlCharacter) } else { Ok(text.to_owned()) }
}

fn lines(text: &str) -> Result<String, ValueError> {
    let text = text.trim();
    let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    if text.chars().any(is_odd) { Err(ValueError::ControlCharacter) } else { Ok(text.to_owned()) }
}

fn code(text: &str) -> Result<String, ValueError> {
    if text.is_ascii() {
        return line(text);
    }
    // Checked before NFKC, which removes some of them.
    if text.chars().any(is_ignorable) {
        return Err(ValueError::ControlCharacter);
    }
    let plain = if is_nfkc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfkc().collect::<String>()) };
    line(&with_hyphens(&plain).map_or(plain, Cow::Owned))
}

fn two_digits(text: &str, max: u8) -> Result<String, ValueError> {
    let text = code(text)?;
    let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    // A spreadsheet removes the zero of 09.
    let number: u8 = text.parse().ok().filter(|_| is_number).ok_or(ValueError::NotDigits { count: 2 })?;
    if (1..=max).contains(&number) {
        Ok(format!("{number:02}"))
    } else {
        Err(ValueError::OutOfRange(1.0, f64::from(max)))
    }
}

fn corporate_number(text: &str) -> Result<String, ValueError> {
    let text = code(text)?;
    let digits: Vec<u32> = text.chars().map_while(|character| character.to_digit(10)).collect();
    let (Some((first, others)), 13, 13) = (digits.split_first(), digits.len(), text.len()) else {
        return Err(ValueError::NotDigits { count: 13 });
    };
    let sum: u32 = others.iter().rev().zip([1, 2].into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    let expected = 9 - sum % 9;
    if *first == expected { Ok(text) } else { Err(ValueError::CheckDigit { expected }) }
}

fn web_address(text: &str) -> Result<String, ValueError> {
    let text = line(text)?;
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_address = host.is_some_and(|host| host.starts_with(|first: char| first.is_alphanumeric() || first == '['));
    if is_address && !text.contains(char::is_whitespace) { Ok(text) } else { Err(ValueError::NotAnAddress) }
}

fn mail_address(text: &str) -> Result<String, ValueError> {
    let text = line(text)?;
    // Anything may come before the @: Japanese carriers gave out addresses such as `a..b.@`, which RFC 5322 does not
    // allow.
    let is_address = text.rsplit_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if is_address && !text.contains(char::is_whitespace) { Ok(text) } else { Err(ValueError::NotAMailAddress) }
}

fn phone_number(text: &str) -> Result<String, ValueError> {
    let text = code(text)?;
    let is_number = text.chars().all(|character| character.is_ascii_digit() || " +-()".contains(character));
    if is_number { Ok(text) } else { Err(ValueError::NotAPhoneNumber) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corporate_number_is_held_to_its_check_digit() {
        assert_eq!(CorporateNumber::parse(" ７０１０４０１０２２９１６ ").unwrap().as_str(), "7010401022916");
        assert_eq!(CorporateNumber::parse("6010401022916"), Err(ValueError::CheckDigit { expected: 7 }));
        for wrong in ["701040102291", "70104010229160", "70104010229１6x", "7010401022 16"] {
            assert_eq!(CorporateNumber::parse(wrong), Err(ValueError::NotDigits { count: 13 }), "{wrong}");
        }
    }

    #[test]
    fn a_code_keeps_its_case_and_loses_its_width() {
        assert_eq!(SupplierCode::parse("　Ａｂ-０１ ").unwrap().as_str(), "Ab-01");
        assert_eq!(SupplierCode::parse(" 　"), Err(ValueError::Empty));
        assert_eq!(SupplierCode::parse("a\u{0}b"), Err(ValueError::ControlCharacter));
        assert!(SupplierCode::parse(&"あ".repeat(64)).is_ok());
        assert_eq!(SupplierCode::parse(&"あ".repeat(65)), Err(ValueError::TooLong { max: 64 }));
    }

    #[test]
    fn a_code_has_one_kind_of_hyphen() {
        for dash in "-－﹣‐‑‒–—―−⁃─━˗➖⁻".chars() {
            assert_eq!(SupplierCode::parse(&format!("A{dash}100")).unwrap().as_str(), "A-100", "{dash:?}");
        }
        assert_eq!(SupplierCode::parse("Aー1ｰ2").unwrap().as_str(), "A-1-2");
        assert_eq!(SupplierCode::parse("データー1").unwrap().as_str(), "データー1");
        assert!(has_other_hyphen("A‐1") && has_other_hyphen("1ー2"));
        assert!(!has_other_hyphen("A-1") && !has_other_hyphen("A－1") && !has_other_hyphen("センター"));
    }

    #[test]
    fn a_code_has_no_character_that_is_not_seen_and_a_name_may_have_a_variant() {
        for hidden in [
            '\u{ad}',
            '\u{200b}',
            '\u{2060}',
            '\u{feff}',
            '\u{34f}',
            '\u{180e}',
            '\u{fe0f}',
            '\u{e0041}',
            '\u{3164}',
            '\u{115f}',
        ] {
            assert_eq!(SupplierCode::parse(&format!("A{hidden}1")), Err(ValueError::ControlCharacter), "{hidden:?}");
        }
        assert!(Name::parse("辻\u{e0100}製作所").is_ok());
    }

    #[test]
    fn a_division_gets_back_the_zero_that_a_spreadsheet_took() {
        assert_eq!(JsicDivision::parse("9").unwrap().as_str(), "09");
        assert_eq!(JsicDivision::parse("0"), Err(ValueError::OutOfRange(1.0, 99.0)));
        assert_eq!(PrefectureCode::parse("48"), Err(ValueError::OutOfRange(1.0, 47.0)));
        assert_eq!(PrefectureCode::parse("+1"), Err(ValueError::NotDigits { count: 2 }));
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        assert!(WebAddress::parse("https://example.jp/a?b=c").is_ok());
        assert!(WebAddress::parse("https://日本語.jp:8443/相談").is_ok());
        for wrong in ["javascript:alert(1)", "http://", "https://a b", "example.jp", "https:///x"] {
            assert_eq!(WebAddress::parse(wrong), Err(ValueError::NotAnAddress), "{wrong}");
        }
        for right in ["soc@example.co.jp", "a..b.@docomo.ne.jp", "窓口@日本語.jp", "it+soc@example.jp"] {
            assert_eq!(MailAddress::parse(right).unwrap().as_str(), right);
        }
        for wrong in ["soc@example", "@example.jp", "a b@example.jp"] {
            assert_eq!(MailAddress::parse(wrong), Err(ValueError::NotAMailAddress), "{wrong}");
        }
    }
}
