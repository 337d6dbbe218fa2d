//! A request and its response on a connection that others share.
//!
//! The request encodes straight into the connection's output, as far as the windows allow and less than 64 KiB wait to
//! be written. The connection is driven by a task of its own ([`pool`](crate::pool)).

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::http1::{BodyFraming, ResponseHead, Version};
use nuncio_codec::http2::{
    ErrorCode, HeadKind, Metadata, StreamId, upgrade_request_to_http2, upgrade_response_from_http2,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_net::transport::TlsInfo;

use crate::body_event::BodyEvent;
use crate::cluster::Host;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::header_bytes::HeaderBytes;
use crate::http2_metadata::{MetadataRelay, WaitingMetadata};
use crate::http2_shared::Http2Shared;
use crate::pool::{Cut, Http2Connection, Mailbox, SharedLease};

/// A request among others.
pub struct Http2Stream {
    lease: SharedLease,
    stream: Option<(StreamId, Rc<Mailbox>)>,
    sending: Sending,
    is_answered: bool,
    is_received: bool,
    /// Whether it was given up at the answer's head.
    is_given_up: bool,
    /// Whether 2xx makes it a tunnel.
    is_connect: bool,
    /// What it is to be upgraded to.
    upgrade: Option<Vec<u8>>,
    /// The way of METADATA, where the stream may have some.
    metadata: Option<Rc<MetadataRelay>>,
    wire_bytes_sent: u64,
    header_bytes_sent: u64,
    decoded_bytes_sent: u64,
}

/// How far the request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// The head is due.
    Head,
    /// The body is.
    Body,
    /// All of it is with the connection.
    Done,
}

impl Http2Stream {
    pub(crate) fn new(lease: SharedLease) -> Self {
        Http2Stream {
            lease,
            stream: None,
            sending: Sending::Head,
            is_answered: false,
            is_received: false,
            is_given_up: false,
            is_connect: false,
            upgrade: None,
            metadata: None,
            wire_bytes_sent: 0,
            header_bytes_sent: 0,
            decoded_bytes_sent: 0,
        }
    }

    fn connection(&self) -> &Rc<Http2Connection> {
        self.lease.connection()
    }

    fn shared(&self) -> &Http2Shared<Mailbox> {
        &self.connection().shared
    }

    pub(crate) fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        self.is_connect = headers.get(Known::Method) == Some(b"CONNECT");
        let opened = if headers.contains(Known::Upgrade) {
            let mut connect = headers.clone();
            self.upgrade = upgrade_request_to_http2(&mut connect);
            self.connection().open(&connect, end_stream)
        } else {
            self.connection().open(headers, end_stream)
        };
        self.lease.has_begun();
        if let Some((id, mailbox, size)) = opened {
            self.connect_metadata(id);
            self.stream = Some((id, mailbox));
            self.count_sent(size.wire, size.wire, size.decoded);
        }
        self.sending = match end_stream {
            true => Sending::Done,
            false => Sending::Body,
        };
    }

    /// Whether its host may send METADATA, and be sent some.
    pub(crate) fn passes_metadata(&self) -> bool {
        let wire = self.shared().wire.borrow();
        wire.codec.settings().allow_metadata
    }

    /// METADATA goes to and fro by `relay`; to be called before the head is written.
    #[cold]
    pub(crate) fn join_metadata(&mut self, relay: Rc<MetadataRelay>) {
        self.metadata = Some(relay);
    }

    fn connect_metadata(&self, id: StreamId) {
        if let Some(relay) = &self.metadata {
            let connection = Rc::downgrade(self.connection());
            relay.connect(move |metadata| {
                if let Some(connection) = connection.upgrade() {
                    connection
                        .shared
                        .encode(|codec, out| codec.send_metadata(id, metadata, out));
                }
            });
        }
    }

    fn pass_metadata(&self, metadata: &Metadata) {
        if let Some(relay) = &self.metadata {
            relay.send_to_client(metadata);
        }
    }

    #[cold]
    fn pass_metadata_before_head(&self, waiting: &mut WaitingMetadata) {
        while let Some(metadata) = waiting.pop_before_head() {
            self.pass_metadata(&metadata);
        }
    }

    /// The stream, as long as it may be sent on.
    fn open_stream(&self) -> Option<(StreamId, &Mailbox)> {
        let (id, mailbox) = self.stream.as_ref()?;
        mailbox.cut.get().is_none().then_some((*id, mailbox))
    }

    pub(crate) fn write_trailers(&mut self, trailers: &HeaderMap) {
        if self.sending != Sending::Body {
            return;
        }
        self.sending = Sending::Done;
        if let Some((id, _)) = self.open_stream() {
            let size = self
                .shared()
                .encode(|codec, out| codec.send_trailers(id, trailers, out));
            self.count_sent(size.wire, size.wire, size.decoded);
        }
    }

    pub(crate) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        loop {
            let Some((id, mailbox)) = self.open_stream() else {
                data.clear();
                self.sending = Sending::Done;
                return Poll::Ready(());
            };
            if self.sending != Sending::Body || (data.is_empty() && !end_stream) {
                data.clear();
                return Poll::Ready(());
            }
            mailbox.task.note(cx);
            if !data.is_empty() && self.shared().awaits_room(id, mailbox) {
                return Poll::Pending;
            }
            let (sent, wire) = self.shared().encode(|codec, out| {
                let before = out.len();
                let sent = codec.send_data(id, data.readable(), end_stream, out);
                if sent < data.len() {
                    codec.wait_for_window(id);
                }
                (sent, out.len() - before)
            });
            self.count_sent(wire, 0, 0);
            let was_all = sent == data.len();
            data.advance(sent);
            if was_all {
                if end_stream {
                    self.sending = Sending::Done;
                }
                return Poll::Ready(());
            }
            if sent == 0 {
                return Poll::Pending;
            }
        }
    }

    /// What was encoded goes out by itself.
    pub(crate) fn poll_send_off(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    pub(crate) fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    pub(crate) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        let Some((_, mailbox)) = &self.stream else {
            return Poll::Ready(Err(self.error(UpstreamErrorKind::RemoteRefusedStream, None)));
        };
        if let Some(waiting) = &mut *mailbox.metadata.borrow_mut() {
            self.pass_metadata_before_head(waiting);
        }
        let next = mailbox.take_head();
        let Some(mut head) = next else {
            if let Some(cut) = mailbox.cut.get() {
                return Poll::Ready(Err(self.cut_error(cut)));
            }
            mailbox.task.note(cx);
            return Poll::Pending;
        };
        std::mem::swap(headers, &mut head.headers);
        let is_final = head.kind == HeadKind::Response;
        let upgrade = self.upgrade.as_deref().filter(|_| is_final);
        if let Some(protocol) = upgrade {
            upgrade_response_from_http2(headers, protocol);
        }
        let is_upgraded = upgrade.is_some() && headers.get(Known::Status) == Some(b"101");
        let status = status_of(headers);
        let framing = match () {
            () if is_upgraded => BodyFraming::Tunnel,
            () if is_final && self.is_connect && (200..300).contains(&status) => {
                BodyFraming::Tunnel
            }
            () if head.end_stream || !is_final => BodyFraming::None,
            () => BodyFraming::UntilClose,
        };
        if is_final {
            self.lease.core().note_response(self.lease.host(), headers);
            self.is_answered = true;
            self.is_received = head.end_stream;
        }
        Poll::Ready(Ok(ResponseHead {
            head_len: 0,
            header_bytes: 0,
            version: Version::Http11,
            status,
            framing,
            keep_alive: true,
        }))
    }

    pub(crate) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        if self.is_received {
            return Poll::Ready(Ok(BodyEvent::End));
        }
        let Some((id, mailbox)) = self.stream.clone() else {
            return Poll::Ready(Err(self.error(UpstreamErrorKind::RemoteRefusedStream, None)));
        };
        let (more, is_all) = match &mut *mailbox.metadata.borrow_mut() {
            None => (std::mem::take(&mut *mailbox.data.borrow_mut()), true),
            Some(waiting) => waiting.take_data(&mailbox.data, |it| self.pass_metadata(&it)),
        };
        let is_complete = is_all && mailbox.is_complete.get();
        if !more.is_empty() {
            let used = more.len();
            self.shared()
                .encode(|codec, out| codec.consumed(id, used, out));
            data.append(more);
            if is_complete && mailbox.trailers.borrow().is_none() {
                self.is_received = true;
                return Poll::Ready(Ok(BodyEvent::LastData));
            }
            return Poll::Ready(Ok(BodyEvent::Data));
        }
        if is_complete {
            self.is_received = true;
            return Poll::Ready(Ok(match mailbox.trailers.take() {
                Some(given) => {
                    *trailers = *given;
                    self.lease.core().note_trailers(self.lease.host(), trailers);
                    BodyEvent::Trailers
                }
                None => BodyEvent::End,
            }));
        }
        if let Some(cut) = mailbox.cut.get() {
            return Poll::Ready(Err(self.cut_error(cut)));
        }
        mailbox.task.note(cx);
        Poll::Pending
    }

    fn cut_error(&self, cut: Cut) -> UpstreamError {
        let (kind, details) = match cut {
            Cut::Reset(ErrorCode::REFUSED_STREAM) | Cut::Unprocessed => {
                (UpstreamErrorKind::RemoteRefusedStream, None)
            }
            Cut::Reset(ErrorCode::PROTOCOL_ERROR) => (UpstreamErrorKind::ProtocolError, None),
            Cut::Reset(ErrorCode::CONNECT_ERROR) => (UpstreamErrorKind::ConnectError, None),
            Cut::Reset(_) => (UpstreamErrorKind::RemoteReset, Some("http2.remote_reset")),
            Cut::Violation(error) => (UpstreamErrorKind::ProtocolError, Some(error.details())),
            Cut::Failed(details) => (UpstreamErrorKind::ProtocolError, details),
            Cut::Gone => (UpstreamErrorKind::ConnectionTermination, None),
        };
        self.error(kind, details)
    }

    fn error(&self, kind: UpstreamErrorKind, details: Option<&'static str>) -> UpstreamError {
        UpstreamError {
            details,
            has_host: true,
            reused_connection: self.connection().request_count() > 1,
            response_started: self.is_answered,
            request_sent: self.wire_bytes_sent > 0
                && kind != UpstreamErrorKind::RemoteRefusedStream,
            ..UpstreamError::new(kind)
        }
    }

    fn count_sent(&mut self, wire: usize, header: usize, decoded: usize) {
        self.decoded_bytes_sent += u64::try_from(decoded).unwrap_or(u64::MAX);
        self.wire_bytes_sent += u64::try_from(wire).unwrap_or(u64::MAX);
        self.header_bytes_sent += u64::try_from(header).unwrap_or(u64::MAX);
    }

    /// Ends the request if both directions are complete, for a caller that still wants to know of it.
    pub(crate) fn end_if_complete(&mut self) {
        if let Some((id, _)) = &self.stream
            && self.is_received
            && self.sending == Sending::Done
            && !self.lease.has_ended()
        {
            self.connection().stream_ended(*id);
            self.lease.end();
        }
    }

    /// Resets the stream at the head of its answer. As in Envoy that is done, and the body does not count, also where all
    /// of it has come.
    pub(crate) fn give_up(&mut self) {
        let Some((id, _)) = self.open_stream() else {
            return;
        };
        if self.is_received || self.lease.has_ended() {
            return;
        }
        let wire = self.shared().encode(|codec, out| {
            let before = out.len();
            codec.reset_anyway(id, ErrorCode::INTERNAL_ERROR, out);
            out.len() - before
        });
        self.is_given_up = true;
        self.count_sent(wire, 0, 0);
    }

    pub(crate) fn is_response_complete(&self) -> bool {
        self.is_received
    }

    pub(crate) fn is_request_complete(&self) -> bool {
        self.sending == Sending::Done
    }

    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        let received = self
            .stream
            .as_ref()
            .map_or(0, |(_, mailbox)| match self.is_given_up {
                true => mailbox.header_bytes.get(),
                false => mailbox.wire_bytes.get(),
            });
        (self.wire_bytes_sent, received)
    }

    pub(crate) fn header_bytes(&self) -> HeaderBytes {
        let mailbox = self.stream.as_ref().map(|(_, mailbox)| mailbox);
        HeaderBytes {
            sent: self.header_bytes_sent,
            received: mailbox.map_or(0, |mailbox| mailbox.header_bytes.get()),
            decoded_sent: self.decoded_bytes_sent,
            decoded_received: mailbox.map_or(0, |mailbox| mailbox.decoded_bytes.get()),
        }
    }

    pub(crate) fn unread_bytes(&self) -> usize {
        let mailbox = self.stream.as_ref().map(|(_, mailbox)| mailbox);
        mailbox.map_or(0, |mailbox| mailbox.data.borrow().len())
    }

    pub(crate) fn connection_request_count(&self) -> u32 {
        self.connection().request_count()
    }

    /// Whether its host may be behind an HTTP proxy.
    pub(crate) fn is_behind_proxy(&self) -> bool {
        let shared = &self.lease.core().shared;
        shared.socket_of(self.host()).http_proxy().is_some()
    }

    pub(crate) fn host(&self) -> &Host {
        self.lease.host()
    }

    pub(crate) fn peer_address(&self) -> Option<SocketAddr> {
        self.connection().peer_address
    }

    pub(crate) fn connection_id(&self) -> u64 {
        self.connection().id
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.connection().local_address
    }

    pub(crate) fn tls(&self) -> Option<&TlsInfo> {
        self.connection().tls.as_ref()
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        if self.lease.has_ended() {
            return;
        }
        let Some((id, mailbox)) = self.stream.take() else {
            return;
        };
        if !(self.is_received && self.sending == Sending::Done) {
            let cut = mailbox.cut.get();
            let ends_all = self.connection().ends_with(&mailbox);
            if cut.is_none() && !self.is_given_up && !ends_all {
                let code = ErrorCode::INTERNAL_ERROR;
                self.shared()
                    .encode(|codec, out| codec.reset(id, code, out));
            }
            // A host that wants no more of the request than its answer has reset nothing.
            let wants_no_more = self.is_received && cut == Some(Cut::Reset(ErrorCode::NO_ERROR));
            self.lease.count_reset(cut.filter(|_| !wants_no_more));
        }
        self.connection().stream_ended(id);
    }
}

pub(crate) fn status_of(headers: &HeaderMap) -> u16 {
    let digits = headers.get(Known::Status).unwrap_or_default();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().unwrap_or(0)
}
