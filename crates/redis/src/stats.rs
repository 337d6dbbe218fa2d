//! What the Redis proxy counts.

use std::sync::Arc;

use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;

stat_group! {
    /// Connections and commands, at `redis.<stat_prefix>.`.
    pub struct ProxyStats("") {
        counters {
            downstream_cx_drain_close,
            downstream_cx_protocol_error,
            downstream_cx_rx_bytes_total,
            downstream_cx_total,
            downstream_cx_tx_bytes_total,
            downstream_rq_noproto,
            downstream_rq_total,
        }
        gauges {
            downstream_cx_active,
            downstream_cx_rx_bytes_buffered,
            downstream_cx_tx_bytes_buffered,
            downstream_rq_active,
        }
    }
}

stat_group! {
    /// Commands that go nowhere, at `redis.<stat_prefix>.splitter.`.
    pub struct SplitterStats("") {
        counters { invalid_request, unsupported_command }
    }
}

stat_group! {
    /// A command, at `redis.<stat_prefix>.command.<command>.`.
    pub struct CommandStats("") {
        counters { delay_fault, error, error_fault, success, total }
    }
}

stat_group! {
    /// How long it takes, beside [`CommandStats`].
    pub struct LatencyMillis("") {
        histograms { latency: Milliseconds }
    }
}

stat_group! {
    /// The same with `latency_in_micros`.
    pub struct LatencyMicros("") {
        histograms { latency: Microseconds }
    }
}

stat_group! {
    /// Connections to a cluster's hosts, at `cluster.<name>.redis_cluster.`.
    pub struct ClusterStats("") {
        counters {
            connection_rate_limited,
            max_upstream_unknown_connections_reached,
            upstream_cx_drained,
            upstream_resp3_hello_failure,
        }
    }
}

/// How long a command takes, in the unit that is wanted.
pub(crate) enum Latency {
    Millis(Arc<LatencyMillis>),
    Micros(Arc<LatencyMicros>),
}

impl Latency {
    pub(crate) fn new(scope: &Scope, in_micros: bool) -> Self {
        match in_micros {
            true => Latency::Micros(scope.worker_group()),
            false => Latency::Millis(scope.worker_group()),
        }
    }

    pub(crate) fn record(&self, took: std::time::Duration) {
        let number = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
        match self {
            Latency::Millis(stats) => stats.latency.record(number(took.as_millis())),
            Latency::Micros(stats) => stats.latency.record(number(took.as_micros())),
        }
    }
}
