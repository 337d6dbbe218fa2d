//! Time, injected: what waits, measures or expires asks a [`Clock`], so that tests move time by hand.
//!
//! Monotonic time is for durations and deadlines; the wall clock is for humans and for HTTP dates alone.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

/// Where time comes from.
pub trait Clock {
    /// Monotonic time, never going back.
    fn now(&self) -> Instant;

    /// Wall-clock time.
    fn wall(&self) -> SystemTime;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until a test advances it.
#[derive(Debug)]
pub struct ManualClock {
    now: Cell<Instant>,
    wall: Cell<SystemTime>,
}

impl ManualClock {
    /// A clock whose wall time is `wall`.
    pub fn at(wall: SystemTime) -> Self {
        Self {
            now: Cell::new(Instant::now()),
            wall: Cell::new(wall),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
        self.wall.set(self.wall.get() + by);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(SystemTime::UNIX_EPOCH)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn wall(&self) -> SystemTime {
        self.wall.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_millis(250));
        assert_eq!(clock.now() - start, Duration::from_millis(250));
        assert_eq!(
            clock.wall(),
            SystemTime::UNIX_EPOCH + Duration::from_millis(250)
        );
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let first = SystemClock.now();
        assert!(SystemClock.now() >= first);
    }
}
