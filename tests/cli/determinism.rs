//! Equal bytes for any order of rows and any number of threads.

use std::fs;
use std::path::Path;

use tests::Size;

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

#[test]
fn threads_and_the_order_of_rows_change_no_byte_of_a_larger_portfolio() {
    let (folder, shuffled) = (Folder::empty(), Folder::empty());
    Size { suppliers: 20_000, edges: 60_000, incidents: 60_000 }.write(folder.path()).unwrap();
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
