//! Circuit breakers: how many connections, pending requests and requests a cluster may have at once.
//!
//! Limits default to 1024 each, per priority, and count over all workers, as Envoy's do: one shared atomic a
//! resource, touched once when a resource is taken and once when it is given back. Also as in Envoy the
//! check and the taking are two steps, so that workers racing for the last one may overshoot by one each.
//! A retry budget takes the place of the limit of retries: a share of the requests in flight, or of those of the last
//! while.
//!
//! Runtime (`circuit_breakers.<cluster>.<priority>.`) may have other limits. Whoever asks whether there is room sees by
//! one number that runtime has changed, and looks its values up then. What gauges show of it is
//! [`breaker_gauges`](super::breaker_gauges)'.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nuncio_config::runtime::{RuntimeKeys, RuntimeValue};

use super::ResourcePriority;
use super::breaker_gauges::Shown;
use super::recent_requests::RecentRequests;

/// All that is counted, in the order of their numbers.
pub(super) const RESOURCES: [Resource; COUNT] = [
    Resource::Connections,
    Resource::PendingRequests,
    Resource::Requests,
    Resource::Retries,
    Resource::ConnectionPools,
];

/// How many resources are counted.
pub(super) const COUNT: usize = 5;

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
    /// Pools of connections of HTTP: one for each host, worker and kind of connection.
    ConnectionPools,
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
    /// Most pools of connections of HTTP; no limit by default.
    pub max_connection_pools: u32,
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
            max_connection_pools: u32::MAX,
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
            Resource::ConnectionPools => self.max_connection_pools,
        }
    }
}

/// The circuit breakers of a cluster.
#[derive(Debug)]
pub struct Breakers {
    written: [Thresholds; 2],
    /// Those in force.
    limits: [[AtomicU32; COUNT]; 2],
    pub(super) shown: Shown,
    used: [[AtomicU32; COUNT]; 2],
    runtime: RuntimeLimits,
    /// For budgets that count the requests of a time.
    recent: [Option<RecentRequests>; 2],
}

/// What runtime may say of the limits.
#[derive(Debug, Default)]
pub struct RuntimeLimits {
    keys: RuntimeKeys,
    cluster: Box<str>,
    /// The change that was seen last, and one more; 0 before the first look.
    seen: AtomicU64,
    /// The budgets that it gives.
    budgets: Mutex<[Option<RetryBudget>; 2]>,
    /// Per cent of the requests that are turned away (`upstream.maintenance_mode.<cluster>`).
    maintenance: AtomicU32,
}

impl RuntimeLimits {
    /// Those of a cluster.
    pub fn new(keys: &RuntimeKeys, cluster: &str) -> Self {
        Self {
            keys: keys.clone(),
            cluster: cluster.into(),
            ..Self::default()
        }
    }

    #[inline]
    fn stamp(&self) -> u64 {
        self.keys.generation().wrapping_add(1)
    }
}

impl Breakers {
    /// Breakers with the given limits for [`ResourcePriority::ALL`], and what runtime says of them.
    pub fn new(written: [Thresholds; 2], runtime: RuntimeLimits) -> Self {
        let limits = written.map(|written| RESOURCES.map(|resource| written.limit(resource)));
        Self {
            recent: written.map(|limits| {
                let interval = limits.retry_budget.and_then(|budget| budget.interval);
                interval.map(RecentRequests::new)
            }),
            limits: limits.map(|limits| limits.map(AtomicU32::new)),
            shown: Shown::new(limits),
            written,
            used: Default::default(),
            runtime,
        }
    }

    /// Takes over what runtime says, if it has changed.
    #[inline]
    pub fn follow(&self) {
        if self.runtime.seen.load(Acquire) != self.runtime.stamp() {
            self.take_over();
        }
    }

    #[cold]
    fn take_over(&self) {
        let RuntimeLimits {
            keys,
            cluster,
            seen,
            budgets,
            maintenance,
        } = &self.runtime;
        let mut budgets = budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.runtime.stamp();
        for (priority, budget) in ResourcePriority::ALL.into_iter().zip(&mut *budgets) {
            let name = match priority {
                ResourcePriority::Default => "default",
                ResourcePriority::High => "high",
            };
            let value = |of: &str| keys.value(&format!("circuit_breakers.{cluster}.{name}.{of}"));
            let written = self.thresholds(priority);
            for resource in RESOURCES {
                let value = value(resource.runtime_name());
                let limit = value.as_ref().and_then(RuntimeValue::integer);
                let limit = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
                let limit = limit.unwrap_or_else(|| written.limit(resource));
                self.limits[priority.index()][resource as usize].store(limit, Relaxed);
            }
            *budget = budget_by(
                written.retry_budget,
                value("retry_budget.budget_percent").as_ref(),
                value("retry_budget.min_retry_concurrency").as_ref(),
            );
        }
        let percent = keys.value(&format!("upstream.maintenance_mode.{cluster}"));
        let percent = percent.as_ref().and_then(RuntimeValue::integer);
        let percent = percent.and_then(|percent| u32::try_from(percent.min(100)).ok());
        maintenance.store(percent.unwrap_or(0), Relaxed);
        // Whoever finds it there finds the limits there too.
        seen.store(stamp, Release);
    }

    /// How many of a hundred requests are turned away as the cluster is being maintained; runtime alone says it.
    #[inline]
    pub fn maintenance_percent(&self) -> u32 {
        self.follow();
        self.runtime.maintenance.load(Relaxed)
    }

    /// The limit in force.
    #[inline]
    pub fn limit(&self, priority: ResourcePriority, resource: Resource) -> u32 {
        self.limits[priority.index()][resource as usize].load(Relaxed)
    }

    /// What takes the place of the limit of retries.
    pub fn budget(&self, priority: ResourcePriority) -> Option<RetryBudget> {
        let budgets = &self.runtime.budgets;
        let by_runtime = budgets.lock().unwrap_or_else(PoisonError::into_inner);
        by_runtime[priority.index()].or(self.thresholds(priority).retry_budget)
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
        let Some(budget) = self.budget(priority) else {
            return self.can_create(priority, Resource::Retries);
        };
        f64::from(self.used(priority, Resource::Retries)) < self.most(&budget, priority, now)
    }

    /// How many retries may be in flight by the requests that are.
    pub fn max_retries(&self, priority: ResourcePriority) -> u32 {
        let Some(budget) = self.budget(priority) else {
            return self.limit(priority, Resource::Retries);
        };
        let share = budget.percent / 100.0 * f64::from(self.in_flight(priority));
        let whole = share.clamp(0.0, f64::from(u32::MAX)).floor();
        (whole as u32).max(budget.min_concurrency)
    }

    fn in_flight(&self, priority: ResourcePriority) -> u32 {
        let requests = self.used(priority, Resource::Requests);
        requests.saturating_add(self.used(priority, Resource::PendingRequests))
    }

    /// How many retries a budget lets be.
    fn most(&self, budget: &RetryBudget, priority: ResourcePriority, now: Instant) -> f64 {
        let requests = match self.recent(priority) {
            Some(recent) => recent.count(now),
            None => u64::from(self.in_flight(priority)),
        };
        let share = budget.percent / 100.0 * requests as f64;
        share.floor().max(f64::from(budget.min_concurrency))
    }

    #[inline]
    fn recent(&self, priority: ResourcePriority) -> Option<&RecentRequests> {
        self.recent.get(priority.index()).and_then(Option::as_ref)
    }

    /// What is written of a priority's limits.
    pub fn thresholds(&self, priority: ResourcePriority) -> &Thresholds {
        let [default, high] = &self.written;
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
        self.used(priority, resource) < self.limit(priority, resource)
    }

    /// Takes one, whatever the limit; how many are taken then.
    #[inline]
    pub fn take(&self, priority: ResourcePriority, resource: Resource) -> u32 {
        let before = self.cell(priority, resource).fetch_add(1, Relaxed);
        before.wrapping_add(1)
    }

    /// Gives one back; how many are taken then.
    #[inline]
    pub fn give_back(&self, priority: ResourcePriority, resource: Resource) -> u32 {
        let before = self.cell(priority, resource).fetch_sub(1, Relaxed);
        before.wrapping_sub(1)
    }

    #[inline]
    fn cell(&self, priority: ResourcePriority, resource: Resource) -> &AtomicU32 {
        &self.used[priority.index()][resource as usize]
    }
}

impl Resource {
    /// The name of its limit in runtime.
    const fn runtime_name(self) -> &'static str {
        match self {
            Resource::Connections => "max_connections",
            Resource::PendingRequests => "max_pending_requests",
            Resource::Requests => "max_requests",
            Resource::Retries => "max_retries",
            Resource::ConnectionPools => "max_connection_pools",
        }
    }
}

/// The budget that runtime makes of the one that is written, or of none; none where it says nothing.
fn budget_by(
    written: Option<RetryBudget>,
    percent: Option<&RuntimeValue>,
    min_concurrency: Option<&RuntimeValue>,
) -> Option<RetryBudget> {
    if percent.is_none() && min_concurrency.is_none() {
        return None;
    }
    let written = written.unwrap_or_default();
    let least = min_concurrency.and_then(RuntimeValue::integer);
    let least = least.map(|least| u32::try_from(least).unwrap_or(u32::MAX));
    Some(RetryBudget {
        percent: percent
            .and_then(RuntimeValue::double)
            .unwrap_or(written.percent),
        min_concurrency: least.unwrap_or(written.min_concurrency),
        interval: written.interval,
    })
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            percent: 20.0,
            min_concurrency: 3,
            interval: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtime_says_what_share_is_turned_away() {
        let keys = RuntimeKeys::default();
        let breakers = Breakers::new([Thresholds::default(); 2], RuntimeLimits::new(&keys, "c"));
        assert_eq!(breakers.maintenance_percent(), 0);
        for (text, percent) in [("7", 7), ("101", 100), ("{numerator: 5}", 0), ("", 0)] {
            let value = RuntimeValue::of_text(text).expect("it is YAML");
            let name = "upstream.maintenance_mode.c".into();
            keys.set_values([(name, value)].into());
            assert_eq!(breakers.maintenance_percent(), percent, "{text}");
        }
    }

    #[test]
    fn runtime_has_other_limits() {
        let keys = RuntimeKeys::default();
        let runtime = RuntimeLimits::new(&keys, "c");
        let breakers = Breakers::new([Thresholds::default(); 2], runtime);
        let (priority, resource) = (ResourcePriority::High, Resource::Requests);
        breakers.follow();
        breakers.take(priority, resource);
        let value = |text: &str| RuntimeValue::of_text(text).unwrap();
        keys.set_values(
            [
                ("circuit_breakers.c.high.max_requests".into(), value("1")),
                (
                    "circuit_breakers.c.high.retry_budget.budget_percent".into(),
                    value("50.5"),
                ),
                ("circuit_breakers.cc.high.max_retries".into(), value("1")),
            ]
            .into(),
        );
        assert!(breakers.can_create(priority, resource), "nobody has looked");
        breakers.follow();
        assert!(!breakers.can_create(priority, resource));
        assert_eq!(breakers.limit(priority, Resource::Retries), 3);
        assert_eq!(breakers.limit(ResourcePriority::Default, resource), 1024);
        let budget = breakers.budget(priority).unwrap();
        assert_eq!((budget.percent, budget.min_concurrency), (50.5, 3));
        assert_eq!(breakers.budget(ResourcePriority::Default), None);
        assert_eq!(breakers.give_back(priority, resource), 0);
        keys.set_values([].into());
        breakers.follow();
        assert_eq!(breakers.limit(priority, resource), 1024);
        assert_eq!(breakers.budget(priority), None);
    }

    #[test]
    fn a_breaker_opens_at_its_limit_and_closes_below_it() {
        let two = Thresholds {
            max_requests: 2,
            ..Thresholds::default()
        };
        let limits = [two, Thresholds::default()];
        let breakers = Breakers::new(limits, RuntimeLimits::default());
        breakers.follow();
        let (priority, resource) = (ResourcePriority::Default, Resource::Requests);
        assert_eq!(breakers.take(priority, resource), 1);
        assert_eq!(breakers.show_open(priority, resource), 0);
        assert!(breakers.can_create(priority, resource));
        assert_eq!(breakers.take(priority, resource), 2);
        assert_eq!(breakers.show_open(priority, resource), 1);
        assert!(!breakers.can_create(priority, resource));
        assert!(breakers.can_create(ResourcePriority::High, resource));
        assert_eq!(breakers.give_back(priority, resource), 1);
        assert_eq!(breakers.show_open(priority, resource), -1);
        breakers.give_back(priority, resource);
        assert_eq!(breakers.show_open(priority, resource), 0);
        assert_eq!(breakers.used(priority, resource), 0);
    }

    #[test]
    fn a_breaker_with_limit_zero_never_lets_anything_through() {
        let none = Thresholds {
            max_connections: 0,
            ..Thresholds::default()
        };
        let breakers = Breakers::new([none; 2], RuntimeLimits::default());
        assert!(!breakers.can_create(ResourcePriority::Default, Resource::Connections));
    }
}
