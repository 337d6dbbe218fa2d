//! When a host is checked next.

use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;

use super::session::Transition;

/// Intervals and what spreads them. As in Envoy only whole milliseconds count.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// How long an answer may take.
    pub timeout: Duration,
    /// Between checks of a healthy host.
    pub interval_ms: u64,
    /// The same while the cluster has never had a connection (60 s).
    pub no_traffic_interval_ms: u64,
    /// The same for hosts that pass (as `no_traffic_interval`).
    pub no_traffic_healthy_interval_ms: u64,
    /// Between checks of an unhealthy host (as `interval`).
    pub unhealthy_interval_ms: u64,
    /// While a healthy host is on its way to be unhealthy (as `unhealthy_interval`).
    pub unhealthy_edge_interval_ms: u64,
    /// While an unhealthy host is on its way to be healthy (as `interval`).
    pub healthy_edge_interval_ms: u64,
    /// Spreads the first checks (0).
    pub initial_jitter_ms: u64,
    /// Spreads all others (0).
    pub interval_jitter_ms: u64,
    /// The same, by the interval (0).
    pub interval_jitter_percent: u32,
    /// `health_check.min_interval`, in milliseconds (0).
    pub min_interval: RuntimeKey,
    /// `health_check.max_interval`, in milliseconds (none).
    pub max_interval: RuntimeKey,
}

impl Timing {
    /// How long to wait before the first check.
    pub(crate) fn first(&self, random: &mut dyn FnMut() -> u64) -> Duration {
        match self.initial_jitter_ms {
            0 => Duration::ZERO,
            jitter => self.spread(0, jitter, random),
        }
    }

    /// How long to wait after a check.
    pub(crate) fn next(
        &self,
        passed: bool,
        transition: Transition,
        had_traffic: bool,
        random: &mut dyn FnMut() -> u64,
    ) -> Duration {
        let is_pending = transition == Transition::Pending;
        let base = match (had_traffic, passed) {
            (false, true) if !is_pending => self.no_traffic_healthy_interval_ms,
            (false, _) => self.no_traffic_interval_ms,
            (true, false) if is_pending => self.unhealthy_edge_interval_ms,
            (true, false) => self.unhealthy_interval_ms,
            (true, true) if is_pending => self.healthy_edge_interval_ms,
            (true, true) => self.interval_ms,
        };
        self.spread(base, self.interval_jitter_ms, random)
    }

    fn spread(&self, base: u64, jitter: u64, random: &mut dyn FnMut() -> u64) -> Duration {
        let share = base.saturating_mul(self.interval_jitter_percent.into()) / 100;
        let mut wait = base;
        for limit in [share, jitter] {
            if limit > 0 {
                wait = wait.saturating_add(random() % limit);
            }
        }
        let wait = wait.min(self.max_interval.integer(u64::MAX));
        Duration::from_millis(wait.max(self.min_interval.integer(0)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        Timing {
            interval_ms: 1000,
            no_traffic_interval_ms: 60_000,
            no_traffic_healthy_interval_ms: 50_000,
            unhealthy_interval_ms: 2000,
            unhealthy_edge_interval_ms: 3000,
            healthy_edge_interval_ms: 4000,
            ..Timing::default()
        }
    }

    #[test]
    fn each_state_has_its_interval() {
        use Transition::{Changed, Pending, Unchanged};
        let wait = |passed, transition, traffic| {
            let wait = timing().next(passed, transition, traffic, &mut || 0);
            wait.as_millis()
        };
        assert_eq!(wait(true, Unchanged, true), 1000);
        assert_eq!(wait(true, Changed, true), 1000);
        assert_eq!(wait(true, Pending, true), 4000);
        assert_eq!(wait(false, Unchanged, true), 2000);
        assert_eq!(wait(false, Changed, true), 2000);
        assert_eq!(wait(false, Pending, true), 3000);
        assert_eq!(wait(true, Unchanged, false), 50_000);
        assert_eq!(wait(true, Pending, false), 60_000);
        assert_eq!(wait(false, Changed, false), 60_000);
    }

    #[test]
    fn both_jitters_add_up_and_a_wait_is_never_nothing() {
        let spread = Timing {
            interval_jitter_ms: 100,
            interval_jitter_percent: 10,
            ..timing()
        };
        let wait = spread.next(true, Transition::Unchanged, true, &mut || 199);
        assert_eq!(wait.as_millis(), 1000 + 99 + 99);
        assert_eq!(timing().first(&mut || 7), Duration::ZERO);
        let first = Timing {
            initial_jitter_ms: 50,
            ..timing()
        };
        assert_eq!(first.first(&mut || 57).as_millis(), 7);
        assert_eq!(first.first(&mut || 50).as_millis(), 1);
    }
}
