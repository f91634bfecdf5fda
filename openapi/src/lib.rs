//! The API document: checked in as `openapi.json`, generated from the code, and held to rules.
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

pub use difference::differences;
pub use lint::{Rule, lint};

/// Where the document is checked in.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

/// The document as the code has it, in the text in which it is checked in.
///
/// # Errors
/// When the document cannot be written as JSON.
pub fn generate() -> io::Result<String> {
    Ok(api::document().to_pretty_json()? + "\n")
}

/// Writes the document to where it is checked in.
///
/// # Errors
/// When the file cannot be written.
pub fn write() -> io::Result<()> {
    fs::write(path(), generate()?)
}

/// Says how the file differs from the code, nothing where it does not.
///
/// # Errors
/// When the file cannot be read, or is no JSON.
pub fn drift() -> io::Result<Vec<String>> {
    let (checked_in, generated) = (fs::read_to_string(path())?, generate()?);
    if checked_in == generated {
        return Ok(Vec::new());
    }
    let (old, new): (Value, Value) = (serde_json::from_str(&checked_in)?, serde_json::from_str(&generated)?);
    let found = differences(&old, &new);
    Ok(if found.is_empty() { vec!["only the order or the spaces differ".to_owned()] } else { found })
}
