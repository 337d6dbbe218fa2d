//! Token buckets that threads share without a lock: `envoy.type.v3.TokenBucket`, compiled.
//!
//! As in Envoy, a bucket is one number, the moment at which it would have been empty had nobody taken anything since;
//! it fills steadily, at `tokens_per_fill` each `fill_interval`, up to `max_tokens`, and is full at first. Taking a
//! token moves the moment by an exchange that is tried again if another thread was faster.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nuncio_config::message;

message! {
    /// A bucket's size and speed.
    pub struct TokenBucketMessage: "envoy.type.v3.TokenBucket" {
        pub(crate) max_tokens: u32,
        pub(crate) tokens_per_fill: Option<u32>,
        pub(crate) fill_interval: Duration,
    }
}

impl TokenBucketMessage {
    /// How many tokens there are at most.
    pub fn max_tokens(&self) -> u32 {
        self.max_tokens
    }

    /// How long a fill takes.
    pub fn fill_interval(&self) -> Duration {
        self.fill_interval
    }

    /// A full bucket.
    pub fn bucket(&self) -> TokenBucket {
        let interval_ms = u32::try_from(self.fill_interval.as_millis()).unwrap_or(u32::MAX);
        let seconds = f64::from(interval_ms.max(1)) / 1000.0;
        TokenBucket::full(Size {
            max_tokens: self.max_tokens,
            tokens_per_second: f64::from(self.tokens_per_fill.unwrap_or(1)) / seconds,
        })
    }
}

/// What never changes of a bucket.
#[derive(Clone, Copy, Debug)]
struct Size {
    max_tokens: u32,
    tokens_per_second: f64,
}

/// What is lost of a token by rounding, and more.
const ROUNDING: f64 = 1e-9;

/// A bucket.
#[derive(Debug)]
pub struct TokenBucket {
    size: Size,
    /// What moments are counted from.
    begin: OnceLock<Instant>,
    /// The bits of the moment in seconds.
    empty_at: AtomicU64,
}

impl TokenBucket {
    fn full(size: Size) -> Self {
        TokenBucket {
            size,
            begin: OnceLock::new(),
            empty_at: AtomicU64::new(f64::NEG_INFINITY.to_bits()),
        }
    }

    /// Another bucket of this size, full.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::full(self.size)
    }

    /// Takes a token if there is one.
    pub fn take(&self, now: Instant) -> bool {
        let now = self.seconds(now);
        let taken = self
            .empty_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                let tokens = self.tokens(now, f64::from_bits(empty_at));
                let left = (tokens >= 1.0 - ROUNDING).then_some(tokens - 1.0)?;
                Some((now - left / self.size.tokens_per_second).to_bits())
            });
        taken.is_ok()
    }

    /// How many tokens there are at most.
    pub fn max_tokens(&self) -> u32 {
        self.size.max_tokens
    }

    /// How many whole tokens there are.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most `max_tokens`, and less than none is none"
    )]
    pub fn remaining(&self, now: Instant) -> u32 {
        (self.tokens_now(now) + ROUNDING) as u32
    }

    /// In how many seconds, rounded up, there is one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is too much becomes the most there is"
    )]
    pub fn seconds_to_next(&self, now: Instant) -> u64 {
        let tokens = self.tokens_now(now);
        if tokens >= 1.0 - ROUNDING {
            return 0;
        }
        let milliseconds = ((1.0 - tokens) / self.size.tokens_per_second * 1000.0) as u64;
        milliseconds.div_ceil(1000)
    }

    fn tokens_now(&self, now: Instant) -> f64 {
        let empty_at = f64::from_bits(self.empty_at.load(Ordering::Relaxed));
        self.tokens(self.seconds(now), empty_at)
    }

    fn tokens(&self, now: f64, empty_at: f64) -> f64 {
        let tokens = (now - empty_at) * self.size.tokens_per_second;
        tokens.min(f64::from(self.size.max_tokens))
    }

    fn seconds(&self, now: Instant) -> f64 {
        let begin = self.begin.get_or_init(|| now);
        now.saturating_duration_since(*begin).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(max_tokens: u32, tokens_per_second: f64) -> TokenBucket {
        TokenBucket::full(Size {
            max_tokens,
            tokens_per_second,
        })
    }

    #[test]
    fn it_is_full_at_first_and_fills_steadily() {
        let bucket = bucket(2, 0.5);
        let start = Instant::now();
        let later = |seconds: u64| start + Duration::from_millis(seconds * 1000 + 1);
        assert_eq!(
            (bucket.remaining(start), bucket.seconds_to_next(start)),
            (2, 0)
        );
        assert!(bucket.take(start));
        assert!(bucket.take(start));
        assert!(!bucket.take(start));
        assert_eq!(
            (bucket.remaining(start), bucket.seconds_to_next(start)),
            (0, 2)
        );
        assert!(!bucket.take(later(1)));
        assert_eq!(bucket.seconds_to_next(later(1)), 1);
        assert!(bucket.take(later(2)));
        assert!(!bucket.take(later(2)));
        assert_eq!(bucket.remaining(later(1000)), 2, "it holds no more");
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let bucket = bucket(1000, 1e-9);
        let now = Instant::now();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..500).filter(|_| bucket.take(now)).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("it counts"))
                .sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn another_one_is_full_whatever_was_taken() {
        let first = bucket(1, 1.0);
        let now = Instant::now();
        assert!(first.take(now));
        assert!(!first.take(now));
        assert!(first.another().take(now));
    }
}
