//! A request's exchange with a host, whatever the protocol on the wire.
//!
//! Both directions move on their own: one task may write the request's body and read the response in turn,
//! by the `poll_` functions, which all wake the task they were last polled from. Dropping the stream before
//! both directions are complete resets it (for HTTP/1 that closes the connection); dropped after that, its
//! connection goes back to the pool.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::{Address, Protocol};
use nuncio_net::transport::{TlsInfo, Transport};

use crate::body_event::BodyEvent;
use crate::calls::CallConnection;
use crate::error::UpstreamError;
use crate::header_bytes::HeaderBytes;
use crate::host::Host;
use crate::http1::Http1Stream;
use crate::http2::Http2Stream;
use crate::http2_metadata::MetadataRelay;
use crate::http3::Http3Stream;
use crate::pool::{Carries, Granted, Lent, PendingLease};
use crate::tcp::TcpStream;
use crate::udp::UdpStream;

/// A request and its response.
pub enum UpstreamStream {
    /// Over HTTP/1, alone on its connection.
    Http1(Http1Stream),
    /// Over HTTP/2, among others.
    Http2(Http2Stream),
    /// Over HTTP/3, among others.
    Http3(Box<Http3Stream>),
    /// No request at all: bytes on a connection of their own. The response is 200 as soon as there is a connection.
    Tcp(TcpStream),
    /// Datagrams as capsules. The response is 200 at once.
    Udp(Box<UdpStream>),
}

/// Calls the protocol's own stream.
macro_rules! each {
    ($self:expr, $stream:ident => $body:expr) => {
        match $self {
            UpstreamStream::Http1($stream) => $body,
            UpstreamStream::Http2($stream) => $body,
            UpstreamStream::Http3($stream) => $body,
            UpstreamStream::Tcp($stream) => $body,
            UpstreamStream::Udp($stream) => $body,
        }
    };
}

impl UpstreamStream {
    /// Writes the request's head into the stream's own buffer: it leaves with the first data or flush.
    /// `end_stream`: neither a body nor trailers follow.
    #[inline]
    pub fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        each!(self, stream => stream.write_head(headers, end_stream));
    }

    /// Sends `data`, which is consumed as it goes, until it is empty and all is handed to the system.
    /// `end_stream` is meant for the time when `data` is empty; say the same at each poll.
    ///
    /// A host that no longer reads is no error here: the rest is swallowed, and reading tells what became
    /// of the response.
    #[inline]
    pub fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        each!(self, stream => stream.poll_write_data(cx, data, end_stream))
    }

    /// Writes the request's trailers into the stream's own buffer; the request is complete. Flush after it.
    pub fn write_trailers(&mut self, trailers: &HeaderMap) {
        each!(self, stream => stream.write_trailers(trailers));
    }

    /// Sends what was written, as the last of the request: if nobody has to wait for it, when the worker's turn is
    /// over.
    #[inline]
    pub fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, stream => stream.poll_send_off(cx))
    }

    /// Whether the host may send METADATA.
    #[inline]
    pub fn passes_metadata(&self) -> bool {
        match self {
            UpstreamStream::Http2(stream) => stream.passes_metadata(),
            _ => false,
        }
    }

    /// METADATA goes to and fro by `relay`, where the protocol has it; to be called before the head is written.
    #[cold]
    pub fn join_metadata(&mut self, relay: Rc<MetadataRelay>) {
        match self {
            UpstreamStream::Http2(stream) => stream.join_metadata(relay),
            UpstreamStream::Http1(stream) => stream.refuse_metadata(&relay),
            UpstreamStream::Http3(_) | UpstreamStream::Tcp(_) | UpstreamStream::Udp(_) => {}
        }
    }

    /// Hands all that was written to the system.
    #[inline]
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, stream => stream.poll_flush(cx))
    }

    /// Reads the next head into `headers`: informational ones (1xx other than 101) come first, each by a
    /// call of its own.
    ///
    /// # Errors
    /// Whatever ended the stream instead; it is reset then.
    #[inline]
    pub fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        each!(self, stream => stream.poll_read_head(cx, headers))
    }

    /// Reads some of the response's body, once the final head was read. Appends to `data`; by not calling
    /// it the caller holds the host back.
    ///
    /// # Errors
    /// Whatever ended the stream instead; it is reset then.
    #[inline]
    pub fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        each!(self, stream => stream.poll_read_body(cx, data, trailers))
    }

    /// Sends `bytes` before all others, if what is exchanged is no HTTP.
    pub fn write_prologue(&mut self, bytes: Vec<u8>) {
        if let UpstreamStream::Tcp(stream) = self {
            stream.write_prologue(bytes);
        }
    }

    /// Has the end of a connection that was one client's count as one in the middle of a request even if both sides
    /// have ended, as that of Envoy's TCP proxy does.
    pub fn count_as_cut_short(&mut self) {
        match self {
            UpstreamStream::Tcp(stream) => stream.count_as_cut_short(),
            UpstreamStream::Http1(stream) => stream.count_as_cut_short(),
            UpstreamStream::Http2(_) | UpstreamStream::Http3(_) | UpstreamStream::Udp(_) => {}
        }
    }

    /// Reads no more than `bytes` at once, if what is exchanged is no HTTP.
    pub fn read_at_most(&mut self, bytes: usize) {
        if let UpstreamStream::Tcp(stream) = self {
            stream.read_at_most(bytes);
        }
    }

    /// Has the host see a reset at the end of bytes that are no HTTP.
    pub fn reset_on_close(&self) {
        if let UpstreamStream::Tcp(stream) = self {
            stream.reset_on_close();
        }
    }

    /// Whether the host has reset the connection of bytes that are no HTTP.
    pub fn was_reset(&self) -> bool {
        matches!(self, UpstreamStream::Tcp(stream) if stream.was_reset())
    }

    /// Whether what is exchanged are datagrams.
    pub fn is_udp(&self) -> bool {
        matches!(self, UpstreamStream::Udp(_))
    }

    /// Whether what is exchanged is no HTTP.
    pub fn is_tcp(&self) -> bool {
        matches!(self, UpstreamStream::Tcp(_))
    }

    /// Whether the response is complete; right after the head it says that no body follows.
    #[inline]
    pub fn is_response_complete(&self) -> bool {
        each!(self, stream => stream.is_response_complete())
    }

    /// Whether the request was handed to the system to its end.
    #[inline]
    pub fn is_request_complete(&self) -> bool {
        each!(self, stream => stream.is_request_complete())
    }

    /// Ends a request and its response whose both directions are complete: the connection goes back at once, though
    /// what came may not have been passed on yet.
    pub fn end_if_complete(&mut self) {
        match self {
            UpstreamStream::Http1(stream) => stream.end_if_complete(),
            UpstreamStream::Http2(stream) => stream.end_if_complete(),
            UpstreamStream::Http3(stream) => stream.end_if_complete(),
            UpstreamStream::Tcp(_) | UpstreamStream::Udp(_) => {}
        }
    }

    /// Gives up a response of which only the head counts; what it costs on the wire is known from then on.
    pub fn give_up(&mut self) {
        match self {
            UpstreamStream::Http2(stream) => stream.give_up(),
            UpstreamStream::Http3(stream) => stream.give_up(),
            UpstreamStream::Http1(_) | UpstreamStream::Tcp(_) | UpstreamStream::Udp(_) => {}
        }
    }

    /// Ends the exchange: the same as dropping the stream, said aloud.
    pub fn finish(self) {}

    /// Bytes written to and read from the wire for this stream, framing included.
    pub fn wire_bytes(&self) -> (u64, u64) {
        each!(self, stream => stream.wire_bytes())
    }

    /// Bytes of heads among [`Self::wire_bytes`].
    pub fn header_bytes(&self) -> HeaderBytes {
        each!(self, stream => stream.header_bytes())
    }

    /// Bytes of the answer's body that have come and wait to be read. Those of HTTP/1 stay with the kernel, and those of HTTP/3
    /// with its connection.
    pub fn unread_bytes(&self) -> usize {
        match self {
            UpstreamStream::Http2(stream) => stream.unread_bytes(),
            _ => 0,
        }
    }

    /// Requests that its connection has begun, this one included.
    pub fn connection_request_count(&self) -> u32 {
        each!(self, stream => stream.connection_request_count())
    }

    /// The number of its connection; 0 once the stream was reset.
    pub fn connection_id(&self) -> u64 {
        each!(self, stream => stream.connection_id())
    }

    /// This end's address; `None` once the stream was reset.
    pub fn local_address(&self) -> Option<Address> {
        match self.host().not_ip.as_deref() {
            Some(Address::Internal(_)) => Some(Address::internal_client()),
            _ => each!(self, stream => stream.local_address()).map(Address::from),
        }
    }

    /// The host's address; of several the one that the connection leads to, of a host behind a proxy the proxy's.
    pub fn host_address(&self) -> Address {
        let host = self.host();
        let is_proxied =
            host.http_proxy.is_some() || each!(self, stream => stream.is_behind_proxy());
        if host.addresses.is_none() && !is_proxied {
            return host.shown_address();
        }
        let reached = match self {
            UpstreamStream::Http1(stream) => stream.transport().and_then(Transport::peer_address),
            UpstreamStream::Http2(stream) => stream.peer_address(),
            UpstreamStream::Http3(_) => None,
            UpstreamStream::Tcp(stream) => stream.transport().and_then(Transport::peer_address),
            UpstreamStream::Udp(_) => None,
        };
        reached.map_or_else(|| host.shown_address(), Address::from)
    }

    fn host(&self) -> &Host {
        each!(self, stream => stream.host())
    }

    /// What the connection's handshake agreed on; `None` without TLS, and once the stream was reset.
    pub fn tls(&self) -> Option<&TlsInfo> {
        match self {
            UpstreamStream::Http1(stream) => stream.transport().and_then(Transport::tls),
            UpstreamStream::Http2(stream) => stream.tls(),
            UpstreamStream::Http3(stream) => Some(stream.tls()),
            UpstreamStream::Tcp(stream) => stream.transport().and_then(Transport::tls),
            UpstreamStream::Udp(_) => None,
        }
    }

    /// The version of HTTP that is spoken; `None` if what is exchanged is no HTTP.
    pub fn protocol(&self) -> Option<Protocol> {
        match self {
            UpstreamStream::Http1(_) => Some(Protocol::Http11),
            UpstreamStream::Http2(_) => Some(Protocol::Http2),
            UpstreamStream::Http3(_) => Some(Protocol::Http3),
            UpstreamStream::Tcp(_) | UpstreamStream::Udp(_) => None,
        }
    }
}

/// A connection for one request. A stream is large to move, so it is made where it stays.
pub struct ReadyStream(Ready);

/// What a stream is made of.
enum Ready {
    Connection(Granted),
    Datagrams(Box<UdpStream>),
}

impl ReadyStream {
    /// The stream; the connection's protocol decides which.
    #[inline]
    pub fn begin(self) -> UpstreamStream {
        match self.0 {
            Ready::Connection(Granted::Own(lease)) if lease.carries() == Carries::Tcp => {
                UpstreamStream::Tcp(TcpStream::new(lease))
            }
            Ready::Connection(Granted::Own(lease)) => {
                UpstreamStream::Http1(Http1Stream::new(lease))
            }
            Ready::Connection(Granted::Shared(lease)) => {
                UpstreamStream::Http2(Http2Stream::new(lease))
            }
            Ready::Connection(Granted::Http3(lease)) => {
                UpstreamStream::Http3(Box::new(Http3Stream::new(lease)))
            }
            Ready::Datagrams(stream) => UpstreamStream::Udp(stream),
        }
    }

    /// The connection itself, where it carries calls of a protocol that is no HTTP.
    pub fn into_calls(self) -> Option<CallConnection> {
        match self.0 {
            Ready::Connection(Granted::Own(lease)) => CallConnection::new(lease),
            Ready::Connection(Granted::Shared(_) | Granted::Http3(_)) | Ready::Datagrams(_) => None,
        }
    }
}

/// The answer to a request for a stream.
pub enum Acquired {
    /// An idle connection.
    Ready(ReadyStream),
    /// No connection is free: wait for one.
    Pending(PendingStream),
}

impl Acquired {
    /// A socket of datagrams.
    pub(crate) fn datagrams(stream: UdpStream) -> Self {
        Self::Ready(ReadyStream(Ready::Datagrams(Box::new(stream))))
    }
}

impl From<Lent> for Acquired {
    #[inline]
    fn from(lent: Lent) -> Self {
        match lent {
            Lent::Ready(granted) => Self::Ready(ReadyStream(Ready::Connection(granted))),
            Lent::Pending(pending) => Self::Pending(PendingStream(pending)),
        }
    }
}

/// Becomes a stream once a connection is free. Dropped, it gives up its place.
pub struct PendingStream(PendingLease);

impl Future for PendingStream {
    type Output = Result<ReadyStream, UpstreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map_ok(|granted| ReadyStream(Ready::Connection(granted)))
    }
}
