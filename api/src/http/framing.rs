//! Finds where requests begin and end on a connection, with strict rules (RFC 9112).
//!
//! actix-http accepts a bare line feed as a line end, and chunk extensions of any length. A proxy that reads such bytes
//! differently would see other requests than the service does. They are therefore refused before actix-http sees them.

use actix_web::http::Uri;
use httparse::{EMPTY_HEADER, Header, Request};

/// The maximum length of the first line of a request, in bytes.
const MAX_FIRST_LINE_BYTES: usize = 16 << 10;
/// The maximum length of the head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// The maximum number of headers of a request: actix-http accepts no more.
const MAX_HEADERS: usize = 96;
/// The maximum length of a line with the size of a chunk, in bytes.
const MAX_SIZE_LINE_BYTES: u32 = 256;
/// The maximum number of bytes of trailers.
const MAX_TRAILER_BYTES: u32 = 8 << 10;

/// Why no more of a connection is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The head breaks the rules.
    Malformed,
    /// The address is too long.
    AddressTooLong,
    /// The head is too large.
    HeadTooLarge,
    /// The head arrived too slowly.
    SlowHead,
    /// The body breaks the rules of its framing. It counts as broken off.
    BrokenBody,
}

/// The result of a check of the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// This many bytes are good. The rest waits for more.
    Good(usize),
    /// This many bytes are good; after them the peer breaks the rules.
    Refused(usize, Refusal),
}

/// The state of a connection.
#[derive(Debug, Default)]
pub(crate) struct Framing(State);

#[derive(Debug)]
enum State {
    Head(Head),
    /// A body with this many bytes left.
    Length(u64),
    Chunks(Chunks),
    /// A tunnel to nowhere, after which no request follows.
    Rest,
}

#[derive(Debug, Default)]
struct Head {
    /// How many of its bytes have been searched for its end.
    searched: usize,
    /// Where its current line begins.
    line: usize,
    /// The length of its first line.
    first_line: Option<usize>,
}

#[derive(Debug)]
struct Chunks {
    place: Position,
    /// The size that is being read, or the number of bytes left.
    size: u64,
    digit_count: u32,
    /// The bytes of the size line so far, or of the trailers.
    line_bytes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Size,
    /// Spaces or tabs after the size, which only an extension may follow.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastEnd,
    Over,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Framing {
    /// Whether the next byte begins a request, or continues its head.
    pub(crate) fn is_in_head(&self) -> bool {
        matches!(self.0, State::Head(_))
    }

    /// Checks the bytes that were not good yet at the last call, followed by those that have arrived since.
    pub(crate) fn check(&mut self, bytes: &[u8]) -> Checked {
        let mut good = 0;
        while let Some(rest) = bytes.get(good..).filter(|rest| !rest.is_empty()) {
            let step = match &mut self.0 {
                State::Head(head) => match head_end(rest, head) {
                    Ok(None) => return Checked::Good(good),
                    Ok(Some(end)) => match rest.get(..end).ok_or(Refusal::Malformed).and_then(body_of) {
                        Ok(state) => {
                            self.0 = state;
                            Ok(end)
                        }
                        Err(refusal) => Err((0, refusal)),
                    },
                    Err(refusal) => Err((0, refusal)),
                },
                State::Length(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= count as u64;
                    if *left == 0 {
                        self.0 = State::default();
                    }
                    Ok(count)
                }
                State::Chunks(chunks) => match chunks.check(rest) {
                    Ok((count, is_over)) => {
                        if is_over {
                            self.0 = State::default();
                        }
                        Ok(count)
                    }
                    Err(count) => Err((count, Refusal::BrokenBody)),
                },
                State::Rest => Ok(rest.len()),
            };
            match step {
                Ok(count) => good += count,
                Err((count, refusal)) => return Checked::Refused(good + count, refusal),
            }
        }
        Checked::Good(good)
    }
}

/// Returns where a head ends, if its end has arrived. A head that is too large is still read up to the limit, because
/// the answer uses its language.
fn head_end(bytes: &[u8], head: &mut Head) -> Result<Option<usize>, Refusal> {
    // One empty line before a request is ignored.
    if head.line == 0 && bytes.starts_with(b"\r\n") {
        (head.searched, head.line) = (head.searched.max(2), 2);
    }
    while let Some(found) = bytes.get(head.searched..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let at = head.searched + found;
        if at == 0 || bytes.get(at - 1) != Some(&b'\r') {
            return Err(Refusal::Malformed);
        }
        let begin = std::mem::replace(&mut head.line, at + 1);
        head.searched = at + 1;
        head.first_line.get_or_insert(at - begin);
        if at - 1 == begin {
            return if head.is_within(at) { Ok(Some(at + 1)) } else { Err(head.excess()) };
        }
    }
    head.searched = bytes.len();
    if bytes.len() > MAX_HEAD_BYTES { Err(head.excess()) } else { Ok(None) }
}

impl Head {
    fn is_within(&self, length: usize) -> bool {
        length <= MAX_HEAD_BYTES && self.first_line.is_none_or(|length| length <= MAX_FIRST_LINE_BYTES)
    }

    /// Returns which part of it is too large.
    fn excess(&self) -> Refusal {
        match self.first_line {
            Some(length) if length <= MAX_FIRST_LINE_BYTES => Refusal::HeadTooLarge,
            _ => Refusal::AddressTooLong,
        }
    }
}

/// Returns what follows a head.
fn body_of(head: &[u8]) -> Result<State, Refusal> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut request = Request::new(&mut headers);
    match request.parse(head) {
        Ok(status) if status.is_complete() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        _ => return Err(Refusal::Malformed),
    }
    let path = request.path.filter(|path| Uri::try_from(*path).is_ok());
    let (Some(method), Some(_)) = (request.method, path) else { return Err(Refusal::Malformed) };
    let is_new = request.version == Some(1);
    let one = |name: &str| -> Result<Option<&[u8]>, Refusal> {
        let mut values = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        let first = values.next().map(|header: &Header<'_>| header.value.trim_ascii());
        if values.next().is_some() { Err(Refusal::Malformed) } else { Ok(first) }
    };
    let host = one("host")?;
    let length = one("content-length")?.map(length).transpose()?;
    let encoding = one("transfer-encoding")?;
    let is_chunked = encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(b"chunked"));
    let is_wrong = (is_new && host.is_none())
        || (encoding.is_some() && !(is_new && is_chunked && length.is_none()))
        // Such a body would end only with the connection.
        || (!is_new && method == "POST" && length.is_none());
    // After a request for a WebSocket, actix-http reads everything as one endless body.
    let is_upgrade = request
        .headers
        .iter()
        .any(|header| header.name.eq_ignore_ascii_case("upgrade") && contains(header.value, b"websocket"));
    if is_wrong || is_upgrade {
        return Err(Refusal::Malformed);
    }
    Ok(match length {
        _ if is_chunked => State::Chunks(Chunks { place: Position::Size, size: 0, digit_count: 0, line_bytes: 0 }),
        _ if method == "CONNECT" => State::Rest,
        Some(length) if length > 0 => State::Length(length),
        _ => State::default(),
    })
}

fn contains(value: &[u8], wanted: &[u8]) -> bool {
    value.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

/// Returns the language that a head asks for, as far as it can be read.
pub(crate) fn accepted_language(head: &[u8]) -> Option<&[u8]> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find_map(|line| {
        let (name, value) = line.split_at_checked(b"accept-language:".len())?;
        let is_plain = value.len() <= 256 && value.iter().all(|byte| (0x20..0x7f).contains(byte));
        (is_plain && name.eq_ignore_ascii_case(b"accept-language:")).then_some(value)
    })
}

/// Reads a length that consists of digits only.
fn length(value: &[u8]) -> Result<u64, Refusal> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or(Refusal::Malformed)
}

impl Chunks {
    /// Returns how many bytes are good and whether the body ends with them. The error is the number of good bytes
    /// before a bad one.
    fn check(&mut self, bytes: &[u8]) -> Result<(usize, bool), usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.place == Position::Data {
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.size -= count as u64;
                at += count;
                if self.size == 0 {
                    self.place = Position::DataReturn;
                }
                continue;
            }
            self.place = self.step(*byte).ok_or(at)?;
            at += 1;
            if self.place == Position::Over {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Returns the place after a byte outside the data of a chunk, or `None` if the byte breaks the rules.
    fn step(&mut self, byte: u8) -> Option<Position> {
        self.line_bytes += 1;
        let longest = match self.place {
            Position::TrailerStart | Position::Trailer | Position::TrailerEnd | Position::LastEnd => MAX_TRAILER_BYTES,
            _ => MAX_SIZE_LINE_BYTES,
        };
        if self.line_bytes > longest {
            return None;
        }
        match (self.place, byte) {
            (Position::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size.checked_mul(16)?.checked_add(digit.into())?;
                self.digit_count += 1;
                (self.digit_count <= 16).then_some(Position::Size)
            }
            (Position::Size, _) if self.digit_count == 0 => None,
            (Position::Size | Position::Blank, b' ' | b'\t') => Some(Position::Blank),
            (Position::Size | Position::Blank, b';') => Some(Position::Extension),
            (Position::Size | Position::Extension, b'\r') => Some(Position::SizeEnd),
            (Position::Extension, b'\t' | 0x20..=0x7e | 0x80..) => Some(Position::Extension),
            (Position::SizeEnd, b'\n') => {
                self.line_bytes = 0;
                Some(if self.size == 0 { Position::TrailerStart } else { Position::Data })
            }
            (Position::DataReturn, b'\r') => Some(Position::DataEnd),
            (Position::DataEnd, b'\n') => {
                (self.size, self.digit_count, self.line_bytes) = (0, 0, 0);
                Some(Position::Size)
            }
            (Position::TrailerStart, b'\r') => Some(Position::LastEnd),
            // A line that begins with a space would continue the one before it.
            (Position::TrailerStart, 0x21..=0x7e) => Some(Position::Trailer),
            (Position::Trailer, b'\r') => Some(Position::TrailerEnd),
            (Position::Trailer, b'\t' | 0x20..=0x7e | 0x80..) => Some(Position::Trailer),
            (Position::TrailerEnd, b'\n') => Some(Position::TrailerStart),
            (Position::LastEnd, b'\n') => Some(Position::Over),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";

    /// Checks bytes that arrive in pieces of one size.
    fn check(bytes: &[u8], piece: usize) -> Checked {
        let (mut framing, mut good, mut come) = (Framing::default(), 0, 0);
        while come < bytes.len() {
            come = bytes.len().min(come + piece);
            match framing.check(&bytes[good..come]) {
                Checked::Good(count) => good += count,
                Checked::Refused(count, refusal) => return Checked::Refused(good + count, refusal),
            }
        }
        Checked::Good(good)
    }

    #[track_caller]
    fn gives(text: &str, wanted: Checked) {
        for piece in [1, 2, 3, 7, text.len()] {
            assert_eq!(check(text.as_bytes(), piece), wanted, "{text:?} in pieces of {piece}");
        }
    }

    #[test]
    fn good_requests_pass_whole_one_after_another() {
        let requests = [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\nPOST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab\n\rc",
            &format!("{CHUNKED}5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nx: y\r\n\r\n"),
            "GET / HTTP/1.0\r\n\r\n",
        ];
        let all = requests.concat();
        gives(&all, Checked::Good(all.len()));
    }

    #[test]
    fn heads_that_break_the_rules_are_refused() {
        for head in [
            "GET / HTTP/1.1\nhost: x\n\n",
            "GET / HTTP/1.1\r\nhost: x\n\r\n",
            "\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\na: \0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
            "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: identity\r\n\r\n",
            "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
            "POST / HTTP/1.0\r\n\r\n",
        ] {
            gives(head, Checked::Refused(0, Refusal::Malformed));
        }
    }

    #[test]
    fn heads_that_are_too_large_are_refused_by_what_is() {
        let line = |bytes: usize| format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(bytes));
        assert_eq!(check(line(16_000).as_bytes(), 999), Checked::Good(line(16_000).len()));
        assert_eq!(check(line(17_000).as_bytes(), 999), Checked::Refused(0, Refusal::AddressTooLong));
        assert_eq!(check("a".repeat(100_000).as_bytes(), 999), Checked::Refused(0, Refusal::AddressTooLong));
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\na: {}", "a".repeat(70_000));
        assert_eq!(check(head.as_bytes(), 999), Checked::Refused(0, Refusal::HeadTooLarge));
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(97));
        assert_eq!(check(head.as_bytes(), 999), Checked::Refused(0, Refusal::HeadTooLarge));
    }

    #[test]
    fn chunks_that_break_the_rules_end_the_body() {
        let long = format!("5;{}\r\nhello\r\n", "x".repeat(300));
        let trailers = format!("0\r\n{}\r\n", "x: y\r\n".repeat(2_000));
        for (chunks, good) in [
            ("0x5\r\nhello\r\n", 1),
            ("+5\r\nhello\r\n", 0),
            ("-5\r\nhello\r\n", 0),
            (" 5\r\nhello\r\n", 0),
            ("5 \r\nhello\r\n", 2),
            ("5\nhello\r\n", 1),
            ("5\rhello\r\n", 2),
            ("\r\n", 0),
            (";a\r\n", 0),
            ("5;a\nb\r\nhello\r\n", 3),
            ("5;a\0\r\nhello\r\n", 3),
            ("5\r\nhello0\r\n\r\n", 8),
            ("5\r\nhello\n0\r\n\r\n", 8),
            ("5\r\nhello\r0\r\n\r\n", 9),
            ("FFFFFFFFFFFFFFFFF\r\n", 16),
            ("00000000000000005\r\nhello\r\n", 16),
            ("0\r\n\n", 3),
            ("0\r\nx: y\n\r\n", 7),
            ("0\r\nx: y\n\nGET / HTTP/1.1\r\n\r\n", 7),
            ("0\r\n x: y\r\n\r\n", 3),
            (&long, 256),
            (&trailers, 3 + 8192),
        ] {
            gives(&format!("{CHUNKED}{chunks}"), Checked::Refused(CHUNKED.len() + good, Refusal::BrokenBody));
        }
    }

    #[test]
    fn the_language_of_a_head_is_found() {
        let head = b"GET / HTTP/1.1\nhost: x\r\nAccept-Language: en\r\n\r\n";
        assert_eq!(accepted_language(head), Some(b" en".as_slice()));
        assert_eq!(accepted_language(b"GET / HTTP/1.1\r\naccept-language: \x01\r\n\r\n"), None);
    }
}
