//! How many requests there were in the last while, for retry budgets with an interval.
//!
//! Ten slots, as in Envoy: a slot is forgotten when the last of nine that follow it is over. Behind a lock, which only
//! clusters with such a budget take.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SLOTS: usize = 10;

/// Requests by the slot of time in which they came.
#[derive(Debug)]
pub(super) struct RecentRequests {
    slot: Duration,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    slots: [u64; SLOTS],
    now: usize,
    began: Option<Instant>,
}

impl RecentRequests {
    pub(super) fn new(interval: Duration) -> Self {
        let slot_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) / SLOTS as u64;
        Self {
            slot: Duration::from_millis(slot_ms.max(1)),
            counts: Mutex::default(),
        }
    }

    /// Counts a request.
    pub(super) fn note(&self, now: Instant) {
        self.with(now, |counts| {
            if let Some(count) = counts.slots.get_mut(counts.now) {
                *count += 1;
            }
        });
    }

    /// How many there were.
    pub(super) fn count(&self, now: Instant) -> u64 {
        self.with(now, |counts| counts.slots.iter().sum())
    }

    fn with<T>(&self, now: Instant, run: impl FnOnce(&mut Counts) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.turn_to(now, self.slot);
        run(&mut counts)
    }
}

impl Counts {
    fn turn_to(&mut self, now: Instant, slot: Duration) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_millis() / slot.as_millis().max(1);
        if passed >= SLOTS as u128 {
            self.slots = [0; SLOTS];
            self.began = Some(now);
            return;
        }
        let passed = u32::try_from(passed).unwrap_or(0);
        for _ in 0..passed {
            self.now = (self.now + 1) % SLOTS;
            if let Some(count) = self.slots.get_mut(self.now) {
                *count = 0;
            }
        }
        self.began = Some(began + slot * passed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_for_the_interval_and_no_longer() {
        let recent = RecentRequests::new(Duration::from_secs(10));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        recent.note(at(0));
        recent.note(at(0));
        recent.note(at(4));
        assert_eq!(recent.count(at(9)), 3);
        assert_eq!(
            recent.count(at(10)),
            1,
            "those of the first second are over"
        );
        assert_eq!(recent.count(at(14)), 0);
        recent.note(at(100));
        assert_eq!(recent.count(at(100)), 1);
    }
}
