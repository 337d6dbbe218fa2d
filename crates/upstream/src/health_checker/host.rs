//! A host and one of its checks: the session, and the task that asks again and again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nuncio_contract::stats::groups::ClusterTrafficStats;
use tokio::time::{sleep, timeout};

use super::checker::{CheckRun, Common};
use super::flags::CheckFlags;
use super::gauges::Gauges;
use super::redis::RedisProber;
use super::requests::RequestProber;
use super::tcp::TcpProber;
use super::thrift::ThriftProber;
use crate::cluster::HealthFlags;
use crate::health_check::events;
use crate::health_check::session::{Event, Failure, Outcome, Session, Step, Transition};
use crate::health_check::settings::Probe;

/// A cluster's traffic, by which it has its usual intervals.
const TRAFFIC: [&str; 3] = [
    "upstream_cx_total",
    "upstream_cx_tx_bytes_total",
    "upstream_cx_rx_bytes_total",
];

/// A host and one of its checks. Dropped with the task that checks it.
pub(super) struct CheckedHost {
    pub(super) flags: Rc<CheckFlags>,
    common: Rc<Common>,
    run: Rc<CheckRun>,
    session: RefCell<Session>,
    /// What the gauges count it as.
    counted: Cell<HealthFlags>,
    /// What the gauges of several checks count it as.
    totals: Option<Rc<Gauges>>,
}

/// The one who asks.
enum Prober {
    Requests(Box<RequestProber>),
    Tcp(Box<TcpProber>),
    Redis(Box<RedisProber>),
    Thrift(Box<ThriftProber>),
}

impl CheckedHost {
    pub(super) fn new(
        common: &Rc<Common>,
        run: &Rc<CheckRun>,
        flags: CheckFlags,
        totals: Option<Rc<Gauges>>,
    ) -> Self {
        let new = Self {
            flags: Rc::new(flags),
            common: Rc::clone(common),
            run: Rc::clone(run),
            session: RefCell::default(),
            counted: Cell::new(HealthFlags::FAILED_ACTIVE_HC),
            totals,
        };
        new.count(new.flags.get());
        new
    }

    /// Whether there was a result.
    pub(super) fn was_checked(&self) -> bool {
        self.session.borrow().was_checked()
    }

    /// Checks for as long as it is polled.
    pub(super) async fn run(self: Rc<Self>) {
        let common = &self.common;
        let check = &self.run.check;
        let mut prober = self.prober();
        let mut wait = check.timing.first(&mut || common.services.random_u64());
        loop {
            let between = tokio::select! {
                biased;
                outcome = prober.between(&check.probe) => Some(outcome),
                () = sleep(wait) => None,
            };
            let outcome = match between {
                Some(outcome) => outcome,
                None => {
                    self.run.stats.attempt.inc();
                    let answer = prober.check(&check.probe);
                    let answer = timeout(check.timing.timeout, answer).await;
                    answer.unwrap_or_else(|_| {
                        prober.give_up(&check.probe);
                        Outcome::Failed(Failure::NetworkTimeout)
                    })
                }
            };
            let transition = self.take(outcome);
            let passed = matches!(outcome, Outcome::Passed { .. });
            let had_traffic = self.had_traffic();
            let random = &mut || common.services.random_u64();
            wait = check.timing.next(passed, transition, had_traffic, random);
        }
    }

    fn prober(&self) -> Prober {
        let run = &self.run;
        match &run.check.probe {
            Probe::Tcp(_) => Prober::Tcp(Box::new(TcpProber::new(
                &run.dialer,
                &self.flags,
                run.check.reuses_connection,
            ))),
            Probe::Redis(_) => Prober::Redis(Box::new(RedisProber::new(
                &run.dialer,
                &self.flags,
                run.check.reuses_connection,
            ))),
            Probe::Thrift(_) => Prober::Thrift(Box::new(ThriftProber::new(
                &run.dialer,
                &self.flags,
                run.check.reuses_connection,
            ))),
            Probe::Http(_) | Probe::Grpc(_) => Prober::Requests(Box::new(RequestProber::new(
                run,
                &self.flags,
                &self.common.services,
            ))),
        }
    }

    fn had_traffic(&self) -> bool {
        let scope = self.common.cluster.scope();
        TRAFFIC
            .iter()
            .any(|counter| scope.has_counted::<ClusterTrafficStats>(counter))
    }

    /// Does what a result comes to.
    pub(super) fn take(&self, outcome: Outcome) -> Transition {
        let (common, host) = (&self.common, self.flags.host());
        let before = self.flags.get();
        let (thresholds, log) = (self.run.check.thresholds, self.run.check.always_log);
        let mut session = self.session.borrow_mut();
        let was_checked = session.was_checked();
        let step = session.take(before, outcome, thresholds, log);
        drop(session);
        let passed = matches!(outcome, Outcome::Passed { .. });
        if passed && before.contains(HealthFlags::FAILED_ACTIVE_HC) {
            host.healthy_since().set(common.services.now());
        }
        self.flags.change(step.add, step.remove);
        self.count(self.flags.get());
        self.count_result(outcome);
        self.tell(&step);
        if self.flags.are_own() {
            self.take_all();
        } else {
            let changed = step.transition == Transition::Changed;
            self.settle(passed, changed, !was_checked);
        }
        if !was_checked {
            common.first_result();
        }
        step.transition
    }

    /// Does what all checks of the host come to.
    fn take_all(&self) {
        let is_first = self.totals.as_ref().is_some_and(|gauges| !gauges.counts());
        if let Some(sum) = self.flags.report() {
            if let Some(totals) = &self.totals {
                totals.count(sum.add);
            }
            self.settle(sum.passed, sum.changed, is_first);
        }
    }

    /// Tells the rest of the cluster. After the first check of all hosts Envoy looks at them anew, whatever came of it.
    fn settle(&self, passed: bool, changed: bool, is_first: bool) {
        let cluster = &self.common.cluster;
        if let (true, Some(outliers)) = (passed, cluster.outliers()) {
            outliers.health_check_passed(&self.flags.host());
        }
        if is_first {
            cluster.health_became_known();
        } else if changed {
            cluster.health_changed(self.common.services.now());
        }
    }

    fn count_result(&self, outcome: Outcome) {
        let stats = &self.run.stats;
        match outcome {
            Outcome::Passed { .. } => stats.success.inc(),
            Outcome::Failed(failure) => {
                stats.failure.inc();
                if failure.is_of_network() {
                    stats.network_failure.inc();
                    self.flags.host().note_checked_status(0);
                } else if failure == Failure::Passive {
                    stats.passive_failure.inc();
                }
            }
        }
    }

    fn tell(&self, step: &Step) {
        let common = &self.common;
        let check = &self.run.check;
        let Some(logs) = check.event_logs.get() else {
            return;
        };
        let host = self.flags.host();
        let line = |event: &Event| {
            let (name, at) = (&common.cluster.settings.name, common.services.wall());
            events::line(*event, &check.probe, &host, name, at)
        };
        for line in step.events.iter().map(line) {
            logs.iter().for_each(|log| log.write(line.as_bytes()));
        }
    }

    fn count(&self, now: HealthFlags) {
        let stats = &self.run.stats;
        let before = self.counted.replace(now);
        let failed = |flags: HealthFlags| flags.contains(HealthFlags::FAILED_ACTIVE_HC);
        let degraded = |flags: HealthFlags| flags.contains(HealthFlags::DEGRADED_ACTIVE_HC);
        match (failed(before), failed(now)) {
            (true, false) => stats.healthy.inc(),
            (false, true) => stats.healthy.dec(),
            _ => {}
        }
        // As in Envoy, one that is degraded no more stays counted; see `Drop`.
        if !degraded(before) && degraded(now) {
            stats.degraded.inc();
        }
    }
}

impl Drop for CheckedHost {
    /// The gauges count it no more.
    fn drop(&mut self) {
        if self.counted.get().contains(HealthFlags::DEGRADED_ACTIVE_HC) {
            self.run.stats.degraded.dec();
        }
        self.count(HealthFlags::FAILED_ACTIVE_HC);
    }
}

impl Prober {
    async fn check(&mut self, probe: &Probe) -> Outcome {
        match (self, probe) {
            (Self::Requests(prober), Probe::Http(http)) => prober.check_http(http).await,
            (Self::Requests(prober), Probe::Grpc(grpc)) => prober.check_grpc(grpc).await,
            (Self::Tcp(prober), Probe::Tcp(tcp)) => prober.check(tcp).await,
            (Self::Redis(prober), Probe::Redis(redis)) => prober.check(redis).await,
            (Self::Thrift(prober), Probe::Thrift(thrift)) => prober.check(thrift).await,
            (Self::Requests(_) | Self::Tcp(_) | Self::Redis(_) | Self::Thrift(_), _) => {
                std::future::pending().await
            }
        }
    }

    /// What counts of what comes between checks.
    async fn between(&mut self, probe: &Probe) -> Outcome {
        match (self, probe) {
            (Self::Tcp(prober), Probe::Tcp(tcp)) => prober.between(tcp).await,
            (Self::Requests(prober), _) => prober.between().await,
            (Self::Redis(prober), _) => prober.between().await,
            (Self::Thrift(prober), _) => prober.between().await,
            (Self::Tcp(_), _) => std::future::pending().await,
        }
    }

    fn give_up(&mut self, probe: &Probe) {
        match self {
            Self::Tcp(prober) => prober.close(),
            Self::Redis(prober) => prober.give_up(),
            Self::Thrift(prober) => prober.give_up(),
            Self::Requests(prober) => prober.give_up(matches!(probe, Probe::Grpc(_))),
        }
    }
}
