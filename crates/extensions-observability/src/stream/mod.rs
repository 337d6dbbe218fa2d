//! `envoy.access_loggers.stdout` and `envoy.access_loggers.stderr`: lines to the process's own streams.
//!
//! Limits and trust: those of [`crate::sink`] and [`crate::file`]. The streams are not opened anew.

mod config;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::AccessLogRoom;

/// Standard output.
pub static STDOUT_ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.stdout",
    message: "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
    parse: config::parse_stdout,
    support: config::StdoutAccessLog::support,
};

/// Standard error.
pub static STDERR_ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.stderr",
    message: "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
    parse: config::parse_stderr,
    support: config::StderrAccessLog::support,
};
