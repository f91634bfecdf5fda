//! The API document: checked in as `openapi.json` and, in Japanese, as `openapi.ja.json`; generated from the code, and checked by rules.
//!
//! ```sh
//! cargo run -p openapi -- write   # after any change to the interface
//! cargo run -p openapi -- check   # says what has drifted, and what breaks a rule
//! ```

mod difference;
mod lint;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

pub use api::Lang;
pub use difference::differences;
pub use lint::{Rule, lint, lint_japanese};

/// The languages of the document.
pub const LANGUAGES: [Lang; 2] = [Lang::En, Lang::Ja];

/// Returns the path of the checked-in document in a language.
pub fn path(lang: Lang) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(lang.pick("openapi.ja.json", "openapi.json"))
}

/// Returns the document generated from the code, in the format in which it is checked in.
///
/// # Errors
/// Fails if the document cannot be written as JSON.
pub fn generate(lang: Lang) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(&api::document(lang)?)? + "\n")
}

/// Writes the documents to their checked-in files.
///
/// # Errors
/// Fails if a file cannot be written.
pub fn write() -> io::Result<()> {
    LANGUAGES.into_iter().try_for_each(|lang| fs::write(path(lang), generate(lang)?))
}

/// Returns how the file differs from the code, or nothing if it does not.
///
/// # Errors
/// Fails if the file cannot be read or is not JSON.
pub fn drift(lang: Lang) -> io::Result<Vec<String>> {
    let (checked_in, generated) = (fs::read_to_string(path(lang))?, generate(lang)?);
    if checked_in == generated {
        return Ok(Vec::new());
    }
    let (old, new): (Value, Value) = (serde_json::from_str(&checked_in)?, serde_json::from_str(&generated)?);
    let found = differences(&old, &new);
    Ok(if found.is_empty() { vec!["only the order or the spaces differ".to_owned()] } else { found })
}

/// Returns what is wrong with the document in a language.
///
/// # Errors
/// Fails if the document cannot be written as JSON.
pub fn check(lang: Lang) -> io::Result<Vec<String>> {
    let document = api::document(lang)?;
    Ok(match lang {
        Lang::En => lint(&document),
        Lang::Ja => lint_japanese(&document),
    })
}
