//! The tracer of a worker, which all connection managers of one configuration share, and its reports.

use std::rc::{Rc, Weak};
use std::sync::Arc;

use nuncio_contract::calls::Calls;
use nuncio_contract::headers::Known;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stat_group;
use nuncio_contract::stats::{Counter, Scope};
use nuncio_contract::tracing::{Span, SpanKind, SpanStart, Tracer};

use super::config::Settings;
use super::context::{self, Context};
use super::json;
use super::span::{Told, ZipkinSpan, microseconds};
use crate::of_thread::OfThread;
use crate::span_buffer::{Reporter, SpanBuffer};

/// More spans do not wait.
const MAX_SPANS: usize = 1024;
const ACCEPTED: u16 = 202;

stat_group! {
    /// What became of spans and of reports.
    pub struct ZipkinStats("tracing.zipkin.") {
        counters {
            reports_dropped,
            reports_failed,
            reports_sent,
            reports_skipped_no_cluster,
            spans_sent,
            timer_flushed,
        }
    }
}

thread_local! {
    /// The tracers of this thread, by what they are written as.
    static TRACERS: OfThread<Vec<u8>, ZipkinTracer> = OfThread::default();
}

/// The tracer.
pub(super) struct ZipkinTracer {
    settings: Arc<Settings>,
    spans: Rc<SpanBuffer<Vec<u8>, ToCollector>>,
    me: Weak<ZipkinTracer>,
}

/// Where spans go, which are JSON already.
struct ToCollector {
    settings: Arc<Settings>,
    stats: Arc<ZipkinStats>,
}

impl ZipkinTracer {
    pub(super) fn of_thread(settings: &Arc<Settings>, scope: &Scope) -> Rc<Self> {
        TRACERS.with(|tracers| {
            tracers.get_or_make(settings.written.clone(), |me| {
                let reporter = ToCollector {
                    settings: Arc::clone(settings),
                    stats: scope
                        .root()
                        .map(|root| root.worker_group())
                        .unwrap_or_default(),
                };
                let pace = settings.pace.clone();
                ZipkinTracer {
                    settings: Arc::clone(settings),
                    spans: SpanBuffer::new(reporter, pace, MAX_SPANS),
                    me,
                }
            })
        })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes a span that has ended.
    pub(super) fn take(&self, span: &ZipkinSpan, services: &dyn WorkerServices) {
        let node = services.local_node().unwrap_or_default();
        let mut text = Vec::new();
        json::append(span, self.settings.shares_spans, &node, &mut text);
        let _there_was_room = self.spans.take(text, services);
    }

    /// The context of a span of a side, within that of the one who asks if there is one.
    fn context(
        &self,
        kind: SpanKind,
        parent: Option<&Context>,
        services: &dyn WorkerServices,
    ) -> Context {
        match (parent, kind) {
            (None, _) => {
                let id = services.random_u64();
                let high = self.settings.has_long_ids.then(|| services.random_u64());
                Context {
                    trace_id_high: high.unwrap_or(0),
                    trace_id: id,
                    span_id: id,
                    parent_id: None,
                }
            }
            (Some(parent), SpanKind::Server) if self.settings.shares_spans => parent.clone(),
            (Some(parent), _) => Context {
                span_id: services.random_u64(),
                parent_id: Some(parent.span_id),
                ..parent.clone()
            },
        }
    }
}

impl Tracer for ZipkinTracer {
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>> {
        let found = context::extract(start.request, self.settings.speaks_w3c)?;
        let host = start.request.get_str(Known::Authority);
        Some(Box::new(ZipkinSpan {
            tracer: self.me.upgrade()?,
            context: self.context(start.kind, found.context.as_ref(), start.services),
            is_sampled: found.is_sampled.unwrap_or(start.is_sampled),
            is_single: found.is_single,
            kind: start.kind,
            told: Told {
                name: host.unwrap_or_default().to_owned(),
                begin_us: microseconds(start.begin),
                ..Told::default()
            },
        }))
    }
}

impl Reporter<Vec<u8>> for ToCollector {
    fn report(&self, spans: Vec<Vec<u8>>, calls: &Calls, _services: Option<&dyn WorkerServices>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        self.stats.spans_sent.add(count);
        let body = [b"[".as_slice(), &spans.join(&b","[..]), b"]"].concat();
        let headers = [(Known::ContentType, &b"application/json"[..])];
        let Some(answer) = self.settings.target.post(&**calls, &headers, &body, None) else {
            return self.stats.reports_skipped_no_cluster.inc();
        };
        let stats = Arc::clone(&self.stats);
        calls.spawn(Box::pin(async move {
            match answer.await {
                None => stats.reports_failed.inc(),
                Some(answer) if answer.status() == ACCEPTED => stats.reports_sent.inc(),
                Some(_) => stats.reports_dropped.inc(),
            }
        }));
    }

    fn timer_flushed(&self) -> &Counter {
        &self.stats.timer_flushed
    }
}
