//! The times between tries, by chance, so that those who failed together do not come back together.

use std::time::Duration;

/// Waits that grow: each is anything below its interval, which doubles up to a limit.
#[derive(Clone, Copy, Debug)]
pub struct BackOff {
    next_ms: u64,
    max_ms: u64,
}

impl BackOff {
    /// From `base` on; ten times of it at most, unless `max` says otherwise.
    pub fn new(base: Duration, max: Option<Duration>) -> Self {
        let base_ms = milliseconds(base);
        let max_ms = max.map_or(base_ms.saturating_mul(10), milliseconds);
        Self {
            next_ms: base_ms,
            max_ms: max_ms.max(base_ms),
        }
    }

    /// The next wait.
    pub fn next(&mut self, random: u64) -> Duration {
        let interval_ms = self.next_ms;
        self.next_ms = match interval_ms < self.max_ms / 2 {
            true => interval_ms * 2,
            false => self.max_ms,
        };
        Duration::from_millis(random.checked_rem(interval_ms).unwrap_or(0))
    }
}

/// The wait that a host has asked for, and up to half as much again.
pub fn after_at_least(asked: Duration, random: u64) -> Duration {
    let asked_ms = milliseconds(asked);
    Duration::from_millis(asked_ms.saturating_add(random.checked_rem(asked_ms / 2).unwrap_or(0)))
}

/// At least one.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
