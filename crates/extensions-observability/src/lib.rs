//! Access loggers, tracers and sinks of stats, one room each. A room is a folder with the same files everywhere: `mod.rs` says what it
//! is, its limits and its trust; `config.rs` parses its messages once; `tests.rs`. What the rooms share, the
//! writing of lines to files, is [`sink`]. A new room is its folder and one line in [`ROOMS`].
#![forbid(unsafe_code)]

use nuncio_contract::access_log::{AccessLogFiles, AccessLogRoom};
use nuncio_contract::stat_sink::StatSinkRoom;
use nuncio_contract::tracing::TracerRoom;

pub mod datadog;
pub mod file;
pub mod grpc_log;
mod hex;
mod kept_stream;
pub mod metrics_service;
mod msgpack;
mod of_thread;
pub mod opentelemetry_log;
pub mod opentelemetry_sink;
pub mod opentelemetry_tracer;
mod otlp;
mod protobuf;
pub mod sink;
pub mod skywalking;
mod span_buffer;
pub mod stats_log;
pub mod statsd;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod xray;
pub mod zipkin;

/// Every access logger of the family.
pub static ROOMS: &[&AccessLogRoom] = &[
    &file::ROOM,
    &grpc_log::HTTP_ROOM,
    &grpc_log::TCP_ROOM,
    &opentelemetry_log::ROOM,
    &stats_log::ROOM,
    &stream::STDOUT_ROOM,
    &stream::STDERR_ROOM,
];

/// Every tracer of the family.
pub static TRACERS: &[&TracerRoom] = &[
    &datadog::ROOM,
    &opentelemetry_tracer::ROOM,
    &skywalking::ROOM,
    &xray::ROOM,
    &zipkin::ROOM,
];

/// Every sink of stats of the family.
pub static STAT_SINKS: &[&StatSinkRoom] = &[
    &statsd::STATSD_ROOM,
    &statsd::DOG_STATSD_ROOM,
    &statsd::GRAPHITE_STATSD_ROOM,
    &metrics_service::ROOM,
    &opentelemetry_sink::ROOM,
];

/// The files that the loggers write.
pub static FILES: &dyn AccessLogFiles = &sink::FILES;
