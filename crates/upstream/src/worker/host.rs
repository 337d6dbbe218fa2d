//! A host as one worker sees it: its counters and its pools.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_contract::stream_info::{HostDescription, Protocol};

use crate::cluster::{
    ClusterShared, Host, HostCounters, ResourcePriority, UpstreamProtocol, is_canary,
};
use crate::cluster_core::ClusterCore;
use crate::error::UpstreamError;
use crate::outlier_detection::{HostMonitor, Outcome};
use crate::pool::{Carries, Dialled, HostPool, OwnConnection, PooledHost};
use crate::proxy_protocol::UpstreamProxyProtocol;
use crate::server_names::ConnectionName;
use crate::stream::Acquired;
use crate::udp::UdpStream;
use crate::worker::expecting::Expected;
use crate::worker::named_pools::NamedPools;

/// A host that was picked: ask it for a stream.
pub struct WorkerHost {
    pub(crate) core: Rc<ClusterCore>,
    host: Arc<Host>,
    counters: Arc<HostCounters>,
    pools: [OnceCell<Rc<HostPool>>; 2],
    /// For HTTP/2 where clients decide what is spoken; made when there is one.
    http2: OnceCell<Box<[OnceCell<Rc<HostPool>>; 2]>>,
    /// The same for HTTP/3.
    http3: OnceCell<Box<[OnceCell<Rc<HostPool>>; 2]>>,
    pub(super) named: NamedPools,
    /// For streams of bytes; made when there is one.
    tcp: OnceCell<Rc<HostPool>>,
    /// For calls of protocols that are no HTTP; made when there is one.
    calls: OnceCell<Rc<HostPool>>,
    description: OnceCell<Rc<HostDescription>>,
    /// What counts it for outlier detection, where there is one.
    monitor: Option<Arc<HostMonitor>>,
    /// Whether it was known to be bad when its health was last looked at.
    was_bad: Cell<bool>,
    /// Whether its metadata makes a canary of it.
    is_canary: bool,
    /// The host that its pools connect to, as it is described now.
    dialled: Dialled,
    /// Whether the host is gone or described in another way: pools made from now on are known to nobody else.
    is_left: Cell<bool>,
    /// Whether the cluster has the host no more, however it is described: one for all that stood for it.
    is_removed: Rc<Cell<bool>>,
}

impl WorkerHost {
    /// Whether it is one of this cluster's.
    pub(crate) fn is_of(&self, cluster: &Arc<ClusterShared>) -> bool {
        Arc::ptr_eq(&self.core.shared, cluster)
    }

    /// What it is told of whose connection it is, if it is told.
    #[inline]
    pub fn proxy_protocol(&self) -> Option<&UpstreamProxyProtocol> {
        let tells = self.core.settings().tells_clients;
        tells
            .then(|| self.core.shared.socket_of(&self.host))?
            .proxy_protocol()
    }

    pub(crate) fn new(core: Rc<ClusterCore>, host: Arc<Host>) -> Self {
        let counters = host.worker_counters();
        let monitor = core.shared.outliers().and_then(|it| it.monitor(&host));
        Self {
            monitor,
            ..Self::with_counters(core, host, counters)
        }
    }

    fn with_counters(core: Rc<ClusterCore>, host: Arc<Host>, counters: Arc<HostCounters>) -> Self {
        let is_canary = is_canary(host.metadata.as_deref());
        Self {
            core,
            dialled: Dialled::new(Arc::clone(&host)),
            host,
            counters,
            is_canary,
            is_left: Cell::new(false),
            is_removed: Rc::default(),
            pools: Default::default(),
            http2: OnceCell::new(),
            http3: OnceCell::new(),
            named: NamedPools::default(),
            tcp: OnceCell::new(),
            calls: OnceCell::new(),
            description: OnceCell::new(),
            monitor: None,
            was_bad: Cell::new(false),
        }
    }

    /// The same host, as discovery describes it now, with pools of its own.
    pub(crate) fn with_new_connections(&self, host: Arc<Host>) -> Self {
        let counters = Arc::clone(&self.counters);
        Self {
            monitor: self.monitor.clone(),
            was_bad: self.was_bad.clone(),
            is_removed: Rc::clone(&self.is_removed),
            ..Self::with_counters(Rc::clone(&self.core), host, counters)
        }
    }

    /// The same host, as discovery describes it now, with its pools, whose next connections go by that.
    pub(crate) fn with_its_connections(&self, host: Arc<Host>) -> Self {
        self.is_left.set(true);
        self.dialled.renew(Arc::clone(&host));
        Self {
            dialled: self.dialled.clone(),
            pools: self.pools.clone(),
            http2: self.http2.clone(),
            http3: self.http3.clone(),
            named: self.named.clone(),
            tcp: self.tcp.clone(),
            calls: self.calls.clone(),
            ..self.with_new_connections(host)
        }
    }

    /// The host itself.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The host as access logs show it.
    pub fn description(&self) -> Rc<HostDescription> {
        Rc::clone(self.description.get_or_init(|| {
            Rc::new(HostDescription {
                address: self.host.shown_address(),
                hostname: self.host.hostname.clone(),
                metadata: self.host.metadata.as_deref().cloned().unwrap_or_default(),
                locality: self.host.locality.names(),
                alternatives: self.alternatives(),
            })
        }))
    }

    /// Whether its metadata makes a canary of it.
    #[inline]
    pub fn is_canary(&self) -> bool {
        self.is_canary
    }

    /// This worker's counters of the host.
    pub fn counters(&self) -> &HostCounters {
        &self.counters
    }

    /// Whether it has been found out to be bad since this was last asked: its connections are doubtful then.
    pub(crate) fn has_become_bad(&self) -> bool {
        let is_bad = self.host.health().is_found_out();
        is_bad && !self.was_bad.replace(is_bad) || {
            self.was_bad.set(is_bad);
            false
        }
    }

    /// What counts it for outlier detection, where there is one.
    #[inline]
    pub fn monitor(&self) -> Option<&Arc<HostMonitor>> {
        self.monitor.as_ref()
    }

    /// Tells outlier detection, where there is one, what became of a try.
    #[inline]
    pub fn report(&self, outcome: Outcome) {
        if let Some(monitor) = self.monitor() {
            monitor.report(outcome);
        }
    }

    /// What connections to it carry, for a client that speaks this.
    #[inline]
    fn carries(&self, client: Option<Protocol>) -> Carries {
        match self.core.settings().http.protocol {
            UpstreamProtocol::Http1 => Carries::Http1,
            UpstreamProtocol::Http2 => Carries::Http2,
            UpstreamProtocol::Http3 => Carries::Http3,
            UpstreamProtocol::ByAlpn => Carries::HttpByAlpn,
            UpstreamProtocol::AsDownstream => match client {
                Some(Protocol::Http2) => Carries::Http2,
                Some(Protocol::Http3) => self.carries_for_http3(),
                Some(Protocol::Http10 | Protocol::Http11) | None => Carries::Http1,
            },
        }
    }

    /// As in Envoy a client of HTTP/3 has HTTP/2 where the cluster does not speak the same.
    fn carries_for_http3(&self) -> Carries {
        match self.core.settings().http.http3 {
            Some(_) => Carries::Http3,
            None => Carries::Http2,
        }
    }

    /// The pools of what clients choose to have spoken.
    #[inline]
    pub(super) fn chosen_pools(&self, carries: Carries) -> &[OnceCell<Rc<HostPool>>; 2] {
        match carries {
            Carries::Http2 => self.http2.get_or_init(Box::default),
            Carries::Http3 => self.http3.get_or_init(Box::default),
            Carries::Http1 | Carries::HttpByAlpn | Carries::Tcp | Carries::Calls => &self.pools,
        }
    }

    /// A stream on a pooled connection, or a place in the queue for one. `client`: what the client speaks, which may
    /// decide what is spoken to the host.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    #[inline]
    pub fn new_stream(
        self: &Rc<Self>,
        priority: ResourcePriority,
        client: Option<Protocol>,
    ) -> Result<Acquired, UpstreamError> {
        let carries = self.carries(client);
        let protocol = self.core.settings().http.protocol;
        let [default, high] = match carries {
            Carries::Http2 | Carries::Http3 if protocol == UpstreamProtocol::AsDownstream => {
                self.chosen_pools(carries)
            }
            Carries::HttpByAlpn if self.core.alternatives.is_some() => {
                return self.new_stream_by_grid(priority, None);
            }
            _ => &self.pools,
        };
        let pool = match priority {
            ResourcePriority::Default => default,
            ResourcePriority::High => high,
        };
        pool.get_or_init(|| self.new_pool(carries, priority, None))
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
        client: Option<Protocol>,
    ) -> Result<Acquired, UpstreamError> {
        let carries = self.carries(client);
        if carries == Carries::HttpByAlpn && self.core.alternatives.is_some() {
            return self.new_stream_by_grid(priority, Some(name));
        }
        let make = || self.new_pool(carries, priority, Some(name.clone()));
        self.named
            .get(&name, (priority, carries), make)
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

    /// A connection for a call of a protocol that is no HTTP, or a place in the queue for one.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    pub fn new_call(self: &Rc<Self>) -> Result<Acquired, UpstreamError> {
        self.calls
            .get_or_init(|| self.new_pool(Carries::Calls, ResourcePriority::Default, None))
            .lend()
            .map(Acquired::from)
    }

    /// Datagrams as capsules, by a socket of their own.
    ///
    /// # Errors
    /// The system has no socket, or not from where it is to be.
    pub fn new_udp_stream(self: &Rc<Self>) -> Result<Acquired, UpstreamError> {
        let options = &self.core.settings().connect_options;
        UdpStream::open(&self.host, options).map(Acquired::datagrams)
    }

    /// A connection for its owner alone, opened now.
    ///
    /// # Errors
    /// The host cannot be connected to, which is counted.
    pub async fn open_own(self: &Rc<Self>) -> Result<OwnConnection, UpstreamError> {
        let pool = self
            .tcp
            .get_or_init(|| self.new_pool(Carries::Tcp, ResourcePriority::Default, None));
        OwnConnection::open(Rc::clone(pool)).await
    }

    /// The same on a connection that has this name.
    ///
    /// # Errors
    /// [`Overflow`](crate::UpstreamErrorKind::Overflow) when a circuit breaker is open.
    pub fn new_tcp_stream_named(
        self: &Rc<Self>,
        name: ConnectionName,
    ) -> Result<Acquired, UpstreamError> {
        let kind = (ResourcePriority::Default, Carries::Tcp);
        let make = || self.new_pool(kind.1, kind.0, Some(name.clone()));
        self.named.get(&name, kind, make).lend().map(Acquired::from)
    }

    /// The pool that an expected stream would come from.
    pub(super) fn pool_for(self: &Rc<Self>, expected: &Expected<'_>) -> Rc<HostPool> {
        let (priority, carries) = (
            expected.priority,
            match expected.client {
                Some(client) => self.carries(client),
                None => Carries::Tcp,
            },
        );
        let make = |name| self.new_pool(carries, priority, name);
        if let Some(name) = expected.name {
            let kind = (priority, carries);
            return self.named.get(name, kind, || make(Some(name.clone())));
        }
        let place = match (carries, self.core.settings().http.protocol) {
            (Carries::Tcp, _) => &self.tcp,
            (_, UpstreamProtocol::AsDownstream) => &self.chosen_pools(carries)[priority.index()],
            _ => &self.pools[priority.index()],
        };
        Rc::clone(place.get_or_init(|| make(None)))
    }

    pub(super) fn new_pool(
        &self,
        carries: Carries,
        priority: ResourcePriority,
        name: Option<ConnectionName>,
    ) -> Rc<HostPool> {
        let core = Rc::clone(&self.core);
        let pool = HostPool::new(core, self.handle(), carries, priority, name);
        if self.is_left.get() {
            // A request that chose the host before; nothing stays of it.
            pool.drain();
        }
        pool
    }

    fn handle(&self) -> PooledHost {
        PooledHost {
            host: Arc::clone(&self.host),
            dialled: self.dialled.clone(),
            counters: Arc::clone(&self.counters),
        }
    }

    /// The cluster has it no more.
    pub(crate) fn remove(&self) {
        self.is_removed.set(true);
        self.drain();
        self.core.departure.host_leaves();
    }

    /// Closes idle connections and lets the others go after their request; for a host that was removed, or is to have
    /// new ones.
    pub(crate) fn drain(&self) {
        self.is_left.set(true);
        self.pools
            .iter()
            .chain([&self.tcp, &self.calls])
            .chain(self.http2.get().into_iter().flat_map(|pools| pools.iter()))
            .chain(self.http3.get().into_iter().flat_map(|pools| pools.iter()))
            .filter_map(OnceCell::get)
            .for_each(|pool| pool.drain());
        self.named.drain();
    }

    /// Waits until it is none of the cluster's any more, or the cluster is replaced or removed; for who has a connection
    /// of its own to it. One that is bad, or has other settings, is still the cluster's.
    pub async fn left(&self) {
        loop {
            let changed = self.core.departure.changed();
            if self.is_removed.get() || self.core.departure.is_gone() {
                return;
            }
            changed.await;
        }
    }
}
