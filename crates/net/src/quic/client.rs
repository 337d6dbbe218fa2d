//! Connections to hosts: each has a socket of its own, connected to the host, which a task of its own reads.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use nuncio_contract::clock::Clock;
use quinn_proto::ClientConfig;
use tokio::task::AbortHandle;

use super::client_session::OneClient;
use super::connection::Connection;
use super::endpoint::{Admission, Endpoint, HandshakeFailure, Verdict};
use super::settings::Settings;
use crate::tasks::spawn_seldom;
use crate::tls::QuicGreeting;

/// A connection to be opened.
pub struct Dial {
    /// Connected to the host.
    pub socket: UdpSocket,
    /// The host.
    pub peer: SocketAddr,
    /// What the connection is like.
    pub settings: Settings,
    /// What the handshake is done with.
    pub greeting: QuicGreeting,
}

/// Begins a connection, within a runtime; it goes on as it is driven.
///
/// # Errors
/// The system does not let the socket be used, or the address is none to connect to.
pub fn connect(dial: Dial, clock: &Rc<dyn Clock>) -> io::Result<Rc<Connection>> {
    let transport = dial.settings.transport();
    let (endpoint, first) = Endpoint::towards_host(dial.socket, dial.settings)?;
    let found = Arc::new(OnceLock::new());
    let mut config = ClientConfig::new(Arc::new(OneClient {
        greeting: dial.greeting,
        found: Arc::clone(&found),
        first,
    }));
    config.transport_config(transport);
    let (handle, state) = endpoint.begin(clock.now(), config, dial.peer)?;
    let reader = Reader::begin(&endpoint, clock);
    let connection =
        Rc::new(Connection::new(Rc::clone(&endpoint), handle, state, found).read_by(reader));
    endpoint.add(handle, &connection);
    Ok(connection)
}

/// The task that reads a socket; it ends with this.
pub(super) struct Reader(AbortHandle);

impl Reader {
    fn begin(endpoint: &Rc<Endpoint>, clock: &Rc<dyn Clock>) -> Self {
        let (endpoint, clock) = (Rc::clone(endpoint), Rc::clone(clock));
        let task = spawn_seldom(async move {
            let _the_connection_times_out = endpoint.read(&*clock, &Nobody).await;
        });
        Reader(task.abort_handle())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// No client is served at a socket that leads to a host.
struct Nobody;

impl Admission for Nobody {
    fn admit(&self, _peer: SocketAddr, _local: SocketAddr) -> Verdict {
        Verdict::Ignore
    }

    fn serve(&self, _connection: Rc<Connection>) {}

    fn failed(&self, _connection: HandshakeFailure) {}

    fn dropped(&self, _count: u64) {}
}
