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

    /// How many tokens a fill adds, if that is said.
    pub fn tokens_per_fill(&self) -> Option<u32> {
        self.tokens_per_fill
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
            max_tokens: f64::from(self.max_tokens),
            tokens_per_second: f64::from(self.tokens_per_fill.unwrap_or(1)) / seconds,
        })
    }
}

/// What never changes of a bucket.
#[derive(Clone, Copy, Debug)]
struct Size {
    max_tokens: f64,
    tokens_per_second: f64,
}

/// Tokens a second of buckets that are as good as never filled.
const LEAST_SPEED: f64 = 1e-12;

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

    /// A full bucket that holds what comes in a second; of no speed at all there is never anything in it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody counts 2 to the power of 53 a second"
    )]
    pub fn of_a_second(tokens_per_second: u64) -> Self {
        TokenBucket::full(Size {
            max_tokens: tokens_per_second as f64,
            tokens_per_second: tokens_per_second as f64,
        })
    }

    /// A full bucket. One that nothing comes to, or not in this life, is never filled again.
    pub fn new(max_tokens: u32, tokens_per_fill: u32, fill_interval: Duration) -> Self {
        let tokens_per_second = f64::from(tokens_per_fill) / fill_interval.as_secs_f64();
        TokenBucket::full(Size {
            max_tokens: f64::from(max_tokens),
            tokens_per_second: tokens_per_second.clamp(LEAST_SPEED, f64::MAX),
        })
    }

    /// Another bucket of this size, full.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::full(self.size)
    }

    /// As full as another one is, in whole tokens.
    #[must_use]
    pub fn as_full_as(self, other: &TokenBucket, now: Instant) -> Self {
        let part = other.tokens_now(now) / other.size.max_tokens.max(1.0);
        let tokens = (self.size.max_tokens * part + ROUNDING).floor();
        let empty_at = self.seconds(now) - tokens.max(0.0) / self.size.tokens_per_second;
        self.empty_at.store(empty_at.to_bits(), Ordering::Relaxed);
        self
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

    /// Takes so many tokens if they are all there. As in Envoy, none are never there.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody counts 2 to the power of 53 at once"
    )]
    pub fn take_all(&self, wanted: u64, now: Instant) -> bool {
        if wanted == 0 {
            return false;
        }
        let now = self.seconds(now);
        let wanted = wanted as f64;
        let taken = self
            .empty_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                let tokens = self.tokens(now, f64::from_bits(empty_at));
                let left = (tokens >= wanted - ROUNDING).then_some(tokens - wanted)?;
                Some((now - left / self.size.tokens_per_second).to_bits())
            });
        taken.is_ok()
    }

    /// Gives so many tokens back, as far as there is room.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody counts 2 to the power of 53 at once"
    )]
    pub fn give_back(&self, tokens: u64, now: Instant) {
        let now = self.seconds(now);
        let _never_refused =
            self.empty_at
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                    let there = self.tokens(now, f64::from_bits(empty_at));
                    let there = (there + tokens as f64).min(self.size.max_tokens);
                    Some((now - there / self.size.tokens_per_second).to_bits())
                });
    }

    /// How many tokens come in a second.
    pub fn tokens_per_second(&self) -> f64 {
        self.size.tokens_per_second
    }

    /// Takes as many tokens as there are, and no more than `wanted`; how many it were.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between none and `wanted`"
    )]
    pub fn take_up_to(&self, wanted: u64, now: Instant) -> u64 {
        if self.size.tokens_per_second <= 0.0 {
            return 0;
        }
        let now = self.seconds(now);
        let mut taken = 0.0;
        let _never_refused =
            self.empty_at
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |empty_at| {
                    let tokens = self.tokens(now, f64::from_bits(empty_at));
                    taken = (tokens + ROUNDING).floor().clamp(0.0, wanted as f64);
                    Some((now - (tokens - taken) / self.size.tokens_per_second).to_bits())
                });
        taken as u64
    }

    /// How many tokens there are at most.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was such a number"
    )]
    pub fn max_tokens(&self) -> u32 {
        self.size.max_tokens as u32
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
        tokens.min(self.size.max_tokens)
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
            max_tokens: f64::from(max_tokens),
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
    fn as_many_are_taken_as_there_are() {
        let bucket = TokenBucket::of_a_second(1000);
        let start = Instant::now();
        assert_eq!(bucket.take_up_to(300, start), 300);
        assert_eq!(bucket.take_up_to(800, start), 700);
        assert_eq!(bucket.take_up_to(1, start), 0);
        assert_eq!(
            bucket.take_up_to(100, start + Duration::from_millis(50)),
            50
        );
        assert_eq!(
            bucket.take_up_to(9000, start + Duration::from_secs(60)),
            1000
        );
        assert_eq!(TokenBucket::of_a_second(0).take_up_to(1, start), 0);
    }

    #[test]
    fn so_many_are_taken_or_none_and_given_back_up_to_what_it_holds() {
        let bucket = bucket(3, 0.001);
        let now = Instant::now();
        assert!(!bucket.take_all(4, now));
        assert!(bucket.take_all(2, now));
        assert!(!bucket.take_all(2, now));
        assert!(!bucket.take_all(0, now), "none are never there");
        bucket.give_back(1, now);
        assert_eq!(bucket.remaining(now), 2);
        bucket.give_back(9, now);
        assert_eq!(bucket.remaining(now), 3);
    }

    #[test]
    fn parts_of_tokens_count_for_what_another_bucket_holds() {
        let now = Instant::now();
        let old = TokenBucket::new(4, 1, Duration::from_secs(2));
        assert_eq!(old.take_up_to(3, now), 3);
        let later = now + Duration::from_secs(1);
        let held = |max_tokens, old: &TokenBucket| {
            let new = TokenBucket::new(max_tokens, 1, Duration::from_secs(1000));
            new.as_full_as(old, later).remaining(later)
        };
        assert_eq!(held(40, &old), 15, "1.5 of 4");
        assert_eq!(held(2, &old), 0);
        assert_eq!(held(0, &old), 0);
        assert_eq!(held(7, &TokenBucket::new(4, 0, Duration::from_secs(1))), 7);
        assert_eq!(held(7, &TokenBucket::new(0, 1, Duration::from_secs(1))), 0);
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
