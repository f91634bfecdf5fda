//! What is acknowledged is kept, whatever happens to the process.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{App, Client, Data, Process, admin_token, command, eventually, id};

/// Returns how often the service is killed: `SONAE_KILLS` times, or a few.
fn kills(few: u64) -> u64 {
    std::env::var("SONAE_KILLS").map_or(few, |kills| kills.parse().unwrap())
}

#[cfg(unix)]
/// Creates a supplier, and retries as long as the answer says so: the import that was killed before may be at work
/// again.
fn create_patiently(client: &Client, code: &str) {
    let start = Instant::now();
    loop {
        let answer = client.post("/v1/suppliers", &json!({ "supplier_code": code }));
        if answer.status == 201 {
            return;
        }
        answer.is_problem(503, "busy", &[]);
        assert!(start.elapsed() < Duration::from_secs(300), "the import does not end");
    }
}

#[cfg(unix)]
#[test]
fn acknowledged_writes_and_accepted_imports_survive_kill_9() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let rows: String = (0..30_000).map(|row| format!("S{row}\n")).collect();
    let file = format!("supplier_code\n{rows}");
    let mut acknowledged = Vec::new();
    let mut jobs: Vec<String> = Vec::new();
    for round in 0..kills(6) {
        let mut process = Process::start(&data, &[]);
        let client = process.client(&token);
        if round % 6 == 0 {
            // There are never more open jobs than allowed.
            jobs.iter().for_each(|job| drop(client.ended(job)));
        }
        for place in 0..round % 6 {
            let code = format!("K{round}-{place}");
            create_patiently(&client, &code);
            acknowledged.push(code);
        }
        let headers = [("content-type", "text/csv")];
        let answer = client.send(
            "POST",
            &format!("/v1/imports?kind=suppliers&source=r{round}"),
            &headers,
            Some(file.as_bytes()),
        );
        assert_eq!(answer.status, 202, "{answer:?}");
        jobs.push(id(&answer.json).to_owned());
        // At a different point of the import in each round.
        loop {
            let job = client.get(&format!("/v1/jobs/{}", jobs[jobs.len() - 1])).json;
            let done = job["progress"]["done"].as_u64();
            if !job["finished_at"].is_null() || done.is_some_and(|done| done >= round % 6 * 4_000) {
                break;
            }
        }
        process.end("KILL");
    }

    let process = Process::start(&data, &[]);
    let client = process.client(&token);
    for job in &jobs {
        let job = client.ended(job);
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(
            job["result"]["created"].as_u64().unwrap() + job["result"]["unchanged"].as_u64().unwrap(),
            30_000,
            "{job}"
        );
    }
    assert_eq!(client.count("/v1/suppliers"), 30_000 + acknowledged.len() as u64);
    for code in acknowledged {
        assert_eq!(client.get(&format!("/v1/suppliers/by-code?code={code}")).status, 200, "{code}");
    }
}

#[cfg(unix)]
#[test]
fn an_import_that_gets_further_each_time_outlives_any_number_of_kills() {
    let data = Data::new();
    if data.url().is_some() {
        // On a server each kill costs the rest of a lease: tests/postgres/processes.rs has a few.
        return eprintln!("this is about the embedded database");
    }
    let token = admin_token(&data, "default");
    let rows: String = (0..60_000).map(|row| format!("S{row}\n")).collect();
    let mut process = Process::start(&data, &[]);
    let headers = [("content-type", "text/csv")];
    let file = format!("supplier_code\n{rows}");
    let answer = process.client(&token).send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    let job = format!("/v1/jobs/{}", id(&answer.json));
    for round in 1..=13 {
        let client = process.client(&token);
        eventually("it gets further", || {
            let done = client.get(&job).json["progress"]["done"].as_u64();
            done.filter(|done| *done >= round * 2_000)
        });
        process.end("KILL");
        process = Process::start(&data, &[]);
    }

    let client = process.client(&token);
    let ended = client.ended(id(&answer.json));
    assert_eq!((&ended["state"], &ended["attempt_count"]), (&json!("succeeded"), &json!(14)), "{ended}");
}

#[cfg(unix)]
#[test]
fn a_job_that_gets_nowhere_is_given_up_after_ten_attempts() {
    let data = Data::new();
    if data.url().is_some() {
        return eprintln!("this is about the embedded database");
    }
    let token = admin_token(&data, "default");
    let rows: String = (0..200_000).map(|row| format!("S{row}\n")).collect();
    let mut process = Process::start(&data, &[]);
    let headers = [("content-type", "text/csv")];
    let file = format!("supplier_code\n{rows}");
    let answer = process.client(&token).send("POST", "/v1/imports?kind=suppliers", &headers, Some(file.as_bytes()));
    for _ in 0..10 {
        let client = process.client(&token);
        let job = format!("/v1/jobs/{}", id(&answer.json));
        eventually("it runs", || (client.get(&job).json["state"] == "running").then_some(()));
        process.end("KILL");
        // This is as if the process had ended before it could note its progress.
        drop(fs::remove_file(data.path().join("job-progress.json")));
        process = Process::start(&data, &[]);
    }

    let ended = process.client(&token).ended(id(&answer.json));
    assert_eq!((&ended["state"], &ended["failure"]["code"]), (&json!("failed"), &json!("given-up")), "{ended}");
    assert_eq!(process.client(&token).count("/v1/suppliers"), 0);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_service_and_a_job_in_hand_begins_again() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let rows: String = (0..50_000).map(|row| format!("S{row}\n")).collect();
    let mut process = Process::start(&data, &[]);
    let client = process.client(&token);
    let answer = client.send(
        "POST",
        "/v1/imports?kind=suppliers",
        &[("content-type", "text/csv")],
        Some(format!("supplier_code\n{rows}").as_bytes()),
    );
    let job = id(&answer.json).to_owned();
    assert_eq!(process.end("TERM"), Some(0));

    let process = Process::start(&data, &[]);
    let client = process.client(&token);
    assert_eq!(client.ended(&job)["result"]["created"], json!(50_000));
}

#[test]
fn two_services_over_one_data_folder_are_refused() {
    let app = App::start();
    if app.data.url().is_some() {
        // On a server two services may share the folder: tests/postgres/processes.rs covers that.
        return eprintln!("this is about the embedded database");
    }
    let second =
        command(&app.data, &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another process serves this data folder"));
}

#[test]
fn other_machines_are_let_in_only_over_tls_or_through_a_proxy() {
    let data = Data::new();
    let refused = |arguments: &[&str]| {
        let done = command(&data, &[&["serve"], arguments].concat()).output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let (code, text) = refused(&["--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && text.contains("--tls-cert"), "{text}");
    let (code, text) = refused(&["--admin-listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && text.contains("loopback"), "{text}");
    let (code, text) = refused(&["--tls-cert", "x.pem"]);
    assert!(code == Some(2) && text.contains("--tls-key"), "{text}");
    let (code, text) = refused(&["--tls-cert", "x.pem", "--tls-key", "y.pem", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(2) && text.contains("--tls-cert x.pem: it cannot be read"), "{text}");
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = busy.local_addr().unwrap().to_string();
    let (code, text) = refused(&["--listen", &busy]);
    assert!(code == Some(1) && text.contains(&format!("cannot listen on {busy}: ")), "{text}");
    let (code, text) = refused(&["--listen", "127.0.0.1:0", "--admin-listen", &busy]);
    assert!(code == Some(1) && text.contains(&format!("cannot listen on {busy}: ")), "{text}");
}

#[cfg(unix)]
#[test]
fn accepted_score_runs_survive_kill_9_and_are_there_once() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let rows: String = (0..5_000).map(|row| format!("S{row}\n")).collect();
    let quiet = ["--rescore-after-seconds", "86400"];
    let mut runs: Vec<String> = Vec::new();
    for round in 0..kills(5) {
        let mut process = Process::start(&data, &quiet);
        let client = process.client(&token);
        if round == 0 {
            client.import_csv("kind=suppliers", &format!("supplier_code\n{rows}"));
        }
        let answer = client.post("/v1/score-runs", &json!({}));
        assert_eq!(answer.status, 202, "{answer:?}");
        runs.push(id(&answer.json).to_owned());
        // At a different moment each time: before the job begins, and while it reads, scores and stores.
        for _ in 0..round % 5 * 40 {
            client.get("/v1/settings");
        }
        process.end("KILL");
    }
    let process = Process::start(&data, &quiet);
    let client = process.client(&token);
    for run in &runs {
        assert_eq!(client.ended(run)["state"], "succeeded");
        assert_eq!(client.count(&format!("/v1/scores?score_run_id={run}")), 5_000);
    }
    assert_eq!(client.get("/v1/score-runs").json["items"].as_array().unwrap().len(), runs.len());
}
