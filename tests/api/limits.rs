//! Limits: sizes, paces, and requests that are no requests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use api::Limits;
use serde_json::json;

use crate::support::App;

#[test]
fn a_body_over_the_limit_is_refused_whether_it_says_its_size_or_not() {
    let app = App::with_limits(Limits {
        json_bytes: 1000,
        text_upload_bytes: 2000,
        xlsx_upload_bytes: 500,
        ..Limits::default()
    });
    let analyst = app.analyst();
    let csv = |bytes: usize| {
        analyst.send("POST", "/v1/imports?kind=suppliers", &[("content-type", "text/csv")], Some(&vec![b'x'; bytes]))
    };

    analyst.post("/v1/suppliers", &json!({ "name": "x".repeat(1000) })).is_problem(413, "body-too-large", &[]);
    csv(2001).is_problem(413, "body-too-large", &[]);
    let kind = [("content-type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")];
    analyst
        .send(
            "POST",
            "/v1/imports",
            &kind,
            Some(
                &[&b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0f\0\0\0xl/workbook.xml"[..], &[0; 500]]
                    .concat(),
            ),
        )
        .is_problem(413, "body-too-large", &[]);
    let chunk = format!("{:x}\r\n{}\r\n", 3000, "x".repeat(3000));
    let answer = raw(
        &app,
        &analyst.token.clone().unwrap(),
        "transfer-encoding: chunked\r\ncontent-type: text/csv\r\n",
        "/v1/imports?kind=suppliers",
        chunk.as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("body-too-large"), "{answer}");
    assert_eq!(csv(1999).status, 202);
    assert_eq!(
        analyst.get("/v1/jobs").json["items"].as_array().unwrap().len(),
        1,
        "nothing of a refused upload is kept"
    );
}

/// Sends the beginning of a POST by hand and reads the answer.
fn raw(app: &App, token: &str, headers: &str, path: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{headers}\r\n").unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        if count == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_body_that_arrives_too_slowly_is_cut_off() {
    let app = App::with_limits(Limits { grace_seconds: 1, json_seconds: 2, ..Limits::default() });
    let token = app.analyst().token.unwrap();

    for (path, kind) in [("/v1/suppliers", "application/json"), ("/v1/imports?kind=suppliers", "text/csv")] {
        let headers = format!("content-type: {kind}\r\ncontent-length: 1000\r\n");
        let answer = raw(&app, &token, &headers, path, b"{");
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("slow-request"), "{path}: {answer}");
    }
    assert_eq!(app.analyst().get("/v1/jobs").json["items"], json!([]));
}

#[test]
fn a_body_with_two_lengths_is_refused() {
    let app = App::start();
    let token = app.analyst().token.unwrap();
    let answer = raw(
        &app,
        &token,
        "content-type: application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
        "/v1/suppliers",
        b"0\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn a_packed_body_of_json_is_refused() {
    let app = App::start();
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let answer = app.analyst().send("POST", "/v1/suppliers", &headers, Some(&[0x1f, 0x8b]));
    answer.is_problem(415, "unsupported-media-type", &[]);
}

#[test]
fn a_head_request_is_answered_like_a_get_without_the_body() {
    let app = App::start();
    let analyst = app.analyst();
    let (head, get) = (analyst.send("HEAD", "/v1/suppliers", &[], None), analyst.get("/v1/suppliers"));
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[test]
fn paths_and_methods_that_are_not_there_are_told_apart() {
    let app = App::start();
    let analyst = app.analyst();

    analyst.get("/v1/nothing").is_problem(404, "no-such-path", &[]);
    let answer = analyst.send("PUT", "/v1/suppliers", &[], None);
    answer.is_problem(405, "method-not-allowed", &[]);
    assert_eq!(answer.header("allow"), Some("GET, POST"));
    analyst.get("/v1/suppliers/not-an-id").is_problem(404, "not-found", &[]);
    analyst.get("/v1/suppliers/01999999-9999-7999-8999-999999999999").is_problem(404, "not-found", &[]);
    let wrong = analyst.post("/v1/suppliers?dry_run=true", &json!({ "supplier_code": "A" }));
    wrong.is_problem(400, "invalid-parameters", &[("dry_run", "unknown-field")]);
}

#[test]
fn too_many_open_jobs_of_a_buyer_are_refused() {
    let app = App::with_limits(Limits { max_open_jobs: 0, ..Limits::default() });
    let answer = app.analyst().send(
        "POST",
        "/v1/imports?kind=suppliers",
        &[("content-type", "text/csv")],
        Some(b"supplier_code\n"),
    );
    answer.is_problem(429, "too-many-jobs", &[]);
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn more_rows_or_findings_than_the_limit_are_not_kept() {
    let app = App::with_limits(Limits { max_rows: 3, max_findings: 2, ..Limits::default() });
    let analyst = app.analyst();
    let job = analyst.import_csv("kind=suppliers", "supplier_code\nA\nB\nC\nD\n");
    assert_eq!(
        (&job["result"]["failure"]["code"], &job["result"]["failure"]["row"]),
        (&json!("too-much"), &json!(5)),
        "{job}"
    );
    let job = analyst.import_csv("kind=suppliers", "supplier_code,employee_count\nA,x\nB,x\nC,x\n");
    assert_eq!((&job["result"]["finding_count"], analyst.findings(&job).len()), (&json!(3), 2), "{job}");
}

#[test]
fn health_and_metrics_are_on_a_listener_of_their_own() {
    let app = App::start();
    app.analyst().get("/v1/suppliers");
    let mut admin = app.stranger();
    admin.address = app.admin_address;

    for path in ["/livez", "/readyz"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
        app.stranger().get(path).is_problem(404, "no-such-path", &[]);
    }
    let metrics = String::from_utf8(admin.get("/metrics").bytes).unwrap();
    assert!(
        metrics.contains("sonae_http_requests_total{method=\"GET\",route=\"/v1/suppliers\",status=\"200\"}"),
        "{metrics}"
    );
    assert!(metrics.contains("sonae_http_request_seconds_bucket"), "{metrics}");
}
