//! A cluster's membership stats, written by the main thread.

use std::collections::HashSet;
use std::sync::Arc;

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ClusterEndpointStats, TransportSocketMatchStats};

use super::{HealthFlags, Host, HostSet};

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
    pub(super) fn count(&self, before: &HostSet, hosts: &HostSet) {
        let known: HashSet<_> = before.iter().map(|host| host.identity()).collect();
        let is_new =
            |host: &&Arc<Host>| !known.contains(&host.identity()) && host.socket().is_none();
        self.sockets
            .total_match_count
            .add(hosts.iter().filter(is_new).count() as u64);
        self.stats
            .membership_change
            .add(changed_priorities(before, hosts));
        self.stats.membership_total.set(hosts.iter().count() as u64);
        self.count_health(hosts);
    }

    /// Counts the heaviest of the hosts, who weigh 1 at least. Envoy does so where there may be several of them that
    /// were discovered.
    pub(super) fn count_weights(&self, hosts: &HostSet) {
        let heaviest = hosts.iter().map(|host| host.weight).max().unwrap_or(1);
        self.stats.max_host_weight.set(u64::from(heaviest.max(1)));
    }

    /// Counts that the cluster's own transport socket was chosen.
    pub(super) fn count_default_socket(&self) {
        self.sockets.total_match_count.inc();
    }

    /// Counts the hosts by their health of now.
    pub(super) fn count_health(&self, hosts: &HostSet) {
        let count = |wanted: fn(&HealthFlags) -> bool| {
            hosts.iter().filter(|host| wanted(&host.health())).count() as u64
        };
        self.stats
            .membership_healthy
            .set(count(HealthFlags::is_healthy));
        self.stats
            .membership_degraded
            .set(count(HealthFlags::is_degraded));
        self.stats
            .membership_excluded
            .set(count(|health| health.is_excluded()));
    }

    /// The cluster has no share in the gauges any more.
    pub(super) fn withdraw(&self) {
        let gauges = [
            &self.stats.membership_total,
            &self.stats.membership_healthy,
            &self.stats.membership_degraded,
            &self.stats.membership_excluded,
            &self.stats.max_host_weight,
        ];
        gauges
            .into_iter()
            .filter(|gauge| gauge.used())
            .for_each(|gauge| gauge.set(0));
    }
}

/// How many priorities have other hosts than before. Hosts that are the same ones, some with another weight or health,
/// are no change; to have none and get none is one.
fn changed_priorities(before: &HostSet, hosts: &HostSet) -> u64 {
    let levels = before.priorities.len().max(hosts.priorities.len());
    let of = |set: &HostSet, level: usize| -> HashSet<usize> {
        let hosts = set.priorities.get(level).map(|level| &level.hosts);
        let hosts = hosts.into_iter().flatten();
        hosts.map(|host| host.identity()).collect()
    };
    let changed = (0..levels).filter(|level| of(before, *level) != of(hosts, *level));
    let least = u64::from(hosts.iter().next().is_none());
    (changed.count() as u64).max(least)
}
