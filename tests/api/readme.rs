//! The commands of the README with one's own data, exactly as they are there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{App, eventually};

/// Returns the requests of the README, in order.
fn requests() -> Vec<String> {
    let readme = include_str!("../../README.md");
    readme.lines().map(str::trim).filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

#[test]
fn the_readme_imports_a_file_and_ends_with_a_workbook() {
    let app = App::rescoring();
    let token = app.analyst().token.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let command = command.replace("127.0.0.1:8080", &app.address.to_string());
        let command = command.replace("-o scores.xlsx", &format!("-o {}", folder.path().join("scores.xlsx").display()));
        let mut shell = Command::new("sh");
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let done = shell.args(["-c", &command]).env("TOKEN", &token).current_dir(top).output().unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice::<Value>(&done.stdout).unwrap_or_default()
    };
    let requests = requests();
    let [import, job, score, workbook] = &requests[..] else { panic!("{requests:?}") };

    let sent = run(import);
    let ask = job.replace('…', sent["id"].as_str().unwrap());
    let ended = eventually("the import ends", || Some(run(&ask)).filter(|job| !job["finished_at"].is_null()));
    assert_eq!((&ended["state"], &ended["result"]["created"]), (&"succeeded".into(), &2.into()), "{ended}");
    let found = eventually("a score follows", || Some(run(score)).filter(|score| score["status"].is_null()));
    assert_eq!(found["name"], "備製作所㈱", "{found}");
    run(workbook);
    assert!(std::fs::read(folder.path().join("scores.xlsx")).unwrap().starts_with(b"PK"));
}
