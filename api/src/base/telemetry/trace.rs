//! Traces: the work of other systems to which a request and its jobs belong, in the format of W3C Trace Context.
//!
//! The log names the trace of every request and job. With the feature `otel` both are also exported as spans.

use std::fmt;

use schema::Clock;

#[cfg(feature = "otel")]
use super::otel;
use crate::base::text::Text;

/// A place in a trace: that of the current request or job, or of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceContext {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) is_sampled: bool,
}

impl TraceContext {
    /// Reads the context from a `traceparent`. An invalid one counts as none, as the standard requires.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '-');
        let mut hexadecimal = |digits: usize| {
            let part = parts.next()?;
            let is_good = part.len() == digits && part.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            if is_good { u128::from_str_radix(part, 16).ok() } else { None }
        };
        let (version, trace_id, span_id, flags) =
            (hexadecimal(2)?, hexadecimal(32)?, hexadecimal(16)?, hexadecimal(2)?);
        // Later versions may add parts.
        let is_known = version < 0xff && (version > 0 || parts.next().is_none());
        let span_id = u64::try_from(span_id).ok()?;
        (is_known && trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, is_sampled: flags & 1 == 1 })
    }

    /// Returns a context for work that begins within another one, or a new trace.
    fn within(parent: Option<Self>) -> Self {
        // The second half of a version 7 UUID is random and never 0.
        let id = || Clock::system().uuid();
        let (_, span_id) = id().as_u64_pair();
        match parent {
            Some(parent) => Self { span_id, ..parent },
            None => Self { trace_id: id().as_u128(), span_id, is_sampled: true },
        }
    }
}

impl fmt::Display for TraceContext {
    /// Writes the context as `traceparent`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Request,
    Job,
}

/// A request or a job in progress.
pub(crate) struct Traced {
    context: TraceContext,
    #[cfg(feature = "otel")]
    span: Option<otel::Span>,
}

impl Traced {
    /// Begins a request, in the trace that its header `traceparent` names.
    pub(crate) fn request(traceparent: Option<&str>) -> Self {
        Self::begin(Work::Request, traceparent.and_then(TraceContext::parse))
    }

    /// Begins a job, in the trace of the request that asked for it.
    pub(crate) fn job(traceparent: Option<&str>) -> Self {
        Self::begin(Work::Job, traceparent.and_then(TraceContext::parse))
    }

    #[cfg(not(feature = "otel"))]
    fn begin(_: Work, parent: Option<TraceContext>) -> Self {
        Self { context: TraceContext::within(parent) }
    }

    #[cfg(feature = "otel")]
    fn begin(work: Work, parent: Option<TraceContext>) -> Self {
        match otel::begin(work, parent) {
            Some((context, span)) => Self { context, span: Some(span) },
            None => Self { context: TraceContext::within(parent), span: None },
        }
    }

    /// Returns the trace id as it appears in the log.
    pub(crate) fn trace_id(&self) -> String {
        format!("{:032x}", self.context.trace_id)
    }

    /// Runs the work of a request, so that jobs that it asks for carry its trace.
    pub(crate) async fn carry<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.context, work).await
    }

    /// Ends a request. The span gets the route, not the path, because a path may contain anything.
    #[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "only what is exported has them"))]
    pub(crate) fn answered(self, request_id: &str, method: &'static str, route: &str, status: u16) {
        #[cfg(feature = "otel")]
        if let Some(span) = self.span {
            otel::end_request(span, request_id, method, route, status);
        }
    }

    /// Ends an attempt at a job.
    #[cfg_attr(not(feature = "otel"), expect(unused_variables, reason = "only what is exported has them"))]
    pub(crate) fn ended(self, job_id: &str, kind: &'static str, attempt: i32, outcome: &'static str) {
        #[cfg(feature = "otel")]
        if let Some(span) = self.span {
            otel::end_job(span, job_id, kind, attempt, outcome);
        }
    }
}

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// Returns the trace of the current request for a job to continue, or `None` outside a request.
pub(crate) fn traceparent() -> Option<String> {
    CURRENT.try_with(TraceContext::to_string).ok()
}

/// The environment variables that name a collector of spans.
const ENDPOINT_VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

fn endpoint() -> Option<String> {
    ENDPOINT_VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Exports spans while it exists. When it is dropped, it exports the remaining ones.
pub(crate) struct TraceExport {
    #[cfg(feature = "otel")]
    _export: Option<otel::Export>,
}

/// Starts the export of spans, if the environment names a collector.
///
/// # Errors
/// Fails if the collector's address cannot be used.
#[cfg(feature = "otel")]
pub(crate) fn export_traces() -> Result<TraceExport, Text> {
    Ok(TraceExport { _export: endpoint().map(|endpoint| otel::export(&endpoint)).transpose()? })
}

/// Logs that this build cannot export spans, if the environment names a collector.
#[cfg(not(feature = "otel"))]
pub(crate) fn export_traces() -> Result<TraceExport, Text> {
    if endpoint().is_some() {
        tracing::warn!(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this build exports no spans: build with --features otel"
        );
    }
    Ok(TraceExport {})
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_back_as_it_is_written() {
        assert_eq!(TraceContext::parse(GOOD).unwrap().to_string(), GOOD);
        let unsampled = GOOD.replace("-01", "-00");
        assert_eq!(TraceContext::parse(&unsampled).unwrap().to_string(), unsampled);
        // Flags and parts of versions to come are not passed on.
        let later = format!("{}-more", GOOD.replace("00-4b", "cc-4b").replace("-01", "-09"));
        assert_eq!(TraceContext::parse(&later).unwrap().to_string(), GOOD);
    }

    #[test]
    fn a_traceparent_that_breaks_the_standard_counts_as_none() {
        for bad in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD[..54],
            &format!("{GOOD}0"),
            &format!("{GOOD}-"),
            &format!("{GOOD}-more"),
            &GOOD.replace("00-4b", "ff-4b"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &GOOD.replace("4bf9", "+bf9"),
            &GOOD.replace("4bf9", "４bf9"),
            &"-".repeat(100_000),
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
