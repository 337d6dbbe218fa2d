//! The rules of one host: what a result does to its health. Knows neither sockets nor clocks.
//!
//! The first result decides at once; later ones count up to the thresholds. An answer that says no decides at once
//! as well, unless its status is retriable; what the network does counts.

use crate::host::HealthFlags;

/// How many results in a row it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thresholds {
    /// Until a failed host is healthy again.
    pub healthy: u32,
    /// Until a host has failed.
    pub unhealthy: u32,
}

/// What came of a check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The host said no.
    Active {
        /// By this status; 0 if it has none.
        status: u16,
        /// Whether the status counts up to the threshold only.
        is_retriable: bool,
    },
    /// A response to traffic said no.
    Passive,
    /// The connection failed.
    Network,
    /// Nothing came in time.
    NetworkTimeout,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The host is well.
    Passed {
        /// Though it would rather be left alone.
        is_degraded: bool,
    },
    /// It is not.
    Failed(Failure),
}

/// What a result does to the host's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// Nothing.
    Unchanged,
    /// It takes more of the same to change it.
    Pending,
    /// It is another; load balancers must know.
    Changed,
}

/// Something that is told to the log of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The host has failed.
    Ejected(Failure),
    /// The host is healthy again; whether this was its first check.
    Added(bool),
    /// A check has failed; whether it was the first.
    Failed(Failure, bool),
    /// A check has passed and changes nothing.
    Passed,
    /// The host has become degraded.
    Degraded,
    /// It is degraded no more.
    NoLongerDegraded,
}

/// Which events are told though they change nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlwaysLog {
    /// Each failure.
    pub failures: bool,
    /// Each success.
    pub successes: bool,
}

/// What is to be done with the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Reasons that come.
    pub(crate) add: HealthFlags,
    /// Reasons that go.
    pub(crate) remove: HealthFlags,
    /// What it does to its standing.
    pub(crate) transition: Transition,
    /// What is told, in order.
    pub(crate) events: Vec<Event>,
}

/// A host's results so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Session {
    passed: u32,
    failed: u32,
    was_checked: bool,
}

impl Session {
    /// Whether there was a result.
    pub(crate) fn was_checked(&self) -> bool {
        self.was_checked
    }

    /// A result of a host with these `flags`.
    pub(crate) fn take(
        &mut self,
        flags: HealthFlags,
        outcome: Outcome,
        thresholds: Thresholds,
        log: AlwaysLog,
    ) -> Step {
        let mut step = Step {
            add: HealthFlags::HEALTHY,
            remove: HealthFlags::HEALTHY,
            transition: Transition::Unchanged,
            events: Vec::new(),
        };
        match outcome {
            Outcome::Passed { is_degraded } => {
                self.pass(flags, is_degraded, thresholds, log, &mut step);
            }
            Outcome::Failed(failure) => self.fail(flags, failure, thresholds, log, &mut step),
        }
        self.was_checked = true;
        step
    }

    fn pass(
        &mut self,
        flags: HealthFlags,
        is_degraded: bool,
        thresholds: Thresholds,
        log: AlwaysLog,
        step: &mut Step,
    ) {
        self.failed = 0;
        if flags.contains(HealthFlags::FAILED_ACTIVE_HC) {
            let is_enough = !self.was_checked || {
                self.passed = self.passed.saturating_add(1);
                self.passed == thresholds.healthy
            };
            step.transition = if is_enough {
                step.events.push(Event::Added(!self.was_checked));
                step.remove = HealthFlags::FAILED_ACTIVE_HC
                    .with(HealthFlags::ACTIVE_HC_TIMEOUT)
                    .with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
                Transition::Changed
            } else {
                Transition::Pending
            };
        }
        if step.transition != Transition::Changed && log.successes {
            step.events.push(Event::Passed);
        }
        clear_pending(flags, step);
        if is_degraded != flags.contains(HealthFlags::DEGRADED_ACTIVE_HC) {
            if is_degraded {
                step.add = step.add.with(HealthFlags::DEGRADED_ACTIVE_HC);
                step.events.push(Event::Degraded);
            } else {
                step.remove = step.remove.with(HealthFlags::DEGRADED_ACTIVE_HC);
                step.events.push(Event::NoLongerDegraded);
            }
            if step.transition == Transition::Unchanged {
                step.transition = Transition::Changed;
            }
        }
    }

    fn fail(
        &mut self,
        flags: HealthFlags,
        failure: Failure,
        thresholds: Thresholds,
        log: AlwaysLog,
        step: &mut Step,
    ) {
        self.passed = 0;
        let mut has_failed = flags.contains(HealthFlags::FAILED_ACTIVE_HC);
        if !has_failed {
            has_failed = failure.decides_at_once() || {
                self.failed = self.failed.saturating_add(1);
                self.failed == thresholds.unhealthy
            };
            step.transition = if has_failed {
                step.add = HealthFlags::FAILED_ACTIVE_HC;
                step.events.push(Event::Ejected(failure));
                Transition::Changed
            } else {
                Transition::Pending
            };
        }
        if failure == Failure::NetworkTimeout && has_failed {
            step.add = step.add.with(HealthFlags::ACTIVE_HC_TIMEOUT);
        } else {
            step.remove = HealthFlags::ACTIVE_HC_TIMEOUT;
        }
        clear_pending(flags, step);
        if !self.was_checked || log.failures {
            step.events.push(Event::Failed(failure, !self.was_checked));
        }
    }
}

impl Failure {
    fn decides_at_once(self) -> bool {
        match self {
            Self::Active { is_retriable, .. } => !is_retriable,
            Self::Passive => true,
            Self::Network | Self::NetworkTimeout => false,
        }
    }

    /// Whether the network is to blame.
    pub(crate) fn is_of_network(self) -> bool {
        matches!(self, Self::Network | Self::NetworkTimeout)
    }
}

/// A host that waited for its first check does not any more, whatever came of it.
fn clear_pending(flags: HealthFlags, step: &mut Step) {
    if flags.contains(HealthFlags::PENDING_ACTIVE_HC) {
        step.remove = step.remove.with(HealthFlags::PENDING_ACTIVE_HC);
        step.transition = Transition::Changed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        healthy: 2,
        unhealthy: 3,
    };
    const PASSED: Outcome = Outcome::Passed { is_degraded: false };
    const DEGRADED: Outcome = Outcome::Passed { is_degraded: true };
    const NETWORK: Outcome = Outcome::Failed(Failure::Network);
    const TIMEOUT: Outcome = Outcome::Failed(Failure::NetworkTimeout);
    const SAYS_NO: Outcome = Outcome::Failed(Failure::Active {
        status: 503,
        is_retriable: false,
    });
    const RETRIABLE: Outcome = Outcome::Failed(Failure::Active {
        status: 429,
        is_retriable: true,
    });

    /// A host and its session.
    struct Checked(HealthFlags, Session, AlwaysLog);

    impl Checked {
        /// As hosts begin.
        fn new() -> Self {
            let log = AlwaysLog::default();
            Self(HealthFlags::FAILED_ACTIVE_HC, Session::default(), log)
        }

        /// After a first check that passed.
        fn healthy() -> Self {
            let mut host = Self::new();
            host.take(PASSED);
            host
        }

        fn take(&mut self, outcome: Outcome) -> Step {
            let step = self.1.take(self.0, outcome, THRESHOLDS, self.2);
            self.0 = self.0.without(step.remove).with(step.add);
            step
        }
    }

    #[test]
    fn the_first_result_decides_whichever_it_is() {
        let mut host = Checked::new();
        let step = host.take(PASSED);
        assert_eq!(step.transition, Transition::Changed);
        assert_eq!(step.events, [Event::Added(true)]);
        assert!(host.0.is_healthy());
        let mut host = Checked::new();
        let step = host.take(NETWORK);
        assert_eq!(step.transition, Transition::Unchanged);
        assert_eq!(step.events, [Event::Failed(Failure::Network, true)]);
        assert_eq!(host.take(PASSED).transition, Transition::Pending);
        assert_eq!(host.take(PASSED).events, [Event::Added(false)]);
        assert!(host.0.is_healthy());
    }

    #[test]
    fn the_network_counts_up_to_the_threshold_and_a_success_counts_anew() {
        let mut host = Checked::healthy();
        for outcome in [NETWORK, TIMEOUT, PASSED, NETWORK, NETWORK] {
            host.take(outcome);
            assert!(host.0.is_healthy());
        }
        let step = host.take(NETWORK);
        assert_eq!(step.transition, Transition::Changed);
        assert_eq!(step.events, [Event::Ejected(Failure::Network)]);
        assert_eq!(host.0.describe(), "/failed_active_hc");
    }

    #[test]
    fn a_host_that_says_no_goes_at_once_unless_its_status_is_retriable() {
        let mut host = Checked::healthy();
        assert_eq!(host.take(RETRIABLE).transition, Transition::Pending);
        assert!(host.0.is_healthy());
        assert_eq!(host.take(SAYS_NO).transition, Transition::Changed);
        assert_eq!(host.0, HealthFlags::FAILED_ACTIVE_HC);
        let mut host = Checked::healthy();
        let passive = Outcome::Failed(Failure::Passive);
        assert_eq!(host.take(passive).transition, Transition::Changed);
    }

    #[test]
    fn that_the_last_failure_was_a_timeout_is_marked_as_long_as_it_is_true() {
        let mut host = Checked::new();
        host.take(TIMEOUT);
        assert_eq!(host.0.describe(), "/failed_active_hc/active_hc_timeout");
        host.take(NETWORK);
        assert_eq!(host.0.describe(), "/failed_active_hc");
        host.take(TIMEOUT);
        host.take(PASSED);
        assert_eq!(host.0.describe(), "/failed_active_hc/active_hc_timeout");
        host.take(PASSED);
        assert!(host.0.is_healthy());
    }

    #[test]
    fn a_failure_between_successes_counts_anew() {
        let mut host = Checked::new();
        host.take(NETWORK);
        host.take(PASSED);
        host.take(NETWORK);
        assert_eq!(host.take(PASSED).transition, Transition::Pending);
        assert_eq!(host.take(PASSED).transition, Transition::Changed);
    }

    #[test]
    fn a_degraded_host_is_told_when_it_becomes_so_and_when_it_no_longer_is() {
        let mut host = Checked::healthy();
        let step = host.take(DEGRADED);
        assert_eq!(step.transition, Transition::Changed);
        assert_eq!(step.events, [Event::Degraded]);
        assert!(host.0.is_degraded());
        assert_eq!(host.take(DEGRADED).transition, Transition::Unchanged);
        let step = host.take(PASSED);
        assert_eq!(step.events, [Event::NoLongerDegraded]);
        assert!(host.0.is_healthy());
    }

    #[test]
    fn being_degraded_does_not_hurry_a_host_that_is_on_its_way_back() {
        let mut host = Checked::new();
        host.take(NETWORK);
        assert_eq!(host.take(DEGRADED).transition, Transition::Pending);
        assert!(host.0.contains(HealthFlags::DEGRADED_ACTIVE_HC));
    }

    #[test]
    fn a_host_that_waits_for_its_first_check_counts_from_then_on() {
        let mut host = Checked::new();
        host.0 = host.0.with(HealthFlags::PENDING_ACTIVE_HC);
        assert_eq!(host.take(NETWORK).transition, Transition::Changed);
        assert_eq!(host.0.describe(), "/failed_active_hc");
    }

    #[test]
    fn a_host_that_left_at_once_is_back_with_its_health() {
        let mut host = Checked::healthy();
        host.0 = host.0.with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
        host.take(SAYS_NO);
        host.take(PASSED);
        assert!(host.0.is_excluded());
        host.take(PASSED);
        assert_eq!(host.0, HealthFlags::HEALTHY);
    }

    #[test]
    fn what_changes_nothing_is_told_only_if_asked_for() {
        let mut host = Checked::healthy();
        assert_eq!(host.take(PASSED).events, []);
        assert_eq!(host.take(NETWORK).events, []);
        host.2 = AlwaysLog {
            failures: true,
            successes: true,
        };
        assert_eq!(host.take(PASSED).events, [Event::Passed]);
        let failed = Event::Failed(Failure::Network, false);
        assert_eq!(host.take(NETWORK).events, [failed]);
    }
}
