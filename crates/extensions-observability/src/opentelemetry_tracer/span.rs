//! A span of OpenTelemetry.

use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::TraceIds;
use nuncio_contract::tracing::{Span, SpanKind};
use nuncio_service_messages::otlp::{self, Event, KeyValue, Status};

use super::context::{self, put};
use super::tracer::OpenTelemetryTracer;
use crate::hex;

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const ERROR: i32 = 2;
/// Of flags: what follows is known, and the parent is elsewhere.
const KNOWS_PARENT: u32 = 0x100;
const PARENT_IS_REMOTE: u32 = 0x200;
/// Statuses of gRPC that are a server's fault.
const SERVER_FAULTS: [&str; 6] = ["2", "4", "12", "13", "14", "15"];

/// The span.
pub(super) struct OpenTelemetrySpan {
    pub(super) tracer: Rc<OpenTelemetryTracer>,
    pub(super) span: otlp::Span,
    pub(super) is_sampled: bool,
}

pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since.unwrap_or_default().as_nanos();
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

pub(super) fn kind_number(kind: SpanKind) -> i32 {
    match kind {
        SpanKind::Server => SERVER,
        SpanKind::Client => CLIENT,
    }
}

/// The flags of a span.
pub(super) fn flags(is_sampled: bool, has_remote_parent: bool) -> u32 {
    let remote = if has_remote_parent {
        PARENT_IS_REMOTE
    } else {
        0
    };
    KNOWS_PARENT | remote | u32::from(is_sampled)
}

impl OpenTelemetrySpan {
    /// What a status of HTTP or gRPC says of the span.
    fn judge(&mut self, name: &str, value: &str) {
        let is_server = self.span.kind == SERVER;
        let code = match name {
            "http.status_code" => {
                let status: u32 = value.parse().unwrap_or(0);
                let least = if is_server { 500 } else { 400 };
                match status >= least {
                    true => ERROR,
                    false => return,
                }
            }
            "grpc.status_code" if value == "0" => 0,
            "grpc.status_code" => match !is_server || SERVER_FAULTS.contains(&value) {
                true => ERROR,
                false => 0,
            },
            _ => return,
        };
        self.span.status = Some(Status { code });
    }
}

impl Span for OpenTelemetrySpan {
    fn set_operation(&mut self, operation: &str) {
        operation.clone_into(&mut self.span.name);
    }

    fn set_tag(&mut self, name: &str, value: &str) {
        if name.is_empty() {
            return;
        }
        self.judge(name, value);
        let new = KeyValue::text(name, value);
        let attributes = &mut self.span.attributes;
        match attributes.iter_mut().find(|known| known.key == name) {
            Some(known) => *known = new,
            None => attributes.push(new),
        }
    }

    fn set_sampled(&mut self, is_sampled: bool) {
        self.is_sampled = is_sampled;
        self.span.flags = flags(is_sampled, false);
    }

    fn note(&mut self, at: SystemTime, event: &str) {
        self.span.events.push(Event {
            time_unix_nano: nanoseconds(at),
            name: event.to_owned(),
        });
    }

    fn inject(&self, request: &mut HeaderMap) {
        let span = &self.span;
        let parent = context::parent(&span.trace_id, &span.span_id, self.is_sampled);
        put(request, Known::Traceparent, parent.as_bytes());
        put(request, Known::Tracestate, span.trace_state.as_bytes());
    }

    fn child(
        &self,
        operation: &str,
        begin: SystemTime,
        services: &dyn WorkerServices,
    ) -> Box<dyn Span> {
        let mut span = otlp::Span {
            trace_id: self.span.trace_id.clone(),
            span_id: services.random_u64().to_be_bytes().to_vec(),
            trace_state: self.span.trace_state.clone(),
            parent_span_id: self.span.span_id.clone(),
            kind: CLIENT,
            start_time_unix_nano: nanoseconds(begin),
            flags: flags(self.is_sampled, false),
            ..otlp::Span::default()
        };
        operation.clone_into(&mut span.name);
        Box::new(OpenTelemetrySpan {
            tracer: Rc::clone(&self.tracer),
            span,
            is_sampled: self.is_sampled,
        })
    }

    fn ids(&self) -> TraceIds {
        TraceIds {
            trace_id: hex::text(&self.span.trace_id).into(),
            span_id: hex::text(&self.span.span_id).into(),
            span: None,
        }
    }

    fn end(self: Box<Self>, end: SystemTime, services: &dyn WorkerServices) {
        let mut span = self.span;
        span.end_time_unix_nano = nanoseconds(end);
        if self.is_sampled {
            self.tracer.take(span, services);
        }
    }
}
