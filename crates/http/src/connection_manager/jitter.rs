//! Times that are longer for some connections than for others, so that not all of them end at once.
//!
//! Follows `drain_timeout_jitter` and `max_connection_duration_jitter`; none by default.

use std::time::Duration;

use crate::config::tracing::Percent;

/// By what part of itself, from 0 to 1, a time is longer at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jitter(f64);

impl Jitter {
    pub(super) fn of(percent: Option<&Percent>) -> Self {
        Jitter(percent.map_or(0.0, |percent| percent.value / 100.0))
    }

    /// How much longer it is by this random number, which is only asked for where it matters.
    pub(super) fn extra(self, whole: Duration, random: impl FnOnce() -> u64) -> Duration {
        let most = whole.mul_f64(self.0.clamp(0.0, 1.0));
        let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        match most_ms {
            0 => Duration::ZERO,
            most_ms => Duration::from_millis(random() % most_ms.saturating_add(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn jitter(value: f64) -> Jitter {
        Jitter(value / 100.0)
    }

    #[test]
    fn no_jitter_asks_for_no_random_number() {
        let nobody = || panic!("asked");
        assert_eq!(jitter(0.0).extra(SECOND, nobody), Duration::ZERO);
        assert_eq!(jitter(50.0).extra(Duration::ZERO, nobody), Duration::ZERO);
    }

    #[test]
    fn a_time_is_longer_by_up_to_its_part() {
        let extra = |random| jitter(50.0).extra(SECOND, || random).as_millis();
        assert_eq!([extra(0), extra(500), extra(501)], [0, 500, 0]);
        assert_eq!(
            jitter(100.0).extra(SECOND, || 1000),
            SECOND,
            "as long again at most"
        );
    }
}
