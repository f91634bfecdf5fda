//! Answers to heads of requests that are refused before actix-http sees them.

use super::framing::Refusal;
use crate::base::problem::{Problem, ProblemKind};

/// The refusals that get an answer. Each has its own address: a request for it replaces the refused one.
const ANSWERED_REFUSALS: [(Refusal, &str); 4] = [
    (Refusal::Malformed, "/.refused/malformed"),
    (Refusal::AddressTooLong, "/.refused/address-too-long"),
    (Refusal::HeadTooLarge, "/.refused/head-too-large"),
    (Refusal::SlowHead, "/.refused/slow-head"),
];

/// Returns the address that replaces the one of a refused request.
pub(crate) fn address_of(refusal: Refusal) -> &'static str {
    ANSWERED_REFUSALS.iter().find(|(known, _)| *known == refusal).map_or("/.refused/malformed", |(_, address)| address)
}

/// Returns the problem for such an address.
pub(crate) fn problem_at(path: &str) -> Option<Problem> {
    let (refusal, _) = ANSWERED_REFUSALS.iter().find(|(_, address)| *address == path)?;
    Some(match refusal {
        Refusal::Malformed | Refusal::BrokenBody => Problem::from(ProblemKind::InvalidRequest).detail(
            "HTTP/1.1 として読めません。行は CRLF で終え、Host と本文の長さは1つずつにしてください（RFC 9112）",
            "this is not HTTP/1.1 as RFC 9112 has it: end lines with CRLF, and send one Host and one length of the body",
        ),
        Refusal::AddressTooLong => ProblemKind::AddressTooLong.into(),
        Refusal::HeadTooLarge => ProblemKind::HeadTooLarge.into(),
        Refusal::SlowHead => Problem::from(ProblemKind::SlowRequest).detail(
            "リクエストの見出しが届くのが遅すぎます。回線を確かめて送り直してください",
            "the head of the request arrived too slowly; check the connection and send it again",
        ),
    })
}
