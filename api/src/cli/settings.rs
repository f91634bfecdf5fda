//! Settings: options that can also be set in the environment and in one TOML file.
//!
//! A setting is an option with an environment variable. Its key in the file is its long name with `_` for `-`. A flag
//! takes precedence over the variable, the variable over the file, and the file over the default. clap's own parsers
//! check all of them.

mod file;

use std::any::TypeId;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum};
use schema::ServerUrl;
use scoring::Lang;

use self::file::SettingsFile;
use super::{Cli, LangArg, help, usage};
use crate::base::text::Text;

/// The option that names the settings file. It is not a setting itself.
const CONFIG_OPTION: &str = "config";
/// The option for the language.
const LANGUAGE_OPTION: &str = "lang";

/// The parsed command line, with what the environment and the file add to it.
pub(super) struct Given {
    pub(super) cli: Cli,
    pub(super) lang: Lang,
    pub(super) in_force: InForce,
    /// What the user should know in addition to the output of the command.
    pub(super) notes: Vec<Text>,
}

/// Why there is nothing to run.
pub(super) enum Refused {
    /// Help or the version was asked for, or the command line is wrong in a way that clap shows well.
    Clap(clap::Error),
    /// The command line, the environment or the settings file is wrong.
    Usage(String),
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Flag,
    Variable(String),
    /// The file and the line.
    File(String),
    Default,
}

/// A setting of a command, with its value.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) arg: Arg,
    pub(super) value: Option<String>,
    pub(super) origin: Origin,
}

/// The settings of a command that are in force, and the file that some of them come from.
#[derive(Debug, Clone)]
pub(super) struct InForce {
    pub(super) settings: Vec<Setting>,
    pub(super) file: Option<PathBuf>,
}

impl InForce {
    /// Returns where a setting comes from, by its key.
    pub(super) fn origin(&self, key: &str) -> &Origin {
        let found = self.settings.iter().find(|setting| self::key(&setting.arg) == key);
        found.map_or(&Origin::Default, |setting| &setting.origin)
    }

    /// Returns a setting as a message names it: by its flag, its variable, or its place in the file.
    pub(super) fn name(&self, key: &str) -> String {
        match self.origin(key) {
            Origin::Flag | Origin::Default => format!("--{}", key.replace('_', "-")),
            Origin::Variable(variable) => variable.clone(),
            Origin::File(place) => format!("{place}: {key}"),
        }
    }
}

/// Returns all settings, in the order in which they are listed.
pub(super) fn all() -> Vec<Arg> {
    settings_of(&Cli::command(), &["config"])
}

/// Returns the settings of a command: its own, and those of all commands.
fn settings_of(root: &Command, verb: &[&str]) -> Vec<Arg> {
    let leaf = verb.iter().try_fold(root, |command, name| command.find_subcommand(name));
    let own = leaf.into_iter().filter(|_| !verb.is_empty()).flat_map(Command::get_arguments);
    own.chain(root.get_arguments()).filter(|arg| is_setting(arg)).cloned().collect()
}

fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_id() != CONFIG_OPTION
}

/// Returns the name of a setting in the file.
pub(super) fn key(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

/// Returns the name of a setting in the environment.
pub(super) fn variable(arg: &Arg) -> String {
    arg.get_env().unwrap_or_default().to_string_lossy().into_owned()
}

/// The kind of value that a setting has in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettingKind {
    Boolean,
    Integer,
    Text,
}

pub(super) fn kind(arg: &Arg) -> SettingKind {
    let id = arg.get_value_parser().type_id();
    let integers =
        [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>(), TypeId::of::<i64>()];
    if id == TypeId::of::<bool>() {
        SettingKind::Boolean
    } else if integers.iter().any(|known| id == *known) {
        SettingKind::Integer
    } else {
        SettingKind::Text
    }
}

/// Returns the value of a setting's variable, if it has one. An empty variable counts as absent.
fn variable_of(arg: &Arg) -> Option<OsString> {
    env::var_os(arg.get_env()?).filter(|value| !value.is_empty())
}

/// Reads the command line, the environment and the settings file.
pub(super) fn read(arguments: &[OsString]) -> Result<Given, Refused> {
    let root = Cli::command();
    let seen = Seen::of(arguments, &root);
    let mut lang = language(seen.lang.as_deref());
    // Help does not depend on the file: the file may be what the user needs help with.
    if seen.asks_for_help {
        let root = if lang == Lang::Ja { help::in_japanese(root.clone()) } else { root.clone() };
        if let Err(error) = root.try_get_matches_from(arguments) {
            return Err(refused(error, arguments, lang));
        }
    }
    let path = seen.config.clone().or_else(|| env::var_os("SONAE_CONFIG").filter(|path| !path.is_empty()));
    let path = path.map(PathBuf::from);
    let named_by = if seen.config.is_some() { "--config" } else { "SONAE_CONFIG" };
    let mut faults = Vec::new();
    let file = match &path {
        Some(path) => {
            let (file, found) = SettingsFile::read(path, named_by, &all());
            faults.extend(found);
            file
        }
        None => SettingsFile::default(),
    };
    if let (None, None, Some(entry)) = (&seen.lang, language_variable(), file.get(LANGUAGE_OPTION)) {
        lang = language(Some(&entry.value));
    }
    let settings = settings_of(&root, &seen.verb.iter().map(String::as_str).collect::<Vec<_>>());
    faults.extend(settings.iter().filter_map(fault_of_variable));
    if !faults.is_empty() {
        let lines: Vec<_> = faults.iter().map(|fault| fault.pick(lang)).collect();
        return Err(Refused::Usage(lines.join("\n")));
    }

    let command = without_empty_variables(with_defaults(root, &file));
    let parsed = command.try_get_matches_from(arguments);
    let matches = parsed.map_err(|error| refused(error, arguments, lang))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| refused(error, arguments, lang))?;
    if cli.config != path {
        // The name was searched for in the arguments before they were parsed.
        let text =
            lang.pick("--config のファイル名は UTF-8 にしてください", "--config: the name of the file must be UTF-8");
        return Err(Refused::Usage(text.to_owned()));
    }
    let in_force = in_force(&settings, &matches, &file, path);
    let notes = exposed(&in_force, &file);
    Ok(Given { cli, lang, in_force, notes })
}

fn refused(mut error: clap::Error, arguments: &[OsString], lang: Lang) -> Refused {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand && lang == Lang::Ja {
        // No command was given, so its help is shown.
        error = help::in_japanese(Cli::command()).try_get_matches_from(arguments).err().unwrap_or(error);
    }
    if error.use_stderr() { Refused::Usage(usage::text(&error, arguments, lang)) } else { Refused::Clap(error) }
}

/// Returns the fault of a setting's variable, if it has one.
fn fault_of_variable(arg: &Arg) -> Option<Text> {
    let value = variable_of(arg)?;
    let error = check(arg, &value).err()?;
    let (name, shown) = (variable(arg), usage::shown_value(arg, &value.to_string_lossy()));
    let reason = usage::reason(&error);
    Some(Text::new(format!("{name}={shown}: {}", reason.ja), format!("{name}={shown}: {}", reason.en)))
}

/// Checks a value as clap would check the value of the flag.
fn check(arg: &Arg, value: &OsStr) -> Result<(), clap::Error> {
    let alone =
        Arg::new("value").action(ArgAction::Set).allow_hyphen_values(true).value_parser(arg.get_value_parser().clone());
    let command = Command::new("check").no_binary_name(true).disable_help_flag(true).arg(alone);
    command.try_get_matches_from([value]).map(|_| ())
}

/// Makes the values of the file the defaults of their settings. clap prefers flags and variables to defaults.
fn with_defaults(command: Command, file: &SettingsFile) -> Command {
    let default = |arg: Arg| match file.get(&key(&arg)) {
        Some(entry) if is_setting(&arg) => arg.default_value(entry.value.clone()),
        _ => arg,
    };
    command.mut_args(default).mut_subcommands(|command| with_defaults(command, file))
}

fn without_empty_variables(command: Command) -> Command {
    let forget = |arg: Arg| match variable_of(&arg) {
        None if arg.get_env().is_some() => arg.env(Resettable::Reset),
        _ => arg,
    };
    command.mut_args(forget).mut_subcommands(without_empty_variables)
}

fn in_force(settings: &[Arg], matches: &ArgMatches, file: &SettingsFile, path: Option<PathBuf>) -> InForce {
    let mut leaf = matches;
    while let Some((_, inner)) = leaf.subcommand() {
        leaf = inner;
    }
    let settings = settings.iter().map(|arg| {
        let id = arg.get_id().as_str();
        let origin = match (leaf.value_source(id), file.get(&key(arg))) {
            (Some(ValueSource::CommandLine), _) => Origin::Flag,
            (Some(ValueSource::EnvVariable), _) => Origin::Variable(variable(arg)),
            (Some(_), Some(entry)) => Origin::File(entry.place.clone()),
            _ => Origin::Default,
        };
        let value = leaf.get_raw(id).and_then(|mut values| values.next());
        Setting { arg: arg.clone(), value: value.map(|value| value.to_string_lossy().into_owned()), origin }
    });
    InForce { settings: settings.collect(), file: path }
}

/// Returns notes on files with passwords that other users of the machine can read.
fn exposed(in_force: &InForce, file: &SettingsFile) -> Vec<Text> {
    let holds_password = |key: &str| {
        let url = file.get(key).and_then(|entry| entry.value.parse::<ServerUrl>().ok());
        url.is_some_and(|url| url.has_password())
    };
    let own =
        in_force.file.clone().filter(|_| ["database_url", "database_replica_url"].into_iter().any(holds_password));
    let others = in_force.settings.iter().filter(|setting| key(&setting.arg).ends_with("_url_file"));
    let others = others.filter_map(|setting| setting.value.as_ref().map(PathBuf::from));
    let others = others.filter(|path| begins_with_password(path));
    let exposed = own.into_iter().chain(others).filter(|path| others_can_read(path));
    exposed
        .map(|path| {
            let path = path.display();
            Text::new(
                format!("{path} にはパスワードがあり、このマシンの他のユーザーも読めます。chmod o= で外してください"),
                format!("{path} holds a password, and other users of this machine can read it; run chmod o= on it"),
            )
        })
        .collect()
}

/// Returns whether the first line of a file is a URL with a password, or cannot be read as one and may hold a password.
fn begins_with_password(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    line.parse::<ServerUrl>().map_or_else(|_| line.contains('@'), |url| url.has_password())
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

/// What has to be known about the command line before it can be parsed.
#[derive(Debug, Default)]
struct Seen {
    config: Option<OsString>,
    lang: Option<String>,
    verb: Vec<String>,
    asks_for_help: bool,
}

impl Seen {
    fn of(arguments: &[OsString], root: &Command) -> Self {
        let mut seen = Self::default();
        let mut command = root;
        let mut rest = arguments.iter().skip(1);
        while let Some(text) = rest.next() {
            let Some(text) = text.to_str() else { continue };
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            match name {
                "--" => break,
                "--config" => seen.config = value.map(OsString::from).or_else(|| rest.next().cloned()),
                "--lang" => {
                    let next = || rest.next().map(|next| next.to_string_lossy().into_owned());
                    seen.lang = value.map(str::to_owned).or_else(next);
                }
                "-h" | "--help" | "-V" | "--version" => seen.asks_for_help = true,
                "help" if command.has_subcommands() => seen.asks_for_help = true,
                _ => {
                    if let Some(inner) = command.find_subcommand(text) {
                        command = inner;
                        seen.verb.push(text.to_owned());
                    }
                }
            }
        }
        seen
    }
}

fn language_variable() -> Option<String> {
    env::var("SONAE_LANG").ok().filter(|value| !value.is_empty())
}

/// Returns the language by its name, by SONAE_LANG, or by the locale: Japanese unless the locale is English.
fn language(named: Option<&str>) -> Lang {
    let named = named.map(str::to_owned).or_else(language_variable);
    if let Some(lang) = named.and_then(|named| LangArg::from_str(&named, false).ok()) {
        return lang.into();
    }
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().filter_map(|name| env::var(name).ok());
    let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    if locale.starts_with("en") { Lang::En } else { Lang::Ja }
}
