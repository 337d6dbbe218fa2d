//! The names that Envoy 1.40 lists when idle, compared with what the groups list.
//!
//! `envoy_names.txt` is the list of `/stats` of Envoy with two workers, one listener with a connection
//! manager (one route with a `stat_prefix`, one virtual cluster), a STATIC and a STRICT_DNS cluster.

use super::*;
use crate::stats::{Scope, StatValue, StatsStore};

const ENVOY_NAMES: &str = include_str!("envoy_names.txt");

/// A store that lists what the configuration above calls for, and the scopes that keep it listed.
fn store_of_a_small_configuration() -> (StatsStore, Vec<Scope>) {
    let store = StatsStore::default();
    let mut scopes = register_process(&store, 2);
    scopes.extend(register_admin(&store));
    scopes.extend(register_listener_workers(&store, "127.0.0.1:28100", 2));
    let mut register = |prefix: &str, register: &dyn Fn(&Scope)| {
        let scope = store.scope(prefix);
        register(&scope);
        scopes.push(scope);
    };
    register("cluster.service_static", &register_cluster);
    register("cluster.service_dns", &register_cluster);
    register("", &|root| root.register::<DnsResolverStats>());
    register("http.ingress_http", &register_http_connection_manager);
    register("listener.127.0.0.1:28100", &register_listener);
    register("listener.127.0.0.1:28100.http.ingress_http", &|scope| {
        scope.register::<ListenerHttpStats>();
    });
    for route in ["route.rootroute", "vcluster.vc1", "vcluster.other"] {
        register(&format!("vhost.local_service.{route}"), &|scope| {
            scope.register::<VirtualHostRequestStats>();
        });
    }
    (store, scopes)
}

#[test]
fn an_idle_process_lists_exactly_the_names_that_envoy_lists() {
    let (store, _scopes) = store_of_a_small_configuration();
    let mut scalars = Vec::new();
    let mut histograms = Vec::new();
    for scope in store.scopes() {
        scope.for_each(&mut |stat| match stat.value {
            StatValue::Histogram { .. } => histograms.push(stat.name.to_string()),
            _ => scalars.push(stat.name.to_string()),
        });
    }
    scalars.sort();
    histograms.sort();
    scalars.append(&mut histograms);
    let envoy: Vec<&str> = ENVOY_NAMES.lines().collect();
    assert_eq!(scalars, envoy);
}

#[test]
fn a_cluster_that_nobody_uses_has_no_cells() {
    let (store, _scopes) = store_of_a_small_configuration();
    for scope in store.scopes() {
        scope.for_each(&mut |stat| match stat.value {
            StatValue::Counter { value, used } | StatValue::Gauge { value, used } => {
                assert_eq!((value, used), (0, false), "{}", stat.name);
            }
            StatValue::Histogram { merged, .. } => assert_eq!(merged, None),
            StatValue::TextReadout { text } => assert_eq!(text, None),
        });
    }
}
