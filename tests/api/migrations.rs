//! Tables of other releases: older ones are brought up to date, newer ones refused.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use tests::sql::Sql;

use crate::support::{Data, Process, admin_token, agent, command, id};

/// The statements that take the tables back to the state before a migration.
const OLDER: &str = "DROP TABLE compatible_migrations; \
                     DELETE FROM __diesel_schema_migrations WHERE version = '20261129010000'";
/// The name of that migration.
const PENDING: &str = "2026-11-29-010000_list_compatible_migrations";
/// A migration of a newer release.
const NEWER: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
/// The newer release states that older ones can work with it.
const COMPATIBLE: &str = "INSERT INTO compatible_migrations (version) VALUES ('29990101000000')";

/// Runs SQL statements directly.
pub(crate) fn sql(data: &Data, statements: &str) {
    match data.url() {
        Some(url) => Sql::open(&url).unwrap().run(statements).unwrap(),
        None => {
            let path = data.path().join("sonae.db");
            let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            conn.batch_execute(&format!("PRAGMA busy_timeout = 10000; {statements}")).unwrap();
        }
    }
}

/// Returns data with tables of this release, changed by statements.
fn with(statements: &str) -> Data {
    let data = Data::new();
    sonae(&data, &["tenant", "list"]).exits(0);
    sql(&data, statements);
    data
}

/// The result of a command.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn sonae(data: &Data, arguments: &[&str]) -> Said {
    let done = command(data, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

impl Said {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// Returns the answer of /readyz.
fn ready(process: &Process) -> (u16, String) {
    let mut answer = agent().get(format!("http://{}/readyz", process.admin_address())).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn migrate_runs_what_is_pending_and_says_what_it_did() {
    let data = with(OLDER);
    let said = sonae(&data, &["migrate"]).exits(0);
    assert!(said.out.contains(PENDING) && said.out.contains("can continue to run"), "{said:?}");
    assert!(said.out.ends_with("the tables are up to date\n"), "{said:?}");
    assert_eq!(sonae(&data, &["migrate"]).exits(0).out, "the tables are up to date\n");
}

#[test]
fn migrate_check_names_what_is_pending_and_changes_nothing() {
    let data = with(OLDER);
    for _ in 0..2 {
        let said = sonae(&data, &["migrate", "--check"]).exits(1);
        assert_eq!(said.out, format!("{PENDING}\n"));
        assert!(said.err.contains("`sonae migrate` runs them"), "{said:?}");
    }
    sonae(&data, &["migrate"]).exits(0);
    assert_eq!(sonae(&data, &["migrate", "--check"]).exits(0).out, "the tables are up to date\n");
}

#[test]
fn a_command_that_migrates_says_so_beside_what_it_prints() {
    let data = with(OLDER);
    let said = sonae(&data, &["tenant", "list"]).exits(0);
    assert!(said.err.contains(PENDING) && said.err.contains("can continue to run"), "{said:?}");
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    assert_eq!(sonae(&data, &["tenant", "list"]).exits(0).err, "");
}

#[test]
fn a_service_that_migrates_says_so_in_its_log() {
    let data = with(OLDER);
    let log = Process::start(&data, &[]).log();
    assert!(log.contains(PENDING) && log.contains("the migrations have run"), "{log}");
}

#[test]
fn with_no_migrate_pending_migrations_refuse_every_command() {
    let data = with(OLDER);
    for arguments in [&["serve", "--no-migrate"][..], &["tenant", "list", "--no-migrate"]] {
        let said = sonae(&data, arguments).exits(1);
        assert!(said.err.contains(PENDING) && said.err.contains("run `sonae migrate`"), "{said:?}");
    }
    let mut listed = command(&data, &["tenant", "list"]);
    assert_eq!(listed.env("SONAE_NO_MIGRATE", "true").output().unwrap().status.code(), Some(1));
    sonae(&data, &["migrate", "--no-migrate"]).exits(0);
    Process::start(&data, &["--no-migrate"]);
}

#[test]
fn what_only_looks_makes_no_tables_in_an_empty_database() {
    let data = Data::new();
    let said = sonae(&data, &["serve", "--no-migrate"]).exits(1);
    assert!(said.err.contains("create_tables"), "{said:?}");
    let said = sonae(&data, &["migrate", "--check"]);
    match data.url() {
        Some(url) => {
            let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
            assert_eq!(Sql::open(&url).unwrap().text(tables).unwrap(), "0");
            assert!(said.code == Some(1) && said.out.contains("create_tables"), "{said:?}");
        }
        None => {
            assert!(!data.path().join("sonae.db").exists());
            // A folder without a service was named by mistake.
            assert_eq!(said.code, Some(2), "{said:?}");
        }
    }
}

#[test]
fn tables_of_a_newer_release_are_refused_by_every_command() {
    let data = with(NEWER);
    for arguments in [&["serve"][..], &["tenant", "list"], &["token", "list", "--no-migrate"], &["migrate"]] {
        let said = sonae(&data, arguments).exits(1);
        assert!(said.err.contains("newer release") && said.err.contains("29990101000000"), "{said:?}");
    }
    let said = sonae(&data, &["migrate", "--check"]).exits(3);
    assert!(said.err.contains("29990101000000"), "{said:?}");
}

#[test]
fn tables_of_a_newer_release_that_leaves_older_ones_running_are_used() {
    let data = with(&format!("{COMPATIBLE}; {NEWER}"));
    let said = sonae(&data, &["tenant", "list"]).exits(0);
    assert!(said.err.contains("in ways that this one can work with"), "{said:?}");
    sonae(&data, &["migrate", "--check"]).exits(0);
    assert_eq!(ready(&Process::start(&data, &["--no-migrate"])), (200, "ok\n".to_owned()));
}

#[test]
fn a_process_is_not_ready_while_the_tables_are_those_of_another_release() {
    let data = Data::new();
    let process = Process::start(&data, &[]);
    assert_eq!(ready(&process), (200, "ok\n".to_owned()));
    sql(&data, NEWER);
    let (status, said) = ready(&process);
    assert!(status == 503 && said.contains("29990101000000") && said.contains("newer release"), "{said}");
    sql(&data, COMPATIBLE);
    assert_eq!(ready(&process), (200, "ok\n".to_owned()));
    // This is as after an older backup has been restored under it.
    sql(&data, OLDER);
    sql(&data, "DELETE FROM __diesel_schema_migrations WHERE version = '29990101000000'");
    let (status, said) = ready(&process);
    assert!(status == 503 && said.contains(PENDING), "{said}");
}

#[test]
fn a_process_leaves_jobs_to_others_while_the_tables_are_those_of_another_release() {
    let data = Data::new();
    let process = Process::start(&data, &["--rescore-after-seconds", "86400"]);
    let client = process.client(&admin_token(&data, "default"));
    sql(&data, NEWER);
    let headers = [("content-type", "text/csv")];
    let import = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(b"supplier_code\nA\n"));
    assert_eq!(import.status, 202, "{import:?}");
    let start = Instant::now();
    while !process.log().contains("newer release") {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", process.log());
        std::thread::yield_now();
    }
    let job = client.get(&format!("/v1/jobs/{}", id(&import.json))).json;
    assert_eq!((&job["state"], job["attempt_count"].as_u64()), (&"queued".into(), Some(0)), "{job}");
    sql(&data, COMPATIBLE);
    let job = client.ended(id(&import.json));
    assert_eq!((&job["state"], job["attempt_count"].as_u64()), (&"succeeded".into(), Some(1)), "{job}");
}

#[test]
fn what_is_wrong_with_the_tables_is_said_in_japanese_too() {
    let data = with(NEWER);
    let said = sonae(&data, &["tenant", "list", "--lang", "ja"]).exits(1);
    assert!(said.err.contains("29990101000000 に対応していません"), "{said:?}");
    let data = with(OLDER);
    let said = sonae(&data, &["migrate", "--check", "--lang", "ja"]).exits(1);
    assert!(said.err.contains("未適用のマイグレーションが1件あります"), "{said:?}");
}

#[test]
fn tables_from_before_the_first_release_are_refused_with_what_to_do() {
    let earlier = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20261122000000')";
    let data = with(earlier);
    for arguments in [&["serve"][..], &["tenant", "list"], &["token", "list", "--no-migrate"], &["migrate"]] {
        let said = sonae(&data, arguments).exits(1);
        assert!(said.err.contains("before the first release") && said.err.contains("name an empty folder"), "{said:?}");
    }
    sonae(&data, &["migrate", "--check"]).exits(3);
    let said = sonae(&data, &["tenant", "list", "--lang", "ja"]).exits(1);
    assert!(said.err.contains("最初のリリースより前のビルド"), "{said:?}");
}
