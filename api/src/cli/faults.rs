//! Faults in data as text: file, line, column, value, reason and remedy.

use std::fmt::Write;
use std::path::Path;

use scoring::{Lang, ModelError};

use crate::files::folder::{FileFault, FolderError};

pub(super) fn folder(folder: &Path, error: &FolderError, lang: Lang) -> String {
    match error {
        FolderError::Faults { first, count } => {
            let mut text = lang.pick(
                format!("{} は読み込めません。{count}件の誤りがあります。", folder.display()),
                format!("{} cannot be scored: {count} faults.", folder.display()),
            );
            for fault in first {
                // Writing to a String cannot fail.
                let _ = write!(text, "\n{}", line(fault, lang));
            }
            if let Some(rest) = count.checked_sub(first.len()).filter(|rest| *rest > 0) {
                text += &lang.pick(format!("\nほかに{rest}件あります。"), format!("\n… and {rest} more."));
            }
            text
        }
        FolderError::File { file, error } => {
            lang.pick(format!("{file} を読めません: {error}"), format!("{file} cannot be read: {error}"))
        }
        FolderError::Frame(error) => {
            lang.pick(format!("読み込みに失敗しました: {error:?}"), format!("reading failed: {error:?}"))
        }
    }
}

/// `suppliers.csv:3: employee_count: "-5": 範囲の外です → 0 以上にしてください [out-of-range]`
fn line(fault: &FileFault, lang: Lang) -> String {
    const SHOWN: usize = 60;
    let mut place = fault.file.clone();
    if let Some(line) = fault.line {
        let _ = write!(place, ":{line}");
    }
    for part in fault.column.iter().cloned().chain(fault.value.as_ref().map(|value| quoted(value, SHOWN))) {
        let _ = write!(place, ": {part}");
    }
    format!("{place}: {} → {} [{}]", fault.why.text(lang), fault.why.remedy(lang), fault.why.code())
}

/// A value in quotes, control characters escaped, cut where it is long.
fn quoted(value: &str, shown: usize) -> String {
    let cut: String = value.chars().take(shown).collect();
    let dots = if cut.len() < value.len() { "…" } else { "" };
    format!("{cut:?}{dots}")
}

pub(super) fn model(path: &Path, error: &ModelError, lang: Lang) -> String {
    let path = path.display();
    match error {
        ModelError::Syntax(error) => {
            lang.pick(format!("{path} は TOML として読めません: {error}"), format!("{path} is not TOML: {error}"))
        }
        ModelError::Parameters(faults) => {
            let count = faults.len();
            let mut text = lang.pick(
                format!("{path} はモデルとして使えません。{count}件の誤りがあります。"),
                format!("{path} is no model: {count} faults."),
            );
            for fault in faults {
                let value = fault.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
                let _ = write!(text, "\n{path}: {}{value}: {}", fault.key, fault.text(lang));
            }
            text
        }
    }
}
