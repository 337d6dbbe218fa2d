//! A host of a cluster: its address, its health and what workers count for it.
//!
//! Whoever changes a host's health calls [`Host::change_health`], and where that says so has the cluster tell its
//! workers (`ClusterShared::health_changed`).

mod health;
mod host_set;
mod listed;
mod reported;
mod state;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use nuncio_contract::stats::groups::EndpointStats as HostCounters;
use nuncio_contract::stats::{Counter, Gauge, Scope};
use nuncio_contract::stream_info::metadata::Value;
use nuncio_contract::stream_info::{Address, Metadata};

use crate::transport_socket::TransportSocket;

pub use health::{DiscoveredHealth, Health, HealthFlags};
pub use host_set::{HostSet, LevelOptions, PriorityHosts};
use listed::ListedHost;
pub(crate) use reported::ReportedLoad;
pub use state::HostPast;
use state::HostState;

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

impl Locality {
    /// Region, zone and part of the zone.
    pub fn names(&self) -> [Box<str>; 3] {
        [
            self.region.clone(),
            self.zone.clone(),
            self.sub_zone.clone(),
        ]
    }
}

/// How an endpoint's health checks differ from its cluster's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointCheck {
    /// The port; 0 for that of the address.
    pub port: u16,
    /// The host of requests; empty for what the cluster says.
    pub hostname: Box<str>,
    /// The address in place of the endpoint's.
    pub address: Option<SocketAddr>,
    /// Whether there are none.
    pub is_disabled: bool,
}

/// A host. Shared by all workers; kept over updates of its cluster as long as nothing of it changes. One of which only
/// the weight, the priority, the metadata or what discovery says of its health changes is another value with the same
/// past ([`Self::goes_on`]).
#[derive(Debug)]
pub struct Host {
    /// Where to connect.
    pub address: SocketAddr,
    /// All its addresses, `address` first, if there are several.
    pub addresses: Option<Box<[SocketAddr]>>,
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
    /// What discovery says of its health.
    pub discovered_health: DiscoveredHealth,
    /// What discovery says beyond that, if anything.
    pub metadata: Option<Arc<Metadata>>,
    /// The same of its locality.
    pub locality_metadata: Option<Arc<Metadata>>,
    /// The HTTP proxy through which it is reached, if it has one of its own.
    pub http_proxy: Option<Box<SocketAddr>>,
    /// How its health checks differ from its cluster's, if they do.
    pub check: Option<Box<EndpointCheck>>,
    /// Where it really is, if that is a listener inside of the process or a unix domain socket; the IP address only
    /// stands for it.
    pub not_ip: Option<Box<Address>>,
    state: Arc<HostState>,
    goes_on: bool,
    /// Its transport socket, if it is not that of its cluster; found when it is published where there is a choice.
    socket: OnceLock<Option<Arc<TransportSocket>>>,
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

/// Whether this metadata makes a canary of a host.
pub fn is_canary(metadata: Option<&Metadata>) -> bool {
    let balancing = metadata.and_then(|metadata| metadata.namespace("envoy.lb"));
    balancing.and_then(|fields| fields.get("canary")) == Some(&Value::Bool(true))
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
            addresses: None,
            hostname: hostname.into(),
            weight: weight.max(1),
            priority,
            locality,
            locality_weight: 0,
            discovered_health: DiscoveredHealth::Unknown,
            metadata: None,
            locality_metadata: None,
            http_proxy: None,
            check: None,
            not_ip: None,
            state: Arc::new(HostState::new(health)),
            goes_on: false,
            socket: OnceLock::new(),
        }
    }

    /// This host with the past of another, which it takes the place of: its connections, counts, checks and ejections.
    /// What discovery says of its health counts as it is said now.
    pub(crate) fn goes_on(mut self, old: &Host) -> Self {
        let by_discovery = HealthFlags::FAILED_EDS_HEALTH
            .with(HealthFlags::EDS_STATUS_DRAINING)
            .with(HealthFlags::DEGRADED_EDS_HEALTH);
        self.state = Arc::clone(&old.state);
        self.goes_on = true;
        self.change_health(self.discovered_health.flags(), by_discovery);
        self
    }

    /// Whether it goes on with nobody's past.
    pub(crate) fn is_new(&self) -> bool {
        !self.goes_on
    }

    /// Tells hosts apart that are held: the same for one that goes on with the past of another.
    #[inline]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.state).addr()
    }

    /// Where it is, for people.
    pub fn shown_address(&self) -> Address {
        match &self.not_ip {
            None => self.address.into(),
            Some(address) => Address::clone(address),
        }
    }

    /// Whether it is still there, for whoever remembers it by its [identity](Self::identity).
    pub fn past(&self) -> HostPast {
        HostPast::of(&self.state)
    }

    /// Why it is not healthy.
    pub fn health(&self) -> HealthFlags {
        HealthFlags::from_bits(self.state.health.load(Relaxed))
    }

    /// Sets the reasons; whoever does so publishes the host set again.
    pub fn set_health(&self, flags: HealthFlags) {
        self.state.health.store(flags.bits(), Relaxed);
    }

    /// Adds the reasons of `add` and takes away those of `remove`, whatever others say meanwhile; true if the workers
    /// have to know.
    pub fn change_health(&self, add: HealthFlags, remove: HealthFlags) -> bool {
        let changed = |bits| Some((bits & !remove.bits()) | add.bits());
        let before = match self.state.health.fetch_update(Relaxed, Relaxed, changed) {
            Ok(bits) | Err(bits) => HealthFlags::from_bits(bits),
        };
        let now = before.without(remove).with(add);
        if now.is_found_out()
            && !before.is_found_out()
            && let Some(listeners) = self.state.failed.get()
        {
            listeners.notify_waiters();
        }
        // What is found out closes connections, of a host too that discovery has called bad before.
        now.health() != before.health()
            || now.is_excluded() != before.is_excluded()
            || now.is_found_out() != before.is_found_out()
    }

    /// The status of the last response to a check by HTTP.
    pub fn checked_status(&self) -> Option<u16> {
        Some(self.state.checked_status.load(Relaxed)).filter(|status| *status != 0)
    }

    pub(crate) fn note_checked_status(&self, status: u16) {
        self.state.checked_status.store(status, Relaxed);
    }

    /// Its weight for load balancers: by what it has reported, where that counts.
    pub fn current_weight(&self) -> u32 {
        let reported = self.reported_load().and_then(ReportedLoad::weight);
        reported.unwrap_or(self.weight)
    }

    /// What it has reported of its load, where that counts.
    pub(crate) fn reported_load(&self) -> Option<&ReportedLoad> {
        self.state.reported.get().map(|load| &**load)
    }

    /// Has its reports of load count.
    pub(crate) fn begin_reports(&self) {
        self.state.reported.get_or_init(Box::default);
    }

    /// Its own transport socket, if it has one.
    pub(crate) fn socket(&self) -> Option<&Arc<TransportSocket>> {
        self.socket.get()?.as_ref()
    }

    /// Whether it has its transport socket, or is known to have none of its own.
    pub(crate) fn has_looked_for_socket(&self) -> bool {
        self.socket.get().is_some()
    }

    /// Gives it its own transport socket, or none; false if that was done before.
    pub(crate) fn give_socket(&self, socket: Option<Arc<TransportSocket>>) -> bool {
        self.socket.set(socket).is_ok()
    }

    /// Whether connections to it are secured in another way now, or go through another proxy.
    pub(crate) fn is_reached_otherwise(&self, now: &Self) -> bool {
        self.has_other_socket(now) || self.http_proxy != now.http_proxy
    }

    /// Whether connections to it are secured in another way now.
    pub(crate) fn has_other_socket(&self, now: &Self) -> bool {
        match (self.socket(), now.socket()) {
            (None, None) => false,
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            _ => true,
        }
    }

    /// Waits until it fails its checks or is ejected from now on.
    pub(crate) fn failure(&self) -> impl Future<Output = ()> + use<> {
        Arc::clone(self.state.failed.get_or_init(Arc::default)).notified_owned()
    }

    /// Its health as `override_host_status` knows it: what was found out by us counts before what discovery says.
    pub fn status(&self) -> DiscoveredHealth {
        let flags = self.health();
        if flags.is_found_out() {
            return DiscoveredHealth::Unhealthy;
        }
        match self.discovered_health {
            DiscoveredHealth::Unknown | DiscoveredHealth::Healthy if flags.is_degraded() => {
                DiscoveredHealth::Degraded
            }
            said => said,
        }
    }

    /// Requests in flight over all workers; counted where the cluster's policy looks at them.
    #[inline]
    pub fn active_requests(&self) -> u32 {
        self.state.active_requests.load(Relaxed)
    }

    pub(crate) fn request_begins(&self) {
        self.state.active_requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn request_ends(&self) {
        self.state.active_requests.fetch_sub(1, Relaxed);
    }

    /// Where it is checked.
    pub fn check_address(&self) -> SocketAddr {
        let Some(check) = &self.check else {
            return self.address;
        };
        let mut address = check.address.unwrap_or(self.address);
        if check.port != 0 {
            address.set_port(check.port);
        }
        address
    }

    /// Where it is checked, if that is no IP address.
    pub(crate) fn checked_not_ip(&self) -> Option<&Address> {
        let check = self.check.as_deref();
        let is_elsewhere = check.is_some_and(|check| check.address.is_some());
        self.not_ip.as_deref().filter(|_| !is_elsewhere)
    }

    /// Whether it is checked where its cluster checks.
    pub fn is_checked(&self) -> bool {
        !self.check.as_ref().is_some_and(|check| check.is_disabled)
    }

    /// Since when the host is healthy, for its slow start.
    pub fn healthy_since(&self) -> &HealthySince {
        &self.state.healthy_since
    }

    /// New counters for the calling worker.
    pub fn worker_counters(&self) -> Arc<HostCounters> {
        let counters = match self.state.listed.get() {
            None => Arc::<HostCounters>::default(),
            Some(listed) => listed.worker_counters(),
        };
        self.state
            .counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&counters));
        counters
    }

    /// Lists its counters among the stats of its cluster, whose scope this is.
    pub(crate) fn list_in(&self, cluster: &Scope) {
        if self.state.listed.get().is_none()
            && let Some(listed) = ListedHost::new(cluster, self.shown_address(), &self.hostname)
        {
            let _listed_before = self.state.listed.set(listed);
        }
        self.list_health();
    }

    /// Has the stats say what its health is. Called by the main thread alone.
    pub(crate) fn list_health(&self) {
        if let Some(listed) = self.state.listed.get() {
            listed.set_healthy(self.health().is_healthy());
        }
    }

    /// The counters' sums over all workers.
    pub fn totals(&self) -> HostTotals {
        let counters = self
            .state
            .counters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
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

/// A moment that workers read without a lock; none at first.
#[derive(Debug, Default)]
pub struct HealthySince(AtomicU64);

impl HealthySince {
    /// The moment, if there is one.
    #[inline]
    pub fn get(&self) -> Option<Instant> {
        let since_ms = self.0.load(Relaxed).checked_sub(1)?;
        Some(*EPOCH.get()? + Duration::from_millis(since_ms))
    }

    /// Sets it, as a health check has passed or failed before.
    pub fn set(&self, at: Instant) {
        self.0.store(Self::packed(at), Relaxed);
    }

    /// Sets it unless it is set; for hosts that nobody checks.
    pub fn begin(&self, at: Instant) {
        let _set_before = self
            .0
            .compare_exchange(0, Self::packed(at), Relaxed, Relaxed);
    }

    fn packed(at: Instant) -> u64 {
        let since = at.saturating_duration_since(*EPOCH.get_or_init(|| at));
        u64::try_from(since.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }
}

/// The moment from which the others are counted.
static EPOCH: OnceLock<Instant> = OnceLock::new();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_checks_goes_before_a_unix_domain_socket() {
        let address = "127.0.0.1:80".parse().unwrap();
        let mut host = Host::new(address, "", 0, 0, Arc::default(), HealthFlags::HEALTHY);
        let pipe = Address::Pipe("/a.sock".into());
        host.not_ip = Some(Box::new(pipe.clone()));
        assert_eq!(host.checked_not_ip(), Some(&pipe));
        host.check = Some(Box::default());
        assert_eq!(host.checked_not_ip(), Some(&pipe));
        host.check = Some(Box::new(EndpointCheck {
            address: Some(address),
            ..EndpointCheck::default()
        }));
        assert_eq!(host.checked_not_ip(), None);
    }

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
}
