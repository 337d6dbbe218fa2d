//! `update_merge_window`: which changes of hosts' health reach the load balancers at once, and which wait for others.
//!
//! A change after a quiet time takes effect at once. One within the window (1 s) after the change before it waits until
//! a window has passed, together with those that come meanwhile; hosts that come or go take all of them along. As in
//! Envoy, a window of zero has no change wait. Different from Envoy: the priorities of a cluster share one window, and
//! it does not begin when hosts come or go.

use std::time::{Duration, Instant};

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// It takes effect now.
    Effect,
    /// It takes effect after this time, which somebody has to wait for.
    Effects(Duration),
    /// It takes effect with one that somebody waits for already.
    Part,
}

/// The window of a cluster.
#[derive(Debug)]
pub(super) struct MergeWindow {
    window: Duration,
    last: Option<Instant>,
    waiting: bool,
}

impl MergeWindow {
    /// No change has been yet.
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            last: None,
            waiting: false,
        }
    }

    /// The health of a host has changed.
    pub(super) fn change(&mut self, now: Instant) -> Takes {
        let is_quiet = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) > self.window);
        if self.window.is_zero() || (is_quiet && !self.waiting) {
            self.last = Some(now);
            return Takes::Effect;
        }
        if std::mem::replace(&mut self.waiting, true) {
            return Takes::Part;
        }
        Takes::Effects(self.window)
    }

    /// Hosts have come or gone; true if changes waited, which take effect with them.
    pub(super) fn replaced(&mut self) -> bool {
        std::mem::take(&mut self.waiting)
    }

    /// The time that was waited for is over; false if what waited took effect before.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let waited = std::mem::take(&mut self.waiting);
        if waited {
            self.last = Some(now);
        }
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_change_soon_after_another_waits_and_takes_others_along() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut window = MergeWindow::new(SECOND);
        assert_eq!(window.change(start), Takes::Effect);
        assert_eq!(window.change(after(300)), Takes::Effects(SECOND));
        assert_eq!(window.change(after(900)), Takes::Part);
        assert!(window.is_over(after(1300)));
        assert_eq!(window.change(after(1400)), Takes::Effects(SECOND));
        assert!(window.is_over(after(2400)));
        assert_eq!(window.change(after(3500)), Takes::Effect);
    }

    #[test]
    fn hosts_that_come_take_waiting_changes_along() {
        let start = Instant::now();
        let mut window = MergeWindow::new(SECOND);
        assert!(!window.replaced());
        assert_eq!(window.change(start), Takes::Effect);
        assert_eq!(window.change(start), Takes::Effects(SECOND));
        assert!(window.replaced());
        assert!(!window.is_over(start + SECOND));
    }

    #[test]
    fn without_a_window_no_change_waits() {
        let start = Instant::now();
        let mut window = MergeWindow::new(Duration::ZERO);
        assert_eq!(window.change(start), Takes::Effect);
        assert_eq!(window.change(start), Takes::Effect);
    }
}
