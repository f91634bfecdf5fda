//! `sonae config`: the settings in force, and a description of all.

use clap::{Arg, ValueEnum};
use schema::ServerUrl;
use scoring::Lang;

use super::settings::{self, InForce, Origin, Setting, SettingKind, key, kind, variable};
use super::{Failure, TenantArg, serve};
use crate::base::config::Config;

/// Print the settings in force, and where each comes from
///
/// These are the settings that `sonae serve` would use with the same options, environment and settings file (--config): one line each, as
/// TOML, without passwords. If settings are wrong, it names all of them and ends with exit code 2.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Describe all settings and their defaults instead, as a settings file or as a table
    #[arg(long, value_name = "FORMAT", value_enum)]
    describe: Option<DescriptionFormat>,
    #[command(flatten)]
    serve: serve::Args,
    #[command(flatten)]
    tenant: TenantArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DescriptionFormat {
    /// A settings file in which every setting is commented out
    Toml,
    /// A table of flags, variables and keys
    Markdown,
}

pub(super) fn run(args: &Args, in_force: &InForce, lang: Lang) -> Result<(), Failure> {
    match args.describe {
        Some(DescriptionFormat::Toml) => return super::print(&example_file()),
        Some(DescriptionFormat::Markdown) => return super::print(&table()),
        None => {}
    }
    let config = args.serve.config(in_force, lang);
    let lines: Vec<_> = in_force.settings.iter().map(|setting| line(setting, config.as_ref().ok(), lang)).collect();
    super::print(&lines.concat())?;
    config.map(|_| ())
}

/// Returns the line of a setting: `listen = "127.0.0.1:8080"    # default`.
fn line(setting: &Setting, config: Option<&Config>, lang: Lang) -> String {
    let name = key(&setting.arg);
    let computed = || {
        let config = config?;
        match name.as_str() {
            "workers" => Some(config.workers.to_string()),
            "keep_alive_seconds" => Some(config.keep_alive().as_secs().to_string()),
            "database_connections" => Some(config.connections().to_string()),
            "lang" => Some(lang.pick("ja", "en").to_owned()),
            _ => None,
        }
    };
    let origin = match &setting.origin {
        Origin::Flag => format!("--{}", setting.arg.get_long().unwrap_or_default()),
        Origin::Variable(variable) => variable.clone(),
        Origin::File(place) => place.clone(),
        Origin::Default => lang.pick("既定値", "default").to_owned(),
    };
    match setting.value.clone().or_else(computed) {
        Some(value) => format!(
            "{:<50} # {origin}\n",
            format!("{name} = {}", as_toml(&setting.arg, &without_password(&setting.arg, value)))
        ),
        None => format!("{:<50} # {}\n", format!("# {name}"), lang.pick("指定なし", "not set")),
    }
}

fn without_password(arg: &Arg, value: String) -> String {
    if !arg.is_hide_env_values_set() {
        return value;
    }
    value.parse::<ServerUrl>().map_or_else(|_| "…".to_owned(), |url| url.without_password().to_owned())
}

fn as_toml(arg: &Arg, value: &str) -> String {
    match kind(arg) {
        // The environment accepts more words for a Boolean.
        SettingKind::Boolean => {
            ["1", "on", "t", "true", "y", "yes"].contains(&value.to_lowercase().as_str()).to_string()
        }
        SettingKind::Integer => value.to_owned(),
        SettingKind::Text => toml::Value::from(value).to_string(),
    }
}

/// Returns the default of a setting, if it is always the same.
fn default(arg: &Arg) -> Option<String> {
    arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned())
}

/// Returns the meaning of a setting, and its default in words if that depends on something else.
fn meaning(arg: &Arg) -> (String, Option<String>) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    match help.split_once(" [default: ") {
        Some((help, default)) => (help.to_owned(), Some(default.trim_end_matches(']').to_owned())),
        None => (help, None),
    }
}

/// Returns the values that a setting may have, if they are few.
fn choices(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if values.is_empty() || kind(arg) == SettingKind::Boolean {
        String::new()
    } else {
        format!(" ({})", values.join(", "))
    }
}

/// Returns a placeholder that shows which kind of value a setting without a fixed default takes.
fn placeholder(arg: &Arg) -> String {
    let choice = arg.get_possible_values().first().map(|value| value.get_name().to_owned());
    let name = || arg.get_value_names()?.first().map(ToString::to_string);
    match kind(arg) {
        SettingKind::Text => as_toml(arg, &choice.or_else(name).unwrap_or_default()),
        SettingKind::Boolean | SettingKind::Integer => String::new(),
    }
}

fn example_file() -> String {
    let mut text = "# All settings of Sonae, with their defaults. Name this file with --config or SONAE_CONFIG.\n\
                    # A flag overrides an environment variable, which overrides this file.\n\
                    # `sonae config --config FILE` checks a file and prints the settings in force.\n"
        .to_owned();
    for arg in settings::all() {
        let (meaning, in_words) = meaning(&arg);
        let more = in_words.map(|words| format!("; default: {words}")).unwrap_or_default();
        let value = default(&arg).map_or_else(|| placeholder(&arg), |value| as_toml(&arg, &value));
        let line = format!("#{} = {value}", key(&arg));
        text += &format!("\n# {meaning}{}{more}.\n{}\n", choices(&arg), line.trim_end());
    }
    text
}

fn table() -> String {
    let mut text = "| key | flag | variable | default | meaning |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for arg in settings::all() {
        let (meaning, in_words) = meaning(&arg);
        let default = default(&arg).map(|value| format!("`{value}`")).or(in_words).unwrap_or_default();
        let (key, flag, variable) = (key(&arg), arg.get_long().unwrap_or_default(), variable(&arg));
        text += &format!("| `{key}` | `--{flag}` | `{variable}` | {default} | {meaning}{} |\n", choices(&arg));
    }
    text
}
