//! `/stats?format=json`: one object on one line, streamed, histograms in an object of their own at the end.

use std::fmt::Write;

use nuncio_contract::stats::{Bins, HistogramBuckets, MergedHistogram, QUANTILES, Unit};

use super::params::BucketsMode;
use super::text::bucket_counts;
use super::walk::Value;
use crate::admin::json::push_string;
use crate::admin::number;

/// Makes the document piece by piece.
pub(super) struct JsonRender {
    mode: BucketsMode,
    buckets: HistogramBuckets,
    began: bool,
    in_histograms: bool,
}

impl JsonRender {
    pub(super) fn new(mode: BucketsMode, buckets: HistogramBuckets) -> Self {
        Self {
            mode,
            buckets,
            began: false,
            in_histograms: false,
        }
    }

    /// Appends one stat.
    pub(super) fn push_stat(&mut self, text: &mut String, name: &str, value: &Value) {
        let first_histogram = matches!(value, Value::Histogram(..)) && !self.in_histograms;
        text.push_str(if self.began { "," } else { "{\"stats\":[" });
        self.began = true;
        if first_histogram {
            self.in_histograms = true;
            text.push_str(histograms_opening(self.mode));
        }
        text.push_str("{\"name\":");
        push_string(text, name);
        match value {
            Value::Number(value) => {
                let _ = write!(text, ",\"value\":{value}");
            }
            Value::Text(value) => {
                text.push_str(",\"value\":");
                push_string(text, value);
            }
            Value::Histogram(merged, unit) => {
                let empty = MergedHistogram::default();
                let merged = merged.as_deref().unwrap_or(&empty);
                self.push_histogram(text, name, merged, *unit);
            }
        }
        text.push('}');
    }

    /// Appends what closes the document.
    pub(super) fn finish(&mut self, text: &mut String) {
        if !self.began {
            text.push_str("{\"stats\":[");
        }
        if self.in_histograms {
            let nested = !matches!(self.mode, BucketsMode::Cumulative | BucketsMode::Disjoint);
            text.push_str(if nested { "]}}" } else { "]}" });
        }
        text.push_str("]}");
    }

    fn push_histogram(&self, text: &mut String, name: &str, merged: &MergedHistogram, unit: Unit) {
        match self.mode {
            BucketsMode::Unset | BucketsMode::Summary | BucketsMode::PrometheusNative => {
                text.push_str(",\"values\":");
                push_quantiles(text, merged, unit);
            }
            BucketsMode::Cumulative | BucketsMode::Disjoint => {
                push_buckets(text, merged, unit, self.mode, self.buckets.of(name));
            }
            BucketsMode::Detailed => {
                text.push_str(",\"totals\":");
                push_bins(text, &merged.cumulative, unit);
                text.push_str(",\"intervals\":");
                push_bins(text, &merged.interval, unit);
                text.push_str(",\"percentiles\":");
                push_quantiles(text, merged, unit);
            }
        }
    }
}

fn histograms_opening(mode: BucketsMode) -> &'static str {
    match mode {
        BucketsMode::Unset | BucketsMode::Summary | BucketsMode::PrometheusNative => {
            "{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"computed_quantiles\":["
        }
        BucketsMode::Detailed => {
            "{\"histograms\":{\"supported_percentiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"details\":["
        }
        BucketsMode::Cumulative | BucketsMode::Disjoint => "{\"histograms\":[",
    }
}

fn push_list<T>(
    text: &mut String,
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    text.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        push(text, item);
    }
    text.push(']');
}

fn push_quantiles(text: &mut String, merged: &MergedHistogram, unit: Unit) {
    let (interval, cumulative) = (
        merged.interval.quantiles(unit),
        merged.cumulative.quantiles(unit),
    );
    debug_assert_eq!(interval.len(), QUANTILES.len());
    push_list(
        text,
        interval.into_iter().zip(cumulative),
        |text, (interval, cumulative)| {
            let (interval, cumulative) = (number::json(interval), number::json(cumulative));
            let _ = write!(
                text,
                "{{\"cumulative\":{cumulative},\"interval\":{interval}}}"
            );
        },
    );
}

fn push_buckets(
    text: &mut String,
    merged: &MergedHistogram,
    unit: Unit,
    mode: BucketsMode,
    bounds: &[f64],
) {
    let [interval, cumulative] = bucket_counts(merged, unit, mode, bounds);
    text.push_str(",\"buckets\":");
    push_list(
        text,
        bounds.iter().zip(interval).zip(cumulative),
        |text, ((bound, interval), cumulative)| {
            let bound = number::json(*bound);
            let _ = write!(
                text,
                "{{\"upper_bound\":{bound},\"interval\":{interval},\"cumulative\":{cumulative}}}"
            );
        },
    );
}

fn push_bins(text: &mut String, bins: &Bins, unit: Unit) {
    push_list(text, bins.iter(unit), |text, bin| {
        let (lower, width) = (number::json(bin.lower_bound), number::json(bin.width));
        let _ = write!(
            text,
            "{{\"lower_bound\":{lower},\"width\":{width},\"count\":{}}}",
            bin.count
        );
    });
}
