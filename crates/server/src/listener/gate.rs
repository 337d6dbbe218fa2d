//! What accepted connections go through: one version of a listener on one thread.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use nuncio_contract::clock::Clock;
use nuncio_contract::network_filter::NetworkFilterFactory;
use nuncio_contract::overload::OverloadOnWorker;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::Scope;
use nuncio_contract::stats::groups::{ListenerStats, ListenerWorkerStats};
use nuncio_http::connection_manager::ConnectionManager;
use nuncio_http::drain::{Drain, DrainPolicy};
use nuncio_http::service::Service;
use nuncio_http::worker::Worker;
use nuncio_redis::RedisProxy;
use nuncio_tcp::proxy::{Drains, TcpProxy};
use nuncio_thrift::{ThriftProxy, ThriftProxyConfig};

use super::balance::Seat;
use super::chain::{ChainEnd, CompiledChain};
use super::directory::Directory;
use super::inspect::FilterOnThread;
use super::log::ConnectionLog;
use super::transport_socket::SocketOnThread;
use super::{ChainRoutes, CompiledListener, OnThread, Routes};

/// A listener on one thread.
pub(super) struct Gate {
    pub(super) listener: Arc<CompiledListener>,
    pub(super) listener_filters: Vec<FilterOnThread>,
    pub(super) chains: Vec<Rc<ChainOnThread>>,
    pub(super) worker: Rc<Worker>,
    pub(super) stats: Arc<ListenerStats>,
    pub(super) worker_stats: Arc<ListenerWorkerStats>,
    /// Where connections that were going elsewhere are handed over to others, if they are.
    pub(super) directory: Option<Rc<Directory>>,
    /// What the overload manager decides, if the listener cares.
    pub(super) overload: Option<Rc<OverloadOnWorker>>,
    /// The connections that the overload manager lets the process have, if it limits those of this listener.
    pub(super) watched_limit: Option<u64>,
    /// What logs connections, if anything does.
    pub(super) log: Option<Rc<ConnectionLog>>,
    /// Where connections are spread over the workers one by one.
    pub(super) seat: Option<Seat>,
    /// Of connections that are not served by a chain yet.
    drain: Rc<Drain>,
}

/// A filter chain on one thread.
pub(super) struct ChainOnThread {
    pub(super) socket: SocketOnThread,
    pub(super) filters: Vec<Box<dyn NetworkFilterFactory>>,
    pub(super) end: End,
    /// Of connections that no connection manager sees off.
    drain: Rc<Drain>,
}

/// What ends a chain.
pub(super) enum End {
    Http(Rc<ConnectionManager>),
    Tcp(Rc<TcpProxy>),
    Filter(nuncio_tcp::Worker),
    /// The Redis proxy.
    Redis(Rc<RedisProxy>),
    /// The Thrift proxy.
    Thrift(Rc<ThriftProxy>),
}

impl Gate {
    pub(super) fn new(
        listener: Arc<CompiledListener>,
        routes: &Routes,
        thread: &OnThread,
        service: Option<&Rc<dyn Service>>,
        drain: DrainPolicy,
    ) -> Self {
        let worker_scope = listener.scope.scope(&thread.name);
        let ignores_health = listener.ignores_health;
        let drain = DrainPolicy {
            ignores_health,
            ..drain
        };
        let own_drain = Rc::new(Drain::new(drain));
        let root = listener.root.clone();
        let hands_over = listener.inspection.hands_over();
        let overload = thread.worker.overload().cloned();
        let overload = overload.filter(|_| !listener.bypasses_overload);
        let watched = overload.as_ref();
        let watched = watched.and_then(|it| it.shared().max_connections);
        let chains = listener.chains.iter().zip(routes.iter());
        let chains = chains.map(|(chain, routes)| {
            let routes = Arc::clone(routes);
            let chain_drain = Rc::new(Drain::new(drain));
            let end = match &chain.end {
                ChainEnd::Http(http) => {
                    let worker = Rc::clone(&thread.worker);
                    let (config, service) = (Arc::clone(&http.manager), service.cloned());
                    let manager = ConnectionManager::new(
                        config,
                        routes,
                        worker,
                        &http.scopes,
                        service,
                        drain,
                    );
                    End::Http(watching(manager, overload.as_ref()))
                }
                ChainEnd::Tcp(proxy) => {
                    let worker = tcp_worker(&thread.worker);
                    let drains = drains(&chain_drain, &thread.worker);
                    let proxy = TcpProxy::new(Arc::clone(proxy), worker, drains);
                    End::Tcp(Rc::new(proxy))
                }
                ChainEnd::Redis(proxy) => {
                    let proxy = RedisProxy::new(Arc::clone(proxy), tcp_worker(&thread.worker));
                    End::Redis(Rc::new(proxy))
                }
                ChainEnd::Thrift(proxy) => {
                    End::Thrift(thrift_proxy(proxy, &chain_drain, &thread.worker))
                }
                ChainEnd::Filter => End::Filter(tcp_worker(&thread.worker)),
            };
            Rc::new(ChainOnThread {
                socket: chain.transport_socket.on_thread(&listener.scope),
                filters: filters(chain, &root),
                end,
                drain: chain_drain,
            })
        });
        let log = ConnectionLog::new(&listener.logs, &root, &thread.worker);
        Gate {
            chains: chains.collect(),
            log: log.map(Rc::new),
            listener_filters: listener.inspection.on_thread(&root),
            stats: listener.scope.worker_group(),
            seat: listener.balance.as_ref().map(Seat::take),
            worker_stats: worker_scope.map_or_else(Arc::default, |scope| scope.worker_group()),
            worker: Rc::clone(&thread.worker),
            directory: hands_over.then(|| Rc::clone(&thread.directory)),
            watched_limit: watched.filter(|_| !listener.limits.ignores_process),
            overload,
            listener,
            drain: own_drain,
        }
    }

    fn managers(&self) -> impl Iterator<Item = Option<&Rc<ConnectionManager>>> {
        self.chains.iter().map(|chain| match &chain.end {
            End::Http(manager) => Some(manager),
            End::Tcp(_) | End::Redis(_) | End::Thrift(_) | End::Filter(_) => None,
        })
    }

    pub(super) fn set_routes(&self, routes: &Routes) {
        for (manager, routes) in self.managers().zip(routes.iter()) {
            if let Some(manager) = manager {
                manager.set_routes(Arc::clone(routes));
            }
        }
    }

    /// The same for some chains.
    pub(super) fn set_chain_routes(&self, routes: &ChainRoutes) {
        for (place, routes) in routes.iter() {
            if let Some(End::Http(manager)) = self.chains.get(*place).map(|chain| &chain.end) {
                manager.set_routes(Arc::clone(routes));
            }
        }
    }

    /// Begins to see the connections off; returns when that will be over.
    pub(super) fn begin_drain(&self, now: Instant) -> Instant {
        for chain in &self.chains {
            chain.begin_drain(now);
        }
        self.begin_own_drain(now)
    }

    /// The same for those alone that are not served by a chain yet.
    pub(super) fn begin_own_drain(&self, now: Instant) -> Instant {
        self.drain.begin(now)
    }

    /// Closes the connections that are left.
    pub(super) fn end_drain(&self) {
        self.chains.iter().for_each(|chain| chain.end_drain());
        self.end_own_drain();
    }

    /// Closes those that are left and not served by a chain yet.
    pub(super) fn end_own_drain(&self) {
        self.drain.end();
    }

    /// Over once the connections that are left are to be closed, those that have no chain yet.
    pub(super) async fn drained(&self, id: u64) {
        over(&self.drain, id).await;
    }

    /// Counts the begin of a connection.
    pub(super) fn opened(&self) {
        self.listener.limits.opened(self.watched_limit.is_some());
        self.stats.downstream_cx_total.inc();
        self.stats.downstream_cx_active.inc();
        // It is written in any case, as Envoy's is.
        self.stats.downstream_pre_cx_active.add(0);
        self.worker_stats.downstream_cx_total.inc();
        self.worker_stats.downstream_cx_active.inc();
    }

    /// Connections that other workers accept do not come here any more.
    pub(super) fn leave_balance(&self) {
        if let Some(seat) = &self.seat {
            seat.leave();
        }
    }

    /// A connection ended before it was one.
    pub(super) fn went_early(&self) {
        if let Some(seat) = &self.seat {
            seat.went();
        }
    }

    /// The same of QUIC, of which Envoy counts less.
    pub(super) fn closed_quic(&self) {
        self.listener.limits.closed(self.watched_limit.is_some());
        self.stats.downstream_cx_active.dec();
        self.worker_stats.downstream_cx_active.dec();
    }

    /// Counts the end of a connection.
    pub(super) fn closed(&self, begin: Instant) {
        self.went_early();
        self.stats.downstream_cx_destroy.inc();
        self.closed_quic();
        let lived = self.worker.now().saturating_duration_since(begin);
        self.stats
            .downstream_cx_length_ms
            .record(u64::try_from(lived.as_millis()).unwrap_or(u64::MAX));
    }
}

impl ChainOnThread {
    /// Begins to see its connections off; returns when that will be over.
    pub(super) fn begin_drain(&self, now: Instant) -> Instant {
        if let End::Http(manager) = &self.end {
            manager.drain.begin(now);
        }
        self.drain.begin(now)
    }

    /// Closes its connections that are left.
    pub(super) fn end_drain(&self) {
        if let End::Http(manager) = &self.end {
            manager.drain.end();
        }
        self.drain.end();
    }

    /// Over once its connections that are left are to be closed.
    pub(super) async fn drained(&self, id: u64) {
        over(&self.drain, id).await;
    }
}

/// Completes when a drain is over.
async fn over(drain: &Drain, id: u64) {
    let _woken_at_its_end = poll_fn(|cx| Poll::Ready(drain.register(id, cx.waker()))).await;
    poll_fn(|_| match drain.is_over() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// Has the connection manager heed the overload manager.
fn watching(
    manager: ConnectionManager,
    overload: Option<&Rc<OverloadOnWorker>>,
) -> Rc<ConnectionManager> {
    let manager = Rc::new(manager.with_overload(overload.cloned()));
    if let Some(overload) = overload {
        let watcher = Rc::downgrade(&manager);
        overload.watch(watcher);
    }
    manager
}

fn filters(chain: &CompiledChain, root: &Scope) -> Vec<Box<dyn NetworkFilterFactory>> {
    let filters = chain.filters.iter();
    filters.map(|filter| filter.for_worker(root)).collect()
}

/// Says whether connections of other ends than connection managers close as they are seen off.
fn drains(drain: &Rc<Drain>, worker: &Rc<Worker>) -> Drains {
    let (drain, worker) = (Rc::clone(drain), Rc::clone(worker));
    Box::new(move || {
        (worker.fails_health_checks() && !drain.ignores_health()) || drain.closes(&*worker)
    })
}

fn thrift_proxy(
    config: &Arc<ThriftProxyConfig>,
    drain: &Rc<Drain>,
    worker: &Rc<Worker>,
) -> Rc<ThriftProxy> {
    let drains = drains(drain, worker);
    let proxy = ThriftProxy::new(Arc::clone(config), tcp_worker(worker), drains);
    Rc::new(proxy)
}

fn tcp_worker(worker: &Rc<Worker>) -> nuncio_tcp::Worker {
    nuncio_tcp::Worker {
        services: Rc::clone(worker) as Rc<dyn WorkerServices>,
        clusters: Rc::clone(&worker.clusters),
        manager: Arc::clone(&worker.manager),
    }
}
