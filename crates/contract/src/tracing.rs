//! Tracing: spans of requests, wherever a tracer's room reports them to.
//!
//! A room parses its message once into a [`TracerConfig`], shared by the workers; each worker makes its own [`Tracer`] of
//! it. The connection manager begins a span with each request, tells it what is known, and ends it. Follows
//! `envoy.config.trace.v3.Tracing.Http`.

use std::cell::RefCell;
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

    /// Says whether it is reported, which is otherwise as that of the one that it is within.
    fn set_sampled(&mut self, is_sampled: bool);

    /// Says that it is on its way out of what the proxy stands in front of, whatever the one that it is within is.
    fn set_outbound(&mut self) {}

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

/// The span of a stream, which all that is done for the stream may begin spans within.
pub struct SharedSpan {
    /// None once it has ended.
    span: RefCell<Option<Box<dyn Span>>>,
    services: Rc<dyn WorkerServices>,
}

impl SharedSpan {
    /// Shares a span, as one of the stream that this is the info of.
    pub fn share(
        span: Box<dyn Span>,
        services: Rc<dyn WorkerServices>,
        info: &mut StreamInfo,
    ) -> Rc<Self> {
        let ids = span.ids();
        let shared = Rc::new(SharedSpan {
            span: RefCell::new(Some(span)),
            services,
        });
        info.trace = Some(Box::new(TraceIds {
            span: Some(shared.clone()),
            ..ids
        }));
        shared
    }

    /// The one of a stream.
    pub fn of(info: &StreamInfo) -> Option<&Self> {
        info.trace.as_deref()?.span.as_deref()?.downcast_ref()
    }

    /// The same, to be kept.
    pub fn kept(info: &StreamInfo) -> Option<Rc<Self>> {
        let span = Rc::clone(info.trace.as_deref()?.span.as_ref()?);
        span.downcast().ok()
    }

    /// Does something with it, as long as it has not ended.
    pub fn with<R>(&self, act: impl FnOnce(&mut dyn Span) -> R) -> Option<R> {
        Some(act(&mut **self.span.borrow_mut().as_mut()?))
    }

    /// Takes it away, for it ends.
    pub fn take(&self) -> Option<Box<dyn Span>> {
        self.span.borrow_mut().take()
    }

    /// Begins a span within it, as long as it has not ended.
    pub fn child(&self, operation: &str) -> Option<Box<dyn Span>> {
        let services = &*self.services;
        self.with(|span| span.child(operation, services.wall(), services))
    }

    /// What it was made with.
    pub fn services(&self) -> Rc<dyn WorkerServices> {
        Rc::clone(&self.services)
    }
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
