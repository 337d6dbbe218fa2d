//! A span of Datadog: a place among those of its trace.

use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::TraceIds;
use nuncio_contract::tracing::Span;

use super::context::set;
use super::sampling::Decision;
use super::segment::{Segment, SpanData, nanoseconds};

/// Spans of one trace that are kept; more have no tags of their own.
const MAX_SPANS: usize = 64;

/// The span.
pub(super) struct DatadogSpan {
    pub(super) segment: Rc<Segment>,
    /// Its place.
    pub(super) at: usize,
    pub(super) span_id: u64,
}

impl DatadogSpan {
    fn change(&self, change: impl FnOnce(&mut SpanData)) {
        if let Some(span) = self.segment.state.borrow_mut().spans.get_mut(self.at) {
            change(span);
        }
    }
}

impl Span for DatadogSpan {
    /// What others call the operation is the resource here.
    fn set_operation(&mut self, operation: &str) {
        self.change(|span| operation.clone_into(&mut span.resource));
    }

    fn set_tag(&mut self, name: &str, value: &str) {
        self.change(|span| match name {
            "resource.name" => value.clone_into(&mut span.resource),
            "error" => span.is_error |= value == "true",
            _ => {
                if name == "error.reason" {
                    span.is_error = true;
                    set(&mut span.tags, "error.message", value.to_owned());
                }
                set(&mut span.tags, name, value.to_owned());
            }
        });
    }

    /// As in Envoy it is the whole trace of which this is said.
    fn set_sampled(&mut self, is_sampled: bool) {
        let decision = Decision::manual(is_sampled);
        self.segment.state.borrow_mut().decide(decision);
    }

    /// There are no notes.
    fn note(&mut self, _at: SystemTime, _event: &str) {}

    fn inject(&self, request: &mut HeaderMap) {
        self.segment.inject(self.span_id, request);
    }

    fn child(
        &self,
        operation: &str,
        begin: SystemTime,
        services: &dyn WorkerServices,
    ) -> Box<dyn Span> {
        let span_id = services.random_u64() >> 1;
        let mut shared = self.segment.state.borrow_mut();
        let at = shared.spans.len();
        let is_kept = at < MAX_SPANS;
        if is_kept {
            let span = SpanData {
                resource: operation.to_owned(),
                span_id,
                parent_id: self.span_id,
                begin_ns: nanoseconds(begin),
                tags: self.segment.tracer.first_tags(),
                ..SpanData::default()
            };
            shared.spans.push(span);
        }
        Box::new(DatadogSpan {
            segment: Rc::clone(&self.segment),
            at,
            span_id,
        })
    }

    /// Logs, which come when the span has ended, have none in Envoy.
    fn ids(&self) -> TraceIds {
        TraceIds {
            trace_id: "".into(),
            span_id: "".into(),
            span: None,
        }
    }

    fn end(self: Box<Self>, end: SystemTime, services: &dyn WorkerServices) {
        if self.at < MAX_SPANS {
            self.segment.end(self.at, end, services);
        }
    }
}
