//! `envoy.access_loggers.stats`: counters, gauges and histograms of what formats say of each stream, with tags.
//!
//! Limits: of a stat, a worker has 4,096 sets of tags; the values of its tags have up to 1,024 bytes together. What is beyond is
//! not counted, and told in the log once. Trust: values and tags may be a peer's own words.
//! Follows `envoy.extensions.access_loggers.stats.v3.Config`; `rules` are refused as not supported yet.
//! Different from Envoy: those limits; a gauge that a stream has added to is not added to again before that is
//! subtracted; values below zero or too large for 64 bits are not counted, where Envoy
//! counts what they wrap to, or 2^63; nor are hexadecimal ones; what is no number is passed over without a line in
//! the log.

mod config;
mod logger;
#[cfg(test)]
mod tests;

use nuncio_config::typed::FromValue;
use nuncio_contract::access_log::AccessLogRoom;

/// The room.
pub static ROOM: AccessLogRoom = AccessLogRoom {
    name: "envoy.access_loggers.stats",
    message: "envoy.extensions.access_loggers.stats.v3.Config",
    parse: config::parse,
    support: config::Config::support,
};
