//! The commands of the pages, run as they stand, in the order of the page, and compared with the output below them.
//!
//! The first line of a code block says what becomes of it:
//!
//! - `sh`: commands, one a line, which are run. `console`: commands after `$ `, which are run, and their output below.
//!   There `…` stands for anything.
//! - `sh example`, `console example`: commands that are not run, because they need root, containers, a server or time.
//! - `csv suppliers.csv`: a file that the commands of the page read.
//! - All others, such as `text` and `sql`, hold no commands.

mod page;
mod shape;
mod shell;

use std::fs;

use page::{Content, Page, top};
use shell::Shell;

/// Blocks that something else runs: page, first command, and where it is run.
const RUN_ELSEWHERE: [(&str, &str, &str); 2] = [
    ("README.md", "cargo run -- demo", ".ci/run"),
    (
        "docs/operate/restore.md",
        r#"pg_restore --list "$BACKUP/sonae.dump" | grep -Ev ' (POLICY|ROW SECURITY|ACL) ' > contents"#,
        "tests/postgres/restore.rs",
    ),
];

fn is_run_elsewhere(page: &str, first: &str) -> bool {
    RUN_ELSEWHERE.iter().any(|(known, command, _)| *known == page && *command == first)
}

#[test]
fn the_commands_of_every_page_do_what_the_page_shows() {
    if std::env::var("SONAE_TEST_POSTGRES").is_ok() {
        return eprintln!("the pages are about the embedded database");
    }
    let mut count = 0;
    for page in Page::all() {
        let mut shell = None;
        for block in &page.blocks {
            match &block.content {
                Content::File(name, text) => shell.get_or_insert_with(|| Shell::of(&page)).write(name, text),
                Content::Run(steps) if !is_run_elsewhere(&page.name, &steps[0].command) => {
                    for step in steps {
                        let place = format!("{}:{}: {}", page.name, block.line, step.command);
                        shell.get_or_insert_with(|| Shell::of(&page)).step(step, &place);
                        count += 1;
                    }
                }
                Content::Run(_) | Content::Example(_) | Content::Other => {}
            }
        }
    }
    assert!(count > 40, "only {count} commands were found");
}

#[test]
fn every_block_with_commands_is_run_or_marked_as_an_example() {
    let faults: Vec<_> = Page::all().iter().flat_map(|page| page.faults.clone()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_run_elsewhere_is_on_its_page_and_is_run_there() {
    let pages = Page::all();
    for (name, first, place) in RUN_ELSEWHERE {
        let page = pages.iter().find(|page| page.name == name).unwrap();
        let is_there = |content: &Content| matches!(content, Content::Run(steps) if steps[0].command == first);
        assert!(page.blocks.iter().any(|block| is_there(&block.content)), "{name} has no block with {first}");
        let file_name = name.rsplit('/').next().unwrap();
        assert!(fs::read_to_string(top().join(place)).unwrap().contains(file_name), "{place} does not read {name}");
    }
}

#[test]
fn both_languages_of_a_guide_have_the_same_commands() {
    let pages = Page::all();
    let mut pairs = 0;
    for japanese in pages.iter().filter(|page| page.name.ends_with(".ja.md")) {
        let name = japanese.name.replace(".ja.md", ".md");
        let english = pages.iter().find(|page| page.name == name).unwrap_or_else(|| panic!("there is no {name}"));
        assert_eq!(japanese.commands(), english.commands(), "{name}");
        pairs += 1;
    }
    assert!(pairs >= 4, "{pairs}");
}
