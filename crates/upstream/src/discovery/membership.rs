//! A cluster's membership stats, and the one place where host sets are published.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_contract::stats::groups::{ClusterEndpointStats, TransportSocketMatchStats};

use crate::cluster::{ClusterShared, ClusterType, Host, HostSet};

/// The main thread's stats of a cluster's hosts.
pub(super) struct Membership {
    stats: Arc<ClusterEndpointStats>,
    sockets: Arc<TransportSocketMatchStats>,
}

impl Membership {
    pub(super) fn of(cluster: &ClusterShared) -> Self {
        let scope = cluster.scope();
        Self {
            stats: scope.worker_group(),
            sockets: scope.worker_group_at("default."),
        }
    }

    /// Publishes `hosts`, which are other ones than before.
    pub(super) fn publish(&self, cluster: &ClusterShared, hosts: HostSet) {
        let count = |wanted: fn(&crate::cluster::HealthFlags) -> bool| {
            hosts.iter().filter(|host| wanted(&host.health())).count() as u64
        };
        let before = cluster.hosts();
        let known: HashSet<_> = before.iter().map(Arc::as_ptr).collect();
        let is_new = |host: &&Arc<Host>| !known.contains(&Arc::as_ptr(host));
        self.sockets
            .total_match_count
            .add(hosts.iter().filter(is_new).count() as u64);
        self.stats.membership_change.inc();
        self.stats.membership_total.set(hosts.iter().count() as u64);
        self.stats
            .membership_healthy
            .set(count(|health| health.is_healthy()));
        self.stats
            .membership_degraded
            .set(count(|health| health.is_degraded()));
        self.stats.membership_excluded.set(0);
        if cluster.settings.cluster_type != ClusterType::Static {
            // Envoy sets it for discovered hosts alone.
            let heaviest = hosts.iter().map(|host| host.weight).max().unwrap_or(0);
            self.stats.max_host_weight.set(u64::from(heaviest));
        }
        cluster.publish_hosts(Arc::new(hosts));
    }
}
