//! Disks that are full or accept no writes, and files that others could read.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use api::Limits;
use serde_json::json;

use crate::support::{Answer, App, Client, Data, Process, admin_token};

const CSV: [(&str, &str); 1] = [("content-type", "text/csv")];

/// Returns the status of the other listener, whose answer is plain text.
fn ready(process: &Process) -> u16 {
    let agent = crate::support::agent();
    agent.get(format!("http://{}/readyz", process.admin_address())).call().unwrap().status().as_u16()
}

#[track_caller]
fn is_refused_for_the_disk(answer: &Answer) {
    assert!(matches!(answer.status, 503 | 507), "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let code = answer.json["code"].as_str().unwrap();
    assert!(matches!(code, "insufficient-storage" | "read-only"), "{answer:?}");
}

fn supplier(client: &Client, code: &str) -> Answer {
    client.post("/v1/suppliers", &json!({ "supplier_code": code }))
}

#[test]
fn an_upload_that_the_disk_has_no_room_for_is_refused_before_it_is_stored() {
    let app = App::with_limits(Limits { min_free_disk_bytes: 1_000_000_000_000_000_000, ..Limits::default() });
    if app.data.url().is_some() {
        return eprintln!("on a server uploads are not stored in the data folder");
    }
    let analyst = app.analyst();
    let answer = analyst.send("POST", "/v1/imports?kind=suppliers", &CSV, Some(b"supplier_code\nA\n"));
    answer.is_problem(507, "insufficient-storage", &[]);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(analyst.get("/v1/jobs").json["items"], json!([]));
    assert_eq!(supplier(&analyst, "A").status, 201, "what takes little room is still taken");
    let ready = crate::support::agent().get(format!("http://{}/readyz", app.admin_address)).call().unwrap();
    assert_eq!(ready.status().as_u16(), 503);
}

#[test]
fn a_data_folder_that_was_moved_away_is_noticed() {
    let data = Data::new();
    if data.url().is_some() {
        return eprintln!("on a server the data folder holds the keys alone");
    }
    let process = Process::start(&data, &[]);
    assert_eq!(ready(&process), 200);
    let moved = data.path().join("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(data.path().join("sonae.db"), moved.join("sonae.db")).unwrap();
    fs::copy(moved.join("sonae.db"), data.path().join("sonae.db")).unwrap();
    assert_eq!(ready(&process), 503, "another file of that name is not the one that is open");
}

#[cfg(unix)]
#[test]
fn what_others_could_read_is_its_owners_alone_after_a_start() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let loosen = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut app = App::start();
    app.analyst();
    app.stop();
    let mut files: Vec<_> =
        fs::read_dir(app.data.path().join("keys")).unwrap().map(|key| key.unwrap().path()).collect();
    if app.data.url().is_none() {
        files.push(app.data.path().join("sonae.db"));
        files.push(app.data.path().join("serve.lock"));
    }
    for file in &files {
        loosen(file, 0o644);
    }
    for folder in [app.data.path().join("keys"), app.data.path().to_owned()] {
        loosen(&folder, 0o755);
    }

    app.start_again();
    app.analyst().supplier("A");
    if app.data.url().is_none() {
        files.push(app.data.path().join("sonae.db-wal"));
        files.push(app.data.path().join("sonae.db-shm"));
    }
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    assert_eq!((mode(&app.data.path().join("keys")), mode(app.data.path())), (0o700, 0o700));
}

/// A small disk of its own over a data folder. Only root can make one.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn over(data: &'a Data) -> Option<Self> {
        if data.url().is_some() {
            return None;
        }
        let mounted = mount(&["-t", "tmpfs", "-o", "size=40m,mode=700", "tmpfs"], data.path());
        mounted.then_some(Self(data.path()))
    }

    /// Fills the disk to the last byte.
    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let mut block = vec![b'x'; 1 << 20];
        while !block.is_empty() {
            if file.write_all(&block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    let done = Command::new("mount").args(arguments).arg(folder).output();
    done.is_ok_and(|done| done.status.success())
}

/// Changes something in several ways.
fn changes(client: &Client, code: &str) -> Vec<Answer> {
    let rows: String = (0..2000).map(|row| format!("{code}{row},{}\n", "x".repeat(100))).collect();
    let file = format!("supplier_code,name\n{rows}");
    vec![
        supplier(client, code),
        client.send("POST", "/v1/imports?kind=suppliers", &CSV, Some(file.as_bytes())),
        client.post("/v1/score-runs", &json!({})),
    ]
}

#[test]
fn on_a_full_disk_changes_are_refused_and_all_can_be_read_also_after_a_start() {
    let data = Data::new();
    let Some(disk) = Disk::over(&data) else { return eprintln!("no disk of a test's own can be made here") };
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &["--min-free-disk-bytes", "1000000"]);
    let mut client = process.client(&token);
    assert_eq!((supplier(&client, "A").status, ready(&process)), (201, 200));

    disk.fill();
    for _ in 0..20 {
        // A change for which the log has room already may still be accepted.
        supplier(&client, "filler");
        disk.fill();
    }
    changes(&client, "B").iter().for_each(is_refused_for_the_disk);
    assert_eq!((client.get("/v1/suppliers/by-code?code=A").status, ready(&process)), (200, 503));

    for signal in ["TERM", "KILL"] {
        process.end(signal);
        process = Process::start(&data, &["--min-free-disk-bytes", "1000000"]);
        client = process.client(&token);
        assert_eq!(client.get("/v1/suppliers/by-code?code=A").status, 200, "after {signal}");
        disk.fill();
        assert_eq!(ready(&process), 503);
    }

    disk.make_room();
    assert_eq!((supplier(&client, "C").status, ready(&process)), (201, 200), "and goes on by itself");
    drop(process);
}

#[test]
fn on_a_read_only_disk_all_can_be_read_and_changes_are_refused() {
    let data = Data::new();
    let Some(_disk) = Disk::over(&data) else { return eprintln!("no disk of a test's own can be made here") };
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &[]);
    assert_eq!(supplier(&process.client(&token), "A").status, 201);
    process.end("TERM");
    assert!(mount(&["-o", "remount,ro"], data.path()));

    let process = Process::start(&data, &[]);
    let client = process.client(&token);
    assert_eq!(client.get("/v1/suppliers/by-code?code=A").status, 200);
    changes(&client, "B").iter().for_each(is_refused_for_the_disk);
    assert_eq!(ready(&process), 503);
    assert!(process.log().contains("only reading is possible"), "{}", process.log());
    drop(process);
}
