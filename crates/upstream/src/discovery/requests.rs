//! Hosts of clusters that learn them from requests.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use crate::cluster::{ClusterShared, HealthFlags, Host, HostSet};
use crate::forward_proxy::NameFollower;
use crate::original_dst::OriginalDst;

/// A cluster that has a host for each name of a cache.
pub(super) struct HostsOfNames {
    cluster: Weak<ClusterShared>,
    hosts: Vec<(Box<str>, Arc<Host>)>,
}

impl HostsOfNames {
    pub(super) fn new(cluster: &Arc<ClusterShared>) -> Self {
        Self {
            cluster: Arc::downgrade(cluster),
            hosts: Vec::new(),
        }
    }

    fn publish(&self) {
        if let Some(cluster) = self.cluster.upgrade() {
            let hosts = self.hosts.iter().map(|(_, host)| Arc::clone(host));
            cluster.publish_hosts(Arc::new(HostSet::new(hosts.collect())));
        }
    }
}

impl NameFollower for HostsOfNames {
    fn is_there(&self) -> bool {
        self.cluster.strong_count() > 0
    }

    fn put(&mut self, key: &str, address: SocketAddr) {
        let healthy = HealthFlags::HEALTHY;
        let host = Arc::new(Host::new(address, key, 1, 0, Arc::default(), healthy));
        if let Some(cluster) = self.cluster.upgrade()
            && cluster.settings.health_checks.is_some()
        {
            host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
        }
        match self.hosts.iter_mut().find(|(known, _)| **known == *key) {
            Some((_, known)) => *known = host,
            None => self.hosts.push((key.into(), host)),
        }
        self.publish();
    }

    fn remove(&mut self, key: &str) {
        let before = self.hosts.len();
        self.hosts.retain(|(known, _)| **known != *key);
        if self.hosts.len() < before {
            self.publish();
        }
    }
}

/// Lists the hosts of addresses for as long as the cluster is there, on the calling thread, the main one.
pub(super) async fn list(cluster: Weak<ClusterShared>, hosts: Arc<OriginalDst>) {
    let interval = hosts.cleanup_interval();
    let mut cleanup = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    loop {
        let has_changed = tokio::select! {
            () = hosts.changed() => true,
            _ = cleanup.tick() => hosts.clean_up(),
        };
        let Some(cluster) = cluster.upgrade() else {
            return;
        };
        if has_changed {
            cluster.publish_hosts(Arc::new(HostSet::new(hosts.all())));
        }
    }
}
