//! One stream: the task that lives its life, and its side towards the client.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_codec::http2::{ConnectionError, ErrorCode, StreamError, upgrade_response_to_http2};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::stream_info::{BytesMeter, ResponseFlags};
use nuncio_upstream::MetadataRelay;

use super::connection::{Connection, End};
use super::mailbox::{Cut, Mailbox};
use crate::boxed::boxed;
use crate::downstream::{BodyEvent, Downstream, DownstreamError};
use crate::exchange::Exchange;
use crate::life::{Start, StreamEnd};
use crate::multiplexed::{self, Come, Side};
use crate::stream::StreamState;

/// Bytes of a DATA frame's head.
const FRAME_HEAD_BYTES: u64 = 9;

/// A stream's side towards the client.
pub(super) struct Http2Stream {
    connection: Rc<Connection>,
    mailbox: Rc<Mailbox>,
    /// Whether the request has been read to its end.
    is_read: Cell<bool>,
    /// Whether the answer's body is not to be sent: its end alone, since the host may yet break off.
    is_to_head: bool,
    /// What windows or a slow socket keep back.
    pending: RefCell<Pending>,
}

/// What of the answer is not encoded yet.
#[derive(Default)]
struct Pending {
    data: Buffer,
    end: Option<PendingEnd>,
}

enum PendingEnd {
    Data,
    Trailers(Box<HeaderMap>),
}

/// Lives a stream's life, from its head to the log.
pub(super) async fn run(
    connection: Rc<Connection>,
    mailbox: Rc<Mailbox>,
    state: Box<StreamState>,
    start: Start,
) {
    let worker = Rc::clone(&connection.course.manager.worker);
    // The runtime moves a task about until it runs, and once more at its end.
    let mut life = boxed(|| live(connection, Rc::clone(&mailbox), state, start));
    poll_fn(|cx| {
        mailbox.link.task.note(cx);
        let lived = worker.step(|| life.as_mut().poll(cx));
        mailbox.fresh_bytes.set(0);
        lived
    })
    .await;
}

/// What an async function is given takes its place twice, and a stream is little more than this future.
fn live(
    connection: Rc<Connection>,
    mailbox: Rc<Mailbox>,
    state: Box<StreamState>,
    start: Start,
) -> impl Future<Output = ()> {
    let come = match mailbox.is_bare {
        true => Come::All,
        false => Come::Head,
    };
    let deadlines = connection
        .course
        .deadlines_for_stream(state.info.start, come);
    let down = Http2Stream {
        is_read: Cell::new(mailbox.is_bare),
        is_to_head: state.request.get(Known::Method) == Some(b"HEAD"),
        pending: RefCell::default(),
        connection,
        mailbox,
    };
    async move {
        let course = &down.connection.course;
        let exchange = Exchange::new(&course.manager, &down, state, &deadlines);
        let end = pin!(exchange.run(start)).await;
        let is_host_lost = multiplexed::end_life(course, &down, exchange, &deadlines);
        let connection = Rc::clone(&down.connection);
        down.end(end, is_host_lost);
        connection.course.keep_deadlines(deadlines);
    }
}

impl Http2Stream {
    /// Tells the client how the stream ended, where it does not know.
    fn end(self, end: StreamEnd, is_host_lost: bool) {
        let code = match end {
            StreamEnd::Gone => ErrorCode::CANCEL,
            _ if is_host_lost => ErrorCode::CONNECT_ERROR,
            StreamEnd::Complete | StreamEnd::RequestUnfinished => ErrorCode::NO_ERROR,
            StreamEnd::Tunnel => ErrorCode::NO_ERROR,
            StreamEnd::Broken | StreamEnd::Unread => ErrorCode::INTERNAL_ERROR,
        };
        let id = self.mailbox.id;
        if !self.mailbox.link.is_cut() {
            self.connection
                .shared
                .encode(|codec, out| codec.reset(id, code, out));
        }
        self.connection.stream_ended(id);
    }

    /// Encodes what may be of what is pending; ready when nothing is left.
    fn poll_pending(&self) -> Poll<Result<(), DownstreamError>> {
        if self.mailbox.link.is_cut() {
            return Poll::Ready(Err(self.loss()));
        }
        let mut pending = self.pending.borrow_mut();
        let pending = &mut *pending;
        let id = self.mailbox.id;
        while !pending.data.is_empty() {
            if self.connection.shared.awaits_room(id, &self.mailbox) {
                return Poll::Pending;
            }
            let is_last = matches!(pending.end, Some(PendingEnd::Data));
            let sent = self.connection.shared.encode(|codec, out| {
                let before = out.len();
                let sent = codec.send_data(id, pending.data.readable(), is_last, out);
                if sent < pending.data.len() {
                    codec.wait_for_window(id);
                }
                self.mailbox
                    .link
                    .meter(|bytes| bytes.wire_bytes_sent += count(out.len() - before));
                sent
            });
            pending.data.advance(sent);
            if sent == 0 {
                return Poll::Pending;
            }
            if pending.data.is_empty() && is_last {
                pending.end = None;
            }
        }
        match pending.end.take() {
            Some(PendingEnd::Data) => {
                self.connection
                    .shared
                    .encode(|codec, out| codec.send_data(id, b"", true, out));
                self.mailbox
                    .link
                    .meter(|bytes| bytes.wire_bytes_sent += FRAME_HEAD_BYTES);
            }
            Some(PendingEnd::Trailers(trailers)) => self.send_trailers(&trailers),
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    fn send_head(&self, head: &HeaderMap, end_stream: bool) {
        let id = self.mailbox.id;
        let size = self
            .connection
            .shared
            .encode(|codec, out| codec.send_head(id, head, end_stream, out));
        self.meter_head(size.wire, size.decoded);
    }

    fn send_trailers(&self, trailers: &HeaderMap) {
        let id = self.mailbox.id;
        let size = self
            .connection
            .shared
            .encode(|codec, out| codec.send_trailers(id, trailers, out));
        self.meter_head(size.wire, size.decoded);
    }

    fn meter_head(&self, wire: usize, decoded: usize) {
        self.mailbox.link.meter(|bytes| {
            bytes.wire_bytes_sent += count(wire);
            bytes.header_bytes_sent += count(wire);
            bytes.decompressed_header_bytes_sent += count(decoded);
        });
    }

    fn poll_read(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Result<BodyEvent, DownstreamError>> {
        if self.mailbox.link.is_cut() {
            return Poll::Ready(Err(self.loss()));
        }
        let (data, is_all) = match &self.mailbox.metadata {
            None => (std::mem::take(&mut *self.mailbox.data.borrow_mut()), true),
            Some(relay) => relay.take_data(&self.mailbox.data),
        };
        let is_complete = is_all && self.mailbox.is_complete.get();
        let has_trailers = self.mailbox.trailers.borrow().is_some();
        if !data.is_empty() {
            let id = self.mailbox.id;
            let used = data.len();
            self.connection
                .shared
                .encode(|codec, out| codec.consumed(id, used, out));
            chunk.append(data);
            let end_stream = is_complete && !has_trailers;
            self.is_read.set(end_stream);
            return Poll::Ready(Ok(BodyEvent::Data { end_stream }));
        }
        if !is_complete {
            return Poll::Pending;
        }
        self.is_read.set(true);
        Poll::Ready(Ok(match self.mailbox.trailers.take() {
            Some(given) => {
                *trailers = *given;
                BodyEvent::Trailers
            }
            None => BodyEvent::Data { end_stream: true },
        }))
    }

    fn poll_gone(&self, _cx: &mut Context<'_>) -> Poll<()> {
        match self.mailbox.link.is_cut() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Side for Http2Stream {
    fn has_lost_connection(&self) -> bool {
        let cut = self.mailbox.link.cut.get();
        matches!(cut, Some(Cut::Gone(_) | Cut::Failed(_) | Cut::Blamed(_)))
    }

    fn wake_driver(&self) {
        self.connection.shared.wake_driver();
    }
}

// Whatever a stream waits for wakes its one task, which the mailbox knows; so none of these registers anybody.
impl Downstream for Http2Stream {
    const TELLS_OF_RESETS: bool = true;

    fn request_done(&self) -> bool {
        self.is_read.get()
    }

    async fn read_body(
        &self,
        chunk: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Result<BodyEvent, DownstreamError> {
        poll_fn(|_| self.poll_read(chunk, trailers)).await
    }

    fn metadata(&self) -> Option<Rc<MetadataRelay>> {
        self.mailbox.metadata.clone()
    }

    async fn gone(&self) {
        poll_fn(|cx| self.poll_gone(cx)).await;
    }

    fn loss(&self) -> DownstreamError {
        let (flags, details) = match self.mailbox.link.cut.get() {
            Some(Cut::Reset(code)) => loss_by_reset(code, self.mailbox.is_complete.get()),
            Some(Cut::Violation(
                error @ (StreamError::TooManyHeaders
                | StreamError::HeadersTooLarge
                | StreamError::UnexpectedUnderscore),
            )) => (
                ResponseFlags::DOWNSTREAM_REMOTE_RESET,
                error.details().into(),
            ),
            // A body of a wrong length, above all.
            Some(Cut::Violation(StreamError::Protocol(..))) => (
                ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                "http2.remote_reset".into(),
            ),
            Some(Cut::Violation(error)) => (
                ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                error.details().into(),
            ),
            Some(Cut::Failed(error)) => {
                (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, details_of(error))
            }
            Some(Cut::Blamed(error)) => (
                ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                details_of_blamed(error),
            ),
            Some(Cut::Gone(End::Local)) => (
                ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
                "downstream_local_disconnect".into(),
            ),
            Some(Cut::Gone(End::Remote)) | None => return DownstreamError::Gone,
        };
        DownstreamError::Lost { flags, details }
    }

    fn write_informational(&self, head: &HeaderMap) {
        self.send_head(head, false);
    }

    fn finish_head(&self, _head: &mut HeaderMap) {}

    fn write_head(&self, head: &HeaderMap, end_stream: bool) {
        if self.mailbox.is_upgrade {
            let mut answer = head.clone();
            upgrade_response_to_http2(&mut answer);
            self.send_head(&answer, end_stream);
        } else {
            self.send_head(head, end_stream);
        }
    }

    fn write_data(&self, chunk: Buffer, end_stream: bool) {
        let mut pending = self.pending.borrow_mut();
        if !self.is_to_head {
            pending.data.append(chunk);
        }
        if end_stream {
            pending.end = Some(PendingEnd::Data);
        }
        drop(pending);
        let _what_is_left_goes_with_a_flush = self.poll_pending();
    }

    fn write_trailers(&self, trailers: &HeaderMap) {
        if self.pending.borrow().data.is_empty() {
            self.send_trailers(trailers);
            return;
        }
        let mut kept = HeaderMap::new(MapKind::ResponseTrailers);
        for trailer in trailers.iter() {
            kept.append_found(Known::find(trailer.name), trailer.name, trailer.value);
        }
        self.pending.borrow_mut().end = Some(PendingEnd::Trailers(Box::new(kept)));
        let _what_is_left_goes_with_a_flush = self.poll_pending();
    }

    fn unread_bytes(&self) -> usize {
        // What waited before was held back, which Envoy leaves with its codec.
        let waits = self.mailbox.data.borrow().len();
        waits.min(self.mailbox.fresh_bytes.get())
    }

    fn weighed(&self) -> Option<usize> {
        let is_asked = self.mailbox.is_weighed.take();
        is_asked.then(|| self.mailbox.data.borrow().len() + self.unflushed_bytes())
    }

    fn unflushed_bytes(&self) -> usize {
        self.pending.borrow().data.len()
    }

    async fn send_off(&self) -> Result<(), DownstreamError> {
        self.flush().await
    }

    async fn flush(&self) -> Result<(), DownstreamError> {
        poll_fn(|_| self.poll_pending()).await
    }

    async fn end_sending(&self) {
        self.pending
            .borrow_mut()
            .end
            .get_or_insert(PendingEnd::Data);
        let _the_client_may_be_gone = self.flush().await;
    }

    fn bytes(&self) -> BytesMeter {
        self.mailbox.link.bytes.get()
    }

    fn close_after_response(&self) {}

    fn flush_timed_out(&self) {
        self.connection.stats.tx_flush_timeout.inc();
    }

    fn drain(&self) {
        self.connection.begin_drain();
    }

    fn is_draining(&self) -> bool {
        self.connection.course.is_draining()
    }
}

/// What a log says of a stream that the client has reset. Without an error, behind a whole request, it is no loss.
fn loss_by_reset(code: ErrorCode, is_complete: bool) -> (ResponseFlags, Cow<'static, str>) {
    match code {
        ErrorCode::NO_ERROR if is_complete => (ResponseFlags::default(), "".into()),
        ErrorCode::PROTOCOL_ERROR => (
            ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
            "http2.remote_reset".into(),
        ),
        ErrorCode::REFUSED_STREAM => (
            ResponseFlags::DOWNSTREAM_REMOTE_RESET,
            "http2.remote_refuse".into(),
        ),
        _ => (
            ResponseFlags::DOWNSTREAM_REMOTE_RESET,
            "http2.remote_reset".into(),
        ),
    }
}

/// Envoy's details of the streams that a broken connection takes with it. Where its codec has no words of its own for
/// it, those of the library below are the same for all.
fn details_of(error: ConnectionError) -> Cow<'static, str> {
    match error {
        ConnectionError::GoAway(..)
        | ConnectionError::Silent(..)
        | ConnectionError::GoAwayBeyondEnvoy(..)
        | ConnectionError::Messaging(..)
        | ConnectionError::Metadata(_) => "codec_error:The_user_callback_function_failed".into(),
        ConnectionError::EmptyFramesFlood
        | ConnectionError::OutboundFlood
        | ConnectionError::OutboundControlFlood
        | ConnectionError::PriorityFramesFlood
        | ConnectionError::WindowUpdateFramesFlood => {
            format!("codec_error:{}", error.message().replace(' ', "_")).into()
        }
    }
}

/// The details of the stream that the offending frame was on, which Envoy's codec has looked at.
fn details_of_blamed(error: ConnectionError) -> Cow<'static, str> {
    match error {
        ConnectionError::Silent(..) | ConnectionError::GoAwayBeyondEnvoy(..) => {
            "http2.unknown.nghttp2.error".into()
        }
        ConnectionError::Messaging(..) | ConnectionError::EmptyFramesFlood => {
            error.details().unwrap_or_default().into()
        }
        _ => details_of(error),
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
