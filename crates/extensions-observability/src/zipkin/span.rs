//! A span of Zipkin.

use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::TraceIds;
use nuncio_contract::tracing::{Span, SpanKind};

use super::context::Context;
use super::tracer::ZipkinTracer;
use crate::opentelemetry_tracer::context::{self as w3c, put};

/// The span.
pub(super) struct ZipkinSpan {
    pub(super) tracer: Rc<ZipkinTracer>,
    pub(super) context: Context,
    pub(super) is_sampled: bool,
    /// Whether the next is told by one header.
    pub(super) is_single: bool,
    pub(super) kind: SpanKind,
    pub(super) told: Told,
}

/// What is told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) begin_us: u64,
    pub(super) end_us: u64,
    pub(super) tags: Vec<(String, String)>,
    pub(super) notes: Vec<(u64, String)>,
}

pub(super) fn microseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

impl Context {
    /// The id of the trace as headers have it.
    pub(super) fn trace_text(&self) -> String {
        match self.trace_id_high {
            0 => format!("{:016x}", self.trace_id),
            high => format!("{high:016x}{:016x}", self.trace_id),
        }
    }
}

impl ZipkinSpan {
    fn inject_w3c(&self, request: &mut HeaderMap) {
        let context = &self.context;
        let id = u128::from(context.trace_id_high) << 64 | u128::from(context.trace_id);
        let span = context.span_id.to_be_bytes();
        let parent = w3c::parent(&id.to_be_bytes(), &span, self.is_sampled);
        put(request, Known::Traceparent, parent.as_bytes());
    }
}

impl Span for ZipkinSpan {
    fn set_operation(&mut self, operation: &str) {
        operation.clone_into(&mut self.told.name);
    }

    /// As in Envoy, a tag that says nothing is none.
    fn set_tag(&mut self, name: &str, value: &str) {
        if name.is_empty() || value.is_empty() {
            return;
        }
        let tags = &mut self.told.tags;
        match tags.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => tags.push((name.to_owned(), value.to_owned())),
        }
    }

    fn set_sampled(&mut self, is_sampled: bool) {
        self.is_sampled = is_sampled;
    }

    fn note(&mut self, at: SystemTime, event: &str) {
        self.told.notes.push((microseconds(at), event.to_owned()));
    }

    fn inject(&self, request: &mut HeaderMap) {
        let context = &self.context;
        let (trace, span) = (context.trace_text(), format!("{:016x}", context.span_id));
        let parent = context.parent_id.map(|parent| format!("{parent:016x}"));
        let sampled = if self.is_sampled { "1" } else { "0" };
        if self.is_single {
            let parent = parent
                .map(|parent| format!("-{parent}"))
                .unwrap_or_default();
            let value = format!("{trace}-{span}-{sampled}{parent}");
            put(request, Known::B3, value.as_bytes());
        } else {
            put(request, Known::XB3Traceid, trace.as_bytes());
            put(request, Known::XB3Spanid, span.as_bytes());
            if let Some(parent) = parent {
                put(request, Known::XB3Parentspanid, parent.as_bytes());
            }
            put(request, Known::XB3Sampled, sampled.as_bytes());
        }
        if self.tracer.settings().speaks_w3c {
            self.inject_w3c(request);
        }
    }

    fn child(
        &self,
        operation: &str,
        begin: SystemTime,
        services: &dyn WorkerServices,
    ) -> Box<dyn Span> {
        Box::new(ZipkinSpan {
            tracer: Rc::clone(&self.tracer),
            context: Context {
                span_id: services.random_u64(),
                parent_id: Some(self.context.span_id),
                ..self.context.clone()
            },
            is_sampled: self.is_sampled,
            is_single: self.is_single,
            kind: SpanKind::Client,
            told: Told {
                name: operation.to_owned(),
                begin_us: microseconds(begin),
                ..Told::default()
            },
        })
    }

    fn ids(&self) -> TraceIds {
        TraceIds {
            trace_id: self.context.trace_text().into(),
            // Envoy tells none.
            span_id: "".into(),
            span: None,
        }
    }

    fn end(self: Box<Self>, end: SystemTime, services: &dyn WorkerServices) {
        let mut span = self;
        span.told.end_us = microseconds(end);
        if span.is_sampled {
            let tracer = Rc::clone(&span.tracer);
            tracer.take(&span, services);
        }
    }
}
