//! What all threads share of a cluster.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use nuncio_contract::stats::groups::{
    CircuitBreakerStats, ClusterEndpointStats, ClusterLbStats, ClusterTrafficStats,
    ClusterUpdateStats, ClusterVersionStats, RemainingStats, RequestSizeStats, TimeoutBudgetStats,
    TlsSocketFactoryStats, TlsStats, TransportSocketMatchStats,
};
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::stream_info::{Metadata, StreamInfo, UPSTREAM_DYNAMIC_PORT};
use nuncio_net::tasks::spawn_seldom;
use nuncio_net::tls::{ClientTls, Expirations};
use nuncio_net::transport::TcpSocketStats;
use tokio::sync::watch;

use super::around::{AroundClusters, ProxyPlace};
use super::breaker_gauges::{left_gauge, open_gauge, shown_limit};
use super::breakers::RESOURCES;
use super::dropped::Dropped;
use super::even::TableStats;
use super::membership::Membership;
use super::merge_window::{MergeWindow, Takes};
use super::{
    Breakers, ClusterSettings, ClusterType, Host, HostSet, Provided, ResourcePriority,
    RuntimeLimits, Thresholds,
};
use crate::destination::Destination;
use crate::forward_proxy::Asked;
use crate::load_balancing::Snapshot;
use crate::outlier_detection::{OutlierSettings, Outliers};
use crate::socket_match::{SocketMatch, SocketMatches, SocketSearch};
use crate::transport_socket::TransportSocket;

/// Hosts, and what load balancers make of them.
#[derive(Default)]
struct Published {
    hosts: Arc<HostSet>,
    /// Made with the hosts where that is much work, else by the first worker that asks.
    snapshot: OnceLock<Arc<Snapshot>>,
}

/// A cluster: settings for ever, hosts until the next update.
pub struct ClusterShared {
    /// Parsed settings.
    pub settings: ClusterSettings,
    /// How connections are secured.
    pub transport_socket: TransportSocket,
    /// Came by dynamic configuration.
    pub added_via_api: bool,
    scope: Scope,
    breakers: Breakers,
    membership: Membership,
    tables: TableStats,
    around: Arc<AroundClusters>,
    published: RwLock<Arc<Published>>,
    /// The limits of which workers take off what they use, where that is told.
    remaining: Vec<(ResourcePriority, Arc<RemainingStats>)>,
    generation: AtomicU64,
    merging: Mutex<MergeWindow>,
    /// The bits of the share of requests that are turned away, of 1.
    drop_share: AtomicU64,
    dropped: Dropped,
    /// How often each of the transport sockets of `transport_socket_matches` was chosen.
    socket_counts: Vec<Arc<Counter>>,
    /// Of each transport socket, its own first.
    expirations: Vec<Expirations>,
    outliers: Option<Box<Outliers>>,
    provided: Option<Box<Provided>>,
}

impl ClusterShared {
    /// A cluster without hosts; its stats are listed in `scope` from now on.
    pub fn new(
        settings: ClusterSettings,
        transport_socket: TransportSocket,
        scope: Scope,
        added_via_api: bool,
        around: Arc<AroundClusters>,
    ) -> Self {
        if !around.place().is_some_and(|place| place.defers_stats) {
            scope.register::<ClusterTrafficStats>();
        }
        scope.register::<ClusterEndpointStats>();
        scope.register::<ClusterUpdateStats>();
        if settings.eds.is_none() {
            scope.register::<ClusterVersionStats>();
        }
        scope.register::<ClusterLbStats>();
        scope.register_at::<TransportSocketMatchStats>("default.");
        let matches = settings.socket_matches.iter().flat_map(|all| &all.all);
        let sockets = [&transport_socket]
            .into_iter()
            .chain(matches.clone().map(|one| &*one.socket));
        if sockets.clone().any(|one| one.tcp_stats().is_some()) {
            scope.register::<TcpSocketStats>();
        }
        sockets
            .clone()
            .filter_map(TransportSocket::tap)
            .for_each(|tap| tap.register(&scope));
        if sockets.into_iter().any(|one| one.context().is_some()) {
            scope.register::<TlsStats>();
            scope.register_at::<TlsSocketFactoryStats>("client_ssl_socket_factory.");
        }
        let counter = |one: &SocketMatch| scope.counter(&format!("{}.total_match_count", one.name));
        let socket_counts = matches.map(counter).collect();
        if settings.tells_clients {
            scope.counter("upstream.proxyprotocol.v2_tlvs_exceed_max_length");
        }
        for priority in ResourcePriority::ALL {
            scope.register_at::<CircuitBreakerStats>(breaker_prefix(priority));
        }
        if settings.tracked.sizes {
            scope.register::<RequestSizeStats>();
        }
        if settings.tracked.budgets {
            scope.register::<TimeoutBudgetStats>();
        }
        let merging = MergeWindow::new(settings.update_merge_window);
        let mut shared = Self {
            breakers: Breakers::new(
                settings.thresholds,
                RuntimeLimits::new(&settings.runtime, &settings.name),
            ),
            membership: Membership::of(&scope),
            tables: TableStats::of(&settings.lb, &scope),
            around,
            remaining: remaining(&settings.thresholds, &scope),
            socket_counts,
            drop_share: AtomicU64::new(settings.drop_overload.share.to_bits()),
            dropped: Dropped::new(&settings.drop_overload.category),
            settings,
            transport_socket,
            added_via_api,
            scope,
            published: RwLock::default(),
            generation: AtomicU64::new(0),
            merging: Mutex::new(merging),
            expirations: Vec::new(),
            outliers: None,
            provided: None,
        };
        shared.expirations = shared
            .tls_contexts()
            .map(|_| Expirations::default())
            .collect();
        shared.show_expirations();
        shared.show_limits();
        shared
    }

    /// The same with outlier detection.
    #[must_use]
    pub(crate) fn with_outliers(mut self, settings: Arc<OutlierSettings>) -> Self {
        self.outliers = Some(Box::new(Outliers::new(settings, &self.scope)));
        self
    }

    /// The same with a way of its own to choose hosts.
    #[must_use]
    pub(crate) fn with_provided(mut self, provided: Option<Provided>) -> Self {
        self.provided = provided.map(Box::new);
        self
    }

    /// How it chooses hosts itself, if it does.
    pub fn provided(&self) -> Option<&Provided> {
        self.provided.as_deref()
    }

    /// Its outlier detection, if it has one.
    pub fn outliers(&self) -> Option<&Outliers> {
        self.outliers.as_deref()
    }

    /// Shows that all of each limit is left.
    fn show_limits(&self) {
        for (priority, stats) in &self.remaining {
            let written = self.breakers.thresholds(*priority);
            for resource in RESOURCES {
                let limit = shown_limit(resource, written.limit(resource));
                left_gauge(stats, resource).add(limit);
            }
        }
    }

    /// Takes what the circuit breakers show out of their gauges.
    fn withdraw_breakers(&self) {
        self.breakers.withdraw();
        for (priority, stats) in &self.remaining {
            for resource in RESOURCES {
                let change = self.breakers.show_left(*priority, resource);
                left_gauge(stats, resource).add(change.cast_unsigned());
            }
        }
        for priority in ResourcePriority::ALL {
            for resource in RESOURCES {
                let change = self.breakers.show_open(priority, resource);
                if change != 0 {
                    let stats = self.scope.worker_group_at(breaker_prefix(priority));
                    open_gauge(&stats, resource).add(change.cast_unsigned());
                }
            }
        }
    }

    /// The port of hosts that are asked for without one.
    pub fn default_port(&self) -> u16 {
        match self.transport_socket.tls() {
            None => 80,
            Some(_) => 443,
        }
    }

    /// What a connection that is no request asks for, where hosts are chosen by that.
    pub fn destination_of(&self, info: &StreamInfo) -> Option<Destination> {
        match self.provided()? {
            Provided::Names(_) => {
                let name = info.connection.requested_server_name.as_bytes();
                let port = info.object(UPSTREAM_DYNAMIC_PORT);
                let port = port.and_then(|port| port.serialize_as_string()?.parse().ok());
                let port = port.unwrap_or_else(|| self.default_port());
                Asked::of(name, port).map(Destination::Name)
            }
            Provided::OriginalDst(hosts) => hosts.asked_for(None, info).map(Destination::Address),
            Provided::Aggregate(_) | Provided::Composite(_) | Provided::Redis(_) => None,
        }
    }

    /// The zone that the proxy stands in; empty if none is known.
    pub(crate) fn own_zone(&self) -> Box<str> {
        let place = self.around.place();
        place.map_or_else(Box::default, |place| place.locality.zone.as_ref().into())
    }

    /// Its stats, at `cluster.<name>.`.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether requests are turned away, whatever runtime says of it.
    #[inline]
    pub fn may_drop(&self) -> bool {
        f64::from_bits(self.drop_share.load(Ordering::Relaxed)) > 0.0
    }

    /// The share that is to be turned away, whatever the limit.
    pub fn told_drop_share(&self) -> f64 {
        f64::from_bits(self.drop_share.load(Ordering::Relaxed))
    }

    /// The share of requests that are turned away before a host is chosen, of 1.
    pub fn drop_share(&self) -> f64 {
        let limit = self.settings.drop_overload.limit.integer(100).min(100);
        let share = f64::from_bits(self.drop_share.load(Ordering::Relaxed));
        share.min(limit as f64 / 100.0)
    }

    /// What is counted of requests that no host got.
    pub fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Has another share turned away from now on.
    pub(crate) fn set_drop_share(&self, share: f64) {
        self.drop_share.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Its circuit breakers.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Replaces the hosts, which are other ones than before, and counts them; workers are told, and look
    /// before each pick. Called by the main thread alone.
    pub fn publish_hosts(&self, hosts: Arc<HostSet>) {
        if self.merging().replaced() {
            self.around.stats.update_merge_cancelled.inc();
        }
        self.find_sockets(&hosts);
        if self.settings.lb.reports.is_some() {
            hosts.iter().for_each(|host| host.begin_reports());
        }
        if self.settings.tracked.endpoints {
            hosts.iter().for_each(|host| host.list_in(&self.scope));
        }
        self.membership.count(&self.hosts(), &hosts);
        if let Some(outliers) = self.outliers() {
            outliers.set_hosts(&hosts);
        }
        self.replace(hosts);
        if let Some(checks) = &self.settings.health_checks {
            checks.hosts_changed();
        }
    }

    /// Has workers choose by the weights of now from their next pick on. Called by the main thread alone.
    pub(crate) fn weights_changed(&self) {
        self.replace(self.hosts());
    }

    fn find_sockets(&self, hosts: &HostSet) {
        let Some(matches) = &self.settings.socket_matches else {
            return;
        };
        let mut search = None;
        for host in hosts.iter().filter(|host| !host.has_looked_for_socket()) {
            let search = search.get_or_insert_with(|| matches.search());
            let place = search.find_for(host);
            let socket = place.and_then(|place| matches.socket(place));
            if host.give_socket(socket.cloned()) && host.is_new() {
                self.count_socket(place);
            }
        }
    }

    /// Begins a search for transport sockets that hosts choose, where there are some.
    pub(crate) fn socket_search(&self) -> Option<SocketSearch<'_>> {
        let matches = self.settings.socket_matches.as_deref();
        matches.map(SocketMatches::search)
    }

    /// Counts what was found for a host that goes on with the past of another. Called by the main thread alone.
    pub(crate) fn count_socket_or_default(&self, place: Option<usize>) {
        match place {
            None => self.membership.count_default_socket(),
            Some(_) => self.count_socket(place),
        }
    }

    fn count_socket(&self, place: Option<usize>) {
        if let Some(counter) = place.and_then(|place| self.socket_counts.get(place)) {
            counter.inc();
        }
    }

    /// How connections to a host are secured.
    pub fn socket_of<'a>(&'a self, host: &'a Host) -> &'a TransportSocket {
        host.socket()
            .map_or(&self.transport_socket, |socket| socket)
    }

    /// How a connection to a host is secured on which it is checked. Called by the main thread alone.
    pub(crate) fn socket_for_check<'a>(
        &'a self,
        host: &'a Host,
        criteria: Option<&Metadata>,
    ) -> &'a TransportSocket {
        let matches = self.settings.socket_matches.as_deref();
        let (Some(matches), Some(criteria)) = (matches, criteria) else {
            return self.socket_of(host);
        };
        let place = matches.search().find_with(host, criteria);
        self.count_socket_or_default(place);
        let socket = place.and_then(|place| matches.socket(place));
        socket.map_or(&self.transport_socket, |socket| socket)
    }

    /// All its transport sockets, its own first.
    pub fn sockets(&self) -> impl Iterator<Item = &TransportSocket> {
        let matches = self.settings.socket_matches.iter();
        let matches = matches.flat_map(|matches| &matches.all);
        [&self.transport_socket]
            .into_iter()
            .chain(matches.map(|one| &*one.socket))
    }

    /// Lets connections to come use certificates and keys that changed under the same configuration.
    pub fn renew_sockets_from(&self, newer: &[Arc<TransportSocket>]) {
        self.sockets()
            .zip(newer)
            .for_each(|(socket, newer)| socket.renew_from(newer));
        self.show_expirations();
    }

    fn tls_contexts(&self) -> impl Iterator<Item = &ClientTls> {
        let contexts = self.sockets().filter_map(TransportSocket::context);
        contexts.map(|tls| &**tls)
    }

    /// Shows when certificates end, after they have become others.
    pub fn show_expirations(&self) {
        let contexts = self.tls_contexts().zip(&self.expirations);
        contexts.for_each(|(tls, shown)| shown.show(&self.scope, &tls.certificates()));
    }

    /// Counts how much the heaviest host weighs, after hosts were discovered. Called by the main thread alone.
    pub fn count_weights(&self) {
        self.membership.count_weights(&self.hosts());
    }

    /// The health of hosts has changed (see [`Host::change_health`](super::Host::change_health)): counts them anew and
    /// has workers choose by it, from now on or once the window for such changes is over. Called by the main thread
    /// alone.
    pub fn health_changed(self: &Arc<Self>, now: Instant) {
        if let Some(Provided::Redis(redis)) = self.provided() {
            redis.look_at_health(&self.hosts(), now);
        }
        if self.settings.cluster_type == ClusterType::Eds
            && let Some(left) = self.hosts().without_failed()
        {
            let before = self.hosts();
            self.publish_hosts(Arc::new(left));
            self.count_discovery(&before);
            return;
        }
        let takes = self.merging().change(now);
        match takes {
            Takes::Effect => {
                let stats = &self.around.stats;
                if !self.settings.update_merge_window.is_zero() {
                    stats.update_out_of_merge_window.inc();
                }
                stats.cluster_updated.inc();
                self.health_became_known();
            }
            Takes::Effects(after) => {
                self.membership.count_health(&self.hosts());
                let cluster = Arc::downgrade(self);
                spawn_seldom(async move {
                    tokio::time::sleep(after).await;
                    if let Some(cluster) = cluster.upgrade() {
                        cluster.take_waiting_changes(now + after);
                    }
                });
            }
            Takes::Part => self.membership.count_health(&self.hosts()),
        }
    }

    /// Hosts were discovered again, after `before` was known: counts for each priority in which some came or went, or
    /// have another weight, health or metadata.
    pub fn count_discovery(&self, before: &HostSet) {
        let by_priority = |hosts: &HostSet| {
            let mut all: BTreeMap<u32, HashSet<*const Host>> = BTreeMap::new();
            for host in hosts.iter() {
                all.entry(host.priority)
                    .or_default()
                    .insert(Arc::as_ptr(host));
            }
            all
        };
        let (before, after) = (by_priority(before), by_priority(&self.hosts()));
        let priorities: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed = priorities
            .into_iter()
            .filter(|of| before.get(of) != after.get(of));
        // What EDS tells comes as one change, whatever its priorities.
        let most = match self.settings.cluster_type {
            ClusterType::Eds => 1,
            _ => usize::MAX,
        };
        let changed = changed.take(most);
        changed.for_each(|_| self.around.stats.cluster_updated.inc());
    }

    /// The same for what is known of hosts that nobody uses yet: it is no change.
    pub fn health_became_known(&self) {
        let hosts = self.hosts();
        self.membership.count_health(&hosts);
        if self.settings.tracked.endpoints {
            hosts.iter().for_each(|host| host.list_health());
        }
        self.replace(hosts);
    }

    fn take_waiting_changes(&self, now: Instant) {
        if self.merging().is_over(now) {
            self.around.stats.cluster_updated_via_merge.inc();
            self.replace(self.hosts());
        }
    }

    fn merging(&self) -> MutexGuard<'_, MergeWindow> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, hosts: Arc<HostSet>) {
        let published = Published {
            hosts,
            snapshot: OnceLock::new(),
        };
        if self.tables.are_wanted() {
            let before = self.published();
            let threads = self.around.place().map_or(1, |place| place.threads);
            let snapshot = self.snapshot_of(&published);
            self.tables
                .set(before.snapshot.get().map(|one| &**one), &snapshot, threads);
        }
        *self
            .published
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
        self.generation.fetch_add(1, Ordering::Release);
        self.around.tell_hosts_changed();
    }

    /// Tells of changed hosts, those of other clusters too, from now on.
    pub(crate) fn changes_of_hosts(&self) -> watch::Receiver<()> {
        self.around.host_changes()
    }

    /// The hosts of now.
    pub fn hosts(&self) -> Arc<HostSet> {
        Arc::clone(&self.published().hosts)
    }

    fn published(&self) -> Arc<Published> {
        let published = self.published.read();
        Arc::clone(&published.unwrap_or_else(PoisonError::into_inner))
    }

    /// The hosts of now, and what load balancers make of them.
    pub(crate) fn balanced(&self) -> (Arc<HostSet>, Arc<Snapshot>) {
        let published = self.published();
        let snapshot = self.snapshot_of(&published);
        (Arc::clone(&published.hosts), snapshot)
    }

    fn snapshot_of(&self, published: &Published) -> Arc<Snapshot> {
        let make = || {
            let nowhere = ProxyPlace::default();
            let place = self.around.place().unwrap_or(&nowhere);
            let lb = &self.settings.lb;
            let places_matter = place.local_cluster.is_some() || lb.weighs_localities();
            let own = places_matter.then_some(&place.locality);
            Arc::new(Snapshot::new(&published.hosts, lb, own))
        };
        Arc::clone(published.snapshot.get_or_init(make))
    }

    /// The name of the cluster whose hosts are the proxies, if this is another one.
    pub(crate) fn local_cluster(&self) -> Option<&str> {
        let name = self.around.place()?.local_cluster.as_deref()?;
        (*name != *self.settings.name).then_some(name)
    }

    /// Takes the hosts out of the gauges: another cluster of this name takes over, or none.
    pub(crate) fn withdraw(&self) {
        self.membership.withdraw();
        self.tables.withdraw();
        self.withdraw_breakers();
        if let Some(outliers) = self.outliers() {
            outliers.withdraw();
        }
    }

    /// Changes with each [`Self::publish_hosts`].
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// The gauges of what is left, of the priorities where that is told.
fn remaining(
    thresholds: &[Thresholds; 2],
    scope: &Scope,
) -> Vec<(ResourcePriority, Arc<RemainingStats>)> {
    let priorities = thresholds.iter().zip(ResourcePriority::ALL);
    let tracked = priorities.filter(|(limits, _)| limits.track_remaining);
    tracked
        .map(|(_, priority)| (priority, scope.worker_group_at(breaker_prefix(priority))))
        .collect()
}

/// Where a priority's breakers stand below the cluster's scope.
pub(crate) const fn breaker_prefix(priority: ResourcePriority) -> &'static str {
    match priority {
        ResourcePriority::Default => "circuit_breakers.default.",
        ResourcePriority::High => "circuit_breakers.high.",
    }
}
