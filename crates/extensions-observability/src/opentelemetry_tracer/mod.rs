//! `envoy.tracers.opentelemetry`: spans told to a collector of OpenTelemetry, traces that go on by W3C's headers.
//!
//! Spans leave five at once, or 5 s after the first of them (`tracing.opentelemetry.min_flush_spans`,
//! `tracing.opentelemetry.flush_interval_ms`). Limits: 1024 spans wait (`max_cache_size`), those beyond are dropped and
//! counted. Samplers: always on, by parent, by trace id. Trust: what a client says of its trace is taken as it is, if it
//! can be read; the collector is told what clients send.
//!
//! Differs from Envoy: the interval begins with the first span that waits. Left out, and so refused: the samplers of CEL
//! and Dynatrace, `exporter`. Documentation: OpenTelemetry tracer.

mod config;
pub(crate) mod context;
mod sampler;
pub(crate) mod span;
#[cfg(test)]
mod tests;
mod tracer;

use nuncio_config::typed::FromValue;
use nuncio_contract::tracing::TracerRoom;

/// The room.
pub static ROOM: TracerRoom = TracerRoom {
    name: "envoy.tracers.opentelemetry",
    message: "envoy.config.trace.v3.OpenTelemetryConfig",
    parse: config::parse,
    support: |table| {
        config::OpenTelemetry::support(table);
        crate::otlp::StaticDetector::support(table);
        sampler::ParentBased::support(table);
        sampler::ByExpression::support(table);
        sampler::TraceIdRatio::support(table);
        for message in [
            crate::otlp::DYNATRACE_DETECTOR,
            crate::otlp::ENVIRONMENT_DETECTOR,
            sampler::ALWAYS_ON,
        ] {
            table.messages.entry(message).or_default();
        }
    },
};
