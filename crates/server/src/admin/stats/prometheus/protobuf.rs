//! The protobuf format: a message `io.prometheus.client.MetricFamily` a family, with its length before it.
//!
//! A family is made whole before it is sent, for its length; with 10,000 clusters that is a megabyte or two.

use nuncio_contract::stats::{Bins, HistogramBuckets, MergedHistogram, QUANTILES, StatValue, Unit};

use super::Format;
use super::labels::{self, Label};
use super::native::NativeHistogram;
use crate::admin::stats::params::{BucketsMode, StatsParams};

/// Envoy's default for `native_histogram_max_buckets`.
const DEFAULT_MAX_NATIVE_BUCKETS: u32 = 20;

/// `io.prometheus.client.MetricType`.
const COUNTER: u64 = 0;
const GAUGE: u64 = 1;
const SUMMARY: u64 = 2;
const HISTOGRAM: u64 = 4;

/// Writes messages.
pub(in crate::admin::stats) struct ProtobufFormat {
    mode: BucketsMode,
    max_native_buckets: usize,
    buckets: HistogramBuckets,
    /// The family at hand.
    family: Vec<u8>,
}

impl ProtobufFormat {
    pub(in crate::admin::stats) fn new(params: &StatsParams, buckets: HistogramBuckets) -> Self {
        let limit = params.max_native_buckets;
        let limit = limit.unwrap_or(DEFAULT_MAX_NATIVE_BUCKETS);
        Self {
            mode: params.buckets,
            max_native_buckets: usize::try_from(limit).unwrap_or(usize::MAX),
            buckets,
            family: Vec::new(),
        }
    }

    fn histogram(&self, merged: &MergedHistogram, unit: Unit, bounds: &[f64]) -> (u32, Vec<u8>) {
        match self.mode {
            BucketsMode::Summary => (4, summary(&merged.interval, unit)),
            BucketsMode::PrometheusNative => {
                (7, native(&merged.cumulative, unit, self.max_native_buckets))
            }
            _ => (7, classic(&merged.cumulative, unit, bounds)),
        }
    }
}

impl Format for ProtobufFormat {
    type Piece = Vec<u8>;
    type Labels = Vec<u8>;

    fn labels(first: &[Label], second: &[Label]) -> Vec<u8> {
        let mut written = Vec::new();
        for label in labels::merged(first, second) {
            push_label(&mut written, &label.name, &label.value);
        }
        written
    }

    fn begin(&mut self, _piece: &mut Vec<u8>, metric: &str, value: &StatValue<'_>) {
        let kind = match value {
            StatValue::Counter { .. } => COUNTER,
            StatValue::Gauge { .. } | StatValue::TextReadout { .. } => GAUGE,
            StatValue::Histogram { .. } if self.mode == BucketsMode::Summary => SUMMARY,
            StatValue::Histogram { .. } => HISTOGRAM,
        };
        push_bytes(&mut self.family, 1, metric.as_bytes());
        push_number(&mut self.family, 3, kind);
    }

    fn push(
        &mut self,
        _piece: &mut Vec<u8>,
        _metric: &str,
        labels: &Vec<u8>,
        value: &StatValue<'_>,
        name: &dyn Fn() -> String,
    ) {
        let mut metric = labels.clone();
        match value {
            StatValue::Counter { value, .. } => push_bytes(&mut metric, 3, &number(*value)),
            StatValue::Gauge { value, .. } => push_bytes(&mut metric, 2, &number(*value)),
            StatValue::TextReadout { text } => {
                let escaped = labels::escape(text.unwrap_or_default());
                push_label(&mut metric, "text_value", &escaped);
                push_bytes(&mut metric, 2, &number(0));
            }
            StatValue::Histogram { merged, unit } => {
                let empty = MergedHistogram::default();
                let bounds = self.buckets.of(&name());
                let (field, histogram) = self.histogram(merged.unwrap_or(&empty), *unit, bounds);
                push_bytes(&mut metric, field, &histogram);
            }
        }
        push_bytes(&mut self.family, 4, &metric);
    }

    fn end(&mut self, piece: &mut Vec<u8>) {
        push_varint(piece, length(&self.family));
        piece.append(&mut self.family);
    }
}

/// A `Counter` or a `Gauge`.
fn number(value: u64) -> Vec<u8> {
    let mut message = Vec::with_capacity(9);
    push_double(&mut message, 1, value as f64);
    message
}

/// A `Summary`.
fn summary(bins: &Bins, unit: Unit) -> Vec<u8> {
    let mut message = totals(bins, unit);
    for (quantile, value) in QUANTILES.iter().zip(bins.quantiles(unit)) {
        let mut entry = Vec::new();
        push_double(&mut entry, 1, *quantile);
        push_double(&mut entry, 2, value);
        push_bytes(&mut message, 3, &entry);
    }
    message
}

/// A `Histogram` with buckets of given bounds.
fn classic(bins: &Bins, unit: Unit, bounds: &[f64]) -> Vec<u8> {
    let mut message = totals(bins, unit);
    for bound in bounds {
        let mut bucket = Vec::new();
        push_number(&mut bucket, 1, bins.count_below(*bound, unit));
        push_double(&mut bucket, 2, *bound);
        push_bytes(&mut message, 3, &bucket);
    }
    message
}

/// A `Histogram` with buckets of a schema.
fn native(bins: &Bins, unit: Unit, max_buckets: usize) -> Vec<u8> {
    let native = NativeHistogram::of(bins, unit, max_buckets);
    let mut message = match bins.sample_count() {
        0 => Vec::new(),
        _ => totals(bins, unit),
    };
    push_number(&mut message, 5, zigzag(native.schema.into()));
    if let Some(threshold) = native.zero_threshold {
        push_double(&mut message, 6, threshold);
    }
    push_number(&mut message, 7, native.zero_count);
    for (offset, length) in &native.spans {
        let mut span = Vec::new();
        push_number(&mut span, 1, zigzag((*offset).into()));
        push_number(&mut span, 2, u64::from(*length));
        push_bytes(&mut message, 12, &span);
    }
    for delta in &native.deltas {
        push_number(&mut message, 13, zigzag(*delta));
    }
    message
}

/// How many samples there are, and their sum.
fn totals(bins: &Bins, unit: Unit) -> Vec<u8> {
    let mut message = Vec::new();
    let count = bins.sample_count();
    push_number(&mut message, 1, count);
    let sum = if count == 0 {
        0.0
    } else {
        bins.sample_sum(unit)
    };
    push_double(&mut message, 2, sum);
    message
}

fn push_label(bytes: &mut Vec<u8>, name: &str, value: &str) {
    let mut pair = Vec::with_capacity(name.len() + value.len() + 4);
    push_bytes(&mut pair, 1, name.as_bytes());
    push_bytes(&mut pair, 2, value.as_bytes());
    push_bytes(bytes, 1, &pair);
}

fn push_number(bytes: &mut Vec<u8>, field: u32, value: u64) {
    push_varint(bytes, u64::from(field << 3));
    push_varint(bytes, value);
}

fn push_double(bytes: &mut Vec<u8>, field: u32, value: f64) {
    push_varint(bytes, u64::from(field << 3 | 1));
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn push_bytes(bytes: &mut Vec<u8>, field: u32, value: &[u8]) {
    push_varint(bytes, u64::from(field << 3 | 2));
    push_varint(bytes, length(value));
    bytes.extend_from_slice(value);
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return bytes.push(low & 0x7f);
        }
        bytes.push(low | 0x80);
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A signed number as `sint32` and `sint64` write it.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::{push_varint, zigzag};

    #[test]
    fn numbers_are_written_seven_bits_a_byte() {
        let written = |value| {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            bytes
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(300), [0xac, 2]);
        assert_eq!(written(u64::MAX).len(), 10);
        assert_eq!([0, -1, 1, -2, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX]);
    }
}
