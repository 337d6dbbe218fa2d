//! Tracing: spans of requests, wherever a tracer's room reports them to.
//!
//! A room parses its message once into a [`TracerConfig`], shared by the workers; each worker makes its own [`Tracer`] of
//! it. The connection manager begins a span with each request, tells it what is known, and ends it. Follows
//! `envoy.config.trace.v3.Tracing.Http`.

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use nuncio_config::message;
use nuncio_config::typed::{Any, Ctx, Refused, Spanned, SupportTable};

use crate::headers::HeaderMap;
use crate::services::WorkerServices;
use crate::stats::Scope;
use crate::stream_info::{StreamInfo, TraceIds};

/// Parses a tracer's message; errors go to the context.
pub type ParseTracer = fn(&Any, &mut Ctx) -> Result<Arc<dyn TracerConfig>, Refused>;

/// A kind of tracer.
pub struct TracerRoom {
    /// Envoy's name, such as `envoy.tracers.zipkin`.
    pub name: &'static str,
    /// The full name of its message.
    pub message: &'static str,
    /// Parses the message; errors go to the context.
    pub parse: ParseTracer,
    /// Adds what the room honours to the support table.
    pub support: fn(&mut SupportTable),
}

/// The rooms that a tracer may be of, family by family.
pub type TracerRooms = &'static [&'static [&'static TracerRoom]];

/// A parsed tracer, shared by the workers.
pub trait TracerConfig: Send + Sync + std::fmt::Debug {
    /// Makes the tracer of the calling worker, which counts in the store that `scope` is of.
    fn worker(&self, scope: &Scope) -> Rc<dyn Tracer>;
}

/// Whose side of an exchange a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Of who is asked.
    Server,
    /// Of who asks.
    Client,
}

/// What a span of a request begins with.
pub struct SpanStart<'a> {
    /// Its side.
    pub kind: SpanKind,
    /// Whether it is on its way out of what the proxy stands in front of.
    pub is_outbound: bool,
    /// When the request came.
    pub begin: SystemTime,
    /// Whether it is to be reported, as far as we decide that.
    pub is_sampled: bool,
    /// The head of the request, in which clients may say of which trace it is.
    pub request: &'a HeaderMap,
    /// What is known of the stream.
    pub info: &'a StreamInfo,
    /// Time and chance.
    pub services: &'a dyn WorkerServices,
}

/// One worker's tracer. Never blocks and never fails: what can't be reported is counted and dropped.
pub trait Tracer {
    /// Begins the span of a request; none if what the client says of its trace cannot be read.
    fn begin(&self, start: &SpanStart<'_>) -> Option<Box<dyn Span>>;
}

/// A span under way.
pub trait Span {
    /// Says what is done.
    fn set_operation(&mut self, operation: &str);

    /// Whether anybody is told what is done and the tags and notes; where not, they need not be made.
    fn is_told(&self) -> bool {
        true
    }

    /// Sets a tag, in place of one of the same name.
    fn set_tag(&mut self, name: &str, value: &str);

    /// Notes what happened when.
    fn note(&mut self, at: SystemTime, event: &str);

    /// Tells the next of the trace in the head of a request.
    fn inject(&self, request: &mut HeaderMap);

    /// Begins a span within this one, of a request to a host.
    fn child(
        &self,
        operation: &str,
        begin: SystemTime,
        services: &dyn WorkerServices,
    ) -> Box<dyn Span>;

    /// The ids, for logs.
    fn ids(&self) -> TraceIds;

    /// Ends it.
    fn end(self: Box<Self>, end: SystemTime, services: &dyn WorkerServices);
}

message! {
    /// A tracer.
    pub struct Provider: "envoy.config.trace.v3.Tracing.Http" {
        name: Spanned<String>,
        typed_config: Option<Any>,
    }
}

/// Finds the room of a tracer by the type of its message, as Envoy does, and lets it parse.
///
/// # Errors
/// [`Refused`] when it cannot be used.
pub fn compile(
    provider: &Provider,
    rooms: TracerRooms,
    ctx: &mut Ctx,
) -> Result<Arc<dyn TracerConfig>, Refused> {
    let Some(any) = &provider.typed_config else {
        let what = format!("tracer `{}` without `typed_config`", provider.name.value);
        return Err(ctx.unsupported_here(provider.name.span, what));
    };
    let mut rooms = rooms.iter().flat_map(|family| family.iter());
    match rooms.find(|room| room.message == any.type_name()) {
        Some(room) => (room.parse)(any, ctx),
        None => {
            let what = format!("tracer `{}`", any.type_name());
            Err(ctx.unsupported_here(any.span, what))
        }
    }
}
