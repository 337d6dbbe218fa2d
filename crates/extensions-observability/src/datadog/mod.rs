//! `envoy.tracers.datadog`: traces told to Datadog's agent (`/v0.4/traces`, MessagePack), which go on by Datadog's and W3C's
//! headers.
//!
//! A trace is told once all of its spans have ended, whether it is sampled or not, every two seconds; the agent answers
//! with the rates at which services are to be sampled. Limits: 4096 traces of 8 MiB in
//! all wait, 64 spans of one are kept, an origin of over 512 bytes is as none, rates of 1024 services. Trust: what a client says of its trace is taken as it is, if it can be read; the agent is told what clients
//! send.
//!
//! Differs from Envoy: `DD_` variables of the environment do nothing, the library's telemetry about itself is not sent, the
//! two seconds begin with the first trace that waits, and `%TRACE_ID%` is empty in headers too, not in logs alone. Left
//! out, and so refused: `remote_config`. Documentation: Datadog tracer.

mod agent;
mod config;
mod context;
mod sampling;
mod segment;
mod span;
#[cfg(test)]
mod tests;
mod tracer;
mod w3c;

use nuncio_config::typed::FromValue;
use nuncio_contract::tracing::TracerRoom;

/// The room.
pub static ROOM: TracerRoom = TracerRoom {
    name: "envoy.tracers.datadog",
    message: "envoy.config.trace.v3.DatadogConfig",
    parse: config::parse,
    support: config::Datadog::support,
};
