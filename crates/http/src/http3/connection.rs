//! The life of an HTTP/3 connection, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};
use nuncio_codec::http2::Role;
use nuncio_codec::http3::{Connection as Codec, ConnectionError, ErrorCode, StreamId as Number};
use nuncio_contract::clock::Clock;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::Http3CodecStats;
use nuncio_contract::stream_info::{ConnectionInfo, Protocol};
use nuncio_net::quic::{
    Connection as Quic, ConnectionError as QuicError, Dir, Event, Lost, ReadEnd, StreamEvent,
    StreamId, VarInt,
};

use super::mailbox::{Cut, Mailbox};
use super::own_streams::{self, OwnStreams};
use super::stream;
use crate::connection_manager::ConnectionManager;
use crate::multiplexed::{CLOSING, Course, Phase};

/// How long a client has to acknowledge the last answers before the connection is closed.
const LAST_ANSWERS_LIMIT: Duration = Duration::from_secs(30);

/// A connection behind its handshake.
pub struct Begun {
    /// What serves it.
    pub manager: Rc<ConnectionManager>,
    /// The scope of its listener.
    pub scope: Scope,
    /// What is known of it.
    pub info: Rc<ConnectionInfo>,
    /// Its packets.
    pub quic: Rc<Quic>,
}

/// What driver and streams share.
pub(super) struct Connection {
    pub(super) course: Course,
    pub(super) stats: Arc<Http3CodecStats>,
    pub(super) quic: Rc<Quic>,
    scope: Scope,
    pub(super) codec: RefCell<Codec>,
    own: OwnStreams,
    pub(super) streams: RefCell<HashMap<StreamId, Rc<Mailbox>>>,
    /// Since when there has been no stream.
    pub(super) idle_since: Cell<Instant>,
    /// Whether the client was told to open no more streams.
    has_said_notice: Cell<bool>,
    /// Streams that the client has left out so far; no more than it may have open.
    left_out: RefCell<HashSet<StreamId>>,
    /// Streams whose answers the client does not want, of those that are to be begun in this turn.
    unwanted: RefCell<HashSet<StreamId>>,
    /// How many streams the client has opened, as far as is known.
    accepted: Cell<u64>,
}

/// Serves a connection to its end, and tells how it ended. To be polled within
/// [`Worker::step`](crate::worker::Worker::step).
pub async fn serve(begun: Begun) -> Lost {
    let connection = Rc::new(Connection::new(begun));
    let manager = Rc::clone(&connection.course.manager);
    let _woken_at_its_end = poll_fn(|cx| {
        Poll::Ready(
            manager
                .drain
                .register(connection.course.info.id, cx.waker()),
        )
    })
    .await;
    manager.connection_begun(true);
    let stats = &manager.stats.http;
    stats.downstream_cx_http3_total.inc();
    stats.downstream_cx_http3_active.inc();
    connection.stats.quic_version_rfc_v1.inc();
    connection
        .own
        .open(&connection.quic, &connection.codec.borrow());
    connection.course.await_streams();
    let lost = poll_fn(|cx| connection.poll_drive(cx)).await;
    let by_us = matches!(lost, Lost::Local | Lost::TimedOut);
    connection.cut_off();
    stats.downstream_cx_http3_active.dec();
    manager.connection_ended(connection.course.born, true, by_us);
    lost
}

/// Counts a connection whose handshake has failed, so that it was not served at all.
pub fn ended_in_handshake(manager: &ConnectionManager, begin: Instant, is_late: bool) {
    let (_, stats) = manager.http3();
    stats.quic_version_rfc_v1.inc();
    manager.stats.http.downstream_cx_http3_total.inc();
    manager.ended_in_handshake(begin, is_late);
}

impl Connection {
    fn new(begun: Begun) -> Self {
        let Begun {
            manager,
            scope,
            info,
            quic,
        } = begun;
        let (settings, stats) = manager.http3();
        let (born, extra_life) = (manager.worker.now(), manager.extra_life());
        Connection {
            stats,
            codec: RefCell::new(Codec::new(Role::Server, settings)),
            own: OwnStreams::default(),
            streams: RefCell::default(),
            idle_since: Cell::new(born),
            has_said_notice: Cell::new(false),
            left_out: RefCell::default(),
            unwanted: RefCell::default(),
            accepted: Cell::new(0),
            quic,
            scope,
            course: Course::new(manager, info, born, extra_life),
        }
    }

    /// Counts a code of QUIC's, under a name that appears with the first one.
    pub(super) fn count_code(&self, what: &str, name: &str) {
        self.scope
            .counter(&format!("http3.downstream.{what}_{name}"))
            .inc();
    }

    fn poll_drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<Lost> {
        self.quic.note_driver(cx);
        let worker = &self.course.manager.worker;
        loop {
            if self.course.manager.drain.needs_care() {
                self.heed_overload(cx);
            }
            if self.course.has_too_many_resets() {
                self.close(ErrorCode::EXCESSIVE_LOAD, "");
            }
            while let Poll::Ready(slot) = self.course.deadlines.poll_expired(cx, &**worker) {
                self.expired(slot);
            }
            let mut may_shed = self.course.manager.overload.is_some();
            while let Some(event) = self.quic.next_event(worker.now()) {
                let is_lost = matches!(event, Event::ConnectionLost { .. });
                if !is_lost && std::mem::take(&mut may_shed) {
                    self.shed_load();
                }
                if let Some(lost) = self.heed(event) {
                    return Poll::Ready(lost);
                }
            }
            self.accept();
            // What is not acknowledged when the connection is closed is lost, so that the last answers come first.
            if self.course.phase.get() == Phase::GoingAway && !self.has_answers_on_their_way() {
                self.send();
                self.close_well();
            }
            let has_more = self.send();
            if self.course.phase.get() == Phase::Over {
                return Poll::Ready(Lost::Local);
            }
            if has_more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.quic.poll_timer(cx, &**worker).is_ready() {
                continue;
            }
            // What has happened may have set a nearer deadline, for which no timer runs yet.
            match self.course.deadlines.poll_expired(cx, &**worker) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(slot) => self.expired(slot),
            }
        }
    }

    /// Whether a stream is alive, or the client has not acknowledged all of one's answer.
    fn has_answers_on_their_way(&self) -> bool {
        let silent = self.own.count() + self.left_out.borrow().len();
        !self.streams.borrow().is_empty() || self.quic.sending_streams() > silent
    }

    /// Sends what is ready; whether there is more for another turn.
    fn send(&self) -> bool {
        let (sent, has_more) = self.quic.write(self.course.manager.worker.now());
        let stats = &self.course.manager.stats.http;
        stats.downstream_cx_tx_bytes_total.add(sent);
        has_more
    }

    /// Does what QUIC tells; how the connection ended, if it did.
    fn heed(self: &Rc<Self>, event: Event) -> Option<Lost> {
        match event {
            Event::ConnectionLost { reason } => return Some(self.lost(reason)),
            // Behind the other events, so that those who end go before those who begin.
            Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {}
            Event::Stream(StreamEvent::Opened { dir: Dir::Uni }) => {
                while let Some(id) = self.quic.accept(Dir::Uni) {
                    self.read_own(id);
                }
            }
            Event::Stream(StreamEvent::Readable { id }) => match id.dir() {
                Dir::Uni => self.read_own(id),
                Dir::Bi => self.wake_stream(id),
            },
            Event::Stream(StreamEvent::Writable { id }) => match id.dir() {
                Dir::Uni => self.own.send(&self.quic),
                Dir::Bi => self.wake_stream(id),
            },
            Event::Stream(StreamEvent::Stopped { id, .. }) => {
                if let Some(own) = self.own.find(id) {
                    let error = self.codec.borrow().own_stream_stopped(own);
                    self.fail(&error);
                } else {
                    self.stats.rx_reset.inc();
                    self.note_stop(id);
                }
            }
            Event::HandshakeDataReady
            | Event::Connected
            | Event::Stream(StreamEvent::Finished { .. } | StreamEvent::Available { .. })
            | Event::DatagramReceived
            | Event::DatagramsUnblocked => {}
        }
        None
    }

    /// The client does not want the answer on a stream, which it may not even have begun.
    fn note_stop(self: &Rc<Self>, id: StreamId) {
        if self.left_out.borrow_mut().remove(&id) {
            self.begin_stream(id);
        }
        match self.mailbox(id) {
            Some(mailbox) => mailbox.link.cut(Cut::Reset),
            None if id.index() >= self.accepted.get() => {
                self.unwanted.borrow_mut().insert(id);
            }
            // It is over.
            None => {}
        }
    }

    fn lost(&self, reason: QuicError) -> Lost {
        let lost = Lost::from(reason);
        if lost == Lost::TimedOut {
            let name = match self.streams.borrow().is_empty() {
                true => "QUIC_SILENT_IDLE_TIMEOUT",
                false => "QUIC_NETWORK_IDLE_TIMEOUT",
            };
            self.count_code("tx.quic_connection_close_error_code", name);
        }
        lost
    }

    fn mailbox(&self, id: StreamId) -> Option<Rc<Mailbox>> {
        self.streams.borrow().get(&id).cloned()
    }

    fn wake_stream(self: &Rc<Self>, id: StreamId) {
        if self.left_out.borrow_mut().remove(&id) {
            self.begin_stream(id);
        }
        if let Some(mailbox) = self.mailbox(id) {
            if let Some(code) = self.quic.reset_by_peer(id) {
                self.note_reset(&mailbox, code);
            }
            mailbox.link.task.wake();
        }
    }

    /// The client has reset its side of a stream. As in Envoy it may still want the answer.
    pub(super) fn note_reset(&self, mailbox: &Mailbox, code: u64) {
        if !mailbox.is_reset.replace(true) {
            self.stats.rx_reset.inc();
            let name = ErrorCode(code).reset_name();
            self.count_code("rx.quic_reset_stream_error_code", name);
        }
    }

    fn read_own(self: &Rc<Self>, id: StreamId) {
        let read = own_streams::read(&self.quic, &mut self.codec.borrow_mut(), id);
        if let Err(error) = read {
            self.fail(&error);
        }
    }

    /// Begins the streams that the client has opened. By naming one it opens all before it; those on which nothing has
    /// come are none yet.
    fn accept(self: &Rc<Self>) {
        let mut next = self.quic.accept(Dir::Bi);
        while let Some(id) = next {
            next = self.quic.accept(Dir::Bi);
            self.accepted.set(id.index() + 1);
            let is_unwanted = self.unwanted.borrow_mut().remove(&id);
            let came = match next {
                // It is the one that was named.
                None if !is_unwanted => ReadEnd::Full,
                _ => self.quic.peek(id),
            };
            if came == ReadEnd::Blocked && !is_unwanted {
                self.left_out.borrow_mut().insert(id);
                continue;
            }
            let Some(mailbox) = self.begin_stream(id) else {
                continue;
            };
            if is_unwanted {
                mailbox.link.cut(Cut::Reset);
            }
            match came {
                ReadEnd::Finished => mailbox.is_ended.set(true),
                ReadEnd::Reset(code) => self.note_reset(&mailbox, code),
                ReadEnd::Full | ReadEnd::Blocked => {}
            }
        }
    }

    /// A stream of the client's for a request, if that is still taken.
    fn begin_stream(self: &Rc<Self>, id: StreamId) -> Option<Rc<Mailbox>> {
        let number = Number(VarInt::from(id).into_inner());
        let is_closed = self.course.phase.get() == Phase::Over;
        if is_closed || !self.codec.borrow_mut().begin_request(number) {
            self.quic.reset(id, ErrorCode::REQUEST_REJECTED.0);
            self.quic.stop(id, ErrorCode::REQUEST_REJECTED.0);
            return None;
        }
        let mailbox = Rc::new(Mailbox::new(id));
        self.streams.borrow_mut().insert(id, Rc::clone(&mailbox));
        let state = self.course.begin_stream(Protocol::Http3);
        tokio::task::spawn_local(stream::run(Rc::clone(self), Rc::clone(&mailbox), state));
        if self.course.is_last_request() {
            self.begin_drain();
        }
        Some(mailbox)
    }

    /// The client has broken the protocol of the connection.
    pub(super) fn fail(&self, error: &ConnectionError) {
        if self.course.phase.get() == Phase::Over {
            return;
        }
        self.end_streams(Cut::Failed);
        self.close_for(error.problem.name(), error.code(), &error.reason());
    }

    /// Closes, for a reason that has a name in counters.
    pub(super) fn close_for(&self, name: &str, code: ErrorCode, reason: &str) {
        if self.course.phase.get() != Phase::Over {
            self.count_code("tx.quic_connection_close_error_code", name);
            self.close(code, reason);
        }
    }

    /// Closes where nothing is wrong.
    pub(super) fn close_well(&self) {
        self.close_for("QUIC_NO_ERROR", ErrorCode::NO_ERROR, "");
    }

    fn close(&self, code: ErrorCode, reason: &str) {
        if self.course.phase.replace(Phase::Over) != Phase::Over {
            let now = self.course.manager.worker.now();
            self.quic.close(now, code.0, reason);
        }
    }

    pub(super) fn expired(&self, slot: usize) {
        match slot {
            _ if self.course.is_over_time(slot) => self.begin_drain(),
            _ if self.course.phase.get() == Phase::GoingAway => {
                if self.streams.borrow().is_empty() {
                    self.close_well();
                }
            }
            _ => self.go_away(),
        }
    }

    /// Tells the client to open no more streams; those on their way are still taken for `drain_timeout`.
    pub(super) fn begin_drain(&self) {
        if self.course.begin_drain() {
            self.say_notice();
            self.quic.wake();
        }
    }

    /// Says that no more streams are to be opened, which is said once.
    pub(super) fn say_notice(&self) {
        if !self.has_said_notice.replace(true) {
            self.own.say(&self.quic, |out| {
                self.codec.borrow_mut().send_shutdown_notice(out);
            });
        }
    }

    fn go_away(&self) {
        if self.course.phase.get() == Phase::Over {
            return;
        }
        self.course.phase.set(Phase::GoingAway);
        self.stats.goaway_sent.inc();
        self.own.say(&self.quic, |out| {
            self.codec.borrow_mut().send_go_away(out);
        });
        if self.streams.borrow().is_empty() {
            self.limit_last_answers();
        }
    }

    /// Bounds the wait for acknowledgements of the last answers.
    fn limit_last_answers(&self) {
        if self.course.phase.get() == Phase::GoingAway {
            let now = self.course.manager.worker.now();
            self.course.deadlines.set(CLOSING, now + LAST_ANSWERS_LIMIT);
        }
    }

    /// The end of the connection for the streams that are left.
    fn cut_off(&self) {
        self.course.phase.set(Phase::Over);
        self.end_streams(Cut::Gone);
    }

    pub(super) fn end_streams(&self, why: Cut) {
        let mut streams: Vec<_> = self.streams.borrow().values().cloned().collect();
        streams.sort_unstable_by_key(|stream| stream.id);
        streams.iter().for_each(|stream| stream.link.cut(why));
    }

    /// A stream's task is done with it.
    pub(super) fn stream_ended(&self, id: StreamId) {
        let mut streams = self.streams.borrow_mut();
        streams.remove(&id);
        if streams.is_empty() {
            drop(streams);
            self.idle_since.set(self.course.manager.worker.now());
            self.course.await_streams();
            self.limit_last_answers();
        }
        self.quic.wake();
    }
}
