//! Scores by code, against a bare handler of actix-web that returns the same bytes.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use tests::draw::Draw;

use crate::Failure;
use crate::bare::{Handler, SERVED};
use crate::installation::Installation;
use crate::load::{Load, Throughput};
use crate::observation::Observation;
use crate::portfolio::Portfolio;
use crate::service::{AccessToken, Service};
use crate::stage::Stage;

const CONNECTIONS: usize = 32;

pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Observation>, Failure> {
    let mut rate = Observation::of("by-code");
    let mut slowest = Observation::of("by-code-p99");
    let mut revoke = Observation::of("revoke");
    let scored = stage.scored()?;
    let suppliers = stage.portfolio.counts.suppliers;
    for run in 0..stage.runs {
        let service = Service::start(scored)?;
        let sample = service.get(&format!("{SERVED}?code={}", Portfolio::code(0)))?;
        if sample.status != 200 {
            return Err(format!("{}: {}", sample.status, sample.body).into());
        }
        let measured = load(service.address, &service.token, suppliers, run)?;
        rate.values.push(measured.requests_per_second);
        rate.note("p50_ms", measured.p50_ms);
        slowest.values.push(measured.p99_ms);
        revoke.values.push(revoked_after(scored, &service)?.as_secs_f64());
        rate.peaks_bytes.push(service.stop()?);
        let handler = Handler::start(&sample)?;
        let limit = load(handler.address, "none", suppliers, run)?;
        rate.limits.push(limit.requests_per_second);
        rate.note("bare_p99_ms", limit.p99_ms);
        rate.note("bare_peak_bytes", handler.peak_bytes()?);
        rate.note("answer_bytes", sample.body.len() as f64);
    }
    Ok(vec![rate, slowest, revoke])
}

fn load(address: SocketAddr, token: &str, suppliers: u32, run: u32) -> Result<Throughput, Failure> {
    let load =
        Load { address, connections: CONNECTIONS, warm_up: Duration::from_secs(1), duration: Duration::from_secs(5) };
    let mut draw = Draw::new(u64::from(run));
    load.run(|request| {
        let code = Portfolio::code(draw.below(suppliers));
        let written = write!(
            request,
            "GET {SERVED}?code={code} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        // Writing to a vector cannot fail.
        let _ = written;
    })
}

/// Returns how long a token in use still opens the service after `sonae token revoke` has ended.
fn revoked_after(installation: &Installation<'_>, service: &Service) -> Result<Duration, Failure> {
    let token = AccessToken::create(installation)?;
    let path = format!("{SERVED}?code={}", Portfolio::code(1));
    for _ in 0..10 {
        let status = service.get_with(&token.secret, &path)?.status;
        if status != 200 {
            return Err(format!("a new token was answered with {status}").into());
        }
    }
    installation.sonae(&["token", "revoke", &token.name])?;
    let start = Instant::now();
    while service.get_with(&token.secret, &path)?.status != 401 {
        if start.elapsed() > Duration::from_secs(60) {
            return Err("a revoked token still opens the service after a minute".into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(start.elapsed())
}
