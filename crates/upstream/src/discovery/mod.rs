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
mod inherited;
#[cfg(test)]
mod name_tests;
mod redis;
mod requests;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterUpdateStats;
use nuncio_net::tasks::spawn_seldom;

use nuncio_net::dns::Resolvers;

use crate::cluster::{ClusterShared, ClusterType, HealthFlags, Host, HostSet, Provided};
use crate::config::{ClusterConfig, EndpointSpec};
use crate::forward_proxy;
use crate::manager::ClusterManager;
pub use assignment::assign;
pub use dns::{DnsDiscovery, Resolution};
pub use inherited::assigned_to;
pub use redis::RedisDiscovery;

/// A cluster that was made and that nobody sees yet; see [`ClusterManager::publish`].
pub struct Prepared {
    /// The cluster. A static one has its hosts.
    pub cluster: Arc<ClusterShared>,
    /// How its hosts are found, if the configuration does not say which they are.
    pub discovery: Option<Discovery>,
}

/// A source of random numbers.
pub type Chance = Rc<dyn Fn() -> u64>;

/// How hosts are found.
pub enum Discovery {
    /// Its names are to be resolved.
    Dns(DnsDiscovery),
    /// They say so themselves.
    Redis(RedisDiscovery),
    /// Requests say which they are.
    Requests(Arc<ClusterShared>),
}

impl Discovery {
    /// Begins, on local tasks of the calling thread, the main one. None if there is nothing that ends with the cluster
    /// or that its warming waits for.
    pub fn begin(self, resolvers: &Resolvers, chance: &Chance) -> Option<Resolution> {
        match self {
            Discovery::Dns(names) => Some(names.begin(resolvers, Rc::clone(chance))),
            Discovery::Redis(redis) => Some(redis.begin(resolvers, Rc::clone(chance))),
            Discovery::Requests(cluster) => {
                if let Some(Provided::Names(names)) = cluster.provided() {
                    let hosts = Box::new(requests::HostsOfNames::new(&cluster));
                    forward_proxy::begin(names, hosts, resolvers);
                }
                if let Some(Provided::OriginalDst(hosts)) = cluster.provided() {
                    let listing = requests::list(Arc::downgrade(&cluster), Arc::clone(hosts));
                    spawn_seldom(listing);
                }
                None
            }
        }
    }
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
        is_bound: _,
        http_filters: _,
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
            let names = DnsDiscovery::new(Arc::clone(&cluster), endpoints, dns);
            Some(Discovery::Dns(names))
        }
        ClusterType::Redis => {
            let discovery = RedisDiscovery::new(Arc::clone(&cluster), endpoints, dns);
            Some(Discovery::Redis(discovery))
        }
        ClusterType::DynamicForwardProxy | ClusterType::OriginalDst => {
            Some(Discovery::Requests(Arc::clone(&cluster)))
        }
        ClusterType::Aggregate | ClusterType::Composite => None,
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
    /// The endpoint as a host at `address`.
    fn host(&self, address: IpAddr) -> Host {
        self.host_named(&self.hostname, address)
    }

    /// The same for an address that its own was resolved to, which stays its host name.
    fn resolved_host(&self, address: IpAddr) -> Host {
        let hostname = match self.hostname.is_empty() {
            true => &self.address,
            false => &self.hostname,
        };
        self.host_named(hostname, address)
    }

    fn host_named(&self, hostname: &str, address: IpAddr) -> Host {
        let mut host = Host::new(
            SocketAddr::new(address, self.port),
            hostname,
            self.weight,
            self.priority,
            Arc::clone(&self.locality),
            self.health.flags(),
        );
        if !self.others.is_empty() {
            let all = [host.address]
                .into_iter()
                .chain(self.others.iter().copied());
            host.addresses = Some(all.collect());
        }
        host.discovered_health = self.health;
        host.locality_weight = self.locality_weight;
        host.metadata = self.metadata.clone();
        host.locality_metadata = self.locality_metadata.clone();
        host.http_proxy.clone_from(&self.http_proxy);
        host.check = self.check.clone();
        host.not_ip = self.not_ip.clone();
        host
    }
}
