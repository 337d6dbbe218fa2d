//! How fast: the pauses between streams, and how many requests are sent. Time and chance come from the caller.

use std::time::{Duration, Instant};

use nuncio_contract::config_source::RequestRate;

/// Pauses that double, of which a random share is taken.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    base: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(base: Duration, longest: Duration) -> Self {
        Backoff {
            base,
            longest,
            next: base,
        }
    }

    /// The next pause, of which `random` chooses the share; the one behind it is twice as long at most.
    pub(super) fn pause(&mut self, random: u64) -> Duration {
        let most = u64::try_from(self.next.as_millis())
            .unwrap_or(u64::MAX)
            .max(1);
        self.next = (self.next * 2).min(self.longest);
        Duration::from_millis(random % most)
    }

    /// All went well: the next pause is a short one.
    pub(super) fn reset(&mut self) {
        self.next = self.base;
    }
}

/// A bucket of tokens, of which each request takes one.
#[derive(Clone, Debug)]
pub(super) struct RequestPace {
    rate: RequestRate,
    tokens: u32,
    /// Up to when the tokens are counted.
    counted: Instant,
}

impl RequestPace {
    pub(super) fn new(rate: RequestRate, now: Instant) -> Self {
        RequestPace {
            rate,
            tokens: rate.burst.get(),
            counted: now,
        }
    }

    /// Whether a request may be sent; else when to ask again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.tokens < self.rate.burst.get() {
            let Some(next) = self.counted.checked_add(self.rate.per_request) else {
                break;
            };
            if next > now {
                break;
            }
            self.counted = next;
            self.tokens += 1;
        }
        if self.tokens == self.rate.burst.get() {
            self.counted = now;
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                Ok(())
            }
            None => {
                let longest = Duration::from_secs(3600);
                Err(self.counted + self.rate.per_request.min(longest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_millis(1500));
        let mut pause = |random| backoff.pause(random).as_millis();
        assert_eq!((pause(499), pause(999), pause(1499)), (499, 999, 1499));
        assert_eq!((pause(1499), pause(1500)), (1499, 0));
        backoff.reset();
        assert_eq!(backoff.pause(501), Duration::from_millis(1));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_by_one() {
        let start = Instant::now();
        let rate = RequestRate {
            burst: NonZeroU32::new(2).expect("it is not 0"),
            per_request: Duration::from_millis(100),
        };
        let mut pace = RequestPace::new(rate, start);
        assert!(pace.take(start).is_ok() && pace.take(start).is_ok());
        let later = start + Duration::from_millis(100);
        assert_eq!(pace.take(start), Err(later));
        assert!(pace.take(later).is_ok());
        assert!(pace.take(later).is_err());
        let much_later = start + Duration::from_secs(9);
        assert!(pace.take(much_later).is_ok() && pace.take(much_later).is_ok());
        assert!(pace.take(much_later).is_err());
    }
}
