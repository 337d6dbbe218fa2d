//! Choosing among whole clusters: distributions, held to bounds that a wrong choice misses, and time per pick.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::clock::{Clock, ManualClock};
use nuncio_contract::stats::groups::ClusterLbStats;
use nuncio_contract::stream_info::Metadata;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::*;
use crate::host::{HealthFlags, Host, HostSet, Locality};

/// A worker with hosts of its own.
struct Worker {
    settings: LbSettings,
    hosts: HostSet,
    stats: ClusterLbStats,
    clock: ManualClock,
    random: Random,
    proxies: Option<Arc<Snapshot>>,
    balancer: Option<Balancer>,
}

/// A host, by what tests vary of it.
#[derive(Clone)]
struct Spec {
    weight: u32,
    priority: u32,
    zone: &'static str,
    zone_weight: u32,
    health: HealthFlags,
    labels: &'static [(&'static str, &'static str)],
}

const PLAIN: Spec = Spec {
    weight: 1,
    priority: 0,
    zone: "",
    zone_weight: 0,
    health: HealthFlags::HEALTHY,
    labels: &[],
};

const SICK: HealthFlags = HealthFlags::FAILED_EDS_HEALTH;

fn host(index: usize, spec: &Spec) -> Arc<Host> {
    let address = format!("10.0.{}.{}:80", index / 256, index % 256);
    let locality = Arc::new(Locality {
        zone: spec.zone.into(),
        ..Locality::default()
    });
    let address = address.parse().unwrap();
    let mut host = Host::new(
        address,
        "",
        spec.weight,
        spec.priority,
        locality,
        spec.health,
    );
    host.locality_weight = spec.zone_weight;
    let labels = spec.labels.iter();
    let labels: Struct = labels
        .map(|(name, value)| (Box::from(*name), Value::String((*value).into())))
        .collect();
    let mut metadata = Metadata::default();
    metadata.merge("envoy.lb", labels);
    host.metadata = Some(Arc::new(metadata));
    Arc::new(host)
}

fn hosts(specs: &[Spec]) -> HostSet {
    let of = |(index, spec)| host(index, spec);
    HostSet::new(specs.iter().enumerate().map(of).collect())
}

fn of_policy(policy: LbPolicy) -> LbSettings {
    LbSettings {
        policy,
        ..LbSettings::default()
    }
}

fn least_request(choice_count: u32, bias: f64) -> LbPolicy {
    LbPolicy::LeastRequest(LeastRequest {
        choice_count,
        full_scan: false,
        active_request_bias: RuntimeDouble::fixed(bias),
        slow_start: None,
    })
}

impl Worker {
    fn new(settings: LbSettings, specs: &[Spec]) -> Self {
        Self {
            settings,
            hosts: hosts(specs),
            stats: ClusterLbStats::default(),
            clock: ManualClock::default(),
            random: Random::new(7),
            proxies: None,
            balancer: None,
        }
    }

    fn pick_for(&mut self, context: &PickContext<'_>) -> Option<u32> {
        let own = Locality {
            zone: "own".into(),
            ..Locality::default()
        };
        let places_matter = self.proxies.is_some() || self.settings.weighs_localities();
        let level = |snapshot: &Arc<Snapshot>| Arc::clone(&snapshot.set);
        let proxies = self.proxies.as_ref().map(level);
        let around = Around {
            settings: &self.settings,
            stats: &self.stats,
            clock: &self.clock,
            random: &self.random,
            active_requests: &|| 0,
            proxies: proxies.as_ref().map(|set| LocalProxies {
                hosts: &set.hosts,
                level: &set.levels[0],
            }),
        };
        let make = || {
            let own = places_matter.then_some(&own);
            let snapshot = Snapshot::new(&self.hosts, &self.settings, own);
            Balancer::new(Arc::new(snapshot), &around)
        };
        self.balancer
            .get_or_insert_with(make)
            .pick(&around, context)
    }

    fn pick(&mut self) -> Option<u32> {
        self.pick_for(&PickContext::default())
    }

    /// How many of `count` picks fall on each host.
    fn shares(&mut self, count: usize) -> BTreeMap<u32, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..count {
            *shares
                .entry(self.pick().expect("there are hosts"))
                .or_default() += 1;
        }
        shares
    }
}

/// Within five standard deviations of what chance would give.
fn assert_share(shares: &BTreeMap<u32, usize>, host: u32, share: f64) {
    let count = shares.values().sum::<usize>() as f64;
    let wanted = count * share;
    let bound = 5.0 * (count * share * (1.0 - share)).sqrt();
    let got = *shares.get(&host).unwrap_or(&0) as f64;
    assert!(
        (got - wanted).abs() <= bound,
        "host {host}: {got}, not {wanted}: {shares:?}"
    );
}

#[test]
fn random_gives_each_healthy_host_the_same_share() {
    let mut specs = vec![PLAIN; 4];
    specs[2].health = SICK;
    let shares = Worker::new(of_policy(LbPolicy::Random), &specs).shares(9000);
    for host in [0, 1, 3] {
        assert_share(&shares, host, 1.0 / 3.0);
    }
    assert_eq!(shares.get(&2), None);
}

#[test]
fn least_request_draws_hosts_and_takes_the_one_with_fewer_requests() {
    let mut worker = Worker::new(of_policy(least_request(2, 1.0)), &[PLAIN, PLAIN, PLAIN]);
    let busy = Arc::clone(worker.hosts.iter().next().unwrap());
    (0..5).for_each(|_| busy.request_begins());
    let shares = worker.shares(9000);
    // The busy one is taken where it is drawn twice.
    assert_share(&shares, 0, 1.0 / 9.0);
    assert_share(&shares, 1, 4.0 / 9.0);
}

#[test]
fn requests_in_flight_lessen_weights_by_the_bias() {
    let specs = [Spec { weight: 2, ..PLAIN }, PLAIN];
    for (bias, share) in [(0.0, 2.0 / 3.0), (1.0, 0.4), (2.0, 2.0 / 11.0)] {
        let mut worker = Worker::new(of_policy(least_request(2, bias)), &specs);
        let first = Arc::clone(worker.hosts.iter().next().unwrap());
        (0..2).for_each(|_| first.request_begins());
        let shares = worker.shares(1100);
        let got = shares[&0] as f64 / 1100.0;
        assert!((got - share).abs() < 0.01, "bias {bias}: {got}");
    }
}

#[test]
fn a_full_scan_finds_the_idle_host_and_shares_among_equals() {
    let policy = LbPolicy::LeastRequest(LeastRequest {
        choice_count: 2,
        full_scan: true,
        active_request_bias: RuntimeDouble::fixed(1.0),
        slow_start: None,
    });
    let mut worker = Worker::new(of_policy(policy), &[PLAIN, PLAIN, PLAIN]);
    let busy = Arc::clone(worker.hosts.iter().next().unwrap());
    busy.request_begins();
    let shares = worker.shares(6000);
    assert_share(&shares, 1, 0.5);
    assert_eq!(shares.get(&0), None);
}

#[test]
fn load_spills_over_by_the_share_of_healthy_hosts() {
    let mut specs = vec![PLAIN; 4];
    specs[0].health = SICK;
    specs[1].health = SICK;
    specs.extend([Spec {
        priority: 1,
        ..PLAIN
    }]);
    // Half of the first priority is healthy: 70% of the load.
    let shares = Worker::new(of_policy(LbPolicy::Random), &specs).shares(10_000);
    assert_share(&shares, 4, 0.3);
    assert_share(&shares, 2, 0.35);
}

#[test]
fn degraded_hosts_take_what_healthy_ones_do_not() {
    let mut specs = vec![PLAIN; 4];
    specs[1].health = HealthFlags::DEGRADED_EDS_HEALTH;
    specs[2].health = SICK;
    specs[3].health = SICK;
    let shares = Worker::new(of_policy(LbPolicy::Random), &specs).shares(10_000);
    // 35% each, and rounded up to the whole: half and half.
    assert_share(&shares, 0, 0.5);
    assert_share(&shares, 1, 0.5);
}

#[test]
fn in_a_panic_of_all_priorities_hosts_count_whatever_their_health() {
    let mut specs = vec![
        Spec {
            health: SICK,
            ..PLAIN
        };
        3
    ];
    specs.push(Spec {
        priority: 1,
        health: SICK,
        ..PLAIN
    });
    let mut worker = Worker::new(of_policy(LbPolicy::Random), &specs);
    let shares = worker.shares(10_000);
    (0..4).for_each(|host| assert_share(&shares, host, 0.25));
    assert_eq!(worker.stats.lb_healthy_panic.value(), 10_000);
}

#[test]
fn localities_share_by_weight_and_by_how_many_of_their_hosts_are_well() {
    let of = |zone, zone_weight, health| Spec {
        zone,
        zone_weight,
        health,
        ..PLAIN
    };
    let well = HealthFlags::HEALTHY;
    let specs = [
        of("a", 1, well),
        of("b", 3, well),
        of("b", 3, SICK),
        of("c", 0, well),
    ];
    let settings = LbSettings {
        locality: LocalityBalancing::Weighted,
        ..LbSettings::default()
    };
    let shares = Worker::new(settings, &specs).shares(3100);
    // b has 3 * 1.4 / 2 = 2.1.
    let share = |host| *shares.get(&host).unwrap_or(&0) as f64 / 3100.0;
    assert!((share(1) - 2.1 / 3.1).abs() < 0.01, "{shares:?}");
    assert_eq!((shares.get(&2), shares.get(&3)), (None, None));
}

#[test]
fn requests_stay_in_the_own_zone_as_far_as_it_has_room() {
    let of = |zone| Spec { zone, ..PLAIN };
    let proxies = [of("own"), of("own"), of("other")];
    let specs = [of("own"), of("other"), of("third")];
    let zone = ZoneAware {
        min_cluster_size: 3,
        ..ZoneAware::default()
    };
    let settings = LbSettings {
        locality: LocalityBalancing::ZoneAware(zone),
        ..of_policy(LbPolicy::Random)
    };
    let own = Locality {
        zone: "own".into(),
        ..Locality::default()
    };
    let mut worker = Worker::new(settings, &specs);
    let local = Snapshot::new(&hosts(&proxies), &LbSettings::default(), Some(&own));
    worker.proxies = Some(Arc::new(local));
    let shares = worker.shares(10_000);
    // Two thirds of the requests come from the zone that has a third of the hosts.
    assert_share(&shares, 0, 0.5);
    assert_share(&shares, 2, 0.5);
    let counted = worker.stats.lb_zone_routing_sampled.value();
    assert_eq!(counted, shares[&0] as u64);
    assert_eq!(worker.stats.lb_recalculate_zone_structures.value(), 1);
}

#[test]
fn a_new_host_starts_slowly() {
    let slow = SlowStart {
        window: Duration::from_secs(10),
        aggression: RuntimeDouble::fixed(1.0),
        min_weight_share: 0.1,
    };
    let policy = LbPolicy::RoundRobin {
        slow_start: Some(slow),
    };
    let mut worker = Worker::new(of_policy(policy), &[PLAIN, PLAIN]);
    let all: Vec<_> = worker.hosts.iter().cloned().collect();
    let now = worker.clock.now();
    all[0].healthy_since().set(now);
    worker.clock.advance(Duration::from_secs(100));
    assert!(worker.pick().is_some(), "the second host begins now");
    let soon = worker.shares(1100);
    assert!(
        soon[&1].abs_diff(100) < 15,
        "a tenth of the weight: {soon:?}"
    );
    worker.clock.advance(Duration::from_secs(5));
    let half_way = worker.shares(1500);
    assert!(
        half_way[&1].abs_diff(500) < 25,
        "half of the weight: {half_way:?}"
    );
    worker.clock.advance(Duration::from_secs(6));
    let at_last = worker.shares(1000);
    assert!(at_last[&1].abs_diff(500) < 15, "all of it: {at_last:?}");
}

#[test]
fn what_is_rejected_is_picked_again_as_often_as_is_allowed() {
    let mut worker = Worker::new(of_policy(LbPolicy::Random), &[PLAIN, PLAIN]);
    let first = worker.hosts.iter().next().unwrap().address;
    let rejects = |host: &Host| host.address == first;
    let context = PickContext {
        rejects: Some(&rejects),
        repicks: 40,
        ..PickContext::default()
    };
    assert!((0..100).all(|_| worker.pick_for(&context) == Some(1)));
    let everyone = |_: &Host| true;
    let context = PickContext {
        rejects: Some(&everyone),
        ..context
    };
    assert!(worker.pick_for(&context).is_some(), "the last one will do");
}

fn subset_of(keys: &[&str]) -> LbSettings {
    let selector = Selector {
        keys: keys.iter().map(|key| Box::from(*key)).collect(),
        ..Selector::default()
    };
    LbSettings {
        subset: Some(Arc::new(SubsetSettings {
            selectors: vec![selector],
            ..SubsetSettings::default()
        })),
        ..LbSettings::default()
    }
}

#[test]
fn subsets_have_turns_of_their_own() {
    let of = |labels| Spec { labels, ..PLAIN };
    let specs = [of(&[("v", "1")]), of(&[("v", "2")]), of(&[("v", "1")])];
    let mut worker = Worker::new(subset_of(&["v"]), &specs);
    let wanted = |value: &str| -> Struct {
        [(Box::from("v"), Value::String(value.into()))]
            .into_iter()
            .collect()
    };
    let (one, two, three) = (wanted("1"), wanted("2"), wanted("3"));
    let mut pick = |metadata| {
        worker.pick_for(&PickContext {
            metadata_match: Some(metadata),
            ..PickContext::default()
        })
    };
    let turns: Vec<_> = (0..4).map(|_| pick(&one)).collect();
    assert_eq!(turns[0], turns[2]);
    assert_ne!(turns[0], turns[1]);
    assert_eq!(pick(&two), Some(1));
    assert_eq!(pick(&three), None);
    assert_eq!(worker.stats.lb_subsets_selected.value(), 5);
    let snapshot = Snapshot::new(&worker.hosts, &worker.settings, None);
    let changes = snapshot.subset_changes(None);
    assert_eq!(changes.map(|changes| changes.created), Some(2));
}

/// Prints what a pick costs; meant for a release build (see the module).
#[test]
fn a_pick_among_ten_thousand_hosts_is_measured() {
    let specs = vec![PLAIN; 10_000];
    let mut uneven = specs.clone();
    uneven[0].weight = 2;
    let common = ConsistentHashing::default();
    let ring = LbPolicy::RingHash(RingHash {
        min_size: 1024,
        max_size: 8 << 20,
        murmur: false,
        common: common.clone(),
    });
    let maglev = LbPolicy::Maglev(Maglev {
        table_size: 65_537,
        common,
    });
    let turns = || LbPolicy::RoundRobin { slow_start: None };
    let policies = [
        ("round robin, weighted", of_policy(turns()), &uneven),
        ("least request", of_policy(least_request(2, 1.0)), &specs),
        (
            "least request, weighted",
            of_policy(least_request(2, 1.0)),
            &uneven,
        ),
        ("random", of_policy(LbPolicy::Random), &specs),
        ("ring hash", of_policy(ring), &specs),
        ("maglev", of_policy(maglev), &specs),
    ];
    for (name, settings, specs) in policies {
        let mut worker = Worker::new(settings, specs);
        assert!(worker.pick().is_some());
        let begin = Instant::now();
        const PICKS: u32 = 20_000;
        (0..PICKS).for_each(|_| assert!(worker.pick().is_some()));
        println!("{name}: {:?} a pick", begin.elapsed() / PICKS);
    }
}
