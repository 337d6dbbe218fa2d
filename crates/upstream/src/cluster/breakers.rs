//! Circuit breakers: how many connections, pending requests and requests a cluster may have at once.
//!
//! Limits default to 1024 each, per priority, and count over all workers, as Envoy's do: one shared atomic a
//! resource, touched once when a resource is taken and once when it is given back. Also as in Envoy the
//! check and the taking are two steps, so that workers racing for the last one may overshoot by one each.
//! A retry budget takes the place of the limit of retries: a share of the requests in flight, or of those of the last
//! while.
//!
//! Different from Envoy: runtime (`circuit_breakers.<cluster>.<priority>.`) does not change the limits.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::ResourcePriority;
use super::recent_requests::RecentRequests;

/// What a circuit breaker counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Connections.
    Connections,
    /// Requests that wait for a connection.
    PendingRequests,
    /// Requests in flight.
    Requests,
    /// Retries in flight.
    Retries,
}

/// The limits of one priority.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Most connections (1024).
    pub max_connections: u32,
    /// Most requests that wait for a connection (1024).
    pub max_pending_requests: u32,
    /// Most requests in flight (1024).
    pub max_requests: u32,
    /// Most retries in flight (3).
    pub max_retries: u32,
    /// What takes the place of `max_retries`.
    pub retry_budget: Option<RetryBudget>,
    /// Most connections to one host; no limit by default.
    pub max_connections_per_host: u32,
    /// Whether gauges tell how much is left.
    pub track_remaining: bool,
}

/// How many retries may be in flight, by the requests that there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Their share of the requests (20), in per cent.
    pub percent: f64,
    /// As many may be in any case (3).
    pub min_concurrency: u32,
    /// The requests that count are those of this time; `None`: those in flight.
    pub interval: Option<Duration>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
            retry_budget: None,
            max_connections_per_host: u32::MAX,
            track_remaining: false,
        }
    }
}

impl Thresholds {
    pub(crate) const fn limit(&self, resource: Resource) -> u32 {
        match resource {
            Resource::Connections => self.max_connections,
            Resource::PendingRequests => self.max_pending_requests,
            Resource::Requests => self.max_requests,
            Resource::Retries => self.max_retries,
        }
    }
}

/// The circuit breakers of a cluster.
#[derive(Debug)]
pub struct Breakers {
    limits: [Thresholds; 2],
    used: [[AtomicU32; 4]; 2],
    /// For budgets that count the requests of a time.
    recent: [Option<RecentRequests>; 2],
}

impl Breakers {
    /// Breakers with the given limits for [`ResourcePriority::ALL`].
    pub fn new(limits: [Thresholds; 2]) -> Self {
        Self {
            recent: limits.map(|limits| {
                let interval = limits.retry_budget.and_then(|budget| budget.interval);
                interval.map(RecentRequests::new)
            }),
            limits,
            used: Default::default(),
        }
    }

    /// Notes a request for budgets that count those of a time.
    #[inline]
    pub fn note_request(&self, priority: ResourcePriority, now: impl FnOnce() -> Instant) {
        if let Some(recent) = self.recent(priority) {
            recent.note(now());
        }
    }

    /// Whether one more retry may be in flight.
    pub fn can_retry(&self, priority: ResourcePriority, now: Instant) -> bool {
        let Some(budget) = &self.thresholds(priority).retry_budget else {
            return self.can_create(priority, Resource::Retries);
        };
        let requests = match self.recent(priority) {
            Some(recent) => recent.count(now),
            None => {
                let in_flight = self.used(priority, Resource::Requests);
                u64::from(in_flight) + u64::from(self.used(priority, Resource::PendingRequests))
            }
        };
        let share = budget.percent / 100.0 * requests as f64;
        let most = share.floor().max(f64::from(budget.min_concurrency));
        f64::from(self.used(priority, Resource::Retries)) < most
    }

    #[inline]
    fn recent(&self, priority: ResourcePriority) -> Option<&RecentRequests> {
        self.recent.get(priority.index()).and_then(Option::as_ref)
    }

    /// The limits of a priority.
    pub fn thresholds(&self, priority: ResourcePriority) -> &Thresholds {
        let [default, high] = &self.limits;
        match priority {
            ResourcePriority::Default => default,
            ResourcePriority::High => high,
        }
    }

    /// How many are taken.
    pub fn used(&self, priority: ResourcePriority, resource: Resource) -> u32 {
        self.cell(priority, resource).load(Relaxed)
    }

    /// Whether one more may be taken.
    #[inline]
    pub fn can_create(&self, priority: ResourcePriority, resource: Resource) -> bool {
        self.used(priority, resource) < self.thresholds(priority).limit(resource)
    }

    /// Takes one, whatever the limit; true if that opened the breaker.
    #[inline]
    pub fn take(&self, priority: ResourcePriority, resource: Resource) -> bool {
        let before = self.cell(priority, resource).fetch_add(1, Relaxed);
        before.wrapping_add(1) == self.thresholds(priority).limit(resource)
    }

    /// Gives one back; true if that closed the breaker.
    #[inline]
    pub fn give_back(&self, priority: ResourcePriority, resource: Resource) -> bool {
        let before = self.cell(priority, resource).fetch_sub(1, Relaxed);
        before == self.thresholds(priority).limit(resource)
    }

    #[inline]
    fn cell(&self, priority: ResourcePriority, resource: Resource) -> &AtomicU32 {
        &self.used[priority.index()][resource as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_at_its_limit_and_closes_below_it() {
        let two = Thresholds {
            max_requests: 2,
            ..Thresholds::default()
        };
        let breakers = Breakers::new([two, Thresholds::default()]);
        let (priority, resource) = (ResourcePriority::Default, Resource::Requests);
        assert!(!breakers.take(priority, resource));
        assert!(breakers.can_create(priority, resource));
        assert!(breakers.take(priority, resource), "the second opens it");
        assert!(!breakers.can_create(priority, resource));
        assert!(breakers.can_create(ResourcePriority::High, resource));
        assert!(
            breakers.give_back(priority, resource),
            "giving one back closes it"
        );
        assert!(!breakers.give_back(priority, resource));
        assert_eq!(breakers.used(priority, resource), 0);
    }

    #[test]
    fn a_breaker_with_limit_zero_never_lets_anything_through() {
        let none = Thresholds {
            max_connections: 0,
            ..Thresholds::default()
        };
        let breakers = Breakers::new([none; 2]);
        assert!(!breakers.can_create(ResourcePriority::Default, Resource::Connections));
    }
}
