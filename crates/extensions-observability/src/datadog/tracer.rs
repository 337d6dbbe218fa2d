//! The tracer of a worker, which all connection managers of one configuration share.

use std::cell::{OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::Scope;
use nuncio_contract::tracing::{Span, SpanKind, SpanStart, Tracer};

use super::agent::Agent;
use super::config::Settings;
use super::context::{self, Context, HIGH_TAG, Names, Tags};
use super::sampling::Decision;
use super::segment::{Segment, Shared, SpanData, nanoseconds, uuid};
use super::span::DatadogSpan;
use crate::of_thread::OfThread;

thread_local! {
    /// The tracers of this thread, by what they are written as.
    static TRACERS: OfThread<Vec<u8>, DatadogTracer> = OfThread::default();
}

/// The tracer.
pub(super) struct DatadogTracer {
    settings: Arc<Settings>,
    names: Option<Names>,
    agent: Rc<Agent>,
    /// What is random of it, and what it is: known with the first span.
    runtime_id: OnceCell<String>,
    version: OnceCell<String>,
    me: Weak<DatadogTracer>,
}

impl DatadogTracer {
    pub(super) fn of_thread(settings: &Arc<Settings>, scope: &Scope) -> Rc<Self> {
        TRACERS.with(|tracers| {
            tracers.get_or_make(settings.written.clone(), |me| DatadogTracer {
                settings: Arc::clone(settings),
                names: Names::new(),
                agent: Agent::new(Arc::clone(settings), scope),
                runtime_id: OnceCell::new(),
                version: OnceCell::new(),
                me,
            })
        })
    }

    pub(super) fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    pub(super) fn service(&self) -> &str {
        &self.settings.service
    }

    pub(super) fn runtime_id(&self) -> &str {
        self.runtime_id.get().map_or("", String::as_str)
    }

    pub(super) fn decide(&self, trace_id: u64) -> Decision {
        self.agent.rates.borrow().decide(self.service(), trace_id)
    }

    /// Tags that each span begins with.
    pub(super) fn first_tags(&self) -> Tags {
        let version = self.version.get().map_or("", String::as_str);
        vec![("version".to_owned(), version.to_owned())]
    }

    /// Takes a trace that has ended.
    pub(super) fn take(&self, trace: &[u8], services: &dyn WorkerServices) {
        self.agent.take(trace, services);
    }

    fn learn(&self, services: &dyn WorkerServices) {
        self.runtime_id
            .get_or_init(|| uuid(services.random_u64(), services.random_u64()));
        self.version.get_or_init(|| {
            let node = services.local_node().unwrap_or_default();
            format!("envoy {}", node.version)
        });
    }
}

impl Tracer for DatadogTracer {
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>> {
        let services = start.services;
        self.learn(services);
        let begin_ns = nanoseconds(start.begin);
        let found = context::extract(start.request, self.names()?);
        let (trace_id, span_id, context) = match found {
            Some(context) => {
                let span_id = services.random_u64() >> 1;
                (context.trace_id.unwrap_or_default(), span_id, context)
            }
            None => {
                let low = services.random_u64();
                let high = (begin_ns / 1_000_000_000) << 32;
                let tag = (HIGH_TAG.to_owned(), format!("{high:016x}"));
                let context = Context {
                    trace_tags: vec![tag],
                    ..Context::default()
                };
                ((high, low), low, context)
            }
        };
        let mut tags = self.first_tags();
        tags.extend(context.span_tags.iter().cloned());
        let mut shared = Shared {
            spans: vec![SpanData {
                resource: match start.kind {
                    SpanKind::Server => "ingress".to_owned(),
                    SpanKind::Client => "egress".to_owned(),
                },
                span_id,
                parent_id: context.parent_id.unwrap_or(0),
                begin_ns,
                tags,
                ..SpanData::default()
            }],
            ended: 0,
            decision: context.priority.map(Decision::of_request),
            context,
        };
        if shared.decision.is_none() && !start.is_sampled {
            shared.decide(Decision::drop());
        }
        let segment = Segment {
            tracer: self.me.upgrade()?,
            trace_id,
            state: RefCell::new(shared),
        };
        Some(Box::new(DatadogSpan {
            segment: Rc::new(segment),
            at: 0,
            span_id,
        }))
    }
}
