//! What the command prints, in both languages, as files that a reviewer reads: `tests/cli/snapshots`.
//!
//! `docs/contribute/testing.md` says how to review one that has changed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use tempfile::TempDir;
use tests::redact::redacted;

use crate::support::{example, sonae};

const LANGUAGES: [&str; 2] = ["ja", "en"];

/// A folder in which commands are run, and what they have printed.
struct Session {
    lang: &'static str,
    folder: TempDir,
    text: String,
}

impl Session {
    fn new(lang: &'static str) -> Self {
        Self { lang, folder: TempDir::new().unwrap(), text: String::new() }
    }

    fn write(&self, file: &str, content: &str) {
        let path = self.folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs a command, and notes it with its output and exit code. Returns its output.
    fn run(&mut self, command: &str) -> String {
        let mut sonae = sonae();
        sonae.arg0("sonae");
        sonae.args(command.split(' ').filter(|word| !word.is_empty())).current_dir(self.folder.path());
        let done = sonae.env("LANG", self.lang).output().unwrap();
        let [out, err] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        let code = done.status.code().unwrap();
        let code = if code == 0 { String::new() } else { format!("[exit code {code}]\n") };
        self.text += &format!("$ sonae {command}\n{err}{out}{code}\n");
        out
    }

    /// Returns all of it, without what differs from run to run.
    fn text(&self) -> String {
        redacted(&self.text.replace(self.folder.path().to_str().unwrap(), "<folder>"))
    }
}

/// Returns the names of the commands below one, from its help in English.
fn commands_below(words: &str) -> Vec<String> {
    let done = sonae().args(words.split(' ').filter(|word| !word.is_empty())).args(["-h", "--lang", "en"]).output();
    let text = String::from_utf8(done.unwrap().stdout).unwrap();
    let listed = text.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    let names = listed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| format!("{words} {name}").trim().to_owned()).collect()
}

#[test]
fn the_help_of_every_command() {
    for lang in LANGUAGES {
        let mut session = Session::new(lang);
        session.run("--help");
        session.run("-h");
        let mut left = commands_below("");
        left.reverse();
        while let Some(words) = left.pop() {
            session.run(&format!("help {words}"));
            left.extend(commands_below(&words).into_iter().rev());
        }
        assert!(session.text.matches("$ sonae ").count() > 25, "{}", session.text);
        insta::assert_snapshot!(format!("help_{lang}"), without_repetitions(&session.text()));
    }
}

/// Shortens options that were shown before, word by word: most commands have those of the data folder.
fn without_repetitions(help: &str) -> String {
    let apart = ["Options:\n", "オプション:\n"]
        .iter()
        .fold(help.to_owned(), |text, heading| text.replace(heading, &format!("{heading}\n")));
    let apart = apart.replace("\n\n          Possible values:", "\n          Possible values:");
    let mut seen = BTreeSet::new();
    let parts = apart.split("\n\n").map(|part| match part.split_once('\n') {
        Some((option, _)) if option.trim_start().starts_with('-') && !seen.insert(part) => format!("{option}  …"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn the_report_of_a_portfolio() {
    for lang in LANGUAGES {
        let mut session = Session::new(lang);
        let portfolio = example("portfolio");
        copy(&portfolio, &session.folder.path().join("portfolio"));
        session.run("score portfolio --as-of 2026-09-30");
        session.run("score portfolio --as-of 2026-09-30 --explain S0000062");
        insta::assert_snapshot!(format!("score_{lang}"), session.text());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn what_is_said_about_wrong_usage_and_wrong_files() {
    for lang in LANGUAGES {
        let mut session = Session::new(lang);
        for wrong in [
            "",
            "scor",
            "score",
            "score nowhere --as-of 2026-09-30",
            "score . --as-of 2026-02-30",
            "score . --as-of 2026-09-30 --out scores.txt",
            "import . --mode some",
            "import --help-me",
            "serve --listen 0.0.0.0:8080",
            "serve --workers many",
            "serve --database-url mysql://root:TopSecret@db/sonae",
            "token create --name me --role boss",
            "token create --name me --role analyst --hours 9999",
            "token revoke nobody --data nowhere",
            "config --describe yaml",
            "config --config nowhere.toml",
            "health --admin-listen 127.0.0.1:1",
        ] {
            session.run(wrong);
        }
        session.write("sonae.toml", "listn = \"127.0.0.1:8080\"\nworkers = \"two\"\nlog_format = \"xml\"\n");
        session.run("config --config sonae.toml");
        session.write("bad/suppliers.csv", "supplier_code,employee_count,業種\nT1,5,x,extra\nT2,80名,x\nT2,5,x\n");
        session.write("bad/incidents.csv", "supplier_code,occurred_on,outcome,count\nT9,2026-02-30,harmful,2\n");
        session.run("score bad --as-of 2026-09-30");
        session.run("score bad --as-of 2026-09-30 --accept-unread-columns");
        session.run("import bad --accept-unread-columns");
        session.write("encoding/suppliers.csv", "supplier_code;name\nA;B\n");
        session.run("score encoding --as-of 2026-09-30");
        let model = include_str!("../../scoring/model.toml");
        session.write("model.toml", &model.replacen("tail_index = ", "tail_index = -", 1));
        session.run("score bad --as-of 2026-09-30 --model model.toml");
        insta::assert_snapshot!(format!("refused_{lang}"), session.text());
    }
}

#[test]
fn the_settings_in_force() {
    for lang in LANGUAGES {
        let mut session = Session::new(lang);
        session.write("sonae.toml", "keep_alive_seconds = 30\nworkers = 2\n");
        session.run("config --config sonae.toml --behind-proxy");
        insta::assert_snapshot!(format!("config_{lang}"), session.text());
    }
}

/// The commands of an installation, one after the other.
#[test]
fn a_day_of_an_installation() {
    for lang in LANGUAGES {
        let mut session = Session::new(lang);
        session.write(
            "first/suppliers.csv",
            "supplier_code,name,employee_count\nA-100,備製作所㈱,46\nA-200,架空化成㈱,180\n",
        );
        session.write(
            "second/suppliers.csv",
            "supplier_code,name,備考\n合計,,\nA-300,備製作所株式会社,x\nA-400,架空商事㈱,x\n",
        );
        session.write(
            "services.csv",
            "provider_name,service_name,service_class\n事業者01,見守り,class_1\n事業者02,見守り,class_2\n",
        );
        let mut key = String::new();
        for command in [
            "import first --dry-run",
            "import first --source erp",
            "import second --source erp --mode replace",
            "import second --source erp",
            "score-run start --as-of 2026-09-30",
            "score-run list",
            "token create --name me --role analyst",
            "token create --name me --role analyst",
            "token create --name partner --role provider --provider 事業者01",
            "token revoke me",
            "token list",
            "tenant create east",
            "tenant create east",
            "tenant suspend east",
            "tenant list",
            "tenant resume east",
            "tenant delete east --confirm west",
            "tenant delete east --confirm east",
            "service import services.csv",
            "service list",
            "prune --dry-run",
            "prune",
            "backup copy",
            "backup copy",
            "migrate --check",
            "migrate",
            "key list",
            "key rotate",
        ] {
            let printed = session.run(command);
            let first = || printed.split_whitespace().next().unwrap().to_owned();
            match command {
                "score-run list" => _ = session.run(&format!("score-run reproduce {}", first())),
                "key list" => key = first(),
                _ => {}
            }
        }
        session.run("key list");
        session.run(&format!("key retire {key}"));
        session.run(&format!("key retire {key} --now"));
        insta::assert_snapshot!(format!("session_{lang}"), session.text());
    }
}
