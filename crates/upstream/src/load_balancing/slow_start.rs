//! Slow start: a host that became healthy takes its full weight only after a while.
//!
//! As in Envoy a host that nobody checks begins when a worker first sees it, those of the start too.

use std::sync::Arc;
use std::time::Instant;

use super::settings::SlowStart;
use crate::host::Host;

impl SlowStart {
    /// The weight of `host` at `now`, where it would be `weight` at last.
    pub(super) fn weight(&self, weight: f64, host: &Host, now: Instant) -> f64 {
        let since = host.healthy_since().get();
        let Some(since) = since.filter(|_| host.health().is_healthy()) else {
            return weight;
        };
        let passed_ms = now.saturating_duration_since(since).as_millis();
        let window_ms = self.window.as_millis();
        if passed_ms >= window_ms {
            return weight;
        }
        let share = passed_ms.max(1) as f64 / window_ms as f64;
        let aggression = match self.aggression.now() {
            positive if positive > 0.0 => positive,
            _ => 1.0,
        };
        let share = if share >= 1.0 {
            share
        } else {
            share.powf(1.0 / aggression)
        };
        weight * share.max(self.min_weight_share)
    }

    /// Takes note of hosts that are new at `now`.
    pub(super) fn begin(&self, hosts: &[Arc<Host>], now: Instant) {
        let healthy = hosts.iter().filter(|host| host.health().is_healthy());
        healthy.for_each(|host| host.healthy_since().begin(now));
    }

    /// When the last of the hosts became healthy; `now` if none did.
    pub(super) fn latest(&self, hosts: &[Arc<Host>], now: Instant) -> Instant {
        let healthy = hosts.iter().filter(|host| host.health().is_healthy());
        let since = healthy.filter_map(|host| host.healthy_since().get());
        since.max().unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::settings::RuntimeDouble;
    use super::*;
    use crate::host::HealthFlags;

    fn slow_start(aggression: f64) -> SlowStart {
        SlowStart {
            window: Duration::from_secs(10),
            aggression: RuntimeDouble::fixed(aggression),
            min_weight_share: 0.1,
        }
    }

    #[test]
    fn a_host_grows_from_the_least_share_to_its_full_weight() {
        let address = "192.0.2.1:80".parse().unwrap();
        let host = Host::new(address, "", 10, 0, Arc::default(), HealthFlags::HEALTHY);
        let now = Instant::now();
        let at = |aggression, after| {
            slow_start(aggression).weight(10.0, &host, now + Duration::from_millis(after))
        };
        assert!((at(1.0, 0) - 10.0).abs() < 1e-9, "it has not begun");
        host.healthy_since().begin(now);
        let close = |value: f64, wanted: f64| assert!((value - wanted).abs() < 0.01, "{value}");
        close(at(1.0, 0), 1.0);
        close(at(1.0, 5_000), 5.0);
        close(at(2.0, 2_500), 5.0);
        close(at(0.5, 5_000), 2.5);
        close(at(1.0, 10_000), 10.0);
        host.set_health(HealthFlags::DEGRADED_EDS_HEALTH);
        close(at(1.0, 5_000), 10.0);
    }
}
