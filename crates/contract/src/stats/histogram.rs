//! The histogram cell: a worker counts values into sparse log-linear bins, the store merges the workers'.
//!
//! Nothing is allocated before the first value; a histogram whose values fall into up to eight bins takes
//! about 100 bytes a worker, at the very most 40 KiB.

use super::bins;
use super::sparse::SparseCounts;

/// What a histogram's values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Plain numbers.
    Unspecified,
    /// Bytes.
    Bytes,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Shares of one, recorded as millionths: 1,000,000 is 100 %.
    Percent,
}

impl Unit {
    /// What recorded values are divided by when shown.
    pub fn scale(self) -> f64 {
        if self == Self::Percent {
            1_000_000.0
        } else {
            1.0
        }
    }
}

/// One worker's histogram.
#[derive(Debug, Default)]
pub struct Histogram(SparseCounts);

impl Histogram {
    /// Counts one value, in the unit that the histogram was declared with.
    #[inline]
    pub fn record(&self, value: u64) {
        self.0.add(bins::key_of(value), 1);
    }

    /// True if no value was ever recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds this cell's bins to `sums`, which is ordered by key.
    pub(super) fn add_to(&self, sums: &mut Vec<(u16, u64)>) {
        self.0.for_each(|key, count| {
            match sums.binary_search_by_key(&key, |bin| bin.0) {
                Ok(at) => {
                    if let Some(bin) = sums.get_mut(at) {
                        bin.1 = bin.1.saturating_add(count);
                    }
                }
                Err(at) => sums.insert(at, (key, count)),
            };
        });
    }

    pub(super) fn absorb(&self, other: &Self) {
        other.0.for_each(|key, count| self.0.add(key, count));
    }
}
