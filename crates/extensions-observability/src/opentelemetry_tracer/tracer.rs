//! The tracer of a worker, which all connection managers of one configuration share, and its reports.

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::calls::Calls;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::tracing::{Span, SpanKind, SpanStart, Tracer};
use nuncio_service_messages::Message;
use nuncio_service_messages::otlp::{
    self, EXPORT_SPANS, ExportSpans, InstrumentationScope, KeyValue, Resource, ResourceSpans,
    ScopeSpans,
};

use super::config::Settings;
use super::context::{self, Found};
use super::span::{OpenTelemetrySpan, flags, kind_number, nanoseconds};
use crate::of_thread::OfThread;
use crate::otlp::Destination;
use crate::span_buffer::{Reporter, SpanBuffer};

stat_group! {
    /// What became of spans.
    pub struct OpenTelemetryStats("tracing.opentelemetry.") {
        counters {
            spans_dropped,
            spans_sent,
            timer_flushed,
        }
    }
}

thread_local! {
    /// The tracers of this thread, by what they are written as.
    static TRACERS: OfThread<Vec<u8>, OpenTelemetryTracer> = OfThread::default();
}

/// The tracer.
pub(super) struct OpenTelemetryTracer {
    settings: Arc<Settings>,
    spans: Rc<SpanBuffer<otlp::Span, ToCollector>>,
    me: Weak<OpenTelemetryTracer>,
}

/// Where spans go.
struct ToCollector {
    settings: Arc<Settings>,
    stats: Arc<OpenTelemetryStats>,
    /// Who reports, once that is known.
    node: OnceCell<Arc<LocalNode>>,
}

impl OpenTelemetryTracer {
    pub(super) fn of_thread(settings: &Arc<Settings>, scope: &Scope) -> Rc<Self> {
        TRACERS.with(|tracers| {
            tracers.get_or_make(settings.written.clone(), |me| {
                let reporter = ToCollector {
                    settings: Arc::clone(settings),
                    stats: scope
                        .root()
                        .map(|root| root.worker_group())
                        .unwrap_or_default(),
                    node: OnceCell::new(),
                };
                let pace = settings.pace.clone();
                OpenTelemetryTracer {
                    settings: Arc::clone(settings),
                    spans: SpanBuffer::new(reporter, pace, settings.max_spans),
                    me,
                }
            })
        })
    }

    /// Takes a span that has ended.
    pub(super) fn take(&self, span: otlp::Span, services: &dyn WorkerServices) {
        let reporter = &self.spans.reporter;
        if let Some(node) = services.local_node() {
            reporter.node.get_or_init(|| node);
        }
        if !self.spans.take(span, services) {
            reporter.stats.spans_dropped.inc();
        }
    }
}

impl Tracer for OpenTelemetryTracer {
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>> {
        let services = start.services;
        let parent = match context::extract(start.request) {
            Found::Wrong => return None,
            Found::Nothing => None,
            Found::Context(parent) => Some(parent),
        };
        let trace_id = parent.as_ref().map_or_else(
            || {
                let (high, low) = (services.random_u64(), services.random_u64());
                (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
            },
            |parent| parent.trace_id,
        );
        let decided = parent.as_ref().map(|parent| parent.is_sampled);
        let is_sampled = match &self.settings.sampler {
            Some(sampler) => start.is_sampled && sampler.samples(&trace_id, decided, start),
            None => decided.unwrap_or(start.is_sampled),
        };
        let name = match start.kind {
            SpanKind::Server => "ingress",
            SpanKind::Client => "egress",
        };
        let span = otlp::Span {
            trace_id: trace_id.to_vec(),
            span_id: services.random_u64().to_be_bytes().to_vec(),
            name: name.to_owned(),
            kind: kind_number(start.kind),
            start_time_unix_nano: nanoseconds(start.begin),
            flags: flags(is_sampled, parent.is_some()),
            ..otlp::Span::default()
        };
        let span = match parent {
            None => span,
            Some(parent) => otlp::Span {
                parent_span_id: parent.span_id.to_vec(),
                trace_state: parent.state,
                ..span
            },
        };
        Some(Box::new(OpenTelemetrySpan {
            tracer: self.me.upgrade()?,
            span,
            is_sampled,
        }))
    }
}

impl ToCollector {
    fn request(&self, spans: Vec<otlp::Span>) -> ExportSpans {
        let version = self.version();
        let mut attributes = self.settings.attributes.clone();
        for (name, value) in [
            ("telemetry.sdk.language", "cpp"),
            ("telemetry.sdk.name", "envoy"),
            ("telemetry.sdk.version", version),
        ] {
            let known = attributes.entry(name.to_owned());
            known.or_insert_with(|| value.to_owned());
        }
        let attributes = attributes.into_iter();
        ExportSpans {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource {
                    attributes: attributes
                        .map(|(name, value)| KeyValue::text(name, value))
                        .collect(),
                }),
                scope_spans: vec![ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name: "envoy".to_owned(),
                        version: version.to_owned(),
                    }),
                    spans,
                }],
                schema_url: String::new(),
            }],
        }
    }

    fn version(&self) -> &str {
        self.node.get().map_or("", |node| &*node.version)
    }
}

impl Reporter<otlp::Span> for ToCollector {
    fn report(
        &self,
        spans: Vec<otlp::Span>,
        calls: &Calls,
        _services: Option<&dyn WorkerServices>,
    ) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        self.stats.spans_sent.add(count);
        let Some(destination) = &self.settings.destination else {
            return;
        };
        let agent = format!("OTel-OTLP-Exporter-Envoy/{}", self.version());
        let message = self.request(spans).encode_to_vec();
        let sent = match destination {
            Destination::Grpc(_) => destination.with_user_agent(&agent),
            Destination::Http(_) => destination.clone(),
        };
        sent.send(calls, EXPORT_SPANS, &agent, &message, Rc::new(|_| {}));
    }

    fn timer_flushed(&self) -> &Counter {
        &self.stats.timer_flushed
    }
}
