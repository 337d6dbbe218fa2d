//! The histogram cell: a worker counts values into sparse log-linear bins, the store merges the workers'.
//!
//! Nothing is allocated before the first value; a histogram whose values fall into up to eight bins takes
//! about 100 bytes a worker, at the very most 40 KiB.

use std::sync::OnceLock;

use super::bins;
use super::samples::Teller;
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
pub struct Histogram {
    /// Stays empty where values are told one by one.
    counts: SparseCounts,
    told: OnceLock<Box<Told>>,
}

/// The bins of a histogram whose values are told.
#[derive(Debug)]
struct Told {
    counts: SparseCounts,
    teller: Teller,
}

impl Histogram {
    /// Counts one value, in the unit that the histogram was declared with.
    #[inline]
    pub fn record(&self, value: u64) {
        if !self.counts.add_if_begun(bins::key_of(value), 1) {
            self.record_first(value);
        }
    }

    /// The first value, or any that is told.
    #[cold]
    fn record_first(&self, value: u64) {
        match self.told.get() {
            None => self.counts.add(bins::key_of(value), 1),
            Some(told) => {
                told.counts.add(bins::key_of(value), 1);
                told.teller.tell(value);
            }
        }
    }

    /// From now on values are told; before the first of them.
    pub(super) fn tell(&self, teller: Teller) {
        let counts = SparseCounts::default();
        let _only_the_first_counts = self.told.set(Box::new(Told { counts, teller }));
    }

    /// True if no value was ever recorded.
    pub(super) fn is_empty(&self) -> bool {
        self.counts().all(SparseCounts::is_empty)
    }

    /// Adds this cell's bins to `sums`, which is ordered by key.
    pub(super) fn add_to(&self, sums: &mut Vec<(u16, u64)>) {
        for counts in self.counts() {
            counts.for_each(|key, count| {
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
    }

    pub(super) fn absorb(&self, other: &Self) {
        for counts in other.counts() {
            counts.for_each(|key, count| self.counts.add(key, count));
        }
    }

    fn counts(&self) -> impl Iterator<Item = &SparseCounts> {
        let told = self.told.get().map(|told| &told.counts);
        std::iter::once(&self.counts).chain(told)
    }
}
