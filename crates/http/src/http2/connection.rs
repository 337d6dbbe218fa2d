//! The life of an HTTP/2 connection, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_codec::http2::{Connection as Codec, ErrorCode, StreamId};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::Http2CodecStats;
use nuncio_contract::stream_info::ConnectionInfo;
use nuncio_net::deadline::Deadlines;
use nuncio_net::transport::Transport;
use nuncio_upstream::{Http2Keepalive, Http2Shared, Http2Wire as Wire, KeepaliveStep};

use super::mailbox::{Cut, Mailbox};
use super::unfinished::Unfinished;
use crate::connection_manager::ConnectionManager;
use crate::connection_manager::premature_resets::ResetTally;
use crate::exchange::{DEADLINES, REQUEST, STREAM_DURATION, STREAM_IDLE};

/// No stream for too long.
pub(super) const IDLE: usize = 0;
/// The connection's own longest duration.
pub(super) const LIFE: usize = 1;
/// The time between the notice and the real GOAWAY; after the last write, the time that the client has to close.
const CLOSING: usize = 2;
/// A PING is due, or its answer.
const KEEPALIVE: usize = 3;
/// The head of a request that has begun is to come to its end.
pub(super) const HEAD: usize = 4;

/// Deadlines of streams that are kept for the streams to come.
const MAX_SPARE_DEADLINES: usize = 32;

/// Deadlines of one stream.
pub(super) type StreamDeadlines = Box<Deadlines<DEADLINES>>;

/// A connection of which it is known that it speaks HTTP/2.
pub(crate) struct Begun {
    pub(crate) manager: Rc<ConnectionManager>,
    pub(crate) info: Rc<ConnectionInfo>,
    pub(crate) transport: Transport,
    /// What was read already.
    pub(crate) input: Buffer,
    pub(crate) born: Instant,
    pub(crate) extra_life: Duration,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Local,
    Remote,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// The client knows that it is to open no more streams.
    Notified,
    /// The last stream is named; the end of the last one is that of the connection.
    GoingAway,
    /// Nothing more is said but what is to be written; the client has a while to close.
    Closing,
}

/// How far the driver came with what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    /// More has to be read.
    OffAll,
    /// Streams are to have their turns first.
    ForNow,
}

/// What driver and streams share.
pub(super) struct Connection {
    pub(super) manager: Rc<ConnectionManager>,
    pub(super) info: Rc<ConnectionInfo>,
    pub(super) stats: Arc<Http2CodecStats>,
    pub(super) shared: Http2Shared<Mailbox>,
    pub(super) phase: Cell<Phase>,
    pub(super) deadlines: Deadlines<5>,
    /// A request whose head has begun.
    pub(super) unfinished: Unfinished,
    keepalive: Http2Keepalive,
    pub(super) born: Instant,
    /// How much longer than others it may live.
    extra_life: Duration,
    pub(super) requests: Cell<u32>,
    /// Streams that were begun in this turn of the driver.
    pub(super) begun: Cell<u32>,
    resets: ResetTally,
    has_too_many_resets: Cell<bool>,
    spare_deadlines: RefCell<Vec<StreamDeadlines>>,
}

/// Serves a connection to its end. To be polled within [`Worker::step`](crate::worker::Worker::step).
pub(crate) async fn serve(begun: Begun) -> End {
    let connection = Rc::new(Connection::new(begun));
    let stats = &connection.manager.stats.http;
    stats.downstream_cx_http2_total.inc();
    stats.downstream_cx_http2_active.inc();
    connection.stats.nghttp2_downstream_connections.inc();
    connection.await_streams();
    connection.set_keepalive();
    let end = poll_fn(|cx| connection.poll_drive(cx)).await;
    connection.cut_off(end);
    stats.downstream_cx_http2_active.dec();
    end
}

impl Connection {
    fn new(begun: Begun) -> Self {
        let Begun {
            manager,
            info,
            transport,
            input,
            born,
            extra_life,
        } = begun;
        let (settings, stats) = manager.http2();
        let worker = &manager.worker;
        let keepalive = Http2Keepalive::new(&settings, worker.now(), worker.random_u64());
        let wire = Wire::new(transport, |out| Codec::server(settings, out), input);
        Connection {
            stats,
            shared: Http2Shared::new(wire),
            phase: Cell::new(Phase::Open),
            deadlines: Deadlines::default(),
            unfinished: Unfinished::default(),
            keepalive,
            requests: Cell::new(0),
            begun: Cell::new(0),
            resets: ResetTally::default(),
            has_too_many_resets: Cell::new(false),
            spare_deadlines: RefCell::default(),
            manager,
            info,
            born,
            extra_life,
        }
    }

    fn poll_drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.note_driver(cx);
        self.begun.set(0);
        let mut has_input = !self.shared.wire.borrow().is_input_empty();
        loop {
            if self.manager.drain.needs_care()
                && let Some(end) = self.heed_overload(cx)
            {
                return Poll::Ready(end);
            }
            if self.has_too_many_resets.get() {
                return Poll::Ready(End::Local);
            }
            while let Poll::Ready(slot) = self.deadlines.poll_expired(cx, &*self.manager.worker) {
                if let Some(end) = self.expired(slot) {
                    return Poll::Ready(end);
                }
            }
            let is_paused = std::mem::take(&mut has_input) && self.work() == Worked::ForNow;
            if let Some(end) = self.write(cx) {
                return Poll::Ready(end);
            }
            self.shared.let_streams_go_on();
            if is_paused {
                self.shared.wake_driver();
                return Poll::Pending;
            }
            match self.shared.wire.borrow_mut().poll_fill(cx) {
                // What was read may have set a nearer deadline, for which no timer runs yet.
                Poll::Pending => match self.deadlines.poll_expired(cx, &*self.manager.worker) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(slot) => match self.expired(slot) {
                        Some(end) => return Poll::Ready(end),
                        None => continue,
                    },
                },
                Poll::Ready(Ok(count @ 1..)) => self.count_received(count),
                Poll::Ready(_) => return Poll::Ready(End::Remote),
            }
            has_input = true;
        }
    }

    /// Takes the codec's steps over what was read; a client that breaks the protocol is told, and cut off.
    fn work(self: &Rc<Self>) -> Worked {
        if self.phase.get() == Phase::Closing {
            self.shared.wire.borrow_mut().forget_input();
            return Worked::OffAll;
        }
        if self.manager.overload.is_some() && self.shed_load() == Worked::OffAll {
            return Worked::OffAll;
        }
        let said = self.shared.wire.borrow().unwritten();
        let worked = self.take_steps();
        if let Err(error) = worked {
            if error.is_protocol_error() {
                self.manager.stats.http.downstream_cx_protocol_error.inc();
            }
            if error.last_words().is_none() {
                // As in Envoy, not even what the bytes before it would have been answered with.
                self.shared.wire.borrow_mut().take_back(said);
            }
            self.count_cut_off(End::Local);
            self.end_streams(Cut::Failed(error));
            self.close_soon();
        }
        self.note_counts();
        worked.unwrap_or(Worked::OffAll)
    }

    /// Writes what there is; the end of the connection, if this was the last.
    fn write(&self, cx: &mut Context<'_>) -> Option<End> {
        let mut sent = 0;
        let written = self.shared.wire.borrow_mut().poll_write(cx, &mut sent);
        if sent > 0 {
            let sent = u64::try_from(sent).unwrap_or(u64::MAX);
            self.manager
                .stats
                .http
                .downstream_cx_tx_bytes_total
                .add(sent);
        }
        match written {
            Poll::Pending if self.phase.get() != Phase::Closing => {
                return self.shared.check_backlog().err().map(|_| End::Local);
            }
            Poll::Pending => return None,
            Poll::Ready(Err(_)) => return Some(End::Remote),
            Poll::Ready(Ok(())) => {}
        }
        match self.phase.get() {
            Phase::GoingAway if self.shared.is_empty() => self.close_soon(),
            Phase::Closing | Phase::Open | Phase::Notified | Phase::GoingAway => {}
        }
        let closes_at_once = self.manager.config.timeouts.delayed_close.is_none();
        (self.phase.get() == Phase::Closing && closes_at_once).then_some(End::Local)
    }

    /// From now on nothing is said, and the client has a while to close, so that it can read what was said before a
    /// reset destroys it.
    pub(super) fn close_soon(&self) {
        self.phase.set(Phase::Closing);
        self.deadlines.clear(IDLE);
        self.deadlines.clear(LIFE);
        if let Some(limit) = self.manager.config.timeouts.delayed_close {
            self.deadlines
                .set(CLOSING, self.manager.worker.now() + limit);
        }
    }

    pub(super) fn expired(self: &Rc<Self>, slot: usize) -> Option<End> {
        let stats = &self.manager.stats.http;
        match slot {
            KEEPALIVE => return self.do_keepalive(),
            HEAD => self.unfinished_expired(),
            IDLE => {
                stats.downstream_cx_idle_timeout.inc();
                self.begin_drain();
            }
            LIFE => {
                stats.downstream_cx_max_duration_reached.inc();
                self.begin_drain();
            }
            _ if self.phase.get() == Phase::Closing => {
                stats.downstream_cx_delayed_close_timeout.inc();
                return Some(End::Local);
            }
            _ => self.go_away(),
        }
        None
    }

    fn set_keepalive(&self) {
        if let Some(at) = self.keepalive.deadline() {
            self.deadlines.set(KEEPALIVE, at);
        }
    }

    fn do_keepalive(&self) -> Option<End> {
        match self.keepalive.act(self.manager.worker.now()) {
            KeepaliveStep::Nothing => {}
            KeepaliveStep::Ping(payload) => self
                .shared
                .encode(|codec, out| codec.send_ping(payload, out)),
            KeepaliveStep::GiveUp => {
                self.stats.keepalive_timeout.inc();
                return Some(End::Local);
            }
        }
        self.set_keepalive();
        None
    }

    /// The client has answered a PING.
    pub(super) fn ping_answered(&self) {
        let worker = &self.manager.worker;
        self.keepalive.answered(worker.now(), worker.random_u64());
        self.set_keepalive();
    }

    /// Tells the client to open no more streams; those on their way are still taken for `drain_timeout`.
    pub(super) fn begin_drain(&self) {
        if self.phase.get() != Phase::Open {
            return;
        }
        self.phase.set(Phase::Notified);
        self.shared
            .encode(|codec, out| codec.send_shutdown_notice(out));
        let limit = self.manager.drain_time();
        self.deadlines
            .set(CLOSING, self.manager.worker.now() + limit);
        self.shared.wake_driver();
    }

    /// Whether the client knows that it is to open no more streams.
    pub(super) fn is_draining(&self) -> bool {
        self.phase.get() != Phase::Open
    }

    pub(super) fn go_away(&self) {
        self.phase.set(Phase::GoingAway);
        self.shared
            .encode(|codec, out| codec.send_go_away(ErrorCode::NO_ERROR, out));
    }

    /// The end of the connection for the streams that are left.
    fn cut_off(self: &Rc<Self>, end: End) {
        if self.phase.get() != Phase::Closing {
            self.refuse_unfinished(Cut::Gone(end));
        }
        if self.phase.get() != Phase::Closing {
            self.count_cut_off(end);
        }
        self.end_streams(Cut::Gone(end));
        self.shared.wire.borrow_mut().close();
        self.note_counts();
    }

    pub(super) fn count_cut_off(&self, end: End) {
        if self.shared.is_empty() {
            return;
        }
        let stats = &self.manager.stats.http;
        stats.downstream_cx_destroy_active_rq.inc();
        match end {
            End::Local => stats.downstream_cx_destroy_local_active_rq.inc(),
            End::Remote => stats.downstream_cx_destroy_remote_active_rq.inc(),
        }
    }

    pub(super) fn end_streams(self: &Rc<Self>, why: Cut) {
        self.end_unfinished(why);
        let mut streams = self.shared.mailboxes();
        // As in Envoy, and in its logs, the last one first.
        streams.sort_unstable_by_key(|stream| std::cmp::Reverse(stream.id));
        streams.iter().for_each(|stream| stream.cut(why));
    }

    /// Counts a stream that has ended by itself, not with the connection.
    pub(super) fn count_ended(&self, lifetime: Duration, is_answered: bool) {
        let limits = &self.manager.config.reset_limits;
        if self.resets.count(limits, lifetime, is_answered)
            && !self.has_too_many_resets.replace(true)
        {
            let stats = &self.manager.stats.http;
            stats.downstream_rq_too_many_premature_resets.inc();
            self.shared.wake_driver();
        }
    }

    /// A stream's task is done with it.
    pub(super) fn stream_ended(&self, id: StreamId) {
        self.shared.streams.borrow_mut().remove(&id);
        self.stats.streams_active.dec();
        if self.shared.is_empty() {
            self.await_streams();
        }
        self.note_counts();
    }

    /// Sets the deadlines of a connection without streams.
    fn await_streams(&self) {
        let now = self.manager.worker.now();
        let timeouts = &self.manager.config.timeouts;
        if self.phase.get() == Phase::Open {
            if let Some(idle) = timeouts.connection_idle {
                self.deadlines.set(IDLE, now + idle);
            }
            if let Some(limit) = timeouts.max_connection_duration {
                self.deadlines
                    .set(LIFE, self.born + limit + self.extra_life);
            }
        }
        self.shared.wake_driver();
    }

    /// A stream has begun.
    pub(super) fn is_busy(&self) {
        self.deadlines.clear(IDLE);
    }

    /// Deadlines for a new stream.
    pub(super) fn deadlines_for_stream(&self) -> StreamDeadlines {
        self.spare_deadlines.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes them back.
    pub(super) fn keep_deadlines(&self, deadlines: StreamDeadlines) {
        let mut spare = self.spare_deadlines.borrow_mut();
        if spare.len() < MAX_SPARE_DEADLINES {
            spare.push(deadlines);
        }
    }

    /// Sets a new stream's deadlines.
    pub(super) fn begin_deadlines(
        &self,
        deadlines: &Deadlines<DEADLINES>,
        start: Instant,
        is_complete: bool,
    ) {
        let timeouts = &self.manager.config.timeouts;
        let limits = [
            (STREAM_IDLE, timeouts.stream_idle),
            (REQUEST, timeouts.request.filter(|_| !is_complete)),
            (STREAM_DURATION, timeouts.max_stream_duration),
        ];
        for (slot, limit) in limits {
            if let Some(limit) = limit {
                deadlines.set(slot, start + limit);
            }
        }
    }

    fn count_received(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let stats = &self.manager.stats.http;
        stats.downstream_cx_rx_bytes_total.add(count);
        self.keepalive.received(self.manager.worker.now());
        self.set_keepalive();
    }

    /// Adds what the codec has counted to the stats.
    pub(super) fn note_counts(&self) {
        if let Some(counts) = self.shared.wire.borrow_mut().codec.take_counts() {
            nuncio_upstream::count_http2(&self.stats, &counts);
        }
    }
}
