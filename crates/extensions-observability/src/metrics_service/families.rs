//! The stats of a flush as families of metrics.

use std::time::SystemTime;

use nuncio_contract::stat_sink::{ByteSink, Reading, SinkServices, StatSink, Told};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{Bins, HistogramBuckets, QUANTILES, Unit};
use nuncio_service_messages::Message;
use nuncio_service_messages::metrics::{
    Bucket, Histogram, LabelPair, Metric, MetricFamily, Number, Quantile, StreamMetrics, Summary,
    metric_type,
};

/// How stats are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Counters as what came since the flush before.
    pub(super) deltas: bool,
    /// Tags as labels.
    pub(super) labels: bool,
    /// Histograms as summaries.
    pub(super) summaries: bool,
    /// Histograms as buckets.
    pub(super) histograms: bool,
}

/// The sink.
pub(super) struct Families {
    form: Form,
    /// 0: all in one message.
    batch_size: usize,
    tags: TagExtractor,
    buckets: HistogramBuckets,
    messages: Box<dyn ByteSink>,
    timestamp_ms: i64,
    gathered: Vec<MetricFamily>,
}

impl Families {
    pub(super) fn new(
        form: Form,
        batch_size: usize,
        services: &SinkServices<'_>,
        messages: Box<dyn ByteSink>,
    ) -> Self {
        Families {
            form,
            batch_size,
            tags: services.tags.clone(),
            buckets: services.buckets.clone(),
            messages,
            timestamp_ms: 0,
            gathered: Vec::new(),
        }
    }

    fn push(&mut self, named: &(String, Vec<LabelPair>), kind: i32, metric: Metric) {
        let (name, label) = named.clone();
        self.gathered.push(MetricFamily {
            name: Some(name),
            kind: Some(kind),
            metric: vec![Metric {
                label,
                timestamp_ms: Some(self.timestamp_ms),
                ..metric
            }],
        });
        if self.gathered.len() == self.batch_size {
            self.send();
        }
    }

    fn send(&mut self) {
        let message = StreamMetrics {
            identifier: None,
            envoy_metrics: std::mem::take(&mut self.gathered),
        };
        self.messages.send(message.encode_to_vec());
    }

    fn named(&self, told: &Told<'_>) -> (String, Vec<LabelPair>) {
        if !self.form.labels {
            return (told.name.to_owned(), Vec::new());
        }
        let extracted = told.extract(&self.tags);
        let labels = extracted.tags.into_iter().map(|tag| LabelPair {
            name: Some(tag.name),
            value: Some(tag.value),
        });
        (extracted.name, labels.collect())
    }
}

impl StatSink for Families {
    fn begin_flush(&mut self, at: SystemTime) {
        let since = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.timestamp_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    }

    fn tell(&mut self, told: &Told<'_>) {
        if told.own_tags.is_some_and(|(_, own)| !own.is_stat) {
            return;
        }
        let named = self.named(told);
        match told.reading {
            Reading::Counter { more, total } => {
                let value = if self.form.deltas { more } else { total };
                let counter = Some(number(*value));
                let metric = Metric {
                    counter,
                    ..Metric::default()
                };
                self.push(&named, metric_type::COUNTER, metric);
            }
            Reading::Gauge(value) => {
                let gauge = Some(number(*value));
                let metric = Metric {
                    gauge,
                    ..Metric::default()
                };
                self.push(&named, metric_type::GAUGE, metric);
            }
            Reading::Histogram { merged, unit } => {
                if self.form.summaries {
                    let metric = Metric {
                        summary: Some(summary(&merged.interval, *unit)),
                        ..Metric::default()
                    };
                    self.push(&named, metric_type::SUMMARY, metric);
                }
                if self.form.histograms {
                    let bounds = self.buckets.of(told.name);
                    let metric = Metric {
                        histogram: Some(histogram(&merged.interval, *unit, bounds)),
                        ..Metric::default()
                    };
                    self.push(&named, metric_type::HISTOGRAM, metric);
                }
            }
        }
    }

    fn end_flush(&mut self) {
        if !self.gathered.is_empty() {
            self.send();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "the message has doubles")]
fn number(value: u64) -> Number {
    Number {
        value: Some(value as f64),
    }
}

fn summary(bins: &Bins, unit: Unit) -> Summary {
    let quantiles = QUANTILES.iter().zip(bins.quantiles(unit));
    Summary {
        sample_count: Some(bins.sample_count()),
        sample_sum: Some(bins.sample_sum(unit)),
        quantile: quantiles
            .map(|(quantile, value)| Quantile {
                quantile: Some(*quantile),
                value: Some(value),
            })
            .collect(),
    }
}

fn histogram(bins: &Bins, unit: Unit, bounds: &[f64]) -> Histogram {
    Histogram {
        sample_count: Some(bins.sample_count()),
        sample_sum: Some(bins.sample_sum(unit)),
        bucket: bounds
            .iter()
            .map(|bound| Bucket {
                cumulative_count: Some(bins.count_below(*bound, unit)),
                upper_bound: Some(*bound),
            })
            .collect(),
    }
}
