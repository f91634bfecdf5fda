//! A `model.toml` that replaces the built-in model.

use std::path::{Path, PathBuf};
use std::{fs, io};

use scoring::{Lang, Model, ModelError};

/// Why a file cannot be used as the model.
#[derive(Debug)]
pub enum ModelFileError {
    /// It cannot be read.
    Unreadable(PathBuf, io::Error),
    /// It is not text.
    NotUtf8(PathBuf),
    /// It is not a valid model.
    Model(PathBuf, ModelError),
}

impl ModelFileError {
    /// Returns the reason as text.
    pub(crate) fn text(&self, lang: Lang) -> String {
        match self {
            Self::Unreadable(path, error) => {
                let path = path.display();
                lang.pick(format!("{path} を読めません: {error}"), format!("{path} cannot be read: {error}"))
            }
            Self::NotUtf8(path) => {
                let path = path.display();
                lang.pick(format!("{path} は UTF-8 ではありません"), format!("{path} is not UTF-8"))
            }
            Self::Model(path, error) => model_text(path, error, lang),
        }
    }
}

impl std::fmt::Display for ModelFileError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.text(Lang::En))
    }
}

impl std::error::Error for ModelFileError {}

/// Reads a model from a file, or returns the built-in one if no file is given.
pub(crate) fn read_model(path: Option<&Path>) -> Result<Model, ModelFileError> {
    let Some(path) = path else { return Ok(Model::default()) };
    let text = fs::read(path).map_err(|error| ModelFileError::Unreadable(path.to_owned(), error))?;
    let text = String::from_utf8(text).map_err(|_| ModelFileError::NotUtf8(path.to_owned()))?;
    Model::parse(&text).map_err(|error| ModelFileError::Model(path.to_owned(), error))
}

fn model_text(path: &Path, error: &ModelError, lang: Lang) -> String {
    let path = path.display();
    match error {
        ModelError::Syntax(error) => {
            lang.pick(format!("{path} は TOML として読めません: {error}"), format!("{path} is not TOML: {error}"))
        }
        ModelError::Parameters(faults) => {
            let count = faults.len();
            let mut text = lang.pick(
                format!("{path} はモデルとして使えません。誤り: {count}件"),
                format!("{path} is not a valid model, faults: {count}"),
            );
            for fault in faults {
                let value = fault.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
                let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
                text += &format!("\n{path}{line}: {}{value}: {}", fault.key, fault.text(lang));
            }
            text
        }
    }
}
