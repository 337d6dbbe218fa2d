//! What spans are to say by the configuration, and what streams hold of them. Who begins and ends them is the connection
//! manager.

mod settings;

use std::rc::Rc;

use nuncio_contract::stream_info::{Address, Protocol};
use nuncio_contract::tracing::{SharedSpan, Span};

pub(crate) use settings::{RouteSpans, SpanSettings};

/// The span of a stream, and those of its tries.
pub(crate) struct ActiveSpan {
    pub(crate) span: Rc<SharedSpan>,
    pub(crate) tries: Vec<TrySpan>,
}

/// The span of a try.
pub(crate) struct TrySpan {
    pub(crate) span: Box<dyn Span>,
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
    /// It was ended before its request and its answer were.
    pub(crate) is_canceled: bool,
}
