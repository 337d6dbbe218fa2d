//! Connections of one worker to one host, kept between requests.
//!
//! As in Envoy: the connection used last is used first; a request without a connection queues (first come,
//! first served, `max_pending_requests`) and has one opened, as long as `max_connections` allows or the pool
//! has none at all; when a connection fails to open, everything queued fails with it. A connection that
//! closed or spoke while idle is never handed out.
//!
//! Different from Envoy: an idle connection that the host closes is noticed up to 50 ms late when it had
//! been in use just before.

mod connect;
mod connection;
mod grid;
mod happy_eyeballs;
mod http3;
mod lease;
mod open;
mod own;
mod pending;
mod preconnect;
mod shared;
mod watch;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

pub(crate) use connection::{Connection, Ended, Life};
pub(crate) use grid::Grid;
pub(crate) use http3::{Cut as Http3Cut, Http3Connection, Mailbox as Http3Mailbox};
pub(crate) use lease::Lease;
use open::Open;
pub use own::{EndedBy, OwnConnection};
pub(crate) use pending::PendingLease;
use pending::Waiting;
pub(crate) use preconnect::wants_another;
pub use shared::count as count_http2;
pub(crate) use shared::count_codec;
pub(crate) use shared::{Cut, Http2Connection, Mailbox, SharedLease};
use tokio::sync::Notify;

use crate::cluster::{Host, HostCounters, Resource, ResourcePriority};
use crate::cluster_core::{ClusterCore, Permit};
use crate::error::{UpstreamError, UpstreamErrorKind};
use crate::server_names::ConnectionName;
use nuncio_net::tasks::spawn_seldom;

/// The answer to a request for a connection.
pub(crate) enum Lent {
    /// An idle connection, or a place on a shared one.
    Ready(Granted),
    /// No connection is free: wait for one.
    Pending(PendingLease),
}

/// What came of opening connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    /// Those that are needed, as far as they are allowed.
    AsMayBe,
    /// The overload manager wants no more.
    Shed,
}

/// What a request gets.
pub(crate) enum Granted {
    /// A connection for itself.
    Own(Lease),
    /// A place on a connection that others have too.
    Shared(SharedLease),
    /// The same over QUIC.
    Http3(SharedLease<Http3Connection>),
}

/// The host that a pool's connections lead to.
pub(crate) struct PooledHost {
    pub(crate) host: Arc<Host>,
    /// The same as it is described now, which connections are opened by.
    pub(crate) dialled: Dialled,
    pub(crate) counters: Arc<HostCounters>,
}

/// A host as discovery describes it now, though pools were made before.
#[derive(Clone)]
pub(crate) struct Dialled(Rc<RefCell<Arc<Host>>>);

impl Dialled {
    pub(crate) fn new(host: Arc<Host>) -> Self {
        Self(Rc::new(RefCell::new(host)))
    }

    pub(crate) fn renew(&self, now: Arc<Host>) {
        *self.0.borrow_mut() = now;
    }

    fn now(&self) -> Arc<Host> {
        Arc::clone(&self.0.borrow())
    }
}

/// What a pool's connections carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// HTTP/1, one exchange after another.
    Http1,
    /// HTTP/2, many exchanges at once.
    Http2,
    /// HTTP/3 over QUIC, many exchanges at once.
    Http3,
    /// HTTP/1 or HTTP/2, as is agreed on when a connection is opened.
    HttpByAlpn,
    /// Bytes as they come: a connection serves one stream and no other.
    Tcp,
    /// Calls of a protocol that is no HTTP, one after another.
    Calls,
}

/// The pool of one worker for one host and priority.
pub(crate) struct HostPool {
    core: Rc<ClusterCore>,
    to: PooledHost,
    carries: Carries,
    priority: ResourcePriority,
    /// What requests asked of its connections.
    name: Option<ConnectionName>,
    /// Used last stands last. Boxed: they come and go with each request.
    #[expect(
        clippy::vec_box,
        reason = "they go into streams and come back without being moved"
    )]
    idle: RefCell<Vec<Box<Connection>>>,
    /// Those that requests share.
    shared: RefCell<Vec<Rc<Http2Connection>>>,
    /// Those of QUIC, which requests share as well.
    http3: RefCell<Vec<Rc<Http3Connection>>>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    connecting: Cell<usize>,
    /// Told when somebody waits no more for a connection of bytes.
    given_up: Notify,
    /// Connections in use, idle and opening.
    open: Rc<Open>,
    draining: Cell<bool>,
    watcher: RefCell<Option<Waker>>,
    watcher_ticks: Cell<bool>,
    /// Who serves requests where QUIC does not come about, if that is not their failure.
    grid: OnceCell<Box<Grid>>,
}

impl HostPool {
    pub(crate) fn new(
        core: Rc<ClusterCore>,
        to: PooledHost,
        carries: Carries,
        priority: ResourcePriority,
        name: Option<ConnectionName>,
    ) -> Rc<Self> {
        core.pool_made(priority);
        Rc::new(Self {
            core,
            to,
            carries,
            priority,
            name,
            idle: RefCell::default(),
            shared: RefCell::default(),
            http3: RefCell::default(),
            waiting: RefCell::default(),
            connecting: Cell::new(0),
            given_up: Notify::new(),
            open: Rc::default(),
            draining: Cell::new(false),
            watcher: RefCell::default(),
            watcher_ticks: Cell::new(false),
            grid: OnceCell::new(),
        })
    }

    /// A connection at once if one is idle, a place in the queue if not.
    #[inline]
    pub(crate) fn lend(self: &Rc<Self>) -> Result<Lent, UpstreamError> {
        let lent = match self.take_idle() {
            Some(connection) => self.attach(connection).map(Granted::Own).map(Lent::Ready),
            None => self.lend_place(),
        };
        if self.core.preconnects && matches!(lent, Ok(Lent::Ready(_))) {
            let _the_request_has_one = self.open_connections();
        }
        lent
    }

    /// The idle connection used last that is still good; the others are closed on the way.
    #[inline]
    fn take_idle(&self) -> Option<Box<Connection>> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            match connection.idle_end() {
                None => return Some(connection),
                Some(end) => self.close_idle(*connection, end),
            }
        }
    }

    /// Gives a connection to a request.
    #[inline]
    fn attach(self: &Rc<Self>, connection: Box<Connection>) -> Result<Lease, UpstreamError> {
        let (core, priority) = (&self.core, self.priority);
        let permit = match Permit::try_take(core, priority, Resource::Requests) {
            Some(permit) => permit,
            // As in Envoy, what is no HTTP counts as a request, and is not held to their limit.
            None if self.carries == Carries::Tcp => {
                Permit::take(core, priority, Resource::Requests)
            }
            None => {
                core.traffic.upstream_rq_active_overflow.inc();
                self.idle.borrow_mut().push(connection);
                return Err(UpstreamError::too_many_requests());
            }
        };
        Ok(Lease::new(Rc::clone(self), connection, permit))
    }

    /// Takes a connection back whose request is complete.
    #[inline]
    fn release(self: &Rc<Self>, mut connection: Box<Connection>) {
        let unwanted = self.draining.get() && self.waiting.borrow().is_empty();
        if unwanted || connection.is_spent(&self.core) {
            connection.close(Ended::Local);
            return self.connection_lost();
        }
        connection.park();
        self.idle.borrow_mut().push(connection);
        if !self.watcher_ticks.get() || !self.waiting.borrow().is_empty() {
            self.wake_watcher();
        }
    }

    /// Notes that a connection in use was closed: those who wait may need another.
    fn connection_lost(self: &Rc<Self>) {
        if !self.waiting.borrow().is_empty() {
            // It went with the last connection, just now, so that it is free.
            let _place_is_there = self.find_place();
            let _who_waits_goes_on = self.open_connections();
        }
    }

    fn close_idle(&self, connection: Connection, end: Ended) {
        if matches!(end, Ended::Unsolicited) {
            self.core.traffic.upstream_cx_protocol_error.inc();
        }
        connection.close(end);
    }

    fn enqueue(self: &Rc<Self>) -> Result<PendingLease, UpstreamError> {
        self.find_place()?;
        let priority = self.priority;
        let Some(permit) = Permit::try_take(&self.core, priority, Resource::PendingRequests) else {
            self.core.traffic.upstream_rq_pending_overflow.inc();
            return Err(UpstreamError::new(UpstreamErrorKind::Overflow));
        };
        let lease = PendingLease::new(Rc::clone(self), permit);
        self.waiting
            .borrow_mut()
            .push_back(Rc::clone(lease.waiting()));
        match self.open_connections() {
            Opened::Shed => Err(UpstreamError::new(UpstreamErrorKind::Overflow)),
            Opened::AsMayBe => Ok(lease),
        }
    }

    /// Opens as many connections as the queue needs, three at most at a time.
    fn open_connections(self: &Rc<Self>) -> Opened {
        self.open_while(Self::needs_connection)
    }

    fn needs_connection(&self) -> bool {
        match &self.core.settings().preconnect {
            None => self.waiting.borrow().len() > self.connecting_places(),
            Some(preconnect) => self.needs_more(preconnect.per_upstream),
        }
    }

    fn open_while(self: &Rc<Self>, is_needed: impl Fn(&Self) -> bool) -> Opened {
        for _ in 0..3 {
            if !is_needed(self) {
                break;
            }
            if self.core.sheds_connection() {
                return Opened::Shed;
            }
            let allowed = self.may_open();
            if !allowed {
                self.core.traffic.upstream_cx_overflow.inc();
            }
            if !allowed && self.open.get() > 0 {
                break;
            }
            self.connecting.set(self.connecting.get() + 1);
            let life = Life::begin(self);
            match self.carries {
                Carries::Http3 => spawn_seldom(http3::open(Rc::clone(self), life)),
                _ => spawn_seldom(connection::open(Rc::clone(self), life)),
            };
            if !allowed {
                break;
            }
        }
        Opened::AsMayBe
    }

    /// Whether the circuit breakers of the cluster and of the host allow another connection.
    pub(crate) fn may_open(&self) -> bool {
        let breakers = self.core.breakers();
        let most = breakers.thresholds(self.priority).max_connections_per_host;
        if most < u32::MAX && self.to.host.totals().cx_active >= u64::from(most) {
            return false;
        }
        breakers.follow();
        breakers.can_create(self.priority, Resource::Connections)
    }

    /// A connection is open: it goes to whoever waits longest.
    fn connected(self: &Rc<Self>, connection: Box<Connection>) {
        self.connecting.set(self.connecting.get() - 1);
        self.start_watcher();
        // Whoever carries no HTTP may hear from the host first, so that is no reason to doubt the connection.
        let first = match self.carries {
            Carries::Tcp => self.waiting.borrow_mut().pop_front(),
            Carries::Http1
            | Carries::Http2
            | Carries::Http3
            | Carries::HttpByAlpn
            | Carries::Calls => None,
        };
        match first {
            Some(first) => first.deliver(self.attach(connection).map(Granted::Own)),
            None if self.is_shared(&connection) => self.share(*connection),
            None => self.release(connection),
        }
        self.serve_waiting();
        if self.draining.get() {
            self.drain();
        }
    }

    /// No connection came about: all who wait are told.
    fn connect_failed(self: &Rc<Self>, error: &UpstreamError) {
        self.connecting.set(self.connecting.get() - 1);
        let waiting = self.waiting.take();
        if let Some(grid) = self.grid.get() {
            return grid.http3_failed(waiting, error);
        }
        for one in waiting {
            self.core.traffic.upstream_rq_pending_failure_eject.inc();
            one.deliver(Err(error.clone()));
        }
    }

    fn serve_waiting(self: &Rc<Self>) {
        self.hand_out();
        if !self.waiting.borrow().is_empty() {
            let _who_waits_goes_on = self.open_connections();
        }
    }

    /// Gives what is free to those who wait.
    fn hand_out(self: &Rc<Self>) {
        self.give_places();
        while !self.waiting.borrow().is_empty() {
            let Some(connection) = self.take_idle() else {
                break;
            };
            let Some(next) = self.waiting.borrow_mut().pop_front() else {
                break;
            };
            next.deliver(self.attach(connection).map(Granted::Own));
        }
    }

    /// Closes what is idle; what is in use is closed after its request.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        for connection in self.idle.take() {
            connection.close(Ended::Local);
        }
        self.drain_shared();
        self.drain_http3();
        self.wake_watcher();
    }

    /// What requests asked of its connections.
    pub(crate) fn name(&self) -> Option<&ConnectionName> {
        self.name.as_ref()
    }

    /// Whether its connections serve requests of this name and kind.
    pub(crate) fn is_for(
        &self,
        name: &ConnectionName,
        (priority, carries): (ResourcePriority, Carries),
    ) -> bool {
        self.priority == priority
            && self.carries == carries
            && self.name.as_ref().is_some_and(|own| own.is_same(name))
    }

    /// Waits until a connection that is being opened is for nobody. As in Envoy only those of bytes end then: others may
    /// serve a request to come.
    async fn has_excess(&self) {
        if !matches!(self.carries, Carries::Tcp | Carries::Calls) || self.core.preconnects {
            return std::future::pending().await;
        }
        // Looked at first: who left before this was polled told nobody.
        while self.connecting.get() <= self.waiting.borrow().len() {
            self.given_up.notified().await;
        }
    }

    /// Whether it has no connections, and nobody waits for one.
    pub(crate) fn is_unused(&self) -> bool {
        self.open.get() == 0 && self.waiting.borrow().is_empty()
    }

    /// Closes the connection that is idle for longest; false if none is.
    pub(crate) fn close_one_idle(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return self.close_one_unused();
        }
        let connection = idle.remove(0);
        drop(idle);
        connection.close(Ended::Local);
        true
    }

    fn wake_watcher(&self) {
        if let Some(waker) = &*self.watcher.borrow() {
            waker.wake_by_ref();
        }
    }

    fn start_watcher(self: &Rc<Self>) {
        if self.watcher.borrow().is_none() {
            // Its first poll puts the real one.
            *self.watcher.borrow_mut() = Some(Waker::noop().clone());
            spawn_seldom(watch::watch(Rc::downgrade(self)));
        }
    }
}
