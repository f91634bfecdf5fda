//! Faults in data as text: file, line, column, value, reason and remedy.

use std::error::Error;
use std::io;
use std::path::Path;

use schema::{RepoError, ValueError};
use scoring::{Lang, ModelError};

use super::with_causes;
use crate::app::ServeError;
use crate::base::config::PlaceError;
use crate::base::fault::Reason;
use crate::base::machine::OTHER_OWNER;
use crate::files::folder::{FileFault, FolderError};
use crate::files::printable;

pub(super) fn folder(folder: &Path, error: &FolderError, lang: Lang) -> String {
    match error {
        FolderError::Faults { first, count } => {
            let mut text = lang.pick(
                format!("{} は読み込めません。誤り: {count}件", folder.display()),
                format!("{} cannot be scored, faults: {count}", folder.display()),
            );
            for fault in first {
                text += &format!("\n{}", line(fault, lang));
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
            lang.pick(format!("読み込みに失敗しました: {error}"), format!("reading failed: {error}"))
        }
    }
}

/// `suppliers.csv:3: employee_count: "-5": 範囲外です → 0 以上にしてください [out-of-range]`
fn line(fault: &FileFault, lang: Lang) -> String {
    let mut place = fault.file.clone();
    if let Some(line) = fault.line {
        place += &format!(":{line}");
    }
    let value = fault.value.as_ref().map(|value| format!("\"{}\"", printable(value)));
    for part in fault.column.iter().chain(value.iter()) {
        place += &format!(": {part}");
    }
    format!("{place}: {} → {} [{}]", fault.why.text(lang), fault.why.remedy(lang), fault.why.code())
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
                format!("{path} はモデルとして使えません。誤り: {count}件"),
                format!("{path} is no model, faults: {count}"),
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

/// Why a step failed. The causes beneath are those of the database and the operating system, in their language.
pub(super) fn step(error: &(dyn Error + 'static), lang: Lang) -> String {
    let own = match lang {
        Lang::Ja => in_japanese(error),
        Lang::En => None,
    };
    let text = match (own, error.source()) {
        (None, _) => with_causes(error),
        (Some(own), Some(cause)) => format!("{own}: {}", step(cause, lang)),
        (Some(own), None) => own,
    };
    match error.downcast_ref::<ServeError>() {
        Some(ServeError::Data(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let (ja, en) = OTHER_OWNER;
            text + lang.pick(ja, en)
        }
        _ => text,
    }
}

/// What an error of ours says itself, where its English text is fixed.
fn in_japanese(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<PlaceError>() {
        return Some(error.text(Lang::Ja));
    }
    let text = match (error.downcast_ref::<ServeError>(), error.downcast_ref::<RepoError>()) {
        (Some(ServeError::Data(_)), _) => "データフォルダーを使えません",
        (Some(ServeError::InUse), _) => "このデータフォルダーは別のプロセスが使っています",
        (Some(ServeError::Database(_)), _) => "データベースを使えません",
        (Some(ServeError::Hung), _) => {
            "データベースへの既存の接続がすべて応答しなくなりました（新しい接続は可能です）。再起動が必要なため、プロセスを終了します"
        }
        (Some(ServeError::Place(error)), _) => return Some(error.text(Lang::Ja)),
        (Some(ServeError::Listen(address, _)), _) => return Some(format!("{address} で待ち受けできません")),
        (_, Some(RepoError::Duplicate(_))) => "このキーの行は既にあります",
        (_, Some(RepoError::Busy(_))) => "データベースが使用中か、応答しません",
        (_, Some(RepoError::Full(_))) => "ディスクに空きがありません",
        (_, Some(RepoError::Unwritable(_))) => "データベースは読み取りだけできます",
        (_, Some(RepoError::Unfit(text))) => return Some(text.ja.clone()),
        (_, Some(RepoError::Failed(_))) => "データベースの処理に失敗しました",
        _ => return None,
    };
    Some(text.to_owned())
}

/// A name that cannot be one, with the reason.
pub(super) fn name(name: &str, error: ValueError, lang: Lang) -> String {
    format!("{name}: {}", Reason::Value(error).detail().pick(lang))
}
