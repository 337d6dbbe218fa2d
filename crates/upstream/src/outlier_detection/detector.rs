//! The decisions: who is ejected, for how long, and who comes back. No clock and no chance of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::stats::groups::OutlierDetectionStats;

use super::event::{Cause, Event, Rates, What};
use super::monitor::{Alarm, HostMonitor};
use super::settings::{OutlierSettings, Setting};
use super::statistics::Comparison;
use super::tracked::Tracked;
use crate::host::{HealthFlags, Host};

/// Which failures a rate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The hosts' answers; everything where origins are not split.
    External,
    /// Connections.
    Local,
}

impl Origin {
    const ALL: [Self; 2] = [Self::External, Self::Local];

    const fn index(self) -> usize {
        match self {
            Self::External => 0,
            Self::Local => 1,
        }
    }
}

/// What a step came to.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// What is to be told.
    pub(crate) events: Vec<Event>,
    /// Whether workers have to know.
    pub(crate) is_health_changed: bool,
}

/// The hosts of a cluster and what is held against them.
pub(super) struct Detector {
    settings: Arc<OutlierSettings>,
    stats: Arc<OutlierDetectionStats>,
    hosts: Vec<Tracked>,
    /// Where hosts stand among them, by their addresses in memory.
    places: HashMap<usize, usize>,
    active: u64,
    comparisons: [Comparison; 2],
}

impl Detector {
    pub(super) fn new(settings: Arc<OutlierSettings>, stats: Arc<OutlierDetectionStats>) -> Self {
        Self {
            settings,
            stats,
            hosts: Vec::new(),
            places: HashMap::new(),
            active: 0,
            comparisons: [Comparison::NONE; 2],
        }
    }

    /// How hosts compared in the last interval.
    pub(super) fn comparison(&self, origin: Origin) -> Comparison {
        let [external, local] = self.comparisons;
        match origin {
            Origin::External => external,
            Origin::Local => local,
        }
    }

    /// The cluster has these hosts now; those that it had keep their past.
    pub(super) fn set_hosts(
        &mut self,
        hosts: &mut dyn Iterator<Item = &Arc<Host>>,
        new_monitor: &dyn Fn() -> Arc<HostMonitor>,
    ) {
        let before = std::mem::take(&mut self.hosts);
        let mut before: HashMap<_, _> = before
            .into_iter()
            .map(|tracked| (key(&tracked.host), tracked))
            .collect();
        self.hosts = hosts
            .map(|host| match before.remove(&key(host)) {
                None => Tracked::new(Arc::clone(host), new_monitor()),
                Some(known) => Tracked {
                    host: Arc::clone(host),
                    ..known
                },
            })
            .collect();
        let places = self.hosts.iter().enumerate();
        self.places = places
            .map(|(place, tracked)| (key(&tracked.host), place))
            .collect();
        let gone = before.values().filter(|tracked| tracked.is_ejected());
        self.set_active(self.active.saturating_sub(gone.count() as u64));
    }

    /// What counts a host; none if it is not the cluster's any more.
    pub(super) fn monitor(&self, host: &Arc<Host>) -> Option<&Arc<HostMonitor>> {
        let place = *self.places.get(&key(host))?;
        self.hosts.get(place).map(|tracked| &tracked.monitor)
    }

    /// The cluster has no share in the gauge any more.
    pub(super) fn withdraw(&mut self) {
        self.hosts.clear();
        self.places.clear();
        self.set_active(0);
    }

    fn set_active(&mut self, active: u64) {
        if std::mem::replace(&mut self.active, active) != active {
            self.stats.ejections_active.set(active);
        }
    }

    /// A host has come to a limit.
    pub(super) fn alarm(
        &mut self,
        monitor: &Arc<HostMonitor>,
        alarm: Alarm,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Step {
        let mut step = Step::default();
        let place = |tracked: &Tracked| Arc::ptr_eq(&tracked.monitor, monitor);
        let Some(place) = self.hosts.iter().position(place) else {
            return step;
        };
        let is_ejected = self.hosts.get(place).is_some_and(Tracked::is_ejected);
        let cause = match alarm {
            Alarm::Degraded => {
                self.degrade(place, now, random, &mut step);
                return step;
            }
            Alarm::HealthCheckPassed => {
                if is_ejected && self.settings.health_check_unejects {
                    self.uneject(place, now, &mut step);
                }
                return step;
            }
            _ if is_ejected => return step,
            Alarm::Consecutive5xx => Cause::Consecutive5xx,
            Alarm::ConsecutiveGatewayFailure => Cause::ConsecutiveGatewayFailure,
            Alarm::ConsecutiveLocalOriginFailure => Cause::ConsecutiveLocalOriginFailure,
        };
        self.count_detected(cause);
        self.eject(place, cause, now, random, &mut step);
        if alarm == Alarm::Consecutive5xx {
            self.stats.ejections_consecutive_5xx.inc();
        }
        monitor.reset(alarm);
        step
    }

    /// An interval is over.
    pub(super) fn interval(&mut self, now: Instant, random: &mut dyn FnMut() -> u64) -> Step {
        let mut step = Step::default();
        let (base, most) = self.times();
        for place in 0..self.hosts.len() {
            let Some(tracked) = self.hosts.get_mut(place) else {
                continue;
            };
            let monitor = &tracked.monitor;
            tracked.volumes = [monitor.external.take(), monitor.local.take()];
            monitor.external.set_found(-1.0);
            monitor.local.set_found(-1.0);
            let jitter = tracked.jitter;
            let is_degraded_no_longer =
                tracked.is_degraded() && tracked.degraded.is_over(now, base, most, jitter);
            if tracked.is_ejected() && tracked.ejected.is_over(now, base, most, jitter) {
                self.uneject(place, now, &mut step);
            }
            if is_degraded_no_longer {
                self.undegrade(place, now, &mut step);
            }
        }
        for origin in Origin::ALL {
            self.compare(origin, now, random, &mut step);
        }
        let interval = Duration::from_millis(self.settings.interval_ms.get());
        for tracked in &mut self.hosts {
            if !tracked.is_ejected() {
                tracked.ejected.forgive(now, interval);
            }
            if !tracked.is_degraded() {
                tracked.degraded.forgive(now, interval);
            }
        }
        step
    }

    /// The time of a first ejection, and the longest.
    fn times(&self) -> (Duration, Duration) {
        let time = |setting: &Setting| Duration::from_millis(setting.get());
        (
            time(&self.settings.base_ejection_time_ms),
            time(&self.settings.max_ejection_time_ms),
        )
    }

    fn jitter(&self, random: &mut dyn FnMut() -> u64) -> Duration {
        let most = self.settings.max_ejection_time_jitter_ms.get();
        Duration::from_millis(random() % most.saturating_add(1).max(1))
    }

    /// Whether one more may be ejected. It counts the hosts of all priorities, as Envoy does.
    #[expect(
        clippy::cast_precision_loss,
        reason = "hosts and percentages are small numbers"
    )]
    fn may_eject(&self) -> bool {
        let most = self.settings.max_ejection_percent.get().min(100);
        let percent = 100.0 * (self.active + 1) as f64 / self.hosts.len() as f64;
        percent <= most as f64 || (self.settings.always_eject_one && self.active == 0)
    }

    fn eject(
        &mut self,
        place: usize,
        cause: Cause,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
        step: &mut Step,
    ) {
        if !self.may_eject() {
            self.stats.ejections_overflow.inc();
            return;
        }
        if matches!(cause, Cause::Consecutive5xx | Cause::SuccessRate) {
            self.stats.ejections_total.inc();
        }
        let is_enforced = self.enforcing(cause).chooses(random());
        let (base, most) = self.times();
        let jitter = is_enforced.then(|| self.jitter(random));
        let comparison = self.comparison(cause.origin());
        let Some(tracked) = self.hosts.get_mut(place) else {
            return;
        };
        if let Some(jitter) = jitter {
            tracked.jitter = jitter;
            tracked.ejections += 1;
            tracked.ejected.begin(now, base, most);
            let (add, remove) = (HealthFlags::FAILED_OUTLIER_CHECK, HealthFlags::HEALTHY);
            step.is_health_changed |= tracked.host.change_health(add, remove);
        }
        step.events
            .push(ejected(tracked, cause, is_enforced, comparison, now));
        if is_enforced {
            self.count_enforced(cause);
            self.set_active(self.active + 1);
        }
    }

    fn uneject(&mut self, place: usize, now: Instant, step: &mut Step) {
        let Some(tracked) = self.hosts.get_mut(place) else {
            return;
        };
        let (add, remove) = (HealthFlags::HEALTHY, HealthFlags::FAILED_OUTLIER_CHECK);
        step.is_health_changed |= tracked.host.change_health(add, remove);
        // Few new errors must not do for the next ejection.
        for alarm in [
            Alarm::Consecutive5xx,
            Alarm::ConsecutiveGatewayFailure,
            Alarm::ConsecutiveLocalOriginFailure,
        ] {
            tracked.monitor.reset(alarm);
        }
        tracked.ejected.ended = Some(now);
        step.events.push(unejected(tracked, now));
        self.set_active(self.active.saturating_sub(1));
    }

    fn degrade(
        &mut self,
        place: usize,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
        step: &mut Step,
    ) {
        let (base, most) = self.times();
        let jitter = self.jitter(random);
        let Some(tracked) = self.hosts.get_mut(place) else {
            return;
        };
        if tracked.is_degraded() {
            return;
        }
        self.stats.ejections_detected_degradation.inc();
        tracked.jitter = jitter;
        tracked.degraded.begin(now, base, most);
        let (add, remove) = (
            HealthFlags::DEGRADED_OUTLIER_DETECTION,
            HealthFlags::HEALTHY,
        );
        step.is_health_changed |= tracked.host.change_health(add, remove);
        let event = ejected(tracked, Cause::Degraded, true, Comparison::NONE, now);
        step.events.push(event);
    }

    fn undegrade(&mut self, place: usize, now: Instant, step: &mut Step) {
        let Some(tracked) = self.hosts.get_mut(place) else {
            return;
        };
        let (add, remove) = (
            HealthFlags::HEALTHY,
            HealthFlags::DEGRADED_OUTLIER_DETECTION,
        );
        step.is_health_changed |= tracked.host.change_health(add, remove);
        tracked.monitor.reset(Alarm::Degraded);
        tracked.degraded.ended = Some(now);
        step.events.push(unejected(tracked, now));
    }

    /// Ejects whose rate stands out, or whose failures are too many.
    fn compare(
        &mut self,
        origin: Origin,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
        step: &mut Step,
    ) {
        let settings = Arc::clone(&self.settings);
        self.set_comparison(origin, Comparison::NONE);
        let hosts = self.hosts.len() as u64;
        let rate_hosts = settings.success_rate_minimum_hosts.get();
        let failure_hosts = settings.failure_percentage_minimum_hosts.get();
        if hosts < rate_hosts && hosts < failure_hosts {
            return;
        }
        let for_rate = self.with_volume(origin, settings.success_rate_request_volume.get());
        let for_failure =
            self.with_volume(origin, settings.failure_percentage_request_volume.get());
        let (rate_cause, failure_cause) = match origin {
            Origin::External => (Cause::SuccessRate, Cause::FailurePercentage),
            Origin::Local => (
                Cause::LocalOriginSuccessRate,
                Cause::LocalOriginFailurePercentage,
            ),
        };
        if !for_rate.is_empty() && for_rate.len() as u64 >= rate_hosts {
            let rates: Vec<_> = for_rate.iter().map(|(_, rate)| *rate).collect();
            let found = Comparison::of(&rates, settings.success_rate_stdev_factor.get());
            self.set_comparison(origin, found);
            for (place, _) in for_rate.iter().filter(|(_, rate)| *rate < found.threshold) {
                self.stats.ejections_success_rate.inc();
                self.count_detected(rate_cause);
                self.eject(*place, rate_cause, now, random, step);
            }
        }
        if !for_failure.is_empty() && for_failure.len() as u64 >= failure_hosts {
            let threshold = settings.failure_percentage_threshold.get();
            for (place, rate) in for_failure {
                if 100.0 - rate >= threshold as f64 {
                    self.count_detected(failure_cause);
                    let is_ejected = self.hosts.get(place).is_some_and(Tracked::is_ejected);
                    if !is_ejected {
                        self.eject(place, failure_cause, now, random, step);
                    }
                }
            }
        }
    }

    /// The places and rates of those who are not ejected and had as many requests; the rates are told.
    fn with_volume(&self, origin: Origin, volume: u64) -> Vec<(usize, f64)> {
        let enough = |(place, tracked): (usize, &Tracked)| {
            let (rate, all) = tracked.rate(origin.index())?;
            if tracked.is_ejected() || all < volume {
                return None;
            }
            match origin {
                Origin::External => tracked.monitor.external.set_found(rate),
                Origin::Local => tracked.monitor.local.set_found(rate),
            }
            Some((place, rate))
        };
        self.hosts.iter().enumerate().filter_map(enough).collect()
    }

    fn set_comparison(&mut self, origin: Origin, found: Comparison) {
        if let Some(place) = self.comparisons.get_mut(origin.index()) {
            *place = found;
        }
    }

    fn enforcing(&self, cause: Cause) -> &Setting {
        let settings = &self.settings;
        match cause {
            Cause::Consecutive5xx => &settings.enforcing_consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => &settings.enforcing_consecutive_gateway_failure,
            Cause::ConsecutiveLocalOriginFailure => {
                &settings.enforcing_consecutive_local_origin_failure
            }
            Cause::SuccessRate => &settings.enforcing_success_rate,
            Cause::LocalOriginSuccessRate => &settings.enforcing_local_origin_success_rate,
            Cause::FailurePercentage | Cause::Degraded => &settings.enforcing_failure_percentage,
            Cause::LocalOriginFailurePercentage => {
                &settings.enforcing_failure_percentage_local_origin
            }
        }
    }

    fn count_detected(&self, cause: Cause) {
        let stats = &self.stats;
        match cause {
            Cause::Consecutive5xx => &stats.ejections_detected_consecutive_5xx,
            Cause::ConsecutiveGatewayFailure => {
                &stats.ejections_detected_consecutive_gateway_failure
            }
            Cause::ConsecutiveLocalOriginFailure => {
                &stats.ejections_detected_consecutive_local_origin_failure
            }
            Cause::SuccessRate => &stats.ejections_detected_success_rate,
            Cause::LocalOriginSuccessRate => &stats.ejections_detected_local_origin_success_rate,
            Cause::FailurePercentage => &stats.ejections_detected_failure_percentage,
            Cause::LocalOriginFailurePercentage => {
                &stats.ejections_detected_local_origin_failure_percentage
            }
            Cause::Degraded => &stats.ejections_detected_degradation,
        }
        .inc();
    }

    fn count_enforced(&self, cause: Cause) {
        let stats = &self.stats;
        stats.ejections_enforced_total.inc();
        match cause {
            Cause::Consecutive5xx => stats.ejections_enforced_consecutive_5xx.inc(),
            Cause::ConsecutiveGatewayFailure => {
                stats.ejections_enforced_consecutive_gateway_failure.inc();
            }
            Cause::ConsecutiveLocalOriginFailure => {
                stats
                    .ejections_enforced_consecutive_local_origin_failure
                    .inc();
            }
            Cause::SuccessRate => stats.ejections_enforced_success_rate.inc(),
            Cause::LocalOriginSuccessRate => {
                stats.ejections_enforced_local_origin_success_rate.inc();
            }
            Cause::FailurePercentage => stats.ejections_enforced_failure_percentage.inc(),
            Cause::LocalOriginFailurePercentage => {
                stats
                    .ejections_enforced_local_origin_failure_percentage
                    .inc();
            }
            Cause::Degraded => {}
        }
    }
}

/// Tells hosts apart that are held.
fn key(host: &Arc<Host>) -> usize {
    host.identity()
}

impl Cause {
    const fn origin(self) -> Origin {
        match self {
            Self::LocalOriginSuccessRate | Self::LocalOriginFailurePercentage => Origin::Local,
            _ => Origin::External,
        }
    }
}

fn ejected(
    tracked: &Tracked,
    cause: Cause,
    is_enforced: bool,
    comparison: Comparison,
    now: Instant,
) -> Event {
    let host = match cause.origin() {
        Origin::External => tracked.monitor.external.found(),
        Origin::Local => tracked.monitor.local.found(),
    };
    let what = What::Ejected {
        cause,
        is_enforced,
        rates: Rates {
            host,
            average: comparison.average,
            threshold: comparison.threshold,
        },
    };
    event(tracked, what, tracked.ejected.ended, now)
}

fn unejected(tracked: &Tracked, now: Instant) -> Event {
    event(tracked, What::Unejected, tracked.ejected.began, now)
}

fn event(tracked: &Tracked, what: What, last: Option<Instant>, now: Instant) -> Event {
    Event {
        address: tracked.host.shown_address(),
        ejections: tracked.ejections,
        since: last.map(|last| now.saturating_duration_since(last)),
        what,
    }
}
