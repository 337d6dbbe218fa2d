//! A connection lent to a request: counts the request, and brings the connection back at its end.

use std::rc::Rc;
use std::sync::Arc;

use super::{Carries, Connection, Ended, HostPool};
use crate::cluster::Host;
use crate::cluster_core::{ClusterCore, Permit};

/// A request's hold on a connection. Dropped, it gives the connection back for another request; whoever leaves
/// it in no state for that must [`reset`](Self::reset) or [`close`](Self::close) it before.
pub(crate) struct Lease {
    pool: Rc<HostPool>,
    /// `None` once it was closed.
    connection: Option<Box<Connection>>,
    /// `None` once the request has ended.
    permit: Option<Permit>,
}

impl Lease {
    /// Begins a request, which `permit` lets be.
    #[inline]
    pub(super) fn new(pool: Rc<HostPool>, mut connection: Box<Connection>, permit: Permit) -> Self {
        let traffic = &pool.core.traffic;
        if connection.begin_request() {
            traffic.upstream_cx_max_requests.inc();
        }
        traffic.upstream_rq_total.inc();
        traffic.upstream_rq_active.inc();
        pool.to.counters.rq_total.inc();
        pool.to.counters.rq_active.inc();
        if pool.core.counts_active_requests {
            pool.to.host.request_begins();
        }
        Self {
            pool,
            connection: Some(connection),
            permit: Some(permit),
        }
    }

    /// The cluster on this worker.
    #[inline]
    pub(crate) fn core(&self) -> &ClusterCore {
        &self.pool.core
    }

    /// What the connection carries.
    #[inline]
    pub(crate) fn carries(&self) -> Carries {
        self.pool.carries
    }

    /// Where the connection leads to.
    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.pool.to.host
    }

    /// The connection; `None` once it was closed.
    #[inline]
    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.as_deref()
    }

    /// The connection; `None` once it was closed.
    #[inline]
    pub(crate) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.connection.as_deref_mut()
    }

    /// Closes the connection in the middle of the request.
    pub(crate) fn reset(&mut self, ended: Ended) {
        if let Some(connection) = self.connection.take() {
            connection.close_with_active_request(ended);
            self.pool.connection_lost();
        }
    }

    /// Closes the connection after the request.
    pub(crate) fn close(&mut self, ended: Ended) {
        if let Some(connection) = self.connection.take() {
            connection.close(ended);
            self.pool.connection_lost();
        }
    }

    /// Ends the request, as dropping does.
    #[inline]
    pub(crate) fn end(&mut self) {
        if self.permit.take().is_none() {
            return;
        }
        self.pool.core.traffic.upstream_rq_active.dec();
        self.pool.to.counters.rq_active.dec();
        if self.pool.core.counts_active_requests {
            self.pool.to.host.request_ends();
        }
        if let Some(connection) = self.connection.take() {
            self.pool.release(connection);
        }
    }
}

impl Drop for Lease {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}
