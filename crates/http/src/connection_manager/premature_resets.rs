//! Clients that open streams and have them end at once, by resetting them or by making us do it, and so have work done
//! for many more streams than may be open.
//!
//! As in Envoy a stream that lives less than two seconds and ends without an answer is premature
//! (`overload.premature_reset_min_stream_lifetime_seconds`, 1 by default: whole seconds are compared), and a connection
//! is cut off once half of its streams were, as soon as that is certain for its first 500
//! (`overload.premature_reset_total_stream_count`).

use std::cell::Cell;
use std::time::Duration;

use nuncio_config::runtime::RuntimeKey;
use nuncio_config::typed::Ctx;

/// Streams after which the share of premature ones counts.
const TOTAL_STREAMS: u64 = 500;
/// A stream that lives no longer than so many whole seconds is premature.
const MIN_LIFETIME_SECONDS: u64 = 1;

/// What the runtime says.
#[derive(Debug, Default)]
pub(crate) struct ResetLimits {
    total_streams: RuntimeKey,
    min_lifetime_seconds: RuntimeKey,
}

impl ResetLimits {
    /// The limits by their names.
    pub(super) fn named(ctx: &Ctx) -> Self {
        ResetLimits {
            total_streams: ctx
                .runtime
                .key("overload.premature_reset_total_stream_count"),
            min_lifetime_seconds: ctx
                .runtime
                .key("overload.premature_reset_min_stream_lifetime_seconds"),
        }
    }
}

/// The streams of a connection that have ended.
#[derive(Default)]
pub(crate) struct ResetTally {
    ended: Cell<u64>,
    premature: Cell<u64>,
}

impl ResetTally {
    /// Counts a stream that has ended. True if there were too many premature ones.
    pub(crate) fn count(
        &self,
        limits: &ResetLimits,
        lifetime: Duration,
        is_answered: bool,
    ) -> bool {
        self.ended.set(self.ended.get() + 1);
        if is_answered && self.premature.get() == 0 {
            return false;
        }
        let min_lifetime = limits.min_lifetime_seconds.integer(MIN_LIFETIME_SECONDS);
        if !is_answered && lifetime.as_secs() <= min_lifetime {
            self.premature.set(self.premature.get() + 1);
        }
        let total = limits.total_streams.integer(TOTAL_STREAMS);
        self.premature.get().saturating_mul(2) >= total.max(self.ended.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(1999);
    const LATER: Duration = Duration::from_secs(2);

    /// How many streams it takes until there are too many premature ones.
    fn streams_until_cut_off(streams: impl Iterator<Item = (Duration, bool)>) -> Option<usize> {
        let tally = ResetTally::default();
        let limits = ResetLimits::default();
        let mut streams = streams.take(5000);
        streams
            .position(|(lifetime, is_answered)| tally.count(&limits, lifetime, is_answered))
            .map(|before| before + 1)
    }

    #[test]
    fn a_client_that_resets_everything_is_cut_off_before_the_500th_stream() {
        let all = std::iter::repeat((AT_ONCE, false));
        assert_eq!(streams_until_cut_off(all), Some(250));
    }

    #[test]
    fn a_client_that_resets_half_of_its_streams_is_cut_off() {
        let half = (0..).map(|number| (AT_ONCE, number % 2 == 0));
        assert_eq!(streams_until_cut_off(half), Some(500));
        let after_good_ones = (0..).map(|number| (AT_ONCE, number < 1000));
        assert_eq!(streams_until_cut_off(after_good_ones), Some(2000));
    }

    #[test]
    fn who_waits_for_answers_or_is_patient_is_not() {
        let some = (0..).map(|number| (AT_ONCE, number % 5 > 1));
        assert_eq!(streams_until_cut_off(some), None);
        assert_eq!(
            streams_until_cut_off(std::iter::repeat((LATER, false))),
            None
        );
    }
}
