//! Settings: flags, the environment and the settings file; passwords, which are never shown; and languages.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Folder, Ran, sonae};

fn run(command: &mut Command) -> Ran {
    Ran(command.output().unwrap())
}

/// Returns `sonae config` in English, with a settings file or without one.
fn config(file: Option<&Path>) -> Command {
    let mut command = sonae();
    command.args(["config", "--lang", "en"]);
    if let Some(file) = file {
        command.arg("--config").arg(file);
    }
    command
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sonae.toml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// Returns what is printed for a setting: its line without the padding.
#[track_caller]
fn line(printed: &str, key: &str) -> String {
    let is_of = |line: &&str| line.trim_start_matches("# ").split(' ').next() == Some(key);
    let line = printed.lines().find(is_of).unwrap_or_else(|| panic!("{key} is missing in\n{printed}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row of the table of settings.
struct Row {
    key: String,
    flag: String,
    variable: String,
}

fn rows() -> Vec<Row> {
    let table = run(sonae().args(["config", "--describe", "markdown"])).ok().stdout();
    let rows = table.lines().skip(2).map(|row| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
        let mut next = || cells.next().unwrap();
        Row { key: next(), flag: next(), variable: next() }
    });
    rows.collect()
}

#[test]
fn a_flag_comes_before_a_variable_that_before_the_file_and_that_before_the_default() {
    let (_folder, path) = file("json_bytes = 1\nmax_rows = 1_000\nbehind_proxy = true\n");
    let shown = path.display();
    let printed = run(config(Some(&path)).env("SONAE_JSON_BYTES", "2").args(["--json-bytes", "3"])).ok().stdout();
    assert_eq!(line(&printed, "json_bytes"), "json_bytes = 3 # --json-bytes");
    let printed = run(config(Some(&path)).env("SONAE_JSON_BYTES", "2")).ok().stdout();
    assert_eq!(line(&printed, "json_bytes"), "json_bytes = 2 # SONAE_JSON_BYTES");
    let printed = run(config(None).env("SONAE_CONFIG", &path)).ok().stdout();
    assert_eq!(line(&printed, "json_bytes"), format!("json_bytes = 1 # {shown}:1"));
    assert_eq!(line(&printed, "max_rows"), format!("max_rows = 1000 # {shown}:2"));
    assert_eq!(line(&printed, "behind_proxy"), format!("behind_proxy = true # {shown}:3"));
    let printed = run(config(None).env("SONAE_BEHIND_PROXY", "yes")).ok().stdout();
    assert_eq!(line(&printed, "behind_proxy"), "behind_proxy = true # SONAE_BEHIND_PROXY");
    let printed = run(config(Some(&path)).arg("--behind-proxy=false")).ok().stdout();
    assert_eq!(line(&printed, "behind_proxy"), "behind_proxy = false # --behind-proxy");
    let printed = run(&mut config(None)).ok().stdout();
    assert_eq!(line(&printed, "json_bytes"), "json_bytes = 2097152 # default");
    assert_eq!(line(&printed, "tls_cert"), "# tls_cert # not set");
    assert_eq!(line(&printed, "keep_alive_seconds"), "keep_alive_seconds = 5 # default");
}

#[test]
fn what_is_printed_of_the_settings_is_a_settings_file() {
    let printed = run(config(None).args(["--listen", "127.0.0.1:9999", "--tenant", "東\"部"])).ok().stdout();
    let (_folder, path) = file(&printed);
    let again = run(&mut config(Some(&path))).ok().stdout();
    assert!(line(&again, "listen").starts_with("listen = \"127.0.0.1:9999\" # "), "{again}");
    let value = |text: &str| line(text, "tenant").split(" # ").next().unwrap().to_owned();
    assert_eq!(value(&again), value(&printed));
}

#[test]
fn a_value_that_cannot_be_is_refused_by_the_name_of_where_it_is_from() {
    let (_folder, path) = file("keep_alive_seconds = 0\n");
    let text = run(&mut config(Some(&path))).fails_with(2);
    assert_eq!(text, format!("{}:1: keep_alive_seconds = 0: use 1 to 3600\n", path.display()));
    let text = run(config(None).env("SONAE_KEEP_ALIVE_SECONDS", "0")).fails_with(2);
    assert_eq!(text, "SONAE_KEEP_ALIVE_SECONDS=0: use 1 to 3600\n");
    let text = run(config(None).args(["--keep-alive-seconds", "0"])).fails_with(2);
    assert_eq!(text, "--keep-alive-seconds 0: use 1 to 3600\n");
    // A value that is wrong only because of another setting.
    let (_folder, path) = file("\nlisten = \"0.0.0.0:8080\"\n");
    let done = run(&mut config(Some(&path)));
    assert_eq!(done.0.status.code(), Some(2));
    assert!(done.stderr().starts_with(&format!("{}:2: listen 0.0.0.0:8080: ", path.display())), "{}", done.stderr());
    let done = run(config(None).env("SONAE_TLS_KEY", "key.pem"));
    assert!(done.stderr().starts_with("SONAE_TLS_KEY key.pem: --tls-cert is needed too"), "{}", done.stderr());
}

#[test]
fn all_faults_of_the_file_and_the_environment_are_named_at_once() {
    let (_folder, path) = file(
        "json-bytes = 1\nlisten = \"nowhere\"\nbehind_proxy = \"yes\"\nworkers = -1\nlog_format = \"xml\"\nnothing_like_it = 1\n\
         model = 3\n[limits]\nmax_rows = 5\n",
    );
    let text = run(config(Some(&path)).env("SONAE_MAX_ROWS", "many")).fails_with(2);
    let place = |line: u32| format!("{}:{line}: ", path.display());
    let expected = [
        place(1) + "json-bytes: there is no such setting; did you mean json_bytes?",
        place(2) + "listen = \"nowhere\": write an IP address and a port, as in 127.0.0.1:8080",
        place(3) + "behind_proxy: write true or false, without quotes",
        place(4) + "workers = -1: write a whole number in digits only",
        place(5) + "log_format = \"xml\": use one of human, json",
        place(6) + "nothing_like_it: there is no such setting; sonae config --describe toml lists all",
        place(7) + "model: write a text in quotes",
        place(8) + "limits: there is no such setting; sonae config --describe toml lists all",
        "SONAE_MAX_ROWS=many: write a whole number in digits only".to_owned(),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_refused() {
    let text = run(&mut config(Some(Path::new("/nowhere/sonae.toml")))).fails_with(2);
    assert!(text.starts_with("--config: /nowhere/sonae.toml cannot be read: "), "{text}");
    let text = run(config(None).env("SONAE_CONFIG", "/nowhere/sonae.toml")).fails_with(2);
    assert!(text.starts_with("SONAE_CONFIG: /nowhere/sonae.toml cannot be read: "), "{text}");
    let (_folder, path) =
        file("listen = \"127.0.0.1:8080\"\ndatabase_url = \"postgres://sonae:TopSecret@localhost/sonae\n");
    let text = run(&mut config(Some(&path))).fails_with(2);
    assert!(text.starts_with(&format!("{}:2: not TOML: ", path.display())) && !text.contains("Secret"), "{text}");
    // Help does not need the file.
    run(sonae().args(["serve", "--help"]).env("SONAE_CONFIG", &path)).ok();
}

#[test]
fn an_empty_variable_is_an_absent_one() {
    let plain = run(&mut config(None)).ok().stdout();
    let mut with_empty = config(None);
    with_empty.envs(rows().iter().map(|row| (row.variable.clone(), ""))).env("SONAE_CONFIG", "");
    assert_eq!(run(&mut with_empty).ok().stdout(), plain);
    let folder = Folder::new();
    let mut import = sonae();
    import.args(["import", "--lang", "en", "--data"]).arg(folder.path().join("data")).arg(folder.path());
    run(import.env("DATABASE_URL", "").env("SONAE_TENANT", "").env("SONAE_ALLOW_PLAINTEXT_DB", "")).ok();
}

#[test]
fn every_option_of_serve_is_also_a_variable_and_a_key() {
    let help = run(sonae().args(["serve", "--help"])).ok().stdout();
    let options = help.lines().filter_map(|line| line.trim().strip_prefix("--"));
    let options: BTreeSet<_> = options.map(|rest| rest.split([' ', '[', ',']).next().unwrap().to_owned()).collect();
    let rows = rows();
    let known: BTreeSet<_> = rows.iter().map(|row| row.flag.trim_start_matches("--").to_owned()).collect();
    let lacking: Vec<_> = options
        .iter()
        .filter(|option| !["config", "help"].contains(&option.as_str()) && !known.contains(*option))
        .collect();
    assert!(lacking.is_empty() && options.len() > 30, "without env = \"SONAE_…\": {lacking:?}");
    for Row { key, flag, variable } in rows {
        assert_eq!(flag, format!("--{}", key.replace('_', "-")));
        let upper = key.to_uppercase();
        let has_usual_name = variable == format!("SONAE_{upper}");
        assert!(has_usual_name || (variable == upper && key.contains("_url")), "{variable}");
    }
}

#[test]
fn the_documents_of_the_settings_are_those_of_the_command() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let described = |format: &str| run(sonae().args(["config", "--describe", format])).ok().stdout();
    let example = fs::read_to_string(top.join("deploy/sonae.toml")).unwrap_or_default();
    assert!(
        example == described("toml"),
        "deploy/sonae.toml is another: cargo run -q -- config --describe toml >deploy/sonae.toml"
    );
    let page = fs::read_to_string(top.join("docs/operate/settings.md")).unwrap_or_default();
    assert!(
        page.contains(&described("markdown")),
        "docs/operate/settings.md lacks the table as it is: cargo run -q -- config --describe markdown"
    );
}

#[test]
fn every_line_of_the_example_file_is_accepted_and_is_the_default() {
    let example = run(sonae().args(["config", "--describe", "toml"])).ok().stdout();
    let settings = example.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')));
    let with_default = settings.filter(|line| !line.ends_with('=') && !is_placeholder(line));
    let text: Vec<_> = with_default.collect();
    assert!(text.len() > 20, "{text:?}");
    let (_folder, path) = file(&text.join("\n"));
    let value = |line: &str| line.split(" # ").next().unwrap().to_owned();
    let [plain, again] = [None, Some(path.as_path())].map(|file| run(&mut config(file)).ok().stdout());
    for key in text.iter().map(|line| line.split(' ').next().unwrap()) {
        assert_eq!(value(&line(&again, key)), value(&line(&plain, key)));
    }
}

/// Returns whether a line of the example file only shows which kind of value belongs there.
fn is_placeholder(line: &str) -> bool {
    let value = line.split_once(" = ").map_or("", |(_, value)| value.trim_matches('"'));
    !value.is_empty() && value.chars().all(|character| character.is_ascii_uppercase())
}

/// Passwords as people paste them. No part of `Secret` in them may be shown.
const PASSWORDS: [&str; 22] = [
    "TopSecret",
    "Top/Secret",
    "12/34Secret",
    "Top?Secret",
    "12?Secret=1",
    "Top#Secret",
    "Top@Secret",
    "Top@Se/Secret",
    "Top%Secret",
    "Top%zzSecret",
    "Top%00Secret",
    "Top Secret",
    "Top\tSecret",
    "Top\nSecret",
    "Top:Secret",
    "Top[Secret",
    "Top]Secret",
    "Top&Secret=",
    "Top=Secret==",
    "Top\\Secret'\"",
    "秘密Secret　",
    "+/Secret==",
];

/// Returns URLs with a password, valid and invalid ones.
fn addresses(password: &str) -> Vec<String> {
    [
        "postgres://sonae:{}@127.0.0.1:1/sonae",
        "postgresql://sonae:{}@[::1]:1/sonae?connect_timeout=1",
        "postgres://sonae:{}@[::1x/sonae",
        "postgres://sonae:{}@127.0.0.1:1x/sonae",
        "postgres://sonae:{}@192.0.2.1/sonae?sslmode=require",
        "postgres://sonae:{}@db.example.jp/sonae",
        "postgres://sonae:{}@127.0.0.1:1/sonae?sslmode=bad",
        "postgres://127.0.0.1:1/sonae?password={}",
        "postgres://127.0.0.1:1/sonae?user=a&{}",
        "postgres://sonae:{}",
        "postgres:/sonae:{}@127.0.0.1:1/sonae",
        "mysql://sonae:{}@127.0.0.1/sonae",
        "sonae:{}@127.0.0.1/sonae",
        "host=127.0.0.1 password={}",
    ]
    .into_iter()
    // Whatever follows the last @ is a host to anybody.
    .filter(|address| address.contains("{}@") || address.contains("={}") || !password.contains('@'))
    .map(|address| address.replace("{}", password))
    .collect()
}

#[test]
fn no_password_is_shown_whatever_is_wrong_with_the_address() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let secret_file = folder.path().join("url");
    let settings = folder.path().join("sonae.toml");
    for (place, (password, lang)) in PASSWORDS.iter().zip(["ja", "en"].into_iter().cycle()).enumerate() {
        for (number, address) in addresses(password).into_iter().enumerate() {
            let mut command = sonae();
            command.args(["tenant", "list", "--lang", lang]).env("SONAE_DATA", &data);
            // Each way to set it, in turn.
            match (place + number) % 5 {
                0 => drop(command.env("DATABASE_URL", &address)),
                1 => drop(command.args(["--database-url", &address])),
                2 => {
                    fs::write(&secret_file, format!("{address}\n")).unwrap();
                    command.env("DATABASE_URL_FILE", &secret_file);
                }
                3 => {
                    let quoted = address.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                    fs::write(&settings, format!("database_url = \"{quoted}\"\n")).unwrap();
                    command.arg("--config").arg(&settings);
                }
                _ => {
                    command.env("DATABASE_URL", "postgres://127.0.0.1:1/sonae").env("DATABASE_REPLICA_URL", &address);
                }
            }
            let done = run(&mut command);
            let said = done.stdout() + &done.stderr();
            assert!(!said.contains("Secret") && !said.contains("秘密"), "{address}: {said}");
            assert!(matches!(done.0.status.code(), Some(1 | 2)), "{address}: {said}");
        }
    }
}

#[test]
fn no_password_is_shown_by_any_command_nor_where_it_is_misplaced() {
    let address = "postgres://sonae:Top/Secret@localhost/sonae";
    for verb in verbs() {
        for wrong in [
            vec!["--database-url".to_owned(), address.to_owned()],
            vec![format!("--database-ulr={address}")],
            vec!["--listen".to_owned(), address.to_owned()],
            vec!["--max-rows".to_owned(), address.to_owned()],
            vec!["--tenant".to_owned(), "x".to_owned(), address.to_owned(), address.to_owned()],
            vec!["--data".to_owned(), "/proc/none".to_owned(), "--lang".to_owned(), address.to_owned()],
        ] {
            let done = run(sonae().args(&verb).args(&wrong).env("DATABASE_URL", address).env("SONAE_LANG", "en"));
            let said = done.stdout() + &done.stderr();
            assert!(!said.contains("Secret") && done.0.status.code() == Some(2), "{verb:?} {wrong:?}: {said}");
        }
        let help = run(sonae().args(&verb).arg("--help").env("DATABASE_URL", address)).ok().stdout();
        assert!(!help.contains("Secret"), "{help}");
    }
}

#[test]
fn an_unescaped_character_of_a_password_is_named_with_what_to_write() {
    for (character, escaped) in [('/', "%2F"), ('?', "%3F"), ('#', "%23"), ('@', "%40"), ('%', "%25"), (' ', "%20")] {
        let address = format!("postgres://sonae:Top{character}Secret@localhost/sonae");
        let text = run(sonae().args(["tenant", "list", "--lang", "en"]).env("DATABASE_URL", &address)).fails_with(2);
        let named = if character == ' ' { "a space".to_owned() } else { character.to_string() };
        assert!(text.contains(&format!("write {named} in a password as {escaped}")), "{text}");
    }
}

#[test]
fn the_settings_in_force_are_printed_without_passwords() {
    let address = "postgres://sonae:Top%2FSecret@localhost:5433/sonae?password=Secret&keepalives=1";
    let printed = run(config(None).env("DATABASE_URL", address).env("DATABASE_REPLICA_URL", address)).ok().stdout();
    assert!(!printed.contains("Secret"), "{printed}");
    let shown = "database_url = \"postgres://sonae@localhost:5433/sonae?keepalives=1\" # DATABASE_URL";
    assert_eq!(line(&printed, "database_url"), shown);
}

#[test]
fn the_address_of_the_database_is_read_from_the_first_line_of_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("url");
    let data = folder.path().join("data");
    fs::write(&path, "postgres://sonae:TopSecret@127.0.0.1:1/there\r\nanything\n").unwrap();
    let list = || {
        let mut command = sonae();
        command.args(["tenant", "list", "--lang", "en", "--data"]).arg(&data).env("DATABASE_URL_FILE", &path);
        command
    };
    let text = run(&mut list()).fails_with(1);
    assert!(text.contains("postgres://sonae@127.0.0.1:1/there cannot be reached"), "{text}");
    let text = run(list().env("DATABASE_URL", "postgres://127.0.0.1:1/other")).fails_with(2);
    assert!(text.contains("--database-url and --database-url-file are both set"), "{text}");
    fs::remove_file(&path).unwrap();
    let text = run(&mut list()).fails_with(2);
    let expected = format!("--database-url-file (DATABASE_URL_FILE): {} cannot be read", path.display());
    assert!(text.contains(&expected), "{text}");
    for blank in ["", "\n", "  \npostgres://sonae:TopSecret@127.0.0.1:1/there\n"] {
        fs::write(&path, blank).unwrap();
        let text = run(&mut list()).fails_with(2);
        assert!(text.contains(&format!("the first line of {} is empty", path.display())), "{text}");
        assert!(!text.contains("holds a password"), "{text}");
    }
    let alone =
        run(sonae().args(["tenant", "list", "--lang", "en"]).env("DATABASE_REPLICA_URL", "postgres://localhost/x"));
    assert!(alone.fails_with(2).contains("needs a server that the replica follows"));
}

#[cfg(unix)]
#[test]
fn a_file_with_a_password_that_others_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = file("database_url = \"postgres://sonae:x@localhost/sonae\"\n");
    for (mode, is_told) in [(0o644, true), (0o640, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let said = run(&mut config(Some(&path))).ok().stderr();
        assert_eq!(said.contains("other users of this machine can read it"), is_told, "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_a_url_is_told_of_only_with_a_password() {
    let (_folder, path) = file("");
    for (url, is_told) in [("postgres://sonae@localhost/sonae", false), ("postgres://sonae:x@localhost/sonae", true)] {
        fs::write(&path, url).unwrap();
        let said = run(config(None).env("DATABASE_URL_FILE", &path)).ok().stderr();
        assert_eq!(said.contains("holds a password"), is_told, "{said}");
    }
}

/// Returns a certificate and its key, as files in a folder.
fn certificate(folder: &Path, name: &str) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    [("crt", made.cert.pem()), ("key", made.signing_key.serialize_pem())].map(|(ending, text)| {
        let path = folder.join(format!("{name}.{ending}"));
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[test]
fn config_and_serve_refuse_the_same_settings_before_anything_is_made() {
    let folder = TempDir::new().unwrap();
    let [[chain, key], [_, other_key]] = ["own", "other"].map(|name| certificate(folder.path(), name));
    let plain = folder.path().join("plain.pem").to_str().unwrap().to_owned();
    fs::write(&plain, "model_version = 3\n").unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["--tls-cert", "/nope", "--tls-key", &key], "--tls-cert /nope: it cannot be read: "),
        (&["--tls-cert", &chain, "--tls-key", "/nope2"], "--tls-key /nope2: it cannot be read: "),
        (&["--tls-cert", &plain, "--tls-key", &key], "plain.pem: there is no certificate in it"),
        (&["--tls-cert", &chain, "--tls-key", &plain], "plain.pem: there is no private key in it"),
        (&["--tls-cert", &chain, "--tls-key", &other_key], "other.key: not the private key of the certificate in "),
        (&["--model", "/nope"], "--model /nope cannot be read: "),
        (&["--model", &plain], "plain.pem is not a valid model"),
        (
            &["--database-url", "postgres://127.0.0.1:1/x?sslmode=bogus"],
            "use one of disable, allow, prefer, require, verify-ca, verify-full",
        ),
    ];
    let data = folder.path().join("data");
    for (settings, expected) in cases {
        for verb in ["config", "serve"] {
            let mut command = sonae();
            command.args([verb, "--lang", "en", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
            let done = run(command.args(settings).env("SONAE_DATA", &data));
            let said = done.stderr();
            assert!(done.0.status.code() == Some(2) && said.contains(expected), "{verb} {settings:?}: {said}");
            assert!(said.starts_with(settings[settings.len() - 2]) || said.starts_with(settings[0]), "{said}");
        }
    }
    assert!(!data.exists());
    run(config(None).args(["--tls-cert", &chain, "--tls-key", &key, "--listen", "0.0.0.0:0"])).ok();
}

#[cfg(unix)]
#[test]
fn a_data_folder_that_cannot_be_used_is_refused_with_the_file_that_is_at_fault() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65_534;
    let folder = TempDir::new().unwrap();
    let list = || {
        let mut command = sonae();
        command.args(["tenant", "list", "--data"]).arg(folder.path());
        command
    };
    run(&mut list()).ok();
    let keys = folder.path().join("keys");
    let key = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path());
    let key = key.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "p8")).unwrap();
    let is_root = folder.path().metadata().unwrap().uid() == 0;
    if is_root {
        let all = [folder.path(), &keys].map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
        let all: Vec<_> = all.into_iter().flatten().filter(|path| *path != key).collect();
        all.iter().map(PathBuf::as_path).chain([folder.path()]).for_each(|path| {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        });
    } else {
        fs::set_permissions(&key, fs::Permissions::from_mode(0o000)).unwrap();
    }
    for (lang, remedy) in [("en", "another user may own it"), ("ja", "別のユーザーが所有している")] {
        let mut command = list();
        command.args(["--lang", lang]);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        let Ok(done) = command.output() else {
            return eprintln!("nobody else may run the command here");
        };
        let text = Ran(done).fails_with(1);
        let named = format!("{}: Permission denied", key.display());
        assert!(text.contains(&named) && text.contains(remedy) && text.contains("sudo chown"), "{text}");
    }
}

#[test]
fn a_backup_into_its_own_data_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    run(sonae().args(["tenant", "list", "--data"]).arg(&data)).ok();
    let backup = |dir: PathBuf| run(sonae().args(["backup", "--lang", "en", "--data"]).arg(&data).arg(dir));
    for inside in [data.join("backup"), data.join("keys/backup"), folder.path().join("data/../data/backup")] {
        let text = backup(inside.clone()).fails_with(2);
        assert!(text.contains("is inside the data folder") && !inside.exists(), "{text}");
    }
    backup(folder.path().join("data-backup")).ok();
}

#[test]
fn a_service_on_all_addresses_is_named_as_this_machine_reaches_it() {
    let folder = TempDir::new().unwrap();
    let [chain, key] = certificate(folder.path(), "own");
    let mut serve = sonae();
    serve.args(["serve", "--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0", "--tls-cert", &chain]);
    serve.args(["--tls-key", &key]).env("SONAE_DATA", folder.path().join("data"));
    let mut service = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(line.starts_with("https://localhost:"), "{line}");
}

#[test]
fn a_command_without_the_address_of_the_server_makes_no_database_beside_its_keys() {
    let folder = TempDir::new().unwrap();
    let data = folder.path();
    fs::write(data.join("database-server"), "postgres://sonae@db.example.jp/sonae\n").unwrap();
    for arguments in [&["tenant", "list"][..], &["serve"], &["token", "create", "--name", "me", "--role", "admin"]] {
        let text = run(sonae().args(arguments).args(["--lang", "en", "--data"]).arg(data)).fails_with(2);
        assert!(text.contains("(postgres://sonae@db.example.jp/sonae); set DATABASE_URL"), "{text}");
    }
    assert!(!data.join("sonae.db").exists());
}

#[test]
fn a_server_is_refused_where_an_embedded_database_is_kept() {
    let folder = TempDir::new().unwrap();
    let list = || {
        let mut command = sonae();
        command.args(["tenant", "list", "--lang", "en", "--data"]).arg(folder.path());
        command
    };
    run(&mut list()).ok();
    let text = run(list().env("DATABASE_URL", "postgres://sonae@127.0.0.1:1/sonae")).fails_with(2);
    assert!(text.contains("nothing moves its rows to a server (postgres://sonae@127.0.0.1:1/sonae)"), "{text}");
    run(&mut list()).ok();
}

#[test]
fn the_hint_of_the_service_makes_a_token_when_it_is_pasted_elsewhere() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("sonae.toml"), "data = \"it's here\"\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let mut serve = sonae();
    serve.current_dir(folder.path()).args(["serve", "--config", "sonae.toml", "--admin-listen", "127.0.0.1:0"]);
    let mut service = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().split("/docs").next().unwrap().to_owned();
    let hint = lines.next().unwrap();
    let mut shell = Command::new("sh");
    for (variable, value) in sonae().get_envs() {
        assert!(value.is_none());
        shell.env_remove(variable);
    }
    let token = run(shell.args(["-c", hint.trim()]).current_dir("/")).ok().stdout();
    let answer =
        ureq::get(format!("{address}/v1/settings")).header("authorization", format!("Bearer {}", token.trim())).call();
    service.kill().unwrap();
    service.wait().unwrap();
    assert_eq!(answer.unwrap().status(), 200, "{hint}");
}

/// Returns all commands, as the help lists them.
fn verbs() -> Vec<Vec<String>> {
    fn below(verb: &[String]) -> Vec<Vec<String>> {
        let help = run(sonae().args(verb).args(["--help", "--lang", "en"])).ok().stdout();
        let Some((_, commands)) = help.split_once("\nCommands:\n") else { return vec![verb.to_vec()] };
        let names = commands.lines().take_while(|line| !line.trim().is_empty());
        let names = names.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
        let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
        names.flat_map(|name| below(&[verb, &[name.to_owned()]].concat())).collect()
    }
    let all = below(&[]);
    assert!(all.len() > 15, "{all:?}");
    all
}

fn is_japanese(text: &str) -> bool {
    text.chars().any(|character| matches!(character, '\u{3040}'..='\u{30ff}' | '\u{4e00}'..='\u{9fff}'))
}

#[test]
fn every_command_has_a_language_by_flag_variable_file_and_locale() {
    let (_folder, path) = file("lang = \"en\"\n");
    for verb in verbs() {
        let said = |more: &dyn Fn(&mut Command) -> &mut Command| {
            let mut command = sonae();
            let text = run(more(command.args(&verb).arg("--no-such-option"))).fails_with(2);
            is_japanese(&text)
        };
        assert!(said(&|command| command), "{verb:?}");
        assert!(said(&|command| command.args(["--lang", "ja"]).env("SONAE_LANG", "en")), "{verb:?}");
        assert!(said(&|command| command.env("LANG", "C.UTF-8")), "{verb:?}");
        assert!(!said(&|command| command.args(["--lang", "en"]).env("SONAE_LANG", "ja")), "{verb:?}");
        assert!(!said(&|command| command.env("SONAE_LANG", "en")), "{verb:?}");
        assert!(!said(&|command| command.arg("--config").arg(&path)), "{verb:?}");
        assert!(!said(&|command| command.env("LC_ALL", "").env("LANG", "en_US.UTF-8")), "{verb:?}");
    }
}

#[test]
fn what_commands_print_is_in_the_language_that_was_asked_for() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let services = folder.path().join("services");
    fs::create_dir(&services).unwrap();
    let list = services.join("list.csv");
    fs::write(&list, "provider_name,service_name,service_class\nP,S,class_1\n").unwrap();
    let wrong = services.join("wrong.csv");
    fs::write(&wrong, "provider_name,service_name,service_class\nP,S,class_9\n").unwrap();
    let (portfolio, list, wrong) = (folder.path().to_str().unwrap(), list.to_str().unwrap(), wrong.to_str().unwrap());
    let said = |arguments: &[&str], lang: &str| {
        let mut command = sonae();
        command.args(arguments).args(["--lang", lang]).env("SONAE_DATA", &data);
        let done = run(&mut command);
        done.stdout() + &done.stderr()
    };
    let later = "9999-12-31";
    for arguments in [
        &["score-run", "list", "--tenant", "nobody"][..],
        &["import", portfolio],
        &["import", portfolio, "--source", " "],
        &["import", portfolio, "--mode", "x"],
        &["score", portfolio, "--as-of", "2026-09-30"],
        &["score", portfolio, "--as-of", "2026-02-30"],
        &["score", portfolio],
        &["score-run", "start"],
        &["score-run", "start", "--as-of", later],
        &["score-run", "start", "--known-at", "9999-12-31T00:00:00Z"],
        &["score-run", "start", "--known-at", "soon"],
        &["score-run", "list"],
        &["score-run", "reproduce", "01a20210-0000-7000-8000-000000000000"],
        &["score-run", "reproduce", "x"],
        &["prune"],
        &["prune", "--dry-run"],
        &["tenant", "create", "default"],
        &["tenant", "create", " "],
        &["tenant", "create", "x", "--time-zone", "Mars"],
        &["tenant", "list"],
        &["tenant", "suspend", "default"],
        &["tenant", "list"],
        &["tenant", "resume", "default"],
        &["tenant", "delete", "default", "--confirm", "x"],
        &["token", "create", "--name", "command line", "--role", "admin"],
        &["token", "create", "--name", "x", "--role", "boss"],
        &["token", "create", "--name", "x", "--role", "admin", "--hours", "9999"],
        &["token", "create", "--name", "x", "--role", "admin", "--provider", "P"],
        &["token", "create", "--name", "x", "--role", "supplier", "--supplier", "Z"],
        &["token", "create", "--name", "x", "--role", "supplier"],
        &["token", "create", "--name", "x", "--name", "y", "--role", "admin"],
        &["token", "revoke", "nobody"],
        &["service", "import", list],
        &["service", "import", wrong],
        &["service", "import", "/nowhere.csv"],
        &["serve", "--listen", "0.0.0.0:0"],
        &["serve", "--admin-listen", "0.0.0.0:0"],
        &["serve", "--tls-cert", "x"],
        &["serve", "--listen", "192.0.2.1:1", "--admin-listen", "127.0.0.1:0", "--behind-proxy"],
        &["demo", "--listen", "0.0.0.0:0"],
        &["config", "--listen", "0.0.0.0:0"],
        &["config"],
        &["tenant"],
        &["tenants"],
    ] {
        let [japanese, english] = ["ja", "en"].map(|lang| said(arguments, lang));
        assert!(is_japanese(&japanese), "{arguments:?}: {japanese}");
        let english = english.replace("お助け隊", "");
        assert!(!is_japanese(&english) && !english.is_empty(), "{arguments:?}: {english}");
    }
}
