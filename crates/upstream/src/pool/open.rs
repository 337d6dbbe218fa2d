//! How many connections a pool has, and its place among the pools of its cluster (`max_connection_pools`, no limit by
//! default).
//!
//! A pool has its place from the first request that needs a connection until its last connection has ended, whether it
//! is idle or not. Pools that carry no HTTP are not counted. Different from Envoy: no idle pool of the same host gives
//! its place to another.

use std::cell::{Cell, RefCell};

use super::{Carries, HostPool};
use crate::cluster::Resource;
use crate::cluster_core::Permit;
use crate::error::{UpstreamError, UpstreamErrorKind};

/// What a pool shares with its connections.
#[derive(Default)]
pub(super) struct Open {
    count: Cell<usize>,
    place: RefCell<Option<Permit>>,
}

impl Open {
    /// Connections in use, idle and opening.
    pub(super) fn get(&self) -> usize {
        self.count.get()
    }

    /// One more is opened.
    pub(super) fn begins(&self) {
        self.count.set(self.count.get() + 1);
    }

    /// One has ended.
    pub(super) fn ends(&self) {
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 {
            self.place.take();
        }
    }
}

impl HostPool {
    /// Has the pool counted, if the circuit breaker lets it.
    pub(super) fn find_place(&self) -> Result<(), UpstreamError> {
        let is_counted = !matches!(self.carries, Carries::Tcp | Carries::Calls);
        if !is_counted || self.open.place.borrow().is_some() {
            return Ok(());
        }
        let resource = Resource::ConnectionPools;
        let Some(permit) = Permit::try_take(&self.core, self.priority, resource) else {
            self.core.traffic.upstream_cx_pool_overflow.inc();
            return Err(UpstreamError::new(UpstreamErrorKind::NoHealthyUpstream));
        };
        self.open.place.replace(Some(permit));
        Ok(())
    }
}
