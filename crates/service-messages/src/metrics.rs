//! `envoy.service.metrics.v3.MetricsService`, whose metrics are Prometheus' messages.

use prost::Message;

/// The path of the method.
pub const STREAM_METRICS: &str = "/envoy.service.metrics.v3.MetricsService/StreamMetrics";

/// `io.prometheus.client.MetricType`.
pub mod metric_type {
    /// A counter.
    pub const COUNTER: i32 = 0;
    /// A gauge.
    pub const GAUGE: i32 = 1;
    /// A summary.
    pub const SUMMARY: i32 = 2;
    /// A histogram.
    pub const HISTOGRAM: i32 = 4;
}

/// `StreamMetricsMessage`. Messages of one kind can be joined by joining their bytes.
#[derive(Clone, PartialEq, Message)]
pub struct StreamMetrics {
    /// Who tells, in the first message of a stream.
    #[prost(message, optional, tag = "1")]
    pub identifier: Option<Identifier>,
    /// What is told.
    #[prost(message, repeated, tag = "2")]
    pub envoy_metrics: Vec<MetricFamily>,
}

/// `StreamMetricsMessage.Identifier`.
#[derive(Clone, PartialEq, Message)]
pub struct Identifier {
    /// The node, as it is encoded.
    #[prost(bytes = "vec", tag = "1")]
    pub node: Vec<u8>,
}

/// `MetricFamily`.
#[derive(Clone, PartialEq, Message)]
pub struct MetricFamily {
    /// The name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Which of [`metric_type`].
    #[prost(int32, optional, tag = "3")]
    pub kind: Option<i32>,
    /// One.
    #[prost(message, repeated, tag = "4")]
    pub metric: Vec<Metric>,
}

/// `Metric`.
#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    /// Tags.
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<LabelPair>,
    /// A gauge.
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Number>,
    /// A counter.
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Number>,
    /// A summary.
    #[prost(message, optional, tag = "4")]
    pub summary: Option<Summary>,
    /// Since 1970.
    #[prost(int64, optional, tag = "6")]
    pub timestamp_ms: Option<i64>,
    /// A histogram.
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<Histogram>,
}

/// `LabelPair`.
#[derive(Clone, PartialEq, Message)]
pub struct LabelPair {
    /// The name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// The value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// `Counter` and `Gauge`.
#[derive(Clone, PartialEq, Message)]
pub struct Number {
    /// What it shows.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// `Summary`.
#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    /// Values.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// Their sum.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Quantiles.
    #[prost(message, repeated, tag = "3")]
    pub quantile: Vec<Quantile>,
}

/// `Quantile`.
#[derive(Clone, PartialEq, Message)]
pub struct Quantile {
    /// Which.
    #[prost(double, optional, tag = "1")]
    pub quantile: Option<f64>,
    /// The value there.
    #[prost(double, optional, tag = "2")]
    pub value: Option<f64>,
}

/// `Histogram`.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    /// Values.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// Their sum.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Buckets.
    #[prost(message, repeated, tag = "3")]
    pub bucket: Vec<Bucket>,
}

/// `Bucket`.
#[derive(Clone, PartialEq, Message)]
pub struct Bucket {
    /// Values up to its bound.
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    /// The bound.
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
}
