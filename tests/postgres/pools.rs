//! Poolers between the service and its server, and servers with too few connections.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use tests::cluster::{Cluster, Pooler};
use tests::sql::Sql;

use crate::gate::{Over, within};
use crate::support::{Answer, Client, Data, Process, admin_token, command};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

/// Starts a PgBouncer in front of a server. Prints a note if it is not installed.
fn pooler(cluster: &Cluster, mode: &str, settings: &[&str]) -> Option<Pooler> {
    let pooler = Pooler::start(cluster, mode, settings).unwrap();
    if pooler.is_none() {
        eprintln!("not tried: PgBouncer is not installed (on Debian: apt-get install pgbouncer)");
    }
    pooler
}

/// Two services, and the pooler in session mode between them and their server. The fields are in the order in which
/// they must be dropped.
struct Pooled {
    services: [Process; 2],
    pooler: Pooler,
    _data: Data,
    cluster: Cluster,
    token: String,
}

impl Pooled {
    /// Starts them. Returns `None` if PgBouncer is not installed.
    fn start() -> Option<Self> {
        let cluster = Cluster::start().unwrap();
        let data = Data::on(&cluster.url("postgres"));
        let pooler = pooler(&cluster, "session", &["default_pool_size = 30"])?;
        let url = pooler.url(&data.url().unwrap());
        let services = [service(&data, &url, &[]), service(&data, &url, &[])];
        let token = admin_token(&data, "default");
        Some(Self { services, pooler, _data: data, cluster, token })
    }
}

/// Starts the service with the URL of its database. Returns its exit code and its output.
fn served(data: &Data, url: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let done = command(data, &[&serve, arguments].concat()).env("DATABASE_URL", url).output().unwrap();
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

fn service(data: &Data, url: &str, arguments: &[&str]) -> Process {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut service = command(data, &[&serve, &QUIET[..], arguments].concat());
    service.env("DATABASE_URL", url);
    Process::spawn(service)
}

/// Writes and reads a supplier at a service. Returns the answers.
fn write_and_read(client: &Client, code: &str) -> [Answer; 2] {
    let made = client.post("/v1/suppliers", &json!({ "supplier_code": code, "name": code }));
    [made, client.get(&format!("/v1/suppliers/by-code?code={code}"))]
}

/// Returns what a server has logged as errors.
fn errors(cluster: &Cluster) -> Vec<String> {
    let log = fs::read_to_string(cluster.log()).unwrap();
    log.lines().filter(|line| line.contains("ERROR:") || line.contains("FATAL:")).map(str::to_owned).collect()
}

#[test]
fn a_pool_in_session_mode_serves_as_the_server_does() {
    let Some(pooled) = Pooled::start() else { return };
    let Pooled { services, token, .. } = &pooled;
    thread::scope(|scope| {
        for (place, service) in services.iter().cycle().take(8).enumerate() {
            let client = service.client(token);
            scope.spawn(move || {
                for round in 0..20 {
                    for answer in write_and_read(&client, &format!("S{place}-{round}")) {
                        assert!(answer.status < 300, "{answer:?}");
                    }
                }
            });
        }
    });
    let client = services[0].client(token);
    assert_eq!(client.import_csv("kind=suppliers&source=b", "supplier_code\nZ\n")["state"], "succeeded");
    assert_eq!(client.count("/v1/suppliers"), 161);
    assert_eq!(errors(&pooled.cluster), [""; 0]);
}

#[test]
fn a_pool_in_transaction_mode_is_refused_by_name_before_anything_runs() {
    let cluster = Cluster::start().unwrap();
    for (mode, settings) in [
        ("transaction", &[][..]),
        ("transaction", &["server_round_robin = 1"]),
        ("transaction", &["default_pool_size = 1"]),
        ("statement", &["server_round_robin = 1"]),
    ] {
        let Some(pooler) = pooler(&cluster, mode, settings) else { return };
        let data = Data::on(&cluster.url("postgres"));
        let url = pooler.url(&data.url().unwrap());
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let over = Over(&is_over);
            // Other clients use the pooler in the meantime, so that it has several sessions and gives them to anybody.
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut other = Sql::open(&url);
                    while !is_over.load(Ordering::Relaxed) {
                        match &mut other {
                            Ok(sql) => drop(sql.run("SELECT pg_sleep(0.002)")),
                            // The first statements of this connection went to two sessions.
                            Err(_) => other = Sql::open(&url),
                        }
                    }
                });
            }
            for _ in 0..3 {
                let (code, text) = served(&data, &url, &QUIET);
                assert!(code == Some(1) && text.contains("pool_mode=session"), "{mode} {settings:?}: {code:?} {text}");
                let listed = command(&data, &["tenant", "list"]).env("DATABASE_URL", &url).output().unwrap();
                let text = String::from_utf8(listed.stderr).unwrap();
                assert!(text.contains("pool_mode=session"), "{mode} {settings:?}: {text}");
            }
            drop(over);
        });
        let mut sql = Sql::open(&data.url().unwrap()).unwrap();
        let made = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(sql.text(made).unwrap(), "0", "{mode} {settings:?}");
    }
}

#[test]
fn a_pool_that_turns_to_transaction_mode_is_busy_until_it_turns_back() {
    let Some(pooled) = Pooled::start() else { return };
    let Pooled { pooler, services, token, .. } = &pooled;
    let clients = services.each_ref().map(|service| service.client(token));
    for client in &clients {
        assert_eq!(client.get("/v1/suppliers").status, 200);
    }
    pooler.turn_to("transaction").unwrap();
    let mut answers: Vec<Answer> = Vec::new();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|place| {
                let client = clients[place % 2].clone();
                scope.spawn(move || {
                    (0..10).flat_map(|round| write_and_read(&client, &format!("S{place}-{round}"))).collect::<Vec<_>>()
                })
            })
            .collect();
        answers = asking.into_iter().flat_map(|asking| asking.join().unwrap()).collect();
    });
    let busy = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(busy > 0, "{busy}");
    for answer in &answers {
        // A supplier whose creation was answered with busy is not found.
        assert!([200, 201, 404, 503].contains(&answer.status), "{answer:?}");
    }
    assert!(services.iter().any(|service| service.log().contains("pool_mode=session")));

    pooler.turn_to("session").unwrap();
    for (place, client) in clients.iter().enumerate() {
        within(30, "it serves again", || write_and_read(client, &format!("after-{place}"))[1].status == 200);
    }
    let made = answers.iter().filter(|answer| answer.status == 201).count() as u64;
    let kept = clients[0].count("/v1/suppliers");
    assert!(kept >= made + 2, "{made} were acknowledged, {kept} are there");
}

#[test]
fn a_replica_behind_a_pool_in_transaction_mode_is_refused_by_name() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let Some(pooler) = pooler(&cluster, "transaction", &[]) else { return };
    let url = data.url().unwrap();
    let (code, text) = served(&data, &url, &["--database-replica-url", &pooler.url(&url)]);
    assert!(code == Some(1) && text.contains("pool_mode=session"), "{code:?} {text}");
}

#[test]
fn fewer_connections_than_the_processes_may_open_make_requests_wait_and_not_fail() {
    let cluster = Cluster::with(&[("max_connections", "20")]).unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let url = data.url().unwrap();
    // Before the services may take all connections, because a command does not wait for one.
    let token = admin_token(&data, "default");
    let services = [(); 3].map(|()| service(&data, &url, &["--database-connections", "8"]));
    assert!(!services[1].log().contains("WARN"), "{}", services[1].log());
    let log = services[2].log();
    assert!(log.contains("may open 24 connections, and it allows 17 (max_connections"), "{log}");
    thread::scope(|scope| {
        for (place, service) in services.iter().cycle().take(24).enumerate() {
            let client = service.client(&token);
            scope.spawn(move || {
                for round in 0..15 {
                    for answer in write_and_read(&client, &format!("S{place}-{round}")) {
                        assert!(answer.status < 300, "{answer:?}");
                    }
                }
            });
        }
    });
    assert_eq!(services[0].client(&token).count("/v1/suppliers"), 360);
}

#[test]
fn a_command_that_finds_no_connection_says_what_to_do() {
    let cluster = Cluster::with(&[("max_connections", "10")]).unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let list = || command(&data, &["tenant", "list"]).output().unwrap();
    assert!(list().status.success());
    let mut held = Vec::new();
    while let Ok(sql) = Sql::open(&data.url().unwrap()) {
        held.push(sql);
    }
    let listed = list();
    let text = String::from_utf8(listed.stderr).unwrap();
    assert!(!listed.status.success() && text.contains("takes no more connections"), "{text}");
    assert!(text.contains("--database-connections") && text.contains("max_connections"), "{text}");
    drop(held);
    within(10, "a command finds one", || list().status.success());
}

#[test]
fn a_role_and_a_database_that_may_have_few_connections_are_named() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let url = data.url().unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    let log = |limit: &str| {
        let service = service(&data, &url, &["--database-connections", "9"]);
        let log = service.log();
        assert!(log.contains(limit), "{log}");
    };
    admin.run("ALTER ROLE sonae CONNECTION LIMIT 5").unwrap();
    log("may open 9 connections, and it allows 5 (CONNECTION LIMIT of the role sonae)");
    admin.run(&format!("ALTER DATABASE {database} CONNECTION LIMIT 4")).unwrap();
    log(&format!("may open 9 connections, and it allows 4 (CONNECTION LIMIT of the database {database})"));
}

#[test]
fn waiting_for_a_turn_leaves_no_error_in_the_log_of_the_server() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let url = data.url().unwrap();
    let services = [service(&data, &url, &[]), service(&data, &url, &[])];
    let token = admin_token(&data, "default");
    services[0].client(&token).supplier("first");
    let mut sql = Sql::open(&cluster.admin_url(url.rsplit('/').next().unwrap())).unwrap();
    sql.run("BEGIN; SELECT FROM tenant_writes FOR UPDATE").unwrap();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..12)
            .map(|place| {
                let client = services[place % 2].client(&token);
                scope.spawn(move || write_and_read(&client, &format!("S{place}")))
            })
            .collect();
        // As long as no row is written and each has asked again and again.
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sonae %' AND wait_event_type = 'Lock'";
        for _ in 0..100 {
            assert_eq!(sql.text(waits).unwrap(), "0", "nobody waits on the server");
            thread::sleep(Duration::from_millis(20));
        }
        sql.run("ROLLBACK").unwrap();
        for asking in asking {
            for answer in asking.join().unwrap() {
                assert!(answer.status < 300, "{answer:?}");
            }
        }
    });
    assert_eq!(errors(&cluster), [""; 0]);
}
