//! Commands next to a service whose database is on a server.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::support::{Data, command};

/// Starts a service with a command. Returns its address and the command that it prints for making a token.
fn start(service: &mut Command) -> (Child, String, String) {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut child = service.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().split("/docs").next().unwrap().to_owned();
    (child, address, lines.next().unwrap().trim().to_owned())
}

/// Runs a line in another terminal, in which `typed` is typed.
fn paste(shell: &str, data: &Data, line: &str, typed: &str) -> String {
    let mut shell = Command::new(shell);
    for (variable, _) in command(data, &[]).get_envs() {
        shell.env_remove(variable);
    }
    shell.args(["-c", line]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    // A command that reads nothing may have ended.
    let _ = shell.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes());
    let done = shell.wait_with_output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn is_good(address: &str, token: &str) -> bool {
    let token = token.trim().rsplit(' ').next().unwrap();
    let asked = ureq::get(format!("{address}/v1/settings")).header("authorization", format!("Bearer {token}"));
    asked.call().is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn the_hint_of_the_service_makes_a_token_in_a_terminal_that_knows_nothing_of_the_server() {
    let data = Data::new();
    let plain = data.url().unwrap();
    let with_password = plain.replace("sonae@", "sonae:hush%2Fhush@");
    assert_ne!(plain, with_password);
    let file = data.path().with_extension("url");
    fs::write(&file, format!("{with_password}\n")).unwrap();
    for (shell, variable, value) in [
        ("sh", "DATABASE_URL", &*plain),
        ("sh", "DATABASE_URL", &with_password),
        ("bash", "DATABASE_URL", &with_password),
        ("sh", "DATABASE_URL_FILE", file.to_str().unwrap()),
    ] {
        let mut service = command(&data, &[]);
        let (mut service, address, hint) = start(service.env_remove("DATABASE_URL").env(variable, value));
        let token = paste(shell, &data, &format!("{hint} && test -z \"$PGPASSWORD\""), "hush/hush");
        let is_good = is_good(&address, &token);
        service.kill().unwrap();
        service.wait().unwrap();
        assert!(is_good && !hint.contains("hush"), "{hint}");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn a_command_that_is_not_told_of_the_server_makes_no_database_beside_the_keys_of_the_service() {
    let data = Data::new();
    let url = data.url().unwrap();
    let list = |url: &str| {
        let mut list = command(&data, &["tenant", "list"]);
        list.env("DATABASE_URL", url).output().unwrap()
    };
    assert!(list(&url.replace("sonae@", "sonae:hush@")).status.success());
    let note = fs::read_to_string(data.path().join("database-server")).unwrap();
    assert_eq!(note.trim(), url.split('?').next().unwrap());
    let refused = list("");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains(note.trim()) && said.contains("set DATABASE_URL"), "{said}");
    assert!(!data.path().join("sonae.db").exists());
    let again = list(&url);
    assert!(again.status.success());
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!said.contains("belonged to"), "{said}");
}

#[test]
fn a_data_folder_that_goes_over_to_another_database_is_told() {
    let data = Data::new();
    let url = data.url().unwrap();
    let list = |lang: &str| {
        let mut list = command(&data, &["tenant", "list", "--lang", lang]);
        let done = list.env("DATABASE_URL", &url).output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stderr).unwrap()
    };
    let note = data.path().join("database-server");
    let now = url.split('?').next().unwrap();
    for (lang, told) in [("en", "belonged to a service with"), ("ja", "のサービスのデータフォルダーでしたが")]
    {
        fs::write(&note, "postgres://sonae@db.example.jp/sonae\n").unwrap();
        let said = list(lang);
        assert!(said.contains(told) && said.contains("postgres://sonae@db.example.jp/sonae"), "{said}");
        assert!(said.contains(now) && !list(lang).contains(told), "{said}");
        assert_eq!(fs::read_to_string(&note).unwrap().trim(), now);
    }
    // This is another user of the same database.
    fs::write(&note, format!("{}\n", now.replace("sonae@", "somebody@"))).unwrap();
    assert!(!list("en").contains("belonged to"));
}
