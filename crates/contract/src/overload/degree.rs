//! How far something has gone: from 0, not at all, to 1, saturated.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

/// A number from 0 to 1 that one thread sets and all read.
#[derive(Debug, Default)]
pub struct Degree(AtomicU32);

impl Degree {
    /// Sets it; what is beyond 0 and 1 is taken for them.
    pub fn set(&self, value: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the nearest number of 32 bits is meant"
        )]
        let value = value.clamp(0.0, 1.0) as f32;
        self.0.store(value.to_bits(), Relaxed);
    }

    /// How far.
    #[inline]
    pub fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Relaxed))
    }

    /// Whether it is all the way.
    pub fn is_saturated(&self) -> bool {
        self.get() >= 1.0
    }

    /// Whether chance has it that this time is of the share; `random` is asked for a number only between none and all.
    pub fn falls_on(&self, random: impl FnOnce() -> u64) -> bool {
        /// Bits of a random number that are compared.
        const BITS: u32 = 24;
        let share = self.get();
        if share <= 0.0 || share >= 1.0 {
            return share >= 1.0;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "24 bits are exact in a number of 32"
        )]
        let point = (random() >> (u64::BITS - BITS)) as f32;
        #[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
        let whole = (1_u32 << BITS) as f32;
        point < share * whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn falls_on(value: f64, random: u64) -> bool {
        let degree = Degree::default();
        degree.set(value);
        degree.falls_on(|| random)
    }

    #[test]
    fn nothing_falls_on_none_and_everything_on_all() {
        assert!(!falls_on(0.0, 0));
        assert!(falls_on(1.0, u64::MAX));
        assert!(falls_on(7.0, u64::MAX), "more than all is all");
    }

    #[test]
    fn a_quarter_is_the_lowest_quarter_of_chance() {
        assert!(falls_on(0.25, u64::MAX / 4 - (1 << 41)));
        assert!(!falls_on(0.25, u64::MAX / 4 + 1));
    }
}
