//! A folder and a shell in which the commands of a page are run.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::page::{Content, Page, Step, top};
use super::shape::{Ids, fits};
use crate::support::Process;

/// How long a command that reads is repeated until it shows what the page does: a job ends, a score follows.
const PATIENCE: Duration = Duration::from_secs(30);

/// `cargo run`, without compiling: the programs are there.
const CARGO: &str = r#"#!/bin/sh
[ "$1" = run ] && shift || exit 1
program=sonae
while [ "$1" != -- ]; do
    case $1 in
        -q) shift ;;
        -p) shift 2 ;;
        --bin) program=$2; shift 2 ;;
        *) echo "cargo run $1: not here" >&2; exit 1 ;;
    esac
done
shift
exec "$program" "$@"
"#;

pub(super) struct Shell {
    folder: TempDir,
    is_japanese: bool,
    service: Option<Process>,
    ids: Ids,
}

impl Shell {
    /// Makes the folder, and starts a service if the page needs one that it does not start itself.
    pub(super) fn of(page: &Page) -> Self {
        let folder = TempDir::new().unwrap();
        let programs = folder.path().join(".programs");
        fs::create_dir(&programs).unwrap();
        symlink(env!("CARGO_BIN_EXE_sonae-under-test"), programs.join("sonae")).unwrap();
        symlink(env!("CARGO_BIN_EXE_procurement-portfolio"), programs.join("procurement-portfolio")).unwrap();
        fs::write(programs.join("cargo"), CARGO).unwrap();
        fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["deploy", "docs", "examples", "scoring", "tests"] {
            symlink(top().join(name), folder.path().join(name)).unwrap();
        }
        let is_japanese = page.name.ends_with(".ja.md") || page.name == "README.md";
        let mut shell = Self { folder, is_japanese, service: None, ids: Ids::new() };
        let runs = |is: fn(&str) -> bool| {
            page.blocks.iter().any(|block| match &block.content {
                Content::Run(steps) => steps.iter().any(|step| is(&step.command)),
                Content::Example(_) | Content::File(..) | Content::Other => false,
            })
        };
        if runs(asks_service) && !runs(is_serve) {
            shell.serve("sonae serve");
        }
        shell
    }

    /// Writes a file that the page shows.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a command, and asserts that it succeeds and does what the page shows.
    pub(super) fn step(&mut self, step: &Step, place: &str) {
        if is_serve(&step.command) {
            return self.serve(&step.command);
        }
        let start = Instant::now();
        loop {
            let command = self.ids.iter().fold(step.command.clone(), |text, (shown, own)| text.replace(shown, own));
            let (succeeds, output) = self.run(&command);
            let shown = step.output.as_deref();
            if succeeds && shown.is_none_or(|shown| fits(shown, &output, &mut self.ids)) {
                return;
            }
            let is_over = start.elapsed() > PATIENCE || !only_reads(&step.command);
            assert!(
                !is_over,
                "{place}\n-- {}\n{output}\n-- the page\n{}",
                if succeeds { "succeeded" } else { "failed" },
                shown.unwrap_or_default()
            );
            std::thread::yield_now();
        }
    }

    /// Runs a command. Returns whether it succeeds, and all of its output. Variables are kept for the next one.
    fn run(&self, command: &str) -> (bool, String) {
        let script =
            format!("exec 2>&1\n[ ! -f .variables ] || . ./.variables\nset -aeu\n{command}\nexport -p > .variables");
        let done = self.shell(&script).output().unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    }

    fn shell(&self, script: &str) -> Command {
        let mut shell = Command::new("sh");
        for (inherited, _) in std::env::vars_os() {
            let is_read =
                |name: &str| ["SONAE_", "DATABASE_", "LC_", "LANG", "TOKEN"].iter().any(|read| name.starts_with(read));
            if inherited.to_str().is_some_and(is_read) {
                shell.env_remove(inherited);
            }
        }
        let path = format!("{}:{}", self.folder.path().join(".programs").display(), std::env::var("PATH").unwrap());
        shell
            .args(["-c", script])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("CURL_HOME", self.folder.path());
        if !self.is_japanese {
            shell.env("LANG", "en_US.UTF-8");
        }
        if let Some(service) = &self.service {
            shell.env("SONAE_ADMIN_LISTEN", service.admin_address().to_string());
        }
        shell
    }

    /// Starts the service at free ports, to which curl goes instead of those of the page.
    fn serve(&mut self, command: &str) {
        let mut service = self.shell(&format!("exec {command}"));
        service.env("SONAE_LISTEN", "127.0.0.1:0").env("SONAE_ADMIN_LISTEN", "127.0.0.1:0");
        let service = Process::spawn(service);
        let options = format!(
            "connect-to = \"127.0.0.1:8080:{}\"\nfail-with-body\nsilent\nshow-error\nnoproxy = \"*\"\n",
            service.address
        );
        fs::write(self.folder.path().join(".curlrc"), options).unwrap();
        self.service = Some(service);
    }
}

fn is_serve(command: &str) -> bool {
    command.ends_with("sonae serve") || command == "cargo run -- serve"
}

fn asks_service(command: &str) -> bool {
    ["curl ", "sonae health", "sonae key", "sonae token"].iter().any(|begin| command.starts_with(begin))
}

/// Returns whether a command can be repeated until it shows what the page does.
fn only_reads(command: &str) -> bool {
    let changes = [" -X", " -d", " -F", " --data", " --json", " -T", " --request"];
    command.starts_with("curl ") && !changes.iter().any(|option| command.contains(option))
}
