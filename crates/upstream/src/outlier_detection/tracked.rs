//! What the main thread knows of one host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::monitor::HostMonitor;
use crate::host::{HealthFlags, Host};

/// A host and its past.
pub(super) struct Tracked {
    pub(super) host: Arc<Host>,
    pub(super) monitor: Arc<HostMonitor>,
    pub(super) ejections: u32,
    pub(super) ejected: Past,
    pub(super) degraded: Past,
    /// On top of the time of the ejection under way.
    pub(super) jitter: Duration,
    /// Requests of the last interval: all, and those that went well; first of answers, then of our own making.
    pub(super) volumes: [(u64, u64); 2],
}

/// When a host last left and came back, and how much longer the next time takes.
#[derive(Default)]
pub(super) struct Past {
    pub(super) began: Option<Instant>,
    pub(super) ended: Option<Instant>,
    /// So many times the base time.
    pub(super) times: u64,
}

impl Past {
    /// It begins now; the time grows until it has reached the most.
    pub(super) fn begin(&mut self, now: Instant, base: Duration, most: Duration) {
        self.began = Some(now);
        if scaled(base, self.times) < most.saturating_add(base) {
            self.times += 1;
        }
    }

    /// Whether it has lasted long enough.
    pub(super) fn is_over(
        &self,
        now: Instant,
        base: Duration,
        most: Duration,
        more: Duration,
    ) -> bool {
        let time = scaled(base, self.times).min(most).saturating_add(more);
        self.began
            .is_none_or(|began| now.saturating_duration_since(began) >= time)
    }

    /// A good interval shortens the next time.
    pub(super) fn forgive(&mut self, now: Instant, interval: Duration) {
        let is_due = |ended| now.saturating_duration_since(ended) >= interval;
        if self.ended.is_some_and(is_due) {
            self.times = self.times.saturating_sub(1);
        }
    }
}

fn scaled(base: Duration, times: u64) -> Duration {
    base.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
}

impl Tracked {
    pub(super) fn new(host: Arc<Host>, monitor: Arc<HostMonitor>) -> Self {
        Self {
            host,
            monitor,
            ejections: 0,
            ejected: Past::default(),
            degraded: Past::default(),
            jitter: Duration::ZERO,
            volumes: [(0, 0); 2],
        }
    }

    pub(super) fn is_ejected(&self) -> bool {
        let health = self.host.health();
        health.contains(HealthFlags::FAILED_OUTLIER_CHECK)
    }

    pub(super) fn is_degraded(&self) -> bool {
        let health = self.host.health();
        health.contains(HealthFlags::DEGRADED_OUTLIER_DETECTION)
    }

    /// The rate of successes in the last interval, in per cent, and how many requests there were; none without any.
    #[expect(clippy::cast_precision_loss, reason = "the counts have 32 bits")]
    pub(super) fn rate(&self, origin: usize) -> Option<(f64, u64)> {
        let (all, good) = self.volumes.get(origin).copied()?;
        (all > 0).then(|| (good as f64 * 100.0 / all as f64, all))
    }
}
