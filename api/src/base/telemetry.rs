//! What the service reports about itself to its operator: metrics, and traces of requests and jobs.

pub(crate) mod metrics;
#[cfg(feature = "otel")]
mod otel;
mod trace;

pub(crate) use trace::{Traced, export_traces, traceparent};
