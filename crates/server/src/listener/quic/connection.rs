//! A connection of QUIC, from its handshake to the log.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::clock::Clock;
use nuncio_contract::connection_ids;
use nuncio_contract::stats::groups::TlsStats;
use nuncio_contract::stream_info::{Address, ConnectionInfo};
use nuncio_http::http3;
use nuncio_net::quic::{Connection, HalfOpen, Lost};
use nuncio_net::tls::{QuicHandshake, TlsCounter, TlsFailure};

use super::super::accept::or_drained;
use super::super::gate::{ChainOnThread, End, Gate};

/// A handshake that failed.
pub(super) struct Failed<'a> {
    /// The client, and where it has sent to.
    pub(super) ends: (SocketAddr, SocketAddr),
    pub(super) chain: Option<usize>,
    pub(super) failure: Option<&'a TlsFailure>,
    pub(super) had_hello: bool,
    /// Whether it took too long.
    pub(super) is_late: bool,
}

/// Serves a connection to its end. A handshake that fails counts as one that is not over until nobody remembers it.
pub(super) async fn live(
    gate: Rc<Gate>,
    connection: Rc<Connection>,
    half_open: HalfOpen,
    limit: Duration,
) {
    let worker = Rc::clone(&gate.worker);
    let info = info(&gate, connection.peer_address(), connection.local_address());
    let shaken = tokio::time::timeout(limit, connection.handshaken(&*worker));
    let shaken = or_drained(&gate, info.id, shaken).await;
    match shaken {
        // Others may have taken the last place since this one was let in.
        Some(Ok(Ok(_))) if is_full(&gate) => {}
        Some(Ok(Ok(handshake))) => {
            drop(half_open);
            let chain = gate.chains.get(handshake.chain).cloned();
            if let Some(chain) = chain {
                serve(&gate, &chain, &connection, (info, handshake)).await;
            }
        }
        Some(Ok(Err(_))) => note_end(&gate, &connection, false),
        Some(Err(_)) => {
            gate.stats
                .downstream_cx_transport_socket_connect_timeout
                .inc();
            note_end(&gate, &connection, true);
        }
        // The listener's connections are closed.
        None => {}
    }
    const NO_ERROR: u64 = 0x100;
    if !connection.is_closed() {
        connection.close(worker.now(), NO_ERROR, "");
    }
    connection.linger(&*worker).await;
}

/// Whether the listener or the process has as many connections as it may.
fn is_full(gate: &Gate) -> bool {
    let (limits, stats) = (&gate.listener.limits, &gate.stats);
    if limits.is_process_full(gate.watched_limit) {
        stats.downstream_global_cx_overflow.inc();
        return true;
    }
    if limits.is_full() {
        stats.downstream_cx_overflow.inc();
        return true;
    }
    false
}

/// Counts and logs a handshake that failed, or took too long.
fn note_end(gate: &Gate, connection: &Connection, is_late: bool) {
    let (chain, failure) = connection.failure().unwrap_or_default();
    let failed = Failed {
        ends: (connection.peer_address(), connection.local_address()),
        chain,
        failure,
        had_hello: connection.failure().is_some(),
        is_late,
    };
    note_failure(gate, &failed);
}

fn info(gate: &Gate, peer: SocketAddr, local: SocketAddr) -> ConnectionInfo {
    let (peer, local) = (Address::Ip(peer), Address::Ip(local));
    ConnectionInfo {
        id: connection_ids::next(),
        begin: Some(gate.worker.now()),
        direct_remote_address: Some(peer.clone()),
        remote_address: Some(peer),
        direct_local_address: Some(local.clone()),
        local_address: Some(local),
        listener: Some(Arc::clone(&gate.listener.description)),
        tally: gate.log.as_ref().map(|_| Rc::default()),
        ..ConnectionInfo::default()
    }
}

/// Has the chain's connection manager serve a connection whose handshake is over.
async fn serve(
    gate: &Rc<Gate>,
    chain: &ChainOnThread,
    connection: &Rc<Connection>,
    (mut info, handshake): (ConnectionInfo, QuicHandshake),
) {
    let End::Http(manager) = &chain.end else {
        return;
    };
    info.handshake_complete = Some(gate.worker.now());
    info.requested_server_name = handshake.info.server_name.clone().unwrap_or_default();
    info.tls = Some(Arc::clone(&handshake.info.told));
    gate.opened();
    let info = Rc::new(info);
    let begun = http3::Begun {
        manager: Rc::clone(manager),
        scope: gate.listener.scope.clone(),
        info: Rc::clone(&info),
        quic: Rc::clone(connection),
    };
    let mut served = std::pin::pin!(http3::serve(begun));
    let lost = poll_fn(|cx| gate.worker.step(|| served.as_mut().poll(cx))).await;
    count_close(gate, &lost);
    if let Some(log) = &gate.log {
        log.connection(info);
    }
    gate.closed_quic();
}

/// Counts the code of a client's close, under a name that appears with the first one.
fn count_close(gate: &Gate, lost: &Lost) {
    if let Lost::Closed { .. } = lost {
        let name =
            "http3.downstream.rx.quic_connection_close_error_code_QUIC_IETF_GQUIC_ERROR_MISSING";
        gate.listener.scope.counter(name).inc();
    }
}

/// Counts and logs a handshake that failed.
pub(super) fn note_failure(gate: &Gate, failed: &Failed<'_>) {
    let chain = failed.chain.and_then(|chain| gate.chains.get(chain));
    if failed.had_hello {
        gate.opened();
        gate.closed_quic();
    }
    let Some(chain) = chain else {
        return;
    };
    // Of what TLS counts Envoy counts refused certificates alone.
    let counter = failed.failure.and_then(|failure| failure.counter);
    let stats: Arc<TlsStats> = gate.listener.scope.worker_group();
    match counter {
        Some(TlsCounter::VerifyError) => stats.fail_verify_error.inc(),
        Some(TlsCounter::VerifySan) => stats.fail_verify_san.inc(),
        Some(TlsCounter::VerifyCertHash) => stats.fail_verify_cert_hash.inc(),
        _ => {}
    }
    if let End::Http(manager) = &chain.end {
        http3::ended_in_handshake(manager, gate.worker.now(), failed.is_late);
    }
    if let Some(log) = &gate.log {
        let (peer, local) = failed.ends;
        let reason = failed.failure.and_then(|failure| failure.reason.clone());
        log.connection(Rc::new(ConnectionInfo {
            transport_failure_reason: reason.unwrap_or_default(),
            ..info(gate, peer, local)
        }));
    }
}
