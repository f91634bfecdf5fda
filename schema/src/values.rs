//! Newtypes that are stored: the valid values of each are defined once, here.

mod choices;
mod day;
mod numbers;
mod texts;

use std::fmt::Display;

use serde::{Deserialize, Deserializer, de};

pub use choices::*;
pub use day::Day;
pub use numbers::*;
pub use texts::*;

/// Why a value is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ValueError {
    /// The text is empty or only has spaces.
    #[error("empty")]
    Empty,
    /// More characters than allowed.
    #[error("longer than {max} characters")]
    TooLong {
        /// The maximum number of characters.
        max: usize,
    },
    /// An invisible character, such as a line break or a NUL.
    #[error("holds a control character")]
    ControlCharacter,
    /// A different number of digits.
    #[error("not {count} digits")]
    NotDigits {
        /// The required number of digits.
        count: usize,
    },
    /// A 法人番号 whose first digit does not match the others.
    #[error("the check digit should be {expected}")]
    CheckDigit {
        /// The first digit that would match.
        expected: u32,
    },
    /// A number outside of the range.
    #[error("out of the range {0} to {1}")]
    OutOfRange(f64, f64),
    /// Not a web address.
    #[error("not an http or https address")]
    NotAnAddress,
    /// No `@` with something on both sides.
    #[error("not a mail address")]
    NotAMailAddress,
    /// Something other than digits, spaces, `+`, `-` and parentheses.
    #[error("not a telephone number")]
    NotAPhoneNumber,
    /// None of the values of a closed set.
    #[error("none of the values that there are")]
    UnknownChoice,
}

/// Deserializes a text with `parse`.
pub(crate) fn deserialize_parsed<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|error| de::Error::custom(format_args!("{text:?}: {error}")))
}
