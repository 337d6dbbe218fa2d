//! Accepting connections on a worker.

use std::cell::RefCell;
use std::future::pending;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nuncio_contract::clock::Clock;
use nuncio_contract::stats::groups::{ListenerStats, ListenerWorkerStats};
use nuncio_contract::stream_info::{Address, ConnectionInfo};
use nuncio_http::connection_manager::ConnectionManager;
use nuncio_http::drain::DrainPolicy;
use nuncio_http::http1;
use nuncio_http::route::RouteTable;
use nuncio_http::service::Service;
use nuncio_http::worker::Worker;
use nuncio_net::pipe;
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::transport_socket::{Opened, Opening, SocketOnThread};
use super::{CompiledListener, OnThread, SocketEnd};

/// How long accepting rests when the process has no file descriptor left.
const EXHAUSTED_REST: Duration = Duration::from_millis(100);

/// What accepted connections go through: one version of a listener on one thread.
pub(super) struct Gate {
    listener: Arc<CompiledListener>,
    socket: SocketOnThread,
    manager: Rc<ConnectionManager>,
    worker: Rc<Worker>,
    stats: Arc<ListenerStats>,
    worker_stats: Arc<ListenerWorkerStats>,
    id_step: u64,
}

impl Gate {
    pub(super) fn new(
        listener: Arc<CompiledListener>,
        routes: Arc<RouteTable>,
        thread: &OnThread,
        service: Option<Rc<dyn Service>>,
        drain: DrainPolicy,
    ) -> Self {
        let manager = ConnectionManager::new(
            Arc::clone(&listener.chain.manager),
            routes,
            Rc::clone(&thread.worker),
            &listener.chain.scopes,
            service,
            drain,
        );
        let worker_scope = listener.scope.scope(&thread.name);
        Gate {
            stats: listener.scope.worker_group(),
            worker_stats: worker_scope.map_or_else(Arc::default, |scope| scope.worker_group()),
            manager: Rc::new(manager),
            socket: listener.chain.transport_socket.on_thread(&listener.scope),
            listener,
            worker: Rc::clone(&thread.worker),
            id_step: thread.id_step,
        }
    }

    pub(super) fn set_routes(&self, routes: Arc<RouteTable>) {
        self.manager.set_routes(routes);
    }

    /// Begins to see the connections off; returns when that will be over.
    pub(super) fn begin_drain(&self, now: Instant) -> Instant {
        self.manager.drain.begin(now)
    }

    /// Closes the connections that are left.
    pub(super) fn end_drain(&self) {
        self.manager.drain.end();
    }

    /// Counts the end of a connection.
    fn closed(&self, begin: Instant) {
        self.stats.downstream_cx_active.dec();
        self.stats.downstream_cx_destroy.inc();
        self.worker_stats.downstream_cx_active.dec();
        let lived = self.worker.now().saturating_duration_since(begin);
        self.stats
            .downstream_cx_length_ms
            .record(u64::try_from(lived.as_millis()).unwrap_or(u64::MAX));
    }
}

/// Accepts for ever, for a listener that the process answers itself.
pub(crate) async fn serve(
    listener: Arc<CompiledListener>,
    socket: StdListener,
    thread: OnThread,
    service: Rc<dyn Service>,
) -> std::io::Result<()> {
    let routes = Arc::new(RouteTable::empty());
    let drain = DrainPolicy::default();
    let gate = Gate::new(listener, routes, &thread, Some(service), drain);
    accept(Rc::new(RefCell::new(Rc::new(gate))), socket, pending()).await
}

/// The same on a unix domain socket at `path`.
pub(crate) async fn serve_pipe(
    listener: Arc<CompiledListener>,
    socket: StdUnixListener,
    path: Arc<str>,
    thread: OnThread,
    service: Rc<dyn Service>,
) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = UnixListener::from_std(socket)?;
    let routes = Arc::new(RouteTable::empty());
    let drain = DrainPolicy::default();
    let gate = Gate::new(listener, routes, &thread, Some(service), drain);
    let gate = Rc::new(gate);
    let local = Address::Pipe(path);
    loop {
        match socket.accept().await {
            Ok((stream, _)) => {
                let stream = pipe::stream(stream)?;
                // Who connects has no name.
                let ends = (Address::Pipe("".into()), Some(local.clone()));
                connection(Rc::clone(&gate), stream, ends);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(EXHAUSTED_REST).await,
        }
    }
}

/// Accepts until `end` says what becomes of the socket. Each connection goes through the gate of its moment.
pub(super) async fn accept(
    gate: Rc<RefCell<Rc<Gate>>>,
    socket: StdListener,
    end: impl Future<Output = SocketEnd>,
) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket)?;
    let mut end = std::pin::pin!(end);
    let admit = |stream: TcpStream, peer: SocketAddr| {
        let gate = Rc::clone(&gate.borrow());
        let _nagle_stays_on_if_this_fails = stream.set_nodelay(true);
        let local = stream.local_addr().ok().map(Address::from);
        connection(gate, stream, (peer.into(), local));
    };
    let end = loop {
        let accepted = tokio::select! {
            biased;
            end = &mut end => break end,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(EXHAUSTED_REST).await,
        }
    };
    if end == SocketEnd::Closed {
        let socket = socket.into_std()?;
        while let Ok((stream, peer)) = socket.accept() {
            stream.set_nonblocking(true)?;
            admit(TcpStream::from_std(stream)?, peer);
        }
    }
    Ok(())
}

/// Errors that concern the connection that was to be accepted, not the socket.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Begins a connection.
fn connection(gate: Rc<Gate>, stream: TcpStream, (peer, local): (Address, Option<Address>)) {
    let begin = gate.worker.now();
    let chain = &gate.listener.chain;
    let info = ConnectionInfo {
        id: gate.worker.next_connection_id(gate.id_step),
        begin: Some(begin),
        direct_remote_address: Some(peer.clone()),
        remote_address: Some(peer),
        direct_local_address: local.clone(),
        local_address: local,
        listener: Some(Arc::clone(&gate.listener.description)),
        filter_chain: Some(Arc::clone(&chain.description)),
        ..ConnectionInfo::default()
    };
    gate.stats.downstream_cx_total.inc();
    gate.stats.downstream_cx_active.inc();
    gate.worker_stats.downstream_cx_total.inc();
    gate.worker_stats.downstream_cx_active.inc();
    match gate.socket.open(stream, info) {
        Opening::Done(opened) => drop(tokio::task::spawn_local(served(gate, opened, begin))),
        Opening::Handshake(handshake) => {
            let limit = chain.connect_timeout;
            drop(tokio::task::spawn_local(async move {
                match within(limit, handshake).await {
                    Some(Some(opened)) => served(gate, opened, begin).await,
                    ended => {
                        let is_late = ended.is_none();
                        if is_late {
                            let stats = &gate.stats;
                            stats.downstream_cx_transport_socket_connect_timeout.inc();
                        }
                        gate.manager.ended_in_handshake(begin, is_late);
                        gate.closed(begin);
                    }
                }
            }));
        }
    }
}

/// What comes of `future`; none once the limit has passed.
async fn within<T>(limit: Option<Duration>, future: impl Future<Output = T>) -> Option<T> {
    match limit {
        None => Some(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
    }
}

/// Has the chain's filters serve a connection to its end. What they hold is made before the future begins, which
/// so need not keep what it is made of.
fn served(gate: Rc<Gate>, (transport, info): Opened, begin: Instant) -> impl Future<Output = ()> {
    let manager = Rc::clone(&gate.manager);
    let info = Arc::new(info);
    async move {
        let mut served = std::pin::pin!(http1::serve(manager, transport, info));
        std::future::poll_fn(|cx| gate.worker.step(|| served.as_mut().poll(cx))).await;
        gate.closed(begin);
    }
}
