//! A connection that requests share, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use nuncio_codec::http2::{BlockSize, Connection as Codec, StreamId};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stats::groups::Http2CodecStats;
use nuncio_net::deadline::Deadlines;
use nuncio_net::transport::TlsInfo;

use super::super::{Connection, Ended, HostPool, Life};
use super::Shareable;
use super::mailbox::{Cut, Mailbox};
use crate::cluster_core::ClusterCore;
use crate::http2_keepalive::{Http2Keepalive, KeepaliveStep};
use crate::http2_shared::Http2Shared;
use crate::http2_wire::Wire;

/// No request for too long.
const IDLE: usize = 0;
/// `max_connection_duration`.
const LIFE: usize = 1;
/// A PING is due, or its answer.
const KEEPALIVE: usize = 2;

/// What driver and requests share.
pub(crate) struct Http2Connection {
    core: Rc<ClusterCore>,
    pool: Weak<HostPool>,
    /// None once it has ended.
    life: RefCell<Option<Life>>,
    pub(crate) stats: Arc<Http2CodecStats>,
    pub(crate) shared: Http2Shared<Mailbox>,
    /// Requests that have a place and have not begun.
    reserved: Cell<u32>,
    requests: Cell<u32>,
    requests_left: Cell<u32>,
    /// Whether it takes no more requests.
    is_leaving: Cell<bool>,
    /// Whether the host broke the protocol, or left too much unread.
    has_failed: Cell<bool>,
    /// Whether what the host sent has ended the last request of a connection that is leaving.
    ends_by_answer: Cell<bool>,
    /// Whether the host had answered all that it has by the time it left.
    left_behind_answers: Cell<bool>,
    deadlines: Deadlines<3>,
    keepalive: Http2Keepalive,
    pub(crate) id: u64,
    pub(crate) local_address: Option<SocketAddr>,
    pub(crate) peer_address: Option<SocketAddr>,
    pub(crate) tls: Option<TlsInfo>,
}

/// Drives a connection to its end.
pub(crate) async fn drive(connection: Rc<Http2Connection>) {
    // Who has waited for it may have it already.
    if connection.is_unused() {
        connection.await_requests();
    }
    let ended = poll_fn(|cx| connection.poll_drive(cx)).await;
    connection.end(ended);
}

impl Http2Connection {
    /// A connection of `pool` whose host speaks HTTP/2.
    pub(crate) fn new(
        pool: &Rc<HostPool>,
        core: &Rc<ClusterCore>,
        connection: Connection,
    ) -> Rc<Self> {
        let (transport, life, requests_left) = connection.into_shared();
        let local_address = transport.local_address();
        let peer_address = match &pool.to.host.addresses {
            Some(_) => transport.peer_address(),
            None => None,
        };
        let tls = transport.tls().cloned();
        let (settings, stats) = core.http2();
        let now = core.clock.now();
        let keepalive = Http2Keepalive::new(&settings, now, chance(now));
        let wire = Wire::new(transport, |out| Codec::client(settings, out), Buffer::new());
        if pool.carries == crate::pool::Carries::HttpByAlpn {
            super::count_codec(&stats, false);
        }
        let new = Rc::new(Http2Connection {
            stats,
            core: Rc::clone(core),
            pool: Rc::downgrade(pool),
            shared: Http2Shared::new(wire),
            reserved: Cell::new(0),
            requests: Cell::new(0),
            requests_left: Cell::new(requests_left),
            is_leaving: Cell::new(false),
            has_failed: Cell::new(false),
            ends_by_answer: Cell::new(false),
            left_behind_answers: Cell::new(false),
            deadlines: Deadlines::default(),
            keepalive,
            id: life.id,
            life: RefCell::new(Some(life)),
            local_address,
            peer_address,
            tls,
        });
        if let Some(longest) = core.settings().http.max_connection_duration {
            new.deadlines.set(LIFE, now + longest);
        }
        new.set_keepalive();
        new
    }

    /// Whether it has a place for another request.
    pub(crate) fn has_place(&self) -> bool {
        !self.is_leaving.get()
            && self.life.borrow().is_some()
            && self.requests_left.get() > 0
            && self.shared.wire.borrow().codec.can_open() > self.reserved.get()
    }

    /// Requests under way.
    pub(crate) fn active_requests(&self) -> usize {
        self.shared.streams.borrow().len()
    }

    /// How many more requests would find a place.
    pub(crate) fn free_places(&self) -> usize {
        if !self.has_place() {
            return 0;
        }
        let can_open = self.shared.wire.borrow().codec.can_open();
        let free = can_open.saturating_sub(self.reserved.get());
        usize::try_from(free.min(self.requests_left.get())).unwrap_or(usize::MAX)
    }

    /// Begins the stream of a request that has a place; none if the host has changed its mind meanwhile.
    pub(crate) fn open(
        &self,
        headers: &HeaderMap,
        end_stream: bool,
    ) -> Option<(StreamId, Rc<Mailbox>, BlockSize)> {
        self.reserved.set(self.reserved.get().saturating_sub(1));
        self.life.borrow().as_ref()?;
        self.do_keepalive(self.keepalive.before_stream(self.core.clock.now()));
        let (id, size) = self
            .shared
            .encode(|codec, out| codec.open(headers, end_stream, out))?;
        let mailbox = Rc::new(Mailbox::default());
        self.shared
            .streams
            .borrow_mut()
            .insert(id, Rc::clone(&mailbox));
        self.stats.streams_active.inc();
        Some((id, mailbox, size))
    }

    /// A request is done with its stream; its lease ends next.
    pub(crate) fn stream_ended(&self, id: StreamId) {
        let ended = self.shared.streams.borrow_mut().remove(&id);
        if let Some(mailbox) = ended {
            self.stats.streams_active.dec();
            let is_last = self.is_leaving.get() && self.is_unused();
            self.ends_by_answer
                .set(is_last && self.was_ended_by_host(&mailbox));
        }
        self.note_counts();
    }

    /// Whether the connection will end with a request that its host has answered, so that there is no stream to be
    /// reset.
    pub(crate) fn ends_with(&self, answered: &Mailbox) -> bool {
        let streams = self.shared.streams.borrow().len();
        self.is_leaving.get()
            && self.reserved.get() == 0
            && streams == 1
            && answered.is_complete.get()
    }

    /// Whether what came from the host ended the stream while it was read. A reset behind GOAWAY does not count.
    fn was_ended_by_host(&self, mailbox: &Mailbox) -> bool {
        match mailbox.cut.get() {
            None => mailbox.is_complete.get() && !self.left_behind_answers.get(),
            Some(Cut::Reset(_)) => !self.shared.wire.borrow().codec.peer_goes_away(),
            Some(_) => false,
        }
    }

    fn is_unused(&self) -> bool {
        self.reserved.get() == 0 && self.shared.is_empty()
    }

    /// Whether all requests that it has were cut off, and are about to go.
    fn has_cut_all(&self) -> bool {
        let streams = self.shared.mailboxes();
        self.reserved.get() == 0 && streams.iter().all(|stream| stream.cut.get().is_some())
    }

    fn await_requests(&self) {
        if let Some(idle) = self.core.settings().http.idle_timeout {
            self.deadlines.set(IDLE, self.core.clock.now() + idle);
        }
        self.shared.wake_driver();
    }

    /// Takes no more requests, and ends with the last that it has.
    pub(crate) fn leave(&self) {
        self.is_leaving.set(true);
        self.shared.wake_driver();
    }

    /// Whether no request has it.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_unused()
    }

    /// Requests begun so far.
    pub(crate) fn request_count(&self) -> u32 {
        self.requests.get()
    }

    fn poll_drive(&self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.shared.note_driver(cx);
        loop {
            while let Poll::Ready(slot) = self.deadlines.poll_expired(cx, &*self.core.clock) {
                match slot {
                    KEEPALIVE => {
                        if self.do_keepalive(self.keepalive.act(self.core.clock.now())) {
                            return Poll::Ready(Ended::Local);
                        }
                        continue;
                    }
                    IDLE => self.core.traffic.upstream_cx_idle_timeout.inc(),
                    _ => self.core.traffic.upstream_cx_max_duration_reached.inc(),
                }
                self.is_leaving.set(true);
            }
            if let Err(ended) = self.write(cx) {
                return Poll::Ready(ended);
            }
            self.shared.let_streams_go_on();
            if self.is_leaving.get() && self.is_unused() {
                // Envoy closes while it reads, which its codec takes for an error.
                if self.ends_by_answer.get() {
                    self.core.traffic.upstream_cx_protocol_error.inc();
                }
                return Poll::Ready(Ended::Local);
            }
            if self.is_leaving.get() && self.has_cut_all() {
                // The last of them ends the connection, as in Envoy, whatever the host sends behind its GOAWAY.
                return Poll::Pending;
            }
            match self.shared.wire.borrow_mut().poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(count @ 1..)) => {
                    let count = u64::try_from(count).unwrap_or(u64::MAX);
                    self.core.traffic.upstream_cx_rx_bytes_total.add(count);
                    self.keepalive.received(self.core.clock.now());
                    self.set_keepalive();
                }
                Poll::Ready(_) => return Poll::Ready(Ended::Remote),
            }
            let steps = self.take_steps();
            self.note_counts();
            if let Err(error) = steps {
                if error.is_protocol_error() {
                    self.core.traffic.upstream_cx_protocol_error.inc();
                }
                self.end_streams(Cut::Failed(error.details()));
                self.has_failed.set(true);
                let _the_host_may_not_read = self.write(cx);
                return Poll::Ready(Ended::Local);
            }
        }
    }

    fn set_keepalive(&self) {
        if let Some(at) = self.keepalive.deadline() {
            self.deadlines.set(KEEPALIVE, at);
        }
    }

    /// True if the host is given up.
    fn do_keepalive(&self, step: KeepaliveStep) -> bool {
        match step {
            KeepaliveStep::Nothing => {}
            KeepaliveStep::Ping(payload) => self
                .shared
                .encode(|codec, out| codec.send_ping(payload, out)),
            KeepaliveStep::GiveUp => {
                self.stats.keepalive_timeout.inc();
                return true;
            }
        }
        self.set_keepalive();
        false
    }

    /// The host has answered a PING.
    pub(super) fn ping_answered(&self) {
        let now = self.core.clock.now();
        self.keepalive.answered(now, chance(now));
        self.set_keepalive();
    }

    fn write(&self, cx: &mut Context<'_>) -> Result<(), Ended> {
        let mut sent = 0;
        let written = self.shared.wire.borrow_mut().poll_write(cx, &mut sent);
        if sent > 0 {
            let sent = u64::try_from(sent).unwrap_or(u64::MAX);
            self.core.traffic.upstream_cx_tx_bytes_total.add(sent);
        }
        match written {
            Poll::Ready(done) => done.map_err(|_| Ended::Remote),
            Poll::Pending => self.shared.check_backlog().map_err(|_| {
                self.has_failed.set(true);
                Ended::Local
            }),
        }
    }

    fn end(&self, ended: Ended) {
        self.is_leaving.set(true);
        // As in Envoy, what the host did wrong has ended the requests before it ends the connection.
        let is_in_use = !self.is_unused() && !self.has_failed.get();
        if let Some(life) = self.life.take() {
            life.end(ended, is_in_use);
        }
        self.end_streams(Cut::Gone);
        self.shared.wire.borrow_mut().close();
        self.note_counts();
        if let Some(pool) = self.pool.upgrade() {
            pool.shared_ended(self);
        }
    }

    pub(crate) fn end_streams(&self, why: Cut) {
        let streams = self.shared.mailboxes();
        streams.iter().for_each(|stream| stream.cut(why));
    }

    /// The host takes no more requests.
    pub(crate) fn host_leaves(&self) {
        if !self.is_leaving.replace(true) {
            self.core.traffic.upstream_cx_close_notify.inc();
            let streams = self.shared.mailboxes();
            self.left_behind_answers
                .set(streams.iter().all(|stream| stream.is_complete.get()));
        }
        loop {
            let next = self
                .shared
                .wire
                .borrow_mut()
                .encode(|codec, out| codec.take_unprocessed(out));
            let Some(id) = next else { break };
            if let Some(stream) = self.shared.mailbox(id) {
                stream.cut(Cut::Unprocessed);
            }
        }
    }

    /// There may be places for those who wait for one.
    pub(crate) fn places_changed(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.place_free();
        }
    }

    fn note_counts(&self) {
        if let Some(counts) = self.shared.wire.borrow_mut().codec.take_counts() {
            super::steps::count(&self.stats, &counts);
        }
    }
}

impl Shareable for Http2Connection {
    fn reserve(&self) -> bool {
        self.reserved.set(self.reserved.get() + 1);
        self.deadlines.clear(IDLE);
        self.requests.set(self.requests.get().saturating_add(1));
        if let Some(life) = &mut *self.life.borrow_mut() {
            life.count_request();
        }
        let left = self.requests_left.get();
        if left < u32::MAX {
            self.requests_left.set(left.saturating_sub(1));
        }
        let is_last = self.requests_left.get() == 0;
        if is_last {
            self.is_leaving.set(true);
        }
        is_last
    }

    fn takes_streams(&self) -> bool {
        self.life.borrow().is_some() && self.shared.wire.borrow().codec.can_open() > 0
    }

    fn give_up_place(&self) {
        self.reserved.set(self.reserved.get().saturating_sub(1));
    }

    fn request_ended(&self) {
        if self.is_unused() {
            self.await_requests();
        }
        if let Some(pool) = self.pool.upgrade() {
            pool.place_free();
        }
    }
}

/// Spreads the PINGs of many connections; any number will do.
fn chance(now: Instant) -> u64 {
    RandomState::new().hash_one(now)
}
