//! A process that runs several jobs at once: if one is held up or loses its lease, the others are not affected.

use serde_json::{Value, json};
use tests::sql::Sql;

use crate::gate::{Gate, within};
use crate::support::{Client, Data, Process, admin_token, command, id};

/// Automatic scoring is practically off.
const QUIET: [&str; 2] = ["--rescore-after-seconds", "86400"];

/// Starts a service with clients of two buyers.
fn two_buyers(data: &Data) -> (Process, [Client; 2]) {
    let service = Process::start(data, &QUIET);
    assert!(command(data, &["tenant", "create", "other"]).output().unwrap().status.success());
    let clients = ["default", "other"].map(|tenant| service.client(&admin_token(data, tenant)));
    (service, clients)
}

/// Sends suppliers and returns the job.
fn send(client: &Client, codes: impl Iterator<Item = String>) -> String {
    let file = format!("supplier_code\n{}\n", codes.collect::<Vec<_>>().join("\n"));
    let headers = [("content-type", "text/csv")];
    let answer = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    assert_eq!(answer.status, 202, "{answer:?}");
    id(&answer.json).to_owned()
}

fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/jobs/{id}")).json
}

#[test]
fn an_import_that_is_held_up_keeps_no_other_buyer_from_importing_scoring_and_exporting() {
    let data = Data::new();
    let (_service, [client, other]) = two_buyers(&data);
    let mut gate = Gate::close(&data, "supplier_versions", "NEW.supplier_code = 'HELD'");
    let held_up = send(&client, ["HELD".to_owned()].into_iter());
    gate.wait_for_one();
    let later = send(&client, ["B".to_owned()].into_iter());

    let import = send(&other, (0..10_001).map(|row| format!("S{row}")));
    assert_eq!(other.ended(&import)["state"], "succeeded");
    other.score(&json!({}));
    let export = other.get("/v1/exports/scores.csv");
    assert_eq!(export.status, 202, "{export:?}");
    assert_eq!(other.ended(id(&export.json))["state"], "succeeded");
    // The next import of the same buyer waits for the one before it.
    assert_eq!([&held_up, &later].map(|import| job(&client, import)["state"].clone()), ["running", "queued"]);

    gate.open();
    assert!([&held_up, &later].into_iter().all(|import| client.ended(import)["state"] == "succeeded"));
}

#[test]
fn a_buyer_whose_jobs_are_all_held_up_has_all_slots_but_one() {
    let data = Data::new();
    let (_service, [client, other]) = two_buyers(&data);
    let held = client.supplier("HELD");
    other.supplier("A");
    let mut gate = Gate::close(&data, "score_blocks", &format!("NEW.first_supplier_id = '{}'", id(&held)));
    let run = || client.post("/v1/score-runs", &json!({}));
    let flood: Vec<_> = (0..20).map(|_| id(&run().json).to_owned()).collect();
    gate.wait_for_one();
    let slots = std::thread::available_parallelism().unwrap().get().max(2);
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let mut running = || sql.text("SELECT count(*) FROM job_queue WHERE state = 'running'").unwrap();
    within(30, "all its slots are taken", || running() == (slots - 1).to_string());
    for code in ["B", "C"] {
        let import = send(&other, [code.to_owned()].into_iter());
        assert_eq!(other.ended(&import)["state"], "succeeded");
    }
    other.score(&json!({}));
    assert_eq!(running(), (slots - 1).to_string());
    assert!(flood.iter().all(|run| job(&client, run)["finished_at"].is_null()));

    gate.open();
    assert!(flood.iter().all(|run| client.ended(run)["state"] == "succeeded"));
}

#[test]
fn a_job_that_loses_its_lease_leaves_those_beside_it_theirs() {
    let data = Data::new();
    let (service, [client, other]) = two_buyers(&data);
    let mut gate = Gate::close(&data, "supplier_versions", "NEW.supplier_code = 'HELD'");
    let [lost, kept] = [&client, &other].map(|client| send(client, ["HELD".to_owned()].into_iter()));
    within(30, "both run", || job(&client, &lost)["state"] == "running" && job(&other, &kept)["state"] == "running");
    gate.wait_for_one();
    let mut sql = Sql::open(&data.url().unwrap()).unwrap();
    let tenant = sql.text(&format!("SELECT tenant_id FROM job_queue WHERE id = '{lost}'")).unwrap();
    // This is as if another process had begun it again, and ended.
    sql.run(&format!(
        "BEGIN; SET LOCAL sonae.tenant_id = '{tenant}'; \
         UPDATE jobs SET attempt_count = attempt_count + 1 WHERE id = '{lost}'; COMMIT"
    ))
    .unwrap();
    let renewed = |sql: &mut Sql| sql.text(&format!("SELECT leased_until FROM job_queue WHERE id = '{kept}'")).unwrap();
    let before = renewed(&mut sql);
    within(30, "the other's is renewed", || renewed(&mut sql) != before);
    let before = renewed(&mut sql);
    within(30, "and again", || renewed(&mut sql) != before);

    gate.open();
    let ended = other.ended(&kept);
    assert_eq!((&ended["state"], &ended["attempt_count"]), (&json!("succeeded"), &json!(1)), "{ended}");
    within(30, "the first has given up", || service.log().contains("another process has taken the job over"));
    // Nobody renews the lease, so this process takes the job again.
    let ended = client.ended(&lost);
    assert_eq!((&ended["state"], &ended["attempt_count"]), (&json!("succeeded"), &json!(3)), "{ended}");
    assert_eq!(client.count("/v1/suppliers"), 1);
}
