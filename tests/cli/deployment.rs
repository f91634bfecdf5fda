//! What the operator of an installation relies on: the files of `deploy/` and `docs/operate/`, and the commands in
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::sonae;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Returns all files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // Secrets that somebody has made for compose.yaml are not read.
        match path.is_dir() {
            true if path.ends_with("compose/secrets") => {}
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Returns the files of a kind in `deploy/` and `docs/operate/`.
fn operators_files(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let all = [top().join("deploy"), top().join("docs/operate")].into_iter().flat_map(|folder| files(&folder));
    let wanted = all.filter(|path| {
        let ending = path.extension().map_or("", |ending| ending.to_str().unwrap());
        endings.is_empty() || endings.contains(&ending)
    });
    wanted.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// Returns the documents of a YAML file, with aliases and merged keys resolved.
fn yaml(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns whether a program exists and succeeds with these arguments.
fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|done| done.status.success())
}

/// The flags and variables of a verb, as its help shows them.
struct Help {
    flags: BTreeSet<String>,
    variables: BTreeSet<String>,
}

/// Returns the help of all verbs, by their words: `token create`.
fn verbs() -> BTreeMap<String, Help> {
    let mut found = BTreeMap::new();
    let mut left = vec![Vec::<String>::new()];
    while let Some(words) = left.pop() {
        let done = sonae().args(&words).args(["--help", "--lang", "en"]).output().unwrap();
        assert!(done.status.success(), "{words:?}");
        let text = String::from_utf8(done.stdout).unwrap();
        let commands = text.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
        let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
            left.push([words.as_slice(), &[name.to_owned()]].concat());
        }
        let flags = words_of(&text).filter(|word| word.starts_with("--") && word.len() > 2);
        let variables = text.split("[env: ").skip(1).map(|rest| rest.split(['=', ']']).next().unwrap().to_owned());
        found.insert(
            words.join(" "),
            Help { flags: flags.map(str::to_owned).collect(), variables: variables.collect() },
        );
    }
    found
}

/// Returns the words of a text, as a shell, a list of YAML or JSON, or a line of a unit file separates them.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| character.is_whitespace() || "\"'`[](),;=|".contains(character))
        .filter(|word| !word.is_empty())
}

/// Returns the commands `sonae …` in a text: the words after the name, up to the end of the command.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        // A command ends with its line, and at what joins it to another one. A command within a sentence is in
        // backticks.
        for part in line.split(['`', '|', ';', '>', '#', '&']) {
            let words: Vec<_> = words_of(part).collect();
            let named = words.iter().enumerate().filter(|(_, word)| **word == "sonae" || word.ends_with("/sonae"));
            for (place, _) in named {
                found.push(words[place + 1..].iter().map(|word| (*word).to_owned()).collect());
            }
        }
    }
    found
}

#[test]
fn every_command_and_flag_that_the_files_name_exists() {
    let verbs = verbs();
    let all: BTreeSet<_> = verbs.values().flat_map(|help| &help.flags).collect();
    let mut seen = 0;
    for (path, text) in operators_files(&[]) {
        for words in commands(&text) {
            // The longest name of a verb with which it begins. Other sentences with the word are not commands.
            let verb = (1..=2.min(words.len())).rev().map(|count| words[..count].join(" "));
            let Some((verb, help)) = verb.into_iter().find_map(|verb| verbs.get_key_value(&verb)) else { continue };
            let flags = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
            for flag in flags {
                assert!(help.flags.contains(flag), "{}: sonae {verb} has no {flag}", path.display());
            }
            seen += 1;
        }
        // `--some-flag` alone is a flag of Sonae.
        for part in text.split('`').filter(|part| part.starts_with("--") && !part.contains('\n')) {
            let flag = words_of(part).next().unwrap().to_owned();
            assert!(all.contains(&flag), "{}: no command has {flag}", path.display());
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
}

#[test]
fn every_variable_that_the_files_name_exists() {
    let verbs = verbs();
    let known: BTreeSet<_> = verbs.values().flat_map(|help| &help.variables).collect();
    for (path, text) in operators_files(&[]) {
        let is_of_name =
            |character: char| character.is_ascii_uppercase() || character.is_ascii_digit() || character == '_';
        for word in text.split(|character| !is_of_name(character)) {
            let is_ours = word.starts_with("SONAE_") || word.starts_with("DATABASE_");
            // This one is read when the program is built.
            if is_ours && !word.ends_with('_') && word != "SONAE_COMMIT" {
                assert!(known.contains(&word.to_owned()), "{}: there is no variable {word}", path.display());
            }
        }
    }
}

#[test]
fn the_settings_file_is_taken() {
    let done = sonae().arg("config").env("SONAE_CONFIG", top().join("deploy/systemd/sonae.toml")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("behind_proxy = true") && said.contains("/var/lib/sonae"), "{said}");
}

#[test]
fn every_metric_that_the_pages_name_is_listed() {
    let listed = fs::read_to_string(top().join("docs/operate/metrics.md")).unwrap();
    for (path, text) in operators_files(&["md"]) {
        let is_of_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let names = text.split(|character| !is_of_name(character)).filter(|word| word.starts_with("sonae_"));
        // Roles and databases have such names too.
        let others = ["_tenant", "_operator", "_backup", "_restored", "_password"];
        for name in names.filter(|name| !others.iter().any(|other| name.ends_with(other))) {
            // The parts of a histogram have names of their own.
            let name = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            assert!(listed.contains(&format!("`{name}`")), "{}: there is no metric {name}", path.display());
        }
    }
}

/// Asserts that a page exists and, if an anchor is given, that it has the heading.
fn expect_heading(page: &Path, anchor: &str, named_in: &Path) {
    let said = format!("{}: {}#{anchor} leads nowhere", named_in.display(), page.display());
    assert!(page.exists(), "{said}");
    let text = if anchor.is_empty() { return } else { fs::read_to_string(page).unwrap() };
    let mut anchors = text.lines().filter(|line| line.starts_with('#')).map(|heading| {
        let words = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|one| one.is_alphanumeric() || *one == '-' || *one == '_').collect::<String>()
    });
    assert!(anchors.any(|known| known == anchor), "{said}");
}

#[test]
fn every_link_between_the_files_leads_somewhere() {
    for (path, text) in operators_files(&["md"]) {
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let page = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            if !link.contains("://") {
                expect_heading(&page, anchor, &path);
            }
        }
    }
    // Other files, such as alerts, name pages from the top folder.
    for (path, text) in operators_files(&[]) {
        for rest in text.split("docs/operate/").skip(1) {
            let is_of_link = |one: char| one.is_alphanumeric() || "-_.#".contains(one);
            let link = rest.split(|one| !is_of_link(one)).next().unwrap().trim_end_matches('.');
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            expect_heading(&top().join("docs/operate").join(file), anchor, &path);
        }
    }
}

#[test]
fn all_yaml_is_read_and_no_secret_lies_in_it() {
    let mut count = 0;
    for (path, text) in operators_files(&["yaml", "yml"]) {
        assert!(!yaml(&path).is_empty(), "{}", path.display());
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            assert!(!line.contains("postgres://"), "{}: {line}", path.display());
        }
        count += 1;
    }
    assert!(count > 8, "{count}");
}

#[test]
fn the_containers_of_kubernetes_may_do_little_and_are_asked_how_they_are() {
    let manifests = files(&top().join("deploy/kubernetes"));
    let documents: Vec<_> = manifests.iter().flat_map(|path| yaml(path)).collect();
    let mut containers = 0;
    for document in &documents {
        let spec = match document["kind"].as_str().unwrap() {
            "Deployment" | "Job" => &document["spec"]["template"]["spec"],
            "CronJob" => &document["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => continue,
        };
        assert_eq!(spec["securityContext"]["runAsNonRoot"], Value::Bool(true), "{document}");
        assert_eq!(spec["automountServiceAccountToken"], Value::Bool(false));
        // The cluster's own variables for a service called sonae begin as settings do.
        assert_eq!(spec["enableServiceLinks"], Value::Bool(false));
        let claims = spec["volumes"].as_array().unwrap();
        let all = ["initContainers", "containers"].into_iter().filter_map(|list| spec[list].as_array()).flatten();
        for container in all {
            let may = &container["securityContext"];
            assert_eq!(may["readOnlyRootFilesystem"], Value::Bool(true), "{container}");
            assert_eq!(may["allowPrivilegeEscalation"], Value::Bool(false));
            assert_eq!(may["capabilities"]["drop"][0], "ALL");
            assert!(container["resources"]["limits"]["memory"].is_string());
            for mount in container["volumeMounts"].as_array().unwrap() {
                assert!(claims.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
            }
            containers += 1;
        }
    }
    assert!(containers >= 4, "{containers}");

    let kind = |kind: &str| documents.iter().find(|document| document["kind"] == kind).unwrap();
    let serve = &kind("Deployment")["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(serve[probe]["exec"]["command"][1], "health", "{probe}");
    }
    // A selector cannot be changed later, so all must have the same labels from the start.
    let labels = &kind("Deployment")["spec"]["template"]["metadata"]["labels"];
    for selector in [
        &kind("Deployment")["spec"]["selector"]["matchLabels"],
        &kind("Service")["spec"]["selector"],
        &kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ] {
        for (name, value) in selector.as_object().unwrap() {
            assert_eq!(&labels[name], value);
        }
    }
    let listed = &yaml(&top().join("deploy/kubernetes/kustomization.yaml"))[0]["resources"];
    let listed: BTreeSet<_> = listed.as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()).collect();
    let there = manifests.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let there: BTreeSet<_> =
        there.filter(|name| name != "kustomization.yaml" && name != "secret.example.yaml").collect();
    assert_eq!(listed, there, "kustomization.yaml lists every file but the example of a secret");
}

#[test]
fn the_services_of_compose_wait_for_each_other_and_get_secrets_as_files() {
    let compose = &yaml(&top().join("deploy/compose/compose.yaml"))[0];
    let service = |name: &str| &compose["services"][name];
    assert_eq!(service("sonae")["depends_on"]["migrate"]["condition"], "service_completed_successfully");
    assert_eq!(service("migrate")["depends_on"]["postgres"]["condition"], "service_healthy");
    assert_eq!(service("sonae")["environment"]["DATABASE_URL_FILE"], "/run/secrets/database_url");
    assert_eq!(service("sonae")["healthcheck"]["test"][2], "health");
    for service in compose["services"].as_object().unwrap().values() {
        for secret in service["secrets"].as_array().unwrap() {
            assert!(compose["secrets"][secret.as_str().unwrap()]["file"].is_string(), "{secret}");
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            let is_there = match source.strip_prefix("./") {
                Some(file) => top().join("deploy/compose").join(file).exists(),
                None => !compose["volumes"][source].is_null(),
            };
            assert!(is_there, "{volume}");
        }
    }
}

#[test]
fn programs_that_are_installed_take_the_files() {
    let folder = top().join("deploy");
    if works("kubectl", &["version", "--client"]) {
        let built = Command::new("kubectl").arg("kustomize").arg(folder.join("kubernetes")).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
    if works("docker", &["compose", "version"]) {
        let file = folder.join("compose/compose.yaml");
        let read =
            Command::new("docker").args(["compose", "-f"]).arg(file).args(["config", "--quiet"]).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
    for script in files(&folder).iter().filter(|path| path.extension().is_some_and(|ending| ending == "sh")) {
        assert!(works("sh", &["-n", script.to_str().unwrap()]), "{}", script.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_takes_the_units_and_finds_little_that_the_service_may_do() {
    if !works("systemd-analyze", &["--version"]) {
        return eprintln!("systemd is not installed");
    }
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for unit in ["sonae.service", "sonae-backup.service", "sonae-backup.timer"] {
        let text = fs::read_to_string(top().join("deploy/systemd").join(unit)).unwrap();
        // The programs that it runs are not installed here.
        let here = [("/usr/local/bin/sonae", "/bin/true"), ("/usr/local/lib/sonae/backup.sh", "/bin/true")];
        let text = here.into_iter().fold(text, |text, (from, to)| text.replace(from, to));
        fs::write(folder.path().join(unit), text).unwrap();
    }
    for service in ["sonae.service.d", "sonae-backup.service.d"] {
        let drop_in = folder.path().join(service);
        fs::create_dir(&drop_in).unwrap();
        fs::copy(top().join("deploy/systemd/postgresql.conf"), drop_in.join("postgresql.conf")).unwrap();
    }
    for unit in ["sonae.service", "sonae-backup.timer"] {
        let unit = folder.path().join(unit);
        // Other units of the machine, which may have faults too, are left out.
        let checked = analyze(&["verify", "--man=no", "--recursive-errors=no", unit.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && said.is_empty(), "{}: {said}", unit.display());
    }
    let unit = folder.path().join("sonae.service");
    // 100 is the most exposed. A service that can be reached over the network has 10 or more.
    let looked = analyze(&["security", "--offline=true", "--threshold=15", unit.to_str().unwrap()]);
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stdout));
}

#[cfg(unix)]
mod running {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixDatagram;
    use std::process::{Child, Stdio};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A service, and what it reports to its service manager.
    struct Service {
        child: Child,
        folder: TempDir,
        told: Receiver<String>,
        admin: String,
    }

    impl Service {
        /// Starts one whose watchdog fires after a second.
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
            let (send, told) = channel();
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(count) = socket.recv(&mut bytes) {
                    if send.send(String::from_utf8_lossy(&bytes[..count]).into_owned()).is_err() {
                        break;
                    }
                }
            });
            let mut command = sonae();
            command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-format", "json"]);
            command.env("SONAE_DATA", folder.path().join("data")).env("NOTIFY_SOCKET", folder.path().join("notify"));
            command.env("WATCHDOG_USEC", "1000000").env_remove("WATCHDOG_PID");
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
            let admin = log.find_map(|line| {
                let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                line["admin_address"].as_str().map(str::to_owned)
            });
            std::thread::spawn(move || log.count());
            Self { child, folder, told, admin: admin.unwrap() }
        }

        /// Waits until it reports something.
        fn tells(&self, wanted: &str) -> String {
            loop {
                let told = self.told.recv_timeout(Duration::from_secs(60)).unwrap();
                if told.lines().any(|line| line == wanted) {
                    return told;
                }
            }
        }

        /// Runs a command over its data. Returns its exit code and its output.
        fn sonae(&self, arguments: &[&str]) -> (Option<i32>, String) {
            let data = self.folder.path().join("data");
            let done = sonae().args(arguments).env("SONAE_DATA", data).env("SONAE_LANG", "en").output().unwrap();
            let said = [done.stdout, done.stderr].concat();
            (done.status.code(), String::from_utf8(said).unwrap().trim().to_owned())
        }

        fn end(&mut self) -> Option<i32> {
            assert!(works("kill", &["-TERM", &self.child.id().to_string()]));
            self.child.wait().unwrap().code()
        }
    }

    impl Drop for Service {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[test]
    fn a_service_manager_hears_when_the_service_serves_that_it_runs_and_when_it_ends() {
        let mut service = Service::start();
        let ready = service.tells("READY=1");
        assert!(ready.contains("STATUS=serving on 127.0.0.1:"), "{ready}");
        service.tells("WATCHDOG=1");
        service.tells("WATCHDOG=1");

        assert_eq!(service.end(), Some(0));
        service.tells("STOPPING=1");
    }

    #[test]
    fn a_service_without_a_service_manager_ends_well_too() {
        let service = sonae()
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
            .env("SONAE_DATA", tempfile::tempdir().unwrap().path())
            .env("NOTIFY_SOCKET", "/nowhere/at/all")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut service = service.unwrap();
        let mut line = String::new();
        BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://127.0.0.1:"), "{line}");
        assert!(works("kill", &["-TERM", &service.id().to_string()]));
        assert_eq!(service.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn a_health_check_says_whether_the_service_is_ready_and_why_not() {
        let mut service = Service::start();
        service.tells("READY=1");
        let check = |more: &[&str]| service.sonae(&[&["health", "--admin-listen", &service.admin], more].concat());
        assert_eq!(check(&[]), (Some(0), "the service is ready".to_owned()));
        assert_eq!(check(&["--live"]), (Some(0), "the service answers".to_owned()));

        let database = service.folder.path().join("data/sonae.db");
        fs::rename(&database, service.folder.path().join("elsewhere")).unwrap();
        let (code, said) = check(&[]);
        assert!(code == Some(1) && said.contains("is not the file that the service has open"), "{said}");
        assert_eq!(check(&["--live"]).0, Some(0));
        let (code, said) = check(&["--lang", "ja"]);
        assert!(code == Some(1) && said.contains("サービスが開いているファイルではありません"), "{said}");
        // Monitors, which ask for no language, still read English.
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("http://{}/readyz", service.admin)).call().unwrap();
        let said = answer.body_mut().read_to_string().unwrap();
        assert!(said.contains("is not the file that the service has open"), "{said}");

        let admin = service.admin.clone();
        service.end();
        let (code, said) = service.sonae(&["health", "--admin-listen", &admin]);
        assert!(code == Some(1) && said.contains("no service answers"), "{said}");
    }

    #[test]
    fn a_health_check_does_not_wait_for_ever() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let mut health = sonae();
        health.args(["health", "--lang", "en", "--timeout-seconds", "1", "--admin-listen", &address]);
        let done = health.output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(1) && said.contains("within 1 seconds"), "{said}");
    }

    #[test]
    fn the_backup_script_keeps_what_the_service_holds_and_drops_what_is_old() {
        let service = Service::start();
        let token = service.sonae(&["token", "create", "--name", "me", "--role", "admin"]);
        assert_eq!(token.0, Some(0), "{}", token.1);
        let backups = service.folder.path().join("backups");
        let (old, other) = (backups.join("2020-01-01T000000Z"), backups.join("of somebody else"));
        for folder in [&old, &other] {
            fs::create_dir_all(folder).unwrap();
            let touched = Command::new("touch").args(["-d", "2020-01-01"]).arg(folder).status().unwrap();
            assert!(touched.success());
        }
        // The script runs `sonae`, which is this build.
        let programs = service.folder.path().join("bin");
        fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sonae-under-test"), programs.join("sonae")).unwrap();
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
        let run = |data: &Path| {
            let mut script = Command::new(top().join("deploy/backup.sh"));
            script.arg(&backups).env("PATH", &path).env("SONAE_DATA", data).env_remove("DATABASE_URL");
            script.env_remove("BACKUP_DATABASE_URL").output().unwrap()
        };

        let done = run(&service.folder.path().join("data"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let made = PathBuf::from(String::from_utf8(done.stdout).unwrap().trim());
        let copied = service.sonae(&["token", "list", "--data", made.to_str().unwrap()]);
        assert!(copied.0 == Some(0) && copied.1.contains("admin  me"), "{}", copied.1);
        assert!(!old.exists() && other.exists());

        assert!(!run(&service.folder.path().join("nothing")).status.success());
        let left = fs::read_dir(&backups).unwrap().count();
        assert_eq!(left, 2, "what was not finished is gone");
    }
}
