//! A host that is checked: its session, and the task that asks again and again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stats::groups::ClusterTrafficStats;
use tokio::time::{sleep, timeout};

use super::checker::Common;
use super::requests::RequestProber;
use super::tcp::TcpProber;
use crate::cluster::{HealthFlags, Host};
use crate::health_check::events;
use crate::health_check::session::{Event, Failure, Outcome, Session, Step, Transition};
use crate::health_check::settings::Probe;

/// A cluster's traffic, by which it has its usual intervals.
const TRAFFIC: [&str; 3] = [
    "upstream_cx_total",
    "upstream_cx_tx_bytes_total",
    "upstream_cx_rx_bytes_total",
];

/// A host that is checked. Dropped with the task that checks it.
pub(super) struct CheckedHost {
    pub(super) host: Arc<Host>,
    common: Rc<Common>,
    session: RefCell<Session>,
    /// What the gauges count it as.
    counted: Cell<HealthFlags>,
}

/// The one who asks.
enum Prober {
    Requests(Box<RequestProber>),
    Tcp(Box<TcpProber>),
}

impl CheckedHost {
    pub(super) fn new(common: &Rc<Common>, host: &Arc<Host>) -> Self {
        let new = Self {
            host: Arc::clone(host),
            common: Rc::clone(common),
            session: RefCell::default(),
            counted: Cell::new(HealthFlags::FAILED_ACTIVE_HC),
        };
        new.count(host.health());
        new
    }

    /// Whether there was a result.
    pub(super) fn was_checked(&self) -> bool {
        self.session.borrow().was_checked()
    }

    /// Checks for as long as it is polled.
    pub(super) async fn run(self: Rc<Self>) {
        let common = &self.common;
        let checks = &common.checks;
        let mut prober = self.prober();
        let mut wait = checks.timing.first(&mut || common.services.random_u64());
        loop {
            let between = tokio::select! {
                biased;
                outcome = prober.between(&checks.probe) => Some(outcome),
                () = sleep(wait) => None,
            };
            let outcome = match between {
                Some(outcome) => outcome,
                None => {
                    common.stats.attempt.inc();
                    let answer = prober.check(&checks.probe);
                    let answer = timeout(checks.timing.timeout, answer).await;
                    answer.unwrap_or_else(|_| {
                        prober.give_up(&checks.probe);
                        Outcome::Failed(Failure::NetworkTimeout)
                    })
                }
            };
            let transition = self.take(outcome);
            let passed = matches!(outcome, Outcome::Passed { .. });
            let had_traffic = self.had_traffic();
            let random = &mut || common.services.random_u64();
            wait = checks.timing.next(passed, transition, had_traffic, random);
        }
    }

    fn prober(&self) -> Prober {
        let common = &self.common;
        let (dialer, checks) = (&common.dialer, &common.checks);
        match &checks.probe {
            Probe::Tcp(_) => Prober::Tcp(Box::new(TcpProber::new(
                dialer,
                &self.host,
                checks.reuses_connection,
            ))),
            Probe::Http(_) | Probe::Grpc(_) => Prober::Requests(Box::new(RequestProber::new(
                dialer,
                checks,
                &self.host,
                &common.stats,
                &common.services,
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
        let (common, host) = (&self.common, &self.host);
        let checks = &common.checks;
        let before = host.health();
        let (thresholds, log) = (checks.thresholds, checks.always_log);
        let mut session = self.session.borrow_mut();
        let was_checked = session.was_checked();
        let step = session.take(before, outcome, thresholds, log);
        drop(session);
        if matches!(outcome, Outcome::Passed { .. })
            && before.contains(HealthFlags::FAILED_ACTIVE_HC)
        {
            host.healthy_since().set(common.services.now());
        }
        let _the_transition_says_so_too = host.change_health(step.add, step.remove);
        self.count(host.health());
        self.count_result(outcome);
        if let (Outcome::Passed { .. }, Some(outliers)) = (outcome, common.cluster.outliers()) {
            outliers.health_check_passed(host);
        }
        self.tell(&step);
        // After the first check of all hosts Envoy looks at them anew, whatever came of it.
        if !was_checked {
            common.cluster.health_became_known();
            common.first_result();
        } else if step.transition == Transition::Changed {
            common.cluster.health_changed(common.services.now());
        }
        step.transition
    }

    fn count_result(&self, outcome: Outcome) {
        let stats = &self.common.stats;
        match outcome {
            Outcome::Passed { .. } => stats.success.inc(),
            Outcome::Failed(failure) => {
                stats.failure.inc();
                if failure.is_of_network() {
                    stats.network_failure.inc();
                } else if failure == Failure::Passive {
                    stats.passive_failure.inc();
                }
            }
        }
    }

    fn tell(&self, step: &Step) {
        let common = &self.common;
        let Some(logs) = common.checks.event_logs.get() else {
            return;
        };
        let line = |event: &Event| {
            let (name, at) = (&common.cluster.settings.name, common.services.wall());
            events::line(*event, &common.checks.probe, &self.host, name, at)
        };
        for line in step.events.iter().map(line) {
            logs.iter().for_each(|log| log.write(line.as_bytes()));
        }
    }

    fn count(&self, now: HealthFlags) {
        let stats = &self.common.stats;
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
            self.common.stats.degraded.dec();
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
            (Self::Requests(_), Probe::Tcp(_)) | (Self::Tcp(_), _) => std::future::pending().await,
        }
    }

    /// What counts of what comes between checks.
    async fn between(&mut self, probe: &Probe) -> Outcome {
        match (self, probe) {
            (Self::Tcp(prober), Probe::Tcp(tcp)) => prober.between(tcp).await,
            (Self::Requests(prober), _) => prober.between().await,
            (Self::Tcp(_), _) => std::future::pending().await,
        }
    }

    fn give_up(&mut self, probe: &Probe) {
        match self {
            Self::Tcp(prober) => prober.close(),
            Self::Requests(prober) => prober.give_up(matches!(probe, Probe::Grpc(_))),
        }
    }
}
