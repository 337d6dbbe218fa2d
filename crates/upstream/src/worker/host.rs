//! A host as one worker sees it: its counters and its pools.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stream_info::HostDescription;

use crate::cluster::{Host, HostCounters, ResourcePriority};
use crate::cluster_core::ClusterCore;
use crate::error::UpstreamError;
use crate::pool::{Carries, HostPool, PooledHost};
use crate::server_names::ConnectionName;
use crate::stream::Acquired;
use crate::worker::named_pools::NamedPools;

/// A host that was picked: ask it for a stream.
pub struct WorkerHost {
    pub(crate) core: Rc<ClusterCore>,
    host: Arc<Host>,
    counters: Arc<HostCounters>,
    pools: [OnceCell<Rc<HostPool>>; 2],
    named: NamedPools,
    /// For streams of bytes; made when there is one.
    tcp: OnceCell<Rc<HostPool>>,
    description: OnceCell<Arc<HostDescription>>,
}

impl WorkerHost {
    pub(crate) fn new(core: Rc<ClusterCore>, host: Arc<Host>) -> Self {
        let counters = host.worker_counters();
        Self {
            core,
            host,
            counters,
            pools: Default::default(),
            named: NamedPools::default(),
            tcp: OnceCell::new(),
            description: OnceCell::new(),
        }
    }

    /// The host itself.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The host as access logs show it.
    pub fn description(&self) -> Arc<HostDescription> {
        Arc::clone(self.description.get_or_init(|| {
            Arc::new(HostDescription {
                address: self.host.address.into(),
                hostname: self.host.hostname.clone(),
                metadata: self.host.metadata.as_deref().cloned().unwrap_or_default(),
            })
        }))
    }

    /// This worker's counters of the host.
    pub fn counters(&self) -> &HostCounters {
        &self.counters
    }

    /// A stream on a pooled connection, or a place in the queue for one.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    #[inline]
    pub fn new_stream(
        self: &Rc<Self>,
        priority: ResourcePriority,
    ) -> Result<Acquired, UpstreamError> {
        let [default, high] = &self.pools;
        let pool = match priority {
            ResourcePriority::Default => default,
            ResourcePriority::High => high,
        };
        pool.get_or_init(|| self.new_pool(Carries::Http1, priority, None))
            .lend()
            .map(Acquired::from)
    }

    /// The same on a connection that has this name.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    pub fn new_stream_named(
        self: &Rc<Self>,
        priority: ResourcePriority,
        name: ConnectionName,
    ) -> Result<Acquired, UpstreamError> {
        let make = || self.new_pool(Carries::Http1, priority, Some(name.clone()));
        self.named
            .get(&name, priority, make)
            .lend()
            .map(Acquired::from)
    }

    /// A stream of bytes on a connection of its own, or a place in the queue for one.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    pub fn new_tcp_stream(self: &Rc<Self>) -> Result<Acquired, UpstreamError> {
        self.tcp
            .get_or_init(|| self.new_pool(Carries::Tcp, ResourcePriority::Default, None))
            .lend()
            .map(Acquired::from)
    }

    fn new_pool(
        &self,
        carries: Carries,
        priority: ResourcePriority,
        name: Option<ConnectionName>,
    ) -> Rc<HostPool> {
        let core = Rc::clone(&self.core);
        HostPool::new(core, self.handle(), carries, priority, name)
    }

    fn handle(&self) -> PooledHost {
        PooledHost {
            host: Arc::clone(&self.host),
            counters: Arc::clone(&self.counters),
        }
    }

    /// Closes idle connections and lets the others go after their request; for a host that was removed.
    pub(crate) fn drain(&self) {
        self.pools
            .iter()
            .chain([&self.tcp])
            .filter_map(OnceCell::get)
            .for_each(|pool| pool.drain());
        self.named.drain();
    }
}
