//! Releases side by side: a newer one changes the tables under processes that keep running.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::sql::Sql;

use crate::gate::{Gate, Over, within};
use crate::support::{Client, Data, Process, admin_token, agent, command, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

/// What the next release adds: a column, and a table with rows of buyers.
const NEXT: &str = "29990101000000";
fn next_migration(database: &str) -> String {
    format!(
        "SET lock_timeout = 800; BEGIN; \
         ALTER TABLE supplier_versions ADD COLUMN next_note TEXT COLLATE \"C\"; \
         CREATE TABLE next_facts (tenant_id UUID NOT NULL REFERENCES tenants (id), fact TEXT COLLATE \"C\"); \
         ALTER TABLE next_facts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
         CREATE POLICY own_rows ON next_facts \
         USING (tenant_id OPERATOR(pg_catalog.=) NULLIF(current_setting('sonae.tenant_id', true), '')::pg_catalog.uuid); \
         GRANT SELECT, INSERT, UPDATE, DELETE ON next_facts TO {database}_tenant; \
         INSERT INTO compatible_migrations (version) VALUES ('{NEXT}'); \
         INSERT INTO __diesel_schema_migrations (version) VALUES ('{NEXT}'); COMMIT"
    )
}

/// Returns the answer of /readyz.
fn ready(process: &Process) -> (u16, String) {
    let mut answer = agent().get(format!("http://{}/readyz", process.admin_address())).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Runs a command. Returns its exit code and its standard error.
fn sonae(data: &Data, arguments: &[&str]) -> (Option<i32>, String) {
    let done = command(data, arguments).output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

/// The processes to which requests go, as a proxy in front of them knows them.
struct Proxy {
    ready: RwLock<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Proxy {
    fn new(processes: &[&Process]) -> Self {
        let ready = processes.iter().map(|process| process.address).collect();
        Self { ready: RwLock::new(ready), turn: AtomicUsize::new(0) }
    }

    /// Sends something to the next process in turn.
    fn pass<T>(&self, client: &Client, send: impl FnOnce(&Client) -> T) -> T {
        // No process is removed while a request is under way.
        let ready = self.ready.read().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        send(&Client { address: ready[turn % ready.len()], ..client.clone() })
    }

    /// Replaces a process with a new one, while the others serve.
    fn restart(&self, data: &Data, old: &mut Process) {
        self.ready.write().unwrap().retain(|address| *address != old.address);
        assert_eq!(old.end("TERM"), Some(0));
        *old = Process::start(data, &QUIET);
        self.ready.write().unwrap().push(old.address);
    }

    /// Adds suppliers and reads them until `is_over`. Returns how many were added.
    fn load(&self, client: &Client, name: &str, is_over: &AtomicBool, tell: &mpsc::Sender<()>) -> usize {
        let mut count = 0;
        while !is_over.load(Ordering::Relaxed) {
            let body = json!({ "supplier_code": format!("{name}{count}") });
            let made = self.pass(client, |client| client.post("/v1/suppliers", &body));
            assert_eq!(made.status, 201, "{made:?}");
            count += 1;
            let path = format!("/v1/suppliers/{}", id(&made.json));
            let read = self.pass(client, |client| client.get(&path));
            assert_eq!(read.status, 200, "{read:?}");
            // The receiver may have seen enough.
            let _ = tell.send(());
        }
        count
    }
}

#[test]
fn processes_go_on_and_can_be_started_again_while_a_newer_release_changes_the_tables() {
    let data = Data::new();
    let mut processes = [Process::start(&data, &QUIET), Process::start(&data, &QUIET)];
    let importing = processes[0].client(&admin_token(&data, "default"));
    assert!(command(&data, &["tenant", "create", "busy"]).output().unwrap().status.success());
    let client = processes[0].client(&admin_token(&data, "busy"));
    let proxy = Proxy::new(&[&processes[0], &processes[1]]);
    let (is_over, (tell, told)) = (AtomicBool::new(false), mpsc::channel());
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let database = sql.text("SELECT current_database()").unwrap();
    let some_requests = || (0..20).for_each(|_| told.recv_timeout(Duration::from_secs(60)).unwrap());

    thread::scope(|scope| {
        let over = Over(&is_over);
        let load: Vec<_> = ["L", "M"]
            .into_iter()
            .map(|name| {
                let (proxy, client, is_over, tell) = (&proxy, &client, &is_over, tell.clone());
                scope.spawn(move || proxy.load(client, name, is_over, &tell))
            })
            .collect();
        some_requests();
        // An import uses the table for as long as it takes.
        let mut gate = Gate::close(&data, "supplier_versions", "NEW.supplier_code = 'S2000'");
        let rows: String = (0..5_000).map(|row| format!("S{row}\n")).collect();
        let file = format!("supplier_code\n{rows}");
        let headers = [("content-type", "text/csv")];
        let import = importing.send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
        gate.wait_for_one();
        let refused = sql.run(&next_migration(&database)).unwrap_err().to_string();
        assert!(refused.contains("lock timeout"), "{refused}");
        sql.run("ROLLBACK").unwrap();
        some_requests();
        gate.open();
        within(60, "the tables are changed", || {
            let is_done = sql.run(&next_migration(&database)).is_ok();
            if !is_done {
                sql.run("ROLLBACK").unwrap();
            }
            is_done
        });
        some_requests();
        assert_eq!(importing.ended(id(&import.json))["state"], "succeeded");
        for process in &mut processes {
            assert_eq!(ready(process), (200, "ok\n".to_owned()));
            // Forward and back are the same here: the process is of the older release.
            proxy.restart(&data, process);
            let log = process.log();
            assert!(log.contains("a newer release has changed the tables") && log.contains(NEXT), "{log}");
            assert_eq!(ready(process), (200, "ok\n".to_owned()));
            some_requests();
        }
        drop(over);
        let made: usize = load.into_iter().map(|load| load.join().unwrap()).sum();
        assert_eq!(processes[0].client(client.token.as_ref().unwrap()).count("/v1/suppliers"), made as u64);
    });
    // What the next release has added stays as it is.
    let policies = "SELECT count(*) FROM pg_policy WHERE polrelid = 'next_facts'::regclass";
    assert_eq!(sql.text(policies).unwrap(), "1");
    let (code, said) = sonae(&data, &["migrate", "--check"]);
    assert!(code == Some(0) && said.contains("in ways that this one can work with"), "{said}");
}

#[test]
fn row_level_security_that_a_newer_release_has_changed_is_left_to_it() {
    let data = Data::new();
    assert_eq!(sonae(&data, &["migrate"]), (Some(0), String::new()));
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let database = sql.text("SELECT current_database()").unwrap();
    sql.run(&next_migration(&database)).unwrap();
    sql.run("ALTER TABLE suppliers NO FORCE ROW LEVEL SECURITY").unwrap();

    let (code, said) = sonae(&data, &["tenant", "list"]);
    assert!(code == Some(1) && said.contains("row-level security is incomplete"), "{said}");
    let forced = "SELECT relforcerowsecurity FROM pg_class WHERE relname = 'suppliers'";
    assert_eq!(sql.text(forced).unwrap(), "false");
}

#[test]
fn a_migration_waits_for_a_long_transaction_and_lets_others_pass() {
    let data = Data::new();
    assert_eq!(sonae(&data, &["migrate"]), (Some(0), String::new()));
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    sql.run("ALTER TABLE suppliers NO FORCE ROW LEVEL SECURITY").unwrap();
    sql.run("BEGIN; SELECT count(*) FROM suppliers").unwrap();
    let mut migrating = command(&data, &["migrate"]);
    let migrating = migrating.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut other = Sql::open(&data.url().unwrap()).unwrap();
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'suppliers'::regclass AND NOT granted)";
    within(30, "it waits for the table", || other.text(waits).unwrap() == "true");

    let start = Instant::now();
    other.run("SELECT count(*) FROM suppliers").unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    sql.run("COMMIT").unwrap();
    let done = migrating.wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && said.contains("waiting for it") && said.contains("has been completed"), "{said}");
}

#[test]
fn processes_that_start_at_once_over_older_tables_migrate_once() {
    let data = Data::new();
    assert_eq!(sonae(&data, &["migrate"]), (Some(0), String::new()));
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    older(&mut sql);
    let outcomes: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = (0..4).map(|_| scope.spawn(|| sonae(&data, &["tenant", "list"]))).collect();
        started.into_iter().map(|started| started.join().unwrap()).collect()
    });
    assert!(outcomes.iter().all(|(code, _)| *code == Some(0)), "{outcomes:?}");
    let migrated = outcomes.iter().filter(|(_, said)| said.contains("list_compatible_migrations")).count();
    assert_eq!(migrated, 1, "{outcomes:?}");
}

/// Takes the tables back to the state before a migration.
fn older(sql: &mut Sql) {
    sql.run(
        "DROP TABLE compatible_migrations; \
         DELETE FROM __diesel_schema_migrations WHERE version = '20261129010000'",
    )
    .unwrap();
}
