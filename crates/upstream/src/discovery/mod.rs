//! Learning a cluster's hosts: from its configuration, or from DNS again and again.
//!
//! Runs on the main thread and publishes host sets; a host whose address stays is kept, so that its
//! counters and pools live on. Follows Envoy: STRICT_DNS takes every address of every name as a host, and
//! an empty answer empties it; LOGICAL_DNS takes the first address of its one name, and keeps the last one
//! when an answer is empty or fails.
//!
//! Different from Envoy: the retries after failures are not jittered.

mod assignment;
mod dns;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterUpdateStats;

use crate::cluster::{ClusterShared, ClusterType, HealthFlags, Host, HostSet};
use crate::config::{ClusterConfig, EndpointSpec};
use crate::manager::ClusterManager;
pub use assignment::assign;
pub use dns::{DnsDiscovery, Resolution};

/// A cluster that was made and that nobody sees yet; see [`ClusterManager::publish`].
pub struct Prepared {
    /// The cluster. A static one has its hosts.
    pub cluster: Arc<ClusterShared>,
    /// Its names that are to be resolved, if its hosts come from DNS.
    pub discovery: Option<DnsDiscovery>,
}

/// Makes a configured cluster.
pub fn prepare(manager: &ClusterManager, config: ClusterConfig, added_via_api: bool) -> Prepared {
    let ClusterConfig {
        settings,
        transport_socket,
        endpoints,
        dns,
        wait_for_warm_on_init: _,
        outlier_detection,
    } = config;
    let cluster =
        manager.prepare_with(settings, transport_socket, added_via_api, outlier_detection);
    let updates: Arc<ClusterUpdateStats> = cluster.scope().worker_group();
    updates.warming_state.set(0);
    let discovery = match cluster.settings.cluster_type {
        ClusterType::Static => {
            publish_static(&cluster, &endpoints);
            None
        }
        // Whoever subscribes to its hosts assigns them.
        ClusterType::Eds => None,
        ClusterType::StrictDns | ClusterType::LogicalDns => {
            Some(DnsDiscovery::new(Arc::clone(&cluster), endpoints, dns))
        }
    };
    Prepared { cluster, discovery }
}

fn publish_static(cluster: &Arc<ClusterShared>, endpoints: &[EndpointSpec]) {
    let hosts: Vec<_> = endpoints
        .iter()
        .filter_map(|endpoint| Some(endpoint.host(endpoint.address.parse().ok()?)))
        .inspect(|host| {
            if cluster.settings.health_checks.is_some() && host.is_checked() {
                host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
            }
        })
        .map(Arc::new)
        .collect();
    if !hosts.is_empty() {
        let set = HostSet::new(hosts).with_options(cluster.settings.level_options);
        cluster.publish_hosts(Arc::new(set));
    }
}

impl EndpointSpec {
    /// The endpoint as a host at `address`. A name that was resolved stays its host name.
    fn host(&self, address: IpAddr) -> Host {
        let is_name = self.address.parse::<IpAddr>().is_err();
        let hostname = match self.hostname.is_empty() && is_name {
            true => &self.address,
            false => &self.hostname,
        };
        let mut host = Host::new(
            SocketAddr::new(address, self.port),
            hostname,
            self.weight,
            self.priority,
            Arc::clone(&self.locality),
            self.health.flags(),
        );
        host.discovered_health = self.health;
        host.locality_weight = self.locality_weight;
        host.metadata = self.metadata.clone();
        host.check = self.check.clone();
        host
    }
}
