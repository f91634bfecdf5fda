//! `sonae health`: asks a running service whether it is ready, for places where nothing else can, such as a container.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use scoring::Lang;

use super::Failure;

/// Check whether the service on this machine is ready
///
/// Ends with exit code 0 if the service is ready, and otherwise with 1 and the reason.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Check only whether the process answers, not whether it can reach its database
    #[arg(long)]
    live: bool,
    /// The address of /livez and /readyz
    #[arg(long, value_name = "ADDRESS", env = "SONAE_ADMIN_LISTEN", default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// The time-out in seconds; the service itself gives up after five
    #[arg(long, value_name = "SECONDS", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout_seconds: u64,
}

/// The longest answer that is read, in bytes: a sentence with its header.
const MAX_ANSWER_BYTES: u64 = 16 << 10;

pub(super) fn run(args: &Args, lang: Lang) -> Result<(), Failure> {
    let address = args.admin_listen;
    let limit = Duration::from_secs(args.timeout_seconds);
    let path = if args.live { "/livez" } else { "/readyz" };
    match ask(address, path, lang, limit) {
        Ok((true, _)) if args.live => super::print(lang.pick("応答しています\n", "the service answers\n")),
        Ok((true, _)) => super::print(lang.pick("稼働しています\n", "the service is ready\n")),
        Ok((false, said)) => {
            let said = said.trim();
            let ja = format!("リクエストを受け付けられません（{said}）");
            Err(Failure::Data(lang.pick(ja, format!("the service is not ready: {said}"))))
        }
        Err(error) if is_late(&error) => {
            let seconds = args.timeout_seconds;
            let ja = format!("{address} のサービスが{seconds}秒以内に応答しません");
            let en = format!("the service at {address} does not answer within {seconds} seconds");
            Err(Failure::Data(lang.pick(ja, en)))
        }
        Err(error) => {
            let ja = format!(
                "{address} のサービスに接続できません（{error}）。起動しているか、--admin-listen が合っているか確かめてください"
            );
            let en = format!(
                "no service answers at {address} ({error}); check that it runs, and that --admin-listen is the same for both"
            );
            Err(Failure::Data(lang.pick(ja, en)))
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// Requests a path. Returns whether the answer is a success, and its text.
fn ask(address: SocketAddr, path: &str, lang: Lang, limit: Duration) -> io::Result<(bool, String)> {
    let end = Instant::now() + limit;
    let left = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let head = [
        format!("GET {path} HTTP/1.1"),
        format!("Host: {address}"),
        format!("Accept-Language: {}", lang.pick("ja", "en")),
        "Connection: close".to_owned(),
    ];
    stream.write_all(format!("{}\r\n\r\n", head.join("\r\n")).as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while (answer.len() as u64) < MAX_ANSWER_BYTES {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend(part.iter().take(read)),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of Sonae");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(strange)?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or_else(strange)?;
    Ok((status == "200", body.to_owned()))
}
