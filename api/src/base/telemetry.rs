//! What the service says of itself to whoever runs it: metrics, and traces of requests and jobs.

pub(crate) mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod trace;

pub(crate) use trace::{Traced, export_traces, traceparent};
