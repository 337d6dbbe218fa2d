//! The life of an HTTP/2 connection, and the task that drives it.

use std::cell::Cell;
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
use nuncio_net::transport::Transport;
use nuncio_upstream::{Http2Keepalive, Http2Shared, Http2Wire as Wire, KeepaliveStep};

use super::mailbox::{Cut, Mailbox};
use super::unfinished::Unfinished;
use crate::connection_manager::ConnectionManager;
use crate::multiplexed::{CLOSING, Course, HEAD, IDLE, KEEPALIVE, LIFE, Phase};

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
    pub(super) course: Course,
    pub(super) stats: Arc<Http2CodecStats>,
    pub(super) shared: Http2Shared<Mailbox>,
    /// A request whose head has begun.
    pub(super) unfinished: Unfinished,
    keepalive: Http2Keepalive,
    /// Whether METADATA goes to and fro.
    pub(super) allows_metadata: bool,
    /// Streams that were begun in this turn of the driver.
    pub(super) begun: Cell<u32>,
}

/// Serves a connection to its end. To be polled within [`Worker::step`](crate::worker::Worker::step).
pub(crate) async fn serve(begun: Begun) -> End {
    let connection = Rc::new(Connection::new(begun));
    let stats = &connection.course.manager.stats.http;
    stats.downstream_cx_http2_total.inc();
    stats.downstream_cx_http2_active.inc();
    let is_oghttp2 = connection.course.manager.config.http2.use_oghttp2_codec;
    match is_oghttp2 {
        true => connection.stats.oghttp2_downstream_connections.inc(),
        false => connection.stats.nghttp2_downstream_connections.inc(),
    }
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
        let allows_metadata = settings.allow_metadata;
        let wire = Wire::new(transport, |out| Codec::server(settings, out), input);
        Connection {
            stats,
            shared: Http2Shared::new(wire),
            unfinished: Unfinished::default(),
            keepalive,
            allows_metadata,
            begun: Cell::new(0),
            course: Course::new(manager, info, born, extra_life),
        }
    }

    fn poll_drive(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<End> {
        let worker = &self.course.manager.worker;
        let deadlines = &self.course.deadlines;
        self.shared.note_driver(cx);
        self.begun.set(0);
        let mut has_input = !self.shared.wire.borrow().is_input_empty();
        loop {
            if self.course.manager.drain.needs_care()
                && let Some(end) = self.heed_overload(cx)
            {
                return Poll::Ready(end);
            }
            if self.course.has_too_many_resets() {
                return Poll::Ready(End::Local);
            }
            while let Poll::Ready(slot) = deadlines.poll_expired(cx, &**worker) {
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
                Poll::Pending => match deadlines.poll_expired(cx, &**worker) {
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
        if self.course.phase.get() == Phase::Over {
            self.shared.wire.borrow_mut().forget_input();
            return Worked::OffAll;
        }
        if self.course.manager.overload.is_some() && self.shed_load() == Worked::OffAll {
            return Worked::OffAll;
        }
        let said = self.shared.wire.borrow().unwritten();
        let worked = self.take_steps();
        if let Err(error) = worked {
            if error.is_protocol_error() {
                self.course
                    .manager
                    .stats
                    .http
                    .downstream_cx_protocol_error
                    .inc();
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
            self.course
                .manager
                .stats
                .http
                .downstream_cx_tx_bytes_total
                .add(sent);
        }
        match written {
            Poll::Pending if self.course.phase.get() != Phase::Over => {
                return self.shared.check_backlog().err().map(|_| End::Local);
            }
            Poll::Pending => return None,
            Poll::Ready(Err(_)) => return Some(End::Remote),
            Poll::Ready(Ok(())) => {}
        }
        match self.course.phase.get() {
            Phase::GoingAway if self.shared.is_empty() => self.close_soon(),
            Phase::Over | Phase::Open | Phase::Notified | Phase::GoingAway => {}
        }
        let closes_at_once = self.course.manager.config.timeouts.delayed_close.is_none();
        (self.course.phase.get() == Phase::Over && closes_at_once).then_some(End::Local)
    }

    /// From now on nothing is said, and the client has a while to close, so that it can read what was said before a
    /// reset destroys it.
    pub(super) fn close_soon(&self) {
        self.course.phase.set(Phase::Over);
        self.course.deadlines.clear(IDLE);
        self.course.deadlines.clear(LIFE);
        if let Some(limit) = self.course.manager.config.timeouts.delayed_close {
            self.course
                .deadlines
                .set(CLOSING, self.course.manager.worker.now() + limit);
        }
    }

    pub(super) fn expired(self: &Rc<Self>, slot: usize) -> Option<End> {
        match slot {
            KEEPALIVE => return self.do_keepalive(),
            HEAD => self.unfinished_expired(),
            _ if self.course.is_over_time(slot) => self.begin_drain(),
            _ if self.course.phase.get() == Phase::Over => {
                let stats = &self.course.manager.stats.http;
                stats.downstream_cx_delayed_close_timeout.inc();
                return Some(End::Local);
            }
            _ => self.go_away(),
        }
        None
    }

    fn set_keepalive(&self) {
        if let Some(at) = self.keepalive.deadline() {
            self.course.deadlines.set(KEEPALIVE, at);
        }
    }

    fn do_keepalive(&self) -> Option<End> {
        match self.keepalive.act(self.course.manager.worker.now()) {
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
        let worker = &self.course.manager.worker;
        self.keepalive.answered(worker.now(), worker.random_u64());
        self.set_keepalive();
    }

    /// Tells the client to open no more streams; those on their way are still taken for `drain_timeout`.
    pub(super) fn begin_drain(&self) {
        if self.course.begin_drain() {
            self.shared
                .encode(|codec, out| codec.send_shutdown_notice(out));
            self.shared.wake_driver();
        }
    }

    pub(super) fn go_away(&self) {
        self.course.phase.set(Phase::GoingAway);
        self.shared
            .encode(|codec, out| codec.send_go_away(ErrorCode::NO_ERROR, out));
    }

    /// The end of the connection for the streams that are left.
    fn cut_off(self: &Rc<Self>, end: End) {
        if self.course.phase.get() != Phase::Over {
            self.refuse_unfinished(Cut::Gone(end));
        }
        if self.course.phase.get() != Phase::Over {
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
        let stats = &self.course.manager.stats.http;
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
        streams.iter().for_each(|stream| stream.link.cut(why));
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

    fn await_streams(&self) {
        self.course.await_streams();
        self.shared.wake_driver();
    }

    fn count_received(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let stats = &self.course.manager.stats.http;
        stats.downstream_cx_rx_bytes_total.add(count);
        self.keepalive.received(self.course.manager.worker.now());
        self.set_keepalive();
    }

    /// Adds what the codec has counted to the stats.
    pub(super) fn note_counts(&self) {
        if let Some(counts) = self.shared.wire.borrow_mut().codec.take_counts() {
            nuncio_upstream::count_http2(&self.stats, &counts);
        }
    }
}
