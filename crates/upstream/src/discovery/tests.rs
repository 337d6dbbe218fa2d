use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::stats::StatsStore;
use nuncio_net::dns::{LookupFamily, Resolvers};

use super::{Resolution, prepare};
use crate::cluster::{ClusterSettings, ClusterShared, ClusterType, DiscoveredHealth, Locality};
use crate::config::{ClusterConfig, DnsSettings, EndpointSpec};
use crate::{ClusterManager, TransportSocket};

fn endpoint(address: &str, port: u16) -> EndpointSpec {
    EndpointSpec {
        address: address.into(),
        port,
        others: Box::default(),
        hostname: Box::default(),
        weight: 1,
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

fn config(cluster_type: ClusterType, endpoints: Vec<EndpointSpec>) -> ClusterConfig {
    let family = LookupFamily::V4Only;
    ClusterConfig {
        settings: ClusterSettings {
            cluster_type,
            ..ClusterSettings::named("c")
        },
        transport_socket: TransportSocket::RawBuffer,
        endpoints,
        dns: DnsSettings {
            family,
            ..DnsSettings::default()
        },
        wait_for_warm_on_init: true,
        outlier_detection: None,
        is_bound: false,
        http_filters: Vec::new(),
    }
}

fn hosts(cluster: &ClusterShared) -> Vec<(String, String)> {
    let hosts = cluster.hosts();
    hosts
        .iter()
        .map(|host| (host.address.to_string(), host.hostname.to_string()))
        .collect()
}

/// Makes a cluster and waits until it is warm.
async fn warmed(config: ClusterConfig) -> (Option<Resolution>, Arc<ClusterShared>) {
    let stats = StatsStore::default();
    let manager = ClusterManager::new(stats.clone());
    let prepared = prepare(&manager, config, false);
    let resolvers = Resolvers::new(&None, &stats);
    let chance: super::Chance = Rc::new(|| 0);
    let resolution = prepared
        .discovery
        .and_then(|discovery| discovery.begin(&resolvers, &chance));
    if let Some(resolution) = &resolution {
        tokio::time::timeout(Duration::from_secs(10), resolution.warmed())
            .await
            .unwrap();
    }
    (resolution, prepared.cluster)
}

fn on_main(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_static_cluster_has_its_hosts_at_once() {
    on_main(async {
        let (_resolution, cluster) =
            warmed(config(ClusterType::Static, vec![endpoint("192.0.2.1", 80)])).await;
        assert_eq!(
            hosts(&cluster),
            [("192.0.2.1:80".to_owned(), String::new())]
        );
    });
}

#[test]
fn names_are_resolved_before_the_cluster_is_warm() {
    on_main(async {
        for cluster_type in [ClusterType::StrictDns, ClusterType::LogicalDns] {
            let (_resolution, cluster) =
                warmed(config(cluster_type, vec![endpoint("localhost", 81)])).await;
            assert_eq!(
                hosts(&cluster),
                [("127.0.0.1:81".to_owned(), "localhost".to_owned())]
            );
        }
    });
}

#[test]
fn a_strict_cluster_joins_the_hosts_of_its_names() {
    on_main(async {
        let endpoints = vec![endpoint("localhost", 1), endpoint("127.0.0.2", 2)];
        let (_resolution, cluster) = warmed(config(ClusterType::StrictDns, endpoints)).await;
        let mut found = hosts(&cluster);
        found.sort();
        assert_eq!(
            found,
            [
                ("127.0.0.1:1".to_owned(), "localhost".to_owned()),
                ("127.0.0.2:2".to_owned(), "127.0.0.2".to_owned())
            ]
        );
    });
}
