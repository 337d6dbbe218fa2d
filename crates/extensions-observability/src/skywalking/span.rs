//! Spans of SkyWalking, and the segment that those of a request are in.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::TraceIds;
use nuncio_contract::tracing::Span;
use nuncio_service_messages::Message;
use nuncio_service_messages::skywalking::{Log, Pair, Reference, SegmentObject, SpanObject};

use super::context;
use super::tracer::SkyWalkingTracer;

/// The number by which SkyWalking knows Envoy.
const COMPONENT: i32 = 9000;
const HTTP: i32 = 3;
const ENTRY: i32 = 0;
const EXIT: i32 = 1;
/// A span without one that it is within.
const NO_PARENT: i32 = -1;

/// A segment under way.
pub(super) struct Segment {
    pub(super) tracer: Rc<SkyWalkingTracer>,
    pub(super) trace_id: String,
    pub(super) id: String,
    pub(super) service: String,
    pub(super) instance: String,
    /// The path of the request.
    pub(super) endpoint: String,
    /// By their ids; none as long as one has not ended.
    spans: RefCell<Vec<Option<SpanObject>>>,
    open: Cell<usize>,
}

/// A span.
pub(super) struct SkyWalkingSpan {
    segment: Rc<Segment>,
    /// What is done: the path, as a host is told of it where that is another.
    operation: RefCell<String>,
    object: SpanObject,
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

impl Segment {
    pub(super) fn new(
        tracer: Rc<SkyWalkingTracer>,
        (trace_id, id): (String, String),
        (service, instance): (String, String),
        endpoint: String,
    ) -> Rc<Self> {
        Rc::new(Segment {
            tracer,
            trace_id,
            id,
            service,
            instance,
            endpoint,
            spans: RefCell::default(),
            open: Cell::new(0),
        })
    }

    /// Begins the span of the request.
    pub(super) fn entry(
        self: &Rc<Self>,
        begin: SystemTime,
        of: Option<Reference>,
    ) -> SkyWalkingSpan {
        let mut span = self.begin(begin, ENTRY, NO_PARENT);
        span.object.references.extend(of);
        span
    }

    fn begin(self: &Rc<Self>, begin: SystemTime, kind: i32, parent: i32) -> SkyWalkingSpan {
        let mut spans = self.spans.borrow_mut();
        let id = i32::try_from(spans.len()).unwrap_or(i32::MAX);
        spans.push(None);
        self.open.set(self.open.get() + 1);
        SkyWalkingSpan {
            segment: Rc::clone(self),
            operation: RefCell::new(self.endpoint.clone()),
            object: SpanObject {
                id,
                parent_id: parent,
                start_time: milliseconds(begin),
                kind,
                layer: HTTP,
                component: COMPONENT,
                ..SpanObject::default()
            },
        }
    }

    /// Takes a span that has ended; after the last the whole is there to be sent.
    fn take(&self, span: SpanObject) -> Option<SegmentObject> {
        let mut spans = self.spans.borrow_mut();
        let place = usize::try_from(span.id).ok()?;
        *spans.get_mut(place)? = Some(span);
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() > 0 {
            return None;
        }
        Some(SegmentObject {
            trace_id: self.trace_id.clone(),
            id: self.id.clone(),
            spans: spans.drain(..).flatten().collect(),
            service: self.service.clone(),
            instance: self.instance.clone(),
            is_size_limited: false,
        })
    }
}

impl Span for SkyWalkingSpan {
    /// As in Envoy what is done is the path, whatever routes say.
    fn set_operation(&mut self, _operation: &str) {}

    fn set_tag(&mut self, name: &str, value: &str) {
        let name = match name {
            "peer.address" => {
                value.clone_into(&mut self.object.peer);
                return;
            }
            "http.url" => "url",
            "http.status_code" => "status_code",
            "error" => {
                self.object.is_error = true;
                name
            }
            name => name,
        };
        self.object.tags.push(Pair {
            key: name.to_owned(),
            value: value.to_owned(),
        });
    }

    /// As in Envoy it is sent in any case, and may say that it counts nothing.
    fn set_sampled(&mut self, is_sampled: bool) {
        self.object.skips_analysis |= !is_sampled;
    }

    fn note(&mut self, at: SystemTime, event: &str) {
        self.object.logs.push(Log {
            time: milliseconds(at),
            data: vec![Pair {
                key: String::new(),
                value: event.to_owned(),
            }],
        });
    }

    fn inject(&self, request: &mut HeaderMap) {
        if self.object.kind != EXIT {
            return;
        }
        let path = request.get_str(Known::Path).unwrap_or_default();
        path.clone_into(&mut self.operation.borrow_mut());
        let segment = &self.segment;
        let value = context::write(&Reference {
            kind: 0,
            trace_id: segment.trace_id.clone(),
            parent_segment_id: segment.id.clone(),
            parent_span_id: self.object.id,
            parent_service: segment.service.clone(),
            parent_instance: segment.instance.clone(),
            parent_endpoint: segment.endpoint.clone(),
            address_used_at_peer: match self.object.peer.as_str() {
                "" => request
                    .get_str(Known::Authority)
                    .unwrap_or_default()
                    .to_owned(),
                peer => peer.to_owned(),
            },
        });
        let header = &segment.tracer.settings.header;
        request.remove(header);
        request.set(header, value.as_bytes());
    }

    fn child(
        &self,
        _operation: &str,
        begin: SystemTime,
        _services: &dyn WorkerServices,
    ) -> Box<dyn Span> {
        Box::new(self.segment.begin(begin, EXIT, self.object.id))
    }

    fn ids(&self) -> TraceIds {
        // Envoy tells none.
        TraceIds {
            trace_id: "".into(),
            span_id: "".into(),
            span: None,
        }
    }

    fn end(self: Box<Self>, end: SystemTime, _services: &dyn WorkerServices) {
        let SkyWalkingSpan {
            segment,
            operation,
            object,
        } = *self;
        let object = SpanObject {
            operation: operation.into_inner(),
            end_time: milliseconds(end),
            ..object
        };
        if let Some(whole) = segment.take(object) {
            segment.tracer.sender.take(whole.encode_to_vec());
        }
    }
}
