//! `envoy.filters.udp_listener.udp_proxy`: each client's datagrams go to one of a cluster's hosts, and the host's back,
//! as long as neither is idle for too long.
//!
//! A session belongs to a client's address and the one that it sends to, with `use_per_packet_load_balancing` to the
//! host as well. It has a socket of its own, which the host's answers come to. It ends when it was idle
//! (`idle_timeout`, 60 s), when its host is no member of the cluster any more, and when the cluster goes; one whose
//! host became unhealthy goes on with another host, if there is a healthy one. As many sessions live as the circuit
//! breaker of the cluster allows connections (`max_connections`, 1,024); a datagram that would begin one more is
//! dropped. Nothing is buffered: what a socket does not take at once is dropped and counted.
//!
//! As in Envoy a cluster that is not there, or no route, is counted, and the datagram dropped.
//!
//! With `session_filters` (`filters/`) or a tunnel (`tunnel/`) a session begins before its host is known, and keeps the one
//! that it gets (`deferred.rs`).
//!
//! Different from Envoy: members that leave are noticed with the next datagram of their cluster or within a second. A
//! listener that changes or goes keeps what its sessions' hosts still send until they are idle, or until connections
//! would be drained.

pub mod config;
mod deferred;
mod filters;
mod log;
pub mod route;
mod session;
mod sessions;
pub(crate) mod stats;
mod target;
mod tunnel;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use nuncio_config::typed::{FromValue, SupportTable};
use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::hash::xxh64;
use nuncio_contract::stream_info::{ConnectionInfo, StreamInfo};
use nuncio_net::datagrams::{ReceiveBuffer, Received};
use nuncio_upstream::{PickContext, WorkerHost};

use config::{Hashed, UdpProxyConfig};
use filters::{FilterConfig, FilterOnWorker};
use session::Session;
use sessions::{Key, Sessions};
use stats::UdpProxyStats;
use target::{Target, Targets};

use crate::Worker;
use crate::socket::ListeningSocket;

/// Adds what the UDP proxy honours to the support table.
pub fn support(table: &mut SupportTable) {
    config::UdpProxy::support(table);
    route::Route::support(table);
    filters::support(table);
}

/// Envoy's name of the filter.
pub const NAME: &str = "envoy.filters.udp_listener.udp_proxy";
/// The full name of its message.
pub const MESSAGE: &str = "envoy.extensions.filters.udp.udp_proxy.v3.UdpProxyConfig";

/// How often members that have left are looked for where no datagrams come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A UDP proxy on one worker.
pub struct UdpProxy {
    config: Arc<UdpProxyConfig>,
    worker: Worker,
    stats: Arc<UdpProxyStats>,
    loggers: Vec<Box<dyn AccessLogger>>,
    proxy_loggers: Vec<Box<dyn AccessLogger>>,
    /// Since the worker has it.
    begin: StreamInfo,
    /// What a session's filters are made of.
    filters: Vec<FilterOnWorker>,
    /// Whether sessions begin before their hosts are known.
    is_deferred: bool,
    sessions: Sessions,
    targets: Targets,
    /// Where reads of hosts' datagrams go.
    buffer: RefCell<ReceiveBuffer>,
    is_watching: Cell<bool>,
    /// What clients have sent, whatever became of it.
    received_bytes: Cell<u64>,
    this: Weak<UdpProxy>,
}

/// What came of a client, and where to.
struct Incoming<'a> {
    socket: &'a Rc<ListeningSocket>,
    peer: SocketAddr,
    local: SocketAddr,
}

impl UdpProxy {
    /// The worker's instance.
    pub(crate) fn new(config: Arc<UdpProxyConfig>, worker: Worker) -> Rc<Self> {
        let services = &worker.services;
        let begin = StreamInfo::new(Rc::default(), services.wall(), services.now());
        Rc::new_cyclic(|this| {
            let proxy = UdpProxy {
                stats: config.scope.worker_group(),
                loggers: config
                    .access_logs
                    .iter()
                    .map(|log| log.worker(&config.scope))
                    .collect(),
                proxy_loggers: config
                    .proxy_logs
                    .iter()
                    .map(|log| log.worker(&config.scope))
                    .collect(),
                begin,
                filters: config.filters.iter().map(FilterConfig::on_worker).collect(),
                is_deferred: !config.filters.is_empty() || config.tunnel.is_some(),
                sessions: Sessions::default(),
                targets: Targets::default(),
                buffer: RefCell::new(ReceiveBuffer::new(
                    config.socket.max_datagram_bytes,
                    config.socket.joins,
                )),
                is_watching: Cell::new(false),
                received_bytes: Cell::new(0),
                this: this.clone(),
                config,
                worker,
            };
            for id in &proxy.config.clusters {
                let _lists_its_stats = proxy.targets.get(*id, &proxy.worker.clusters);
            }
            proxy
        })
    }

    /// Takes what a client has sent.
    pub(crate) fn received(&self, socket: &Rc<ListeningSocket>, received: &Received<'_>) {
        let Some(peer) = received.peer else {
            return;
        };
        let bytes = u64::try_from(received.joined().0.len()).unwrap_or(u64::MAX);
        let so_far = self.received_bytes.get();
        self.received_bytes.set(so_far.saturating_add(bytes));
        let incoming = Incoming {
            socket,
            peer,
            local: socket.address(received.local),
        };
        match self.config.balances_each {
            true => self.to_any_host(&incoming, received),
            false => self.to_its_host(&incoming, received),
        }
    }

    /// Reading from a client failed.
    pub(crate) fn receiving_failed(&self) {
        self.stats.downstream_sess_rx_errors.inc();
    }

    fn to_its_host(&self, incoming: &Incoming<'_>, received: &Received<'_>) {
        let key = Key::of(incoming.peer, incoming.local, None);
        if self.is_deferred {
            self.to_deferred(incoming, key, received);
            return;
        }
        if let Some(known) = self.sessions.get(&key) {
            let target = self.target_of(&known);
            if let (Some(target), true) = (target, known.is_alive()) {
                let session = match self.better_host(&known, &target, incoming.peer) {
                    None => Some(known),
                    Some(host) => {
                        self.end(&known);
                        self.begin(incoming, &target, key, &host)
                    }
                };
                if let Some(session) = session {
                    session.to_host(self, received);
                }
                return;
            }
        }
        let Some(target) = self.route(incoming.peer, incoming.local) else {
            return;
        };
        let Ok(host) = target.cluster.choose_host(&self.pick(incoming.peer)) else {
            return;
        };
        if let Some(session) = self.begin(incoming, &target, key, &host) {
            session.to_host(self, received);
        }
    }

    /// Each datagram goes to another host, as the cluster's policy says.
    fn to_any_host(&self, incoming: &Incoming<'_>, received: &Received<'_>) {
        let Some(target) = self.route(incoming.peer, incoming.local) else {
            return;
        };
        let (bytes, segment_bytes) = received.joined();
        let mut rest = Some(bytes);
        while let Some(bytes) = rest.take() {
            let (datagram, more) = bytes
                .split_at_checked(segment_bytes)
                .unwrap_or((bytes, &[]));
            rest = Some(more).filter(|more| !more.is_empty());
            let Ok(host) = target.cluster.choose_host(&self.pick(incoming.peer)) else {
                continue;
            };
            let key = Key::of(incoming.peer, incoming.local, Some(host.host().address));
            let session = match self.sessions.get(&key).filter(|known| known.is_alive()) {
                Some(known) => Some(known),
                None => self.begin(incoming, &target, key, &host),
            };
            if let Some(session) = session {
                session.bytes_to_host(self, (datagram, datagram.len()), 1);
            }
        }
    }

    fn route(&self, peer: SocketAddr, local: SocketAddr) -> Option<Rc<Target>> {
        let info = |connection| self.stream_info(connection);
        let found = self.config.routes.find(peer, local, info);
        let target = found.and_then(|id| self.target(id));
        if target.is_none() {
            self.stats.downstream_sess_no_route.inc();
        }
        target
    }

    fn stream_info(&self, connection: ConnectionInfo) -> StreamInfo {
        let services = &self.worker.services;
        StreamInfo::new(Rc::new(connection), services.wall(), services.now())
    }

    fn pick(&self, peer: SocketAddr) -> PickContext<'static> {
        let hash = self.config.hashed.map(|hashed| match hashed {
            Hashed::Key(hash) => hash,
            Hashed::SourceIp => {
                let ip = route::plain_ip(peer.ip()).to_string();
                xxh64(ip.as_bytes(), 0)
            }
        });
        PickContext {
            hash,
            ..PickContext::default()
        }
    }

    /// Another, healthy host, where that of the session is not.
    fn better_host(
        &self,
        session: &Session,
        target: &Target,
        peer: SocketAddr,
    ) -> Option<Rc<WorkerHost>> {
        if session.has_healthy_host() {
            return None;
        }
        let found = target.cluster.find_host(&self.pick(peer))?;
        let is_better = session::is_healthy(found.host())
            && Some(found.host().address) != session.host_address();
        is_better.then_some(found)
    }

    fn begin(
        &self,
        incoming: &Incoming<'_>,
        target: &Rc<Target>,
        key: Key,
        host: &Rc<WorkerHost>,
    ) -> Option<Rc<Session>> {
        let proxy = self.this.upgrade()?;
        let session = Session::begin(&proxy, incoming, target, key, host)?;
        self.sessions.insert(key, Rc::clone(&session));
        self.watch();
        Some(session)
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.end_all();
        self.log_totals();
    }
}
