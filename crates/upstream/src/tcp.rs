//! Bytes on a connection of their own: what CONNECT, or a POST that is treated alike, comes to where it ends here.
//!
//! Looks like a request and its response to who exchanges them: the head is not sent, the answer to it is 200, the
//! end of the request is a FIN, and that of the host ends the response. The connection serves nobody after this, as
//! in Envoy. Nothing is held back but what was given to be written; reads are of 16 KiB, and of 64 KiB once a lot has
//! come.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nuncio_codec::http1::{BodyFraming, ResponseHead, Version};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_net::transport::Transport;

use crate::body_event::BodyEvent;
use crate::cluster::Host;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::header_bytes::HeaderBytes;
use crate::pool::{Ended, Lease};

/// A stream of bytes, both ways.
pub struct TcpStream {
    /// Without a connection once the stream was reset.
    lease: Lease,
    sending: Sending,
    /// What goes before all that is given to be written, and how much of it has gone.
    prologue: Vec<u8>,
    prologue_sent: usize,
    is_answered: bool,
    is_received: bool,
    /// Whether the connection counts as closed under its stream even if both sides have ended.
    is_cut_short: bool,
    /// Whether the host has reset its connection.
    was_reset: bool,
    /// Whether the host ended after we did.
    host_ended_last: bool,
    bytes_sent: u64,
    bytes_received: u64,
    most_read_bytes: usize,
    /// Ends it, where it is to end with the health of its host.
    host_failure: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// More may follow.
    Open,
    /// All was given; the FIN is due.
    Ending,
    Done,
    /// The host takes no more.
    Broken,
}

impl TcpStream {
    pub(crate) fn new(lease: Lease) -> Self {
        let settings = lease.core().settings();
        let host_failure = settings
            .close_connections_on_host_health_failure
            .then(|| Box::pin(lease.host().failure()) as Pin<Box<dyn Future<Output = ()>>>);
        TcpStream {
            lease,
            host_failure,
            sending: Sending::Open,
            prologue: Vec::new(),
            prologue_sent: 0,
            is_answered: false,
            is_received: false,
            is_cut_short: false,
            was_reset: false,
            host_ended_last: false,
            bytes_sent: 0,
            bytes_received: 0,
            most_read_bytes: Buffer::BODY_BYTES,
        }
    }

    pub(crate) fn count_as_cut_short(&mut self) {
        self.is_cut_short = true;
    }

    pub(crate) fn read_at_most(&mut self, bytes: usize) {
        self.most_read_bytes = bytes;
    }

    pub(crate) fn reset_on_close(&self) {
        if let Some(connection) = self.lease.connection() {
            connection.transport.reset_on_close();
        }
    }

    pub(crate) fn write_prologue(&mut self, bytes: Vec<u8>) {
        self.prologue = bytes;
    }

    fn poll_prologue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(rest @ [_, ..]) = self.prologue.get(self.prologue_sent..) {
            let Some(connection) = self.lease.connection_mut() else {
                break;
            };
            match ready!(connection.transport.poll_write(cx, rest)) {
                Ok(count @ 1..) => {
                    self.prologue_sent += count;
                    self.count_sent(count);
                }
                _ => {
                    self.sending = Sending::Broken;
                    break;
                }
            }
        }
        Poll::Ready(())
    }

    pub(crate) fn write_head(&mut self, _headers: &HeaderMap, end_stream: bool) {
        if end_stream {
            self.sending = Sending::Ending;
        }
    }

    pub(crate) fn write_trailers(&mut self, _trailers: &HeaderMap) {
        if self.sending == Sending::Open {
            self.sending = Sending::Ending;
        }
    }

    pub(crate) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        ready!(self.poll_prologue(cx));
        while !data.is_empty() {
            let connection = match self.sending {
                Sending::Broken => None,
                _ => self.lease.connection_mut(),
            };
            let Some(connection) = connection else {
                data.clear();
                break;
            };
            match ready!(connection.transport.poll_write(cx, data.readable())) {
                Ok(count @ 1..) => {
                    data.advance(count);
                    self.count_sent(count);
                }
                _ => self.sending = Sending::Broken,
            }
        }
        if end_stream && self.sending == Sending::Open {
            self.sending = Sending::Ending;
        }
        self.poll_flush(cx)
    }

    pub(crate) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_flush(cx)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_prologue(cx));
        let Some(connection) = self.lease.connection_mut() else {
            return Poll::Ready(());
        };
        match self.sending {
            Sending::Open => ready!(connection.transport.poll_flush(cx)).is_ok(),
            Sending::Ending => {
                let ended = ready!(connection.transport.poll_shutdown(cx)).is_ok();
                self.sending = if ended {
                    Sending::Done
                } else {
                    Sending::Broken
                };
                ended
            }
            Sending::Done | Sending::Broken => true,
        };
        Poll::Ready(())
    }

    /// The answer that stands for the connection.
    pub(crate) fn poll_read_head(
        &mut self,
        _cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        self.is_answered = true;
        headers.reset(MapKind::Response);
        headers.set(Known::Status, b"200");
        Poll::Ready(Ok(ResponseHead {
            head_len: 0,
            header_bytes: 0,
            version: Version::Http11,
            status: 200,
            framing: BodyFraming::Tunnel,
            keep_alive: false,
        }))
    }

    pub(crate) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        _trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        if self.is_received {
            return Poll::Ready(Ok(BodyEvent::End));
        }
        if let Some(failure) = &mut self.host_failure
            && failure.as_mut().poll(cx).is_ready()
        {
            self.host_failure = None;
            let error = self.broken();
            self.lease.reset(Ended::Local);
            return Poll::Ready(Err(error));
        }
        let room = match self.bytes_received {
            0..=0x4000 => Buffer::HEAD_BYTES,
            _ => self.most_read_bytes,
        };
        let read = match self.lease.connection_mut() {
            Some(connection) => ready!(connection.transport.poll_fill(cx, data, room)),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        Poll::Ready(match read {
            Ok(0) => {
                self.is_received = true;
                self.host_ended_last = matches!(self.sending, Sending::Done | Sending::Broken);
                Ok(BodyEvent::End)
            }
            Ok(count) => {
                self.count_received(count);
                Ok(BodyEvent::Data)
            }
            Err(error) => {
                self.was_reset = error.kind() == io::ErrorKind::ConnectionReset;
                Err(self.fail())
            }
        })
    }

    pub(crate) fn was_reset(&self) -> bool {
        self.was_reset
    }

    fn count_sent(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes_sent += count;
        let traffic = &self.lease.core().traffic;
        traffic.upstream_cx_tx_bytes_total.add(count);
    }

    fn count_received(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes_received += count;
        let traffic = &self.lease.core().traffic;
        traffic.upstream_cx_rx_bytes_total.add(count);
    }

    fn fail(&mut self) -> UpstreamError {
        let error = self.broken();
        self.lease.reset(Ended::Remote);
        error
    }

    fn broken(&self) -> UpstreamError {
        UpstreamError {
            response_started: self.is_answered,
            request_sent: self.bytes_sent > 0,
            ..UpstreamError::new(UpstreamErrorKind::ConnectionTermination)
        }
    }

    pub(crate) fn is_response_complete(&self) -> bool {
        self.is_received
    }

    pub(crate) fn is_request_complete(&self) -> bool {
        self.sending == Sending::Done
    }

    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        (self.bytes_sent, self.bytes_received)
    }

    pub(crate) fn header_bytes(&self) -> HeaderBytes {
        HeaderBytes {
            sent: u64::try_from(self.prologue_sent).unwrap_or(u64::MAX),
            ..HeaderBytes::default()
        }
    }

    pub(crate) fn connection_request_count(&self) -> u32 {
        1
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
        let connection = self.lease.connection()?;
        Some(&connection.transport)
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        match self.is_received && self.sending == Sending::Done {
            true if self.is_cut_short && self.host_ended_last => self.lease.reset(Ended::Remote),
            true if self.is_cut_short => self.lease.reset(Ended::Local),
            true => self.lease.close(Ended::Remote),
            false => self.lease.reset(Ended::Local),
        }
    }
}
