//! One stream: the task that lives its life, and its side towards the client.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use nuncio_codec::http2::upgrade_response_to_http2;
use nuncio_codec::http3::{ErrorCode, MessageReader, StreamId};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::{BytesMeter, ResponseFlags};
use nuncio_net::quic::{ReadEnd, VarInt};

use super::connection::Connection;
use super::mailbox::{Cut, Mailbox};
use super::writing::Answer;
use crate::downstream::{BodyEvent, Downstream, DownstreamError};
use crate::exchange::{Exchange, REQUEST, REQUEST_HEADERS};
use crate::life::StreamEnd;
use crate::multiplexed::{self, Come, Side};
use crate::stream::StreamState;

/// What is read of a stream at once.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// A stream's side towards the client.
pub(super) struct Http3Stream {
    pub(super) connection: Rc<Connection>,
    pub(super) mailbox: Rc<Mailbox>,
    pub(super) reading: RefCell<Reading>,
    answer: RefCell<Answer>,
    /// Whether the request has been read to its end.
    pub(super) is_read: Cell<bool>,
    pub(super) is_upgrade: Cell<bool>,
    /// Whether the answer's body is not to be sent.
    pub(super) is_to_head: Cell<bool>,
}

/// What has been read of a stream's request.
pub(super) struct Reading {
    pub(super) reader: MessageReader,
    pub(super) input: Buffer,
    /// Whether the client has ended its side; the input is the last.
    pub(super) is_finished: bool,
    /// Trailers that have come, and wait for the end of the stream: only that shows that nothing is behind them.
    pub(super) trailers: Option<Box<HeaderMap>>,
}

/// Lives a stream's life, from its first byte to the log.
pub(super) async fn run(connection: Rc<Connection>, mailbox: Rc<Mailbox>, state: Box<StreamState>) {
    let worker = Rc::clone(&connection.course.manager.worker);
    let mut life = Box::pin(live(connection, Rc::clone(&mailbox), state));
    poll_fn(|cx| {
        mailbox.link.task.note(cx);
        worker.step(|| life.as_mut().poll(cx))
    })
    .await;
}

/// What an async function is given takes its place twice, and a stream is little more than this future.
fn live(
    connection: Rc<Connection>,
    mailbox: Rc<Mailbox>,
    mut state: Box<StreamState>,
) -> impl Future<Output = ()> {
    let deadlines = connection
        .course
        .deadlines_for_stream(state.info.start, Come::Nothing);
    let settings = Rc::clone(connection.codec.borrow().settings());
    let number = StreamId(VarInt::from(mailbox.id).into_inner());
    let down = Http3Stream {
        is_read: Cell::new(false),
        is_upgrade: Cell::new(false),
        is_to_head: Cell::new(false),
        reading: RefCell::new(Reading {
            reader: MessageReader::request(number, settings),
            input: Buffer::default(),
            is_finished: mailbox.is_ended.get(),
            trailers: None,
        }),
        answer: RefCell::default(),
        connection: Rc::clone(&connection),
        mailbox,
    };
    async move {
        let start = poll_fn(|cx| down.poll_start(cx, &mut state, &deadlines)).await;
        deadlines.clear(REQUEST_HEADERS);
        if down.is_read.get() {
            deadlines.clear(REQUEST);
        }
        let exchange = Exchange::new(&connection.course.manager, &down, state, &deadlines);
        let end = pin!(exchange.run(start)).await;
        let is_host_lost = multiplexed::end_life(&connection.course, &down, exchange, &deadlines);
        if is_host_lost || end == StreamEnd::Broken {
            // What was written goes before the reset takes back what is still here.
            connection.quic.wake();
            tokio::task::yield_now().await;
        }
        down.end(end, is_host_lost);
        connection.course.keep_deadlines(deadlines);
    }
}

impl Http3Stream {
    /// Ends both directions.
    pub(super) fn give_up(&self, code: ErrorCode) {
        let (quic, id) = (&self.connection.quic, self.mailbox.id);
        quic.reset(id, code.0);
        quic.stop(id, code.0);
        self.connection.stats.tx_reset.inc();
    }

    /// Whether the client has ended its side, or given it up, as far as is known when all that is there has been read.
    fn has_all_come(&self) -> bool {
        let (quic, id) = (&self.connection.quic, self.mailbox.id);
        loop {
            match quic.read(id, READ_BYTES, |_nobody_wants_it| {}) {
                Ok(ReadEnd::Full) => {}
                Ok(ReadEnd::Blocked) => return false,
                Ok(ReadEnd::Finished | ReadEnd::Reset(_)) | Err(_) => return true,
            }
        }
    }

    /// The answer is whole, the request is not.
    fn leave_unread(&self) {
        if self.mailbox.is_reset.get() {
            // As in Envoy it counts as reset; the answer arrives all the same.
            self.count_rejected();
            self.connection.stats.tx_reset.inc();
        } else {
            let id = self.mailbox.id;
            self.connection.quic.stop(id, ErrorCode::NO_ERROR.0);
        }
    }

    fn count_rejected(&self) {
        let name = "QUIC_STREAM_REQUEST_REJECTED";
        self.connection
            .count_code("tx.quic_reset_stream_error_code", name);
    }

    /// Tells the client how the stream ended, where it does not know.
    fn end(self, end: StreamEnd, is_host_lost: bool) {
        let id = self.mailbox.id;
        if !self.mailbox.link.is_cut() {
            match end {
                _ if is_host_lost => self.give_up(ErrorCode::CONNECT_ERROR),
                StreamEnd::Complete | StreamEnd::RequestUnfinished | StreamEnd::Tunnel => {
                    if !self.answer.borrow().is_finished() {
                        self.give_up(ErrorCode::NO_ERROR);
                    } else if !self.is_read.get() {
                        self.leave_unread();
                    }
                }
                StreamEnd::Gone | StreamEnd::Broken | StreamEnd::Unread => {
                    self.count_rejected();
                    self.give_up(ErrorCode::REQUEST_REJECTED);
                }
            }
        } else if let Some(Cut::Reset) = self.mailbox.link.cut.get() {
            let (quic, code) = (&self.connection.quic, ErrorCode::REQUEST_CANCELLED.0);
            quic.reset(id, code);
            if !self.has_all_come() {
                quic.stop(id, code);
            }
        }
        self.connection.stream_ended(id);
    }

    /// Gives QUIC what it takes of what is pending; ready when nothing is left.
    fn poll_pending(&self) -> Poll<Result<(), DownstreamError>> {
        if self.mailbox.link.is_cut() {
            return Poll::Ready(Err(self.loss()));
        }
        let mut answer = self.answer.borrow_mut();
        answer
            .poll_send(&self.connection.quic, self.mailbox.id)
            .map(Ok)
    }
}

impl Side for Http3Stream {
    fn has_lost_connection(&self) -> bool {
        let cut = self.mailbox.link.cut.get();
        matches!(cut, Some(Cut::Gone | Cut::Failed | Cut::Blamed))
    }

    fn wake_driver(&self) {
        self.connection.quic.wake();
    }
}

// Whatever a stream waits for wakes its one task, which the mailbox knows; so none of these registers anybody.
impl Downstream for Http3Stream {
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

    async fn gone(&self) {
        poll_fn(|_| match self.mailbox.link.is_cut() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    fn loss(&self) -> DownstreamError {
        let (flags, details): (_, Cow<'static, str>) = match self.mailbox.link.cut.get() {
            // Envoy has no words for it.
            Some(Cut::Reset | Cut::Failed | Cut::Gone) => (ResponseFlags::default(), "".into()),
            Some(Cut::Violation(error)) => (
                ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                error.details().into(),
            ),
            Some(Cut::Blamed) => (
                ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
                "http3.invalid_header_field".into(),
            ),
            None => return DownstreamError::Gone,
        };
        DownstreamError::Lost { flags, details }
    }

    fn write_informational(&self, head: &HeaderMap) {
        self.answer.borrow_mut().head(&self.mailbox, head, false);
    }

    fn finish_head(&self, _head: &mut HeaderMap) {}

    fn write_head(&self, head: &HeaderMap, end_stream: bool) {
        let end_stream = end_stream || self.is_to_head.get();
        let mut answer = self.answer.borrow_mut();
        if self.is_upgrade.get() {
            let mut changed = head.clone();
            upgrade_response_to_http2(&mut changed);
            answer.head(&self.mailbox, &changed, end_stream);
        } else {
            answer.head(&self.mailbox, head, end_stream);
        }
    }

    fn write_data(&self, chunk: Buffer, end_stream: bool) {
        if self.is_to_head.get() {
            return;
        }
        self.answer
            .borrow_mut()
            .data(&self.mailbox, chunk, end_stream);
        let _what_is_left_goes_with_a_flush = self.poll_pending();
    }

    fn write_trailers(&self, trailers: &HeaderMap) {
        if self.is_to_head.get() {
            return;
        }
        self.answer.borrow_mut().trailers(&self.mailbox, trailers);
        let _what_is_left_goes_with_a_flush = self.poll_pending();
    }

    fn unflushed_bytes(&self) -> usize {
        self.answer.borrow().left()
    }

    async fn send_off(&self) -> Result<(), DownstreamError> {
        self.flush().await
    }

    async fn flush(&self) -> Result<(), DownstreamError> {
        poll_fn(|_| self.poll_pending()).await
    }

    async fn end_sending(&self) {
        self.answer.borrow_mut().end();
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
