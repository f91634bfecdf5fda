//! The trace of a request is in the log of the request and of its job and, with the feature `otel`, in spans.

use serde_json::Value;

use crate::support::{Data, Process, admin_token, id};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Returns the lines of a log as JSON.
fn lines(process: &Process) -> Vec<Value> {
    process.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Sends an import with headers and waits for its end. Returns the job's id.
fn import(process: &Process, token: &str, headers: &[(&str, &str)]) -> String {
    let client = process.client(token);
    let headers = [headers, &[("content-type", "text/csv")]].concat();
    let sent = client.send("POST", "/v1/imports?kind=suppliers", &headers, Some(b"supplier_code\nA\n"));
    assert_eq!(sent.status, 202, "{sent:?}");
    client.ended(id(&sent.json));
    id(&sent.json).to_owned()
}

#[test]
fn the_log_names_the_trace_of_a_request_and_of_the_job_that_it_asked_for() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &["--log-format", "json", "--rescore-after-seconds", "86400"]);
    let job = import(&process, &token, &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]);
    let other = import(&process, &token, &[]);
    process.end("TERM");

    let lines = lines(&process);
    let trace_of = |key: &str, value: &str| {
        let line = lines.iter().find(|line| line["span"][key] == value);
        line.unwrap_or_else(|| panic!("{key}={value}: {lines:?}"))["span"]["trace_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(trace_of("path", "/v1/imports"), TRACE);
    assert_eq!(trace_of("job_id", &job), TRACE);
    // Without a trace in the request, a new one begins with it.
    let begun = trace_of("job_id", &other);
    assert!(begun.len() == 32 && begun != TRACE, "{begun}");
    assert!(lines.iter().any(|line| line["span"]["path"] == "/v1/imports" && line["span"]["trace_id"] == *begun));
}

#[test]
fn a_wrong_traceparent_is_ignored() {
    let data = Data::new();
    let token = admin_token(&data, "default");
    let mut process = Process::start(&data, &["--log-format", "json"]);
    let client = process.client(&token);
    let good = format!("00-{TRACE}-{CALLER}-01");
    let (zero, long) = (good.replace(TRACE, &"0".repeat(32)), format!("{good}{}", "-a".repeat(4000)));
    for wrong in [good.to_uppercase().as_str(), "00-x", &zero, &long, &format!("{good}, {good}"), "\"'{};--"] {
        let answer = client.send("GET", "/v1/suppliers", &[("traceparent", wrong)], None);
        assert_eq!(answer.status, 200, "{wrong}");
    }
    let twice = [("traceparent", good.as_str()), ("traceparent", good.as_str())];
    assert_eq!(client.send("GET", "/v1/suppliers", &twice, None).status, 200);
    process.end("TERM");

    let lines = lines(&process);
    let answered: Vec<_> = lines.iter().filter(|line| line["span"]["path"] == "/v1/suppliers").collect();
    assert!(answered.len() >= 7, "{answered:?}");
    for line in answered {
        let trace = line["span"]["trace_id"].as_str().unwrap();
        assert!(trace.len() == 32 && trace != TRACE && trace != "0".repeat(32), "{line}");
    }
}

#[cfg(feature = "otel")]
mod spans {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{self, Receiver};
    use std::thread;

    use super::*;
    use crate::support::command;

    /// Starts a collector that accepts everything and passes each body on.
    fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, tell) = (stream.unwrap(), tell.clone());
                thread::spawn(move || {
                    let mut bytes = Vec::new();
                    while let Some((head, body)) = request(&mut stream, &mut bytes) {
                        let _ = tell.send((head, body));
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                });
            }
        });
        (address, told)
    }

    /// Reads the next request of a connection: its head and its body.
    fn request(stream: &mut impl Read, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
        let mut piece = [0; 4096];
        loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
                let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
                let length: usize = length.parse().unwrap();
                if bytes.len() >= end + 4 + length {
                    let rest = bytes.split_off(end + 4 + length);
                    let body = bytes.split_off(end + 4);
                    *bytes = rest;
                    return Some((head, body));
                }
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return None,
                Ok(count) => bytes.extend(&piece[..count]),
            }
        }
    }

    fn bytes_of(hexadecimal: &str) -> Vec<u8> {
        let pairs = hexadecimal.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    }

    #[test]
    fn requests_and_jobs_are_exported_as_spans_of_the_callers_trace_without_anything_secret() {
        let data = Data::new();
        let token = admin_token(&data, "default");
        let (address, told) = collector();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut service = command(&data, &arguments);
        service.env("OTEL_EXPORTER_OTLP_ENDPOINT", address).env("OTEL_SERVICE_NAME", "sonae-test");
        let mut process = Process::spawn(service);
        import(&process, &token, &[("traceparent", &format!("00-{TRACE}-{CALLER}-01"))]);
        let client = process.client(&token);
        client.get("/v1/suppliers/by-code?code=%E7%A7%98%E5%AF%86");
        assert_eq!(process.end("TERM"), Some(0));

        let sent: Vec<_> = told.try_iter().collect();
        assert!(!sent.is_empty() && sent.iter().all(|(head, _)| head.starts_with("post /v1/traces ")), "{sent:?}");
        let body: Vec<u8> = sent.into_iter().flat_map(|(_, body)| body).collect();
        let count = |part: &[u8]| body.windows(part.len()).filter(|window| *window == part).count();
        let shown = String::from_utf8_lossy(&body);
        for name in ["sonae-test", "POST /v1/imports", "job import", "GET /v1/suppliers/by-code", "succeeded"] {
            assert!(count(name.as_bytes()) > 0, "{name}: {shown}");
        }
        // The request and its job.
        assert_eq!(count(&bytes_of(TRACE)), 2, "{shown}");
        assert_eq!(count(&bytes_of(CALLER)), 1, "{shown}");
        let secret = token.rsplit('.').next().unwrap();
        for secret in [secret, "秘密", "%E7", "supplier_code", "default"] {
            assert_eq!(count(secret.as_bytes()), 0, "{secret}: {shown}");
        }
    }

    #[test]
    fn a_collector_that_is_away_costs_spans_and_no_requests() {
        let data = Data::new();
        let token = admin_token(&data, "default");
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let mut service = command(&data, &arguments);
        service.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{closed}")).env("OTEL_BSP_SCHEDULE_DELAY", "50");
        let mut process = Process::spawn(service);
        for _ in 0..20 {
            assert_eq!(process.client(&token).get("/v1/suppliers").status, 200);
        }
        assert_eq!(process.end("TERM"), Some(0));
        assert_eq!(process.log().matches("spans cannot be exported").count(), 1, "{}", process.log());
    }
}
