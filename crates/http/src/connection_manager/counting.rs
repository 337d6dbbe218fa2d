//! Counting connections, from their first byte to their end, a handshake that fails included.

use std::time::{Duration, Instant};

use nuncio_contract::clock::Clock as _;
use nuncio_contract::services::WorkerServices as _;

use super::ConnectionManager;

impl ConnectionManager {
    /// From the notice that a connection takes no more streams to the last that it takes.
    pub(crate) fn drain_time(&self) -> Duration {
        let timeouts = &self.config.timeouts;
        timeouts.jittered_drain(|| self.worker.random_u64())
    }

    /// How much longer than others a new connection may live.
    pub(crate) fn extra_life(&self) -> Duration {
        let timeouts = &self.config.timeouts;
        timeouts.extra_life(|| self.worker.random_u64())
    }

    /// A connection begins.
    pub(crate) fn connection_begun(&self, is_tls: bool) {
        let stats = &self.stats.http;
        stats.downstream_cx_total.inc();
        stats.downstream_cx_active.inc();
        // Written as Envoy's is, so that it counts as used.
        stats.downstream_cx_rx_bytes_buffered.add(0);
        if is_tls {
            stats.downstream_cx_ssl_total.inc();
            stats.downstream_cx_ssl_active.inc();
        }
    }

    /// A connection that was begun ends, closed by us or by the client.
    pub(crate) fn connection_ended(&self, begin: Instant, is_tls: bool, by_us: bool) {
        let stats = &self.stats.http;
        stats.downstream_cx_destroy.inc();
        match by_us {
            true => stats.downstream_cx_destroy_local.inc(),
            false => stats.downstream_cx_destroy_remote.inc(),
        }
        stats.downstream_cx_active.dec();
        if is_tls {
            stats.downstream_cx_ssl_active.dec();
        }
        let lived = self.worker.now().saturating_duration_since(begin);
        let lived_ms = u64::try_from(lived.as_millis()).unwrap_or(u64::MAX);
        stats.downstream_cx_length_ms.record(lived_ms);
    }

    /// A connection has ended in its TLS handshake, so that it was not served at all; as in Envoy the client's doing
    /// unless it took too long.
    pub fn ended_in_handshake(&self, begin: Instant, is_late: bool) {
        self.connection_begun(true);
        self.connection_ended(begin, true, is_late);
    }
}
