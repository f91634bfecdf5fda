//! Several jobs at once: no buyer waits for another's jobs, and those of one buyer run one after the other.

use serde_json::{Value, json};

use crate::support::{App, Client, Data, Process, admin_token, command, eventually, id};

/// Returns suppliers S0, S1, … as CSV.
fn suppliers(count: usize) -> String {
    let rows: String = (0..count).map(|row| format!("S{row},取引先{row}\n")).collect();
    format!("supplier_code,name\n{rows}")
}

/// Sends a file and returns the job.
fn send(client: &Client, query: &str, text: &str) -> String {
    let path = format!("/v1/imports?{query}");
    let answer = client.send("POST", &path, &[("content-type", "text/csv")], Some(text.as_bytes()));
    assert_eq!(answer.status, 202, "{answer:?}");
    id(&answer.json).to_owned()
}

fn job(client: &Client, id: &str) -> Value {
    client.get(&format!("/v1/jobs/{id}")).json
}

fn wait_until_it_runs(client: &Client, id: &str) {
    eventually("it runs", || (job(client, id)["state"] == "running").then_some(()));
}

fn start_run(client: &Client) -> String {
    let answer = client.post("/v1/score-runs", &json!({}));
    assert_eq!(answer.status, 202, "{answer:?}");
    id(&answer.json).to_owned()
}

#[test]
fn while_rows_of_one_buyer_are_checked_others_write_import_and_score() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    let (client, other) = (app.analyst(), app.client_of("other", "analyst"));
    // The import is refused because of its last row, and changes nothing until then.
    let file = suppliers(150_000) + ",no code\n";
    let import = send(&client, "kind=suppliers", &file);
    wait_until_it_runs(&client, &import);

    other.supplier("A");
    assert_eq!(other.import_csv("kind=suppliers", "supplier_code\nB\n")["state"], "succeeded");
    other.score(&json!({}));
    let during = job(&client, &import);
    assert_eq!((&during["state"], &during["finished_at"]), (&json!("running"), &Value::Null), "{during}");

    let ended = client.ended(&import);
    assert_eq!((&ended["state"], &ended["result"]["rejected"]), (&json!("failed"), &json!(1)), "{ended}");
    assert_eq!(client.count("/v1/suppliers"), 0);
}

#[test]
fn a_flood_of_one_buyer_leaves_a_slot_to_the_others() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    let (client, other) = (app.analyst(), app.client_of("other", "analyst"));
    client.import_csv("kind=suppliers", &suppliers(1_000));
    other.supplier("A");
    let flood: Vec<_> = (0..20).map(|_| start_run(&client)).collect();
    other.score(&json!({}));
    let open = flood.iter().filter(|run| job(&client, run)["finished_at"].is_null()).count();
    assert!(open > 1, "{open} of 20 were open still");
    assert!(flood.iter().all(|run| client.ended(run)["state"] == "succeeded"));
}

#[test]
fn imports_of_one_buyer_follow_each_other_and_the_run_after_them_scores_what_they_brought() {
    let app = App::start();
    let client = app.analyst();
    let first = send(&client, "kind=suppliers", &suppliers(5_000));
    // Its suppliers are unknown before the first import has ended.
    let relationships = "upstream_code,downstream_code,criticality,substitutability\n\
                         S0,,routine,multiple\nS4999,S0,routine,multiple\n";
    let second = send(&client, "kind=relationships", relationships);
    let third = send(&client, "kind=suppliers", "supplier_code,name\nS0,新しい名前\n");
    let run = start_run(&client);

    let jobs = [first, second, third, run.clone()].map(|job| client.ended(&job));
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    for pair in jobs.windows(2) {
        let [before, after] = pair else { unreachable!("windows of two") };
        assert!(before["finished_at"].as_str() <= after["started_at"].as_str(), "{before} {after}");
    }
    assert_eq!(jobs[1]["result"]["created"], 2);
    assert_eq!(client.get("/v1/suppliers/by-code?code=S0").json["name"], "新しい名前");
    assert_eq!(client.count(&format!("/v1/scores?score_run_id={run}")), 5_000);
}

#[test]
fn of_several_jobs_that_run_the_one_that_is_cancelled_ends() {
    let app = App::start();
    app.sonae(&["tenant", "create", "other"]);
    let (client, other) = (app.analyst(), app.client_of("other", "analyst"));
    let cancelled = send(&client, "kind=suppliers", &suppliers(150_000));
    let kept = send(&other, "kind=suppliers", &suppliers(10_000));
    wait_until_it_runs(&client, &cancelled);
    wait_until_it_runs(&other, &kept);
    let answer = client.send("DELETE", &format!("/v1/jobs/{cancelled}"), &[], None);
    assert_eq!(answer.status, 202, "{answer:?}");

    assert_eq!(client.ended(&cancelled)["state"], "cancelled");
    assert_eq!(client.count("/v1/suppliers"), 0);
    assert_eq!(other.ended(&kept)["state"], "succeeded");
    assert_eq!(other.count("/v1/suppliers"), 10_000);
}

#[cfg(unix)]
#[test]
fn all_jobs_that_run_when_the_process_is_killed_begin_again() {
    let data = Data::new();
    let mut process = Process::start(&data, &[]);
    assert!(command(&data, &["tenant", "create", "other"]).output().unwrap().status.success());
    let tokens = ["default", "other"].map(|tenant| admin_token(&data, tenant));
    let imports = tokens.each_ref().map(|token| {
        let client = process.client(token);
        send(&client, "kind=suppliers", &suppliers(40_000))
    });
    for (token, import) in tokens.iter().zip(&imports) {
        wait_until_it_runs(&process.client(token), import);
    }
    process.end("KILL");

    let process = Process::start(&data, &[]);
    for (token, import) in tokens.iter().zip(&imports) {
        let client = process.client(token);
        let ended = client.ended(import);
        assert_eq!(ended["state"], "succeeded", "{ended}");
        // The embedded database does not count an attempt that began while another job wrote.
        let fewest = if data.url().is_some() { 2 } else { 1 };
        assert!((fewest..=2).contains(&ended["attempt_count"].as_i64().unwrap()), "{ended}");
        assert_eq!(client.count("/v1/suppliers"), 40_000);
    }
}
