//! `envoy.stat_sinks.statsd`, `dog_statsd` and `graphite_statsd`: stats as lines of text, by UDP or, without tags,
//! by TCP to a cluster.
//!
//! Counters are told as what came since the flush before, gauges as they stand, values of histograms one by one as
//! timers in milliseconds whatever they measure, as in Envoy (percentages as `h`; microseconds in milliseconds where
//! `scale_histogram_units_to_milliseconds` says so). DogStatsD's and Graphite's lines
//! have tags, statsd's have whole names. Without `max_bytes_per_datagram` each line is a datagram of its own, and a
//! timer is one always. Texts are not told, as in Envoy.
//!
//! Limits: what the system does not take at once is lost. Trust: the collector is trusted to be where the
//! configuration says; nothing is ever read from it.

pub(crate) mod config;
mod line;
mod sink;
#[cfg(test)]
mod tests;
pub(crate) mod udp;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::stat_sink::StatSinkRoom;

/// Statsd.
pub static STATSD_ROOM: StatSinkRoom = StatSinkRoom {
    name: "envoy.stat_sinks.statsd",
    message: "envoy.config.metrics.v3.StatsdSink",
    parse: config::parse_statsd,
    support: |table: &mut SupportTable| config::StatsdSink::support(table),
};

/// DogStatsD.
pub static DOG_STATSD_ROOM: StatSinkRoom = StatSinkRoom {
    name: "envoy.stat_sinks.dog_statsd",
    message: "envoy.config.metrics.v3.DogStatsdSink",
    parse: config::parse_dog_statsd,
    support: |table: &mut SupportTable| config::DogStatsdSink::support(table),
};

/// Graphite.
pub static GRAPHITE_STATSD_ROOM: StatSinkRoom = StatSinkRoom {
    name: "envoy.stat_sinks.graphite_statsd",
    message: "envoy.extensions.stat_sinks.graphite_statsd.v3.GraphiteStatsdSink",
    parse: config::parse_graphite_statsd,
    support: |table: &mut SupportTable| config::GraphiteStatsdSink::support(table),
};
