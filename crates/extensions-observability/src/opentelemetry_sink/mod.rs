//! `envoy.stat_sinks.open_telemetry`: stats as OpenTelemetry's metrics, by gRPC or HTTP, a call a report.
//!
//! Counters and histograms are told as what came since the start or, if asked for, since the flush before; what nothing
//! came to then is left out. `custom_metric_conversions` gives stats other names and labels or drops them; where it is
//! there, stats of one name and equal attributes are one point, which is their sum. Reports have all points, or
//! `max_data_points_per_request`.
//!
//! Limits: 64 MiB of reports may wait for the main thread, and 64 calls may be under way; what comes beyond is lost.
//! Trust: nothing that the collector says is read. Differs from Envoy: the start of a sum over all time is in
//! nanoseconds, as the protocol has it (Envoy tells microseconds); points of one metric are sorted.

mod aggregate;
mod config;
mod conversion;
mod sink;
#[cfg(test)]
mod tests;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::stat_sink::StatSinkRoom;

/// The sink.
pub static ROOM: StatSinkRoom = StatSinkRoom {
    name: "envoy.stat_sinks.open_telemetry",
    message: "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
    parse: config::parse,
    support: |table: &mut SupportTable| {
        config::OpenTelemetrySink::support(table);
        conversion::support(table);
    },
};
