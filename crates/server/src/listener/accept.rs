//! Accepting connections on a worker.

use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::stats::groups::{ListenerStats, ListenerWorkerStats};
use nuncio_contract::stream_info::{Address, ConnectionInfo};
use nuncio_http::connection_manager::ConnectionManager;
use nuncio_http::http1;
use nuncio_http::service::Service;
use nuncio_http::worker::Worker;
use nuncio_net::transport::Transport;
use tokio::net::{TcpListener, TcpStream};

use super::CompiledListener;

/// How long accepting rests when the process has no file descriptor left.
const EXHAUSTED_REST: Duration = Duration::from_millis(100);

struct Gate {
    listener: Arc<CompiledListener>,
    manager: Rc<ConnectionManager>,
    worker: Rc<Worker>,
    stats: Arc<ListenerStats>,
    worker_stats: Arc<ListenerWorkerStats>,
    /// The distance between connection ids of one worker, so that no two workers give the same.
    id_step: u64,
}

/// Accepts for ever. `worker_name` is `worker_<n>` or `main_thread`.
pub(crate) async fn serve(
    listener: Arc<CompiledListener>,
    socket: StdListener,
    worker: Rc<Worker>,
    worker_name: String,
    id_step: u64,
    service: Option<Rc<dyn Service>>,
) -> std::io::Result<()> {
    socket.set_nonblocking(true)?;
    let socket = TcpListener::from_std(socket)?;
    let manager = ConnectionManager::new(
        Arc::clone(&listener.manager),
        Rc::clone(&worker),
        &listener.scopes,
        service,
    );
    let worker_scope = listener.scope.scope(&worker_name);
    let gate = Rc::new(Gate {
        stats: listener.scope.worker_group(),
        worker_stats: worker_scope.map_or_else(Arc::default, |scope| scope.worker_group()),
        manager: Rc::new(manager),
        listener,
        worker,
        id_step,
    });
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                tokio::task::spawn_local(connection(Rc::clone(&gate), stream, peer));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(EXHAUSTED_REST).await,
        }
    }
}

/// Errors that concern the connection that was to be accepted, not the socket.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

async fn connection(gate: Rc<Gate>, stream: TcpStream, peer: std::net::SocketAddr) {
    let begin = gate.worker.now();
    let _nagle_stays_on_if_this_fails = stream.set_nodelay(true);
    let local = stream.local_addr().ok().map(Address::from);
    let info = ConnectionInfo {
        id: gate.worker.next_connection_id(gate.id_step),
        begin: Some(begin),
        direct_remote_address: Some(peer.into()),
        remote_address: Some(peer.into()),
        direct_local_address: local.clone(),
        local_address: local,
        listener: Some(Arc::clone(&gate.listener.description)),
        filter_chain: Some(Arc::clone(&gate.listener.chain)),
        ..ConnectionInfo::default()
    };
    gate.stats.downstream_cx_total.inc();
    gate.stats.downstream_cx_active.inc();
    gate.worker_stats.downstream_cx_total.inc();
    gate.worker_stats.downstream_cx_active.inc();
    http1::serve(
        Rc::clone(&gate.manager),
        Transport::Plain(stream),
        Arc::new(info),
    )
    .await;
    gate.stats.downstream_cx_active.dec();
    gate.stats.downstream_cx_destroy.inc();
    gate.worker_stats.downstream_cx_active.dec();
    let lived = gate.worker.now().saturating_duration_since(begin);
    gate.stats
        .downstream_cx_length_ms
        .record(u64::try_from(lived.as_millis()).unwrap_or(u64::MAX));
}
