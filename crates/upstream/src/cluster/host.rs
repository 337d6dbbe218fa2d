//! A host of a cluster: its address and what workers count for it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_contract::stats::{Counter, Gauge};
use nuncio_contract::stream_info::Metadata;

/// Where a host stands; all parts may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Locality {
    /// Region.
    pub region: Box<str>,
    /// Zone in the region.
    pub zone: Box<str>,
    /// Part of the zone.
    pub sub_zone: Box<str>,
}

/// Reasons why a host is not healthy, as bits; none set means healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthFlags(u32);

impl HealthFlags {
    /// No reason: healthy.
    pub const HEALTHY: Self = Self(0);
    /// An active health check failed.
    pub const FAILED_ACTIVE_HC: Self = Self(1);
    /// Ejected by outlier detection.
    pub const FAILED_OUTLIER_CHECK: Self = Self(1 << 1);
    /// Discovery says unhealthy.
    pub const FAILED_EDS_HEALTH: Self = Self(1 << 2);
    /// A health check says degraded.
    pub const DEGRADED_ACTIVE_HC: Self = Self(1 << 3);
    /// Discovery says degraded.
    pub const DEGRADED_EDS_HEALTH: Self = Self(1 << 4);
    /// Discovery says draining.
    pub const EDS_STATUS_DRAINING: Self = Self(1 << 5);

    const UNUSABLE: u32 = Self::FAILED_ACTIVE_HC.0
        | Self::FAILED_OUTLIER_CHECK.0
        | Self::FAILED_EDS_HEALTH.0
        | Self::EDS_STATUS_DRAINING.0;

    /// Both sets of reasons.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `other`'s reasons are all set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the host may be chosen outside a panic.
    pub const fn is_usable(self) -> bool {
        self.0 & Self::UNUSABLE == 0
    }

    /// Whether nothing is known against the host.
    pub const fn is_healthy(&self) -> bool {
        self.0 == 0
    }

    /// Whether the host works, but others are better.
    pub const fn is_degraded(&self) -> bool {
        self.is_usable() && self.0 != 0
    }

    /// As `/clusters` writes it: `healthy`, or `/failed_active_hc` and so on.
    pub fn describe(self) -> String {
        const NAMES: [(HealthFlags, &str); 6] = [
            (HealthFlags::FAILED_ACTIVE_HC, "/failed_active_hc"),
            (HealthFlags::FAILED_OUTLIER_CHECK, "/failed_outlier_check"),
            (HealthFlags::FAILED_EDS_HEALTH, "/failed_eds_health"),
            (HealthFlags::DEGRADED_ACTIVE_HC, "/degraded_active_hc"),
            (HealthFlags::DEGRADED_EDS_HEALTH, "/degraded_eds_health"),
            (HealthFlags::EDS_STATUS_DRAINING, "/eds_status_draining"),
        ];
        if self == Self::HEALTHY {
            return "healthy".to_owned();
        }
        NAMES
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .map(|(_, name)| *name)
            .collect()
    }
}

/// A host. Shared by all workers; kept over updates of its cluster as long as its address stays.
#[derive(Debug)]
pub struct Host {
    /// Where to connect.
    pub address: SocketAddr,
    /// Name that discovery knows it by; empty for a plain address.
    pub hostname: Box<str>,
    /// Load-balancing weight, 1 at least.
    pub weight: u32,
    /// Priority level, 0 is the first choice.
    pub priority: u32,
    /// Where it stands.
    pub locality: Arc<Locality>,
    /// The weight of its locality, 0 if it has none.
    pub locality_weight: u32,
    /// What discovery says beyond that, if anything.
    pub metadata: Option<Arc<Metadata>>,
    health: AtomicU32,
    counters: Mutex<Vec<Arc<HostCounters>>>,
}

/// What one worker counts for a host; only that worker writes it.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct HostCounters {
    /// Connections opened or attempted.
    pub cx_total: Counter,
    /// Connections that failed to open.
    pub cx_connect_fail: Counter,
    /// Connections open or opening.
    pub cx_active: Gauge,
    /// Requests sent.
    pub rq_total: Counter,
    /// Requests that failed (5xx or reset); counted by the router.
    pub rq_error: Counter,
    /// Requests answered well; counted by the router.
    pub rq_success: Counter,
    /// Requests timed out; counted by the router.
    pub rq_timeout: Counter,
    /// Requests in flight.
    pub rq_active: Gauge,
    /// Requests that wait for a connection.
    pub rq_pending_active: Gauge,
}

/// A host's counters over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of HostCounters")]
pub struct HostTotals {
    pub cx_total: u64,
    pub cx_connect_fail: u64,
    pub cx_active: u64,
    pub rq_total: u64,
    pub rq_error: u64,
    pub rq_success: u64,
    pub rq_timeout: u64,
    pub rq_active: u64,
    pub rq_pending_active: u64,
}

impl Host {
    /// A host that nobody has used yet.
    pub fn new(
        address: SocketAddr,
        hostname: &str,
        weight: u32,
        priority: u32,
        locality: Arc<Locality>,
        health: HealthFlags,
    ) -> Self {
        Self {
            address,
            hostname: hostname.into(),
            weight: weight.max(1),
            priority,
            locality,
            locality_weight: 0,
            metadata: None,
            health: AtomicU32::new(health.0),
            counters: Mutex::default(),
        }
    }

    /// Why it is not healthy.
    pub fn health(&self) -> HealthFlags {
        HealthFlags(self.health.load(Relaxed))
    }

    /// Sets the reasons; whoever does so publishes the host set again.
    pub fn set_health(&self, flags: HealthFlags) {
        self.health.store(flags.0, Relaxed);
    }

    /// New counters for the calling worker.
    pub fn worker_counters(&self) -> Arc<HostCounters> {
        let counters = Arc::<HostCounters>::default();
        self.counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        counters
    }

    /// The counters' sums over all workers.
    pub fn totals(&self) -> HostTotals {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let count =
            |of: fn(&HostCounters) -> &Counter| counters.iter().map(|c| of(c).value()).sum();
        let gauge = |of: fn(&HostCounters) -> &Gauge| {
            u64::try_from(counters.iter().map(|c| of(c).share()).sum::<i64>()).unwrap_or(0)
        };
        HostTotals {
            cx_total: count(|c| &c.cx_total),
            cx_connect_fail: count(|c| &c.cx_connect_fail),
            cx_active: gauge(|c| &c.cx_active),
            rq_total: count(|c| &c.rq_total),
            rq_error: count(|c| &c.rq_error),
            rq_success: count(|c| &c.rq_success),
            rq_timeout: count(|c| &c.rq_timeout),
            rq_active: gauge(|c| &c.rq_active),
            rq_pending_active: gauge(|c| &c.rq_pending_active),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_counters_are_summed_over_workers() {
        let address = "127.0.0.1:80".parse().unwrap();
        let host = Host::new(address, "", 0, 0, Arc::default(), HealthFlags::HEALTHY);
        assert_eq!(host.weight, 1);
        let (first, second) = (host.worker_counters(), host.worker_counters());
        first.rq_total.inc();
        second.rq_total.inc();
        first.cx_active.inc();
        let totals = host.totals();
        assert_eq!(
            (totals.rq_total, totals.cx_active, totals.rq_error),
            (2, 1, 0)
        );
    }

    #[test]
    fn health_is_described_as_in_envoys_admin() {
        assert_eq!(HealthFlags::HEALTHY.describe(), "healthy");
        let both = HealthFlags::FAILED_ACTIVE_HC.with(HealthFlags::FAILED_EDS_HEALTH);
        assert_eq!(both.describe(), "/failed_active_hc/failed_eds_health");
        assert!(!both.is_usable());
        assert!(HealthFlags::DEGRADED_EDS_HEALTH.is_usable());
    }
}
