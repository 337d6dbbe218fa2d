//! What is counted of one host, by all workers together.
//!
//! A response costs one atomic addition, and a look at counts that are 0 as long as all goes well. Whoever brings a
//! count to its limit tells the main thread, which decides; until then the count goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use tokio::sync::mpsc::UnboundedSender;

use super::settings::{OutlierSettings, Setting};

/// What became of a try at a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status, or one that stands for its answer.
    Answered(u16),
    /// The same, and it said that it is degraded.
    AnsweredDegraded(u16),
    /// There is a connection; what comes of it is told apart.
    Connected,
    /// There is a connection, which is all that was asked for.
    ConnectedFinally,
    /// There is no connection, or it ended before the response did.
    Failed,
    /// It took too long; where that is not told apart, it counts as this status.
    TimedOut(u16),
}

/// What the main thread has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Too many errors in a row.
    Consecutive5xx,
    /// Too many errors of gateways in a row.
    ConsecutiveGatewayFailure,
    /// Too many failures of our own making in a row.
    ConsecutiveLocalOriginFailure,
    /// The host says that it is degraded.
    Degraded,
    /// An active health check of the host has passed.
    HealthCheckPassed,
}

/// The counts of one host.
#[derive(Debug)]
pub struct HostMonitor {
    settings: Arc<OutlierSettings>,
    alarms: UnboundedSender<(Arc<HostMonitor>, Alarm)>,
    errors: AtomicU32,
    gateway_failures: AtomicU32,
    local_failures: AtomicU32,
    is_degraded: AtomicBool,
    /// Of the host's answers; of everything where origins are not split.
    pub(super) external: Rate,
    /// Of connections.
    pub(super) local: Rate,
}

/// Requests of an interval and those of the one before, with the rate that was found of the latter.
#[derive(Debug)]
pub(super) struct Rate {
    /// All in the upper half, successes in the lower.
    running: AtomicU64,
    /// The bits of a percentage.
    found: AtomicU64,
}

const ONE_REQUEST: u64 = 1 << 32;
const ONE_SUCCESS: u64 = ONE_REQUEST | 1;

impl Default for Rate {
    fn default() -> Self {
        Self {
            running: AtomicU64::new(0),
            found: AtomicU64::new((-1.0_f64).to_bits()),
        }
    }
}

impl Rate {
    #[inline]
    fn count(&self, is_success: bool) {
        let step = if is_success { ONE_SUCCESS } else { ONE_REQUEST };
        self.running.fetch_add(step, Relaxed);
    }

    /// Ends an interval: how many requests there were, and how many of them went well.
    pub(super) fn take(&self) -> (u64, u64) {
        let packed = self.running.swap(0, Relaxed);
        (packed >> 32, packed & u64::from(u32::MAX))
    }

    /// The rate that was last found, in per cent; -1 for none.
    pub(super) fn found(&self) -> f64 {
        f64::from_bits(self.found.load(Relaxed))
    }

    pub(super) fn set_found(&self, percent: f64) {
        self.found.store(percent.to_bits(), Relaxed);
    }
}

impl HostMonitor {
    pub(super) fn new(
        settings: Arc<OutlierSettings>,
        alarms: UnboundedSender<(Arc<HostMonitor>, Alarm)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            alarms,
            errors: AtomicU32::new(0),
            gateway_failures: AtomicU32::new(0),
            local_failures: AtomicU32::new(0),
            is_degraded: AtomicBool::new(false),
            external: Rate::default(),
            local: Rate::default(),
        })
    }

    /// What the cluster was told.
    pub fn settings(&self) -> &OutlierSettings {
        &self.settings
    }

    /// Counts what became of a try.
    pub fn report(self: &Arc<Self>, outcome: Outcome) {
        match (outcome, self.settings.splits_origins) {
            (Outcome::Answered(status), _) => self.answered(status),
            (Outcome::AnsweredDegraded(status), _) => {
                self.degraded();
                self.answered(status);
            }
            (Outcome::Connected | Outcome::ConnectedFinally, true) => self.local_success(),
            (Outcome::Failed | Outcome::TimedOut(_), true) => self.local_failure(),
            (Outcome::Connected, false) => {}
            (Outcome::ConnectedFinally, false) => self.answered(200),
            (Outcome::Failed, false) => self.answered(503),
            (Outcome::TimedOut(status), false) => self.answered(status),
        }
    }

    fn answered(self: &Arc<Self>, status: u16) {
        let is_error = (500..600).contains(&status);
        self.external.count(!is_error);
        if !is_error {
            clear(&self.errors);
            clear(&self.gateway_failures);
            return;
        }
        if (502..505).contains(&status) {
            let limit = &self.settings.consecutive_gateway_failure;
            self.count(
                &self.gateway_failures,
                limit,
                Alarm::ConsecutiveGatewayFailure,
            );
        } else {
            clear(&self.gateway_failures);
        }
        let limit = &self.settings.consecutive_5xx;
        self.count(&self.errors, limit, Alarm::Consecutive5xx);
    }

    fn local_failure(self: &Arc<Self>) {
        self.local.count(false);
        let limit = &self.settings.consecutive_local_origin_failure;
        self.count(
            &self.local_failures,
            limit,
            Alarm::ConsecutiveLocalOriginFailure,
        );
    }

    fn local_success(&self) {
        self.local.count(true);
        clear(&self.local_failures);
    }

    fn count(self: &Arc<Self>, count: &AtomicU32, limit: &Setting, alarm: Alarm) {
        let now = count.fetch_add(1, Relaxed).wrapping_add(1);
        if u64::from(now) == limit.get() {
            self.raise(alarm);
        }
    }

    fn degraded(self: &Arc<Self>) {
        if self.settings.detects_degraded && !self.is_degraded.swap(true, Relaxed) {
            self.raise(Alarm::Degraded);
        }
    }

    #[cold]
    fn raise(self: &Arc<Self>, alarm: Alarm) {
        let _nobody_listens_once_the_cluster_is_gone = self.alarms.send((Arc::clone(self), alarm));
    }

    /// Begins a count of failures anew.
    pub(super) fn reset(&self, alarm: Alarm) {
        match alarm {
            Alarm::Consecutive5xx => clear(&self.errors),
            Alarm::ConsecutiveGatewayFailure => clear(&self.gateway_failures),
            Alarm::ConsecutiveLocalOriginFailure => clear(&self.local_failures),
            Alarm::Degraded => self.is_degraded.store(false, Relaxed),
            Alarm::HealthCheckPassed => {}
        }
    }
}

/// Most of the time it is 0, and its line stays with all who read it.
#[inline]
fn clear(count: &AtomicU32) {
    if count.load(Relaxed) != 0 {
        count.store(0, Relaxed);
    }
}
