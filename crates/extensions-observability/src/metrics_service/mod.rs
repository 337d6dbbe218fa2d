//! `envoy.stat_sinks.metrics_service`: stats as Prometheus' messages, over a stream of gRPC.
//!
//! Counters are told as what came since the start, or since the flush before; histograms as what came since the flush
//! before, as summary and as buckets unless the configuration chooses. With labels, names are those without tags. The
//! first message of a stream says who tells. Messages have all stats of a flush, or `batch_size` of them.
//!
//! Limits: 64 MiB of messages may wait for the main thread and 16 MiB for the service; what comes beyond is lost. Trust:
//! nothing that the service says is read. Follows `envoy.service.metrics.v3.MetricsService`; as in Envoy stats of single
//! hosts are not told.

mod config;
mod families;
#[cfg(test)]
mod tests;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::stat_sink::StatSinkRoom;

/// The sink.
pub static ROOM: StatSinkRoom = StatSinkRoom {
    name: "envoy.stat_sinks.metrics_service",
    message: "envoy.config.metrics.v3.MetricsServiceConfig",
    parse: config::parse,
    support: |table: &mut SupportTable| config::MetricsService::support(table),
};
