//! The hosts that another cluster was assigned, for one that wants the same and is told nothing.
//!
//! As in Envoy, which keeps what came last, a server of everything need not say again what it has said when a cluster
//! changes. Hosts that only stay until they fail their checks are not among them.

use crate::cluster::{ClusterShared, HealthFlags, Host};
use crate::config::{Assignment, EndpointSpec};

/// What a cluster was assigned last.
pub fn assigned_to(cluster: &ClusterShared) -> Assignment {
    let hosts = cluster.hosts();
    let stays = |host: &&std::sync::Arc<Host>| {
        let flags = host.health();
        !flags.contains(HealthFlags::PENDING_DYNAMIC_REMOVAL)
    };
    Assignment {
        endpoints: hosts.iter().filter(stays).map(|host| spec(host)).collect(),
        level_options: hosts.options,
        drop_share: cluster.told_drop_share(),
        drop_category: (&*cluster.dropped().category()).into(),
        stale_after: None,
    }
}

fn spec(host: &Host) -> EndpointSpec {
    let others = host.addresses.iter().flat_map(|all| all.iter().skip(1));
    EndpointSpec {
        address: host.address.ip().to_string().into(),
        port: host.address.port(),
        others: others.copied().collect(),
        hostname: host.hostname.clone(),
        weight: host.weight,
        priority: host.priority,
        health: host.discovered_health,
        locality: host.locality.clone(),
        locality_weight: host.locality_weight,
        metadata: host.metadata.clone(),
        locality_metadata: host.locality_metadata.clone(),
        http_proxy: host.http_proxy.clone(),
        check: host.check.clone(),
        not_ip: host.not_ip.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use nuncio_contract::stats::StatsStore;

    use super::*;
    use crate::cluster::{ClusterSettings, ClusterType, DiscoveredHealth, LevelOptions, Locality};
    use crate::discovery::assign;
    use crate::{ClusterManager, TransportSocket};

    #[test]
    fn a_cluster_is_assigned_what_another_one_was() {
        let manager = ClusterManager::new(StatsStore::default());
        let cluster = || {
            let settings = ClusterSettings {
                cluster_type: ClusterType::Eds,
                ..ClusterSettings::named("c")
            };
            manager.prepare(settings, TransportSocket::RawBuffer, false)
        };
        let other: SocketAddr = "[2001:db8::1]:81".parse().expect("it is an address");
        let endpoint = |last: u8| EndpointSpec {
            address: format!("192.0.2.{last}").into(),
            port: 80,
            others: Box::new([other]),
            hostname: "h".into(),
            weight: 3,
            priority: 1,
            health: DiscoveredHealth::Degraded,
            locality: Arc::<Locality>::default(),
            locality_weight: 7,
            metadata: None,
            locality_metadata: None,
            http_proxy: Some(Box::new(other)),
            check: None,
            not_ip: None,
        };
        let assignment = Assignment {
            endpoints: vec![endpoint(1), endpoint(2)],
            level_options: LevelOptions::default(),
            drop_share: 0.25,
            drop_category: "d".into(),
            stale_after: None,
        };
        let before = cluster();
        assign(&before, &assignment);
        let leaving = Arc::clone(before.hosts().iter().nth(1).expect("there are two"));
        leaving.change_health(HealthFlags::PENDING_DYNAMIC_REMOVAL, HealthFlags::HEALTHY);
        let again = assigned_to(&before);
        assert_eq!(again.endpoints, [endpoint(1)]);
        assert_eq!((again.drop_share, &*again.drop_category), (0.25, "d"));
        let after = cluster();
        assert!(assign(&after, &again));
        assert_eq!(after.hosts().iter().count(), 1);
    }
}
