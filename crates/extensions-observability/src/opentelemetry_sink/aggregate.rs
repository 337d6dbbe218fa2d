//! Points of one name: those of equal attributes become one, the others stand in one metric.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use nuncio_service_messages::Message;
use nuncio_service_messages::otlp::KeyValue;
use nuncio_service_messages::otlp_metrics::{
    Data, Gauge, Histogram, HistogramPoint, Metric, NumberPoint, Sum,
};

/// A point; sums and histograms with what they are by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Point {
    Gauge(NumberPoint),
    Sum(i32, NumberPoint),
    Histogram(i32, HistogramPoint),
}

impl Point {
    fn kind(&self) -> u8 {
        match self {
            Point::Gauge(_) => 0,
            Point::Sum(..) => 1,
            Point::Histogram(..) => 2,
        }
    }

    fn attributes(&self) -> &[KeyValue] {
        match self {
            Point::Gauge(point) | Point::Sum(_, point) => &point.attributes,
            Point::Histogram(_, point) => &point.attributes,
        }
    }

    /// The same attributes in any order are the same.
    fn key(&self) -> Vec<Vec<u8>> {
        let mut key: Vec<_> = self
            .attributes()
            .iter()
            .map(Message::encode_to_vec)
            .collect();
        key.sort();
        key
    }

    /// Takes over what another one shows; buckets of other bounds are left out, as in Envoy.
    fn add(&mut self, other: Point) {
        match (self, other) {
            (Point::Gauge(to), Point::Gauge(from)) | (Point::Sum(_, to), Point::Sum(_, from)) => {
                let (to_value, from_value) = (to.as_int.unwrap_or(0), from.as_int.unwrap_or(0));
                to.as_int = Some(to_value.saturating_add(from_value));
            }
            (Point::Histogram(_, to), Point::Histogram(_, from))
                if to.explicit_bounds == from.explicit_bounds =>
            {
                to.count = to.count.saturating_add(from.count);
                to.sum = Some(to.sum.unwrap_or(0.0) + from.sum.unwrap_or(0.0));
                for (to, from) in to.bucket_counts.iter_mut().zip(from.bucket_counts) {
                    *to = to.saturating_add(from);
                }
            }
            _ => {}
        }
    }

    /// A metric with this point.
    pub(super) fn metric(self, name: String) -> Metric {
        let data = match self {
            Point::Gauge(point) => Data::Gauge(Gauge {
                data_points: vec![point],
            }),
            Point::Sum(aggregation_temporality, point) => Data::Sum(Sum {
                data_points: vec![point],
                aggregation_temporality,
                is_monotonic: true,
            }),
            Point::Histogram(aggregation_temporality, point) => Data::Histogram(Histogram {
                data_points: vec![point],
                aggregation_temporality,
            }),
        };
        Metric {
            name,
            data: Some(data),
        }
    }
}

/// Name, kind and attributes.
type Key = (String, u8, Vec<Vec<u8>>);

/// One point for all of one name, kind and attributes; sorted by these.
pub(super) fn aggregate(points: Vec<(String, Point)>) -> Vec<(String, Point)> {
    let mut sums: BTreeMap<Key, Point> = BTreeMap::new();
    for (name, point) in points {
        match sums.entry((name, point.kind(), point.key())) {
            Entry::Vacant(entry) => {
                entry.insert(point);
            }
            Entry::Occupied(mut entry) => entry.get_mut().add(point),
        }
    }
    let sums = sums.into_iter();
    sums.map(|((name, _, _), point)| (name, point)).collect()
}

/// Metrics, each with all of the points in a row that have its name and kind.
pub(super) fn joined(points: impl Iterator<Item = (String, Point)>) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    for (name, point) in points {
        let last = metrics.last_mut().filter(|metric| metric.name == name);
        let data = last.and_then(|metric| metric.data.as_mut());
        match (data, point) {
            (Some(Data::Gauge(gauge)), Point::Gauge(point)) => {
                gauge.data_points.push(point);
            }
            (Some(Data::Sum(sum)), Point::Sum(_, point)) => {
                sum.data_points.push(point);
            }
            (Some(Data::Histogram(histogram)), Point::Histogram(_, point)) => {
                histogram.data_points.push(point);
            }
            (_, point) => metrics.push(point.metric(name)),
        }
    }
    metrics
}
