//! Several processes over one database: each job is done once, whatever happens to them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::cluster::Cluster;
use tests::sql::Sql;

use crate::failures::Paused;
use crate::gate::{Gate, within};
use crate::support::{App, Client, Data, Process, admin_token, command, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];
/// The lease: how long a process has a job to itself without renewing it.
const LEASE: Duration = Duration::from_secs(15);

/// Returns suppliers S0, S1, … as CSV.
fn suppliers(count: usize) -> String {
    let rows: String = (0..count).map(|row| format!("S{row}\n")).collect();
    format!("supplier_code\n{rows}")
}

/// Sends suppliers and returns the job.
fn send_suppliers(client: &Client, count: usize) -> String {
    let headers = [("content-type", "text/csv")];
    let answer = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(suppliers(count).as_bytes()));
    assert_eq!(answer.status, 202, "{answer:?}");
    id(&answer.json).to_owned()
}

fn make_tenant(data: &Data, name: &str) {
    assert!(command(data, &["tenant", "create", name]).output().unwrap().status.success());
}

fn job(client: &Client, id: &str) -> Value {
    let answer = client.get(&format!("/v1/jobs/{id}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json
}

/// How many suppliers an import has that is held up halfway: after the first of them, much is left to do.
const MANY: usize = 10_000;

/// Sends suppliers to a service and holds the import up in its transaction after 2,000. Returns the gate and the job.
fn half_an_import(data: &Data, client: &Client) -> (Gate, String) {
    let mut gate = Gate::close(data, "supplier_versions", "NEW.supplier_code = 'S2000'");
    let import = send_suppliers(client, MANY);
    gate.wait_for_one();
    (gate, import)
}

/// Asserts that such an import has succeeded in its second attempt, and that its suppliers exist once.
fn has_run_again(client: &Client, import: &str) {
    let job = client.ended(import);
    assert_eq!((&job["state"], &job["attempt_count"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!(job["result"]["created"], json!(MANY), "{job}");
    assert_eq!(client.count("/v1/suppliers"), MANY as u64);
}

#[test]
fn commands_that_start_at_once_over_an_empty_database_make_everything_once() {
    let data = Data::new();
    let started: Vec<_> = (0..6)
        .map(|place| {
            let name = format!("me {place}");
            let mut token = command(&data, &["token", "create", "--name", &name, "--role", "admin"]);
            token.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let tokens: Vec<_> = started
        .into_iter()
        .map(|command| {
            let done = command.wait_with_output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        })
        .collect();

    let listed = command(&data, &["tenant", "list"]).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap().matches("default").count(), 1);
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let run = sql.texts("SELECT version FROM __diesel_schema_migrations").unwrap();
    let once: std::collections::HashSet<_> = run.iter().collect();
    assert!(run.len() > 1 && once.len() == run.len(), "{run:?}");
    // One key has signed all tokens.
    let service = Process::start(&data, &QUIET);
    for token in tokens {
        assert_eq!(service.client(&token).get("/v1/settings").status, 200);
    }
}

#[test]
fn services_that_start_at_once_over_an_empty_database_both_serve() {
    let data = Data::new();
    let services = std::thread::scope(|scope| {
        let started: Vec<_> = (0..2).map(|_| scope.spawn(|| Process::start(&data, &QUIET))).collect();
        started.into_iter().map(|service| service.join().unwrap()).collect::<Vec<_>>()
    });
    let token = admin_token(&data, "default");
    for service in &services {
        assert_eq!(service.client(&token).get("/v1/suppliers").status, 200);
    }
}

#[test]
fn what_is_written_at_one_service_is_read_at_the_other() {
    let data = Data::new();
    let services = [Process::start(&data, &QUIET), Process::start(&data, &QUIET)];
    let token = admin_token(&data, "default");
    let [first, second] = [services[0].client(&token), services[1].client(&token)];
    for (place, (writer, reader)) in [(&first, &second), (&second, &first)].into_iter().cycle().take(20).enumerate() {
        let made = writer.supplier(&format!("A{place}"));
        let read = reader.get(&format!("/v1/suppliers/{}", id(&made)));
        assert_eq!((read.status, &read.json["supplier_code"]), (200, &made["supplier_code"]));
        // A change at one service must be known before a change at the other: the old version is refused.
        let change = json!({ "name": "改" });
        let changed = reader.change("PATCH", &format!("/v1/suppliers/{}", id(&made)), &read.etag(), &change);
        assert_eq!(changed.status, 200, "{changed:?}");
        let stale = writer.change("PATCH", &format!("/v1/suppliers/{}", id(&made)), &read.etag(), &change);
        stale.is_problem(412, "stale-version", &[]);
    }
}

#[test]
fn small_imports_of_several_buyers_run_once_each_wherever_they_are_sent() {
    let data = Data::new();
    let services = [Process::start(&data, &QUIET), Process::start(&data, &QUIET)];
    let tenants = ["east", "west", "north"];
    let tokens = tenants.map(|tenant| {
        make_tenant(&data, tenant);
        admin_token(&data, tenant)
    });
    let token = admin_token(&data, "default");
    // While one process is held up in an import, the other takes all jobs that come. Then both are free.
    let (mut gate, held_up) = half_an_import(&data, &services[0].client(&token));
    let mut imports = Vec::new();
    let mut send = |rounds: std::ops::Range<usize>| {
        for round in rounds {
            for token in &tokens {
                let client = services[round % 2].client(token);
                let file =
                    format!("supplier_code\n{}", (0..5).map(|row| format!("R{round}-{row}\n")).collect::<String>());
                let headers = [("content-type", "text/csv")];
                let path = format!("/v1/imports?kind=suppliers&source=r{round}");
                let answer = client.send("POST", &path, &headers, Some(file.as_bytes()));
                assert_eq!(answer.status, 202, "{answer:?}");
                imports.push((services[1 - round % 2].client(token), id(&answer.json).to_owned()));
            }
        }
        for (client, import) in &imports {
            client.ended(import);
        }
    };
    send(0..4);
    gate.open();
    send(4..12);
    assert_eq!(services[1].client(&token).ended(&held_up)["attempt_count"], 1);

    for (client, import) in &imports {
        let job = job(client, import);
        assert_eq!((&job["state"], &job["attempt_count"]), (&json!("succeeded"), &json!(1)), "{job}");
        assert_eq!(job["result"]["created"], json!(5), "{job}");
    }
    for token in &tokens {
        assert_eq!(services[0].client(token).count("/v1/suppliers"), 12 * 5);
    }
    let ran = |service: &Process, import: &str| {
        service.log().lines().filter(|line| line.contains(import) && line.contains("job ended")).count()
    };
    let ids = imports.iter().map(|(_, import)| import).chain([&held_up]);
    let counts: Vec<_> = ids.map(|import| services.each_ref().map(|service| ran(service, import))).collect();
    assert!(counts.iter().all(|count| matches!(count, [1, 0] | [0, 1])), "{counts:?}");
    assert!(counts.contains(&[1, 0]) && counts.contains(&[0, 1]), "{counts:?}");
}

#[test]
fn an_import_whose_process_is_killed_is_taken_over_when_its_lease_ends() {
    let data = Data::new();
    let mut first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let second = Process::start(&data, &QUIET);
    first.end("KILL");
    let killed_at = Instant::now();
    gate.open();

    let client = second.client(&token);
    assert_eq!(client.count("/v1/suppliers"), 0);
    assert_eq!(job(&client, &import)["state"], "running");
    within(60, "taken over", || job(&client, &import)["attempt_count"] == 2);
    // The lease was renewed every two seconds.
    let waited = killed_at.elapsed();
    assert!(waited > LEASE - Duration::from_secs(5) && waited < LEASE + Duration::from_secs(10), "{waited:?}");
    has_run_again(&client, &import);
}

#[test]
fn a_lease_runs_out_by_the_clock_of_the_service() {
    let data = Data::new();
    let mut first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    first.end("KILL");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    // Longer than any time-out here.
    sql.run("UPDATE job_queue SET leased_until = leased_until + interval '1 hour'").unwrap();
    let app = App::beside(data);
    let client = Client { address: app.address, token: Some(token), lang: "en" };
    app.clock.advance(Duration::from_secs(50 * 60));
    // The queue has been looked at since, because another buyer's job has ended.
    assert!(command(&app.data, &["tenant", "create", "other"]).output().unwrap().status.success());
    let other = Client { address: app.address, token: Some(admin_token(&app.data, "other")), lang: "en" };
    assert_eq!(other.import_csv("kind=suppliers", "supplier_code\nA\n")["state"], "succeeded");
    assert_eq!(job(&client, &import)["attempt_count"], 1);

    app.clock.advance(Duration::from_secs(11 * 60));

    within(60, "taken over", || job(&client, &import)["attempt_count"] == 2);
    // The new lease is by the same clock.
    let is_ahead = "SELECT leased_until > now() + interval '1 hour' FROM job_queue";
    assert_eq!(sql.text(is_ahead).unwrap(), "true");
    gate.open();
    has_run_again(&client, &import);
}

#[test]
fn a_score_run_and_an_export_whose_processes_are_killed_are_taken_over() {
    let data = Data::new();
    let mut service = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let imported = service.client(&token).import_csv("kind=suppliers", &suppliers(10_001));
    assert_eq!(imported["state"], "succeeded", "{imported}");

    let mut kill_half_way = |table: &str, method: &str, path: &str| {
        let mut gate = Gate::close(&data, table, "true");
        let body = (method == "POST").then_some(b"{}".as_slice());
        let answer = service.client(&token).send(method, path, &[("content-type", "application/json")], body);
        assert_eq!(answer.status, 202, "{answer:?}");
        gate.wait_for_one();
        let other = Process::start(&data, &QUIET);
        std::mem::replace(&mut service, other).end("KILL");
        gate.open();
        let client = service.client(&token);
        let job = client.ended(id(&answer.json));
        assert_eq!((&job["state"], &job["attempt_count"]), (&json!("succeeded"), &json!(2)), "{job}");
        (client, job)
    };
    let (client, run) = kill_half_way("score_blocks", "POST", "/v1/score-runs");
    assert_eq!(client.get("/v1/score-runs").json["items"].as_array().unwrap().len(), 1);
    assert_eq!(client.count(&format!("/v1/scores?score_run_id={}", id(&run))), 10_001);

    let (client, export) = kill_half_way("export_chunks", "GET", "/v1/exports/scores.csv");
    let file = client.get(export["result_url"].as_str().unwrap());
    assert_eq!(file.status, 200);
    let text = String::from_utf8(file.bytes).unwrap();
    assert_eq!(text.lines().count(), 10_002);
}

#[test]
fn a_process_that_sleeps_in_an_import_and_wakes_when_another_has_it_changes_nothing() {
    let data = Data::new();
    let first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    make_tenant(&data, "other");
    let other_token = admin_token(&data, "other");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let second = Process::start(&data, &QUIET);
    first.signal("STOP");
    gate.open();
    let client = second.client(&token);
    within(60, "begun anew", || job(&client, &import)["attempt_count"] == 2);

    second.client(&other_token).supplier("A");
    first.signal("CONT");
    has_run_again(&client, &import);
    let first_client = first.client(&token);
    within(30, "the sleeper has given up", || first.log().contains("another process has taken the job over"));
    has_run_again(&first_client, &import);
    // It goes on with other jobs.
    drop(second);
    assert_eq!(first_client.import_csv("kind=suppliers&source=b", &suppliers(1))["state"], "succeeded");
}

#[test]
fn a_process_that_hangs_keeps_its_buyer_from_writing_for_no_longer_than_its_lease() {
    let data = Data::new();
    let first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let process = sql.text("SELECT process FROM job_queue").unwrap();
    // One of its sessions is in the middle of a statement, so the server does not count it as idle.
    let url = data.url().unwrap();
    let name = sql.text(&format!(
        "SELECT DISTINCT application_name FROM pg_stat_activity WHERE application_name LIKE 'sonae {process} %'"
    ));
    let name = name.unwrap();
    let mut active = Sql::open(&url).unwrap();
    active.run(&format!("SET application_name = '{name}'; BEGIN; SELECT pg_advisory_xact_lock(8)")).unwrap();
    let active = std::thread::spawn(move || active.run("SELECT pg_sleep(300)"));
    let second = Process::start(&data, &QUIET);
    first.signal("STOP");
    let hung_at = Instant::now();
    gate.open();
    let client = second.client(&token);
    within(60, "taken over", || job(&client, &import)["attempt_count"] == 2);
    let waited = hung_at.elapsed();
    assert!(waited < LEASE + Duration::from_secs(5), "{waited:?}");
    assert!(active.join().unwrap().is_err(), "the session was ended");
    sql.run("SELECT pg_advisory_lock(8)").unwrap();
    has_run_again(&client, &import);
    let log = second.log();
    assert!(log.contains(&format!("from=\"{process}\"")) && log.contains("job taken over"), "{log}");
    first.signal("CONT");
    within(30, "the other has given up", || first.log().contains("another process has taken the job over"));
    has_run_again(&first.client(&token), &import);
    client.supplier("after");
}

#[test]
fn the_log_says_which_process_began_and_ended_a_job() {
    let data = Data::new();
    let service = Process::start(&data, &QUIET);
    let client = service.client(&admin_token(&data, "default"));
    let job = client.import_csv("kind=suppliers", &suppliers(1));
    let log = service.log();
    let process = log.split("process=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let said = |what: &str| {
        let end = format!("{what} kind=\"import\" attempt=1 process=\"{process}\"");
        log.lines().any(|line| line.contains(&format!("job_id={}", id(&job))) && line.contains(&end))
    };
    assert!(said("job began") && said("job ended state=\"succeeded\""), "{log}");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let names = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sonae ";
    assert_ne!(sql.text(&format!("{names}{process} %'")).unwrap(), "0");
}

#[test]
fn a_job_is_watched_and_cancelled_through_any_process() {
    let data = Data::new();
    let first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let second = Process::start(&data, &QUIET);
    let client = second.client(&token);
    let progress = || job(&client, &import)["progress"].clone();
    within(30, "the other process shows how far it is", || {
        progress()["done"].as_u64().is_some_and(|done| done >= 1_000)
    });
    let shown = progress();
    assert_eq!((&shown["total"], &shown["unit"]), (&json!(MANY + 1), &json!("rows")), "{shown}");

    let asked = client.send("DELETE", &format!("/v1/jobs/{import}"), &[], None);
    assert_eq!(asked.status, 202, "{asked:?}");
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    // Once the lease was renewed after that, the process knows. By itself it would end only after all rows.
    let leased = "SELECT leased_until FROM job_queue";
    let before = sql.text(leased).unwrap();
    within(30, "renewed", || sql.text(leased).unwrap() != before);
    let before = sql.text(leased).unwrap();
    within(30, "renewed", || sql.text(leased).unwrap() != before);
    gate.open();
    let ended = client.ended(&import);
    assert_eq!((&ended["state"], &ended["attempt_count"]), (&json!("cancelled"), &json!(1)), "{ended}");
    assert_eq!(client.count("/v1/suppliers"), 0);

    // A waiting job is cancelled before it begins, wherever it would run.
    let mut gate = Gate::close_again(&data);
    let in_front = [send_suppliers(&client, MANY), send_suppliers(&client, MANY)];
    let waiting = send_suppliers(&client, MANY);
    gate.wait_for_one();
    assert_eq!(first.client(&token).send("DELETE", &format!("/v1/jobs/{waiting}"), &[], None).status, 202);
    gate.open();
    assert_eq!(client.ended(&waiting)["state"], "cancelled");
    assert!(in_front.iter().all(|import| client.ended(import)["state"] == "succeeded"));
    assert_eq!(client.count("/v1/suppliers"), MANY as u64);
}

#[test]
fn a_process_that_is_told_to_end_hands_its_job_over_at_once() {
    let data = Data::new();
    let mut first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let second = Process::start(&data, &QUIET);
    let client = second.client(&token);
    first.signal("TERM");
    // While the first is held up in it still.
    let waited = within(60, "taken over", || job(&client, &import)["attempt_count"] == 2);
    assert!(waited < LEASE / 2, "{waited:?}");
    gate.open();
    assert_eq!(first.wait(), Some(0));
    has_run_again(&client, &import);
}

#[test]
fn a_process_that_is_told_to_end_does_not_wait_for_a_server_that_hangs() {
    let cluster = Cluster::start().unwrap();
    let data = Data::on(&cluster.url("postgres"));
    let mut first = Process::start(&data, &QUIET);
    let token = admin_token(&data, "default");
    let (mut gate, import) = half_an_import(&data, &first.client(&token));
    let mut admin = Sql::open(&cluster.admin_url("postgres")).unwrap();
    let paused =
        Paused::new(admin.texts("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sonae %'").unwrap());
    let told_at = Instant::now();
    let code = first.end("TERM");
    // The job's thread has ten seconds, and requests, of which there are none, 30.
    assert!(code == Some(0) && told_at.elapsed() < Duration::from_secs(25), "{code:?} {:?}", told_at.elapsed());
    assert!(first.log().contains("the process ends without waiting any longer"), "{}", first.log());

    let second = Process::start(&data, &QUIET);
    let client = second.client(&token);
    within(30, "taken over", || job(&client, &import)["attempt_count"] == 2);
    drop(paused);
    gate.open();
    has_run_again(&client, &import);
}

#[test]
fn one_change_has_one_automatic_run_however_many_processes_there_are() {
    let data = Data::new();
    let at_once = ["--rescore-after-seconds", "0"];
    let services = [Process::start(&data, &at_once), Process::start(&data, &at_once)];
    let token = admin_token(&data, "default");
    let [first, second] = [services[0].client(&token), services[1].client(&token)];
    // The latest run of a day replaces those before it.
    let latest = || {
        let jobs = second.get("/v1/jobs").json["items"].clone();
        jobs.as_array().unwrap().iter().find(|job| job["kind"] == "score_run").cloned().unwrap_or_default()
    };
    let run_count = || services.iter().map(|service| service.log().matches("scores follow").count()).sum::<usize>();
    for round in 1..=5 {
        let before = latest();
        first.supplier(&format!("A{round}"));
        within(60, "an automatic run", || latest()["id"] != before["id"] && !latest()["finished_at"].is_null());
        assert_eq!(latest()["state"], "succeeded");
    }
    // Both look at the state of the data every second.
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(3) {
        assert_eq!((run_count(), &latest()["state"]), (5, &json!("succeeded")));
    }
}
