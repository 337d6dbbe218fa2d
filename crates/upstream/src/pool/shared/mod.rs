//! Connections that requests share (HTTP/2): places on them instead of whole connections.
//!
//! A task drives each: it reads, lets the codec take its steps, puts what comes for a request into its
//! [mailbox](mailbox), and writes what all have encoded in one go, once every task that was ready has run. What a host
//! sends ahead is bounded by the windows of the configuration.
//!
//! As in Envoy a connection takes as many requests at once as the host's SETTINGS and `max_concurrent_streams` allow;
//! after a GOAWAY it takes no more, and ends with the last that it has. What the host says that it has not processed
//! fails as if it had refused it.

mod connection;
mod mailbox;
mod steps;

use std::rc::Rc;
use std::sync::Arc;

pub(crate) use connection::Http2Connection;
pub(crate) use mailbox::{Cut, Mailbox};
pub use steps::count;
pub(crate) use steps::count_codec;

use nuncio_codec::http2::ErrorCode;

use super::{Carries, Connection, Granted, HostPool, Lent};
use crate::cluster::{Host, Resource};
use crate::cluster_core::{ClusterCore, Permit};
use crate::error::UpstreamError;

/// What requests share, whatever it speaks.
pub(crate) trait Shareable {
    /// Takes a place; true if it is the last one that there will be.
    fn reserve(&self) -> bool;
    /// Whether streams for which there is a place can begin.
    fn takes_streams(&self) -> bool;
    /// Gives up a place that was not used.
    fn give_up_place(&self);
    /// A request has ended, and with it all that was counted for it.
    fn request_ended(&self);
}

/// A request's place on a connection. Counts the request.
pub(crate) struct SharedLease<C: Shareable = Http2Connection> {
    pool: Rc<HostPool>,
    connection: Rc<C>,
    /// Whether its stream has begun, which then stands for the place.
    has_begun: bool,
    /// `None` once the request has ended.
    permit: Option<Permit>,
}

impl<C: Shareable> SharedLease<C> {
    /// Takes a place, as the circuit breaker allows.
    pub(super) fn take(pool: &Rc<HostPool>, connection: Rc<C>) -> Result<Self, UpstreamError> {
        let permit = Permit::try_take(&pool.core, pool.priority, Resource::Requests);
        let traffic = &pool.core.traffic;
        let Some(permit) = permit else {
            traffic.upstream_rq_active_overflow.inc();
            return Err(UpstreamError::too_many_requests());
        };
        if connection.reserve() {
            traffic.upstream_cx_max_requests.inc();
        }
        traffic.upstream_rq_total.inc();
        traffic.upstream_rq_active.inc();
        pool.to.counters.rq_total.inc();
        pool.to.counters.rq_active.inc();
        if pool.core.counts_active_requests {
            pool.to.host.request_begins();
        }
        Ok(Self {
            pool: Rc::clone(pool),
            connection,
            has_begun: false,
            permit: Some(permit),
        })
    }

    pub(crate) fn connection(&self) -> &Rc<C> {
        &self.connection
    }

    /// Whether the host still takes a stream. It may have changed its mind since the place was given.
    pub(crate) fn is_good(&self) -> bool {
        self.connection.takes_streams()
    }

    /// The stream has begun, or could not.
    pub(crate) fn has_begun(&mut self) {
        self.has_begun = true;
    }

    pub(crate) fn core(&self) -> &ClusterCore {
        &self.pool.core
    }

    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.pool.to.host
    }

    /// Whether the request has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.permit.is_none()
    }

    /// Ends the request, for a caller that still wants to know of it.
    #[inline]
    pub(crate) fn end(&mut self) {
        // Whoever waits for the place needs what the circuit breaker counts as well.
        let Some(permit) = self.permit.take() else {
            return;
        };
        drop(permit);
        self.pool.core.traffic.upstream_rq_active.dec();
        self.pool.to.counters.rq_active.dec();
        if self.pool.core.counts_active_requests {
            self.pool.to.host.request_ends();
        }
        if !self.has_begun {
            self.connection.give_up_place();
        }
        self.connection.request_ended();
    }
}

impl SharedLease {
    /// Counts a request that ended before both sides had, by who ended it; it is ours if nothing else did. As in
    /// Envoy, a reset because of an error in the protocol counts as ours, and some resets count as nobody's.
    pub(crate) fn count_reset(&self, cut: Option<Cut>) {
        let traffic = &self.pool.core.traffic;
        match cut {
            None
            | Some(Cut::Violation(_) | Cut::Failed(_) | Cut::Reset(ErrorCode::PROTOCOL_ERROR)) => {
                traffic.upstream_rq_tx_reset.inc()
            }
            Some(
                Cut::Reset(ErrorCode::REFUSED_STREAM | ErrorCode::CONNECT_ERROR) | Cut::Unprocessed,
            ) => {}
            Some(Cut::Reset(_)) => traffic.upstream_rq_rx_reset.inc(),
            Some(Cut::Gone) => traffic.upstream_rq_pending_failure_eject.inc(),
        }
    }
}

impl<C: Shareable> Drop for SharedLease<C> {
    fn drop(&mut self) {
        self.end();
    }
}

impl HostPool {
    /// A place on a shared connection, or in the queue.
    pub(super) fn lend_place(self: &Rc<Self>) -> Result<Lent, UpstreamError> {
        match self.free_place() {
            Some(connection) => SharedLease::take(self, connection)
                .map(Granted::Shared)
                .map(Lent::Ready),
            None if self.carries == Carries::Http3 => self.lend_http3_place(),
            None => self.enqueue().map(Lent::Pending),
        }
    }

    fn free_place(&self) -> Option<Rc<Http2Connection>> {
        let shared = self.shared.borrow();
        shared
            .iter()
            .find(|connection| connection.has_place())
            .map(Rc::clone)
    }

    /// How many requests find a place once the connections that are being opened are there.
    pub(super) fn connecting_places(&self) -> usize {
        let places = match self.carries {
            Carries::Http1 | Carries::Tcp | Carries::Calls => 1,
            Carries::Http2 | Carries::Http3 | Carries::HttpByAlpn => {
                let http = &self.core.settings().http;
                let at_once = match (self.carries, &http.http3) {
                    (Carries::Http3, Some(http3)) => http3.max_concurrent_streams,
                    _ => http.http2.max_concurrent_streams,
                };
                let in_all = http.max_requests_per_connection.unwrap_or(u32::MAX);
                usize::try_from(at_once.min(in_all)).unwrap_or(usize::MAX)
            }
        };
        (self.connecting.get() + self.http3_without_streams()).saturating_mul(places)
    }

    /// Whether requests share a connection that was opened.
    pub(super) fn is_shared(&self, connection: &Connection) -> bool {
        match self.carries {
            Carries::Http1 | Carries::Http3 | Carries::Tcp | Carries::Calls => false,
            Carries::Http2 => true,
            Carries::HttpByAlpn => {
                let tls = connection.transport.tls();
                let agreed = tls.and_then(|tls| tls.alpn_protocol.as_deref());
                let is_http2 = agreed == Some(b"h2");
                connection.life().agreed(is_http2);
                is_http2
            }
        }
    }

    /// Lets requests share a connection.
    pub(super) fn share(self: &Rc<Self>, connection: Connection) {
        let connection = Http2Connection::new(self, &self.core, connection);
        self.shared.borrow_mut().push(Rc::clone(&connection));
        tokio::task::spawn_local(connection::drive(connection));
    }

    /// Gives places to those who wait.
    pub(super) fn give_places(self: &Rc<Self>) {
        if self.carries == Carries::Http3 {
            return self.give_http3_places();
        }
        while !self.waiting.borrow().is_empty() {
            let Some(connection) = self.free_place() else {
                return;
            };
            let Some(next) = self.waiting.borrow_mut().pop_front() else {
                return;
            };
            next.deliver(SharedLease::take(self, connection).map(Granted::Shared));
        }
    }

    /// A shared connection may have a place more than before.
    pub(crate) fn place_free(self: &Rc<Self>) {
        if self.waiting.borrow().is_empty() {
            return;
        }
        self.serve_waiting();
    }

    /// A shared connection has ended.
    pub(crate) fn shared_ended(self: &Rc<Self>, ended: &Http2Connection) {
        self.shared
            .borrow_mut()
            .retain(|connection| !std::ptr::eq(&**connection, ended));
        self.connection_lost();
    }

    pub(super) fn drain_shared(&self) {
        let shared: Vec<_> = self.shared.borrow().clone();
        shared.iter().for_each(|connection| connection.leave());
    }

    /// Ends a shared connection without requests; false if there is none.
    pub(super) fn close_one_unused(&self) -> bool {
        let shared = self.shared.borrow();
        if let Some(unused) = shared.iter().find(|connection| connection.is_idle()) {
            unused.leave();
            return true;
        }
        let http3 = self.http3.borrow();
        let unused = http3.iter().find(|connection| connection.is_idle());
        unused.map(|connection| connection.leave()).is_some()
    }
}
