//! What several checks of one host come to: it is healthy if it passes all, degraded if one of them says so.
//!
//! Each check has flags of its own and goes by them alone; nothing is done with the host before all had a first result.

use crate::host::HealthFlags;

/// What checks find out of a host.
const OF_CHECKS: HealthFlags = HealthFlags::FAILED_ACTIVE_HC
    .with(HealthFlags::DEGRADED_ACTIVE_HC)
    .with(HealthFlags::PENDING_ACTIVE_HC)
    .with(HealthFlags::ACTIVE_HC_TIMEOUT)
    .with(HealthFlags::EXCLUDED_VIA_IMMEDIATE_HC_FAIL);
/// What load balancers have to know of at once.
const TOLD: HealthFlags = HealthFlags::FAILED_ACTIVE_HC
    .with(HealthFlags::DEGRADED_ACTIVE_HC)
    .with(HealthFlags::PENDING_ACTIVE_HC);

/// The flags of one host, check by check.
#[derive(Debug)]
pub(crate) struct Combined {
    checks: Box<[OneCheck]>,
}

#[derive(Clone, Copy, Debug)]
struct OneCheck {
    flags: HealthFlags,
    has_reported: bool,
}

/// What is to be done with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Reasons that come.
    pub(crate) add: HealthFlags,
    /// Reasons that go.
    pub(crate) remove: HealthFlags,
    /// Whether it passes all.
    pub(crate) passed: bool,
    /// Whether load balancers must know.
    pub(crate) changed: bool,
}

impl Combined {
    /// A host with these flags, which all its checks begin with.
    pub(crate) fn new(checks: usize, host: HealthFlags) -> Self {
        let check = OneCheck {
            flags: host.without(host.without(OF_CHECKS)),
            has_reported: false,
        };
        Self {
            checks: vec![check; checks].into(),
        }
    }

    /// The flags of one check.
    pub(crate) fn flags(&self, check: usize) -> HealthFlags {
        let check = self.checks.get(check);
        check.map_or(HealthFlags::HEALTHY, |check| check.flags)
    }

    /// Changes the flags of one check.
    pub(crate) fn change(&mut self, check: usize, add: HealthFlags, remove: HealthFlags) {
        if let Some(check) = self.checks.get_mut(check) {
            check.flags = check.flags.without(remove).with(add);
        }
    }

    /// Whether each check had a result.
    pub(crate) fn all_have_reported(&self) -> bool {
        self.checks.iter().all(|check| check.has_reported)
    }

    /// A check had a result: what that comes to for a `host` with these flags, once all have one.
    pub(crate) fn report(&mut self, check: usize, host: HealthFlags) -> Option<Sum> {
        self.checks.get_mut(check)?.has_reported = true;
        if !self.all_have_reported() {
            return None;
        }
        let flags = self.checks.iter().map(|check| check.flags);
        let all = flags.fold(HealthFlags::HEALTHY, HealthFlags::with);
        let told = |flags: HealthFlags| flags.without(flags.without(TOLD));
        Some(Sum {
            add: all,
            remove: OF_CHECKS.without(all),
            passed: !all.contains(HealthFlags::FAILED_ACTIVE_HC),
            changed: told(host) != told(all),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: HealthFlags = HealthFlags::FAILED_ACTIVE_HC;
    const NONE: HealthFlags = HealthFlags::HEALTHY;

    #[test]
    fn nothing_comes_of_a_host_before_all_checks_had_a_result() {
        let mut combined = Combined::new(2, FAILED);
        combined.change(0, NONE, FAILED);
        assert_eq!(combined.report(0, FAILED), None);
        assert_eq!(combined.report(0, FAILED), None);
        combined.change(1, NONE, FAILED);
        let sum = combined.report(1, FAILED).expect("both have reported");
        assert!(sum.passed && sum.changed && sum.remove.contains(FAILED));
    }

    #[test]
    fn one_that_fails_is_enough_and_the_others_keep_their_own_count() {
        let mut combined = Combined::new(2, NONE);
        combined.report(0, NONE);
        combined.change(1, FAILED, NONE);
        let sum = combined.report(1, NONE).expect("both have reported");
        assert!(!sum.passed && sum.changed);
        assert_eq!(sum.add, FAILED);
        assert_eq!(combined.flags(0), NONE);
        let again = combined.report(0, FAILED).expect("both have reported");
        assert!(!again.passed && !again.changed);
    }

    #[test]
    fn what_others_say_of_the_host_is_neither_taken_nor_given_back() {
        let ejected = FAILED.with(HealthFlags::FAILED_OUTLIER_CHECK);
        let mut combined = Combined::new(1, ejected);
        assert_eq!(combined.flags(0), FAILED);
        combined.change(0, NONE, FAILED);
        let sum = combined.report(0, ejected).expect("it has reported");
        assert!(!sum.remove.contains(HealthFlags::FAILED_OUTLIER_CHECK));
        assert!(sum.changed);
    }

    #[test]
    fn a_timeout_is_marked_but_changes_nothing() {
        let mut combined = Combined::new(1, FAILED);
        combined.change(0, HealthFlags::ACTIVE_HC_TIMEOUT, NONE);
        let sum = combined.report(0, FAILED).expect("it has reported");
        assert!(!sum.changed && sum.add.contains(HealthFlags::ACTIVE_HC_TIMEOUT));
    }
}
