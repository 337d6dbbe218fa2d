//! What spans are made of: those of a stream, and what they are to say.

mod settings;

use nuncio_contract::stream_info::{Address, Protocol};
use nuncio_contract::tracing::Span;

pub(crate) use settings::{RouteSpans, SpanSettings};

/// The span of a stream, and those of its tries.
pub(crate) struct ActiveSpan {
    /// Of the request.
    pub(crate) span: Box<dyn Span>,
    /// Of tries under way.
    pub(crate) tries: Vec<TrySpan>,
}

/// The span of a try.
pub(crate) struct TrySpan {
    /// The span.
    pub(crate) span: Box<dyn Span>,
    /// The host that is tried.
    pub(crate) host: Address,
}

/// How a try ended.
#[derive(Clone, Copy, Default)]
pub(crate) struct TryEnd<'a> {
    /// The status, if an answer came.
    pub(crate) status: Option<u16>,
    /// The protocol, if there was a connection.
    pub(crate) protocol: Option<Protocol>,
    /// Why there was none.
    pub(crate) reason: &'a str,
    /// What happened, in short.
    pub(crate) flags: &'a str,
}
