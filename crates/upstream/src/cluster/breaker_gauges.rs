//! What the gauges of circuit breakers show: whether a breaker is open, and how much is left below its limit.
//!
//! As in Envoy gauges show how things stand as one is taken or given back, whoever changed the limit before that. All
//! workers share what is shown, and each adds to its own cells by how much it changed that: whatever they race for, the
//! sum is what is shown. Of retries nothing is left to show while a budget takes the place of their limit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use nuncio_contract::stats::Gauge;
use nuncio_contract::stats::groups::{CircuitBreakerStats, RemainingStats};

use super::ResourcePriority;
use super::breakers::{Breakers, COUNT, RESOURCES, Resource};

/// What gauges show of all resources.
#[derive(Debug)]
pub(super) struct Shown {
    open: [[AtomicBool; COUNT]; 2],
    left: [[AtomicU64; COUNT]; 2],
    /// Nothing is shown any more: another cluster of that name is there, or none.
    is_withdrawn: AtomicBool,
}

impl Shown {
    /// What gauges show at first.
    pub(super) fn new(limits: [[u32; COUNT]; 2]) -> Self {
        Self {
            open: Default::default(),
            left: limits.map(|limits| {
                let of = |at: usize| limits.get(at).copied().unwrap_or_default();
                RESOURCES
                    .map(|resource| AtomicU64::new(shown_limit(resource, of(resource as usize))))
            }),
            is_withdrawn: AtomicBool::default(),
        }
    }
}

/// What is shown of a limit of which nothing is taken; nothing of pools without one.
pub(super) fn shown_limit(resource: Resource, limit: u32) -> u64 {
    match (resource, limit) {
        (Resource::ConnectionPools, u32::MAX) => 0,
        _ => limit.into(),
    }
}

/// The gauge of whether a breaker is open.
pub(crate) fn open_gauge(stats: &CircuitBreakerStats, resource: Resource) -> &Gauge {
    match resource {
        Resource::Connections => &stats.cx_open,
        Resource::PendingRequests => &stats.rq_pending_open,
        Resource::Requests => &stats.rq_open,
        Resource::Retries => &stats.rq_retry_open,
        Resource::ConnectionPools => &stats.cx_pool_open,
    }
}

/// The gauge of what is left.
pub(crate) fn left_gauge(stats: &RemainingStats, resource: Resource) -> &Gauge {
    match resource {
        Resource::Connections => &stats.remaining_cx,
        Resource::PendingRequests => &stats.remaining_pending,
        Resource::Requests => &stats.remaining_rq,
        Resource::Retries => &stats.remaining_retries,
        Resource::ConnectionPools => &stats.remaining_cx_pools,
    }
}

impl Breakers {
    /// Whether the gauges show how it stands, as `used` are taken now.
    #[inline]
    pub fn is_shown(&self, priority: ResourcePriority, resource: Resource, used: u32) -> bool {
        let is_open = used >= self.limit(priority, resource);
        let shown = &self.shown.open[priority.index()][resource as usize];
        shown.load(Relaxed) == is_open && !self.thresholds(priority).track_remaining
    }

    /// By how much the gauge of what is open has to change.
    pub fn show_open(&self, priority: ResourcePriority, resource: Resource) -> i64 {
        let shown = &self.shown.open[priority.index()][resource as usize];
        let mut change = 0;
        // Who shows what was so before others changed it looks again.
        loop {
            let is_open = !self.is_withdrawn() && !self.can_create(priority, resource);
            match (shown.swap(is_open, Relaxed), is_open) {
                (false, true) => change += 1,
                (true, false) => change -= 1,
                _ => return change,
            }
        }
    }

    /// By how much the gauge of what is left has to change.
    pub fn show_left(&self, priority: ResourcePriority, resource: Resource) -> i64 {
        let shown = &self.shown.left[priority.index()][resource as usize];
        let mut change = 0_u64;
        loop {
            let left = self.left(priority, resource);
            let before = shown.swap(left, Relaxed);
            if before == left {
                return change.cast_signed();
            }
            change = change.wrapping_add(left.wrapping_sub(before));
        }
    }

    fn left(&self, priority: ResourcePriority, resource: Resource) -> u64 {
        let is_by_budget = resource == Resource::Retries && self.budget(priority).is_some();
        if self.is_withdrawn() || is_by_budget {
            return 0;
        }
        let limit = shown_limit(resource, self.limit(priority, resource));
        limit.saturating_sub(self.used(priority, resource).into())
    }

    /// Shows nothing from now on, once each gauge was told so.
    pub(super) fn withdraw(&self) {
        self.shown.is_withdrawn.store(true, Relaxed);
    }

    fn is_withdrawn(&self) -> bool {
        self.shown.is_withdrawn.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use nuncio_config::runtime::{RuntimeKeys, RuntimeValue};

    use super::super::breakers::{RuntimeLimits, Thresholds};
    use super::*;

    const OF: (ResourcePriority, Resource) = (ResourcePriority::Default, Resource::Requests);

    fn with_limit(max_requests: u32) -> (RuntimeKeys, Breakers) {
        let keys = RuntimeKeys::default();
        let limits = Thresholds {
            max_requests,
            ..Thresholds::default()
        };
        let runtime = RuntimeLimits::new(&keys, "c");
        (keys, Breakers::new([limits; 2], runtime))
    }

    fn set(keys: &RuntimeKeys, breakers: &Breakers, values: &[(&str, &str)]) {
        let value = |(name, text): &(&str, &str)| {
            let name = format!("circuit_breakers.c.default.{name}");
            (name.into(), RuntimeValue::of_text(text).unwrap())
        };
        keys.set_values(values.iter().map(value).collect());
        breakers.follow();
    }

    fn show(breakers: &Breakers) -> (i64, i64) {
        let (priority, resource) = OF;
        (
            breakers.show_open(priority, resource),
            breakers.show_left(priority, resource),
        )
    }

    #[test]
    fn a_limit_of_zero_that_is_raised_opens_and_closes_as_any_other() {
        let (keys, breakers) = with_limit(0);
        let (priority, resource) = OF;
        set(&keys, &breakers, &[("max_requests", "1")]);
        let used = breakers.take(priority, resource);
        assert!(!breakers.is_shown(priority, resource, used));
        assert_eq!(show(&breakers), (1, 0));
        assert!(breakers.is_shown(priority, resource, used));
        let used = breakers.give_back(priority, resource);
        assert!(!breakers.is_shown(priority, resource, used));
        assert_eq!(show(&breakers), (-1, 1));
    }

    #[test]
    fn whatever_workers_race_for_the_sum_is_what_is_so() {
        let (keys, breakers) = with_limit(1);
        let (priority, resource) = OF;
        let work = || {
            let mut sum = (0, 0);
            let mut count = || {
                let (open, left) = show(&breakers);
                sum = (sum.0 + open, sum.1 + left);
            };
            for round in 0..2000 {
                let value = if round % 3 == 0 { "0" } else { "2" };
                set(&keys, &breakers, &[("max_requests", value)]);
                breakers.take(priority, resource);
                count();
                breakers.give_back(priority, resource);
                count();
            }
            sum
        };
        let sums = std::thread::scope(|scope| {
            let workers = [scope.spawn(work), scope.spawn(work), scope.spawn(work)];
            workers.map(|worker| worker.join().expect("a sum"))
        });
        set(&keys, &breakers, &[("max_requests", "5")]);
        let (mut open, mut left) = show(&breakers);
        for sum in sums {
            (open, left) = (open + sum.0, left + sum.1);
        }
        // One was left at first.
        assert_eq!((open, left + 1), (0, 5));
    }

    #[test]
    fn retries_that_are_left_come_back_once_their_budget_is_gone() {
        let (keys, breakers) = with_limit(1);
        let (priority, resource) = (ResourcePriority::Default, Resource::Retries);
        set(&keys, &breakers, &[("retry_budget.budget_percent", "50")]);
        breakers.take(priority, resource);
        assert_eq!(breakers.show_left(priority, resource), -3);
        set(&keys, &breakers, &[]);
        breakers.give_back(priority, resource);
        assert_eq!(breakers.show_left(priority, resource), 3);
    }

    #[test]
    fn what_is_withdrawn_leaves_nothing() {
        let (_keys, breakers) = with_limit(1);
        let (priority, resource) = OF;
        breakers.take(priority, resource);
        assert_eq!(show(&breakers), (1, -1));
        breakers.withdraw();
        assert_eq!(show(&breakers), (-1, 0));
        breakers.give_back(priority, resource);
        assert_eq!(show(&breakers), (0, 0));
        for resource in RESOURCES {
            breakers.show_left(priority, resource);
            assert_eq!(breakers.show_left(priority, resource), 0);
        }
    }
}
