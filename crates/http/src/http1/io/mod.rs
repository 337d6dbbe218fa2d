//! The bytes of one connection and the codec's state for the stream under way.

mod downstream;
mod output;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use nuncio_codec::http1::{
    BodyDecoder, BodyEncoding, BodyFraming, Error, HeadScan, Http1Settings, Method, RequestHead,
    Step, Version, decode_request_head, received_header_bytes, refused_header_bytes,
};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stats::groups::HttpConnectionManagerStats;
use nuncio_contract::stream_info::BytesMeter;
use nuncio_net::transport::Transport;

use output::Output;

use crate::connection_manager::ConnectionManagerConfig;
use crate::downstream::BodyEvent;

/// Room of a read while heads and small bodies are expected.
const READ_BYTES: usize = 16 * 1024;
/// Room of a read while a large body goes by.
const LARGE_READ_BYTES: usize = 64 * 1024;

/// One connection's bytes.
pub(super) struct Http1Io {
    transport: RefCell<Transport>,
    input: RefCell<Buffer>,
    output: RefCell<Output>,
    config: Arc<ConnectionManagerConfig>,
    stats: Arc<HttpConnectionManagerStats>,
    decoder: RefCell<BodyDecoder>,
    request: Cell<RequestFacts>,
    encoding: Cell<BodyEncoding>,
    request_done: Cell<bool>,
    closing: Cell<bool>,
    draining: Cell<bool>,
    /// Whether the socket was asked to wake the connection's task when the client sends something.
    is_asked: Cell<bool>,
    /// When a deadline of the connection passed during a stream.
    expired: Cell<Option<Instant>>,
    stream_bytes: Cell<BytesMeter>,
    /// Unread bytes that the stream under way has counted: what comes with a head counts with it, as in Envoy, be it
    /// a body or the next request.
    counted_ahead: Cell<usize>,
    /// Whether a client of HTTP/1.0 knows by the close alone where the response ends.
    ends_by_close: Cell<bool>,
    /// Responses since bytes were read last or a response was waited for.
    queued: Cell<u32>,
    dropped_underscores: Cell<u32>,
    /// What is wrong with the trailers behind the last data, to be told next.
    fault: Cell<Option<Error>>,
}

/// When the first byte of a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstByte {
    /// It was there already.
    AtOnce,
    /// It was waited for.
    Later,
    /// The client closed instead.
    Never,
}

/// What of the request's head the response depends on.
#[derive(Clone, Copy)]
pub(super) struct RequestFacts {
    pub(super) version: Version,
    pub(super) method: Method,
}

/// How many responses may wait to be sent as another request begins, as in Envoy.
const MAX_QUEUED_RESPONSES: u32 = 2;

/// What HTTP/2 begins with and HTTP/1 cannot. Envoy looks at as much.
const HTTP2_BEGIN: &[u8] = b"PRI * HTTP/2";

/// Whether a connection begins with HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Http2Begin {
    Yes,
    No,
    /// More bytes will tell.
    Perhaps,
}

/// What came of waiting for a head.
pub(super) enum HeadRead {
    /// A whole head.
    Head(RequestHead),
    /// The client broke the protocol.
    Refused(Error),
    /// The client closed; whether it had begun a request.
    Closed,
}

impl Http1Io {
    pub(super) fn new(
        transport: Transport,
        config: Arc<ConnectionManagerConfig>,
        stats: Arc<HttpConnectionManagerStats>,
    ) -> Self {
        Http1Io {
            transport: RefCell::new(transport),
            input: RefCell::default(),
            output: RefCell::default(),
            config,
            stats,
            decoder: RefCell::new(BodyDecoder::Done),
            request: Cell::new(RequestFacts {
                version: Version::Http11,
                method: Method::Other,
            }),
            encoding: Cell::new(BodyEncoding::Plain),
            request_done: Cell::new(true),
            closing: Cell::new(false),
            draining: Cell::new(false),
            is_asked: Cell::new(false),
            expired: Cell::new(None),
            stream_bytes: Cell::default(),
            counted_ahead: Cell::default(),
            ends_by_close: Cell::default(),
            queued: Cell::default(),
            dropped_underscores: Cell::default(),
            fault: Cell::default(),
        }
    }

    fn settings(&self) -> &Http1Settings {
        &self.config.codec
    }

    /// Whether the bytes that are there begin HTTP/2 (RFC 9113 section 3.4), as far as they go.
    pub(super) fn begins_http2(&self) -> Http2Begin {
        let input = self.input.borrow();
        let bytes = input.readable();
        if bytes.starts_with(HTTP2_BEGIN) {
            Http2Begin::Yes
        } else if HTTP2_BEGIN.starts_with(bytes) {
            Http2Begin::Perhaps
        } else {
            Http2Begin::No
        }
    }

    /// Reads more; false if the client closed instead.
    pub(super) async fn more(&self) -> bool {
        matches!(poll_fn(|cx| self.poll_fill(cx)).await, Ok(1..))
    }

    /// What was agreed on during the TLS handshake to be spoken.
    pub(super) fn is_agreed(&self, protocol: &[u8]) -> Option<bool> {
        let transport = self.transport.borrow();
        let agreed = transport.tls()?.alpn_protocol.as_deref()?;
        Some(agreed == protocol)
    }

    /// Gives the connection up, with what was read of it.
    pub(super) fn into_parts(self) -> (Transport, Buffer) {
        (self.transport.into_inner(), self.input.into_inner())
    }

    /// Whether bytes of a request are there.
    pub(super) fn has_input(&self) -> bool {
        !self.input.borrow().is_empty()
    }

    /// Whether bytes of the last response are not with the system yet.
    pub(super) fn is_behind(&self) -> bool {
        self.transport.borrow().is_behind()
    }

    /// Whether the connection closes after the stream under way.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Whether the response under way, or just sent, says by itself that the connection closes.
    pub(super) fn is_http10(&self) -> bool {
        self.request.get().version == Version::Http10
    }

    /// Has responses say that the connection takes no more requests.
    pub(super) fn say_drain(&self) {
        self.draining.set(true);
    }

    /// When a deadline of the connection passed while a stream lived; once.
    pub(super) fn take_expired(&self) -> Option<Instant> {
        self.expired.take()
    }

    /// Waits for the first byte of a request.
    pub(super) async fn first_byte(&self) -> FirstByte {
        let mut came = FirstByte::AtOnce;
        if self.has_input() {
            return came;
        }
        poll_fn(|cx| match self.poll_fill(cx) {
            Poll::Ready(Ok(1..)) => Poll::Ready(came),
            Poll::Ready(_) => Poll::Ready(FirstByte::Never),
            Poll::Pending => {
                came = FirstByte::Later;
                Poll::Pending
            }
        })
        .await
    }

    /// Reads until there is a whole head.
    pub(super) async fn read_head(&self, headers: &mut HeaderMap) -> HeadRead {
        let mut scan = HeadScan::on_connection(self.transport.borrow().tls().is_some());
        self.request_done.set(false);
        self.stream_bytes.set(BytesMeter::default());
        self.counted_ahead.set(0);
        loop {
            let decoded = decode_request_head(
                self.settings(),
                self.input.borrow().readable(),
                &mut scan,
                headers,
            );
            if scan.dropped_underscores() > 0 {
                self.dropped_underscores.set(scan.dropped_underscores());
            }
            match decoded {
                Ok(Some(head)) => {
                    self.begin(&head);
                    return HeadRead::Head(head);
                }
                Err(error) => {
                    self.request.set(RequestFacts {
                        version: scan.version(),
                        method: Method::Other,
                    });
                    self.request_done.set(false);
                    let input = self.input.borrow();
                    let of_headers = count(refused_header_bytes(
                        self.settings(),
                        input.readable(),
                        &scan,
                        error,
                    ));
                    self.stream_bytes.set(BytesMeter {
                        header_bytes_received: of_headers,
                        decompressed_header_bytes_received: match error {
                            Error::UnexpectedUnderscore | Error::TooManyHeaders => 0,
                            _ => of_headers,
                        },
                        ..BytesMeter::default()
                    });
                    self.counted_ahead.set(0);
                    self.closing.set(true);
                    return HeadRead::Refused(error);
                }
                Ok(None) => {}
            }
            if !matches!(poll_fn(|cx| self.poll_fill(cx)).await, Ok(1..)) {
                return HeadRead::Closed;
            }
        }
    }

    /// Begins a request that nobody looks at.
    pub(super) fn begin_refused(&self) {
        self.request.set(RequestFacts {
            version: Version::Http11,
            method: Method::Other,
        });
        self.request_done.set(false);
        self.stream_bytes.set(BytesMeter::default());
        self.counted_ahead.set(0);
        self.closing.set(true);
    }

    /// Notes that a request was answered; `at_once`: before anybody waited for anything.
    pub(super) fn note_answered(&self, at_once: bool) {
        let before = if at_once { self.queued.get() } else { 0 };
        self.queued.set(before + 1);
    }

    /// Whether another request is there behind as many answers as may wait for the next turn.
    pub(super) fn is_flooded(&self) -> bool {
        self.queued.get() >= MAX_QUEUED_RESPONSES && self.has_input()
    }

    /// Whether the client must see the close to know where the response ended.
    pub(super) fn ends_by_close(&self) -> bool {
        self.ends_by_close.get()
    }

    /// How many headers of the head that was read were dropped because of an underscore.
    pub(super) fn take_dropped_underscores(&self) -> u32 {
        self.dropped_underscores.take()
    }

    /// Bytes of the stream under way. What has come of an unfinished request counts, whether it was read or not.
    pub(super) fn stream_bytes(&self) -> BytesMeter {
        let mut bytes = self.stream_bytes.get();
        if !self.request_done.get() {
            let unread = self.input.borrow().len();
            bytes.wire_bytes_received += count(unread.saturating_sub(self.counted_ahead.get()));
        }
        bytes
    }

    fn begin(&self, head: &RequestHead) {
        let mut input = self.input.borrow_mut();
        self.stream_bytes.set(BytesMeter {
            wire_bytes_received: count(input.len()),
            header_bytes_received: count(head.header_bytes),
            decompressed_header_bytes_received: count(head.header_bytes),
            ..BytesMeter::default()
        });
        input.advance(head.head_len);
        self.counted_ahead.set(input.len());
        self.fault.set(None);
        drop(input);
        self.request.set(RequestFacts {
            version: head.version,
            method: head.method,
        });
        *self.decoder.borrow_mut() = BodyDecoder::from(head.framing);
        self.request_done.set(head.framing == BodyFraming::None);
        if !head.keep_alive {
            self.closing.set(true);
        }
    }

    /// Reads where little is to come: a head, or what is read ahead.
    fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let mut input = self.input.borrow_mut();
        let mut transport = self.transport.borrow_mut();
        let room = (&mut *input, READ_BYTES);
        let read = ready!(transport.poll_fill_little(cx, room, &self.is_asked));
        self.count_read(&read);
        Poll::Ready(read)
    }

    /// Reads where much may come, and gives way to others at times.
    fn poll_fill_on(
        &self,
        cx: &mut Context<'_>,
        room_bytes: usize,
    ) -> Poll<std::io::Result<usize>> {
        let mut input = self.input.borrow_mut();
        let mut transport = self.transport.borrow_mut();
        self.is_asked.set(false);
        let read = ready!(transport.poll_fill(cx, &mut input, room_bytes));
        self.count_read(&read);
        Poll::Ready(read)
    }

    #[inline]
    fn count_read(&self, read: &std::io::Result<usize>) {
        if let Ok(bytes) = read {
            self.queued.set(0);
            self.stats.downstream_cx_rx_bytes_total.add(count(*bytes));
        }
    }

    /// One step of the body over what has been read. None: more has to be read.
    fn step_body(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Result<Option<BodyEvent>, Error> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut input = self.input.borrow_mut();
        let mut decoder = self.decoder.borrow_mut();
        loop {
            let step = decoder.step(self.settings(), input.readable(), trailers);
            if let Err(fault) = step
                && !chunk.is_empty()
                && decoder.is_behind_data()
            {
                self.fault.set(Some(fault));
                return Ok(Some(BodyEvent::Data { end_stream: false }));
            }
            match step? {
                Step::Data { consumed, data } => {
                    if chunk.is_empty() && data == (0..input.len()) {
                        *chunk = std::mem::take(&mut *input);
                    } else {
                        chunk.extend(input.readable().get(data).unwrap_or_default());
                        input.advance(consumed);
                    }
                    self.count_body(consumed);
                    if decoder.is_done() {
                        self.request_done.set(true);
                        return Ok(Some(BodyEvent::Data { end_stream: true }));
                    }
                }
                Step::Done {
                    consumed,
                    trailers: has_trailers,
                } => {
                    input.advance(consumed);
                    self.count_body(consumed);
                    self.request_done.set(true);
                    return Ok(Some(if has_trailers {
                        let mut bytes = self.stream_bytes.get();
                        bytes.header_bytes_received += count(received_header_bytes(trailers));
                        self.stream_bytes.set(bytes);
                        BodyEvent::Trailers
                    } else {
                        BodyEvent::Data { end_stream: true }
                    }));
                }
                Step::NeedMore { consumed } => {
                    input.advance(consumed);
                    self.count_body(consumed);
                    let some = !chunk.is_empty();
                    return Ok(some.then_some(BodyEvent::Data { end_stream: false }));
                }
            }
        }
    }

    fn read_room(&self) -> usize {
        match &*self.decoder.borrow() {
            BodyDecoder::Length(left) if *left < READ_BYTES as u64 => READ_BYTES,
            _ => LARGE_READ_BYTES,
        }
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut output = self.output.borrow_mut();
        let mut transport = self.transport.borrow_mut();
        while !output.is_empty() {
            let count = if output.beside.is_empty() {
                ready!(transport.poll_write(cx, output.bytes.readable()))?
            } else {
                ready!(transport.poll_write_vectored(cx, &output.slices()))?
            };
            if count == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            output.consume(count);
            self.count_sent(count);
        }
        transport.poll_flush(cx)
    }

    /// Leaves what was written to the end of the worker's turn; false if it is to be sent now, as before the end of
    /// the connection.
    fn send_later(&self) -> bool {
        let mut output = self.output.borrow_mut();
        if self.closing.get() || !output.beside.is_empty() || !output.tail.is_empty() {
            return false;
        }
        let bytes = std::mem::take(&mut output.bytes);
        let count = bytes.len();
        match self.transport.borrow_mut().send_later(bytes) {
            Ok(()) => self.count_sent(count),
            Err(bytes) => {
                output.bytes = bytes;
                return false;
            }
        }
        true
    }

    fn count_sent(&self, sent: usize) {
        self.stats.downstream_cx_tx_bytes_total.add(count(sent));
        let mut bytes = self.stream_bytes.get();
        bytes.wire_bytes_sent += count(sent);
        self.stream_bytes.set(bytes);
    }

    fn count_body(&self, consumed: usize) {
        let ahead = self.counted_ahead.get();
        self.counted_ahead.set(ahead.saturating_sub(consumed));
        let mut bytes = self.stream_bytes.get();
        bytes.wire_bytes_received += count(consumed.saturating_sub(ahead));
        self.stream_bytes.set(bytes);
    }

    /// Ends our side after all was sent.
    pub(super) async fn shutdown(&self) {
        let _the_client_may_be_gone =
            poll_fn(|cx| self.transport.borrow_mut().poll_shutdown(cx)).await;
    }

    /// Reads and drops what still comes, until the client closes. It does not count: Envoy leaves it with the system.
    pub(super) async fn drain(&self) {
        loop {
            self.input.borrow_mut().clear();
            let read = poll_fn(|cx| {
                let mut input = self.input.borrow_mut();
                let mut transport = self.transport.borrow_mut();
                self.is_asked.set(false);
                transport.poll_fill(cx, &mut input, READ_BYTES)
            });
            if !matches!(read.await, Ok(1..)) {
                return;
            }
        }
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
