//! What the stream engine needs of a downstream codec and its connection, whatever the HTTP version.
//!
//! Writes go to a buffer and never block; `flush` sends it. So a head and the body bytes that are there already
//! leave in one write.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Instant;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::{BytesMeter, ResponseFlags};
use nuncio_upstream::MetadataRelay;

/// One step of a request's body.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyEvent {
    /// Bytes were added to the chunk; `end_stream`: the last ones.
    Data {
        /// No more follows, and no trailers.
        end_stream: bool,
    },
    /// The body has ended with these trailers.
    Trailers,
}

/// Why a request can't be read to its end, or its response not be written.
#[derive(Debug)]
pub enum DownstreamError {
    /// The client broke the protocol.
    Protocol {
        /// `%RESPONSE_CODE_DETAILS%`.
        details: Cow<'static, str>,
        /// The status to answer with.
        status: u16,
    },
    /// The client closed or reset the connection.
    Gone,
    /// The stream has ended before its time; the connection may go on.
    Lost {
        /// What the log says of it.
        flags: ResponseFlags,
        /// `%RESPONSE_CODE_DETAILS%`.
        details: Cow<'static, str>,
    },
}

/// A stream's side towards the client.
#[expect(async_fn_in_trait, reason = "streams never leave their worker")]
pub trait Downstream {
    /// Whether [`Self::gone`] may be watched while the request is read.
    const TELLS_OF_RESETS: bool;

    /// Whether the request has been read to its end.
    fn request_done(&self) -> bool;
    /// Reads more of the request's body into `chunk`.
    async fn read_body(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Result<BodyEvent, DownstreamError>;
    /// Completes when the client is gone; watches only once the request is done.
    async fn gone(&self);
    /// What it was that [`Self::gone`] told of.
    fn loss(&self) -> DownstreamError;
    /// Writes a 1xx head.
    fn write_informational(&self, head: &HeaderMap);
    /// Adds what the connection has to say to the response's head (`connection: close`).
    fn finish_head(&self, head: &mut HeaderMap);
    /// Writes the response's head.
    fn write_head(&self, head: &HeaderMap, end_stream: bool);
    /// Writes a chunk of the body.
    fn write_data(&self, chunk: Buffer, end_stream: bool);
    /// Writes the trailers, which end the stream.
    fn write_trailers(&self, trailers: &HeaderMap);
    /// The way of METADATA between client and host, if the client knows what that is.
    fn metadata(&self) -> Option<Rc<MetadataRelay>> {
        None
    }
    /// Bytes of the request's body that have come in this turn and that nobody has read.
    fn unread_bytes(&self) -> usize {
        0
    }
    /// How many bytes of the stream wait here, if somebody has asked since the last time.
    fn weighed(&self) -> Option<usize> {
        None
    }
    /// Bytes written and not flushed.
    fn unflushed_bytes(&self) -> usize;
    /// Sends what was written, as the last of the stream: if nobody has to wait for it, when the worker's turn is over.
    async fn send_off(&self) -> Result<(), DownstreamError>;
    /// Sends what was written.
    async fn flush(&self) -> Result<(), DownstreamError>;
    /// Says that nothing more will be sent; the client may go on.
    async fn end_sending(&self);
    /// Bytes of the stream on the wire so far.
    fn bytes(&self) -> BytesMeter;
    /// Says that nothing else is to be understood on the connection, where it carries one stream at a time: it closes
    /// after this response; before the head is written.
    fn close_after_response(&self);
    /// Notes that the client did not take a complete response in time.
    fn flush_timed_out(&self) {}
    /// Says that the connection is to take no more streams; before the head is written.
    fn drain(&self);
    /// Whether that has been said.
    fn is_draining(&self) -> bool {
        false
    }
    /// Says that a deadline of the connection has passed while the stream lives.
    fn connection_expired(&self, _now: Instant) {}
}
