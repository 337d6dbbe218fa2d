//! A cache of names and the clusters that have it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::forward_proxy::{
    DnsCacheSettings, ForwardProxy, LookUp, NameFamily, Resolved,
};
use nuncio_contract::stats::StatsStore;
use nuncio_net::dns::Resolvers;

use super::Discovery;
use crate::cluster::{ClusterSettings, ClusterShared, ClusterType, Provided, ProvidedSettings};
use crate::forward_proxy::{Asked, DnsCache, NamesOf};
use crate::load_balancing::LbPolicy;
use crate::{ClusterManager, TransportSocket};

fn settings() -> DnsCacheSettings {
    DnsCacheSettings {
        name: "names".into(),
        family: NameFamily::V4Only,
        refresh_rate: Duration::from_secs(600),
        min_refresh_rate: Duration::from_secs(600),
        failure_refresh: None,
        host_ttl: Duration::from_secs(600),
        max_hosts: 3,
        max_pending_requests: 1,
        query_timeout: None,
        preresolved: Vec::new(),
        resolver: None,
    }
}

/// A cluster with such a cache, which follows it.
fn cluster(manager: &ClusterManager, name: &str, names: &DnsCacheSettings) -> Arc<ClusterShared> {
    let mut settings = ClusterSettings::named(name);
    settings.cluster_type = ClusterType::DynamicForwardProxy;
    settings.lb.policy = LbPolicy::ClusterProvided;
    settings.provided = Some(ProvidedSettings::ForwardProxy(Box::new(names.clone())));
    let cluster = manager.prepare(settings, TransportSocket::RawBuffer, false);
    let resolvers = Resolvers::new(&None, &StatsStore::default());
    let chance: super::Chance = Rc::new(|| 0);
    let found = Discovery::Requests(Arc::clone(&cluster)).begin(&resolvers, &chance);
    assert!(found.is_none(), "nothing is waited for");
    cluster
}

fn cache(cluster: &ClusterShared) -> &Arc<DnsCache> {
    let Some(Provided::Names(names)) = cluster.provided() else {
        panic!("it has names");
    };
    names
}

fn hosts(cluster: &ClusterShared) -> Vec<(String, String)> {
    let hosts = cluster.hosts();
    hosts
        .iter()
        .map(|host| (host.hostname.to_string(), host.address.to_string()))
        .collect()
}

async fn resolved(cache: &DnsCache, authority: &str) -> Option<Resolved> {
    let asked = Asked::of(authority.as_bytes(), 80)?;
    match cache.look_up(&asked) {
        LookUp::Known(resolved) => Some(resolved),
        LookUp::Later(resolved) => Some(resolved.await),
        LookUp::Full => None,
    }
}

fn on_main(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

#[test]
fn a_host_is_known_by_what_was_asked_for_and_a_port() {
    for (authority, key, name, port) in [
        ("a.example", "a.example:80", "a.example", 80),
        ("a.example:81", "a.example:81", "a.example", 81),
        ("192.0.2.1", "192.0.2.1:80", "192.0.2.1", 80),
        ("[::1]:82", "[::1]:82", "::1", 82),
        ("[::1]", "[::1]:80", "::1", 80),
        ("a:b", "a:b:80", "a:b", 80),
    ] {
        let asked = Asked::of(authority.as_bytes(), 80).expect("a host");
        assert_eq!((&*asked.key, &*asked.name, asked.port), (key, name, port));
    }
    assert_eq!(Asked::of(b"", 80), None);
    assert_eq!(Asked::of(b"\xff", 80), None);
}

#[test]
fn a_name_is_resolved_once_and_is_a_host_of_every_cluster_of_the_cache() {
    on_main(async {
        let manager = ClusterManager::new(StatsStore::default());
        let (one, other) = (
            cluster(&manager, "one", &settings()),
            cluster(&manager, "other", &settings()),
        );
        for _ in 0..2 {
            let found = resolved(cache(&one), "localhost:81").await;
            assert_eq!(found, Some(Ok("127.0.0.1:81".parse().expect("an address"))));
        }
        let wanted = [("localhost:81".to_owned(), "127.0.0.1:81".to_owned())];
        assert_eq!(hosts(&one), wanted);
        assert_eq!(hosts(&other), wanted);
        assert_eq!(cache(&one).stats.dns_query_attempt.value(), 1);
        let late = cluster(&manager, "late", &settings());
        assert_eq!(hosts(&late), wanted, "it finds what was resolved before");
    });
}

#[test]
fn what_is_no_name_is_not_asked_for_and_stays_without_host() {
    on_main(async {
        let manager = ClusterManager::new(StatsStore::default());
        let cluster = cluster(&manager, "c", &settings());
        for _ in 0..2 {
            let found = resolved(cache(&cluster), "a:b").await;
            assert_eq!(
                found,
                Some(Err("cares_failure:Misformatted domain name".into()))
            );
        }
        assert!(hosts(&cluster).is_empty());
        assert_eq!(cache(&cluster).stats.dns_query_failure.value(), 1);
    });
}

#[test]
fn there_are_only_so_many_names_and_so_many_who_wait() {
    on_main(async {
        let manager = ClusterManager::new(StatsStore::default());
        let cluster = cluster(&manager, "c", &settings());
        let cache = cache(&cluster);
        for port in 1..4 {
            let found = resolved(cache, &format!("127.0.0.1:{port}")).await;
            assert!(matches!(found, Some(Ok(_))), "{port}");
        }
        assert_eq!(resolved(cache, "127.0.0.1:4").await, None);
        assert!(matches!(resolved(cache, "127.0.0.1:3").await, Some(Ok(_))));
        let names = NamesOf::new(Arc::clone(cache), 80);
        let place = names.admit();
        assert!(place.is_some());
        assert!(names.admit().is_none());
        drop(place);
        assert!(names.admit().is_some());
    });
}

#[test]
fn names_that_nobody_uses_go() {
    on_main(async {
        let manager = ClusterManager::new(StatsStore::default());
        let names = DnsCacheSettings {
            min_refresh_rate: Duration::from_millis(1),
            host_ttl: Duration::from_millis(1),
            preresolved: vec![("localhost".into(), 80)],
            ..settings()
        };
        let cluster = cluster(&manager, "c", &names);
        let stats = &cache(&cluster).stats;
        let gone = async {
            while stats.host_removed.value() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(30), gone).await;
        in_time.expect("it goes");
        assert!(hosts(&cluster).is_empty());
        assert_eq!(stats.num_hosts.share(), 0);
    });
}

#[test]
fn other_settings_are_another_cache() {
    on_main(async {
        let manager = ClusterManager::new(StatsStore::default());
        let before = cluster(&manager, "c", &settings());
        let other = DnsCacheSettings {
            max_hosts: 1,
            ..settings()
        };
        let after = cluster(&manager, "c", &other);
        assert!(!Arc::ptr_eq(cache(&before), cache(&after)));
    });
}
