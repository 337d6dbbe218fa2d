//! Decisions under a time and a chance that the test chooses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_config::runtime::{RuntimeKeys, RuntimeValue};
use nuncio_config::tree::Json;
use nuncio_contract::stats::groups::OutlierDetectionStats;
use nuncio_contract::stats::{Scope, StatsStore};

use super::*;
use crate::cluster::HealthFlags;

/// A cluster of some hosts, and the time.
struct Cluster {
    outliers: Outliers,
    stats: Arc<OutlierDetectionStats>,
    hosts: Vec<Arc<Host>>,
    raised: UnboundedReceiver<Raised>,
    now: Instant,
    /// What chance says, again and again.
    random: u64,
    events: Vec<Event>,
    _scope: Scope,
}

/// As the cells of the group are shared by nobody else, those of the detector are read through the store.
fn cluster(hosts: u16, settings: OutlierSettings) -> Cluster {
    let scope = StatsStore::default().scope("cluster.c");
    let stats: Arc<OutlierDetectionStats> = scope.worker_group();
    let settings = Arc::new(settings);
    let (alarms, raised) = unbounded_channel();
    let detector = Detector::new(Arc::clone(&settings), Arc::clone(&stats));
    let outliers = Outliers {
        settings,
        alarms,
        raised: Mutex::new(None),
        detector: Mutex::new(detector),
    };
    let hosts: Vec<_> = (1..=hosts).map(host).collect();
    outliers.set_hosts(&HostSet::new(hosts.clone()));
    Cluster {
        outliers,
        stats,
        hosts,
        raised,
        now: Instant::now(),
        random: 0,
        events: Vec::new(),
        _scope: scope,
    }
}

fn host(port: u16) -> Arc<Host> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let health = HealthFlags::HEALTHY;
    Arc::new(Host::new(address, "", 1, 0, Arc::default(), health))
}

fn settings(change: impl FnOnce(&mut Configured)) -> OutlierSettings {
    let mut written = Configured {
        max_ejection_percent: Some(100),
        ..Configured::default()
    };
    change(&mut written);
    OutlierSettings::new(&written, &RuntimeKeys::default())
}

impl Cluster {
    /// Counts the same outcome for a host several times; the main thread listens at once.
    fn report(&mut self, host: usize, outcome: Outcome, times: usize) {
        for _ in 0..times {
            let monitor = self.outliers.monitor(&self.hosts[host]).unwrap();
            monitor.report(outcome);
            self.listen();
        }
    }

    /// The main thread looks at what was raised.
    fn listen(&mut self) {
        while let Ok(alarm) = self.raised.try_recv() {
            let random = self.random;
            let step = self.outliers.alarm(&alarm, self.now, &mut || random);
            self.events.extend(step.events);
        }
    }

    /// Lets seconds go by, at the end of which an interval is over.
    fn interval_after(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let random = self.random;
        let step = self.outliers.interval_is_over(self.now, &mut || random);
        self.events.extend(step.events);
    }

    fn ejected(&self) -> Vec<usize> {
        let is_ejected =
            |host: &Arc<Host>| host.health().contains(HealthFlags::FAILED_OUTLIER_CHECK);
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(_, host)| is_ejected(host))
            .map(|(at, _)| at)
            .collect()
    }

    fn active(&self) -> i64 {
        self.stats.ejections_active.share()
    }
}

const BAD: Outcome = Outcome::Answered(500);
const GOOD: Outcome = Outcome::Answered(200);

#[test]
fn five_errors_in_a_row_eject_and_a_good_answer_between_them_does_not() {
    let mut cluster = cluster(3, settings(|_| ()));
    cluster.report(0, BAD, 4);
    cluster.report(0, GOOD, 1);
    cluster.report(0, BAD, 4);
    assert!(cluster.ejected().is_empty());
    cluster.report(0, BAD, 1);
    assert_eq!(cluster.ejected(), [0]);
    assert_eq!(cluster.active(), 1);
    assert_eq!(cluster.stats.ejections_enforced_consecutive_5xx.value(), 1);
    assert_eq!(cluster.stats.ejections_total.value(), 1);
    cluster.report(0, BAD, 20);
    assert_eq!(cluster.stats.ejections_detected_consecutive_5xx.value(), 1);
}

#[test]
fn an_ejection_lasts_longer_each_time_up_to_the_longest_and_a_good_time_is_rewarded() {
    let written = settings(|it| it.max_ejection_time_ms = Some(70_000));
    let mut cluster = cluster(1, written);
    for seconds in [30, 60, 70, 70] {
        cluster.report(0, BAD, 5);
        assert_eq!(cluster.ejected(), [0]);
        cluster.interval_after(seconds - 1);
        assert_eq!(cluster.ejected(), [0], "{seconds}");
        cluster.interval_after(1);
        assert!(cluster.ejected().is_empty(), "{seconds}");
    }
    assert_eq!(cluster.active(), 0);
    for _ in 0..4 {
        cluster.interval_after(10);
    }
    cluster.report(0, BAD, 5);
    cluster.interval_after(30);
    assert!(cluster.ejected().is_empty());
}

#[test]
fn jitter_comes_on_top_of_the_time() {
    let mut cluster = cluster(
        1,
        settings(|it| it.max_ejection_time_jitter_ms = Some(9_000)),
    );
    cluster.random = 5_000 * 20_002;
    cluster.report(0, BAD, 5);
    let jitter = cluster.random % 9_001;
    assert!(jitter > 0);
    cluster.interval_after(30);
    assert_eq!(cluster.ejected(), [0]);
    cluster.interval_after(9);
    assert!(cluster.ejected().is_empty());
}

#[test]
fn no_more_than_the_percentage_is_ejected_but_for_the_first_where_that_is_wanted() {
    let few = || settings(|it| it.max_ejection_percent = Some(34));
    let mut three = cluster(3, few());
    three.report(0, BAD, 5);
    three.report(1, BAD, 5);
    assert_eq!(three.ejected(), [0]);
    assert_eq!(three.stats.ejections_overflow.value(), 1);
    let mut two = cluster(2, few());
    two.report(0, BAD, 5);
    assert!(two.ejected().is_empty());
    let mut two = cluster(
        2,
        OutlierSettings {
            always_eject_one: true,
            ..few()
        },
    );
    two.report(0, BAD, 5);
    two.report(1, BAD, 5);
    assert_eq!(two.ejected(), [0]);
}

#[test]
fn what_is_not_enforced_is_told_and_nothing_else() {
    let written = settings(|it| it.enforcing_consecutive_5xx = Some(40));
    let mut cluster = cluster(1, written);
    cluster.random = 40;
    cluster.report(0, BAD, 5);
    assert!(cluster.ejected().is_empty());
    assert_eq!(cluster.stats.ejections_detected_consecutive_5xx.value(), 1);
    let told = cluster.events.iter().map(|event| event.what);
    let told: Vec<_> = told.collect();
    assert!(matches!(
        told.as_slice(),
        [What::Ejected {
            is_enforced: false,
            ..
        }]
    ));
    cluster.random = 39;
    cluster.report(0, BAD, 5);
    assert_eq!(cluster.ejected(), [0]);
}

#[test]
fn gateway_failures_are_counted_apart() {
    let written = settings(|it| {
        it.enforcing_consecutive_gateway_failure = Some(100);
        it.consecutive_gateway_failure = Some(2);
    });
    let mut cluster = cluster(2, written);
    for status in [502, 500, 504, 505, 503] {
        cluster.report(0, Outcome::Answered(status), 1);
    }
    assert_eq!(cluster.ejected(), [0], "five errors in a row");
    let gateway = &cluster.stats.ejections_enforced_consecutive_gateway_failure;
    assert_eq!(gateway.value(), 0);
    cluster.report(1, Outcome::Failed, 1);
    cluster.report(1, Outcome::TimedOut(504), 1);
    assert_eq!(cluster.ejected(), [0, 1]);
}

#[test]
fn a_timeout_that_is_answered_with_204_is_no_error() {
    let mut cluster = cluster(1, settings(|_| ()));
    cluster.report(0, Outcome::TimedOut(204), 9);
    cluster.report(0, Outcome::Connected, 9);
    assert!(cluster.ejected().is_empty());
}

#[test]
fn failures_of_our_own_making_are_told_from_answers_where_origins_are_split() {
    let split = OutlierSettings {
        splits_origins: true,
        ..settings(|_| ())
    };
    let mut cluster = cluster(2, split);
    for _ in 0..4 {
        cluster.report(0, Outcome::Failed, 1);
        cluster.report(0, BAD, 1);
    }
    cluster.report(0, Outcome::Connected, 1);
    cluster.report(0, Outcome::TimedOut(204), 4);
    assert!(cluster.ejected().is_empty());
    cluster.report(0, Outcome::Failed, 1);
    assert_eq!(cluster.ejected(), [0]);
    let stats = &cluster.stats;
    assert_eq!(
        stats
            .ejections_enforced_consecutive_local_origin_failure
            .value(),
        1
    );
    assert_eq!(
        stats.ejections_total.value(),
        0,
        "the old name knows of answers alone"
    );
}

#[test]
fn a_rate_that_stands_out_ejects() {
    let mut cluster = cluster(5, settings(|it| it.consecutive_5xx = Some(1_000)));
    for host in 1..5 {
        cluster.report(host, GOOD, 100);
    }
    cluster.report(0, BAD, 50);
    cluster.report(0, GOOD, 49);
    cluster.interval_after(10);
    assert!(cluster.ejected().is_empty(), "99 requests are not enough");
    assert!(cluster.outliers.comparison(Origin::External).average < 0.0);
    for host in 1..5 {
        cluster.report(host, GOOD, 100);
    }
    cluster.report(0, BAD, 50);
    cluster.report(0, GOOD, 50);
    cluster.interval_after(10);
    assert_eq!(cluster.ejected(), [0]);
    let found = cluster.outliers.comparison(Origin::External);
    assert!((found.average - 90.0).abs() < 1e-9 && (found.threshold - 52.0).abs() < 1e-9);
    let monitor = cluster.outliers.monitor(&cluster.hosts[0]).unwrap();
    assert_eq!(monitor.success_rate(Origin::External), Some(50.0));
    cluster.interval_after(10);
    assert_eq!(monitor.success_rate(Origin::External), None);
}

#[test]
fn a_percentage_of_failures_ejects_without_a_comparison() {
    let written = settings(|it| {
        it.consecutive_5xx = Some(1_000);
        it.enforcing_failure_percentage = Some(100);
        it.failure_percentage_minimum_hosts = Some(1);
    });
    let mut cluster = cluster(2, written);
    cluster.report(0, BAD, 85);
    cluster.report(0, GOOD, 15);
    cluster.report(1, BAD, 84);
    cluster.report(1, GOOD, 16);
    cluster.interval_after(10);
    assert_eq!(cluster.ejected(), [0]);
    assert_eq!(
        cluster.stats.ejections_enforced_failure_percentage.value(),
        1
    );
}

#[test]
fn who_stands_out_in_both_ways_is_ejected_once() {
    let written = settings(|it| {
        it.consecutive_5xx = Some(1_000);
        it.enforcing_failure_percentage = Some(100);
        it.success_rate_stdev_factor = Some(1_000);
    });
    let mut cluster = cluster(5, written);
    cluster.report(0, BAD, 100);
    for host in 1..5 {
        cluster.report(host, GOOD, 100);
    }
    cluster.interval_after(10);
    assert_eq!(cluster.active(), 1);
    assert_eq!(
        cluster.stats.ejections_detected_failure_percentage.value(),
        1
    );
    assert_eq!(
        cluster.stats.ejections_enforced_failure_percentage.value(),
        0
    );
    cluster.interval_after(30);
    assert_eq!(cluster.active(), 0);
}

#[test]
fn a_host_that_says_so_is_degraded_for_a_while() {
    let degraded = OutlierSettings {
        detects_degraded: true,
        ..settings(|_| ())
    };
    let mut cluster = cluster(1, degraded);
    cluster.report(0, Outcome::AnsweredDegraded(200), 3);
    assert!(cluster.hosts[0].health().is_degraded());
    assert_eq!(cluster.stats.ejections_detected_degradation.value(), 1);
    cluster.interval_after(29);
    assert!(cluster.hosts[0].health().is_degraded());
    cluster.interval_after(1);
    assert!(cluster.hosts[0].health().is_healthy());
    cluster.report(0, Outcome::AnsweredDegraded(200), 1);
    assert!(cluster.hosts[0].health().is_degraded());
    assert_eq!(cluster.active(), 0, "it is not ejected");
}

#[test]
fn hosts_that_stay_keep_their_past_and_those_that_go_leave_the_gauge() {
    let mut cluster = cluster(3, settings(|_| ()));
    cluster.report(0, BAD, 5);
    cluster.report(1, BAD, 5);
    assert_eq!(cluster.active(), 2);
    let left = vec![Arc::clone(&cluster.hosts[1]), host(9)];
    cluster.outliers.set_hosts(&HostSet::new(left));
    assert_eq!(cluster.active(), 1);
    assert!(cluster.outliers.monitor(&cluster.hosts[0]).is_none());
    cluster.interval_after(30);
    assert_eq!(cluster.active(), 0);
    assert!(cluster.hosts[1].health().is_healthy());
}

#[test]
fn a_health_check_that_passes_ends_an_ejection_unless_that_is_not_wanted() {
    for unejects in [true, false] {
        let written = OutlierSettings {
            health_check_unejects: unejects,
            ..settings(|_| ())
        };
        let mut cluster = cluster(1, written);
        cluster.report(0, BAD, 5);
        let host = Arc::clone(&cluster.hosts[0]);
        host.change_health(HealthFlags::FAILED_ACTIVE_HC, HealthFlags::HEALTHY);
        cluster.outliers.health_check_passed(&host);
        cluster.listen();
        assert_eq!(cluster.ejected(), [0], "the host is not well yet");
        host.change_health(HealthFlags::HEALTHY, HealthFlags::FAILED_ACTIVE_HC);
        cluster.outliers.health_check_passed(&host);
        cluster.listen();
        assert_eq!(cluster.ejected().is_empty(), unejects);
    }
}

#[test]
fn runtime_overrides_what_is_configured() {
    let keys = RuntimeKeys::default();
    let written = Configured {
        max_ejection_percent: Some(0),
        ..Configured::default()
    };
    let mut cluster = cluster(1, OutlierSettings::new(&written, &keys));
    let value = |number: f64| RuntimeValue::of_json(&Json::Number(number));
    keys.set_values(
        [
            ("outlier_detection.consecutive_5xx".into(), value(2.0)),
            (
                "outlier_detection.max_ejection_percent".into(),
                value(100.0),
            ),
            (
                "outlier_detection.base_ejection_time_ms".into(),
                value(1_000.0),
            ),
        ]
        .into(),
    );
    cluster.report(0, BAD, 2);
    assert_eq!(cluster.ejected(), [0]);
    cluster.interval_after(1);
    assert!(cluster.ejected().is_empty());
}
