//! The counters of the bandwidth limit filter, at `<stat_prefix>.`.

use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Gauge, Histogram};

stat_group! {
    /// Streams and bytes of both directions.
    pub struct BandwidthLimitStats("http_bandwidth_limit.") {
        counters {
            request_enabled,
            response_enabled,
            request_enforced,
            response_enforced,
            request_incoming_total_size,
            response_incoming_total_size,
            request_allowed_total_size,
            response_allowed_total_size,
        }
        gauges {
            request_pending,
            response_pending,
            request_incoming_size,
            response_incoming_size,
            request_allowed_size,
            response_allowed_size,
        }
        histograms {
            request_transfer_duration: Milliseconds,
            response_transfer_duration: Milliseconds,
        }
    }
}

/// Those of one direction.
pub(super) struct OfDirection<'a> {
    pub(super) enforced: &'a Counter,
    pub(super) incoming_total_size: &'a Counter,
    pub(super) allowed_total_size: &'a Counter,
    pub(super) pending: &'a Gauge,
    pub(super) incoming_size: &'a Gauge,
    pub(super) allowed_size: &'a Gauge,
    pub(super) transfer_duration: &'a Histogram,
}

impl BandwidthLimitStats {
    pub(super) fn of_requests(&self) -> OfDirection<'_> {
        OfDirection {
            enforced: &self.request_enforced,
            incoming_total_size: &self.request_incoming_total_size,
            allowed_total_size: &self.request_allowed_total_size,
            pending: &self.request_pending,
            incoming_size: &self.request_incoming_size,
            allowed_size: &self.request_allowed_size,
            transfer_duration: &self.request_transfer_duration,
        }
    }

    pub(super) fn of_responses(&self) -> OfDirection<'_> {
        OfDirection {
            enforced: &self.response_enforced,
            incoming_total_size: &self.response_incoming_total_size,
            allowed_total_size: &self.response_allowed_total_size,
            pending: &self.response_pending,
            incoming_size: &self.response_incoming_size,
            allowed_size: &self.response_allowed_size,
            transfer_duration: &self.response_transfer_duration,
        }
    }
}
