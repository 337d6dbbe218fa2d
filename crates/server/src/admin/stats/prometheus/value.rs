//! The text format: a line a value, several a histogram.

use nuncio_contract::stats::{
    Bins, DEFAULT_BUCKETS, HistogramBuckets, MergedHistogram, QUANTILES, StatValue, Unit,
};

use super::Format;
use super::labels::{self, Label};
use crate::admin::number;
use crate::admin::stats::params::BucketsMode;

/// Writes lines; keeps what all histograms have in common.
pub(in crate::admin::stats) struct TextFormat {
    summary: bool,
    buckets: HistogramBuckets,
    /// `le="..."` of each default bucket, with what follows the labels.
    default_bounds: Vec<String>,
    /// `quantile="..."` of each quantile, with what follows the labels.
    quantiles: Vec<String>,
}

impl TextFormat {
    pub(in crate::admin::stats) fn new(mode: BucketsMode, buckets: HistogramBuckets) -> Self {
        let quantile = |value: &f64| format!("quantile=\"{}\"}} ", number::shortest(*value));
        Self {
            summary: mode == BucketsMode::Summary,
            buckets,
            default_bounds: DEFAULT_BUCKETS.iter().map(less_or_equal).collect(),
            quantiles: QUANTILES.iter().map(quantile).collect(),
        }
    }
}

impl Format for TextFormat {
    type Piece = String;
    type Labels = String;

    fn labels(first: &[Label], second: &[Label]) -> String {
        let mut text = String::new();
        for label in labels::merged(first, second) {
            let comma = comma_after(&text);
            push_line(&mut text, [comma, &label.name, "=\"", &label.value, "\""]);
        }
        text
    }

    fn begin(&mut self, text: &mut String, metric: &str, value: &StatValue<'_>) {
        let kind = match value {
            StatValue::Counter { .. } => "counter",
            StatValue::Gauge { .. } | StatValue::TextReadout { .. } => "gauge",
            StatValue::Histogram { .. } if self.summary => "summary",
            StatValue::Histogram { .. } => "histogram",
        };
        push_line(text, ["# TYPE ", metric, " ", kind, "\n"]);
    }

    fn push(
        &mut self,
        text: &mut String,
        metric: &str,
        labels: &String,
        value: &StatValue<'_>,
        name: &dyn Fn() -> String,
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
                } else if self.buckets.is_default() {
                    let bounds = DEFAULT_BUCKETS.iter().zip(&self.default_bounds);
                    push_histogram(text, metric, labels, (&merged.cumulative, *unit), bounds);
                } else {
                    let bounds = self.buckets.of(&name());
                    let shown: Vec<String> = bounds.iter().map(less_or_equal).collect();
                    let bounds = bounds.iter().zip(&shown);
                    push_histogram(text, metric, labels, (&merged.cumulative, *unit), bounds);
                }
            }
        }
        text.push('\n');
    }

    fn end(&mut self, _text: &mut String) {}
}

impl TextFormat {
    fn push_summary(&self, text: &mut String, metric: &str, labels: &str, bins: &Bins, unit: Unit) {
        let comma = comma_after(labels);
        for (value, quantile) in bins.quantiles(unit).into_iter().zip(&self.quantiles) {
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

/// The last label of a bucket's line.
fn less_or_equal(bound: &f64) -> String {
    format!("le=\"{}\"}} ", number::general(*bound, 32))
}

fn push_histogram<'b>(
    text: &mut String,
    metric: &str,
    labels: &str,
    (bins, unit): (&Bins, Unit),
    bounds: impl Iterator<Item = (&'b f64, &'b String)>,
) {
    let comma = comma_after(labels);
    for (bound, le) in bounds {
        push_line(text, [metric, "_bucket{", labels, comma, le]);
        number::push_u64(text, bins.count_below(*bound, unit));
        text.push('\n');
    }
    push_line(text, [metric, "_bucket{", labels, comma, "le=\"+Inf\"} "]);
    number::push_u64(text, bins.sample_count());
    text.push('\n');
    push_totals(text, metric, labels, bins, unit);
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
