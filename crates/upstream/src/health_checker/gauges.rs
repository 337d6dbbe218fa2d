//! What several checks of one host come to, in the gauges of its cluster. A host counts once all had a result, and no
//! more when it is gone.

use std::cell::Cell;
use std::sync::Arc;

use nuncio_contract::stats::Gauge;
use nuncio_contract::stats::groups::HealthCheckTotals;

use crate::cluster::HealthFlags;

/// One host in the gauges.
pub(super) struct Gauges {
    stats: Arc<HealthCheckTotals>,
    is_healthy: Cell<bool>,
    is_degraded: Cell<bool>,
    counts: Cell<bool>,
}

impl Gauges {
    pub(super) fn new(stats: Arc<HealthCheckTotals>) -> Self {
        Self {
            stats,
            is_healthy: Cell::new(false),
            is_degraded: Cell::new(false),
            counts: Cell::new(false),
        }
    }

    /// Whether it counts already.
    pub(super) fn counts(&self) -> bool {
        self.counts.get()
    }

    /// Counts a host of which all checks had a result.
    pub(super) fn count(&self, flags: HealthFlags) {
        self.counts.set(true);
        self.set(
            !flags.contains(HealthFlags::FAILED_ACTIVE_HC),
            flags.contains(HealthFlags::DEGRADED_ACTIVE_HC),
        );
    }

    fn set(&self, is_healthy: bool, is_degraded: bool) {
        change(&self.stats.healthy, &self.is_healthy, is_healthy);
        change(&self.stats.degraded, &self.is_degraded, is_degraded);
    }
}

fn change(gauge: &Gauge, counted: &Cell<bool>, now: bool) {
    match (counted.replace(now), now) {
        (false, true) => gauge.inc(),
        (true, false) => gauge.dec(),
        _ => {}
    }
}

impl Drop for Gauges {
    fn drop(&mut self) {
        self.set(false, false);
    }
}
