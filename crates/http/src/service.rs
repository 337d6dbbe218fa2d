//! Requests that the process answers itself: the admin interface, the demo's upstreams.

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::services::LocalFuture;

/// Ends a filter chain instead of a router.
pub trait Service {
    /// Answers a request whose body has been read.
    fn call(&self, request: &HeaderMap, body: Buffer) -> LocalFuture<Answer>;
}

/// A service's answer.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, in order, after the status.
    pub headers: Vec<(HeaderName, Vec<u8>)>,
    /// The response code details, for the log.
    pub details: Option<&'static str>,
    /// The body, piece by piece; made while it is sent, so that a long one takes no memory.
    pub body: Box<dyn Iterator<Item = Vec<u8>>>,
    /// Whether `body` is known to be a single piece, which is sent with its length.
    pub is_single_piece: bool,
}
