//! A span: the segment of a request, or the one of a try, which says of which other it is a part.

use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::TraceIds;
use nuncio_contract::tracing::Span;

use super::tracer::{XRayTracer, span_id};
use super::{context, json};

/// More are not told.
const MAX_ANNOTATIONS: usize = 64;
/// Of a value more is not told.
const MAX_TEXT_BYTES: usize = 8 << 10;

/// A span under way.
pub(super) struct XRaySpan {
    pub(super) tracer: Rc<XRayTracer>,
    pub(super) name: Rc<str>,
    pub(super) id: String,
    pub(super) trace_id: Rc<[u8]>,
    pub(super) parent_id: Rc<[u8]>,
    pub(super) begin: SystemTime,
    pub(super) is_sampled: bool,
    pub(super) is_outbound: bool,
    pub(super) is_child: bool,
    pub(super) told: Told,
}

/// What its tags make of it: of two with one name the first counts.
#[derive(Default)]
pub(super) struct Told {
    pub(super) url: Option<String>,
    pub(super) method: Option<String>,
    pub(super) user_agent: Option<String>,
    /// Where the request came from, and whether a header says so.
    pub(super) client: Option<(String, bool)>,
    pub(super) status: Option<u64>,
    pub(super) content_length: Option<u64>,
    pub(super) is_fault: bool,
    pub(super) annotations: Vec<(String, String)>,
}

/// As much of a text as is told.
fn told(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn first<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

impl Told {
    pub(super) fn set_client(&mut self, client: &str, is_forwarded: bool) {
        first(&mut self.client, Some((told(client), is_forwarded)));
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "http.url" => first(&mut self.url, Some(told(value))),
            "http.method" => first(&mut self.method, Some(told(value))),
            "user_agent" => first(&mut self.user_agent, Some(told(value))),
            "http.status_code" => first(&mut self.status, value.parse().ok()),
            "response_size" => first(&mut self.content_length, value.parse().ok()),
            "peer.address" => self.set_client(value, false),
            "error" if value == "true" => self.is_fault = true,
            name => {
                let is_there = self.annotations.iter().any(|(there, _)| there == name);
                if !is_there && self.annotations.len() < MAX_ANNOTATIONS {
                    self.annotations.push((name.to_owned(), told(value)));
                }
            }
        }
    }
}

impl Span for XRaySpan {
    fn is_told(&self) -> bool {
        self.is_sampled
    }

    /// Segments have the name that is configured, whatever is done.
    fn set_operation(&mut self, _operation: &str) {}

    fn set_tag(&mut self, name: &str, value: &str) {
        if self.is_sampled && !name.is_empty() && !value.is_empty() {
            self.told.set(name, value);
        }
    }

    fn set_sampled(&mut self, is_sampled: bool) {
        self.is_sampled = is_sampled;
    }

    fn set_outbound(&mut self) {
        self.is_outbound = true;
    }

    /// There are no notes.
    fn note(&mut self, _at: SystemTime, _event: &str) {}

    fn inject(&self, request: &mut HeaderMap) {
        if let Some(header) = &self.tracer.header {
            let value = context::write(&self.trace_id, &self.id, self.is_sampled);
            request.remove(header);
            request.set(header, &value);
        }
    }

    fn child(
        &self,
        operation: &str,
        begin: SystemTime,
        services: &dyn WorkerServices,
    ) -> Box<dyn Span> {
        Box::new(XRaySpan {
            tracer: Rc::clone(&self.tracer),
            name: operation.into(),
            id: span_id(services),
            trace_id: Rc::clone(&self.trace_id),
            parent_id: self.id.as_bytes().into(),
            begin,
            is_sampled: self.is_sampled,
            is_outbound: self.is_outbound,
            is_child: true,
            told: Told::default(),
        })
    }

    fn ids(&self) -> TraceIds {
        TraceIds {
            trace_id: context::text(&self.trace_id).into(),
            // Envoy tells none.
            span_id: "".into(),
            span: None,
        }
    }

    fn end(self: Box<Self>, end: SystemTime, _services: &dyn WorkerServices) {
        if self.is_sampled {
            self.tracer.send(&json::write(&self, end));
        }
    }
}
