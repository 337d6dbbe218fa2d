//! When a thread has missed its turn: the rules, without clock and threads.

use std::time::{Duration, Instant};

/// The times of a watchdog.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Times {
    pub(super) miss: Duration,
    pub(super) mega_miss: Duration,
    /// None: never.
    pub(super) kill: Option<Duration>,
    /// None: never.
    pub(super) multi_kill: Option<Duration>,
    /// Which share of the threads must be stuck for that, two at least.
    pub(super) multi_kill_share: f64,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A thread has missed its turn.
    Miss,
    /// For long.
    MegaMiss,
    /// For too long.
    Kill,
    /// Too many have.
    MultiKill,
}

/// A thread.
pub(super) struct Watched {
    last_seen: Instant,
    /// Whether it was told of, since it was last seen.
    missed: bool,
    mega_missed: bool,
}

impl Watched {
    pub(super) fn new(now: Instant) -> Self {
        Watched {
            last_seen: now,
            missed: false,
            mega_missed: false,
        }
    }
}

impl Times {
    /// How often threads are looked at.
    pub(super) fn interval(&self) -> Duration {
        /// What is asked for more often is looked at so often.
        const SHORTEST: Duration = Duration::from_millis(1);
        let all = [
            Some(self.miss),
            Some(self.mega_miss),
            self.kill,
            self.multi_kill,
        ];
        let shortest = all.into_iter().flatten().min();
        shortest.unwrap_or(self.miss).max(SHORTEST)
    }

    /// Looks at all threads, of which `seen` tells whether they had a turn since the last look; what happened, with the
    /// number of the thread that it happened to, or of the last of them.
    pub(super) fn look(
        &self,
        threads: &mut [Watched],
        mut seen: impl FnMut(usize) -> bool,
        now: Instant,
    ) -> Vec<(Event, usize)> {
        let mut events = Vec::new();
        let mut stuck = 0_usize;
        let needed = self.needed(threads.len());
        for (number, thread) in threads.iter_mut().enumerate() {
            if seen(number) {
                *thread = Watched::new(now);
                continue;
            }
            let passed = now.saturating_duration_since(thread.last_seen);
            let is_over = |limit: Option<Duration>| limit.is_some_and(|limit| passed > limit);
            if passed > self.miss && !std::mem::replace(&mut thread.missed, true) {
                events.push((Event::Miss, number));
            }
            if passed > self.mega_miss && !std::mem::replace(&mut thread.mega_missed, true) {
                events.push((Event::MegaMiss, number));
            }
            if is_over(self.kill) {
                events.push((Event::Kill, number));
            }
            if is_over(self.multi_kill) {
                stuck += 1;
                if stuck >= needed {
                    events.push((Event::MultiKill, number));
                }
            }
        }
        events
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a number of threads"
    )]
    fn needed(&self, threads: usize) -> usize {
        let share = (self.multi_kill_share * threads as f64).ceil();
        (share as usize).max(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn times() -> Times {
        Times {
            miss: millis(200),
            mega_miss: millis(1000),
            kill: None,
            multi_kill: None,
            multi_kill_share: 0.0,
        }
    }

    fn threads(count: usize, now: Instant) -> Vec<Watched> {
        (0..count).map(|_| Watched::new(now)).collect()
    }

    #[test]
    fn a_thread_that_has_its_turns_is_never_told_of() {
        let start = Instant::now();
        let mut watched = threads(2, start);
        for turn in 1..10 {
            let events = times().look(&mut watched, |_| true, start + millis(turn * 500));
            assert_eq!(events, []);
        }
    }

    #[test]
    fn a_stuck_thread_is_told_of_once_for_each_limit_until_it_goes_on() {
        let start = Instant::now();
        let mut watched = threads(2, start);
        let mut look = |at, second_is_seen: bool| {
            let seen = |number| number == 0 || second_is_seen;
            times().look(&mut watched, seen, start + millis(at))
        };
        assert_eq!(look(200, false), []);
        assert_eq!(look(201, false), [(Event::Miss, 1)]);
        assert_eq!(look(400, false), []);
        assert_eq!(look(1001, false), [(Event::MegaMiss, 1)]);
        assert_eq!(look(5000, false), []);
        assert_eq!(look(5100, true), []);
        assert_eq!(look(5400, false), [(Event::Miss, 1)]);
    }

    #[test]
    fn one_kills_by_itself_and_several_by_their_share() {
        let start = Instant::now();
        let mut kills = times();
        kills.kill = Some(millis(3000));
        let mut watched = threads(1, start);
        let events = kills.look(&mut watched, |_| false, start + millis(3001));
        assert!(events.contains(&(Event::Kill, 0)));
        let mut several = times();
        several.multi_kill = Some(millis(100));
        several.multi_kill_share = 0.5;
        let stuck = |count: usize| {
            let mut watched = threads(8, start);
            several.look(&mut watched, |number| number >= count, start + millis(101))
        };
        assert_eq!(stuck(3), []);
        assert_eq!(stuck(4), [(Event::MultiKill, 3)]);
    }

    #[test]
    fn two_at_least_are_several() {
        let start = Instant::now();
        let mut several = times();
        several.multi_kill = Some(millis(100));
        let mut watched = threads(8, start);
        let events = several.look(&mut watched, |number| number > 0, start + millis(101));
        assert_eq!(events, []);
    }

    #[test]
    fn threads_are_looked_at_as_often_as_the_nearest_limit() {
        assert_eq!(times().interval(), millis(200));
        let mut kills = times();
        kills.kill = Some(millis(50));
        assert_eq!(kills.interval(), millis(50));
        kills.multi_kill = Some(Duration::ZERO);
        assert_eq!(kills.interval(), millis(1));
    }
}
