//! `envoy.access_loggers.file`: lines appended to a file.
//!
//! The file is opened when the config is loaded, so that a bad path is an error of the config. Limits: those
//! of [`crate::sink`]. Trust: what a peer sent goes into a line as it came; headers hold no newline, and the
//! JSON formats escape everything.

mod config;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::AccessLogRoom;

/// The room.
pub static ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.file",
    message: "envoy.extensions.access_loggers.file.v3.FileAccessLog",
    parse: config::parse,
    support: config::FileAccessLog::support,
};
