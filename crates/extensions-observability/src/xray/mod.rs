//! `envoy.tracers.xray`: segments told to the daemon of AWS X-Ray, a datagram each, traces that go on by the header
//! `x-amzn-trace-id`.
//!
//! As in Envoy the manifest of sampling rules alone decides what is sampled where a client does not say it: what the
//! connection manager would sample counts nothing. Without a manifest the first request of each second and five of
//! a hundred others are sampled. Targets are those of all tracers whose message and manifest are equal. A manifest that
//! cannot be read is none, up to the rule that is wrong, and said to be so by a warning. What is not sampled has a span
//! too, by which hosts are told so. Limits: a manifest of 1 MiB; a segment has 64 annotations of 8 KiB each, fewer
//! where a datagram does not hold them, and is lost where its ids or `segment_fields` alone are more. Trust: what a client says of its trace is taken as it is; the daemon is told what clients
//! send.
//!
//! Differs from Envoy: tracers share targets whatever their providers are called; a larger manifest is none; `%TRACE_ID%`
//! has blanks for bytes that are no UTF-8; `daemon_endpoint` may be an address of IPv6 without brackets, and a name is
//! refused. Documentation: AWS X-Ray tracer.

mod config;
mod context;
mod json;
mod manifest;
mod span;
#[cfg(test)]
mod tests;
mod tracer;

use nuncio_config::typed::FromValue;
use nuncio_contract::tracing::TracerRoom;

/// The room.
pub static ROOM: TracerRoom = TracerRoom {
    name: "envoy.tracers.xray",
    message: "envoy.config.trace.v3.XRayConfig",
    parse: config::parse,
    support: config::XRay::support,
};
