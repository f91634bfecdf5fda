//! What is wrong with a command line, in both languages and without passwords.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use schema::UrlError;
use scoring::Lang;

use super::{help, settings};
use crate::base::config::url_text;
use crate::base::text::Text;

/// Replaces a value that may hold a password.
const SECRET_MASK: &str = "…";

/// Why a parser refuses a value, in both languages.
#[derive(Debug)]
pub(super) struct Reason(Text);

impl Reason {
    pub(super) fn new(ja: impl Into<String>, en: impl Into<String>) -> Self {
        Self(Text::new(ja, en))
    }

    pub(super) fn one_of(names: &[&str]) -> Self {
        let [ja, en] = ["、", ", "].map(|between| names.join(between));
        Self::new(format!("{ja} のいずれかを指定してください"), format!("use one of {en}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.en)
    }
}

impl Error for Reason {}

/// Returns what the user reads about a command line that clap refuses.
pub(super) fn text(error: &clap::Error, arguments: &[OsString], lang: Lang) -> String {
    if matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation)
        && let Some(text) = of_value(error, lang)
    {
        return text;
    }
    let text = match lang {
        Lang::En => error.render().to_string(),
        Lang::Ja => in_japanese(error),
    };
    let suspicious = arguments.iter().map(|argument| argument.to_string_lossy());
    let suspicious = suspicious.flat_map(|argument| match argument.split_once('=') {
        Some((_, value)) => vec![argument.to_string(), value.to_owned()],
        None => vec![argument.to_string()],
    });
    let text =
        suspicious.filter(|text| may_be_secret(text)).fold(text, |text, secret| text.replace(&secret, SECRET_MASK));
    text.trim_end().to_owned()
}

/// Returns the text for a value that is refused: `--json-bytes 2MB: write a whole number`.
fn of_value(error: &clap::Error, lang: Lang) -> Option<String> {
    let option = context(error, ContextKind::InvalidArg)?;
    let flag = option.split([' ', '=', '[']).next().unwrap_or(&option).to_owned();
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    if value.is_empty() && error.source().is_none() {
        return Some(lang.pick(format!("{flag}: 値を指定してください"), format!("{flag}: the value is missing")));
    }
    let arg = settings::all()
        .into_iter()
        .find(|arg| Some(flag.as_str()) == arg.get_long().map(|long| format!("--{long}")).as_deref());
    let shown = match &arg {
        Some(arg) => shown_value(arg, &value),
        None if may_be_secret(&value) => SECRET_MASK.to_owned(),
        None => value,
    };
    let reason = reason(error);
    Some(format!("{flag} {shown}: {}", reason.pick(lang)))
}

/// Returns a value of an option as a message may repeat it.
pub(super) fn shown_value(arg: &Arg, value: &str) -> String {
    if arg.is_hide_env_values_set() || may_be_secret(value) { SECRET_MASK.to_owned() } else { value.to_owned() }
}

/// Returns whether a text looks like the URL of a database, or another text with a password.
fn may_be_secret(text: &str) -> bool {
    text.contains("://") || (text.contains('@') && text.contains(':')) || text.contains("password")
}

/// Returns why a value is refused.
pub(super) fn reason(error: &clap::Error) -> Text {
    if let Some(ContextValue::Strings(values)) = error.get(ContextKind::ValidValue)
        && !values.is_empty()
    {
        return Text::new(
            format!("{} のいずれかを指定してください", values.join("、")),
            format!("use one of {}", values.join(", ")),
        );
    }
    let Some(source) = error.source() else {
        return Text::new("この値は使えません", "this value cannot be used");
    };
    if let Some(error) = source.downcast_ref::<UrlError>() {
        return Text::new(url_text(error, Lang::Ja), url_text(error, Lang::En));
    }
    if let Some(Reason(text)) = source.downcast_ref::<Reason>() {
        return text.clone();
    }
    of_standard(source.to_string())
}

/// Translates the messages of the parsers of clap and of the standard library.
fn of_standard(said: String) -> Text {
    if let Some((_, range)) = said.split_once(" is not in ") {
        let (least, most) = range.split_once("..=").unwrap_or((range.trim_end_matches(".."), ""));
        return match most {
            "" => Text::new(format!("{least}以上で指定してください"), format!("use {least} or more")),
            _ => Text::new(format!("{least}〜{most}で指定してください"), format!("use {least} to {most}")),
        };
    }
    match said.as_str() {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            Text::new("整数を半角数字だけで指定してください", "write a whole number in digits only")
        }
        "number too large to fit in target type" => Text::new("大きすぎます", "it is too large"),
        "number too small to fit in target type" => Text::new("小さすぎます", "it is too small"),
        "invalid socket address syntax" => Text::new(
            "IPアドレスとポートを 127.0.0.1:8080 のように指定してください",
            "write an IP address and a port, as in 127.0.0.1:8080",
        ),
        "value was not a boolean" => Text::new("true か false を指定してください", "use true or false"),
        _ => Text::new(said.clone(), said),
    }
}

/// Returns a part of an error as text.
fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join("、")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn in_japanese(error: &clap::Error) -> String {
    let part = |kind| context(error, kind).unwrap_or_default();
    let argument = part(ContextKind::InvalidArg);
    let mut text = match error.kind() {
        ErrorKind::UnknownArgument => format!("{argument} という引数はありません"),
        ErrorKind::InvalidSubcommand => format!("{} というコマンドはありません", part(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingSubcommand => "コマンドを指定してください".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("{argument} を指定してください"),
        ErrorKind::ArgumentConflict => match part(ContextKind::PriorArg) {
            prior if prior == argument || prior.is_empty() => format!("{argument} は1回だけ指定してください"),
            prior => format!("{argument} と {prior} は同時に指定できません"),
        },
        ErrorKind::NoEquals => format!("{argument} は = で値を指定してください"),
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("{argument} の値の数が違います")
        }
        ErrorKind::InvalidUtf8 => "引数が UTF-8 ではありません".to_owned(),
        // Help that is shown because no command was given.
        _ => return error.render().to_string(),
    };
    for suggested in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        if let Some(suggested) = context(error, suggested) {
            text += &format!("。{suggested} ではありませんか");
        }
    }
    let usage = help::usage_in_japanese(&part(ContextKind::Usage));
    if usage.is_empty() {
        text
    } else {
        format!("{text}\n\n使い方: {usage}\n詳しくは --help を付けて実行してください")
    }
}
