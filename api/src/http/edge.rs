//! The edge of the service. Every request gets an id, a line in the log and its place in the metrics; every answer gets
//! the headers that protect browsers; every error gets a problem as its body.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use bytes::Bytes;
use schema::{Choice, Clock, Role, TokenId};
use scoring::Lang;
use tracing::field::Empty;
use tracing::{Instrument, Span, error, info, info_span, warn};

use crate::base::problem::{ApiError, Problem, ProblemKind};
use crate::base::telemetry::Traced;
use crate::base::telemetry::metrics::{self, InFlight};
use crate::http::auth;
use crate::http::extract::language;
use crate::http::operations::Operations;
use crate::http::peers::{Peers, Visit};
use crate::http::refused::problem_at;
use crate::http::state::State;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The default headers of every answer.
pub(crate) const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "private, no-cache"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
];
/// Sent with every answer over TLS, so that browsers return only over TLS.
const HSTS: &str = "max-age=31536000";

/// How requests reach the service.
#[derive(Debug)]
pub(crate) struct Edge {
    /// Whether the service itself encrypts.
    pub(crate) is_https: bool,
    /// The current requests of each address for which a proxy forwards requests. `None` without a proxy, because then
    /// anybody could set the header.
    pub(crate) forwarded: Option<Peers>,
}

impl Edge {
    /// Returns what the last proxy says in a header. Earlier values may come from the client.
    fn said_last<'a>(&self, headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
        self.forwarded.as_ref()?;
        headers.get_all(name).last()?.to_str().ok()?.rsplit(',').next().map(str::trim)
    }

    fn was_encrypted(&self, headers: &HeaderMap) -> bool {
        self.is_https || self.said_last(headers, &FORWARDED_PROTO) == Some("https")
    }

    /// Counts a request that a proxy forwards. Refuses it if its address has too many in progress.
    fn count(&self, headers: &HeaderMap) -> Result<Option<Visit>, ProblemKind> {
        let address = self.said_last(headers, &FORWARDED_FOR).and_then(|said| {
            let host = said.parse::<std::net::SocketAddr>().map(|said| said.ip());
            host.or_else(|_| said.trim_matches(['[', ']']).parse::<IpAddr>()).ok()
        });
        let Some((peers, address)) = self.forwarded.as_ref().zip(address) else { return Ok(None) };
        peers.enter(address).map(Some).ok_or(ProblemKind::TooManyRequests)
    }
}

/// Wraps the whole application.
pub(crate) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Outgoing>, Error> {
    let start = Instant::now();
    let id = Clock::system().uuid().to_string();
    let lang = language(request.headers());
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let (in_flight, traced) = (InFlight::begin(), Traced::request(traceparent(request.headers())));
    let span = info_span!(
        "request",
        request_id = %id, trace_id = %traced.trace_id(), method = %method, path = %path, token_id = Empty, role = Empty,
    );
    let state = request.app_data::<Data<State>>().cloned();
    let was_encrypted = state.as_ref().is_some_and(|state| state.edge.was_encrypted(request.headers()));

    // The connection answers HEAD without the body.
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let counted = state.as_ref().map_or(Ok(None), |state| state.edge.count(request.headers()));
    let (visit, stopped) = match counted {
        Ok(visit) => (visit, answer_at_once(&request, &method)),
        Err(kind) => (None, Some(Stopped::Problem(kind.into()))),
    };
    let mut response = match stopped {
        Some(Stopped::Answer(answer)) => request.into_response(answer),
        Some(Stopped::Refused(problem)) => request.into_response(problem.answer(lang, "", &id)),
        Some(Stopped::Problem(problem)) => request.into_response(problem.answer(lang, &path, &id)),
        None => {
            if path.starts_with("/v1/") {
                note_caller(&span, auth::present(&request, &id).instrument(span.clone()).await);
            }
            // Errors of handlers and extractors have become answers by now.
            let response = traced.carry(next.call(request)).instrument(span.clone()).await?.map_into_boxed_body();
            let _entered = span.enter();
            with_problem(response, lang, &path, &id)
        }
    };
    let route = response.request().match_pattern();
    // All paths that match no route share one label, so that a scanner cannot create a series with each guess.
    let route = route.as_deref().unwrap_or(metrics::NO_ROUTE);
    let _entered = span.entered();
    complete(response.headers_mut(), &id, was_encrypted);
    let status = response.status().as_u16();
    note(method_label(&method), route, status, start.elapsed());
    traced.answered(&id, method_label(&method), route, status);
    Ok(response.map_body(|_, body| Outgoing { body, piece: Bytes::new(), _visit: visit, _in_flight: in_flight }))
}

fn note_caller(span: &Span, caller: Option<(TokenId, Role)>) {
    if let Some((id, role)) = caller {
        span.record("token_id", tracing::field::display(id));
        span.record("role", role.key());
    }
}

/// What is answered at once, before the caller is known.
enum Stopped {
    /// A head that was refused. Nothing is known about what it asked for.
    Refused(Problem),
    Problem(Problem),
    Answer(HttpResponse),
}

fn answer_at_once(request: &ServiceRequest, method: &Method) -> Option<Stopped> {
    let path = request.path();
    if let Some(problem) = problem_at(path) {
        return Some(Stopped::Refused(problem));
    }
    let allowed = request.app_data::<Data<Operations>>()?;
    if let Some(methods) = allowed.methods(path) {
        let refusal = || Problem::from(ProblemKind::MethodNotAllowed).header(header::ALLOW, methods);
        return (!allowed.has(path, method)).then(|| Stopped::Problem(refusal()));
    }
    // Frameworks often add a slash.
    let short = path.trim_end_matches('/');
    if short.len() == path.len() || allowed.methods(short).is_none() {
        return None;
    }
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    let location = (header::LOCATION, format!("{short}{query}"));
    Some(Stopped::Answer(HttpResponse::PermanentRedirect().insert_header(location).finish()))
}

/// Returns the answer with a problem as its body, if it is an error.
fn with_problem(response: ServiceResponse, lang: Lang, path: &str, id: &str) -> ServiceResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let cause = response.response().error();
    let api_error = cause.and_then(|error| error.as_error::<ApiError>());
    if status.is_server_error() {
        match cause {
            Some(cause) => error!(error = %with_causes(api_error, cause), "request failed"),
            None => error!(status = status.as_u16(), "request failed"),
        }
    }
    let bare;
    let problem = match api_error.and_then(ApiError::problem) {
        Some(problem) => problem,
        None => {
            bare = Problem::from(api_error.map_or_else(|| ProblemKind::of_status(status), ApiError::kind));
            &bare
        }
    };
    let answer = problem.answer(lang, path, id);
    ServiceResponse::new(response.request().clone(), answer)
}

/// Adds the headers that every answer has.
fn complete(headers: &mut HeaderMap, id: &str, was_encrypted: bool) {
    for (name, value) in SECURITY_HEADERS {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if was_encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HSTS));
    }
    let is_packable = headers.contains_key(header::VARY);
    let vary =
        if is_packable { "accept-language, authorization, accept-encoding" } else { "accept-language, authorization" };
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
}

/// The largest piece of an answer that a connection copies at a time. A peer that reads nothing occupies no more than
/// that.
const MAX_PIECE_BYTES: usize = 32 << 10;

/// The body of an answer, in pieces. The request counts as in progress until it is sent.
pub(crate) struct Outgoing {
    body: BoxBody,
    /// The rest of the last piece from the body. Smaller pieces share its memory.
    piece: Bytes,
    _visit: Option<Visit>,
    _in_flight: InFlight,
}

impl MessageBody for Outgoing {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        while self.piece.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(piece)) => self.piece = piece,
                end => return Poll::Ready(end),
            }
        }
        let count = self.piece.len().min(MAX_PIECE_BYTES);
        Poll::Ready(Some(Ok(self.piece.split_to(count))))
    }
}

/// Returns a request's method as a label. Clients may send any text as a method.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Returns the trace of a request, from its header.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent");
    let value = values.next()?;
    // With two headers it is unknown which one to follow.
    if values.next().is_none() { Some(value.to_str().ok()?.trim()) } else { None }
}

fn note(method: &'static str, route: &str, status: u16, took: Duration) {
    metrics::request_answered(method, route, status, took);
    let duration_ms = took.as_micros() as f64 / 1e3;
    if status >= 500 { warn!(status, duration_ms, "answered") } else { info!(status, duration_ms, "answered") }
}

fn with_causes(api_error: Option<&ApiError>, error: &Error) -> String {
    let cause: Option<&dyn std::error::Error> = match api_error {
        Some(ApiError::Internal(cause)) => Some(&**cause),
        Some(ApiError::Busy(cause) | ApiError::Disk(cause)) => Some(cause),
        _ => None,
    };
    cause.map_or_else(|| error.to_string(), crate::base::text::with_causes)
}
