//! `/stats` as text: a line a stat, `name: value`.

use std::fmt::Write;

use nuncio_contract::stats::{Bins, HistogramBuckets, MergedHistogram, QUANTILES, Unit};

use super::params::BucketsMode;
use super::walk::Value;
use crate::admin::number;

/// Appends the line (or lines) of one stat.
pub(super) fn push_stat(
    text: &mut String,
    name: &str,
    value: &Value,
    mode: BucketsMode,
    buckets: &HistogramBuckets,
) {
    text.push_str(name);
    match value {
        Value::Number(value) => {
            text.push_str(": ");
            number::push_u64(text, *value);
            text.push('\n');
        }
        Value::Text(value) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, ": \"{value}\"");
        }
        Value::Histogram(None, _) => text.push_str(": No recorded values\n"),
        Value::Histogram(Some(merged), unit) => {
            push_histogram(text, merged, *unit, mode, || buckets.of(name));
        }
    }
}

fn push_histogram<'b>(
    text: &mut String,
    merged: &MergedHistogram,
    unit: Unit,
    mode: BucketsMode,
    bounds: impl FnOnce() -> &'b [f64],
) {
    match mode {
        BucketsMode::Unset | BucketsMode::Summary | BucketsMode::PrometheusNative => {
            text.push_str(": ");
            push_summary(text, merged, unit);
        }
        BucketsMode::Cumulative | BucketsMode::Disjoint => {
            text.push_str(": ");
            push_buckets(text, merged, unit, mode, bounds());
        }
        BucketsMode::Detailed => {
            text.push_str(":\n  totals=");
            push_bins(text, &merged.cumulative, unit);
            text.push_str("\n  intervals=");
            push_bins(text, &merged.interval, unit);
            text.push_str("\n  summary=");
            push_summary(text, merged, unit);
        }
    }
    text.push('\n');
}

/// `P0(<interval>,<cumulative>) P25(...) ...`.
fn push_summary(text: &mut String, merged: &MergedHistogram, unit: Unit) {
    let values = merged
        .interval
        .quantiles(unit)
        .into_iter()
        .zip(merged.cumulative.quantiles(unit));
    for (quantile, (interval, cumulative)) in QUANTILES.iter().zip(values) {
        let space = if *quantile == 0.0 { "" } else { " " };
        let label = number::general(100.0 * quantile, 6);
        let _ = write!(
            text,
            "{space}P{label}({},{})",
            number::shortest(interval),
            number::shortest(cumulative)
        );
    }
}

/// `B0.5(<interval>,<cumulative>) B1(...) ...`.
fn push_buckets(
    text: &mut String,
    merged: &MergedHistogram,
    unit: Unit,
    mode: BucketsMode,
    bounds: &[f64],
) {
    let [interval, cumulative] = bucket_counts(merged, unit, mode, bounds);
    for (index, ((bound, interval), cumulative)) in
        bounds.iter().zip(interval).zip(cumulative).enumerate()
    {
        let space = if index == 0 { "" } else { " " };
        let _ = write!(
            text,
            "{space}B{}({interval},{cumulative})",
            number::general(*bound, 6)
        );
    }
}

fn push_bins(text: &mut String, bins: &Bins, unit: Unit) {
    for (index, bin) in bins.iter(unit).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let (lower, width) = (
            number::general(bin.lower_bound, 15),
            number::general(bin.width, 15),
        );
        let _ = write!(text, "{comma}{lower},{width}:{}", bin.count);
    }
}

/// Counts by bucket of the interval and of all time; each bucket holds those below it unless disjoint.
pub(super) fn bucket_counts(
    merged: &MergedHistogram,
    unit: Unit,
    mode: BucketsMode,
    bounds: &[f64],
) -> [Vec<u64>; 2] {
    [&merged.interval, &merged.cumulative].map(|bins| {
        let mut below = 0;
        let counts = bounds.iter().map(|bound| {
            let count = bins.count_below(*bound, unit);
            let disjoint = count - below;
            below = count;
            if mode == BucketsMode::Disjoint {
                disjoint
            } else {
                count
            }
        });
        counts.collect()
    })
}
