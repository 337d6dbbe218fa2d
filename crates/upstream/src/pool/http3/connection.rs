//! A connection of QUIC that requests share, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll};

use hashbrown::HashMap;
use nuncio_codec::http2::Role;
use nuncio_codec::http3::{
    Connection as Codec, ConnectionError, ErrorCode, Http3Settings, Problem,
};
use nuncio_contract::stats::groups::Http3CodecStats;
use nuncio_net::deadline::Deadlines;
use nuncio_net::quic::{
    Connection as Quic, Dir, Event, Lost, QuicHandshake, StreamEvent, StreamId,
};
use nuncio_net::transport::TlsInfo;

use super::super::shared::Shareable;
use super::super::{Ended, HostPool, Life};
use super::connect::{REFUSED, close_words, count_close};
use super::mailbox::{Cut, Mailbox};
use crate::cluster_core::ClusterCore;
use crate::http3_own_streams::{self as own_streams, OwnStreams};

/// No request for too long.
const IDLE: usize = 0;
/// `max_connection_duration`.
const LIFE: usize = 1;

/// As many places are told of at the most, for as many streams are opened ahead to know of them.
const MOST_PROMISED: u32 = 256;

/// What driver and requests share.
pub(crate) struct Http3Connection {
    core: Rc<ClusterCore>,
    pool: Weak<HostPool>,
    /// None once it has ended.
    life: RefCell<Option<Life>>,
    pub(crate) stats: Arc<Http3CodecStats>,
    pub(crate) quic: Rc<Quic>,
    pub(crate) settings: Rc<Http3Settings>,
    codec: RefCell<Codec>,
    own: OwnStreams,
    streams: RefCell<HashMap<StreamId, Rc<Mailbox>>>,
    /// Streams that are open, and for requests to come.
    open: RefCell<VecDeque<StreamId>>,
    /// Whether the host has allowed a stream yet.
    had_stream: Cell<bool>,
    max_concurrent_streams: u32,
    /// Requests that have a place and have not begun.
    reserved: Cell<u32>,
    requests: Cell<u32>,
    requests_left: Cell<u32>,
    /// Whether it takes no more requests.
    is_leaving: Cell<bool>,
    /// Whether the host has said that it takes no more.
    host_left: Cell<bool>,
    /// Whether the host broke the protocol.
    is_broken: Cell<bool>,
    /// Whether requests were under way then, and count as cut off by the end of the connection: not by what is malformed.
    was_in_use: Cell<bool>,
    /// What is said of the end.
    end_details: RefCell<Option<Box<str>>>,
    deadlines: Deadlines<2>,
    pub(crate) id: u64,
    pub(crate) local_address: Option<SocketAddr>,
    pub(crate) tls: TlsInfo,
}

/// Drives a connection to its end, and until the host has been told of that.
pub(super) async fn drive(connection: Rc<Http3Connection>) {
    let core = Rc::clone(&connection.core);
    connection
        .own
        .open(&connection.quic, &connection.codec.borrow());
    // Who has waited for it may have it already.
    if connection.is_unused() {
        connection.await_requests();
    }
    let ended = poll_fn(|cx| connection.poll_drive(cx)).await;
    connection.end(ended);
    let quic = Rc::clone(&connection.quic);
    drop(connection);
    quic.write(core.clock.now());
    quic.linger(&*core.clock).await;
}

impl Http3Connection {
    /// A connection of `pool` behind its handshake.
    pub(super) fn new(
        pool: &Rc<HostPool>,
        quic: Rc<Quic>,
        handshake: QuicHandshake,
        life: Life,
    ) -> Rc<Self> {
        let core = &pool.core;
        let (settings, stats) = core.http3();
        let life = life.connected(core);
        let http = &core.settings().http;
        let new = Rc::new(Http3Connection {
            core: Rc::clone(core),
            pool: Rc::downgrade(pool),
            stats,
            codec: RefCell::new(Codec::new(Role::Client, Rc::clone(&settings))),
            settings,
            own: OwnStreams::default(),
            streams: RefCell::default(),
            open: RefCell::default(),
            had_stream: Cell::new(false),
            max_concurrent_streams: http
                .http3
                .as_ref()
                .map_or(0, |it| it.max_concurrent_streams),
            reserved: Cell::new(0),
            requests: Cell::new(0),
            requests_left: Cell::new(http.max_requests_per_connection.unwrap_or(u32::MAX)),
            is_leaving: Cell::new(false),
            host_left: Cell::new(false),
            is_broken: Cell::new(false),
            was_in_use: Cell::new(false),
            end_details: RefCell::default(),
            deadlines: Deadlines::default(),
            id: life.id,
            life: RefCell::new(Some(life)),
            local_address: Some(quic.local_address()),
            tls: handshake.info,
            quic,
        });
        if let Some(longest) = http.max_connection_duration {
            new.deadlines.set(LIFE, core.clock.now() + longest);
        }
        new
    }

    /// Whether it has a place for another request.
    pub(crate) fn has_place(&self) -> bool {
        !self.is_leaving.get()
            && self.life.borrow().is_some()
            && self.requests_left.get() > 0
            && self.taken() < self.max_concurrent_streams
            && self.has_stream_for(self.reserved.get() + 1)
    }

    /// Requests that have begun or will.
    fn taken(&self) -> u32 {
        let begun = u32::try_from(self.streams.borrow().len()).unwrap_or(u32::MAX);
        begun.saturating_add(self.reserved.get())
    }

    /// Whether so many streams are open for requests to come, as the host allows.
    fn has_stream_for(&self, requests: u32) -> bool {
        let wanted = usize::try_from(requests).unwrap_or(usize::MAX);
        let mut open = self.open.borrow_mut();
        while open.len() < wanted {
            let Some(id) = self.quic.open_request() else {
                return false;
            };
            self.had_stream.set(true);
            open.push_back(id);
        }
        true
    }

    /// Whether the host has yet to allow its first stream. As in Envoy that is waited for as for a handshake: a host that
    /// never does is not asked for connection after connection.
    pub(crate) fn awaits_first_stream(&self) -> bool {
        !self.is_leaving.get()
            && !self.had_stream.get()
            && self.life.borrow().is_some()
            && !self.has_stream_for(1)
    }

    /// Requests under way.
    pub(crate) fn active_requests(&self) -> usize {
        self.streams.borrow().len()
    }

    /// How many more requests would find a place, as far as is known.
    pub(crate) fn free_places(&self) -> usize {
        match self.has_place() {
            false => 0,
            true => {
                let free = self.max_concurrent_streams.saturating_sub(self.taken());
                let free = free.min(self.requests_left.get()).min(MOST_PROMISED);
                let reserved = self.reserved.get();
                let _or_fewer = self.has_stream_for(reserved.saturating_add(free));
                let open = self.open.borrow().len();
                let allowed = open.saturating_sub(usize::try_from(reserved).unwrap_or(0));
                allowed.min(usize::try_from(free).unwrap_or(usize::MAX))
            }
        }
    }

    /// Begins the stream of a request that has a place; none if the host has left meanwhile.
    pub(crate) fn begin(&self) -> Option<Rc<Mailbox>> {
        self.reserved.set(self.reserved.get().saturating_sub(1));
        self.life.borrow().as_ref()?;
        if self.host_left.get() {
            return None;
        }
        let id = self.open.borrow_mut().pop_front()?;
        let mailbox = Rc::new(Mailbox::new(id));
        self.streams.borrow_mut().insert(id, Rc::clone(&mailbox));
        Some(mailbox)
    }

    /// A request is done with its stream; its lease ends next.
    pub(crate) fn stream_ended(&self, id: StreamId) {
        self.streams.borrow_mut().remove(&id);
    }

    fn is_unused(&self) -> bool {
        self.reserved.get() == 0 && self.streams.borrow().is_empty()
    }

    fn await_requests(&self) {
        if let Some(idle) = self.core.settings().http.idle_timeout {
            self.deadlines.set(IDLE, self.core.clock.now() + idle);
        }
        self.quic.wake();
    }

    /// Takes no more requests, and ends with the last that it has.
    pub(crate) fn leave(&self) {
        self.is_leaving.set(true);
        self.quic.wake();
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
        self.quic.note_driver(cx);
        let clock = &*self.core.clock;
        loop {
            while let Poll::Ready(slot) = self.deadlines.poll_expired(cx, clock) {
                match slot {
                    IDLE => self.core.traffic.upstream_cx_idle_timeout.inc(),
                    _ => self.core.traffic.upstream_cx_max_duration_reached.inc(),
                }
                self.is_leaving.set(true);
            }
            // What came before the network's refusal counts.
            while let Some(event) = self.quic.next_event(clock.now()) {
                if let Some(ended) = self.heed(event) {
                    return Poll::Ready(ended);
                }
            }
            if self.quic.is_refused() {
                let name = "QUIC_PACKET_WRITE_ERROR";
                count_close(&self.core, "tx", name);
                self.end_for(format!("{name}|FROM_SELF|{REFUSED}"), Cut::Gone);
                self.close(ErrorCode::NO_ERROR, "");
                return Poll::Ready(Ended::Local);
            }
            if self.is_broken.get() {
                return Poll::Ready(Ended::Local);
            }
            if self.is_leaving.get() && self.is_unused() {
                count_close(&self.core, "tx", "QUIC_NO_ERROR");
                self.close(ErrorCode::NO_ERROR, "");
                return Poll::Ready(Ended::Local);
            }
            let (_, has_more) = self.quic.write(clock.now());
            if has_more {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.quic.poll_timer(cx, clock).is_ready() {
                continue;
            }
            // What has happened may have set a nearer deadline, for which no timer runs yet.
            if self.deadlines.poll_expired(cx, clock).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Does what QUIC tells; how the connection ended, if it did.
    fn heed(&self, event: Event) -> Option<Ended> {
        match event {
            Event::ConnectionLost { reason } => return Some(self.lost(reason.into())),
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
            Event::Stream(StreamEvent::Stopped { id, .. }) => match self.own.find(id) {
                Some(own) => {
                    let error = self.codec.borrow().own_stream_stopped(own);
                    self.fail(&error);
                }
                // What is sent from now on goes nowhere; what comes still counts.
                None => self.wake_stream(id),
            },
            Event::Stream(StreamEvent::Available { dir: Dir::Bi }) => self.places_changed(),
            Event::HandshakeDataReady
            | Event::Connected
            | Event::Stream(_)
            | Event::DatagramReceived
            | Event::DatagramsUnblocked => {}
        }
        None
    }

    fn wake_stream(&self, id: StreamId) {
        let mailbox = self.streams.borrow().get(&id).cloned();
        if let Some(mailbox) = mailbox {
            if let Some(code) = self.quic.reset_by_peer(id) {
                self.note_reset(&mailbox, code);
            }
            mailbox.task.wake();
        }
    }

    /// The host has reset its side of a stream.
    pub(crate) fn note_reset(&self, mailbox: &Mailbox, code: u64) {
        if !mailbox.is_reset.replace(true) {
            self.stats.rx_reset.inc();
            self.count_code(
                "rx.quic_reset_stream_error_code",
                ErrorCode(code).reset_name(),
            );
        }
        mailbox.cut(Cut::Reset(code));
    }

    /// Counts a code of QUIC's, under a name that appears with the first one.
    pub(crate) fn count_code(&self, what: &str, name: &str) {
        if let Some(root) = self.core.shared.scope().root() {
            root.counter(&format!("http3.upstream.{what}_{name}")).inc();
        }
    }

    fn read_own(&self, id: StreamId) {
        let read = own_streams::read(&self.quic, &mut self.codec.borrow_mut(), id);
        if let Err(error) = read {
            return self.fail(&error);
        }
        if self.codec.borrow().peer_goes_away().is_some() {
            self.host_left.set(true);
            if !self.is_leaving.replace(true) {
                self.core.traffic.upstream_cx_close_notify.inc();
            }
        }
    }

    /// The connection has ended without our doing.
    fn lost(&self, lost: Lost) -> Ended {
        let (ended, details) = match &lost {
            Lost::Closed { reason, .. } => {
                let (name, phrase) = close_words(reason);
                count_close(&self.core, "rx", name);
                (Ended::Remote, format!("{name}|FROM_PEER|{phrase}"))
            }
            Lost::Reset => {
                let name = "QUIC_PUBLIC_RESET";
                count_close(&self.core, "rx", name);
                let text = format!("{name}|FROM_PEER|Received stateless reset.");
                (Ended::Remote, text)
            }
            Lost::TimedOut => {
                let name = match self.streams.borrow().is_empty() {
                    true => "QUIC_SILENT_IDLE_TIMEOUT",
                    false => "QUIC_NETWORK_IDLE_TIMEOUT",
                };
                count_close(&self.core, "tx", name);
                (Ended::Local, format!("{name}|FROM_SELF|"))
            }
            Lost::Violated(why) => {
                let name = "QUIC_INTERNAL_ERROR";
                count_close(&self.core, "tx", name);
                (Ended::Local, format!("{name}|FROM_SELF|{why}"))
            }
            Lost::Refused | Lost::Local => (Ended::Local, String::new()),
        };
        self.end_for(details, Cut::Gone);
        ended
    }

    /// Ends all requests, and notes why.
    fn end_for(&self, details: String, why: Cut) {
        let known = &mut *self.end_details.borrow_mut();
        known.get_or_insert_with(|| details.into());
        self.end_streams(why);
    }

    /// What is said of the end of the connection.
    pub(crate) fn end_details(&self) -> Option<Box<str>> {
        self.end_details.borrow().clone()
    }

    /// The host has broken the protocol of the connection.
    pub(crate) fn fail(&self, error: &ConnectionError) {
        if self.is_broken.replace(true) {
            return;
        }
        let name = error.problem.name();
        count_close(&self.core, "tx", name);
        let text = match error.details() {
            Some(_) => "Invalid headers",
            None => &error.text,
        };
        let cut = Self::cut_by(error);
        self.was_in_use.set(cut == Cut::Gone && !self.is_unused());
        // What is read behind the end of the connection came before it.
        self.end_details.take();
        self.end_for(format!("{name}|FROM_SELF|{text}"), cut);
        self.close(error.code(), &error.reason());
    }

    /// What an error of the connection is to its requests.
    pub(crate) fn cut_by(error: &ConnectionError) -> Cut {
        match error.problem {
            Problem::Frame => Cut::Failed,
            _ => Cut::Gone,
        }
    }

    fn close(&self, code: ErrorCode, reason: &str) {
        self.quic.close(self.core.clock.now(), code.0, reason);
    }

    fn end(&self, ended: Ended) {
        self.is_leaving.set(true);
        // What is malformed has ended the requests before it ends the connection.
        self.stats.quic_version_rfc_v1.inc();
        let is_in_use = match self.is_broken.get() {
            true => self.was_in_use.get(),
            false => !self.is_unused(),
        };
        if let Some(life) = self.life.take() {
            life.end(ended, is_in_use);
        }
        self.end_streams(Cut::Gone);
        if let Some(pool) = self.pool.upgrade() {
            pool.http3_ended(self);
        }
    }

    fn end_streams(&self, why: Cut) {
        let mut streams: Vec<_> = self.streams.borrow().values().cloned().collect();
        streams.sort_unstable_by_key(|stream| stream.id);
        streams.iter().for_each(|stream| stream.cut(why));
    }

    /// There may be places for those who wait for one.
    fn places_changed(&self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.place_free();
        }
    }
}

impl Shareable for Http3Connection {
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
        !self.host_left.get() && self.life.borrow().is_some() && !self.open.borrow().is_empty()
    }

    fn give_up_place(&self) {
        self.reserved.set(self.reserved.get().saturating_sub(1));
    }

    fn request_ended(&self) {
        if self.is_unused() {
            self.await_requests();
        }
        self.quic.wake();
        self.places_changed();
    }
}
