//! Backups of an installation on a server: the script saves a dump with the keys, and both together can be served
//! again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{Data, Process, admin_token, command};

/// Returns the folders of programs, including those of the server.
fn programs(more: &Path) -> String {
    let servers =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().map(|version| version.unwrap().path().join("bin"));
    let path = std::env::var("PATH").unwrap();
    let folders: Vec<PathBuf> = [more.to_owned()].into_iter().chain(servers).chain([PathBuf::from(path)]).collect();
    folders.iter().map(|folder| folder.to_str().unwrap()).collect::<Vec<_>>().join(":")
}

/// Runs the script over a test's data. `url` is that of a role that may read everything.
fn back_up(data: &Data, to: &Path, url: Option<&str>) -> Output {
    let bin = data.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let ours = bin.join("sonae");
    if !ours.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sonae-under-test"), &ours).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/backup.sh");
    let mut script = Command::new(script);
    script.arg(to).env("PATH", programs(&bin)).env("SONAE_DATA", data.path()).env("DATABASE_URL", data.url().unwrap());
    match url {
        Some(url) => script.env("BACKUP_DATABASE_URL", url),
        None => script.env_remove("BACKUP_DATABASE_URL"),
    };
    script.output().unwrap()
}

fn admin_url(data: &Data) -> String {
    data.url_by(&std::env::var("SONAE_TEST_POSTGRES_ADMIN").unwrap())
}

#[test]
fn the_backup_script_saves_the_database_and_the_keys() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let process = Process::start(&data, &[]);
    process.client(&token).supplier("A");
    let elsewhere = tempfile::tempdir().unwrap();
    let backups = elsewhere.path().join("backups");

    let done = back_up(&data, &backups, Some(&admin_url(&data)));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    let made = PathBuf::from(String::from_utf8(done.stdout).unwrap().trim());

    // The backup can be served: the dump in a database of the same name, the keys in another data folder.
    drop(process);
    let restored = Command::new("pg_restore")
        .env("PATH", programs(&made))
        .args(["--clean", "--if-exists", "--exit-on-error", "--dbname", &admin_url(&data)])
        .arg(made.join("sonae.dump"))
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let mut serve = command(&data, &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let process = Process::spawn({
        serve.env("SONAE_DATA", &made);
        serve
    });
    assert_eq!(process.client(&token).get("/v1/suppliers/by-code?code=A").status, 200);
}

#[test]
fn a_backup_without_the_database_is_no_backup() {
    let data = Data::new();
    admin_token(&data, "default");
    let elsewhere = tempfile::tempdir().unwrap();
    let backups = elsewhere.path().join("backups");
    // Row-level security hides everything from the owner of the tables.
    for url in [None, data.url()] {
        let done = back_up(&data, &backups, url.as_deref());
        assert!(!done.status.success());
        assert_eq!(fs::read_dir(&backups).unwrap().count(), 0, "nothing is left of it");
    }
}
