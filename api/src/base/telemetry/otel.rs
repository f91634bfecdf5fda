//! Exports requests and jobs as OpenTelemetry spans to a collector over HTTP.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceFlags, TraceState, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::{info, warn};
use ureq::Agent;

use super::trace::{TraceContext, Work};
use crate::base::text::Text;

pub(super) use opentelemetry_sdk::trace::Span;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// The time-out for sending to the collector.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last spans to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum number of bytes that are read of a collector's answer.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// Sends spans while it exists.
pub(super) struct Export(SdkTracerProvider);

impl Drop for Export {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            warn!(%error, "the last spans were not exported");
        }
    }
}

/// Starts sending spans to the collector that the standard variables of OpenTelemetry name.
pub(super) fn export(endpoint: &str) -> Result<Export, Text> {
    if !endpoint.starts_with("http://") {
        return Err(Text::new(
            "OTEL_EXPORTER_OTLP_ENDPOINT: http:// で始まる、このマシンか同じネットワークのコレクターのアドレスを指定してください",
            "OTEL_EXPORTER_OTLP_ENDPOINT: give the address of a collector on this machine or network, beginning with http://",
        ));
    }
    let exporter = SpanExporter::builder().with_http().with_http_client(Collector::new()).build();
    let exporter = exporter.map_err(|error| {
        Text::new(format!("スパンを送信できません: {error}"), format!("spans cannot be exported: {error}"))
    })?;
    let known = Resource::builder().build();
    let is_named =
        known.get_ref(&"service.name".into()).is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    let resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let resource = if is_named { resource } else { resource.with_service_name("sonae") };
    let provider = SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
    // A process has only one export.
    let _ = TRACER.set(provider.tracer("sonae"));
    info!("spans are exported");
    Ok(Export(provider))
}

/// Begins a span, unless spans are not exported.
pub(super) fn begin(work: Work, parent: Option<TraceContext>) -> Option<(TraceContext, Span)> {
    let tracer = TRACER.get()?;
    let (name, kind) = match work {
        Work::Request => ("request", SpanKind::Server),
        Work::Job => ("job", SpanKind::Consumer),
    };
    let around = parent.map_or_else(Context::new, |parent| {
        let flags = if parent.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        Context::new().with_remote_span_context(SpanContext::new(
            parent.trace_id.into(),
            parent.span_id.into(),
            flags,
            true,
            TraceState::default(),
        ))
    });
    let span = tracer.build_with_context(SpanBuilder::from_name(name).with_kind(kind), &around);
    let context = span.span_context();
    let context = TraceContext {
        trace_id: u128::from_be_bytes(context.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(context.span_id().to_bytes()),
        is_sampled: context.is_sampled(),
    };
    Some((context, span))
}

pub(super) fn end_request(mut span: Span, request_id: &str, method: &'static str, route: &str, status: u16) {
    span.update_name(format!("{method} {route}"));
    span.set_attributes([
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route.to_owned()),
        KeyValue::new("http.response.status_code", i64::from(status)),
        KeyValue::new("sonae.request_id", request_id.to_owned()),
    ]);
    if status >= 500 {
        span.set_status(Status::error(""));
    }
    span.end();
}

pub(super) fn end_job(mut span: Span, job_id: &str, kind: &'static str, attempt: i32, outcome: &'static str) {
    span.update_name(format!("job {kind}"));
    span.set_attributes([
        KeyValue::new("sonae.job.id", job_id.to_owned()),
        KeyValue::new("sonae.job.kind", kind),
        KeyValue::new("sonae.job.attempt", i64::from(attempt)),
        KeyValue::new("sonae.job.outcome", outcome),
    ]);
    if outcome == "failed" {
        span.set_status(Status::error(""));
    }
    span.end();
}

/// Sends to the collector, on the one thread that exports spans.
#[derive(Debug)]
struct Collector {
    agent: Agent,
    is_failing: AtomicBool,
}

impl Collector {
    fn new() -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).timeout_global(Some(SEND_TIMEOUT));
        Self { agent: config.build().new_agent(), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, mut body) = self.agent.run(request.map(|body| body.to_vec()))?.into_parts();
        let body = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.send(request);
        let fault = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answered {}", answer.status())),
            Err(error) => Some(error.to_string()),
        };
        // Logged only when it begins: requests go on, and so would the lines.
        let was_failing = self.is_failing.swap(fault.is_some(), Ordering::Relaxed);
        match fault {
            Some(error) if !was_failing => warn!(error, "spans cannot be exported; they are dropped until they can be"),
            None if was_failing => info!("spans are exported again"),
            _ => {}
        }
        answer
    }
}
