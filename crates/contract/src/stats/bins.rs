//! The log-linear bins of a histogram: ten per cent wide at worst, that is two significant digits.
//!
//! A bin is `[m * 10^(e-1), (m+1) * 10^(e-1))` for a mantissa m of 10 to 99 and a decade e of 0 to 19; zero
//! has a bin of its own, of no width. These are the bins of Envoy's histograms, for whole numbers.

/// Mantissas in one decade: 10 to 99.
const BINS_PER_DECADE: u64 = 90;

/// Bins that 64-bit values can fall into.
#[cfg(test)]
pub(super) const BIN_COUNT: u16 = 20 * 90 + 1;

/// The key of the bin that `value` falls into. Keys are ordered as their values are.
#[inline]
pub(super) fn key_of(value: u64) -> u16 {
    // Most values are few milliseconds: no logarithm and no division for them.
    match value {
        0 => 0,
        #[expect(clippy::cast_possible_truncation, reason = "the pattern bounds it")]
        1..=9 => (value as u16) * 10 - 9,
        #[expect(clippy::cast_possible_truncation, reason = "the pattern bounds it")]
        10..=99 => (value as u16) + 81,
        _ => key_of_large(value),
    }
}

fn key_of_large(value: u64) -> u16 {
    let Some(decade) = value.checked_ilog10() else {
        return 0;
    };
    let mantissa = match decade {
        0 => value * 10,
        decade => value / 10u64.pow(decade - 1),
    };
    let key = 1 + u64::from(decade) * BINS_PER_DECADE + (mantissa - 10);
    u16::try_from(key).unwrap_or(u16::MAX)
}

/// The least value of a bin; computed in the order that Envoy computes it, so that the digits shown agree.
pub(super) fn lower_bound(key: u16) -> f64 {
    let Some(index) = key.checked_sub(1) else {
        return 0.0;
    };
    f64::from(10 + index % 90) / 10.0 * decade_scale(key)
}

/// The distance to the next bin; 0 for the bin of zero.
pub(super) fn width(key: u16) -> f64 {
    if key == 0 {
        0.0
    } else {
        decade_scale(key) / 10.0
    }
}

/// The value that stands for a bin's samples in a sum: where the relative error to either end is equal.
pub(super) fn midpoint(key: u16) -> f64 {
    let (lower, width) = (lower_bound(key), width(key));
    if width == 0.0 {
        return lower;
    }
    let upper = lower + width;
    lower + width * (lower / (lower + upper))
}

fn decade_scale(key: u16) -> f64 {
    10f64.powi(i32::from(key.saturating_sub(1) / 90))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_within_the_bounds_of_its_bin() {
        for value in [
            1, 2, 9, 10, 11, 99, 100, 101, 109, 110, 999, 1000, 12_345, 3_600_000,
        ] {
            let key = key_of(value);
            let exact = value as f64;
            assert!(lower_bound(key) <= exact * (1.0 + f64::EPSILON), "{value}");
            assert!(exact < lower_bound(key) + width(key), "{value}");
        }
    }

    #[test]
    fn the_short_way_for_small_values_leads_to_the_same_bin() {
        for value in 0..200 {
            assert_eq!(key_of(value), key_of_large(value), "{value}");
        }
    }

    #[test]
    fn keys_grow_with_values_and_stay_within_the_table() {
        let mut previous = key_of(0);
        assert_eq!(previous, 0);
        for shift in 0..64 {
            let key = key_of(1 << shift);
            assert!(key > previous);
            previous = key;
        }
        assert!(key_of(u64::MAX) < BIN_COUNT);
    }

    #[test]
    fn zero_has_a_bin_without_width() {
        assert_eq!((lower_bound(0), width(0), midpoint(0)), (0.0, 0.0, 0.0));
    }
}
