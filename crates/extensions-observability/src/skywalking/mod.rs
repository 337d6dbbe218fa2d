//! `envoy.tracers.skywalking`: segments told to SkyWalking's collector over a stream of gRPC, traces that go on by the header
//! `sw8`.
//!
//! A segment has the span of a request and those of its tries, and leaves when the last of them has ended. As in Envoy
//! what is done is always the path, traces that a client begins go on whether they are sampled or not, and hosts are
//! told by spans of tries alone (`start_child_span`, `spawn_upstream_span`). Limits: `max_cache_size` segments (1024) wait
//! while there is no stream, which is begun again after 5 s; 16 MiB wait, to be sent or for a stream. Trust: what a client says of its
//! trace is taken as it is, if it can be read; the collector is told what clients send.
//!
//! Differs from Envoy: the stream begins with the first request. Documentation: SkyWalking tracer.

mod config;
mod context;
mod sender;
mod span;
#[cfg(test)]
mod tests;
mod tracer;

use nuncio_config::typed::FromValue;
use nuncio_contract::tracing::TracerRoom;

/// The room.
pub static ROOM: TracerRoom = TracerRoom {
    name: "envoy.tracers.skywalking",
    message: "envoy.config.trace.v3.SkyWalkingConfig",
    parse: config::parse,
    support: config::SkyWalking::support,
};
