//! Learning a cluster's hosts: from its configuration, or from DNS again and again.
//!
//! Runs on the main thread and publishes host sets; a host whose address stays is kept, so that its
//! counters and pools live on. Follows Envoy: STRICT_DNS takes every address of every name as a host, and
//! an empty answer empties it; LOGICAL_DNS takes the first address of its one name, and keeps the last one
//! when an answer is empty or fails.
//!
//! Different from Envoy: the retries after failures are not jittered.

mod dns;
mod membership;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_net::dns::Resolver;

use crate::cluster::{ClusterShared, ClusterType, Host, HostSet};
use crate::config::{ClusterConfig, EndpointSpec};
use crate::manager::{ClusterId, ClusterManager};
pub use dns::DnsDiscovery;
use membership::Membership;

/// What is left to do for a cluster that was added.
pub enum Started {
    /// Its hosts are there.
    Ready,
    /// Its names must be resolved: see [`begin`].
    Resolving(DnsDiscovery),
}

/// Adds a configured cluster. A static one has its hosts at once.
pub fn start(
    manager: &ClusterManager,
    config: ClusterConfig,
    added_via_api: bool,
) -> (ClusterId, Started) {
    let ClusterConfig {
        settings,
        transport_socket,
        endpoints,
        dns,
        wait_for_warm_on_init,
    } = config;
    let (id, cluster) = manager.add_or_update(settings, transport_socket, added_via_api);
    let updates: Arc<ClusterUpdateStats> = cluster.scope().worker_group();
    updates.warming_state.set(0);
    let started = match cluster.settings.cluster_type {
        ClusterType::Static => {
            publish_static(&cluster, &endpoints);
            Started::Ready
        }
        ClusterType::StrictDns | ClusterType::LogicalDns => {
            let discovery = DnsDiscovery::new(cluster, endpoints, dns, wait_for_warm_on_init);
            Started::Resolving(discovery)
        }
    };
    (id, started)
}

/// Begins to resolve on local tasks of the calling thread, the main one, and waits until each cluster that
/// the start waits for (`wait_for_warm_on_init`) has its first answers or failures. Resolution goes on after
/// that for as long as the cluster is in the manager.
pub async fn begin(discoveries: Vec<DnsDiscovery>, resolver: &Rc<Resolver>) {
    let mut warm = Vec::new();
    for discovery in discoveries {
        warm.extend(discovery.warmed());
        tokio::task::spawn_local(discovery.run(Rc::clone(resolver)));
    }
    for one in warm {
        one.notified().await;
    }
}

fn publish_static(cluster: &Arc<ClusterShared>, endpoints: &[EndpointSpec]) {
    let hosts: Vec<_> = endpoints
        .iter()
        .filter_map(|endpoint| Some(endpoint.host(endpoint.address.parse().ok()?)))
        .map(Arc::new)
        .collect();
    if !hosts.is_empty() {
        Membership::of(cluster).publish(cluster, HostSet::new(hosts));
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
            self.health,
        );
        host.metadata = self.metadata.clone();
        host
    }
}
