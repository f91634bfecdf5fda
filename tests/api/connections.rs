//! Connections: how many there may be, and the time-outs for their peers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::ConnectionLimits;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{App, Client, Data, Process, command};

const READ: &[u8] = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads what comes next; an empty text if the connection has ended.
fn next(stream: &mut TcpStream) -> String {
    let mut piece = [0; 4096];
    let count = stream.read(&mut piece).unwrap_or(0);
    String::from_utf8_lossy(&piece[..count]).into_owned()
}

/// Sends a request and returns the beginning of its answer.
fn ask(stream: &mut TcpStream) -> String {
    let _ = stream.write_all(READ);
    next(stream)
}

#[test]
fn whoever_reads_nothing_is_cut_off() {
    let app = App::with_connections(ConnectionLimits { answer_seconds: 1, ..ConnectionLimits::default() }, false);
    let mut stream = connect(app.address);
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    for _ in 0..64 {
        stream.write_all(request).unwrap();
    }
    let start = Instant::now();
    // Data that is written after the service has closed the connection is answered with a reset.
    while stream.write_all(b"GET").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the connection is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(app.stranger().get("/openapi.json").status, 200);
}

#[test]
fn an_address_has_so_many_connections_and_the_next_when_one_ends() {
    let app = App::with_connections(
        ConnectionLimits { max_connections_per_address: 2, ..ConnectionLimits::default() },
        false,
    );
    let mut held: Vec<_> = (0..2).map(|_| connect(app.address)).collect();
    for stream in &mut held {
        assert!(ask(stream).starts_with("HTTP/1.1 200"));
    }
    assert_eq!(ask(&mut connect(app.address)), "", "closed without an answer");

    drop(held.pop());
    let start = Instant::now();
    while !ask(&mut connect(app.address)).starts_with("HTTP/1.1 200") {
        assert!(start.elapsed() < Duration::from_secs(20), "the place of a connection that has ended stays taken");
    }
}

#[test]
fn connections_above_the_limit_in_all_wait_until_one_ends() {
    let app = App::with_connections(ConnectionLimits { max_connections: 2, ..ConnectionLimits::default() }, true);
    let mut held: Vec<_> = (0..2).map(|_| connect(app.address)).collect();
    for stream in &mut held {
        assert!(ask(stream).starts_with("HTTP/1.1 200"));
    }
    let mut waiting = connect(app.address);
    waiting.write_all(READ).unwrap();
    drop(held);
    assert!(next(&mut waiting).starts_with("HTTP/1.1 200"));
}

#[test]
fn behind_a_proxy_requests_in_hand_are_counted_by_the_address_that_it_has_added() {
    let limits = ConnectionLimits { max_connections_per_address: 1, ..ConnectionLimits::default() };
    for behind_proxy in [true, false] {
        let app = App::with_connections(limits, behind_proxy);
        let analyst = app.analyst();
        let mut slow = connect(app.address);
        let head = format!(
            "POST /v1/suppliers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nx-forwarded-for: 192.0.2.1\r\n\
             content-type: application/json\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n",
            analyst.token.as_deref().unwrap()
        );
        slow.write_all(head.as_bytes()).unwrap();
        assert!(next(&mut slow).starts_with("HTTP/1.1 100"), "it is in hand");

        let from =
            |forwarded: &str| app.stranger().send("GET", "/openapi.json", &[("x-forwarded-for", forwarded)], None);
        if behind_proxy {
            let answer = from("198.51.100.7, 192.0.2.1");
            answer.is_problem(429, "too-many-requests", &[]);
            assert!(answer.header("retry-after").is_some());
            assert_eq!(from("192.0.2.1, 192.0.2.2").status, 200);
            assert_eq!(from("192.0.2.2").status, 200, "the place was given back");
        } else {
            // Here connections are counted: the open one is the only one that this address may have.
            assert_eq!(ask(&mut connect(app.address)), "");
        }
    }
}

#[test]
fn an_idle_connection_is_kept_as_long_as_it_is_said() {
    let app =
        App::with_connections(ConnectionLimits { keep_alive_seconds: Some(1), ..ConnectionLimits::default() }, false);
    let mut stream = connect(app.address);
    assert!(ask(&mut stream).starts_with("HTTP/1.1 200"));
    let start = Instant::now();
    assert_eq!(next(&mut stream), "");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn heads_that_do_not_arrive_end_the_connection() {
    let app = App::with_connections(ConnectionLimits { head_seconds: 1, ..ConnectionLimits::default() }, false);
    let (mut silent, mut slow, mut second) = (connect(app.address), connect(app.address), connect(app.address));
    slow.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").unwrap();
    assert!(ask(&mut second).starts_with("HTTP/1.1 200"));
    second.write_all(b"GET / HT").unwrap();

    assert_eq!(next(&mut silent), "");
    for stream in [&mut slow, &mut second] {
        let answer = next(stream);
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("slow-request"), "{answer}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_start_with_few_open_files_works_or_says_what_is_missing() {
    let data = Data::new();
    let start = |files: &str| {
        let mut service = command(&data, &["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut shell = std::process::Command::new("sh");
        let program = service.get_program().to_owned();
        shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", files]).arg(program).args(service.get_args());
        shell.envs(service.get_envs().filter_map(|(name, value)| Some((name, value?))));
        service = shell;
        service
    };
    for files in ["32", "48"] {
        let done = start(files).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && said.contains("raise the limit (ulimit -n"), "{files}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    let process = Process::spawn(start("160"));
    let admin = Client { address: process.admin_address(), token: None, lang: "en" };
    let mut held: Vec<_> = (0..200).map(|_| connect(process.address)).collect();
    assert_eq!(admin.get("/readyz").status, 200);
    assert!(process.log().contains("few files may be open"), "{}", process.log());
    held.clear();
    let start = Instant::now();
    while !ask(&mut connect(process.address)).starts_with("HTTP/1.1 200") {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody is served any more");
    }
}

/// Starts a service with TLS. Returns it with what its clients trust.
fn start_with_tls(data: &Data, more: &[&str]) -> (Process, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (data.path().join("chain.pem"), data.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let files = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let process = Process::start(data, &[&files, more].concat());

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    (process, Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

fn connect_with_tls(process: &Process, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let client = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(client, connect(process.address))
}

#[test]
fn whoever_reads_nothing_over_tls_is_cut_off_too() {
    let data = Data::new();
    let (process, config) = start_with_tls(&data, &["--answer-seconds", "2"]);
    let mut stream = connect_with_tls(&process, &config);
    for _ in 0..64 {
        stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    }
    let start = Instant::now();
    while stream.sock.write_all(b"x").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the connection is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn over_tls_everything_is_served_and_browsers_are_told_to_stay_there() {
    let data = Data::new();
    let (process, config) = start_with_tls(&data, &[]);
    let mut stream = connect_with_tls(&process, &config);
    stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();

    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    // A client that does not speak TLS is disconnected.
    assert!(!ask(&mut connect(process.address)).starts_with("HTTP"));
}

#[test]
fn a_proxy_says_whether_it_encrypts_and_nobody_else_does() {
    for (behind_proxy, expected) in [(true, Some("max-age=31536000")), (false, None)] {
        let app = App::with_connections(ConnectionLimits::default(), behind_proxy);
        let answer = app.stranger().send("GET", "/openapi.json", &[("x-forwarded-proto", "https")], None);
        assert_eq!(answer.header("strict-transport-security"), expected);
        assert_eq!(app.stranger().get("/openapi.json").header("strict-transport-security"), None);
    }
}
