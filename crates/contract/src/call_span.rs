//! Spans of what the proxy itself asks for the sake of a stream: calls of services, and copies of requests.
//!
//! They are children of the stream's span, with Envoy's names and tags; a stream without a span has none. One that is
//! dropped before it has ended was given up, and says so.

use std::rc::Rc;

use crate::call_notes::CallNotes;
use crate::calls::{CallAnswer, CallOptions, HttpCall, HttpCalls, collect};
use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stream_info::{FilterStateObject as _, StreamInfo};
use crate::tracing::{SharedSpan, Span};

enum Kind {
    Http(Rc<CallNotes>),
    Grpc,
}

/// A span under way.
pub struct CallSpan {
    /// None once it has ended.
    span: Option<Box<dyn Span>>,
    kind: Kind,
    services: Rc<dyn WorkerServices>,
}

impl CallSpan {
    /// Begins the span of a request of HTTP within that of the stream, if it has one.
    pub fn http(of: &StreamInfo, operation: &str) -> Option<Self> {
        Self::begin(SharedSpan::of(of)?, operation, || Kind::Http(Rc::default()))
    }

    /// Begins the one of a call of a cluster, if there is such a cluster; it is named by that unless it has a name.
    pub fn call(of: Option<&SharedSpan>, cluster: &str, operation: Option<&str>) -> Option<Self> {
        let parent = of?;
        if !parent.services().knows_cluster(cluster) {
            return None;
        }
        let kind = || Kind::Http(Rc::default());
        match operation {
            Some(operation) => Self::begin(parent, operation, kind),
            None => Self::begin(parent, &format!("async {cluster} egress"), kind),
        }
    }

    /// Begins a call, which is told of the trace if it has a span.
    pub fn start(
        span: Option<&Self>,
        calls: &dyn HttpCalls,
        cluster: &str,
        mut head: HeaderMap,
        options: CallOptions,
    ) -> Option<Box<dyn HttpCall>> {
        let Some(span) = span else {
            return calls.start(cluster, head, options);
        };
        span.inject(&mut head);
        calls.start_noting(cluster, head, options, span.notes())
    }

    /// Begins the one of a call of gRPC: `path` is that of its method, `cluster` and `address` name who is asked.
    pub fn grpc(of: &StreamInfo, path: &str, cluster: &str, address: &str) -> Option<Self> {
        let method = path.trim_start_matches('/').replace('/', ".");
        let operation = format!("async {method} egress");
        let mut span = Self::begin(SharedSpan::of(of)?, &operation, || Kind::Grpc)?;
        span.set_tag("upstream_cluster", cluster);
        span.set_tag("upstream_address", address);
        span.set_tag("component", "proxy");
        Some(span)
    }

    fn begin(parent: &SharedSpan, operation: &str, kind: impl FnOnce() -> Kind) -> Option<Self> {
        let mut span = parent.child(operation)?;
        span.set_outbound();
        Some(CallSpan {
            span: Some(span),
            kind: kind(),
            services: parent.services(),
        })
    }

    /// Where what one of HTTP says is noted.
    pub fn notes(&self) -> Option<Rc<CallNotes>> {
        match &self.kind {
            Kind::Http(notes) => Some(Rc::clone(notes)),
            Kind::Grpc => None,
        }
    }

    /// Says whether it is reported, whatever becomes of the stream's.
    pub fn set_sampled(&mut self, is_sampled: bool) {
        if let Some(span) = &mut self.span {
            span.set_sampled(is_sampled);
        }
    }

    /// Tells who is asked of the trace.
    pub fn inject(&self, head: &mut HeaderMap) {
        if let Some(span) = &self.span {
            span.inject(head);
        }
    }

    /// Sets a tag.
    pub fn set_tag(&mut self, name: &str, value: &str) {
        if let Some(span) = &mut self.span {
            span.set_tag(name, value);
        }
    }

    /// Notes that the answer of one of HTTP broke off.
    pub fn note_reset(&self) {
        if let Kind::Http(notes) = &self.kind {
            notes.was_reset.set(true);
        }
    }

    /// Says how a call of gRPC has ended.
    pub fn set_grpc_status(&mut self, status: u32, is_well: bool) {
        self.set_tag("grpc.status_code", &status.to_string());
        if !is_well {
            self.set_tag("error", "true");
        }
    }

    /// Ends the one of a stream of gRPC, with its status.
    pub fn end_grpc(mut self, status: u32) {
        self.set_grpc_status(status, status == 0);
        self.end();
    }

    /// Ends it.
    pub fn end(mut self) {
        self.finish();
    }

    fn finish(&mut self) {
        let Some(mut span) = self.span.take() else {
            return;
        };
        if let Kind::Http(notes) = &self.kind {
            tell(notes, &mut *span);
        }
        span.end(self.services.wall(), &*self.services);
    }
}

/// Takes all that comes of a call, with which its span ends; none if the answer breaks off or is too long.
pub async fn collect_in_span(
    call: Box<dyn HttpCall>,
    span: Option<CallSpan>,
) -> Option<CallAnswer> {
    let answer = collect(call).await;
    if let Some(span) = span {
        if answer.is_none() {
            span.note_reset();
        }
        span.end();
    }
    answer
}

impl Drop for CallSpan {
    fn drop(&mut self) {
        match self.kind {
            Kind::Http(_) => self.set_tag("canceled", "true"),
            Kind::Grpc => self.set_tag("status", "canceled"),
        }
        self.finish();
    }
}

fn tell(notes: &CallNotes, span: &mut dyn Span) {
    if !span.is_told() {
        return;
    }
    span.set_tag("component", "proxy");
    // As in Envoy, whatever the host speaks.
    span.set_tag("http.protocol", "HTTP/1.1");
    if let Some(host) = &*notes.host.borrow() {
        let host = host.serialize_as_string().unwrap_or_default();
        span.set_tag("upstream_address", &host);
        span.set_tag("peer.address", &host);
    }
    if let Some(cluster) = &*notes.cluster.borrow() {
        span.set_tag("upstream_cluster", &cluster.name);
        span.set_tag("upstream_cluster.name", &cluster.observability_name);
    }
    let status = notes.status.get();
    span.set_tag("http.status_code", &status.unwrap_or(0).to_string());
    let flags = notes.flags.get();
    let flags: Vec<_> = flags.short_names().collect();
    match flags.is_empty() {
        true => span.set_tag("response_flags", "-"),
        false => span.set_tag("response_flags", &flags.join(",")),
    }
    if notes.was_reset.get() {
        span.set_tag("error.reason", "Reset");
    }
    if status.is_none_or(|status| status >= 500) {
        span.set_tag("error", "true");
    }
}
