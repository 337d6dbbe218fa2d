//! The stats of a flush as points of metrics, and points as reports.

use std::sync::Arc;
use std::time::SystemTime;

use nuncio_contract::stat_sink::{ByteSink, Reading, StatSink, Told};
use nuncio_contract::stats::tags::TagExtractor;
use nuncio_contract::stats::{Bins, HistogramBuckets, Unit};
use nuncio_service_messages::Message;
use nuncio_service_messages::otlp::{KeyValue, Resource};
use nuncio_service_messages::otlp_metrics::{
    ExportMetrics, HistogramPoint, Metric, NumberPoint, ResourceMetrics, ScopeMetrics, temporality,
};

use super::aggregate::{Point, aggregate, joined};
use super::config::Form;
use super::conversion::Conversion;

/// What the process gives.
pub(super) struct Surroundings {
    pub(super) tags: TagExtractor,
    pub(super) buckets: HistogramBuckets,
    /// Who reports.
    pub(super) resource: Resource,
    pub(super) reports: Box<dyn ByteSink>,
}

/// The sink.
pub(super) struct Metrics {
    form: Arc<Form>,
    around: Surroundings,
    begin_ns: u64,
    last_flush_ns: u64,
    now_ns: u64,
    /// Names of metrics and points.
    gathered: Vec<(String, Point)>,
}

impl Metrics {
    /// Of a process that began then.
    pub(super) fn new(form: Arc<Form>, around: Surroundings, begin: SystemTime) -> Self {
        let begin_ns = nanoseconds(begin);
        Metrics {
            form,
            around,
            begin_ns,
            last_flush_ns: begin_ns,
            now_ns: begin_ns,
            gathered: Vec::new(),
        }
    }

    /// The name and the attributes of a metric; none of a stat that is dropped.
    fn named(&self, told: &Told<'_>) -> Option<(String, Vec<KeyValue>)> {
        let form = &self.form;
        let conversion = form.conversions.as_ref();
        let conversion = conversion.and_then(|conversions| conversions.of(told.name));
        let extracted = told.extract(&self.around.tags);
        let tags = extracted
            .tags
            .into_iter()
            .filter(|_| form.tags_as_attributes);
        let mut attributes: Vec<KeyValue> = tags
            .map(|tag| KeyValue::text(tag.name, tag.value))
            .collect();
        match conversion {
            Some(Conversion::Drop) => None,
            Some(Conversion::To(name, labels)) => {
                attributes.extend(labels.iter().cloned());
                Some((name.clone(), attributes))
            }
            None => {
                let name = match form.extracted_names {
                    true => &extracted.name,
                    false => told.name,
                };
                Some(([&form.prefix, name].concat(), attributes))
            }
        }
    }

    /// What a sum is by, and since when it is.
    fn since(&self, deltas: bool) -> (i32, u64) {
        match deltas {
            true => (temporality::DELTA, self.last_flush_ns),
            false => (temporality::CUMULATIVE, self.begin_ns),
        }
    }

    fn number(
        &self,
        value: u64,
        start_time_unix_nano: u64,
        attributes: Vec<KeyValue>,
    ) -> NumberPoint {
        NumberPoint {
            start_time_unix_nano,
            time_unix_nano: self.now_ns,
            as_int: Some(i64::try_from(value).unwrap_or(i64::MAX)),
            attributes,
        }
    }

    fn histogram(&self, bins: &Bins, unit: Unit, name: &str) -> HistogramPoint {
        let bounds = self.around.buckets.of(name);
        let (mut bucket_counts, mut below) = (Vec::new(), 0);
        for bound in bounds {
            let count = bins.count_below(*bound, unit);
            bucket_counts.push(count.saturating_sub(below));
            below = count;
        }
        let count = bins.sample_count();
        bucket_counts.push(count.saturating_sub(below));
        HistogramPoint {
            time_unix_nano: self.now_ns,
            count,
            sum: Some(bins.sample_sum(unit)),
            bucket_counts,
            explicit_bounds: bounds.to_vec(),
            ..HistogramPoint::default()
        }
    }

    fn send(&mut self, metrics: Vec<Metric>) {
        let report = ExportMetrics {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.around.resource.clone()),
                scope_metrics: vec![ScopeMetrics { metrics }],
            }],
        };
        self.around.reports.send(report.encode_to_vec());
    }
}

impl StatSink for Metrics {
    fn begin_flush(&mut self, at: SystemTime) {
        self.last_flush_ns = self.now_ns;
        self.now_ns = nanoseconds(at);
    }

    fn tell(&mut self, told: &Told<'_>) {
        let Some((name, attributes)) = self.named(told) else {
            return;
        };
        let point = match told.reading {
            Reading::Gauge(value) => Point::Gauge(self.number(*value, 0, attributes)),
            Reading::Counter { more, total } => {
                let deltas = self.form.counters_as_deltas;
                if deltas && *more == 0 {
                    return;
                }
                let (kind, start) = self.since(deltas);
                let value = if deltas { more } else { total };
                Point::Sum(kind, self.number(*value, start, attributes))
            }
            Reading::Histogram { merged, unit } => {
                let deltas = self.form.histograms_as_deltas;
                let bins = match deltas {
                    true => &merged.interval,
                    false => &merged.cumulative,
                };
                if deltas && bins.sample_count() == 0 {
                    return;
                }
                let (kind, start_time_unix_nano) = self.since(deltas);
                let point = HistogramPoint {
                    start_time_unix_nano,
                    attributes,
                    ..self.histogram(bins, *unit, told.name)
                };
                Point::Histogram(kind, point)
            }
        };
        self.gathered.push((name, point));
    }

    fn end_flush(&mut self) {
        let mut points = std::mem::take(&mut self.gathered);
        let joins = self.form.conversions.is_some();
        if joins {
            points = aggregate(points);
        }
        let mut points = points.into_iter().peekable();
        while points.peek().is_some() {
            let report = points.by_ref().take(self.form.max_points);
            let metrics = match joins {
                true => joined(report),
                false => report.map(|(name, point)| point.metric(name)).collect(),
            };
            self.send(metrics);
        }
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
