//! Outlier detection: hosts that answer with errors, or cannot be reached, are left out for a while.
//!
//! Workers count what becomes of their tries ([`HostMonitor`]); whoever brings a count to its limit tells the main
//! thread, where all is decided ([`detector`]): at once for errors in a row, and at each interval (10 s) for rates that
//! stand out and for who comes back. The decisions take time and chance from their caller. A worker learns of them as
//! of any change of a host's health. Without outlier detection there is none of this.
//!
//! Defaults are Envoy's and stand in [`settings`]. What hosts have behind them is lost with a cluster that changes, as
//! in Envoy.
//!
//! Different from Envoy: a host that stands out by its rate and by its failures in the same interval is ejected once
//! and counts once in `ejections_active`, where Envoy counts it twice and takes it off once; `monitors` are refused.

mod detector;
mod error_matcher;
mod event;
mod monitor;
mod settings;
mod statistics;
#[cfg(test)]
mod tests;
mod tracked;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::OutlierDetectionStats;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::host::{HealthFlags, Host, HostSet};
use detector::Detector;

pub use detector::Origin;
pub(crate) use detector::Step;
pub use error_matcher::{ErrorMatcher, MatchPredicate};
pub use event::{Cause, Event, Rates, What};
pub use monitor::{HostMonitor, Outcome};
pub use settings::{Configured, OutlierSettings};
pub use statistics::Comparison;

use monitor::Alarm;

/// A host that has come to a limit.
pub(crate) type Raised = (Arc<HostMonitor>, Alarm);

/// The outlier detection of a cluster, as all threads see it.
pub struct Outliers {
    settings: Arc<OutlierSettings>,
    alarms: UnboundedSender<Raised>,
    /// Until somebody listens.
    raised: Mutex<Option<UnboundedReceiver<Raised>>>,
    detector: Mutex<Detector>,
}

impl Outliers {
    /// That of a cluster whose stats are in `scope`.
    pub(crate) fn new(settings: Arc<OutlierSettings>, scope: &Scope) -> Self {
        scope.register::<OutlierDetectionStats>();
        let stats: Arc<OutlierDetectionStats> = scope.worker_group();
        let (alarms, raised) = unbounded_channel();
        Self {
            detector: Mutex::new(Detector::new(Arc::clone(&settings), stats)),
            settings,
            alarms,
            raised: Mutex::new(Some(raised)),
        }
    }

    /// What counts a host; none if it is not the cluster's any more.
    pub fn monitor(&self, host: &Arc<Host>) -> Option<Arc<HostMonitor>> {
        self.detector().monitor(host).cloned()
    }

    /// How hosts compared in the last interval.
    pub fn comparison(&self, origin: Origin) -> Comparison {
        self.detector().comparison(origin)
    }

    /// An active health check of a host has passed, which may end its ejection.
    pub fn health_check_passed(&self, host: &Arc<Host>) {
        let health = host.health();
        let is_concerned = health.contains(HealthFlags::FAILED_OUTLIER_CHECK)
            && !health.contains(HealthFlags::FAILED_ACTIVE_HC);
        if is_concerned && let Some(monitor) = self.monitor(host) {
            let passed = (monitor, Alarm::HealthCheckPassed);
            let _nobody_listens_once_the_cluster_is_gone = self.alarms.send(passed);
        }
    }

    /// The hosts are others than before.
    pub(crate) fn set_hosts(&self, hosts: &HostSet) {
        let new_monitor = || HostMonitor::new(Arc::clone(&self.settings), self.alarms.clone());
        self.detector().set_hosts(&mut hosts.iter(), &new_monitor);
    }

    pub(crate) fn withdraw(&self) {
        self.detector().withdraw();
    }

    /// What is raised from now on, and was before; none if somebody listens already.
    pub(crate) fn listen(&self) -> Option<UnboundedReceiver<Raised>> {
        let raised = self.raised.lock();
        raised.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The time between two looks at the hosts.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.settings.interval_ms.get().max(1))
    }

    /// An interval is over.
    pub(crate) fn interval_is_over(&self, now: Instant, random: &mut dyn FnMut() -> u64) -> Step {
        self.detector().interval(now, random)
    }

    /// A host has come to a limit.
    pub(crate) fn alarm(
        &self,
        raised: &Raised,
        now: Instant,
        random: &mut dyn FnMut() -> u64,
    ) -> Step {
        let (monitor, alarm) = raised;
        self.detector().alarm(monitor, *alarm, now, random)
    }

    fn detector(&self) -> MutexGuard<'_, Detector> {
        self.detector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HostMonitor {
    /// The rate of successes in the last interval, in per cent; none where there were too few requests.
    pub fn success_rate(&self, origin: Origin) -> Option<f64> {
        let found = match origin {
            Origin::External => self.external.found(),
            Origin::Local => self.local.found(),
        };
        (found >= 0.0).then_some(found)
    }
}
