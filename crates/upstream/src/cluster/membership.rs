//! A cluster's membership stats, written by the main thread.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ClusterEndpointStats, TransportSocketMatchStats};

use super::{ClusterType, HealthFlags, Host, HostSet};

/// The main thread's stats of a cluster's hosts.
pub(super) struct Membership {
    stats: Arc<ClusterEndpointStats>,
    sockets: Arc<TransportSocketMatchStats>,
}

impl Membership {
    pub(super) fn of(scope: &Scope) -> Self {
        Self {
            stats: scope.worker_group(),
            sockets: scope.worker_group_at("default."),
        }
    }

    /// Counts that `hosts` take the place of `before`.
    pub(super) fn count(&self, before: &HostSet, hosts: &HostSet, cluster_type: ClusterType) {
        let count = |wanted: fn(&HealthFlags) -> bool| {
            hosts.iter().filter(|host| wanted(&host.health())).count() as u64
        };
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
        if cluster_type != ClusterType::Static {
            // Envoy sets it for discovered hosts alone.
            let heaviest = hosts.iter().map(|host| host.weight).max().unwrap_or(0);
            self.stats.max_host_weight.set(u64::from(heaviest));
        }
    }

    /// The cluster has no share in the gauges any more.
    pub(super) fn withdraw(&self) {
        let gauges = [
            &self.stats.membership_total,
            &self.stats.membership_healthy,
            &self.stats.membership_degraded,
            &self.stats.max_host_weight,
        ];
        gauges
            .into_iter()
            .filter(|gauge| gauge.used())
            .for_each(|gauge| gauge.set(0));
    }
}
