//! A connection. It reads strictly, waits for its peer only as long as allowed, and counts towards the limit of its
//! address.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::{Checked, Framing, Refusal, accepted_language};
use super::peers::Visit;
use super::refused::address_of;

/// How long a peer may send nothing of a body that the service waits for, in addition to the time that the minimum rate
/// allows. Code that reads a body refuses it sooner, with an answer. This limit also ends bodies that nobody reads.
const BODY_SILENCE_TIMEOUT: Duration = Duration::from_secs(45);
/// The number of bytes that are read at a time.
const READ_BYTES: usize = 16 << 10;
/// How many of the bytes that a refused peer still sends are read, so that it sees the answer and not a reset.
const MAX_UNREAD_BYTES: usize = 256 << 10;

/// A socket that gives up on a peer which accepts no data. It lies below encryption, because above it bytes count as
/// written that only wait.
pub(crate) struct PacedSocket {
    stream: TcpStream,
    writing: Patience,
    /// Counts the connection as one of its address.
    _visit: Option<Visit>,
}

impl PacedSocket {
    pub(crate) fn new(stream: TcpStream, paces: Paces, visit: Option<Visit>) -> Self {
        let writing = Patience::new(paces.answer, Some(paces.min_bytes_per_second));
        Self { stream, writing, _visit: visit }
    }
}

impl AsyncRead for PacedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for PacedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending if self.writing.is_exhausted(cx) => {
                // What the kernel still holds for the peer is dropped. If that fails, the kernel keeps trying for a
                // while.
                let _ = self.stream.set_zero_linger();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                self.writing.progress(*outcome.as_ref().unwrap_or(&0));
                Poll::Ready(outcome)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What carries the bytes of a connection: a socket, or encryption on top of one.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Carrier for T {}

/// A connection, as actix-http reads and writes it.
pub(crate) struct Connection {
    carrier: Box<dyn Carrier>,
    framing: Framing,
    /// The bytes that have arrived. The first `good` ones may be passed on.
    come: BytesMut,
    good: usize,
    /// No more is read: the peer has ended, or broken the rules.
    is_over: bool,
    is_refused: bool,
    waits_for: Part,
    paces: Paces,
    reading: Patience,
}

/// How long the service waits for a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paces {
    /// While the head of a request arrives.
    pub(crate) head: Duration,
    /// While the peer accepts nothing of an answer, in addition to the time that the minimum rate allows.
    pub(crate) answer: Duration,
    pub(crate) min_bytes_per_second: u64,
}

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The first byte of the connection.
    First,
    /// The next request. actix-http limits this wait by the keep-alive time.
    Next,
    Head,
    Body,
}

impl Connection {
    pub(crate) fn new(carrier: Box<dyn Carrier>, paces: Paces) -> Self {
        Self {
            carrier,
            framing: Framing::default(),
            come: BytesMut::new(),
            good: 0,
            is_over: false,
            is_refused: false,
            waits_for: Part::First,
            paces,
            reading: Patience::new(paces.head, None),
        }
    }

    /// Reads more bytes and checks them.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut piece = [0; READ_BYTES];
        let mut piece = ReadBuf::new(&mut piece);
        match Pin::new(&mut self.carrier).poll_read(cx, &mut piece) {
            Poll::Pending => {
                if self.waits_for == Part::Next || !self.reading.is_exhausted(cx) {
                    return Poll::Pending;
                }
                match self.waits_for {
                    Part::Head => self.refuse(Refusal::SlowHead),
                    // The code that reads a body answers one that breaks off.
                    Part::First | Part::Next | Part::Body => self.is_over = true,
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(outcome) => outcome?,
        }
        let piece = piece.filled();
        self.reading.progress(piece.len());
        if piece.is_empty() {
            // The rest of a head that broke off is ignored.
            self.is_over = true;
            return Poll::Ready(Ok(()));
        }
        self.come.extend_from_slice(piece);
        match self.framing.check(&self.come) {
            Checked::Good(count) => self.good = count,
            Checked::Refused(count, Refusal::BrokenBody) => {
                (self.good, self.is_over) = (count, true);
            }
            Checked::Refused(count, refusal) => {
                self.good = count;
                self.refuse(refusal);
            }
        }
        let part = match (self.framing.is_in_head(), self.come.len() > self.good) {
            (true, false) => Part::Next,
            (true, true) => Part::Head,
            (false, _) => Part::Body,
        };
        // Each head gets the full time, even if it directly follows another.
        let is_another = part == Part::Head && self.good > 0;
        self.wait_for(part, is_another);
        Poll::Ready(Ok(()))
    }

    fn wait_for(&mut self, part: Part, is_another: bool) {
        if self.waits_for != part || is_another {
            self.waits_for = part;
            self.reading = match part {
                Part::Body => Patience::new(BODY_SILENCE_TIMEOUT, Some(self.paces.min_bytes_per_second)),
                Part::First | Part::Next | Part::Head => Patience::new(self.paces.head, None),
            };
        }
    }

    /// Replaces a refused head with a request whose answer gives the reason and closes the connection.
    fn refuse(&mut self, refusal: Refusal) {
        let head = self.come.split_off(self.good);
        self.come.extend_from_slice(
            format!("GET {} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n", address_of(refusal)).as_bytes(),
        );
        if let Some(language) = accepted_language(&head) {
            self.come.extend_from_slice(b"accept-language:");
            self.come.extend_from_slice(language);
            self.come.extend_from_slice(b"\r\n");
        }
        self.come.extend_from_slice(b"\r\n");
        self.good = self.come.len();
        (self.is_over, self.is_refused) = (true, true);
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.good == 0 && !self.is_over {
            ready!(self.poll_more(cx))?;
        }
        let count = self.good.min(into.remaining());
        into.put_slice(self.come.get(..count).unwrap_or_default());
        self.come.advance(count);
        self.good -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.carrier).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut unread = [0; READ_BYTES];
        for _ in 0..if self.is_refused { MAX_UNREAD_BYTES / READ_BYTES } else { 0 } {
            let mut unread = ReadBuf::new(&mut unread);
            let is_read = matches!(Pin::new(&mut self.carrier).poll_read(cx, &mut unread), Poll::Ready(Ok(())));
            if !is_read || unread.filled().is_empty() {
                break;
            }
        }
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}

/// How long to keep waiting for a peer. The bytes that it moves earn it more time, at the minimum rate.
struct Patience {
    most: Duration,
    min_bytes_per_second: Option<u64>,
    left: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Returns a full wait. Without a rate, nothing earns more time.
    fn new(most: Duration, min_bytes_per_second: Option<u64>) -> Self {
        Self { most, min_bytes_per_second, left: most, since: None, timer: None }
    }

    /// Whether the wait is over. If not, the task is woken when it will be.
    fn is_exhausted(&mut self, cx: &mut Context<'_>) -> bool {
        let left = self.left;
        if self.since.is_none() {
            self.since = Some(Instant::now());
            self.timer = None;
        }
        self.timer.get_or_insert_with(|| Box::pin(sleep(left))).as_mut().poll(cx).is_ready()
    }

    fn progress(&mut self, bytes: usize) {
        let Some(since) = self.since.take() else { return };
        let rate = self.min_bytes_per_second.unwrap_or(u64::MAX).max(1);
        let earned = Duration::from_millis((bytes as u64).saturating_mul(1000) / rate);
        self.left = self.left.saturating_sub(since.elapsed()).saturating_add(earned).min(self.most);
    }
}
