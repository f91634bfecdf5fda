//! The API document: checked in as `openapi.json`, generated from the code, and checked by rules.
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

/// Returns the path of the checked-in document.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json")
}

/// Returns the document generated from the code, in the format in which it is checked in.
///
/// # Errors
/// Fails if the document cannot be written as JSON.
pub fn generate() -> io::Result<String> {
    Ok(api::document().to_pretty_json()? + "\n")
}

/// Writes the document to its checked-in file.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn write() -> io::Result<()> {
    fs::write(path(), generate()?)
}

/// Returns how the file differs from the code, or nothing if it does not.
///
/// # Errors
/// Fails if the file cannot be read or is not JSON.
pub fn drift() -> io::Result<Vec<String>> {
    let (checked_in, generated) = (fs::read_to_string(path())?, generate()?);
    if checked_in == generated {
        return Ok(Vec::new());
    }
    let (old, new): (Value, Value) = (serde_json::from_str(&checked_in)?, serde_json::from_str(&generated)?);
    let found = differences(&old, &new);
    Ok(if found.is_empty() { vec!["only the order or the spaces differ".to_owned()] } else { found })
}
