//! A socket on one worker, and the connections that it carries: those of a listener's clients, or the one to a host.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket as StdSocket};
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Instant;

use bytes::BytesMut;
use nuncio_contract::clock::Clock;
use quinn_proto::crypto::HmacKey;
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    ClientConfig, ConnectionEvent, ConnectionHandle, DatagramEvent, EcnCodepoint, EndpointConfig,
    EndpointEvent, Incoming, ServerConfig,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::connection::Connection;
use super::ids::{Ids, endpoint_of_datagram};
use super::routing::{Datagram, Seat, hand_over};
use super::session::{OneSession, Select};
use super::settings::Settings;
use crate::datagrams::{ReceiveBuffer, Received, prepare_for_quic};

/// Connections whose client has not shown yet that it is where it says; beyond that, new clients have to (Retry).
pub const MAX_UNPROVEN: usize = 256;
/// Connections whose handshake is not over; beyond that new ones are not answered.
pub const MAX_HALF_OPEN: usize = 4096;
/// How often a socket is read before others have their turn.
const READS_A_TURN: usize = 64;
/// Longer datagrams are nothing of QUIC's that we have asked for.
const MAX_DATAGRAM_BYTES: usize = 1500;

/// A socket that leads to a host is given up after so many errors without a datagram between them.
const MAX_ERRORS_IN_A_ROW: u32 = 256;

thread_local! {
    /// Where all sockets of a worker are read, one after another.
    static SPARE: Cell<Option<ReceiveBuffer>> = const { Cell::new(None) };
}

/// The worker's buffer, given back when this is dropped.
struct SharedBuffer(Option<ReceiveBuffer>);

impl SharedBuffer {
    fn take() -> Self {
        Self(SPARE.take())
    }

    fn receive(&mut self, socket: &UdpSocket) -> io::Result<Received<'_>> {
        let new = || ReceiveBuffer::new(MAX_DATAGRAM_BYTES, true);
        self.0.get_or_insert_with(new).receive(socket)
    }
}

impl Drop for SharedBuffer {
    fn drop(&mut self) {
        SPARE.set(self.0.take());
    }
}

/// What becomes of a new client.
pub enum Verdict {
    /// It has a connection if its handshake succeeds.
    Accept(Arc<dyn Select>),
    /// It is told that there is none for it.
    Refuse,
    /// It is told nothing.
    Ignore,
}

/// Who decides about new clients, and serves them.
pub trait Admission {
    /// What becomes of a client at `peer`, which has sent to `local`.
    fn admit(&self, peer: SocketAddr, local: SocketAddr) -> Verdict;
    /// Serves a connection from its handshake on.
    fn serve(&self, connection: Rc<Connection>);
    /// The hello of a client led to nothing; the chain that it chose and why.
    fn failed(&self, connection: HandshakeFailure);
    /// Datagrams were lost: the kernel had no room for them, or they were too long.
    fn dropped(&self, count: u64);
}

/// A handshake that failed at once.
pub struct HandshakeFailure {
    /// The client.
    pub peer: SocketAddr,
    /// Where it has sent to.
    pub local: SocketAddr,
    /// The chain that its hello chose; none if there is none for it, or there was no hello.
    pub chain: Option<usize>,
    /// Why the chain's TLS did not do.
    pub failure: Option<crate::tls::TlsFailure>,
    /// Whether a hello was complete.
    pub had_hello: bool,
}

/// What serves new clients.
struct Serving {
    template: RefCell<ServerConfig>,
    first: Arc<QuicServerConfig>,
    seat: RefCell<Seat>,
}

/// A socket with its connections.
pub struct Endpoint {
    state: RefCell<quinn_proto::Endpoint>,
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    settings: RefCell<Settings>,
    /// None towards a host.
    serving: Option<Serving>,
    pub(super) connections: RefCell<HashMap<ConnectionHandle, Weak<Connection>>>,
    half_open: Cell<usize>,
    pub(super) out: RefCell<Vec<u8>>,
    /// Whether new clients are still taken.
    is_open: Cell<bool>,
    /// Who waits for the end of the last connection.
    last: RefCell<Option<Waker>>,
    /// Connections that wait until the socket takes more.
    pub(super) blocked: RefCell<HashSet<ConnectionHandle>>,
}

impl Endpoint {
    /// Over a bound socket, within a runtime.
    ///
    /// # Errors
    /// The system does not let the socket be used, or there are no keys to be made.
    pub fn new(socket: StdSocket, settings: Settings) -> io::Result<Rc<Self>> {
        socket.set_nonblocking(true)?;
        prepare_for_quic(&socket)?;
        let seat = Seat::take();
        let number = seat.number;
        let mut config = EndpointConfig::new(Arc::new(reset_key()?));
        config.cid_generator(move || Box::new(Ids { endpoint: number }));
        config.supported_versions(vec![1]);
        let first = shared_first_keys()?;
        let mut template = ServerConfig::with_crypto(Arc::clone(&first) as Arc<_>);
        apply(&mut template, &settings);
        let state = quinn_proto::Endpoint::new(
            Arc::new(config),
            Some(Arc::new(template.clone())),
            false,
            None,
        );
        let serving = Serving {
            template: RefCell::new(template),
            first,
            seat: RefCell::new(seat),
        };
        Self::over(socket, settings, state, Some(serving)).map(Rc::new)
    }

    /// Over a socket that is connected to a host, within a runtime; and what knows how first packets are sealed.
    pub(super) fn towards_host(
        socket: StdSocket,
        settings: Settings,
    ) -> io::Result<(Rc<Self>, Arc<QuicServerConfig>)> {
        let mut config = EndpointConfig::new(Arc::new(reset_key()?));
        config.supported_versions(vec![1]);
        let state = quinn_proto::Endpoint::new(Arc::new(config), None, false, None);
        socket.set_nonblocking(true)?;
        prepare_for_quic(&socket)?;
        let endpoint = Self::over(socket, settings, state, None)?;
        Ok((Rc::new(endpoint), shared_first_keys()?))
    }

    fn over(
        socket: StdSocket,
        settings: Settings,
        state: quinn_proto::Endpoint,
        serving: Option<Serving>,
    ) -> io::Result<Self> {
        Ok(Endpoint {
            state: RefCell::new(state),
            address: socket.local_addr()?,
            socket: UdpSocket::from_std(socket)?,
            settings: RefCell::new(settings),
            serving,
            connections: RefCell::default(),
            half_open: Cell::new(0),
            out: RefCell::default(),
            is_open: Cell::new(true),
            last: RefCell::default(),
            blocked: RefCell::default(),
        })
    }

    /// Begins a connection to a host.
    pub(super) fn begin(
        &self,
        now: Instant,
        config: ClientConfig,
        peer: SocketAddr,
    ) -> io::Result<(ConnectionHandle, quinn_proto::Connection)> {
        // The session knows the name.
        let begun = self.state.borrow_mut().connect(now, config, peer, "");
        begun.map_err(io::Error::other)
    }

    /// Adds a connection that was begun.
    pub(super) fn add(&self, handle: ConnectionHandle, connection: &Rc<Connection>) {
        self.connections
            .borrow_mut()
            .insert(handle, Rc::downgrade(connection));
    }

    /// Connections to come have other settings.
    pub fn set(&self, settings: Settings) {
        if let Some(serving) = &self.serving {
            let mut template = serving.template.borrow_mut();
            apply(&mut template, &settings);
            let shared = Some(Arc::new(template.clone()));
            self.state.borrow_mut().set_server_config(shared);
        }
        *self.settings.borrow_mut() = settings;
    }

    /// Takes no more clients; those that are there stay.
    pub fn close(&self) {
        self.is_open.set(false);
    }

    /// How many handshakes are not over.
    pub fn half_open(&self) -> usize {
        self.half_open.get()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.borrow().len()
    }

    /// Reads the socket for ever.
    ///
    /// # Errors
    /// The system does not let the socket be read.
    pub async fn read(
        self: &Rc<Self>,
        clock: &dyn Clock,
        admission: &dyn Admission,
    ) -> io::Result<()> {
        let mut errors_in_a_row = 0;
        let mut lost_before: Option<u32> = None;
        let reads = Interest::READABLE.add(Interest::ERROR);
        loop {
            self.socket.ready(reads).await?;
            let mut buffer = SharedBuffer::take();
            for _ in 0..READS_A_TURN {
                match buffer.receive(&self.socket) {
                    Ok(received) => {
                        errors_in_a_row = 0;
                        self.take_all(&received, clock, admission);
                        let mut dropped = u64::from(received.is_cut_short);
                        if let Some(lost) = received.lost {
                            let before = lost_before.replace(lost).unwrap_or(0);
                            dropped += u64::from(lost.wrapping_sub(before));
                        }
                        if dropped > 0 {
                            admission.dropped(dropped);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        for interest in [Interest::READABLE, Interest::ERROR] {
                            let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
                            let _waits_for_more = self.socket.try_io(interest, nothing);
                        }
                        break;
                    }
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => self.refused(),
                    // What the network says of one client's address, or for ever of the socket.
                    Err(error) => {
                        errors_in_a_row += 1;
                        if errors_in_a_row > MAX_ERRORS_IN_A_ROW && self.serving.is_none() {
                            return Err(error);
                        }
                    }
                }
            }
            drop(buffer);
            tokio::task::yield_now().await;
        }
    }

    /// Takes what comes to other sockets, for ever.
    pub async fn take_handed(self: &Rc<Self>, clock: &dyn Clock, admission: &dyn Admission) {
        let serving = self.serving.as_ref();
        let handed = serving.and_then(|serving| serving.seat.borrow_mut().received.take());
        if let Some(mut handed) = handed {
            while let Some(datagram) = handed.recv().await {
                self.take(datagram, clock, admission);
            }
        }
        std::future::pending::<()>().await;
    }

    /// Waits until there are no connections.
    pub async fn emptied(&self) {
        poll_fn(|cx| {
            if self.connections.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.last.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Nobody listens where a socket is connected to.
    #[cold]
    pub(super) fn refused(&self) {
        if self.serving.is_some() {
            return;
        }
        let all = self.connections.borrow();
        let connections: Vec<_> = all.values().filter_map(Weak::upgrade).collect();
        drop(all);
        connections
            .iter()
            .for_each(|connection| connection.refuse());
    }

    fn take_all(
        self: &Rc<Self>,
        received: &Received<'_>,
        clock: &dyn Clock,
        admission: &dyn Admission,
    ) {
        let Some(peer) = received.peer else {
            return;
        };
        let (bytes, segment_bytes) = received.joined();
        if segment_bytes == 0 {
            return;
        }
        let ecn = received.marks.and_then(EcnCodepoint::from_bits);
        for datagram in bytes.chunks(segment_bytes) {
            let datagram = Datagram {
                bytes: BytesMut::from(datagram),
                peer,
                local: received.local,
                ecn,
            };
            let own = self.serving.as_ref().map(|it| it.seat.borrow().number);
            let owner = own.and_then(|_| endpoint_of_datagram(&datagram.bytes));
            let left = match owner {
                Some(owner) if Some(owner) != own => hand_over(owner, datagram),
                _ => Some(datagram),
            };
            if let Some(datagram) = left {
                self.take(datagram, clock, admission);
            }
        }
    }

    fn take(self: &Rc<Self>, datagram: Datagram, clock: &dyn Clock, admission: &dyn Admission) {
        let now = clock.now();
        let mut out = self.out.take();
        out.clear();
        let event = self.state.borrow_mut().handle(
            now,
            datagram.peer,
            datagram.local,
            datagram.ecn,
            datagram.bytes,
            &mut out,
        );
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let connection = self
                    .connections
                    .borrow()
                    .get(&handle)
                    .and_then(Weak::upgrade);
                if let Some(connection) = connection {
                    connection.receive(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                self.meet(incoming, now, admission, &mut out);
            }
            Some(DatagramEvent::Response(transmit)) => self.answer(&transmit, &out),
            None => {}
        }
        self.out.replace(out);
    }

    /// A client that is not known.
    fn meet(
        self: &Rc<Self>,
        incoming: Incoming,
        now: Instant,
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) {
        let ends = (incoming.remote_address(), self.address(incoming.local_ip()));
        let half_open = self.half_open.get();
        let must_prove = !incoming.remote_address_validated() && half_open >= MAX_UNPROVEN;
        if !self.is_open.get() || half_open >= MAX_HALF_OPEN {
            return self.state.borrow_mut().ignore(incoming);
        }
        if must_prove && incoming.may_retry() {
            let answer = self.state.borrow_mut().retry(incoming, out);
            match answer {
                Ok(transmit) => self.answer(&transmit, out),
                Err(error) => self.state.borrow_mut().ignore(error.into_incoming()),
            }
            return;
        }
        let select = match admission.admit(ends.0, ends.1) {
            Verdict::Accept(select) => select,
            Verdict::Refuse => {
                let transmit = self.state.borrow_mut().refuse(incoming, out);
                return self.answer(&transmit, out);
            }
            Verdict::Ignore => return self.state.borrow_mut().ignore(incoming),
        };
        let Some(serving) = &self.serving else {
            return self.state.borrow_mut().ignore(incoming);
        };
        let found = Arc::new(OnceLock::new());
        let mut config = serving.template.borrow().clone();
        config.crypto = Arc::new(OneSession {
            select,
            ends,
            found: Arc::clone(&found),
            first: Arc::clone(&serving.first),
        });
        let accepted = self
            .state
            .borrow_mut()
            .accept(incoming, now, out, Some(Arc::new(config)));
        match accepted {
            Ok((handle, state)) => {
                let connection = Connection::new(Rc::clone(self), handle, state, found);
                let connection = Rc::new(connection);
                self.add(handle, &connection);
                admission.serve(connection);
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.answer(&transmit, out);
                }
                let found = found.get();
                admission.failed(HandshakeFailure {
                    peer: ends.0,
                    local: ends.1,
                    chain: found.and_then(|found| found.chain),
                    failure: found.and_then(|found| found.failure.clone()),
                    had_hello: found.is_some(),
                });
            }
        }
    }

    /// Notes a handshake that has begun, until what is given back is dropped.
    pub fn note_handshake(self: &Rc<Self>) -> HalfOpen {
        self.half_open.set(self.half_open.get() + 1);
        HalfOpen(Rc::clone(self))
    }

    /// Where it is bound, with the address that a datagram was sent to.
    pub(super) fn address(&self, local: Option<IpAddr>) -> SocketAddr {
        SocketAddr::new(local.unwrap_or(self.address.ip()), self.address.port())
    }

    pub(super) fn tell(
        &self,
        handle: ConnectionHandle,
        event: EndpointEvent,
    ) -> Option<ConnectionEvent> {
        self.state.borrow_mut().handle_event(handle, event)
    }

    pub(super) fn forget(&self, handle: ConnectionHandle) {
        let mut connections = self.connections.borrow_mut();
        // Numbers are used again.
        if connections
            .get(&handle)
            .is_some_and(|known| known.strong_count() == 0)
        {
            connections.remove(&handle);
        }
        if connections.is_empty()
            && let Some(last) = self.last.take()
        {
            last.wake();
        }
    }

    pub(super) fn joins_writes(&self) -> bool {
        self.settings.borrow().joins_writes
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> std::time::Duration {
        self.settings.borrow().handshake_timeout
    }
}

/// A handshake that is not over.
pub struct HalfOpen(Rc<Endpoint>);

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.0
            .half_open
            .set(self.0.half_open.get().saturating_sub(1));
    }
}

fn apply(template: &mut ServerConfig, settings: &Settings) {
    template
        .transport_config(settings.transport())
        .migration(settings.lets_clients_move);
}

/// The same for all endpoints.
fn shared_first_keys() -> io::Result<Arc<QuicServerConfig>> {
    static FIRST: OnceLock<Option<Arc<QuicServerConfig>>> = OnceLock::new();
    let first = FIRST.get_or_init(|| first_keys().map(Arc::new));
    let first = first.as_ref().map(Arc::clone);
    first.ok_or_else(|| io::Error::other("no suite for first packets"))
}

/// Keys of first packets depend on the version of QUIC alone; the rest of this configuration serves nobody.
fn first_keys() -> Option<QuicServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let nobody = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .ok()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new()));
    QuicServerConfig::try_from(nobody).ok()
}

/// Of the tokens by which a client learns that its connection is not known any more.
fn reset_key() -> io::Result<impl HmacKey> {
    let mut seed = [0; 64];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
    Ok(aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        &seed,
    ))
}
