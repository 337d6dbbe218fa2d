//! Time, injected: what waits, measures or expires asks a [`Clock`], so that tests move time by hand.
//!
//! Monotonic time is for durations and deadlines; the wall clock is for humans and for HTTP dates alone.

use std::cell::Cell;
use std::rc::Rc;
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

/// For how long the wall clock is reckoned from the monotonic one before it is asked again.
const RECKONED_FOR: Duration = Duration::from_millis(10);

/// One moment on both clocks, from which the wall time of others is reckoned.
#[derive(Clone, Copy, Debug)]
pub struct WallAnchor {
    at: Instant,
    wall: SystemTime,
}

impl WallAnchor {
    /// `at` was `wall`.
    pub fn new(at: Instant, wall: SystemTime) -> Self {
        Self { at, wall }
    }

    /// The wall time of `then`, which is not before the anchor.
    #[inline]
    pub fn wall_at(&self, then: Instant) -> SystemTime {
        self.wall + then.saturating_duration_since(self.at)
    }
}

/// A clock that is asked once for each step of a worker: within [`HeldClock::hold`] time stands still. The wall clock
/// follows the monotonic one, and a jump of it within 10 ms.
///
/// Reading the machine's clock costs tens of nanoseconds, and one step of a request asks many times.
pub struct HeldClock {
    inner: Rc<dyn Clock>,
    now: Cell<Option<Instant>>,
    /// What the wall clock said, and until when that will do.
    anchor: Cell<Option<(WallAnchor, Instant)>>,
    depth: Cell<u32>,
}

impl HeldClock {
    /// A clock that goes as `inner` does between the steps.
    pub fn new(inner: Rc<dyn Clock>) -> Self {
        Self {
            inner,
            now: Cell::new(None),
            anchor: Cell::new(None),
            depth: Cell::new(0),
        }
    }

    /// From what the wall time of the next 10 ms is reckoned.
    #[inline]
    pub fn anchor(&self) -> WallAnchor {
        let now = self.now();
        match self.anchor.get() {
            Some((anchor, until)) if now < until => anchor,
            _ => self.drop_anchor(now),
        }
    }

    #[cold]
    fn drop_anchor(&self, now: Instant) -> WallAnchor {
        let anchor = WallAnchor::new(now, self.inner.wall());
        self.anchor.set(Some((anchor, now + RECKONED_FOR)));
        anchor
    }

    /// Runs one step, which must be short and must not wait.
    #[inline]
    pub fn hold<T>(&self, step: impl FnOnce() -> T) -> T {
        let _release = Hold::begin(self);
        step()
    }
}

/// Lets go of the time at the end of a step, also when it panics.
struct Hold<'a>(&'a HeldClock);

impl<'a> Hold<'a> {
    fn begin(clock: &'a HeldClock) -> Self {
        clock.depth.set(clock.depth.get() + 1);
        Self(clock)
    }
}

impl Drop for Hold<'_> {
    #[inline]
    fn drop(&mut self) {
        let depth = self.0.depth.get() - 1;
        self.0.depth.set(depth);
        if depth == 0 {
            self.0.now.set(None);
        }
    }
}

impl Clock for HeldClock {
    #[inline]
    fn now(&self) -> Instant {
        if let Some(now) = self.now.get() {
            return now;
        }
        let now = self.inner.now();
        if self.depth.get() > 0 {
            self.now.set(Some(now));
        }
        now
    }

    #[inline]
    fn wall(&self) -> SystemTime {
        self.anchor().wall_at(self.now())
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
    fn a_held_clock_stands_still_within_a_step_and_goes_on_between_steps() {
        let inner = Rc::new(ManualClock::default());
        let held = HeldClock::new(Rc::clone(&inner) as Rc<dyn Clock>);
        let second = Duration::from_secs(1);
        let start = held.now();
        held.hold(|| {
            assert_eq!(held.now(), start);
            inner.advance(second);
            held.hold(|| assert_eq!(held.now(), start));
            assert_eq!(
                held.now(),
                start,
                "an inner step does not end the outer one"
            );
        });
        assert_eq!(held.now(), start + second);
        inner.advance(second);
        assert_eq!(held.now(), start + 2 * second);
        assert_eq!(held.wall(), SystemTime::UNIX_EPOCH + 2 * second);
    }

    #[test]
    fn the_wall_clock_is_reckoned_and_follows_a_jump() {
        /// A wall clock that can be put forward, and that counts how often it is asked.
        struct Jumping(ManualClock, Cell<Duration>, Cell<u32>);
        impl Clock for Jumping {
            fn now(&self) -> Instant {
                self.0.now()
            }
            fn wall(&self) -> SystemTime {
                self.2.set(self.2.get() + 1);
                self.0.wall() + self.1.get()
            }
        }
        let hour = Duration::from_secs(3600);
        let inner = Rc::new(Jumping(
            ManualClock::default(),
            Cell::default(),
            Cell::default(),
        ));
        let held = HeldClock::new(Rc::clone(&inner) as Rc<dyn Clock>);
        assert_eq!(held.wall(), SystemTime::UNIX_EPOCH);
        inner.0.advance(RECKONED_FOR / 2);
        inner.1.set(hour);
        assert_eq!(held.wall(), SystemTime::UNIX_EPOCH + RECKONED_FOR / 2);
        assert_eq!(inner.2.get(), 1);
        inner.0.advance(RECKONED_FOR / 2);
        assert_eq!(held.wall(), SystemTime::UNIX_EPOCH + hour + RECKONED_FOR);
    }

    #[test]
    fn the_system_clock_does_not_go_back() {
        let first = SystemClock.now();
        assert!(SystemClock.now() >= first);
    }
}
