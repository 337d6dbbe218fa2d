//! Lines of one stat.

use nuncio_contract::stats::{Bins, DEFAULT_BUCKETS, MergedHistogram, QUANTILES, StatValue, Unit};

use super::labels;
use crate::admin::number;
use crate::admin::stats::params::BucketsMode;

/// Writes values; keeps what all histograms have in common.
pub(super) struct ValueWriter {
    summary: bool,
    /// `le="..."` of each bucket, or `quantile="..."` of each quantile, with what follows the labels.
    bounds: Vec<String>,
}

impl ValueWriter {
    pub(super) fn new(mode: BucketsMode) -> Self {
        let summary = mode == BucketsMode::Summary;
        let bounds = if summary {
            QUANTILES
                .iter()
                .map(|quantile| format!("quantile=\"{}\"}} ", number::shortest(*quantile)))
                .collect()
        } else {
            DEFAULT_BUCKETS
                .iter()
                .map(|bound| format!("le=\"{}\"}} ", number::general(*bound, 32)))
                .collect()
        };
        Self { summary, bounds }
    }

    /// Appends the line that begins a family.
    pub(super) fn push_type(&self, text: &mut String, metric: &str, value: &StatValue<'_>) {
        let kind = match value {
            StatValue::Counter { .. } => "counter",
            StatValue::Gauge { .. } | StatValue::TextReadout { .. } => "gauge",
            StatValue::Histogram { .. } if self.summary => "summary",
            StatValue::Histogram { .. } => "histogram",
        };
        for part in ["# TYPE ", metric, " ", kind, "\n"] {
            text.push_str(part);
        }
    }

    /// Appends the line or lines of a value.
    pub(super) fn push(
        &self,
        text: &mut String,
        metric: &str,
        labels: &str,
        value: &StatValue<'_>,
    ) {
        match value {
            StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => {
                push_line(text, [metric, "{", labels, "} "]);
                number::push_u64(text, *value);
            }
            StatValue::TextReadout { text: value } => {
                let escaped = labels::escape(value.unwrap_or_default());
                let comma = comma_after(labels);
                push_line(
                    text,
                    [
                        metric,
                        "{",
                        labels,
                        comma,
                        "text_value=\"",
                        &escaped,
                        "\"} 0",
                    ],
                );
            }
            StatValue::Histogram { merged, unit } => {
                let empty = MergedHistogram::default();
                let merged = merged.unwrap_or(&empty);
                if self.summary {
                    self.push_summary(text, metric, labels, &merged.interval, *unit);
                } else {
                    self.push_histogram(text, metric, labels, &merged.cumulative, *unit);
                }
            }
        }
        text.push('\n');
    }

    fn push_histogram(
        &self,
        text: &mut String,
        metric: &str,
        labels: &str,
        bins: &Bins,
        unit: Unit,
    ) {
        let comma = comma_after(labels);
        for (bound, le) in DEFAULT_BUCKETS.iter().zip(&self.bounds) {
            push_line(text, [metric, "_bucket{", labels, comma, le]);
            number::push_u64(text, bins.count_below(*bound, unit));
            text.push('\n');
        }
        push_line(text, [metric, "_bucket{", labels, comma, "le=\"+Inf\"} "]);
        number::push_u64(text, bins.sample_count());
        text.push('\n');
        push_totals(text, metric, labels, bins, unit);
    }

    fn push_summary(&self, text: &mut String, metric: &str, labels: &str, bins: &Bins, unit: Unit) {
        let comma = comma_after(labels);
        for (value, quantile) in bins.quantiles(unit).into_iter().zip(&self.bounds) {
            push_line(
                text,
                [
                    metric,
                    "{",
                    labels,
                    comma,
                    quantile,
                    &number::general(value, 32),
                    "\n",
                ],
            );
        }
        push_totals(text, metric, labels, bins, unit);
    }
}

fn push_totals(text: &mut String, metric: &str, labels: &str, bins: &Bins, unit: Unit) {
    let count = bins.sample_count();
    let sum = if count == 0 {
        "0".to_owned()
    } else {
        number::general(bins.sample_sum(unit), 32)
    };
    push_line(text, [metric, "_sum{", labels, "} ", &sum, "\n"]);
    push_line(text, [metric, "_count{", labels, "} "]);
    number::push_u64(text, count);
}

fn push_line<const N: usize>(text: &mut String, parts: [&str; N]) {
    parts.into_iter().for_each(|part| text.push_str(part));
}

fn comma_after(labels: &str) -> &'static str {
    if labels.is_empty() { "" } else { "," }
}
