//! `envoy.tracers.zipkin`: spans told to Zipkin as JSON, traces that go on by B3's headers.
//!
//! Spans leave five at once, or 5 s after the first of them (`tracing.zipkin.min_flush_spans`,
//! `tracing.zipkin.flush_interval_ms`). Limit: 1024 spans wait. Trust: what a client says of its trace is taken as it is,
//! if it can be read; the collector is told what clients send.
//!
//! Differs from Envoy: the interval begins with the first span that waits. Left out, and so refused: `HTTP_PROTO`,
//! `split_spans_for_request`, which is deprecated, and `timestamp_trace_ids`. Documentation: Zipkin tracer.

mod config;
mod context;
mod json;
mod span;
#[cfg(test)]
mod tests;
mod tracer;

use nuncio_config::typed::FromValue;
use nuncio_contract::tracing::TracerRoom;

/// The room.
pub static ROOM: TracerRoom = TracerRoom {
    name: "envoy.tracers.zipkin",
    message: "envoy.config.trace.v3.ZipkinConfig",
    parse: config::parse,
    support: config::Zipkin::support,
};
