//! Backups: a copy that is made while the service works, and that can be served.

use serde_json::json;

use crate::support::{App, Data, Process, command};

#[test]
fn a_copy_that_is_made_during_an_import_serves_what_was_there() {
    let app = App::start();
    if app.data.url().is_some() {
        return eprintln!("this is about the embedded database");
    }
    let analyst = app.analyst();
    analyst.supplier("BEFORE");
    let rows: String = (0..20_000).map(|row| format!("S{row}\n")).collect();
    let file = format!("supplier_code\n{rows}");
    let import =
        analyst.send("POST", "/v1/imports?kind=suppliers", &[("content-type", "text/csv")], Some(file.as_bytes()));
    assert_eq!(import.status, 202, "{import:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    app.sonae(&["backup", copy.to_str().unwrap()]);
    analyst.ended(import.json["id"].as_str().unwrap());

    let other = Data::new();
    let mut serve = command(&other, &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    serve.env("SONAE_DATA", &copy);
    let process = Process::spawn(serve);
    // The keys were copied too, so the same token is valid.
    let client = process.client(analyst.token.as_deref().unwrap());
    assert_eq!(client.get("/v1/suppliers/by-code?code=BEFORE").json["supplier_code"], json!("BEFORE"));
    let count = client.count("/v1/suppliers");
    assert!(count == 1 || count == 20_001, "an import is there as a whole or not at all: {count}");
}

#[test]
fn of_an_installation_on_a_server_the_keys_are_copied_and_a_note_says_so() {
    let app = App::start();
    if app.data.url().is_none() {
        return eprintln!("this is about a server");
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy");
    let done = command(&app.data, &["backup", copy.to_str().unwrap()]).output().unwrap();
    assert!(done.status.success());
    assert!(String::from_utf8_lossy(&done.stderr).contains("save it with pg_dump"));
    assert!(copy.join("keys").is_dir() && !copy.join("sonae.db").exists());
}

#[test]
fn a_backup_overwrites_nothing() {
    let app = App::start();
    let there = app.data.path().join("there");
    std::fs::create_dir(&there).unwrap();
    for (data, to) in [(app.data.path(), &there), (there.as_path(), &app.data.path().join("new"))] {
        let mut backup = command(&app.data, &["backup", to.to_str().unwrap()]);
        let done = backup.env("SONAE_DATA", data).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(std::fs::read_dir(&there).unwrap().count(), 0);
}
