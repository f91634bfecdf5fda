//! A client with many connections: one thread that sends the next request on each as soon as its answer has arrived.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Failure;

/// How well a load was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Throughput {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Connections, each with one request at a time.
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// Only answers after this count.
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

impl Load {
    /// Sends the requests that `next` writes until the time is over. Each must be answered with 200.
    pub(crate) fn run(&self, mut next: impl FnMut(&mut Vec<u8>)) -> Result<Throughput, Failure> {
        let mut poll = Poll::new()?;
        let mut connections = Vec::with_capacity(self.connections);
        for place in 0..self.connections {
            let mut connection = Connection::open(self.address)?;
            poll.registry().register(&mut connection.stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
            next(&mut connection.request);
            connections.push(connection);
        }
        let (start, mut events, mut latencies) = (Instant::now(), Events::with_capacity(256), Vec::new());
        let end = self.warm_up + self.duration;
        while start.elapsed() < end {
            poll.poll(&mut events, Some(Duration::from_millis(100)))?;
            for event in &events {
                let connection = connections.get_mut(event.token().0).ok_or("an unknown connection")?;
                while let Some(latency) = connection.advance()? {
                    if start.elapsed() >= self.warm_up {
                        latencies.push(latency.as_secs_f64() * 1000.0);
                    }
                    next(&mut connection.request);
                }
            }
        }
        latencies.sort_by(f64::total_cmp);
        let share = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).copied();
        Ok(Throughput {
            requests_per_second: latencies.len() as f64 / self.duration.as_secs_f64(),
            p50_ms: share(0.5).ok_or("no answers")?,
            p99_ms: share(0.99).ok_or("no answers")?,
        })
    }
}

struct Connection {
    stream: TcpStream,
    /// The part of the request that is still to be sent.
    request: Vec<u8>,
    answer: Vec<u8>,
    sent_at: Instant,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream);
        Ok(Self { stream, request: Vec::new(), answer: Vec::with_capacity(16 << 10), sent_at: Instant::now() })
    }

    /// Sends and receives what is possible. Returns the latency once an answer is complete.
    fn advance(&mut self) -> Result<Option<Duration>, Failure> {
        if !self.request.is_empty() {
            // A request is much smaller than the buffer of a socket, so it is taken as a whole or not at all.
            match self.stream.write(&self.request) {
                Ok(sent) if sent == self.request.len() => self.request.clear(),
                Ok(_) => return Err("a request was cut".into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            self.sent_at = Instant::now();
            self.answer.clear();
        }
        let mut part = [0; 16 << 10];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return Err("a connection was closed".into()),
                Ok(count) => self.answer.extend(part.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if is_whole(&self.answer)? {
                return Ok(Some(self.sent_at.elapsed()));
            }
        }
    }
}

/// Returns whether an answer has arrived completely.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    let Some(head_length) = answer.windows(4).position(|end| end == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(answer.get(..head_length).unwrap_or_default())?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(format!("answered: {}", String::from_utf8_lossy(answer)).into());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("content-length") { value.parse::<usize>().ok() } else { None }
    });
    Ok(answer.len() >= head_length + 4 + length.ok_or("an answer without a length")?)
}
