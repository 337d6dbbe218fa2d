//! What all threads share of a cluster.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{
    CircuitBreakerStats, ClusterEndpointStats, ClusterLbStats, ClusterTrafficStats,
    ClusterUpdateStats, TlsStats, TransportSocketMatchStats,
};

use super::membership::Membership;
use super::{Breakers, ClusterSettings, HostSet, ResourcePriority};
use crate::transport_socket::TransportSocket;

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
    hosts: RwLock<Arc<HostSet>>,
    generation: AtomicU64,
}

impl ClusterShared {
    /// A cluster without hosts; its stats are listed in `scope` from now on.
    pub fn new(
        settings: ClusterSettings,
        transport_socket: TransportSocket,
        scope: Scope,
        added_via_api: bool,
    ) -> Self {
        scope.register::<ClusterTrafficStats>();
        scope.register::<ClusterEndpointStats>();
        scope.register::<ClusterUpdateStats>();
        scope.register::<ClusterLbStats>();
        scope.register_at::<TransportSocketMatchStats>("default.");
        if matches!(transport_socket, TransportSocket::Tls(_)) {
            scope.register::<TlsStats>();
        }
        for priority in ResourcePriority::ALL {
            scope.register_at::<CircuitBreakerStats>(breaker_prefix(priority));
        }
        Self {
            breakers: Breakers::new(settings.thresholds),
            membership: Membership::of(&scope),
            settings,
            transport_socket,
            added_via_api,
            scope,
            hosts: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    /// Its stats, at `cluster.<name>.`.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Its circuit breakers.
    pub fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Replaces the hosts, which are other ones than before, and counts them; workers notice before their
    /// next pick. Called by the main thread alone.
    pub fn publish_hosts(&self, hosts: Arc<HostSet>) {
        self.membership
            .count(&self.hosts(), &hosts, self.settings.cluster_type);
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = hosts;
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// The hosts of now.
    pub fn hosts(&self) -> Arc<HostSet> {
        Arc::clone(&self.hosts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the hosts out of the gauges: another cluster of this name takes over, or none.
    pub(crate) fn withdraw(&self) {
        self.membership.withdraw();
    }

    /// Changes with each [`Self::publish_hosts`].
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

/// Where a priority's breakers stand below the cluster's scope.
pub(crate) const fn breaker_prefix(priority: ResourcePriority) -> &'static str {
    match priority {
        ResourcePriority::Default => "circuit_breakers.default.",
        ResourcePriority::High => "circuit_breakers.high.",
    }
}
