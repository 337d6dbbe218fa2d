//! Circuit breakers: how many connections, pending requests and requests a cluster may have at once.
//!
//! Limits default to 1024 each, per priority, and count over all workers, as Envoy's do: one shared atomic a
//! resource, touched once when a resource is taken and once when it is given back. Also as in Envoy the
//! check and the taking are two steps, so that workers racing for the last one may overshoot by one each.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::ResourcePriority;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Most connections (1024).
    pub max_connections: u32,
    /// Most requests that wait for a connection (1024).
    pub max_pending_requests: u32,
    /// Most requests in flight (1024).
    pub max_requests: u32,
    /// Most retries in flight (3).
    pub max_retries: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_pending_requests: 1024,
            max_requests: 1024,
            max_retries: 3,
        }
    }
}

impl Thresholds {
    const fn limit(&self, resource: Resource) -> u32 {
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
}

impl Breakers {
    /// Breakers with the given limits for [`ResourcePriority::ALL`].
    pub fn new(limits: [Thresholds; 2]) -> Self {
        Self {
            limits,
            used: Default::default(),
        }
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
