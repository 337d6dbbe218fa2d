//! Hosts that are assigned to a cluster of type EDS, again and again.
//!
//! A host of which nothing is another stays, with its connections and counts; one whose weight, health or metadata is
//! another is another host at the same address. (Envoy changes these in place.) As in Envoy a share of requests that are
//! turned away comes into force with other hosts.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::{ClusterShared, HealthFlags, Host, HostSet};
use crate::config::{Assignment, EndpointSpec};

/// Gives a cluster its hosts of now; false if they are the ones that it has.
pub fn assign(cluster: &ClusterShared, assignment: &Assignment) -> bool {
    let known = cluster.hosts();
    let mut by_address: HashMap<_, Vec<&Arc<Host>>> = HashMap::new();
    for old in known.iter() {
        by_address.entry(&old.address).or_default().push(old);
    }
    let endpoints = assignment.endpoints.iter();
    let found = endpoints.filter_map(|endpoint| {
        let made = endpoint.host(endpoint.address.parse().ok()?);
        let old = by_address.get(&made.address).into_iter().flatten();
        let old = { old }.find(|old| is_same(old, &made, endpoint));
        Some(match old {
            Some(old) => Arc::clone(old),
            None => Arc::new(begin(made, cluster)),
        })
    });
    let hosts: Vec<Arc<Host>> = found.collect();
    let options = assignment.level_options;
    let has = |host: &Arc<Host>| {
        let mut old = by_address.get(&host.address).into_iter().flatten();
        old.any(|old| Arc::ptr_eq(old, host))
    };
    let is_unchanged =
        known.iter().count() == hosts.len() && hosts.iter().all(has) && known.options == options;
    if is_unchanged {
        return false;
    }
    cluster.set_drop_share(assignment.drop_share);
    cluster.dropped().set_category(&assignment.drop_category);
    cluster.publish_hosts(Arc::new(HostSet::new(hosts).with_options(options)));
    cluster.count_weights();
    true
}

/// A host that is checked is no host to choose before it has passed.
fn begin(host: Host, cluster: &ClusterShared) -> Host {
    if cluster.settings.health_checks.is_some() && host.is_checked() {
        host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
    }
    host
}

fn is_same(old: &Host, new: &Host, endpoint: &EndpointSpec) -> bool {
    old.address == new.address
        && old.not_ip == new.not_ip
        && old.addresses == new.addresses
        && old.hostname == new.hostname
        && old.weight == new.weight
        && old.priority == new.priority
        && old.locality == new.locality
        && old.locality_weight == new.locality_weight
        && old.discovered_health == endpoint.health
        && old.metadata == new.metadata
        && old.http_proxy == new.http_proxy
        && old.check == new.check
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stats::{StatValue, StatsStore};

    use super::*;
    use crate::cluster::{ClusterSettings, ClusterType, DiscoveredHealth, LevelOptions, Locality};
    use crate::{ClusterManager, TransportSocket};

    fn endpoint(address: &str, weight: u32) -> EndpointSpec {
        EndpointSpec {
            address: address.into(),
            port: 80,
            others: Box::default(),
            hostname: Box::default(),
            weight,
            priority: 0,
            health: DiscoveredHealth::Unknown,
            locality: Arc::<Locality>::default(),
            locality_weight: 0,
            metadata: None,
            http_proxy: None,
            check: None,
            not_ip: None,
        }
    }

    fn cluster() -> Arc<ClusterShared> {
        cluster_in(&StatsStore::default())
    }

    fn cluster_in(stats: &StatsStore) -> Arc<ClusterShared> {
        let manager = ClusterManager::new(stats.clone());
        let settings = ClusterSettings {
            cluster_type: ClusterType::Eds,
            ..ClusterSettings::named("c")
        };
        manager.prepare(settings, TransportSocket::RawBuffer, false)
    }

    fn of(endpoints: Vec<EndpointSpec>) -> Assignment {
        Assignment {
            endpoints,
            level_options: LevelOptions::default(),
            drop_share: 0.0,
            drop_category: Box::default(),
            stale_after: None,
        }
    }

    #[test]
    fn discovery_counts_each_priority_in_which_hosts_come_or_go() {
        let stats = StatsStore::default();
        let cluster = cluster_in(&stats);
        let updated = || {
            let mut found = 0;
            stats.root().for_each(&mut |view| {
                if view
                    .name
                    .to_string()
                    .ends_with("cluster_manager.cluster_updated")
                    && let StatValue::Counter { value, .. } = view.value
                {
                    found = value;
                }
            });
            found
        };
        let at = |address: &str, priority| EndpointSpec {
            priority,
            ..endpoint(address, 1)
        };
        let empty = cluster.hosts();
        assign(&cluster, &of(vec![at("192.0.2.1", 0), at("192.0.2.2", 1)]));
        cluster.count_discovery(&empty);
        assert_eq!(updated(), 2);
        let before = cluster.hosts();
        assign(&cluster, &of(vec![at("192.0.2.1", 0), at("192.0.2.3", 1)]));
        cluster.count_discovery(&before);
        assert_eq!(updated(), 3);
        let before = cluster.hosts();
        let heavier = EndpointSpec {
            weight: 9,
            ..at("192.0.2.1", 0)
        };
        assign(&cluster, &of(vec![heavier, at("192.0.2.3", 1)]));
        cluster.count_discovery(&before);
        assert_eq!(updated(), 3, "nothing came or went");
    }

    #[test]
    fn a_host_that_stays_is_the_same_and_one_that_changes_is_another() {
        let cluster = cluster();
        let both = vec![endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 1)];
        assert!(assign(&cluster, &of(both.clone())));
        assert!(!assign(&cluster, &of(both)));
        let before: Vec<_> = cluster.hosts().iter().cloned().collect();
        let after = vec![endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 5)];
        assert!(assign(&cluster, &of(after)));
        let hosts: Vec<_> = cluster.hosts().iter().cloned().collect();
        assert!(Arc::ptr_eq(&hosts[0], &before[0]));
        assert_eq!(hosts[1].weight, 5);
        assert!(assign(&cluster, &of(Vec::new())));
        assert_eq!(cluster.hosts().iter().count(), 0);
    }
}
