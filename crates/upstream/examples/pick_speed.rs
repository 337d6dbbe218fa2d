//! How long it takes to pick a host, policy by policy: `cargo run --release -p nuncio-upstream --example pick_speed
//! [HOSTS]`, 10,000 hosts by default. What is printed is the median of some rounds, in nanoseconds a pick, and how
//! long a worker needs to follow hosts that have changed.
//!
//! Least request with a full scan is linear in the hosts, as it is in Envoy, and is not measured.

use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use nuncio_config::source::{Format, Source};
use nuncio_config::typed::Ctx;
use nuncio_config::{interpret, text};
use nuncio_contract::clock::SystemClock;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::Metadata;
use nuncio_contract::stream_info::metadata::{Struct, Value};
use nuncio_upstream::cluster::{ClusterSettings, HealthFlags, Host, HostSet, Locality};
use nuncio_upstream::config::ClusterConfig;
use nuncio_upstream::{ClusterManager, PickContext, TransportSocket, WorkerClusters};

const ROUNDS: usize = 9;
const PICKS: u32 = 20_000;

/// What is measured: its name, whether the hosts' weights differ, and what makes the cluster one of it.
const POLICIES: &[(&str, bool, &str)] = &[
    ("round robin", false, "lb_policy: ROUND_ROBIN"),
    ("round robin, weighted", true, "lb_policy: ROUND_ROBIN"),
    (
        "round robin, slow start",
        true,
        "round_robin_lb_config: {slow_start_config: {slow_start_window: 3600s}}",
    ),
    ("least request", false, "lb_policy: LEAST_REQUEST"),
    ("least request, weighted", true, "lb_policy: LEAST_REQUEST"),
    ("random", false, "lb_policy: RANDOM"),
    ("ring hash", false, "lb_policy: RING_HASH"),
    ("maglev", false, "lb_policy: MAGLEV"),
    (
        "ring hash, bounded",
        false,
        "lb_policy: RING_HASH, common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 120}}",
    ),
    (
        "subset, round robin",
        false,
        "lb_subset_config: {subset_selectors: [{keys: [stage]}]}",
    ),
    (
        "localities by weight",
        false,
        "common_lb_config: {locality_weighted_lb_config: {}}",
    ),
];

fn settings(yaml: &str) -> ClusterSettings {
    let yaml = format!("{{name: c, {yaml}}}");
    let source = Source::new("cluster.yaml", Format::Yaml, &*yaml);
    let mut ctx = Ctx::default();
    let node = text::parse(&source, 0, &text::Limits::default(), &mut ctx.diagnostics);
    let descriptor = nuncio_api::message("envoy.config.cluster.v3.Cluster").expect("it is there");
    let node = node.expect("a text that was written here");
    let tree = interpret::interpret(descriptor, &node, &mut ctx.diagnostics).expect("a cluster");
    ClusterConfig::parse(&Arc::new(tree), &mut ctx)
        .map(|config| config.settings)
        .unwrap_or_else(|_| panic!("{yaml}: {:?}", ctx.diagnostics))
}

/// Hosts in ten places, every other one of the stage that is asked for.
fn hosts(count: u32, are_weighted: bool) -> Vec<Arc<Host>> {
    let of = |index: u32| {
        let [_, high, middle, low] = index.to_be_bytes();
        let address = ([10, high, middle, low], 80).into();
        let locality = Arc::new(Locality {
            zone: format!("zone{}", index % 10).into(),
            ..Locality::default()
        });
        let weight = if are_weighted { 1 + index % 7 } else { 1 };
        let mut host = Host::new(address, "", weight, 0, locality, HealthFlags::HEALTHY);
        host.locality_weight = 1 + index % 10;
        let mut metadata = Metadata::default();
        metadata.merge("envoy.lb", stage(index.is_multiple_of(2)));
        host.metadata = Some(Arc::new(metadata));
        Arc::new(host)
    };
    (0..count).map(of).collect()
}

fn stage(is_wanted: bool) -> Struct {
    let name = if is_wanted { "wanted" } else { "other" };
    let fields = [(Box::from("stage"), Value::String(name.into()))];
    fields.into_iter().collect()
}

/// Nanoseconds a pick, and milliseconds to follow a change of hosts.
fn measure(settings: ClusterSettings, hosts: Vec<Arc<Host>>) -> (f64, f64) {
    let manager = Arc::new(ClusterManager::new(StatsStore::default()));
    let shared = manager.prepare(settings, TransportSocket::RawBuffer, false);
    shared.publish_hosts(Arc::new(HostSet::new(hosts.clone())));
    manager.publish([Arc::clone(&shared)]);
    let clusters = WorkerClusters::new(Arc::clone(&manager), Rc::new(SystemClock), 7);
    let cluster = manager.find("c").and_then(|id| clusters.get(id));
    let cluster = cluster.expect("it was published");
    let wanted = stage(true);
    let mut hash = 1_u64;
    let mut pick = || {
        hash = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        let context = PickContext {
            hash: Some(hash),
            metadata_match: Some(&wanted),
            ..PickContext::default()
        };
        assert!(black_box(cluster.choose_host(&context)).is_ok());
    };
    pick();
    let mut round = || {
        let begun = Instant::now();
        (0..PICKS).for_each(|_| pick());
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(PICKS)
    };
    let mut rounds = [0.0; ROUNDS].map(|_| round());
    rounds.sort_by(f64::total_cmp);
    let one_less = hosts.len().saturating_sub(1);
    let fewer = hosts.into_iter().take(one_less).collect();
    shared.publish_hosts(Arc::new(HostSet::new(fewer)));
    let begun = Instant::now();
    pick();
    (rounds[ROUNDS / 2], begun.elapsed().as_secs_f64() * 1e3)
}

fn main() {
    let count = std::env::args().nth(1);
    let count = count.map_or(10_000, |count| count.parse().expect("a number of hosts"));
    println!("{count} hosts                ns a pick   ms to follow a change");
    for (name, are_weighted, yaml) in POLICIES {
        let (pick_ns, follow_ms) = measure(settings(yaml), hosts(count, *are_weighted));
        println!("{name:28} {pick_ns:8.0} {follow_ms:12.2}");
    }
}
