//! The settings file: flat TOML. Each fault is reported with its line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use clap::Arg;
use toml::de::{DeTable, DeValue};

use super::{SettingKind, check, key, kind};
use crate::base::text::Text;
use crate::cli::usage;

/// The value that the file has for a setting.
#[derive(Debug)]
pub(super) struct Entry {
    /// As it would be written on the command line.
    pub(super) value: String,
    /// The file and the line.
    pub(super) place: String,
}

/// A settings file. It has no entries if there is none.
#[derive(Debug, Default)]
pub(super) struct SettingsFile(BTreeMap<String, Entry>);

/// From this similarity on, another key was probably meant.
const MIN_SIMILARITY: f64 = 0.8;

impl SettingsFile {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Reads the file that an option or a variable names. Returns the valid entries, and all faults.
    pub(super) fn read(path: &Path, named_by: &str, settings: &[Arg]) -> (Self, Vec<Text>) {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let fault = Text::new(
                    format!("{named_by}: {shown} を読めません: {error}"),
                    format!("{named_by}: {shown} cannot be read: {error}"),
                );
                return (Self::default(), vec![fault]);
            }
        };
        let place = |at: usize| {
            let line = text.get(..at).unwrap_or(&text).matches('\n').count() + 1;
            format!("{shown}:{line}")
        };
        let (table, errors) = DeTable::parse_recoverable(&text);
        let mut faults = Vec::new();
        for error in errors {
            // Without the line itself, which may hold a password.
            let place = place(error.span().map_or(0, |span| span.start));
            let reason = error.message();
            faults.push(Text::new(
                format!("{place}: TOMLとして読めません: {reason}"),
                format!("{place}: not TOML: {reason}"),
            ));
        }
        let mut entries: Vec<_> = table.into_inner().into_iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut read = BTreeMap::new();
        for (name, value) in entries {
            let (place, name) = (place(name.span().start), name.into_inner());
            match read_value(&name, value.get_ref(), settings) {
                Ok(value) => drop(read.insert(name.into_owned(), Entry { value, place })),
                Err(fault) => {
                    faults.push(Text::new(format!("{place}: {}", fault.ja), format!("{place}: {}", fault.en)));
                }
            }
        }
        (Self(read), faults)
    }
}

/// Returns a value as it would be written on the command line, if the setting is known and accepts it.
fn read_value(name: &str, value: &DeValue<'_>, settings: &[Arg]) -> Result<String, Text> {
    let Some(arg) = settings.iter().find(|arg| key(arg) == name) else { return Err(unknown(name, settings)) };
    let text = match (kind(arg), value) {
        (SettingKind::Boolean, DeValue::Boolean(value)) => value.to_string(),
        (SettingKind::Integer, DeValue::Integer(value)) => {
            // 0x10 becomes 16. A number that is too large is kept as written, and the parser refuses it.
            let number = i128::from_str_radix(value.as_str(), value.radix());
            number.map_or_else(|_| value.to_string(), |number| number.to_string())
        }
        (SettingKind::Text, DeValue::String(value)) => value.clone().into_owned(),
        (wanted, _) => return Err(wrong_type(name, wanted)),
    };
    check(arg, OsStr::new(&text)).map(|()| text.clone()).map_err(|error| {
        let reason = usage::reason(&error);
        let shown = match kind(arg) {
            SettingKind::Text => format!("\"{}\"", usage::shown_value(arg, &text)),
            SettingKind::Boolean | SettingKind::Integer => text,
        };
        Text::new(format!("{name} = {shown}: {}", reason.ja), format!("{name} = {shown}: {}", reason.en))
    })
}

fn unknown(name: &str, settings: &[Arg]) -> Text {
    let tidy = name.to_lowercase().replace('-', "_");
    let near = settings.iter().map(|arg| (strsim::jaro_winkler(&tidy, &key(arg)), key(arg)));
    let nearest = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(similarity, _)| *similarity > MIN_SIMILARITY);
    match nearest {
        Some((_, nearest)) => Text::new(
            format!("{name}: このような設定はありません。{nearest} ではありませんか"),
            format!("{name}: there is no such setting; did you mean {nearest}?"),
        ),
        None => Text::new(
            format!("{name}: このような設定はありません。sonae config --describe toml がすべての設定を示します"),
            format!("{name}: there is no such setting; sonae config --describe toml lists all"),
        ),
    }
}

fn wrong_type(name: &str, wanted: SettingKind) -> Text {
    match wanted {
        SettingKind::Boolean => Text::new(
            format!("{name}: true か false を引用符なしで指定してください"),
            format!("{name}: write true or false, without quotes"),
        ),
        SettingKind::Integer => Text::new(
            format!("{name}: 整数を引用符なしで指定してください"),
            format!("{name}: write a whole number, without quotes"),
        ),
        SettingKind::Text => Text::new(
            format!("{name}: 文字列を引用符で囲んで指定してください"),
            format!("{name}: write a text in quotes"),
        ),
    }
}
