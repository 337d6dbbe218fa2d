//! A cluster's membership stats, and the one place where host sets are published.

use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterEndpointStats;

use crate::cluster::{ClusterShared, HostSet};

/// The main thread's stats of a cluster's hosts.
pub(super) struct Membership {
    stats: Arc<ClusterEndpointStats>,
}

impl Membership {
    pub(super) fn of(cluster: &ClusterShared) -> Self {
        Self {
            stats: cluster.scope().worker_group(),
        }
    }

    /// Publishes `hosts`, which are other ones than before.
    pub(super) fn publish(&self, cluster: &ClusterShared, hosts: HostSet) {
        let count = |wanted: fn(&crate::cluster::HealthFlags) -> bool| {
            hosts.iter().filter(|host| wanted(&host.health())).count() as u64
        };
        self.stats.membership_change.inc();
        self.stats.membership_total.set(hosts.iter().count() as u64);
        self.stats
            .membership_healthy
            .set(count(|health| health.is_healthy()));
        self.stats
            .membership_degraded
            .set(count(|health| health.is_degraded()));
        let heaviest = hosts.iter().map(|host| host.weight).max().unwrap_or(0);
        self.stats.max_host_weight.set(u64::from(heaviest));
        cluster.publish_hosts(Arc::new(hosts));
    }
}
