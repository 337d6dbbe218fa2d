//! The message, compiled, and the way to the service.

use std::sync::Arc;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{enumeration, message};
use nuncio_contract::grpc_client::{GrpcServiceMessage, GrpcTarget};
use nuncio_contract::stat_sink::{Reporter, SinkCluster, SinkServices, StatSink, StatSinkConfig};
use nuncio_service_messages::Message;
use nuncio_service_messages::metrics::{Identifier, STREAM_METRICS, StreamMetrics};

use super::families::{Families, Form};
use crate::grpc_log::ApiVersion;
use crate::kept_stream::KeptStream;

message! {
    /// The sink.
    pub(crate) struct MetricsService: "envoy.config.metrics.v3.MetricsServiceConfig" {
        grpc_service: GrpcServiceMessage,
        checked transport_api_version: ApiVersion = "there is one version of the service's messages",
        report_counters_as_deltas: Option<bool>,
        emit_tags_as_labels: bool,
        histogram_emit_mode: EmitMode,
        batch_size: u32,
    }
}

enumeration! {
    /// What histograms are told as.
    pub(crate) enum EmitMode: "envoy.config.metrics.v3.HistogramEmitMode" {
        SUMMARY_AND_HISTOGRAM => Both,
        SUMMARY => Summary,
        HISTOGRAM => Histogram,
    }
}

struct Config {
    target: GrpcTarget,
    /// Where the cluster is named, if one is.
    span: Option<Span>,
    form: Form,
    batch_size: usize,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let message: MetricsService = any.decode(ctx)?;
    let mode = message.histogram_emit_mode;
    Ok(Arc::new(Config {
        target: message.grpc_service.compile(ctx)?,
        span: message.grpc_service.cluster_name().map(|name| name.span),
        form: Form {
            deltas: message.report_counters_as_deltas.unwrap_or(false),
            labels: message.emit_tags_as_labels,
            summaries: mode != EmitMode::Histogram,
            histograms: mode != EmitMode::Summary,
        },
        batch_size: usize::try_from(message.batch_size).unwrap_or(usize::MAX),
    }))
}

impl StatSinkConfig for Config {
    fn cluster(&self) -> Option<SinkCluster<'_>> {
        let name = &*self.target.cluster;
        Some(SinkCluster {
            name,
            span: self.span?,
            error: format!("Unknown gRPC client cluster '{name}'"),
        })
    }

    fn wants_histograms(&self) -> bool {
        true
    }

    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String> {
        let node = services.local_node.encoded.clone();
        let messages = (services.reports_to)(reporter(self.target.clone(), node));
        Ok(Box::new(Families::new(
            self.form,
            self.batch_size,
            services,
            messages,
        )))
    }
}

/// Sends messages, and before the first of each stream who tells: messages are joined by joining their bytes.
fn reporter(target: GrpcTarget, node: Vec<u8>) -> Reporter {
    let stream = KeptStream::new(target, STREAM_METRICS);
    let about = StreamMetrics {
        identifier: Some(Identifier { node }),
        envoy_metrics: Vec::new(),
    };
    Box::new(move |metrics, calls| {
        stream.send(calls, |is_first| match is_first {
            true => [about.encode_to_vec(), metrics].concat(),
            false => metrics,
        });
    })
}
