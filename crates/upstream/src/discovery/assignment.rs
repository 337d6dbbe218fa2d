//! Hosts that are assigned to a cluster of type EDS, again and again.
//!
//! A host at an address that the cluster has already goes on with its connections, counts, checks and ejections, though
//! its weight, priority, metadata or health may be another; one of another name or place, or that is checked in
//! another way, is another host, of which is known what checks found as long as it is checked at the same address. Of
//! several hosts of one address the first counts. Where hosts are checked, those that still pass stay when they are
//! taken off, until they fail. As in Envoy a share of requests that are turned away comes into force with other hosts.
//!
//! Different from Envoy: a host that gets another name takes the place of the old one; Envoy keeps a healthy one
//! beside it. Other metadata of its locality counts at once, for a host that stays; Envoy passes it over.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use nuncio_contract::stream_info::Address;

use crate::cluster::{ClusterShared, HealthFlags, Host, HostSet};
use crate::config::{Assignment, EndpointSpec};
use crate::socket_match::SocketSearch;

/// What another host in the place of one has of its checks.
const FOUND_BY_CHECKS: HealthFlags = HealthFlags::FAILED_ACTIVE_HC
    .with(HealthFlags::DEGRADED_ACTIVE_HC)
    .with(HealthFlags::PENDING_ACTIVE_HC)
    .with(HealthFlags::ACTIVE_HC_TIMEOUT);

/// Gives a cluster its hosts of now; false if they are the ones that it has.
pub fn assign(cluster: &ClusterShared, assignment: &Assignment) -> bool {
    let known = cluster.hosts();
    let by_address: HashMap<_, _> = known.iter().map(|old| (place_of(old), old)).collect();
    let search = cluster.socket_search();
    let search = search.as_ref();
    let mut seen = HashSet::new();
    let mut hosts: Vec<Arc<Host>> = Vec::new();
    for endpoint in &assignment.endpoints {
        let Ok(ip) = endpoint.address.parse() else {
            continue;
        };
        let made = endpoint.host(ip);
        if seen.insert((made.address, made.not_ip.clone())) {
            hosts.push(match by_address.get(&place_of(&made)) {
                Some(old) => follow(old, made, endpoint, (cluster, search)),
                None => Arc::new(begin(made, cluster)),
            });
        }
    }
    keep_healthy(cluster, &known, &mut hosts);
    let options = assignment.level_options;
    let has = |host: &Arc<Host>| {
        let old = by_address.get(&place_of(host));
        old.is_some_and(|old| Arc::ptr_eq(old, host))
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

/// What hosts are told apart by.
fn place_of(host: &Host) -> (&SocketAddr, Option<&Address>) {
    (&host.address, host.not_ip.as_deref())
}

/// A host that is checked is no host to choose before it has passed.
fn begin(host: Host, cluster: &ClusterShared) -> Host {
    if let Some(checks) = &cluster.settings.health_checks
        && host.is_checked()
    {
        let pending = match checks.excludes_new_hosts {
            true => HealthFlags::PENDING_ACTIVE_HC,
            false => HealthFlags::HEALTHY,
        };
        let failed = HealthFlags::FAILED_ACTIVE_HC.with(pending);
        host.change_health(failed, HealthFlags::HEALTHY);
    }
    host
}

/// Another host in the place of one that may be known to pass: it waits for no check of its own.
pub(super) fn begin_again(old: &Host, new: Host, cluster: &ClusterShared) -> Host {
    let is_checked_alike = old.is_checked()
        && new.is_checked()
        && old.check_address() == new.check_address()
        && old.checked_not_ip() == new.checked_not_ip();
    if cluster.settings.health_checks.is_none() || !is_checked_alike {
        return begin(new, cluster);
    }
    let flags = old.health();
    let found = flags.without(flags.without(FOUND_BY_CHECKS));
    new.change_health(found, HealthFlags::HEALTHY);
    new
}

/// The host at an address that the cluster has. As in Envoy its other addresses stay what they were.
fn follow(
    old: &Arc<Host>,
    mut new: Host,
    endpoint: &EndpointSpec,
    (cluster, search): (&ClusterShared, Option<&SocketSearch<'_>>),
) -> Arc<Host> {
    old.change_health(HealthFlags::HEALTHY, HealthFlags::PENDING_DYNAMIC_REMOVAL);
    let is_other =
        old.locality != new.locality || old.hostname != new.hostname || old.check != new.check;
    if is_other {
        return Arc::new(begin_again(old, new, cluster));
    }
    // As in Envoy, the transport socket of each host that is told is looked up, and once more for other metadata.
    let place = search.and_then(|search| search.find_for(&new));
    cluster.count_socket_or_default(place);
    if old.metadata != new.metadata {
        cluster.count_socket_or_default(place);
    }
    new.addresses.clone_from(&old.addresses);
    let is_same = old.weight == new.weight
        && old.priority == new.priority
        && old.locality_weight == new.locality_weight
        && old.discovered_health == endpoint.health
        && old.metadata == new.metadata
        && old.locality_metadata == new.locality_metadata
        && old.http_proxy == new.http_proxy;
    match is_same {
        true => Arc::clone(old),
        false => Arc::new(new.goes_on(old)),
    }
}

/// Hosts that pass their checks stay, though the cluster is told of them no more. Of others nothing would ever say that
/// they are gone.
fn keep_healthy(cluster: &ClusterShared, known: &HostSet, hosts: &mut Vec<Arc<Host>>) {
    let checks = cluster.settings.health_checks.as_ref();
    if checks.is_none_or(|checks| checks.ignores_health_on_removal) {
        return;
    }
    let told: HashSet<_> = hosts.iter().map(|host| place_of(host)).collect();
    let passes = |host: &Host| {
        let flags = host.health();
        host.is_checked()
            && !flags.contains(HealthFlags::FAILED_ACTIVE_HC)
            && !flags.contains(HealthFlags::FAILED_EDS_HEALTH)
    };
    let untold = known.iter().filter(|host| !told.contains(&place_of(host)));
    let kept: Vec<_> = untold.filter(|host| passes(host)).map(Arc::clone).collect();
    for host in &kept {
        host.change_health(HealthFlags::PENDING_DYNAMIC_REMOVAL, HealthFlags::HEALTHY);
    }
    hosts.extend(kept);
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stats::{StatValue, StatsStore};

    use super::*;
    use crate::cluster::{ClusterSettings, ClusterType, DiscoveredHealth, LevelOptions, Locality};
    use crate::health_check::ActiveChecks;
    use crate::host::EndpointCheck;
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
            locality_metadata: None,
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

    fn checked_cluster() -> Arc<ClusterShared> {
        let manager = ClusterManager::new(StatsStore::default());
        let settings = ClusterSettings {
            cluster_type: ClusterType::Eds,
            health_checks: Some(Arc::new(ActiveChecks::new(Box::default()))),
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
    fn discovery_counts_each_update_in_which_hosts_come_go_or_change() {
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
        assert_eq!(updated(), 1);
        let before = cluster.hosts();
        assign(&cluster, &of(vec![at("192.0.2.1", 0), at("192.0.2.3", 1)]));
        cluster.count_discovery(&before);
        assert_eq!(updated(), 2);
        let before = cluster.hosts();
        let heavier = EndpointSpec {
            weight: 9,
            ..at("192.0.2.1", 0)
        };
        assign(&cluster, &of(vec![heavier, at("192.0.2.3", 1)]));
        cluster.count_discovery(&before);
        assert_eq!(updated(), 3);
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
        assert_eq!(hosts[1].identity(), before[1].identity());
        assert!(assign(&cluster, &of(Vec::new())));
        assert_eq!(cluster.hosts().iter().count(), 0);
    }

    #[test]
    fn a_host_goes_on_as_what_discovery_says_now_and_the_first_of_an_address_counts() {
        let cluster = cluster();
        assert!(assign(&cluster, &of(vec![endpoint("192.0.2.1", 1)])));
        let before = Arc::clone(cluster.hosts().iter().next().unwrap());
        before.change_health(HealthFlags::FAILED_OUTLIER_CHECK, HealthFlags::HEALTHY);
        let counters = before.worker_counters();
        counters.rq_total.inc();
        let sick = EndpointSpec {
            health: DiscoveredHealth::Unhealthy,
            priority: 1,
            ..endpoint("192.0.2.1", 1)
        };
        let twice = vec![sick, endpoint("192.0.2.1", 7)];
        assert!(assign(&cluster, &of(twice)));
        let hosts: Vec<_> = cluster.hosts().iter().cloned().collect();
        let [now] = &hosts[..] else {
            panic!("one host, not {}", hosts.len());
        };
        assert_eq!((now.priority, now.weight), (1, 1));
        assert_eq!(now.identity(), before.identity());
        assert_eq!(now.totals().rq_total, 1);
        let both = HealthFlags::FAILED_OUTLIER_CHECK.with(HealthFlags::FAILED_EDS_HEALTH);
        assert_eq!(now.health(), both);
        assert!(assign(&cluster, &of(vec![endpoint("192.0.2.1", 1)])));
        assert_eq!(before.health(), HealthFlags::FAILED_OUTLIER_CHECK);
        let named = EndpointSpec {
            hostname: "a".into(),
            ..endpoint("192.0.2.1", 1)
        };
        assert!(assign(&cluster, &of(vec![named])));
        let other = Arc::clone(cluster.hosts().iter().next().unwrap());
        assert_ne!(other.identity(), before.identity());
        assert_eq!(other.health(), HealthFlags::HEALTHY);
    }

    #[test]
    fn hosts_that_leave_go_as_soon_as_they_fail_their_checks() {
        let cluster = cluster();
        let both = vec![endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 1)];
        assign(&cluster, &of(both));
        let hosts = cluster.hosts();
        assert!(hosts.without_failed().is_none());
        let leaving = Arc::clone(hosts.iter().next().unwrap());
        leaving.change_health(HealthFlags::PENDING_DYNAMIC_REMOVAL, HealthFlags::HEALTHY);
        assert!(hosts.without_failed().is_none(), "it still passes");
        for host in hosts.iter() {
            host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
        }
        let left = hosts.without_failed().unwrap();
        let left: Vec<_> = left.iter().map(|host| host.address).collect();
        assert_eq!(left, ["192.0.2.2:80".parse().unwrap()]);
    }

    #[test]
    fn of_hosts_that_are_taken_off_those_stay_that_pass_checks() {
        let cluster = checked_cluster();
        let unchecked = EndpointSpec {
            check: Some(Box::new(EndpointCheck {
                is_disabled: true,
                ..EndpointCheck::default()
            })),
            ..endpoint("192.0.2.1", 1)
        };
        assign(&cluster, &of(vec![unchecked, endpoint("192.0.2.2", 1)]));
        for host in cluster.hosts().iter() {
            host.set_health(HealthFlags::HEALTHY);
        }
        assign(&cluster, &of(Vec::new()));
        let hosts: Vec<_> = cluster.hosts().iter().cloned().collect();
        let [left] = &hosts[..] else {
            panic!("one host, not {}", hosts.len());
        };
        assert_eq!(left.address, "192.0.2.2:80".parse().unwrap());
        assert_eq!(left.health(), HealthFlags::PENDING_DYNAMIC_REMOVAL);
    }

    #[test]
    fn another_host_checked_at_the_same_address_is_as_healthy() {
        let moved = |port| EndpointSpec {
            locality: Arc::new(Locality {
                zone: "z".into(),
                ..Locality::default()
            }),
            check: Some(Box::new(EndpointCheck {
                port,
                ..EndpointCheck::default()
            })),
            ..endpoint("192.0.2.1", 1)
        };
        let ejected = HealthFlags::DEGRADED_ACTIVE_HC.with(HealthFlags::FAILED_OUTLIER_CHECK);
        for (port, expected) in [
            (0, HealthFlags::DEGRADED_ACTIVE_HC),
            (80, HealthFlags::DEGRADED_ACTIVE_HC),
            (81, HealthFlags::FAILED_ACTIVE_HC),
        ] {
            let cluster = checked_cluster();
            assign(&cluster, &of(vec![endpoint("192.0.2.1", 1)]));
            let before = Arc::clone(cluster.hosts().iter().next().unwrap());
            assert_eq!(before.health(), HealthFlags::FAILED_ACTIVE_HC);
            before.set_health(ejected);
            assign(&cluster, &of(vec![moved(port)]));
            let now = Arc::clone(cluster.hosts().iter().next().unwrap());
            assert_ne!(now.identity(), before.identity());
            assert_eq!(now.health(), expected, "checked at {port}");
            assert_eq!(cluster.hosts().iter().count(), 1);
        }
    }
}
