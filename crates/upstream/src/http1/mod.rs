//! A request and its response on an HTTP/1 connection.
//!
//! The stream borrows buffers only while it has bytes; between the last written byte and the first of the
//! response it holds none. Limits of the head are the codec's; a body is read in steps of 16 KiB, of up to
//! 128 KiB once it is known to be large, and only when asked for.

mod read;
mod write;

use std::net::SocketAddr;

use nuncio_codec::http1::{BodyDecoder, BodyEncoding, Error, HeadScan, Http1Settings, RequestSent};
use nuncio_contract::buffer::Buffer;
use nuncio_net::transport::Transport;

use crate::cluster::Host;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::header_bytes::HeaderBytes;
use crate::http2_metadata::MetadataRelay;
use crate::pool::{Ended, Lease};

/// A request alone on its connection.
pub struct Http1Stream {
    /// Without a connection once the stream was reset.
    lease: Lease,
    request: Request,
    response: Response,
}

/// The way up.
struct Request {
    progress: Progress,
    encoding: BodyEncoding,
    sent: RequestSent,
    out: Buffer,
    /// Bytes of the caller's data that go out as they are before framing is due again.
    raw_left: usize,
    /// The host reads no more.
    broken: bool,
    /// No other request may have the connection: it counts as closed under this one.
    is_last: bool,
    wire_bytes: u64,
    header_bytes: u64,
}

/// The way down.
struct Response {
    progress: Progress,
    scan: HeadScan,
    decoder: BodyDecoder,
    input: Buffer,
    keep_alive: bool,
    /// The body ends with the connection.
    until_close: bool,
    /// The connection has become a tunnel; its end is no end of a response.
    tunnel: bool,
    /// Trailers were decoded along with the last data and are to be told next.
    trailers_follow: bool,
    /// What is wrong with the trailers behind the last data, to be told next.
    fault: Option<Error>,
    wire_bytes: u64,
    header_bytes: u64,
    decoded_header_bytes: u64,
    trailer_bytes: u64,
}

/// How far one direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Head,
    Body,
    Complete,
}

impl Http1Stream {
    /// Counts the METADATA that there is no way to send.
    pub(crate) fn refuse_metadata(&self, relay: &MetadataRelay) {
        let stats = self.lease.core().http1_stats();
        relay.connect(move |_| {
            if let Some(stats) = &stats {
                stats.metadata_not_supported_error.inc();
            }
        });
    }

    #[inline]
    pub(crate) fn new(lease: Lease) -> Self {
        Self {
            lease,
            request: Request {
                progress: Progress::Head,
                encoding: BodyEncoding::Plain,
                sent: RequestSent::default(),
                out: Buffer::new(),
                raw_left: 0,
                broken: false,
                is_last: false,
                wire_bytes: 0,
                header_bytes: 0,
            },
            response: Response {
                progress: Progress::Head,
                scan: HeadScan::default(),
                decoder: BodyDecoder::Done,
                input: Buffer::new(),
                keep_alive: true,
                until_close: false,
                tunnel: false,
                trailers_follow: false,
                fault: None,
                wire_bytes: 0,
                header_bytes: 0,
                decoded_header_bytes: 0,
                trailer_bytes: 0,
            },
        }
    }

    pub(crate) fn count_as_cut_short(&mut self) {
        self.request.is_last = true;
    }

    pub(crate) fn is_response_complete(&self) -> bool {
        self.response.progress == Progress::Complete
    }

    pub(crate) fn is_request_complete(&self) -> bool {
        self.request.progress == Progress::Complete
            && self.request.out.is_empty()
            && !self.transport().is_some_and(Transport::is_behind)
    }

    /// Bytes of the request, also those that are written and not sent yet, and of the response.
    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        let unsent = u64::try_from(self.request.out.len()).unwrap_or(u64::MAX);
        (self.request.wire_bytes + unsent, self.response.wire_bytes)
    }

    /// As in Envoy, trailers that have come were never compressed.
    pub(crate) fn header_bytes(&self) -> HeaderBytes {
        HeaderBytes {
            sent: self.request.header_bytes,
            received: self.response.header_bytes + self.response.trailer_bytes,
            decoded_sent: self.request.header_bytes,
            decoded_received: self.response.decoded_header_bytes,
        }
    }

    pub(crate) fn connection_request_count(&self) -> u32 {
        self.lease
            .connection()
            .map_or(0, |connection| connection.request_count())
    }

    /// Whether its host may be behind an HTTP proxy.
    pub(crate) fn is_behind_proxy(&self) -> bool {
        let shared = &self.lease.core().shared;
        shared.socket_of(self.host()).http_proxy().is_some()
    }

    pub(crate) fn host(&self) -> &Host {
        self.lease.host()
    }

    pub(crate) fn connection_id(&self) -> u64 {
        self.lease
            .connection()
            .map_or(0, |connection| connection.id())
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.lease.connection()?.local_address
    }

    pub(crate) fn transport(&self) -> Option<&Transport> {
        self.lease
            .connection()
            .map(|connection| &connection.transport)
    }

    /// Resets the stream because of the host.
    fn fail(
        &mut self,
        kind: UpstreamErrorKind,
        details: Option<&'static str>,
        ended: Ended,
    ) -> UpstreamError {
        let error = UpstreamError {
            kind,
            transport_failure_reason: None,
            reset_details: None,
            details,
            has_host: true,
            reused_connection: self
                .lease
                .connection()
                .is_some_and(|connection| connection.is_reused()),
            response_started: self.response.wire_bytes > 0,
            request_sent: self.request.wire_bytes > 0,
            reply: None,
        };
        if kind == UpstreamErrorKind::ProtocolError {
            self.lease.core().traffic.upstream_cx_protocol_error.inc();
        }
        self.lease.reset(ended);
        error
    }

    /// Whether the host took not all of the request.
    fn is_broken(&self) -> bool {
        self.request.broken || self.transport().is_some_and(Transport::has_failed)
    }

    /// Ends the exchange if both directions are complete, for a caller that still wants to know of it.
    pub(crate) fn end_if_complete(&mut self) {
        if self.is_response_complete() && self.is_request_complete() {
            self.leave_connection();
            self.lease.end();
        }
    }

    /// Closes the connection if no other request may have it; else its lease gives it back.
    #[inline]
    fn leave_connection(&mut self) {
        if self.lease.connection().is_none() || self.is_untouched() {
            return;
        }
        let has_more = self.is_response_complete() && !self.response.input.is_empty();
        if has_more {
            let traffic = &self.lease.core().traffic;
            traffic.upstream_cx_protocol_error.inc();
        }
        if self.request.is_last || !(self.is_response_complete() && self.is_request_complete()) {
            self.lease.reset(Ended::Local);
        } else if has_more {
            self.lease.close(Ended::Unsolicited);
        } else if self.response.until_close {
            self.lease.close(Ended::Remote);
        } else if !self.response.keep_alive || self.is_broken() {
            self.lease.close(Ended::Local);
        }
    }

    /// Whether nothing was written, so that the connection is as good as before.
    fn is_untouched(&self) -> bool {
        self.request.progress == Progress::Head && self.response.wire_bytes == 0
    }
}

impl Drop for Http1Stream {
    #[inline]
    fn drop(&mut self) {
        self.leave_connection();
    }
}

/// The codec's settings for the lease's connection.
fn settings(lease: &Lease) -> &Http1Settings {
    &lease.core().settings().http.http1
}
