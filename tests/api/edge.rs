//! What holds for every request and every answer.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::{Value, json};
use tests::sql::Sql;

use crate::support::{Answer, App, DOCUMENT, Data, Process, admin_token, operations};

/// Sends bytes by hand and reads until the connection ends.
fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // A request that is refused early may find the connection closed.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn who_may_not_is_refused_before_the_body_is_looked_at() {
    let app = App::start();
    let (stranger, viewer, provider) = (app.stranger(), app.client("viewer"), app.client("provider"));
    let too_large = vec![b'x'; 3 << 20];
    let bodies: [(&str, &[u8]); 5] = [
        ("application/json", b"{\"bad"),
        ("text/plain", b"{}"),
        ("application/json", b"[1]"),
        ("application/json", &too_large),
        ("text/csv", b"\xff\xfe"),
    ];
    let id = "01999999-9999-7999-8999-999999999999";
    for operation in operations().iter().filter(|operation| operation.has_body.is_some()) {
        let weak = match operation.role {
            Some("viewer") | None => continue,
            Some("provider" | "supplier") => &viewer,
            Some(_) => &provider,
        };
        let path = format!("{}?nonsense=1&nonsense=2", operation.path.replace("{id}", id));
        for (kind, body) in bodies {
            let send = |client: &crate::support::Client| {
                client.send(&operation.method, &path, &[("content-type", kind)], Some(body))
            };
            send(weak).is_problem(403, "role-too-low", &[]);
            send(&stranger).is_problem(401, "invalid-token", &[]);
        }
    }
}

#[track_caller]
fn is_safe(answer: &Answer) {
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")]
    {
        assert_eq!(answer.header(name), Some(value), "{answer:?}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(answer.header("cache-control").is_some(), "{answer:?}");
    assert_eq!(answer.header("strict-transport-security"), None, "not without TLS");
}

#[test]
fn the_headers_that_keep_browsers_safe_are_on_every_answer() {
    let app = App::start();
    let (stranger, viewer) = (app.stranger(), app.client("viewer"));
    for path in ["/", "/docs", "/docs/", "/docs/page.js", "/docs/none", "/openapi.json", "/none", "/v1/suppliers"] {
        is_safe(&stranger.get(path));
    }
    for (method, path) in
        [("GET", "/v1/suppliers"), ("GET", "/v1/suppliers/"), ("POST", "/v1/suppliers"), ("PUT", "/v1/suppliers")]
    {
        is_safe(&viewer.send(method, path, &[], None));
    }
    let malformed = raw(app.address, b"GET / HTTP/1.1\nhost: x\n\n");
    assert!(malformed.contains("x-content-type-options: nosniff"), "{malformed}");
    // The other listener answers in plain text.
    for path in ["/livez", "/readyz", "/metrics", "/none"] {
        let answer = raw(app.admin_address, format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        assert!(
            answer.contains("x-content-type-options: nosniff") && answer.contains("default-src 'none'"),
            "{answer}"
        );
    }
}

#[test]
fn every_path_that_can_be_read_answers_head_without_a_body() {
    let app = App::start();
    let admin = app.client("admin");
    let id = id_of_supplier(&admin);
    for operation in operations().iter().filter(|operation| operation.method == "GET") {
        let path = format!("{}{}", operation.path.replace("{id}", &id), operation.needed_query());
        let get = admin.get(&path);
        if get.status == 200 {
            let head = admin.send("HEAD", &path, &[], None);
            assert_eq!((head.status, head.bytes.len()), (200, 0), "{path}");
        }
    }
    for path in ["/openapi.json", "/docs/", "/docs/page.js"] {
        assert_eq!(app.stranger().send("HEAD", path, &[], None).status, 200, "{path}");
    }
}

fn id_of_supplier(client: &crate::support::Client) -> String {
    client.supplier("A")["id"].as_str().unwrap().to_owned()
}

#[test]
fn methods_that_a_path_lacks_are_told_by_those_that_it_has() {
    let app = App::start();
    let admin = app.client("admin");
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let paths = paths.map(|(path, item)| (path.replace("{id}", "01999999-9999-7999-8999-999999999999"), item.clone()));
    let others = ["/openapi.json", "/docs/", "/"].map(|path| (path.to_owned(), json!({ "get": {} })));
    for (path, item) in paths.chain(others) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            if item.get(method.to_lowercase()).is_some() {
                continue;
            }
            let answer = admin.send(method, &path, &[], None);
            answer.is_problem(405, "method-not-allowed", &[]);
            let allowed: BTreeSet<_> = answer.header("allow").unwrap().split(", ").map(str::to_lowercase).collect();
            assert_eq!(allowed, item.as_object().unwrap().keys().cloned().collect(), "{path}");
        }
    }
}

#[test]
fn a_slash_too_many_at_the_end_leads_to_the_path_without_it() {
    let app = App::start();
    let analyst = app.analyst();
    let answer = analyst.get("/v1/suppliers/?limit=1&q=a%20b");
    assert_eq!((answer.status, answer.header("location")), (308, Some("/v1/suppliers?limit=1&q=a%20b")));
    assert_eq!(analyst.send("POST", "/v1/incidents//", &[], None).header("location"), Some("/v1/incidents"));
    analyst.get("/v1/nothing/").is_problem(404, "no-such-path", &[]);
}

#[test]
fn the_front_door_leads_to_the_page_and_not_for_good() {
    let app = App::start();
    for path in ["/", "/docs"] {
        let answer = app.stranger().get(path);
        assert_eq!((answer.status, answer.header("location")), (307, Some("/docs/")), "{path}");
    }
}

#[test]
fn what_all_read_alike_is_not_sent_again() {
    let app = App::start();
    for path in ["/openapi.json", "/docs/swagger-ui-bundle.js"] {
        let first = app.stranger().get(path);
        let again = app.stranger().send("GET", path, &[("if-none-match", first.header("etag").unwrap())], None);
        assert_eq!((first.status, again.status, again.bytes.len()), (200, 304, 0), "{path}");
    }
}

#[test]
fn a_token_that_has_expired_in_the_database_is_refused_whatever_it_says_itself() {
    let app = App::start();
    let viewer = app.client("viewer");
    assert_eq!(viewer.get("/v1/suppliers").status, 200);
    let expire = "UPDATE tokens SET expires_at = issued_at";
    if app.data.url().is_some() {
        let admin = app.data.url_by(&std::env::var("SONAE_TEST_POSTGRES_ADMIN").unwrap());
        Sql::open(&admin).unwrap().run(expire).unwrap();
    } else {
        let path = app.data.path().join("sonae.db");
        SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(expire).unwrap();
    }
    // A token counts as valid for a second after it was checked.
    app.clock.advance(Duration::from_secs(1));

    let answer = viewer.get("/v1/suppliers");
    answer.is_problem(401, "invalid-token", &[]);
    assert!(answer.json["detail"].as_str().unwrap().contains("expired"), "{answer:?}");
}

#[test]
fn the_log_names_the_caller_and_never_the_token() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &["--log-format", "json"]);
    assert_eq!(process.client(&token).get("/v1/suppliers").status, 200);
    raw(process.address, b"GET / HTTP/1.1\nhost: x\n\n");
    raw(process.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n");
    process.end("TERM");

    let log = process.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answered = lines.clone().find(|line| line["span"]["path"] == "/v1/suppliers").unwrap();
    let listed = command_output(&data, &["token", "list"]);
    let id = answered["span"]["token_id"].as_str().unwrap();
    assert!(listed.contains(id) && answered["span"]["role"] == "admin", "{answered} {listed}");
    assert!(!log.contains(token.rsplit('.').next().unwrap()), "{log}");
    assert!(lines.clone().all(|line| line["level"] != "ERROR"), "what strangers send is no error of ours: {log}");
}

fn command_output(data: &Data, arguments: &[&str]) -> String {
    String::from_utf8(crate::support::command(data, arguments).output().unwrap().stdout).unwrap()
}

#[test]
fn what_is_no_http_is_refused_by_what_is_wrong_and_the_next_connection_is_served() {
    let app = App::start();
    let long = format!("GET /v1/suppliers?q={} HTTP/1.1\r\nhost: x\r\naccept-language: en\r\n\r\n", "a".repeat(70_000));
    let large = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let cases: [(&[u8], &str); 13] = [
        (long.as_bytes(), "address-too-long"),
        (large.as_bytes(), "head-too-large"),
        (many.as_bytes(), "head-too-large"),
        (b"GET / HTTP/1.1\nhost: x\n\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\nhost: x\na: b\r\n\r\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: b\rc\r\n\r\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\n\r\n", "invalid-request"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "invalid-request"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "invalid-request"),
        (
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "invalid-request",
        ),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", "invalid-request"),
    ];
    for (bytes, code) in cases {
        let answer = raw(app.address, bytes);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]);
        assert!(answer.starts_with("HTTP/1.") && answer.contains(&format!("\"code\":\"{code}\"")), "{shown}: {answer}");
        assert_eq!(answer.matches("x-request-id").count(), 1, "{shown}: {answer}");
        assert_eq!(app.stranger().get("/openapi.json").status, 200);
    }
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\naccept-language: en\r\n\r\n", "a".repeat(20_000));
    assert!(raw(app.address, long.as_bytes()).contains("the first line of a request may have at most 16 KiB"));
}

#[test]
fn odd_chunks_break_a_body_off_and_nothing_after_them_is_a_request() {
    let app = App::start();
    let token = app.analyst().token.unwrap();
    let smuggled = "GET /v1/suppliers HTTP/1.1\r\nhost: x\r\n\r\n";
    for chunks in [
        "0x2\r\n{}\r\n0\r\n\r\n",
        "+2\r\n{}\r\n0\r\n\r\n",
        " 2\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2;a\nb\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\r\n0\r\nx: y\n\n",
        &format!("2;{}\r\n{{}}\r\n0\r\n\r\n", "x".repeat(9000)),
    ] {
        let head = format!(
            "POST /v1/suppliers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let answer = raw(app.address, format!("{head}{chunks}{smuggled}").as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("invalid-request"), "{chunks:?}: {answer}");
        assert_eq!(answer.matches("x-request-id").count(), 1, "{chunks:?}: {answer}");
    }
    assert_eq!(app.analyst().count("/v1/suppliers"), 0);
}
