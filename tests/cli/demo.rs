//! `sonae demo`: what it prints, that it prints the same each time, and what it leaves alone.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tests::redact::redacted;

use crate::support::sonae;

fn demo(data: &Path, arguments: &[&str]) -> Command {
    let mut command = sonae();
    command.args(["demo", "--data"]).arg(data).args(arguments);
    command
}

fn text(command: &mut Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn the_demo_tells_the_whole_story_and_is_the_same_each_time() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let data = folders.each_ref().map(|folder| folder.path().join("demo"));
    let [first, second] = data.each_ref().map(|data| text(&mut demo(data, &["--no-serve"])));

    assert_eq!(first, second);
    insta::assert_snapshot!("demo_ja", first);
    let bars = first.lines().filter(|line| line.contains('█')).count();
    assert!(bars >= 4, "{first}");
    // The input of the scores is the same to the bit, and can be reproduced.
    let inputs = data.each_ref().map(|data| {
        let runs = text(sonae().args(["score-run", "list", "--data"]).arg(data));
        assert_eq!(runs.lines().count(), 4, "the ends of four quarters: {runs}");
        let run = runs.split_whitespace().next().unwrap();
        let reproduced = text(sonae().args(["score-run", "reproduce", run, "--data"]).arg(data));
        assert!(reproduced.contains("すべてビットまで一致しました"), "{reproduced}");
        reproduced.split("入力 ").nth(1).unwrap().split('\n').next().unwrap().to_owned()
    });
    assert_eq!(inputs[0], inputs[1]);
    // Once more in the same folder, and in English.
    let english = text(&mut demo(&data[0], &["--no-serve", "--lang", "en"]));
    insta::assert_snapshot!("demo_en", english);
}

#[test]
fn a_folder_that_holds_something_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "mine").unwrap();
    let done = demo(folder.path(), &["--no-serve", "--lang", "en"]).output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("it is not a folder of the demo; name an empty folder"));
    assert_eq!(std::fs::read_to_string(folder.path().join("mine.txt")).unwrap(), "mine");
    let outside = demo(&folder.path().join("demo"), &["--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(outside.status.code(), Some(2));
}

#[test]
fn the_demo_serves_what_it_prints_until_it_is_stopped() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("demo");
    let mut child = demo(&data, &["--listen", "127.0.0.1:0", "--lang", "en"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut printed: Vec<String> = Vec::new();
    for line in lines {
        let is_last = line.contains("Ctrl+C stops it");
        printed.push(line);
        if is_last {
            break;
        }
    }
    let text = redacted(&printed.join("\n")).replace(data.to_str().unwrap(), "<folder>");
    insta::assert_snapshot!("demo_next_en", text.split_once("\nwhere to look next").unwrap().1);
    let token = printed.iter().find_map(|line| line.trim().strip_prefix("export TOKEN=")).unwrap();
    let curls: Vec<_> = printed.iter().filter(|line| line.trim().starts_with("curl ")).collect();
    assert_eq!(curls.len(), 5, "{printed:?}");
    for curl in curls {
        let url = curl.split('\'').rfind(|part| part.starts_with("http://")).unwrap();
        let mut answer = ureq::get(url).header("authorization", format!("Bearer {token}")).call().unwrap();
        assert_eq!(answer.status(), 200, "{curl}");
        let bytes = answer.body_mut().read_to_vec().unwrap();
        assert!(bytes.len() > 500, "{curl}");
    }
    // A second demo does not remove the folder under it.
    let second = demo(&data, &["--no-serve", "--lang", "en"]).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{second:?}");
    child.kill().unwrap();
    child.wait().unwrap();
}
