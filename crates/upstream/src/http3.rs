//! A request and its response on a connection of QUIC that others share.
//!
//! The request writes into QUIC what its windows take, and waits with the rest; the response is read off its stream as it is
//! asked for, so that a client that does not read holds the host up. The connection is driven by a task of its own
//! ([`pool`](crate::pool)).

use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::http1::{BodyFraming, ResponseHead, Version};
use nuncio_codec::http2::{upgrade_request_to_http2, upgrade_response_from_http2};
use nuncio_codec::http3::{
    ErrorCode, Event, HeadKind, Http3Error, MessageReader, StreamId as Number, write_data_head,
    write_head, write_trailers,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_net::quic::{ReadEnd, VarInt};
use nuncio_net::transport::TlsInfo;

use crate::body_event::BodyEvent;
use crate::cluster::Host;
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::header_bytes::HeaderBytes;
use crate::pool::{Http3Connection, Http3Cut as Cut, Http3Mailbox as Mailbox, SharedLease};

/// What is read of a stream at once.
const READ_BYTES: usize = 64 * 1024;

/// A request among others.
pub struct Http3Stream {
    lease: SharedLease<Http3Connection>,
    stream: Option<Rc<Mailbox>>,
    reading: Option<Reading>,
    /// What QUIC has not taken yet.
    unsent: Buffer,
    sending: Sending,
    is_answered: bool,
    is_received: bool,
    /// Whether nothing comes behind the head.
    is_ended: bool,
    /// Whether the host wants no more of the request.
    is_stopped: bool,
    /// Whether it was given up at the answer's head.
    is_given_up: bool,
    /// Whether 2xx makes it a tunnel.
    is_connect: bool,
    /// What it is to be upgraded to.
    upgrade: Option<Vec<u8>>,
    wire_bytes: (u64, u64),
    header_bytes: HeaderBytes,
}

/// How far the request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// The head is due.
    Head,
    /// The body is.
    Body,
    /// All of it is here.
    Ended,
    /// And QUIC has it.
    Done,
}

/// What has come of the response.
struct Reading {
    reader: MessageReader,
    input: Buffer,
    /// Whether the host has ended its side; the input is the last.
    is_finished: bool,
    /// Trailers that have come, and wait for the end of the stream: only that shows that nothing is behind them.
    trailers: Option<Box<HeaderMap>>,
}

impl Http3Stream {
    pub(crate) fn new(lease: SharedLease<Http3Connection>) -> Self {
        Http3Stream {
            lease,
            stream: None,
            reading: None,
            unsent: Buffer::new(),
            sending: Sending::Head,
            is_answered: false,
            is_received: false,
            is_ended: false,
            is_stopped: false,
            is_given_up: false,
            is_connect: false,
            upgrade: None,
            wire_bytes: (0, 0),
            header_bytes: HeaderBytes::default(),
        }
    }

    fn connection(&self) -> &Rc<Http3Connection> {
        self.lease.connection()
    }

    pub(crate) fn write_head(&mut self, headers: &HeaderMap, end_stream: bool) {
        self.is_connect = headers.get(Known::Method) == Some(b"CONNECT");
        let mailbox = self.connection().begin();
        self.lease.has_begun();
        if headers.contains(Known::Upgrade) {
            let mut connect = headers.clone();
            self.upgrade = upgrade_request_to_http2(&mut connect);
            self.begin(mailbox, &connect);
        } else {
            self.begin(mailbox, headers);
        }
        self.sending = match end_stream {
            true => Sending::Ended,
            false => Sending::Body,
        };
        self.send();
    }

    fn begin(&mut self, mailbox: Option<Rc<Mailbox>>, headers: &HeaderMap) {
        let Some(mailbox) = mailbox else {
            return;
        };
        let number = Number(VarInt::from(mailbox.id).into_inner());
        let settings = Rc::clone(&self.connection().settings);
        self.reading = Some(Reading {
            reader: MessageReader::response(number, settings, headers),
            input: Buffer::new(),
            is_finished: false,
            trailers: None,
        });
        self.stream = Some(mailbox);
        let mut bytes = Vec::new();
        let size = write_head(headers, &mut bytes);
        self.add_block(&bytes, size.decoded);
    }

    fn add_block(&mut self, block: &[u8], decoded: usize) {
        self.wire_bytes.0 += count(block.len());
        self.header_bytes.sent += count(block.len());
        self.header_bytes.decoded_sent += count(decoded);
        self.unsent.extend(block);
    }

    /// Gives QUIC what it takes; whether nothing is left. Who wants no more of the request takes everything.
    fn send(&mut self) -> bool {
        let Some(mailbox) = &self.stream else {
            self.unsent.clear();
            self.sending = Sending::Done;
            return true;
        };
        let quic = &self.lease.connection().quic;
        if mailbox.cut.get().is_some() {
            self.unsent.clear();
            self.sending = Sending::Done;
            return true;
        }
        let mut has_written = false;
        while !self.unsent.is_empty() {
            let sent = match quic.send(mailbox.id, self.unsent.readable()) {
                Ok(0) => break,
                Ok(sent) => sent,
                Err(_) => {
                    if !self.is_stopped {
                        self.is_stopped = true;
                        self.lease.connection().stats.rx_reset.inc();
                    }
                    self.unsent.len()
                }
            };
            has_written = true;
            self.unsent.advance(sent);
        }
        let is_all = self.unsent.is_empty();
        if is_all && self.sending == Sending::Ended {
            self.sending = Sending::Done;
            quic.finish(mailbox.id);
            has_written = true;
        }
        if has_written {
            quic.wake();
        }
        is_all
    }

    pub(crate) fn write_trailers(&mut self, trailers: &HeaderMap) {
        if self.sending != Sending::Body {
            return;
        }
        let mut bytes = Vec::new();
        let size = write_trailers(trailers, &mut bytes);
        self.add_block(&bytes, size.decoded);
        self.sending = Sending::Ended;
        self.send();
    }

    pub(crate) fn poll_write_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> Poll<()> {
        if self.sending != Sending::Body {
            data.clear();
        } else {
            if !data.is_empty() {
                let mut head = Vec::new();
                write_data_head(data.len(), &mut head);
                self.wire_bytes.0 += count(head.len() + data.len());
                self.unsent.extend(&head);
                self.unsent.append(std::mem::take(data));
            }
            if end_stream {
                self.sending = Sending::Ended;
            }
        }
        self.poll_send(cx)
    }

    /// Waits until QUIC has all that was written.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(mailbox) = &self.stream {
            mailbox.task.note(cx);
        }
        match self.send() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    pub(crate) fn poll_send_off(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_send(cx)
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_send(cx)
    }

    pub(crate) fn poll_read_head(
        &mut self,
        cx: &mut Context<'_>,
        headers: &mut HeaderMap,
    ) -> Poll<Result<ResponseHead, UpstreamError>> {
        let mailbox = self.waiting_at(cx);
        loop {
            let Some(mailbox) = &mailbox else {
                let kind = UpstreamErrorKind::RemoteRefusedStream;
                return Poll::Ready(Err(self.error(kind)));
            };
            if let Some(cut) = mailbox.cut_at_once() {
                return Poll::Ready(Err(self.cut_error(cut)));
            }
            match self.step(mailbox, headers) {
                None => return Poll::Ready(Err(self.cut_error(mailbox.cut_by_now()))),
                Some(Event::Head {
                    kind,
                    end_stream,
                    size,
                }) => {
                    self.header_bytes.received += count(size.wire);
                    self.header_bytes.decoded_received += count(size.decoded);
                    return Poll::Ready(Ok(self.head(headers, kind, end_stream)));
                }
                Some(Event::NeedMore) if self.fill(mailbox).is_pending() => {
                    return match mailbox.cut.get() {
                        Some(cut) => Poll::Ready(Err(self.cut_error(cut))),
                        None => Poll::Pending,
                    };
                }
                // Nothing else comes first.
                Some(_) => {}
            }
        }
    }

    /// A head has come.
    fn head(&mut self, headers: &mut HeaderMap, kind: HeadKind, end_stream: bool) -> ResponseHead {
        let is_final = kind == HeadKind::Response;
        let upgrade = self.upgrade.as_deref().filter(|_| is_final);
        if let Some(protocol) = upgrade {
            upgrade_response_from_http2(headers, protocol);
        }
        let is_upgraded = upgrade.is_some() && headers.get(Known::Status) == Some(b"101");
        let status = crate::http2::status_of(headers);
        let framing = match () {
            () if is_upgraded => BodyFraming::Tunnel,
            () if is_final && self.is_connect && (200..300).contains(&status) => {
                BodyFraming::Tunnel
            }
            () if !is_final => BodyFraming::None,
            // As in Envoy the end of a head alone is told behind it.
            () => BodyFraming::UntilClose,
        };
        if is_final {
            self.lease.core().note_response(self.lease.host(), headers);
            self.is_answered = true;
            self.is_ended = end_stream;
        }
        ResponseHead {
            head_len: 0,
            header_bytes: 0,
            version: Version::Http11,
            status,
            framing,
            keep_alive: true,
        }
    }

    pub(crate) fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, UpstreamError>> {
        if self.is_received || self.is_ended {
            return self.received(BodyEvent::End);
        }
        let Some(mailbox) = self.waiting_at(cx) else {
            let kind = UpstreamErrorKind::RemoteRefusedStream;
            return Poll::Ready(Err(self.error(kind)));
        };
        let before = data.len();
        let mut headers = HeaderMap::new(MapKind::ResponseTrailers);
        loop {
            let has_data = data.len() > before;
            let stepped = match mailbox.cut_at_once() {
                None => self.step(&mailbox, &mut headers),
                Some(_) => None,
            };
            match stepped {
                // What came before counts; the next read tells of the end.
                None if has_data => return Poll::Ready(Ok(BodyEvent::Data)),
                None => return Poll::Ready(Err(self.cut_error(mailbox.cut_by_now()))),
                Some(Event::Head { .. }) => {}
                Some(Event::Data {
                    data: range,
                    end_stream,
                    ..
                }) => {
                    self.take_data(range, data);
                    if end_stream {
                        return self.received(BodyEvent::LastData);
                    }
                }
                Some(Event::Trailers { size }) => {
                    self.header_bytes.received += count(size.wire);
                    self.header_bytes.decoded_received += count(size.decoded);
                    let next = HeaderMap::new(MapKind::ResponseTrailers);
                    let came = std::mem::replace(&mut headers, next);
                    if let Some(reading) = &mut self.reading {
                        reading.trailers = Some(Box::new(came));
                    }
                }
                Some(Event::End) => {
                    return self.received(match has_data {
                        true => BodyEvent::LastData,
                        false => BodyEvent::End,
                    });
                }
                Some(Event::NeedMore) if has_data => return Poll::Ready(Ok(BodyEvent::Data)),
                Some(Event::NeedMore) => {
                    if let Some(came) = self.whole_trailers() {
                        *trailers = *came;
                        self.lease.core().note_trailers(self.lease.host(), trailers);
                        return self.received(BodyEvent::Trailers);
                    }
                    if self.fill(&mailbox).is_pending() {
                        return match mailbox.cut.get() {
                            Some(cut) => Poll::Ready(Err(self.cut_error(cut))),
                            None => Poll::Pending,
                        };
                    }
                }
            }
        }
    }

    fn received(&mut self, event: BodyEvent) -> Poll<Result<BodyEvent, UpstreamError>> {
        self.is_received = true;
        Poll::Ready(Ok(event))
    }

    /// Trailers behind which the stream has ended.
    fn whole_trailers(&mut self) -> Option<Box<HeaderMap>> {
        let reading = self
            .reading
            .as_mut()
            .filter(|reading| reading.is_finished)?;
        reading.trailers.take()
    }

    fn take_data(&mut self, range: std::ops::Range<usize>, data: &mut Buffer) {
        if let Some(reading) = &mut self.reading {
            let end = range.end;
            let bytes = reading.input.readable().get(range).unwrap_or_default();
            data.extend(bytes);
            reading.input.advance(end);
        }
    }

    /// The stream, which wakes who polls now.
    fn waiting_at(&self, cx: &Context<'_>) -> Option<Rc<Mailbox>> {
        let mailbox = self.stream.clone()?;
        mailbox.task.note(cx);
        Some(mailbox)
    }

    /// One step of the codec over what was read; none if the stream or the connection is over by it, which the mailbox
    /// tells. Whoever takes data takes it off the input.
    fn step(&mut self, mailbox: &Mailbox, headers: &mut HeaderMap) -> Option<Event> {
        let Some(reading) = &mut self.reading else {
            mailbox.cut(Cut::Gone);
            return None;
        };
        let input = reading.input.readable();
        match reading.reader.step(input, reading.is_finished, headers) {
            Ok(step) => {
                if !matches!(step.event, Event::Data { .. }) {
                    reading.input.advance(step.consumed);
                }
                Some(step.event)
            }
            Err(Http3Error::Connection(error)) => {
                self.connection().fail(&error);
                mailbox.found(Http3Connection::cut_by(&error));
                None
            }
            Err(Http3Error::Stream(error)) => {
                let connection = self.connection();
                connection.count_code("tx.quic_reset_stream_error_code", error.name());
                self.reset(mailbox, error.code());
                mailbox.found(Cut::Violation(error));
                None
            }
        }
    }

    /// Reads more. Pending if there is nothing, and nothing more that would bring a step about.
    fn fill(&mut self, mailbox: &Mailbox) -> Poll<()> {
        let Some(reading) = self.reading.as_mut().filter(|it| !it.is_finished) else {
            return Poll::Pending;
        };
        let connection = self.lease.connection();
        reading.input.release_if_empty();
        let before = reading.input.len();
        let input = &mut reading.input;
        let quic = &connection.quic;
        let read = quic.read(mailbox.id, READ_BYTES, |part| input.extend(part));
        let got = input.len() - before;
        self.wire_bytes.1 += count(got);
        match read {
            Ok(ReadEnd::Reset(code)) => {
                connection.note_reset(mailbox, code);
                Poll::Ready(())
            }
            Ok(ReadEnd::Finished) => {
                reading.is_finished = true;
                Poll::Ready(())
            }
            Ok(ReadEnd::Full) => Poll::Ready(()),
            Ok(ReadEnd::Blocked) if got > 0 => Poll::Ready(()),
            Ok(ReadEnd::Blocked) | Err(_) => Poll::Pending,
        }
    }

    /// Ends both directions.
    fn reset(&self, mailbox: &Mailbox, code: ErrorCode) {
        let connection = self.connection();
        connection.quic.reset(mailbox.id, code.0);
        connection.quic.stop(mailbox.id, code.0);
        connection.stats.tx_reset.inc();
    }

    /// The request is not wanted any more.
    fn cancel(&self, mailbox: &Mailbox) {
        let code = ErrorCode::REQUEST_REJECTED;
        let connection = self.connection();
        connection.count_code("tx.quic_reset_stream_error_code", code.reset_name());
        self.reset(mailbox, code);
    }

    fn cut_error(&self, cut: Cut) -> UpstreamError {
        let kind = cut.kind();
        let details = match cut {
            Cut::Reset(code) => Some(format!("{}|FROM_PEER", ErrorCode(code).reset_name()).into()),
            Cut::Violation(error) => {
                let blamed = match kind {
                    UpstreamErrorKind::LocalReset => "|codec_error",
                    _ => "",
                };
                Some(format!("{}|FROM_SELF{blamed}", error.name()).into())
            }
            Cut::Failed | Cut::Gone => self.connection().end_details(),
        };
        UpstreamError {
            reset_details: details,
            ..self.error(kind)
        }
    }

    fn error(&self, kind: UpstreamErrorKind) -> UpstreamError {
        UpstreamError {
            has_host: true,
            reused_connection: self.connection().request_count() > 1,
            response_started: self.is_answered,
            request_sent: self.wire_bytes.0 > 0 && kind != UpstreamErrorKind::RemoteRefusedStream,
            ..UpstreamError::new(kind)
        }
    }

    /// Ends the request if both directions are complete, for a caller that still wants to know of it.
    pub(crate) fn end_if_complete(&mut self) {
        if let Some(mailbox) = &self.stream
            && self.is_received
            && self.sending == Sending::Done
            && !self.lease.has_ended()
        {
            self.connection().stream_ended(mailbox.id);
            self.lease.end();
        }
    }

    /// Resets the stream at the head of its answer. As in Envoy that is done also where all of it has come.
    pub(crate) fn give_up(&mut self) {
        let Some(mailbox) = self.stream.clone() else {
            return;
        };
        if self.lease.has_ended() || mailbox.cut.get().is_some() {
            return;
        }
        self.is_given_up = true;
        self.cancel(&mailbox);
    }

    pub(crate) fn is_response_complete(&self) -> bool {
        self.is_received
    }

    pub(crate) fn is_request_complete(&self) -> bool {
        self.sending == Sending::Done
    }

    pub(crate) fn wire_bytes(&self) -> (u64, u64) {
        self.wire_bytes
    }

    pub(crate) fn header_bytes(&self) -> HeaderBytes {
        self.header_bytes
    }

    pub(crate) fn connection_request_count(&self) -> u32 {
        self.connection().request_count()
    }

    /// No proxy of HTTP/1 is on the way.
    pub(crate) fn is_behind_proxy(&self) -> bool {
        false
    }

    pub(crate) fn host(&self) -> &Host {
        self.lease.host()
    }

    pub(crate) fn connection_id(&self) -> u64 {
        self.connection().id
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.connection().local_address
    }

    pub(crate) fn tls(&self) -> &TlsInfo {
        &self.connection().tls
    }
}

impl Drop for Http3Stream {
    fn drop(&mut self) {
        if self.lease.has_ended() {
            return;
        }
        let Some(mailbox) = self.stream.take() else {
            return;
        };
        if self.is_given_up || !(self.is_received && self.sending == Sending::Done) {
            let cut = mailbox.cut.get();
            if cut.is_none() && !self.is_given_up {
                self.cancel(&mailbox);
            } else if matches!(cut, Some(Cut::Reset(_))) {
                let (quic, code) = (&self.connection().quic, ErrorCode::REQUEST_REJECTED.0);
                quic.reset(mailbox.id, code);
                quic.stop(mailbox.id, code);
            }
            self.lease.count_reset(cut);
        }
        self.connection().stream_ended(mailbox.id);
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
