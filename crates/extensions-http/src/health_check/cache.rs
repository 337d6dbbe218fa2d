//! The last answer to a health check, as long as it counts.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STATUS_BITS: u32 = 16;
const DEGRADED: u64 = 1 << STATUS_BITS;
const TICK_SHIFT: u32 = STATUS_BITS + 1;

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) is_degraded: bool,
}

/// What all workers remember.
pub(super) struct Cache {
    tick: Duration,
    /// When the clock began to tick.
    begin: OnceLock<Instant>,
    /// The answer and, above it, the number of its tick plus one; 0 for none.
    last: AtomicU64,
}

impl Cache {
    /// An empty one; `tick` is more than nothing.
    pub(super) fn new(tick: Duration) -> Self {
        Cache {
            tick,
            begin: OnceLock::new(),
            last: AtomicU64::new(0),
        }
    }

    pub(super) fn set(&self, answer: Answer, now: Instant) {
        let degraded = if answer.is_degraded { DEGRADED } else { 0 };
        let packed = self.tick_at(now) << TICK_SHIFT | degraded | u64::from(answer.status);
        self.last.store(packed, Ordering::Relaxed);
    }

    pub(super) fn get(&self, now: Instant) -> Option<Answer> {
        let last = self.last.load(Ordering::Relaxed);
        let status = u16::try_from(last & (DEGRADED - 1)).ok()?;
        (last >> TICK_SHIFT == self.tick_at(now)).then_some(Answer {
            status,
            is_degraded: last & DEGRADED != 0,
        })
    }

    /// Never 0.
    fn tick_at(&self, now: Instant) -> u64 {
        let begin = *self.begin.get_or_init(|| now);
        let passed = now.saturating_duration_since(begin).as_nanos();
        let ticks = passed.checked_div(self.tick.as_nanos()).unwrap_or_default();
        let most = u64::MAX >> TICK_SHIFT;
        u64::try_from(ticks)
            .unwrap_or(most)
            .saturating_add(1)
            .min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_until_the_next_tick() {
        let cache = Cache::new(Duration::from_millis(10));
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        assert_eq!(cache.get(at(0)), None);
        let answer = |status, is_degraded| Answer {
            status,
            is_degraded,
        };
        cache.set(answer(503, true), at(1));
        assert_eq!(cache.get(at(9)), Some(answer(503, true)));
        assert_eq!(cache.get(at(10)), None);
        cache.set(answer(200, false), at(19));
        assert_eq!(cache.get(at(19)), Some(answer(200, false)));
        assert_eq!(cache.get(at(20)), None);
    }
}
