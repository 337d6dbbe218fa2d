//! Native histograms of Prometheus: buckets whose bounds grow by a factor that a schema names, of which those
//! alone are told that hold samples.
//!
//! Bucket i holds what is above base^(i-1) and not above base^i.
//! Bins are 90 to a decade. The finest schema that is used is 4 (16 buckets to a doubling), the coarsest -4; it is
//! the finest that keeps to the limit of buckets, as in Envoy.

use std::collections::BTreeSet;

use nuncio_contract::stats::{Bins, Unit};

const FINEST_SCHEMA: i8 = 4;
const COARSEST_SCHEMA: i8 = -4;
/// Of a histogram without samples.
const EMPTY_SCHEMA: i8 = 3;
/// What is below counts as zero: values are whole numbers.
const ZERO_THRESHOLD: f64 = 0.5;

/// What is told of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NativeHistogram {
    pub(super) schema: i8,
    /// None without samples.
    pub(super) zero_threshold: Option<f64>,
    pub(super) zero_count: u64,
    /// How many buckets are left out before each run of them, and how many follow; for the first run its bucket.
    pub(super) spans: Vec<(i32, u32)>,
    /// Each bucket's count, as what it is more than the one before.
    pub(super) deltas: Vec<i64>,
}

impl NativeHistogram {
    /// Of bins, in as many buckets as a limit allows.
    pub(super) fn of(bins: &Bins, unit: Unit, max_buckets: usize) -> Self {
        if bins.sample_count() == 0 {
            return Self {
                schema: EMPTY_SCHEMA,
                zero_threshold: None,
                zero_count: 0,
                // It tells that the histogram is a native one.
                spans: vec![(0, 0)],
                deltas: Vec::new(),
            };
        }
        let threshold = ZERO_THRESHOLD / unit.scale();
        let (schema, buckets) = choose(bins, unit, threshold, max_buckets);
        let mut native = Self {
            schema,
            zero_threshold: Some(threshold),
            zero_count: bins.count_below(threshold, unit),
            spans: Vec::new(),
            deltas: Vec::new(),
        };
        native.fill(bins, unit, &buckets);
        native
    }

    fn fill(&mut self, bins: &Bins, unit: Unit, buckets: &BTreeSet<i32>) {
        let base = base(self.schema);
        let mut below = self.zero_count;
        let mut before: Option<(i32, u64)> = None;
        for bucket in buckets {
            let cumulative = bins.count_below(base.powf(f64::from(*bucket)), unit);
            let count = cumulative.saturating_sub(below);
            below = cumulative.max(below);
            if count == 0 {
                continue;
            }
            let skipped = before.map_or(*bucket, |(last, _)| bucket - last - 1);
            match self.spans.last_mut() {
                Some((_, length)) if skipped == 0 => *length += 1,
                _ => self.spans.push((skipped, 1)),
            }
            let last = before.map_or(0, |(_, count)| count);
            let delta = i128::from(count) - i128::from(last);
            self.deltas.push(i64::try_from(delta).unwrap_or(i64::MAX));
            before = Some((*bucket, count));
        }
    }
}

/// The factor from one bound to the next.
fn base(schema: i8) -> f64 {
    2f64.powf(2f64.powf(f64::from(-schema)))
}

/// The finest schema whose buckets keep to a limit, or the coarsest, and its buckets.
fn choose(bins: &Bins, unit: Unit, threshold: f64, max: usize) -> (i8, BTreeSet<i32>) {
    let mut schema = FINEST_SCHEMA;
    loop {
        let limit = if schema == COARSEST_SCHEMA {
            usize::MAX
        } else {
            max
        };
        match buckets(bins, unit, threshold, schema, limit) {
            Some(buckets) => return (schema, buckets),
            None => schema -= 1,
        }
    }
}

/// The buckets that any bin reaches into; none if they are more than `max`.
fn buckets(
    bins: &Bins,
    unit: Unit,
    threshold: f64,
    schema: i8,
    max: usize,
) -> Option<BTreeSet<i32>> {
    let log_base = base(schema).ln();
    let mut buckets = BTreeSet::new();
    for bin in bins.iter(unit) {
        let upper = bin.lower_bound + bin.width;
        if upper <= threshold {
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "logarithms of 64-bit numbers are small"
        )]
        let bucket = |value: f64| (value.ln() / log_base).ceil() as i32;
        for index in bucket(bin.lower_bound.max(threshold))..=bucket(upper) {
            buckets.insert(index);
            if buckets.len() > max {
                return None;
            }
        }
    }
    Some(buckets)
}
