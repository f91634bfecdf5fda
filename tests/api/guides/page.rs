//! The code blocks of a page.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the top folder of the source.
pub(super) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A page for people.
pub(super) struct Page {
    /// Its path below the top folder.
    pub(super) name: String,
    pub(super) blocks: Vec<Block>,
    /// What is wrong with its blocks.
    pub(super) faults: Vec<String>,
}

pub(super) struct Block {
    pub(super) line: usize,
    pub(super) content: Content,
}

pub(super) enum Content {
    Run(Vec<Step>),
    Example(Vec<Step>),
    /// A name and a text.
    File(String, String),
    Other,
}

/// A command, and the output that the page shows for it.
pub(super) struct Step {
    pub(super) command: String,
    pub(super) output: Option<String>,
}

/// Programs with which a command of a page may begin.
const PROGRAMS: [&str; 25] = [
    "sonae",
    "curl",
    "cargo",
    "docker",
    "kubectl",
    "sudo",
    "systemctl",
    "journalctl",
    "psql",
    "pg_dump",
    "pg_restore",
    "export",
    "unset",
    "cp",
    "mv",
    "mkdir",
    "chmod",
    "chown",
    "tar",
    "openssl",
    "kill",
    "umask",
    "cd",
    "env",
    "printf",
];

impl Page {
    /// Returns the pages at the top and all below `docs`.
    pub(super) fn all() -> Vec<Self> {
        let mut paths: Vec<_> = markdown(top()).chain(below(&top().join("docs"))).collect();
        paths.sort();
        assert!(paths.len() > 20, "{paths:?}");
        let name = |path: &Path| path.strip_prefix(top()).unwrap().to_str().unwrap().to_owned();
        paths.iter().map(|path| Self::parse(name(path), &fs::read_to_string(path).unwrap())).collect()
    }

    fn parse(name: String, text: &str) -> Self {
        let mut page = Self { name, blocks: Vec::new(), faults: Vec::new() };
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.trim_start().strip_prefix("```") else { continue };
            let indent = line.len() - line.trim_start().len();
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
            let inside: Vec<_> = inside.map(|line| line.get(indent..).unwrap_or_default()).collect();
            match content(info, &inside) {
                Ok(content) => page.blocks.push(Block { line: number + 1, content }),
                Err(fault) => page.faults.push(format!("{}:{}: {fault}", page.name, number + 1)),
            }
        }
        page
    }

    /// Returns all commands without the choice of a language.
    pub(super) fn commands(&self) -> Vec<String> {
        let steps = self.blocks.iter().flat_map(|block| match &block.content {
            Content::Run(steps) | Content::Example(steps) => steps.as_slice(),
            Content::File(..) | Content::Other => &[],
        });
        let choices = [" --lang en", " --lang ja", " -H 'Accept-Language: en'"];
        steps.map(|step| choices.iter().fold(step.command.clone(), |text, choice| text.replace(choice, ""))).collect()
    }
}

fn markdown(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"))
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    markdown(folder).chain(folders.flat_map(|folder| below(&folder))).collect()
}

/// Reads a block, or returns what is wrong with it.
fn content(info: &str, lines: &[&str]) -> Result<Content, String> {
    match info.split_once(' ').unwrap_or((info, "")) {
        ("sh", "") => Ok(Content::Run(of_script(lines)?)),
        ("sh", "example") => Ok(Content::Example(of_script(lines)?)),
        ("console", "") => Ok(Content::Run(of_console(lines)?)),
        ("console", "example") => Ok(Content::Example(of_console(lines)?)),
        ("" | "bash" | "shell" | "sh" | "console", _) => Err(format!("```{info}: use a language that guides.rs lists")),
        (_, file) => match lines.iter().find(|line| is_command(line)) {
            Some(line) => Err(format!("```{info} has the command `{line}`: use sh, console, or add `example` to them")),
            None if file.is_empty() => Ok(Content::Other),
            None => Ok(Content::File(file.to_owned(), lines.join("\n") + "\n")),
        },
    }
}

fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    let mut words = line.split_whitespace().skip_while(|word| is_assignment(word));
    let program = words.next().filter(|word| !word.contains('=')).and_then(|word| word.rsplit('/').next());
    line.starts_with("$ ") || (program.is_some_and(|word| PROGRAMS.contains(&word)) && words.next() != Some("="))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_'))
}

/// Returns the commands of a script: one a line, unless a line ends with a backslash.
fn of_script(lines: &[&str]) -> Result<Vec<Step>, String> {
    let joined = lines.join("\n").replace("\\\n", "");
    let lines = joined.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let steps: Vec<_> = lines.map(|line| Step { command: line.trim_end().to_owned(), output: None }).collect();
    if steps.is_empty() { Err("there is no command".to_owned()) } else { Ok(steps) }
}

/// Returns the commands of a session, each with the lines below it.
fn of_console(lines: &[&str]) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: None }),
            (None, Some(step)) => *step.output.get_or_insert_default() += &format!("{line}\n"),
            (None, None) => return Err("a session begins with `$ ` and a command".to_owned()),
        }
    }
    if steps.is_empty() { Err("there is no command".to_owned()) } else { Ok(steps) }
}
