//! Servers that stop, lag or are held up: the service reports it, loses nothing, and recovers by itself.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::cluster::{Cluster, Stop};
use tests::sql::Sql;

use crate::gate::{Gate, Over, within};
use crate::support::{Answer, Client, Data, Process, admin_token, command, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];
/// The longest that an answer takes, with some time for a slow machine.
const LONGEST: Duration = Duration::from_secs(13);

/// Does something and measures its time.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}

#[track_caller]
fn is_busy(answer: &Answer) {
    answer.is_problem(503, "busy", &[]);
    assert_eq!(answer.header("retry-after"), Some("5"));
}

fn tenant_id(sql: &mut Sql, name: &str) -> String {
    let role = sql.text("SELECT quote_ident(current_database() || '_operator')").unwrap();
    sql.run(&format!("SET ROLE {role}")).unwrap();
    let found = sql.text(&format!("SELECT id FROM tenants WHERE name = '{name}'")).unwrap();
    sql.run("RESET ROLE").unwrap();
    found
}

/// Sends requests until `is_over`. Returns the codes of the suppliers that were acknowledged, and sends for each
/// whether it was.
fn keep_asking(client: &Client, name: &str, is_over: &AtomicBool, tell: &mpsc::Sender<bool>) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for count in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let code = format!("{name}-{count}");
        let (made, waited) = timed(|| client.post("/v1/suppliers", &json!({ "supplier_code": code, "name": code })));
        assert!(waited < LONGEST, "{waited:?}: {made:?}");
        let (read, waited) = timed(|| client.get("/v1/suppliers?limit=5"));
        assert!(waited < LONGEST, "{waited:?}: {read:?}");
        for answer in [&made, &read].into_iter().filter(|answer| answer.status >= 400) {
            is_busy(answer);
        }
        if made.status == 201 {
            acknowledged.push(code);
        }
        let _ = tell.send(made.status == 201 && read.status == 200);
    }
    acknowledged
}

fn a_server_stops_under_load(how: Stop) {
    // What is acknowledged must be there after a crash too.
    let cluster = Cluster::with(&[("synchronous_commit", "on")]).unwrap();
    let data = Data::on(&cluster.url("postgres").replace("sonae@", "sonae:hush-hush@"));
    let service = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let client = service.client(&token);
    let mut gate = Gate::close(&data, "supplier_versions", "NEW.supplier_code = 'B'");
    let file = "supplier_code\nA\nB\n";
    let headers = [("content-type", "text/csv")];
    let sent = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    assert_eq!(sent.status, 202, "{sent:?}");
    gate.wait_for_one();
    assert!(command(&data, &["tenant", "create", "other"]).output().unwrap().status.success());
    // The import holds its buyer's writer.
    let other = service.client(&admin_token(&data, "other"));

    let is_over = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    let acknowledged = thread::scope(|scope| {
        let over = Over(&is_over);
        let asking: Vec<_> = ["X", "Y", "Z"]
            .into_iter()
            .map(|name| {
                let (client, tell, is_over) = (&other, tell.clone(), &is_over);
                scope.spawn(move || keep_asking(client, name, is_over, &tell))
            })
            .collect();
        let wait_for = |count, wanted| {
            let start = Instant::now();
            let mut seen = 0;
            while seen < count {
                seen += usize::from(told.recv_timeout(LONGEST * 2).unwrap() == wanted);
                assert!(start.elapsed() < Duration::from_secs(40), "{wanted} only {seen} times");
            }
            start.elapsed()
        };
        wait_for(30, true);
        cluster.stop(how).unwrap();
        wait_for(12, false);
        cluster.start_again().unwrap();
        let again = wait_for(30, true);
        assert!(again < Duration::from_secs(15), "{again:?}");
        drop(over);
        asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect::<Vec<_>>()
    });

    for code in &acknowledged {
        assert_eq!(other.get(&format!("/v1/suppliers/by-code?code={code}")).status, 200, "{code}");
    }
    let job = client.ended(id(&sent.json));
    assert_eq!((&job["state"], &job["attempt_count"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!(job["result"]["created"], json!(2), "{job}");
    let log = service.log();
    assert!(!log.contains("hush") && !log.contains("status=500"), "{log}");
}

#[test]
fn a_server_that_is_stopped_under_load_and_started_again_has_all_that_was_acknowledged() {
    a_server_stops_under_load(Stop::Fast);
}

#[test]
fn a_server_that_crashes_under_load_and_is_started_again_has_all_that_was_acknowledged() {
    a_server_stops_under_load(Stop::Immediate);
}

#[test]
fn requests_beyond_the_connections_are_told_so_in_time() {
    let data = Data::new();
    let service = Process::start(&data, &[&QUIET[..], &["--database-connections", "2"]].concat());
    let client = service.client(&admin_token(&data, "default"));
    client.supplier("A");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    sql.run("BEGIN; LOCK TABLE supplier_versions IN ACCESS EXCLUSIVE MODE").unwrap();
    thread::scope(|scope| {
        let ask = || scope.spawn(|| timed(|| client.get("/v1/suppliers")));
        let held_up = [ask(), ask()];
        let mut other = Sql::open(&data.url().unwrap()).unwrap();
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'supplier_versions'::regclass";
        within(10, "both connections are held up", || other.text(waiting).unwrap() == "2");
        for asking in [ask(), ask(), ask()] {
            let (answer, waited) = asking.join().unwrap();
            is_busy(&answer);
            assert!(waited < Duration::from_secs(8), "{waited:?}");
        }
        for asking in held_up {
            let (answer, waited) = asking.join().unwrap();
            is_busy(&answer);
            assert!(waited < LONGEST, "{waited:?}");
        }
    });
    sql.run("ROLLBACK").unwrap();
    assert_eq!(client.count("/v1/suppliers"), 1);
    assert_eq!(client.import_csv("kind=suppliers", "supplier_code\nB\n")["state"], "succeeded");
}

#[test]
fn a_statement_that_takes_too_long_is_given_up() {
    let data = Data::new();
    let service = Process::start(&data, &[&QUIET[..], &["--database-statement-seconds", "1"]].concat());
    let client = service.client(&admin_token(&data, "default"));
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    sql.run("BEGIN; LOCK TABLE supplier_versions IN ACCESS EXCLUSIVE MODE").unwrap();
    let body = json!({ "supplier_code": "A", "name": "A" });
    let requests: [&dyn Fn() -> Answer; 2] = [&|| client.get("/v1/suppliers"), &|| client.post("/v1/suppliers", &body)];
    for request in requests {
        let (answer, waited) = timed(request);
        is_busy(&answer);
        assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(5), "{waited:?}");
    }
    sql.run("ROLLBACK").unwrap();
    assert_eq!(client.count("/v1/suppliers"), 0);
}

/// Takes the writer of a buyer until the transaction ends.
fn hold_turn(sql: &mut Sql, tenant: &str) {
    let tenant = tenant_id(sql, tenant);
    sql.run(&format!(
        "BEGIN; SET LOCAL sonae.tenant_id = '{tenant}'; SELECT FROM tenant_writes WHERE role = 'writer' FOR UPDATE"
    ))
    .unwrap();
}

/// Waits until a writer has asked for its turn in vain.
fn await_turn_asked_for(data: &Data) {
    let mut watch = Sql::open(&data.url().unwrap()).unwrap();
    // It asks again and again, each time in a transaction that is too short to be seen.
    let asked = "SELECT sum(xact_rollback) FROM pg_stat_database WHERE datname = current_database()";
    let before = watch.text(asked).unwrap();
    within(5, "it waits", || watch.text(asked).unwrap() != before);
}

#[test]
fn a_writer_that_waits_too_long_for_another_of_its_buyer_is_told_so_and_no_other_buyer_waits() {
    let data = Data::new();
    let service = Process::start(&data, &QUIET);
    assert!(command(&data, &["tenant", "create", "other"]).output().unwrap().status.success());
    let [client, other] = ["default", "other"].map(|tenant| service.client(&admin_token(&data, tenant)));
    client.supplier("A");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    hold_turn(&mut sql, "default");
    thread::scope(|scope| {
        let held_up =
            scope.spawn(|| timed(|| client.post("/v1/suppliers", &json!({ "supplier_code": "B", "name": "B" }))));
        await_turn_asked_for(&data);
        let (_, waited) = timed(|| {
            other.supplier("A");
            assert_eq!(client.count("/v1/suppliers"), 1);
        });
        assert!(waited < Duration::from_secs(3) && !held_up.is_finished(), "{waited:?}");
        let (answer, waited) = held_up.join().unwrap();
        is_busy(&answer);
        assert!(waited > Duration::from_secs(9) && waited < LONGEST, "{waited:?}");
    });
    sql.run("ROLLBACK").unwrap();
    client.supplier("B");
}

#[test]
fn a_change_is_recorded_as_of_its_turn_and_not_as_of_when_it_was_asked_for() {
    let data = Data::new();
    let service = Process::start(&data, &QUIET);
    let client = service.client(&admin_token(&data, "default"));
    client.supplier("A");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    hold_turn(&mut sql, "default");
    let (recorded, ended) = thread::scope(|scope| {
        let held_up = scope.spawn(|| client.post("/v1/suppliers", &json!({ "supplier_code": "B", "name": "B" })));
        await_turn_asked_for(&data);
        let format = r#"'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'"#;
        let ended = sql.text(&format!("SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', {format})")).unwrap();
        sql.run("COMMIT").unwrap();
        (held_up.join().unwrap(), ended)
    });
    assert_eq!(recorded.status, 201, "{recorded:?}");
    let at = recorded.json["recorded_at"].as_str().unwrap();
    assert!(at >= ended.as_str(), "recorded at {at}, and the writer before ended after {ended}");
}

/// Returns how often rows of suppliers were looked for on a server.
fn scan_count(sql: &mut Sql) -> u64 {
    let scans = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'supplier_versions'";
    sql.text(scans).unwrap().parse().unwrap()
}

/// A server with a buyer's data, and its replica. The fields are in the order in which they must be dropped.
struct Replicated {
    replica: Cluster,
    data: Data,
    primary: Cluster,
    token: String,
    database: String,
}

impl Replicated {
    fn start() -> Self {
        let primary = Cluster::start().unwrap();
        let data = Data::on(&primary.url("postgres"));
        let token = admin_token(&data, "default");
        let replica = Cluster::replica_of(&primary).unwrap();
        let database = data.url().unwrap().rsplit('/').next().unwrap().to_owned();
        Self { replica, data, primary, token, database }
    }

    /// Starts a service that reads from the replica.
    fn service(&self, arguments: &[&str]) -> Process {
        let replica_url = self.replica.url(&self.database);
        Process::start(&self.data, &[&QUIET[..], &["--database-replica-url", &replica_url], arguments].concat())
    }

    fn replica_admin(&self) -> Sql {
        Sql::open(&self.replica.admin_url(&self.database)).unwrap()
    }
}

/// Waits until reads of a client reach the server behind `admin`.
fn reads_reach(admin: &mut Sql, client: &Client) {
    let before = scan_count(admin);
    within(30, "the replica is read", || {
        assert_eq!(client.get("/v1/suppliers").status, 200);
        scan_count(admin) >= before + 5
    });
}

#[test]
fn a_replica_serves_what_it_has_and_is_never_missed() {
    let servers = Replicated::start();
    let Replicated { data, token, replica, .. } = &servers;
    let services = [servers.service(&[]), servers.service(&[])];
    let [first, second] = services.each_ref().map(|service| service.client(token));
    let written_and_read = |name: &str| {
        for (place, (writer, reader)) in [(&first, &first), (&first, &second), (&second, &first)].iter().enumerate() {
            let (made, waited) = timed(|| writer.supplier(&format!("{name}{place}")));
            assert!(waited < Duration::from_secs(3), "{waited:?}");
            let (read, waited) = timed(|| reader.get(&format!("/v1/suppliers/{}", id(&made))));
            assert!(read.status == 200 && waited < Duration::from_secs(3), "{waited:?}: {read:?}");
        }
    };

    // The replica lags.
    let mut admin = servers.replica_admin();
    admin.run("SELECT pg_wal_replay_pause()").unwrap();
    within(10, "paused", || admin.text("SELECT pg_get_wal_replay_pause_state()").unwrap() == "paused");
    // Rows of the installation are written before any of this buyer, which would send reads to the primary too.
    let services_file = data.path().join("services.csv");
    fs::write(&services_file, "provider_name,service_name,service_class\n事業者,見守り,class_1\n").unwrap();
    let imported = command(data, &["service", "import", services_file.to_str().unwrap()]).output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(second.get("/v1/services").json["items"].as_array().unwrap().len(), 1);
    assert!(command(data, &["tenant", "suspend", "default"]).output().unwrap().status.success());
    for client in [&first, &second] {
        within(5, "it is refused", || client.get("/v1/settings").status == 401);
    }
    assert!(command(data, &["tenant", "resume", "default"]).output().unwrap().status.success());
    assert_eq!(first.get("/v1/settings").status, 200);
    written_and_read("lagging");
    assert_eq!(admin.text("SELECT count(*) FROM supplier_versions").unwrap(), "0");
    let import = first.import_csv("kind=suppliers&source=b", "supplier_code\nZ\n");
    assert_eq!(second.get(&format!("/v1/jobs/{}", id(&import))).json["state"], "succeeded");
    let made = command(data, &["token", "create", "--name", "leaver", "--role", "admin"]).output().unwrap();
    let leaver = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let [old_first, old_second] = services.each_ref().map(|service| service.client(&leaver));
    assert_eq!(old_first.get("/v1/settings").status, 200);
    assert!(command(data, &["token", "revoke", "leaver"]).output().unwrap().status.success());
    for client in [&old_first, &old_second] {
        within(5, "it is refused", || client.get("/v1/settings").status == 401);
    }
    assert_eq!(first.get("/v1/settings").status, 200);
    // The replica has caught up.
    admin.run("SELECT pg_wal_replay_resume()").unwrap();
    reads_reach(&mut admin, &first);

    // The replica is gone, and comes back.
    drop(admin);
    replica.stop(Stop::Immediate).unwrap();
    for round in 0..5 {
        written_and_read(&format!("without{round}"));
    }
    replica.start_again().unwrap();
    reads_reach(&mut servers.replica_admin(), &first);
}

/// Stops processes of a server, as if the machine were paused, and lets them go on at the end.
pub(crate) struct Paused(Vec<String>);

impl Paused {
    pub(crate) fn new(pids: Vec<String>) -> Self {
        assert!(!pids.is_empty());
        Self::signal("STOP", &pids);
        Self(pids)
    }

    fn signal(name: &str, pids: &[String]) {
        assert!(std::process::Command::new("kill").arg(format!("-{name}")).args(pids).status().unwrap().success());
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        Self::signal("CONT", &self.0);
    }
}

/// The sessions of Sonae on a server.
const SESSIONS: &str = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sonae %'";

#[test]
fn a_replica_that_hangs_is_passed_over_and_holds_nothing_of_the_primary() {
    let servers = Replicated::start();
    let Replicated { primary, replica, database, .. } = &servers;
    // Enough, although some are lost to the replica while it hangs.
    let service = servers.service(&["--database-connections", "24"]);
    let client = service.client(&servers.token);
    client.supplier("A");
    let mut admin = servers.replica_admin();
    reads_reach(&mut admin, &client);

    let everything = || {
        let pid = fs::read_to_string(replica.data().join("postmaster.pid")).unwrap();
        let postmaster = pid.lines().next().unwrap().to_owned();
        // The session that asks is about to end.
        let children = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
        let children = servers.replica_admin().texts(children);
        [vec![postmaster], children.unwrap()].concat()
    };
    let sessions = || servers.replica_admin().texts(SESSIONS).unwrap();
    // More than are in use when it stops, so that a request takes one afterwards and gets no answer from it.
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&is_over);
        for _ in 0..12 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    client.get("/v1/suppliers");
                }
            });
        }
        within(30, "it has sessions enough", || sessions().len() >= 8);
    });
    let pauses: [&dyn Fn() -> Vec<String>; 2] = [&sessions, &everything];
    for (round, pids) in pauses.iter().enumerate() {
        let before = service.log().matches("the replica does not answer").count();
        let is_over = AtomicBool::new(false);
        let (answered, paused) = thread::scope(|scope| {
            let over = Over(&is_over);
            // Some are reading when it stops. They notice it, and no later request does.
            let reading: Vec<_> = (0..6)
                .map(|_| {
                    scope.spawn(|| {
                        let mut answers = Vec::new();
                        while !is_over.load(Ordering::Relaxed) {
                            answers.push(timed(|| client.get("/v1/suppliers")));
                        }
                        answers
                    })
                })
                .collect();
            let paused = Paused::new(pids());
            let (_, waited) = timed(|| client.supplier(&format!("B{round}")));
            assert!(waited < Duration::from_secs(3), "{waited:?}");
            within(10, "it is passed over", || {
                client.get("/v1/suppliers");
                service.log().matches("the replica does not answer").count() > before
            });
            // No request waits for it any more, and those that did have their answers.
            for _ in 0..20 {
                let (answer, waited) = timed(|| client.get("/v1/suppliers"));
                assert!(answer.status == 200 && waited < Duration::from_secs(3), "{waited:?}: {answer:?}");
            }
            assert_eq!(ready(&service), 200);
            drop(over);
            (reading.into_iter().flat_map(|reading| reading.join().unwrap()).collect::<Vec<_>>(), paused)
        });
        let busy = answered.iter().filter(|(answer, _)| answer.status != 200).count();
        for (answer, waited) in &answered {
            assert!(*waited < Duration::from_secs(8), "{waited:?}");
            if answer.status != 200 {
                is_busy(answer);
            }
        }
        assert!(busy <= 6, "{busy} of {}", answered.len());
        let held = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = '{database}' \
                            AND state_change < now() - interval '1 second'"
        );
        assert_eq!(Sql::open(&primary.admin_url(database)).unwrap().text(&held).unwrap(), "0");
        if round == 0 {
            // Its other sessions answer, and new ones can be made.
            reads_reach(&mut admin, &client);
        }
        drop(paused);
        reads_reach(&mut admin, &client);
    }
}

/// Returns the status with which the service reports whether it can serve.
fn ready(service: &Process) -> u16 {
    let url = format!("http://{}/readyz", service.admin_address());
    crate::support::agent().get(&url).call().unwrap().status().as_u16()
}

#[test]
fn a_primary_that_hangs_is_not_waited_for_without_end() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let arguments = [&QUIET[..], &["--database-statement-seconds", "1", "--database-connections", "4"]].concat();
    let service = Process::start(&data, &arguments);
    let client = service.client(&admin_token(&data, "default"));
    client.supplier("A");
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    let paused = Paused::new(admin.texts(SESSIONS).unwrap());
    // Requests that wait for an answer, and requests that find no free connection.
    thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| timed(|| client.get("/v1/suppliers")))).collect();
        for asking in asking {
            let (answer, waited) = asking.join().unwrap();
            assert!(waited < Duration::from_secs(20), "{waited:?}");
            if answer.status != 200 {
                is_busy(&answer);
            }
        }
    });
    drop(paused);
    within(20, "it serves again", || client.get("/v1/suppliers").status == 200);
    client.supplier("B");
    assert_eq!(client.count("/v1/suppliers"), 2);
}

#[test]
fn a_process_whose_connections_all_hang_ends_to_be_started_again_where_new_ones_work() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let arguments = [&QUIET[..], &["--database-statement-seconds", "1", "--database-connections", "4"]].concat();
    let mut service = Process::start(&data, &arguments);
    let client = service.client(&admin_token(&data, "default"));
    client.supplier("A");
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    let (is_over, mut paused) = (AtomicBool::new(false), None);
    thread::scope(|scope| {
        let over = Over(&is_over);
        for _ in 0..8 {
            scope.spawn(|| {
                let start = Instant::now();
                while !is_over.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(120) {
                    // Also a service that no longer answers.
                    let url = format!("http://{}/v1/suppliers", client.address);
                    let bearer = format!("Bearer {}", client.token.as_ref().unwrap());
                    let _ = crate::support::agent().get(&url).header("authorization", &bearer).call();
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
        within(30, "all connections are there", || admin.texts(SESSIONS).unwrap().len() == 4);
        paused = Some(Paused::new(admin.texts(SESSIONS).unwrap()));
        let away = || {
            let shown = crate::scrape::scrape(service.admin_address());
            shown.value("sonae_database_away", &[]) == 1.0
        };
        within(30, "it is shown as away", away);
        // A request takes 16 seconds at most with these settings.
        let (code, waited) = timed(|| service.wait());
        drop(over);
        assert!(code == Some(1) && waited < Duration::from_secs(60), "{code:?} {waited:?}");
    });
    assert!(service.log().contains("although new ones can be opened"), "{}", service.log());
    let again = Process::start(&data, &arguments);
    assert_eq!(again.client(client.token.as_ref().unwrap()).count("/v1/suppliers"), 1);
    drop(paused);
}

#[test]
fn a_database_that_cannot_be_used_is_named_without_its_password() {
    let cluster = Cluster::start().unwrap();
    Sql::open(&cluster.admin_url("postgres")).unwrap().run("CREATE ROLE locked LOGIN PASSWORD 'right'").unwrap();
    let rules = cluster.data().join("pg_hba.conf");
    let usual = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("host all locked 127.0.0.1/32 scram-sha-256\n{usual}")).unwrap();
    Sql::open(&cluster.admin_url("postgres")).unwrap().run("SELECT pg_reload_conf()").unwrap();
    let url = cluster.url("postgres").replace("sonae@", "sonae:hush-hush@");
    let data = Data::on(&url);
    let own = data.url().unwrap();
    let refused = |url: &str, arguments: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let done = command(&data, &[&serve, arguments].concat()).env("DATABASE_URL", url).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains("hush"), "{text}");
        (done.status.code(), text)
    };
    let nobody = own.replace(own.rsplit(':').next().unwrap().split('/').next().unwrap(), "1");
    let plain = ["--allow-plaintext-db"];
    for (url, arguments, code, part) in [
        ("mysql://sonae:hush-hush@localhost/sonae", &[][..], 2, "must begin with postgres://"),
        ("sonae:hush-hush@localhost/sonae", &[], 2, "must begin with postgres://"),
        ("postgres://sonae:hush-hush@192.0.2.1/sonae", &[], 2, "--allow-plaintext-db"),
        (
            "postgres://sonae:hush-hush@192.0.2.1/sonae?connect_timeout=1",
            &plain,
            1,
            "192.0.2.1/sonae cannot be reached",
        ),
        (&nobody, &[], 1, "cannot be reached"),
        (&own.replace("sonae:", "nobody:"), &[], 1, "nobody"),
        (&own.replace("sonae:", "locked:"), &[], 1, "password authentication failed"),
        (&url.replace("/postgres", "/no_such"), &[], 1, "no_such"),
    ] {
        let (exit, text) = refused(url, arguments);
        assert!(exit == Some(code) && text.contains(part), "{url}: {exit:?} {text}");
    }
    #[cfg(not(feature = "postgres-tls"))]
    for mode in ["require", "verify-ca", "verify-full"] {
        let (exit, text) = refused(&format!("{own}?sslmode={mode}"), &[]);
        assert!(exit == Some(2) && text.contains("this build cannot encrypt"), "{exit:?} {text}");
    }
    let help = command(&data, &["serve", "--help"]).env("DATABASE_REPLICA_URL", &own).output().unwrap();
    assert!(help.status.success() && !String::from_utf8_lossy(&help.stdout).contains("hush"));
    let service = Process::start(&data, &QUIET);
    assert_eq!(service.client(&admin_token(&data, "default")).get("/v1/settings").status, 200);
    assert!(!service.log().contains("hush"));
}
