//! The edge of the service: every request gets an id, a line in the log and its place in the metrics, and every error a
//! problem as its body.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use tracing::{Instrument, error, info, info_span, warn};
use uuid::Uuid;

use crate::extract::language;
use crate::problem::{ApiError, Problem, ProblemKind};
use crate::service::Allowed;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps the whole application.
pub(crate) async fn edge(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let start = Instant::now();
    let id = Uuid::now_v7().to_string();
    let lang = language(request.headers());
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let span = info_span!("request", request_id = %id, method = %method, path = %path);

    // The connection answers it without the body.
    if method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    // Errors of handlers and of what they take out of requests are answers by now.
    let mut response = next.call(request).instrument(span.clone()).await?.map_into_boxed_body();
    let status = response.status();
    let route = response.request().match_pattern();
    let _entered = span.entered();
    if status.is_client_error() || status.is_server_error() {
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
        let allowed = response.request().app_data::<Data<Allowed>>();
        let methods = allowed.filter(|_| cause.is_none() && status == StatusCode::NOT_FOUND);
        let answer = match methods.and_then(|allowed| allowed.methods(&path)) {
            Some(methods) => {
                Problem::from(ProblemKind::MethodNotAllowed).header(header::ALLOW, methods).answer(lang, &path, &id)
            }
            None => problem.answer(lang, &path, &id),
        };
        response = ServiceResponse::new(response.request().clone(), answer);
    }
    let vary = HeaderValue::from_static("accept-language, authorization");
    response.headers_mut().insert(header::VARY, vary);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    note(&method, route, response.status().as_u16(), start);
    Ok(response)
}

fn note(method: &Method, route: Option<String>, status: u16, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    // One label for all paths that are none, so that a scanner cannot make a series a guess.
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    let method = match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    };
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::counter!("sonae_http_requests_total", &labels).increment(1);
    metrics::histogram!("sonae_http_request_seconds", &labels[..2]).record(seconds);
    let duration_ms = (seconds * 1e6).round() / 1e3;
    if status >= 500 { warn!(status, duration_ms, "answered") } else { info!(status, duration_ms, "answered") }
}

fn with_causes(api_error: Option<&ApiError>, error: &Error) -> String {
    let cause: Option<&dyn std::error::Error> = match api_error {
        Some(ApiError::Internal(cause)) => Some(&**cause),
        Some(ApiError::Busy(cause) | ApiError::Disk(cause)) => Some(cause),
        _ => None,
    };
    cause.map_or_else(|| error.to_string(), crate::cli::with_causes)
}
