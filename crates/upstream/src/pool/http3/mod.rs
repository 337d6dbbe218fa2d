//! Connections of QUIC that requests share (HTTP/3).
//!
//! A task drives each: it takes what QUIC tells, wakes the requests that it concerns, and sends for all of them, once every
//! task that was ready has run. A request reads its own stream and writes into QUIC what its windows take.
//!
//! As in Envoy a connection takes as many requests at once as the host allows and `max_concurrent_streams` says; after a
//! GOAWAY it takes no more, and ends with the last that it has. A place is a stream that is open already: that is the one
//! way to know that the host allows it.
//!
//! What a host sends ahead is bounded by QUIC's windows, which are given back for what was read.
//!
//! Different from Envoy: no request is sent before the handshake is over (0-RTT), and neither ports nor networks are changed
//! under a connection.

mod connect;
mod connection;
mod mailbox;

use std::rc::Rc;

pub(super) use connect::open;
pub(crate) use connection::Http3Connection;
pub(crate) use mailbox::{Cut, Mailbox};
use nuncio_net::quic::{Connection as Quic, QuicHandshake};

use super::shared::SharedLease;
use super::{Granted, HostPool, Lent, Life};
use crate::error::{UpstreamError, UpstreamErrorKind};

impl SharedLease<Http3Connection> {
    /// Counts a request that ended before both sides had, by who ended it; it is ours if nothing else did.
    pub(crate) fn count_reset(&self, cut: Option<Cut>) {
        let traffic = &self.core().traffic;
        match cut.map(Cut::kind) {
            Some(UpstreamErrorKind::RemoteReset) => traffic.upstream_rq_rx_reset.inc(),
            Some(UpstreamErrorKind::ConnectError) => {}
            Some(UpstreamErrorKind::ConnectionTermination) => {
                traffic.upstream_rq_pending_failure_eject.inc();
            }
            _ => traffic.upstream_rq_tx_reset.inc(),
        }
    }
}

impl HostPool {
    /// A place on a connection of QUIC; none if none has one.
    pub(super) fn free_http3_place(&self) -> Option<Rc<Http3Connection>> {
        let connections = self.http3.borrow();
        let free = connections.iter().find(|connection| connection.has_place());
        free.map(Rc::clone)
    }

    /// Connections of QUIC whose hosts have yet to allow a stream.
    pub(super) fn http3_without_streams(&self) -> usize {
        let connections = self.http3.borrow();
        let waiting = connections.iter().filter(|one| one.awaits_first_stream());
        waiting.count()
    }

    /// A place on a connection of QUIC, or in the queue.
    pub(super) fn lend_http3_place(self: &Rc<Self>) -> Result<Lent, UpstreamError> {
        match self.free_http3_place() {
            Some(connection) => SharedLease::take(self, connection)
                .map(Granted::Http3)
                .map(Lent::Ready),
            None => self.enqueue().map(Lent::Pending),
        }
    }

    /// Gives places to those who wait.
    pub(super) fn give_http3_places(self: &Rc<Self>) {
        while !self.waiting.borrow().is_empty() {
            let Some(connection) = self.free_http3_place() else {
                return;
            };
            let Some(next) = self.waiting.borrow_mut().pop_front() else {
                return;
            };
            next.deliver(SharedLease::take(self, connection).map(Granted::Http3));
        }
    }

    /// A handshake is over: requests share the connection.
    fn connected_by_quic(self: &Rc<Self>, quic: Rc<Quic>, handshake: QuicHandshake, life: Life) {
        self.connecting.set(self.connecting.get() - 1);
        if let Some(grid) = self.grid.get() {
            grid.confirm();
        }
        self.start_watcher();
        let connection = Http3Connection::new(self, quic, handshake, life);
        self.http3.borrow_mut().push(Rc::clone(&connection));
        tokio::task::spawn_local(connection::drive(connection));
        self.serve_waiting();
        if self.draining.get() {
            self.drain();
        }
    }

    /// A connection of QUIC has ended.
    fn http3_ended(self: &Rc<Self>, ended: &Http3Connection) {
        self.http3
            .borrow_mut()
            .retain(|connection| !std::ptr::eq(&**connection, ended));
        self.connection_lost();
    }

    pub(super) fn drain_http3(&self) {
        let connections: Vec<_> = self.http3.borrow().clone();
        connections.iter().for_each(|connection| connection.leave());
    }
}
