//! Listeners of QUIC: sockets of datagrams whose connections go through filter chains, and end in a connection manager
//! that speaks HTTP/3.
//!
//! As in Envoy, a connection's filter chain is chosen by the hello's server name and by addresses, with `quic` as
//! transport protocol; the listener counts it from then on. A listener that changes keeps its sockets and its open
//! connections, which drain; one that goes takes no more and reads its socket until the last is over. One that hands its
//! socket over reads it no more: what comes there for its connections is handed back to it within the process.
//!
//! Different from Envoy: a client for which there is no chain is told so in the handshake, and one that is turned away by
//! `reject_new_connections` or a limit gets CONNECTION_REFUSED.
//!
//! Not supported: network filters before the connection manager, listener filters, `filter_chain_matcher`.

mod compile;
mod connection;

use std::cell::RefCell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;

use nuncio_net::quic::{Admission, Connection, Endpoint, HandshakeFailure, Select, Verdict};
use nuncio_net::tls::Selected;
use nuncio_udp::listener::UdpListenerStats;

pub(super) use self::compile::{CompiledQuic, check, check_codec, is_quic};
use super::accept::is_turned_away;
use super::gate::Gate;
use super::selection::Criteria;
use super::{CompiledListener, SocketEnd};

/// Serves a socket's connections until `end` says what becomes of it, and those that are left to their ends.
pub(super) async fn serve(
    gate: Rc<RefCell<Rc<Gate>>>,
    socket: UdpSocket,
    end: impl Future<Output = SocketEnd>,
) {
    let listener = Arc::clone(&gate.borrow().listener);
    let Some(quic) = &listener.quic else {
        return;
    };
    let worker = Rc::clone(&gate.borrow().worker);
    let endpoint = match Endpoint::new(socket, quic.settings.clone()) {
        Ok(endpoint) => endpoint,
        Err(error) => return complain(&listener, &error),
    };
    let stats: Arc<UdpListenerStats> = listener.scope.worker_group();
    let hall = Hall {
        gate,
        endpoint: Rc::clone(&endpoint),
        settings_of: RefCell::new(Arc::clone(&listener)),
        stats,
    };
    let mut handed = std::pin::pin!(endpoint.take_handed(&*worker, &hall));
    let mut read = std::pin::pin!(endpoint.read(&*worker, &hall));
    let end = tokio::select! {
        biased;
        end = end => end,
        failed = &mut read => {
            if let Err(error) = failed {
                complain(&listener, &error);
            }
            return;
        }
        () = &mut handed => return,
    };
    endpoint.close();
    match end {
        SocketEnd::Closed => tokio::select! {
            biased;
            () = endpoint.emptied() => {}
            _ = &mut read => {}
            () = &mut handed => {}
        },
        SocketEnd::HandedOver => tokio::select! {
            biased;
            () = endpoint.emptied() => {}
            () = &mut handed => {}
        },
    }
}

fn complain(listener: &CompiledListener, error: &std::io::Error) {
    let text = format!(
        "listener '{}' cannot read its socket: {error}",
        listener.name
    );
    crate::log::critical("config", &text);
}

/// Where new clients come in.
struct Hall {
    /// What connections to come go through.
    gate: Rc<RefCell<Rc<Gate>>>,
    endpoint: Rc<Endpoint>,
    /// Whose settings the endpoint has.
    settings_of: RefCell<Arc<CompiledListener>>,
    stats: Arc<UdpListenerStats>,
}

impl Admission for Hall {
    fn admit(&self, _peer: SocketAddr, _local: SocketAddr) -> Verdict {
        let gate = Rc::clone(&self.gate.borrow());
        let listener = &gate.listener;
        let Some(quic) = &listener.quic else {
            return Verdict::Ignore;
        };
        if !Arc::ptr_eq(listener, &self.settings_of.borrow()) {
            self.endpoint.set(quic.settings.clone());
            self.settings_of.replace(Arc::clone(listener));
        }
        if !quic.is_enabled() {
            return Verdict::Ignore;
        }
        if quic.rejects_new_connections || is_turned_away(&gate, true) {
            return Verdict::Refuse;
        }
        Verdict::Accept(Arc::new(Chains(Arc::clone(listener))))
    }

    fn serve(&self, connection: Rc<Connection>) {
        let gate = Rc::clone(&self.gate.borrow());
        let half_open = self.endpoint.note_handshake();
        let limit = self.endpoint.handshake_timeout();
        tokio::task::spawn_local(connection::live(gate, connection, half_open, limit));
    }

    fn failed(&self, failure: HandshakeFailure) {
        let gate = self.gate.borrow();
        let failed = connection::Failed {
            ends: (failure.peer, failure.local),
            chain: failure.chain,
            failure: failure.failure.as_ref(),
            had_hello: failure.had_hello,
            is_late: false,
        };
        connection::note_failure(&gate, &failed);
    }

    fn dropped(&self, count: u64) {
        self.stats.downstream_rx_datagram_dropped.add(count);
    }
}

/// The filter chains of a listener.
struct Chains(Arc<CompiledListener>);

impl Select for Chains {
    fn select(
        &self,
        server_name: &str,
        (peer, local): (SocketAddr, SocketAddr),
    ) -> Option<Selected> {
        let chain = self.0.selection.find(&Criteria {
            local: Some(local),
            remote: Some(peer),
            direct_remote: Some(peer),
            server_name,
            transport_protocol: "quic",
            application_protocols: &[b"h3".to_vec()],
        })?;
        let socket = self.0.chains.get(chain)?.transport_socket.quic()?;
        Some(Selected {
            chain,
            tls: Arc::clone(socket.tls()),
            resumes: socket.resumes(),
        })
    }
}
