//! `envoy.access_loggers.open_telemetry`: records told to a collector of OpenTelemetry, by gRPC or HTTP.
//!
//! A record has the time of its request, the ids of its span, and a body and attributes that formats make. Defaults are
//! Envoy's: records leave after 1 s, or once they come to 16 KiB, each time in a call of its own. Limits: 64 calls may be
//! under way on a worker; records beyond are dropped and counted. Trust: the collector is told what clients send.
//!
//! Differs from Envoy: the interval begins with the first record that waits; over HTTP all records are counted that were
//! taken; objects of filter state are refused. Documentation: OpenTelemetry Access Log.

mod config;
mod record;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use record::KeyValueMessage;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::AccessLogRoom;

/// The room.
pub static ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.open_telemetry",
    message: "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
    parse: config::parse,
    support: config::OpenTelemetryLog::support,
};
