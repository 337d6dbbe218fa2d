//! What a host has reported of its load, as the weight that it comes to; workers report, the main thread has weights
//! come into force.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Weights of one host. Times are milliseconds of any clock that is not at 0.
#[derive(Debug, Default)]
pub(crate) struct ReportedLoad {
    /// The weight of the last report.
    reported: AtomicU32,
    /// Since when there are reports; 0 for never.
    since_ms: AtomicU64,
    /// When the last one was.
    last_ms: AtomicU64,
    /// The weight in force; 0 before the first.
    weight: AtomicU32,
}

impl ReportedLoad {
    /// Takes a report.
    pub(crate) fn report(&self, weight: u32, now_ms: u64) {
        self.reported.store(weight, Relaxed);
        self.last_ms.store(now_ms, Relaxed);
        let _is_first_or_not = self.since_ms.compare_exchange(0, now_ms, Relaxed, Relaxed);
    }

    /// The weight of the last report, if there have been reports for `blackout_ms` and the last one was no longer ago
    /// than `expiration_ms`; after that it takes the one again before the next counts.
    pub(crate) fn valid(&self, now_ms: u64, blackout_ms: u64, expiration_ms: u64) -> Option<u32> {
        let since = self.since_ms.load(Relaxed);
        if since == 0 || now_ms.saturating_sub(since) < blackout_ms {
            return None;
        }
        if now_ms.saturating_sub(self.last_ms.load(Relaxed)) > expiration_ms {
            self.since_ms.store(0, Relaxed);
            return None;
        }
        Some(self.reported.load(Relaxed))
    }

    /// Has a weight come into force; true if it is another.
    pub(crate) fn put_in_force(&self, weight: u32) -> bool {
        self.weight.swap(weight, Relaxed) != weight
    }

    /// The weight in force; none before the first.
    pub(crate) fn weight(&self) -> Option<u32> {
        Some(self.weight.load(Relaxed)).filter(|weight| *weight > 0)
    }
}
