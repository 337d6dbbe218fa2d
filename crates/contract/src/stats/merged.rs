//! A histogram as the admin shows it: the workers' bins summed at the last flush, for all time
//! (cumulative) and for the time since the flush before (interval).
//!
//! Quantiles follow the rule that Envoy's output shows: the sample of rank `ceil(q * n)` in a bin of `c`
//! samples stands at `rank / (c + 1)` of the bin's width.

use super::bins;
use super::histogram::{Histogram, Unit};

/// The quantiles that Envoy prints, as shares of one.
pub const QUANTILES: [f64; 10] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0];

/// Upper bounds of the buckets that a histogram is shown with unless the configuration names others.
pub const DEFAULT_BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Counts by bin, ordered by value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bins(Vec<(u16, u64)>);

/// One bin of a histogram, for detailed output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The least value of the bin.
    pub lower_bound: f64,
    /// The distance to the next bin.
    pub width: f64,
    /// Samples in it.
    pub count: u64,
}

impl Bins {
    /// Samples in all bins.
    pub fn sample_count(&self) -> u64 {
        self.0.iter().map(|bin| bin.1).sum()
    }

    /// The approximate sum of all samples.
    pub fn sample_sum(&self, unit: Unit) -> f64 {
        let sum: f64 = self
            .0
            .iter()
            .map(|(key, count)| bins::midpoint(*key) * *count as f64)
            .sum();
        sum / unit.scale()
    }

    /// Samples in bins that start at or below `bound`, as Envoy counts a bucket.
    pub fn count_below(&self, bound: f64, unit: Unit) -> u64 {
        let bound = bound * unit.scale();
        self.0
            .iter()
            .take_while(|(key, _)| bins::lower_bound(*key) <= bound)
            .map(|bin| bin.1)
            .sum()
    }

    /// The values at [`QUANTILES`]; not-a-number where there are no samples.
    pub fn quantiles(&self, unit: Unit) -> [f64; QUANTILES.len()] {
        let total = self.sample_count() as f64;
        QUANTILES.map(|quantile| {
            let target = quantile * total;
            let mut below = 0.0;
            let mut value = f64::NAN;
            for (key, count) in &self.0 {
                let count = *count as f64;
                let rank = (target - below).ceil().clamp(1.0, count);
                value = bins::lower_bound(*key) + bins::width(*key) * rank / (count + 1.0);
                below += count;
                if below >= target {
                    break;
                }
            }
            value / unit.scale()
        })
    }

    /// The bins themselves, in the unit shown.
    pub fn iter(&self, unit: Unit) -> impl Iterator<Item = Bin> + '_ {
        self.0.iter().map(move |(key, count)| Bin {
            lower_bound: bins::lower_bound(*key) / unit.scale(),
            width: bins::width(*key) / unit.scale(),
            count: *count,
        })
    }

    fn since(&self, earlier: &Self) -> Self {
        let before = |key: u16| {
            let at = earlier.0.binary_search_by_key(&key, |bin| bin.0).ok()?;
            earlier.0.get(at).map(|bin| bin.1)
        };
        let grown = self.0.iter().filter_map(|(key, count)| {
            let more = count.saturating_sub(before(*key).unwrap_or(0));
            (more > 0).then_some((*key, more))
        });
        Self(grown.collect())
    }
}

/// A histogram summed over the workers; made at the first flush after its first value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MergedHistogram {
    /// Everything since the start.
    pub cumulative: Bins,
    /// What was recorded between the last two flushes.
    pub interval: Bins,
}

impl MergedHistogram {
    /// Merges the workers' cells into `slot`, which stays empty until one of them holds a value.
    pub(super) fn merge<'a>(
        slot: &mut Option<Box<Self>>,
        cells: impl Iterator<Item = &'a Histogram>,
    ) {
        let mut sums = Vec::new();
        for cell in cells.filter(|cell| !cell.is_empty()) {
            cell.add_to(&mut sums);
        }
        if sums.is_empty() && slot.is_none() {
            return;
        }
        let merged = slot.get_or_insert_default();
        let now = Bins(sums);
        merged.interval = now.since(&merged.cumulative);
        merged.cumulative = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(values: &[u64]) -> MergedHistogram {
        let cell = Histogram::default();
        values.iter().for_each(|value| cell.record(*value));
        let mut slot = None;
        MergedHistogram::merge(&mut slot, [&cell].into_iter());
        *slot.unwrap_or_default()
    }

    #[test]
    fn quantiles_of_eight_ones_are_spread_within_their_bin() {
        let quantiles = merged(&[1; 8]).cumulative.quantiles(Unit::Unspecified);
        let expected =
            [1.0, 2.0, 4.0, 6.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0].map(|rank| 1.0 + 0.1 * rank / 9.0);
        assert_eq!(quantiles, expected);
    }

    #[test]
    fn quantiles_of_nothing_are_not_numbers() {
        let empty = MergedHistogram::default();
        assert!(
            empty
                .cumulative
                .quantiles(Unit::Milliseconds)
                .iter()
                .all(|value| value.is_nan())
        );
    }

    #[test]
    fn a_bucket_counts_the_bin_that_starts_at_its_bound() {
        let cumulative = merged(&[0, 0, 1, 41, 43]).cumulative;
        let counts =
            [0.5, 1.0, 25.0, 50.0].map(|bound| cumulative.count_below(bound, Unit::Milliseconds));
        assert_eq!(counts, [2, 3, 3, 5]);
    }

    #[test]
    fn the_sum_takes_each_bin_at_its_midpoint_of_equal_relative_error() {
        let sum = merged(&[0, 0, 1, 41, 43])
            .cumulative
            .sample_sum(Unit::Milliseconds);
        assert!((sum - 86.035_847_824_796_72).abs() < 1e-9, "{sum}");
    }

    #[test]
    fn the_interval_holds_what_came_since_the_flush_before() {
        let cell = Histogram::default();
        let mut slot = None;
        cell.record(5);
        MergedHistogram::merge(&mut slot, [&cell].into_iter());
        cell.record(5);
        cell.record(7);
        MergedHistogram::merge(&mut slot, [&cell].into_iter());
        let counts = |slot: &Option<Box<MergedHistogram>>| {
            slot.as_ref().map(|merged| {
                (
                    merged.cumulative.sample_count(),
                    merged.interval.sample_count(),
                )
            })
        };
        assert_eq!(counts(&slot), Some((3, 2)));
        MergedHistogram::merge(&mut slot, [&cell].into_iter());
        assert_eq!(counts(&slot), Some((3, 0)), "nothing new");
    }
}
