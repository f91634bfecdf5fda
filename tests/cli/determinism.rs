//! Equal bytes for any order of rows and any number of threads.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use tests::Size;
use tests::draw::Draw;

use crate::support::{EXAMPLES, Folder, Score, example};

/// Returns the CSV bytes of a folder, scored by a child process with this number of threads.
fn bytes(folder: &Path, threads: usize) -> Vec<u8> {
    let out = Folder::empty();
    let path = out.path().join("scores.csv");
    Score::of(folder).model_of(folder).threads(threads).out(&path).run().ok();
    fs::read(path).unwrap()
}

#[test]
fn threads_change_no_byte_of_the_examples() {
    for name in EXAMPLES {
        let one = bytes(&example(name), 1);
        assert!(one.len() > 1000);
        assert!(one == bytes(&example(name), 2) && one == bytes(&example(name), 8), "{name}");
    }
}

/// Adds assessments of two suppliers in three, some of which several people made of one control.
fn assess(folder: &Path, supplier_count: u32) {
    let mut draw = Draw::new(6);
    let mut rows = "supplier_code,control,status,total_score,assessed_on,expires_on,assurance\n".to_owned();
    for _ in 0..supplier_count * 2 {
        let supplier = draw.below(supplier_count * 2 / 3);
        let control =
            draw.one_of(&["mfa", "patching", "hardening", "remote_access", "edr", "backup", "self_assessment"]);
        let (status, total) = match control {
            "self_assessment" => ("", (i64::from(draw.below(126)) - 25).to_string()),
            _ => (draw.one_of(&["met", "met", "not_met"]), String::new()),
        };
        let expires = if draw.some(4) { "2026-12-31" } else { "" };
        let assurance =
            draw.one_of(&["self_reported", "self_reported", "verified_by_provider", "verified_by_third_party"]);
        rows += &format!("S{supplier:07},{control},{status},{total},{},{expires},{assurance}\n", draw.date());
    }
    fs::write(folder.join("assessments.csv"), rows).unwrap();
}

/// Lets the first suppliers stop one another at once, so that the chain does not settle in plain steps.
fn tie(folder: &Path, supplier_count: u32) {
    let mut relationships = OpenOptions::new().append(true).open(folder.join("relationships.csv")).unwrap();
    for upstream in 0..supplier_count {
        for downstream in (0..supplier_count).filter(|downstream| *downstream != upstream) {
            writeln!(relationships, "S{upstream:07},S{downstream:07},,stops_line,sole,0").unwrap();
        }
    }
}

#[test]
fn threads_and_the_order_of_rows_change_no_byte_of_a_larger_portfolio() {
    let (folder, shuffled) = (Folder::empty(), Folder::empty());
    Size { suppliers: 20_000, edges: 60_000, incidents: 60_000 }.write(folder.path()).unwrap();
    assess(folder.path(), 20_000);
    tie(folder.path(), 150);
    for file in fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()) {
        let text = fs::read_to_string(&file).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let mut rows: Vec<_> = rows.lines().collect();
        // The order of the reversed texts is as good as random, and the same each time.
        rows.sort_by_key(|row| row.chars().rev().collect::<String>());
        let text = format!("{header}\n{}\n", rows.join("\n"));
        fs::write(shuffled.path().join(file.file_name().unwrap()), text).unwrap();
    }

    let one = bytes(folder.path(), 1);

    for threads in [1, 2, 8] {
        assert!(one == bytes(shuffled.path(), threads), "shuffled, {threads} threads");
    }
    assert!(one == bytes(folder.path(), 8), "as written, 8 threads");
}
