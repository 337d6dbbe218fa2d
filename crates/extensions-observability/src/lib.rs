//! Access loggers and sinks of stats, one room each. A room is a folder with the same files everywhere: `mod.rs` says what it
//! is, its limits and its trust; `config.rs` parses its messages once; `tests.rs`. What the rooms share, the
//! writing of lines to files, is [`sink`]. A new room is its folder and one line in [`ROOMS`].
#![forbid(unsafe_code)]

use nuncio_contract::access_log::{AccessLogFiles, AccessLogRoom};
use nuncio_contract::stats::sink::StatSinkRoom;

pub mod file;
pub mod grpc_log;
mod protobuf;
pub mod sink;
pub mod statsd;
pub mod stream;
#[cfg(test)]
mod tests;

/// Every access logger of the family.
pub static ROOMS: &[&AccessLogRoom] = &[
    &file::ROOM,
    &grpc_log::HTTP_ROOM,
    &grpc_log::TCP_ROOM,
    &stream::STDOUT_ROOM,
    &stream::STDERR_ROOM,
];

/// Every sink of stats of the family.
pub static STAT_SINKS: &[&StatSinkRoom] = &[
    &statsd::STATSD_ROOM,
    &statsd::DOG_STATSD_ROOM,
    &statsd::GRAPHITE_STATSD_ROOM,
];

/// The files that the loggers write.
pub static FILES: &dyn AccessLogFiles = &sink::FILES;
