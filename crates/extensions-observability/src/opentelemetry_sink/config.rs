//! The message, compiled, and the way to the collector.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::span::Span;
use nuncio_config::typed::{Any, Ctx, Refused};
use nuncio_config::{message, one_of};
use nuncio_contract::grpc_client::GrpcServiceMessage;
use nuncio_contract::http_service::HttpServiceMessage;
use nuncio_contract::match_tree::MatcherMessage;
use nuncio_contract::stat_sink::{Reporter, SinkCluster, SinkServices, StatSink, StatSinkConfig};
use nuncio_service_messages::otlp::{KeyValue, Resource};
use nuncio_service_messages::otlp_metrics::EXPORT_METRICS;

use super::conversion::Conversions;
use super::sink::{Metrics, Surroundings};
use crate::otlp::{Destination, Detected, DetectorMessage};

/// Calls that may be under way.
const MAX_CALLS: usize = 64;

message! {
    /// The sink.
    pub(crate) struct OpenTelemetrySink: "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig" {
        oneof protocol_specifier: Protocol,
        resource_detectors: Vec<DetectorMessage>,
        report_counters_as_deltas: bool,
        report_histograms_as_deltas: bool,
        emit_tags_as_attributes: Option<bool>,
        use_tag_extracted_name: Option<bool>,
        prefix: String,
        custom_metric_conversions: Option<MatcherMessage>,
        max_data_points_per_request: u32,
    }
}

one_of! {
    /// How reports go.
    pub(crate) enum Protocol {
        grpc_service => Grpc(GrpcServiceMessage),
        http_service => Http(HttpServiceMessage),
    }
}

/// How stats are told.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) counters_as_deltas: bool,
    pub(super) histograms_as_deltas: bool,
    pub(super) tags_as_attributes: bool,
    pub(super) extracted_names: bool,
    /// With its dot.
    pub(super) prefix: String,
    pub(super) conversions: Option<Conversions>,
    /// Of a report.
    pub(super) max_points: usize,
}

struct Config {
    destination: Destination,
    /// Where the cluster of gRPC is named.
    grpc: Option<(String, Span)>,
    detected: Detected,
    form: Arc<Form>,
}

pub(super) fn parse(any: &Any, ctx: &mut Ctx) -> Result<Arc<dyn StatSinkConfig>, Refused> {
    let message: OpenTelemetrySink = any.decode(ctx)?;
    let (messages, grpc) = match &message.protocol_specifier {
        Protocol::Grpc(grpc) => {
            let cluster = grpc.cluster_name();
            let named = cluster.map(|cluster| (cluster.value.clone(), cluster.span));
            ((Some(grpc), None), named)
        }
        Protocol::Http(http) => ((None, Some(http)), None),
    };
    let mut detected = Detected::new();
    for detector in &message.resource_detectors {
        detector.detect(&mut detected, ctx)?;
    }
    let tree = message.custom_metric_conversions.as_ref();
    let conversions = tree.map(|tree| Conversions::compile(tree, ctx)).transpose();
    let destination = Destination::compile(messages, ctx)?.ok_or(Refused)?;
    Ok(Arc::new(Config {
        destination,
        grpc,
        detected,
        form: Arc::new(Form {
            counters_as_deltas: message.report_counters_as_deltas,
            histograms_as_deltas: message.report_histograms_as_deltas,
            tags_as_attributes: message.emit_tags_as_attributes.unwrap_or(true),
            extracted_names: message.use_tag_extracted_name.unwrap_or(true),
            prefix: match message.prefix.as_str() {
                "" => String::new(),
                prefix => format!("{prefix}."),
            },
            conversions: conversions?,
            max_points: match message.max_data_points_per_request {
                0 => usize::MAX,
                max => usize::try_from(max).unwrap_or(usize::MAX),
            },
        }),
    }))
}

impl StatSinkConfig for Config {
    fn cluster(&self) -> Option<SinkCluster<'_>> {
        let (name, span) = self.grpc.as_ref()?;
        Some(SinkCluster {
            name,
            span: *span,
            error: format!("Unknown gRPC client cluster '{name}'"),
        })
    }

    fn wants_histograms(&self) -> bool {
        true
    }

    fn open(&self, services: &SinkServices<'_>) -> Result<Box<dyn StatSink>, String> {
        let version = &*services.local_node.version;
        let mut attributes = self.detected.clone();
        for (name, value) in [
            ("telemetry.sdk.language", "cpp"),
            ("telemetry.sdk.name", "envoy"),
            ("telemetry.sdk.version", version),
        ] {
            let known = attributes.entry(name.to_owned());
            known.or_insert_with(|| value.to_owned());
        }
        let attributes = attributes.into_iter();
        let attributes = attributes.map(|(name, value)| KeyValue::text(name, value));
        let agent = format!("OTel-OTLP-Exporter-Envoy/{version}");
        let surroundings = Surroundings {
            tags: services.tags.clone(),
            buckets: services.buckets.clone(),
            resource: Resource {
                attributes: attributes.collect(),
            },
            reports: (services.reports_to)(reporter(self.destination.clone(), agent)),
        };
        let form = Arc::clone(&self.form);
        Ok(Box::new(Metrics::new(
            form,
            surroundings,
            SystemTime::now(),
        )))
    }
}

fn reporter(destination: Destination, agent: String) -> Reporter {
    let under_way = Rc::<Cell<usize>>::default();
    Box::new(move |report, calls| {
        if under_way.get() >= MAX_CALLS {
            return;
        }
        under_way.set(under_way.get() + 1);
        let counted = Rc::clone(&under_way);
        let outcome = Rc::new(move |_was_taken| counted.set(counted.get().saturating_sub(1)));
        destination.send(calls, EXPORT_METRICS, &agent, &report, outcome);
    })
}
