//! A client of QUIC on a blocking socket: streams out, streams in, and how the connection ended.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::crypto::rustls::{HandshakeData, QuicClientConfig};
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, ReadError, StreamEvent, StreamId, TransportConfig, VarInt,
};
use rustls::pki_types::CertificateDer;

use crate::message::Stop;
use crate::tls_client::{self, Answer, Offer};

const MAX_DATAGRAM_BYTES: usize = 65_536;
/// Timers are looked at no more seldom than this.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

/// What has come on a stream.
#[derive(Clone, Debug, Default)]
pub struct Incoming {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether they end here.
    pub ended: bool,
    /// The code with which the peer reset it.
    pub reset: Option<u64>,
    /// The code with which the peer asked us to send nothing more.
    pub stopped: Option<u64>,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer's application closed it with this code and phrase.
    Application(u64, String),
    /// The peer's QUIC closed it with this code and phrase.
    Transport(u64, String),
    /// Something else, in words.
    Other(String),
}

/// A connection.
pub struct QuicClient {
    socket: UdpSocket,
    endpoint: Endpoint,
    handle: ConnectionHandle,
    connection: Connection,
    patience: Duration,
    /// What has come on each stream.
    pub streams: BTreeMap<u64, Incoming>,
    /// How the connection ended, if the peer ended it.
    pub end: Option<End>,
    connected: bool,
    /// What waits for room on streams: the stream, the bytes, whether they end it.
    unsent: Unsent,
}

impl QuicClient {
    /// Connects. `patience` is how long it waits for anything.
    ///
    /// # Errors
    /// If there is no socket, or the offer makes no sense. A handshake that fails is an `end`.
    pub fn connect(
        from: Ipv4Addr,
        to: SocketAddr,
        offer: &Offer,
        patience: Duration,
    ) -> io::Result<Self> {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(to)?;
        let tls = tls_client::config(offer)?;
        let crypto = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = ClientConfig::new(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        transport.mtu_discovery_config(None);
        config.transport_config(Arc::new(transport));
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
        let name = offer.server_name.as_deref().unwrap_or("127.0.0.1");
        let (handle, connection) = endpoint
            .connect(Instant::now(), config, to, name)
            .map_err(io::Error::other)?;
        let mut client = Self {
            socket,
            endpoint,
            handle,
            connection,
            patience,
            streams: BTreeMap::new(),
            end: None,
            connected: false,
            unsent: VecDeque::new(),
        };
        let _ = client.until(|client| client.connected);
        Ok(client)
    }

    /// The port that it has.
    ///
    /// # Errors
    /// If the socket has none.
    pub fn local_port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// What the peer chose and showed, once the handshake is done.
    #[must_use]
    pub fn answer(&self) -> Option<Answer> {
        let session = self.connection.crypto_session();
        let data = session.handshake_data()?.downcast::<HandshakeData>().ok()?;
        let chain = session.peer_identity()?;
        let chain = chain.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        self.connected.then(|| Answer {
            version: "QUIC".to_owned(),
            alpn: data
                .protocol
                .map(|name| String::from_utf8_lossy(&name).into_owned()),
            certificate: chain.first().map(|leaf| leaf.to_vec()).unwrap_or_default(),
        })
    }

    /// Whether the handshake was done.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Opens a stream, one that goes both ways or one way; none if the peer allows none now.
    pub fn open(&mut self, both_ways: bool) -> Option<u64> {
        let dir = if both_ways { Dir::Bi } else { Dir::Uni };
        self.connection.streams().open(dir).map(u64::from)
    }

    /// Puts bytes on a stream, and its end: they leave with the next that is waited for, so that the peer reads them at
    /// once. What it has no window for waits.
    pub fn send(&mut self, stream: u64, bytes: &[u8], ends: bool) {
        let id = stream_id(stream);
        self.unsent.push_back((id, bytes.to_vec(), ends));
        self.write();
    }

    fn write(&mut self) {
        write_unsent(&mut self.connection, &mut self.unsent);
    }

    /// Resets a stream of ours.
    pub fn reset(&mut self, stream: u64, code: u64) {
        let mut stream = self.connection.send_stream(stream_id(stream));
        let _ = stream.reset(varint(code));
        self.transmit();
    }

    /// Asks the peer to send nothing more on a stream.
    pub fn stop(&mut self, stream: u64, code: u64) {
        let mut stream = self.connection.recv_stream(stream_id(stream));
        let _ = stream.stop(varint(code));
        self.transmit();
    }

    /// Closes the connection.
    pub fn close(&mut self, code: u64, phrase: &str) {
        let phrase = Bytes::copy_from_slice(phrase.as_bytes());
        self.connection.close(Instant::now(), varint(code), phrase);
        self.transmit();
    }

    /// Has the peer acknowledge that it has taken in all that was sent.
    ///
    /// # Errors
    /// If the connection ended before.
    pub fn round_trip(&mut self) -> Result<(), Stop> {
        // The first acknowledgement may be of what was sent before; the second is of something newer.
        for _ in 0..2 {
            let before = self.connection.stats().frame_rx.acks;
            self.connection.ping();
            self.transmit();
            self.until(|client| client.connection.stats().frame_rx.acks > before)?;
        }
        Ok(())
    }

    /// Takes in what comes until something holds.
    ///
    /// # Errors
    /// Why it came to an end before.
    pub fn until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<(), Stop> {
        let deadline = Instant::now() + self.patience;
        while !holds(self) {
            if self.end.is_some() {
                return Err(Stop::Closed);
            }
            if Instant::now() >= deadline {
                return Err(Stop::TimedOut);
            }
            self.turn(deadline)?;
        }
        Ok(())
    }

    /// Sends what there is to send, and waits for a datagram or a timer.
    fn turn(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.transmit();
        let now = Instant::now();
        let timer = self.connection.poll_timeout().unwrap_or(deadline);
        let sleep = timer
            .min(deadline)
            .saturating_duration_since(now)
            .clamp(Duration::from_millis(1), LONGEST_SLEEP);
        self.socket.set_read_timeout(Some(sleep))?;
        let mut datagram = vec![0; MAX_DATAGRAM_BYTES];
        match self.socket.recv(&mut datagram) {
            Ok(len) => self.take_in(&datagram[..len]),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                ErrorKind::ConnectionRefused => {
                    self.end = Some(End::Other("nobody listens".to_owned()));
                    return Ok(());
                }
                _ => return Err(Stop::from(error)),
            },
        }
        if self
            .connection
            .poll_timeout()
            .is_some_and(|timer| timer <= Instant::now())
        {
            self.connection.handle_timeout(Instant::now());
        }
        self.events();
        self.write();
        self.transmit();
        Ok(())
    }

    fn take_in(&mut self, datagram: &[u8]) {
        let Ok(peer) = self.socket.peer_addr() else {
            return;
        };
        let mut answer = Vec::new();
        let data = BytesMut::from(datagram);
        let now = Instant::now();
        match self
            .endpoint
            .handle(now, peer, None, None, data, &mut answer)
        {
            Some(DatagramEvent::ConnectionEvent(_, event)) => self.connection.handle_event(event),
            Some(DatagramEvent::Response(transmit)) => {
                let _ = self.socket.send(&answer[..transmit.size]);
            }
            _ => {}
        }
    }

    fn transmit(&mut self) {
        let mut datagram = Vec::new();
        loop {
            while let Some(event) = self.connection.poll_endpoint_events() {
                if let Some(event) = self.endpoint.handle_event(self.handle, event) {
                    self.connection.handle_event(event);
                }
            }
            datagram.clear();
            let now = Instant::now();
            let Some(transmit) = self.connection.poll_transmit(now, 1, &mut datagram) else {
                return;
            };
            let _ = self.socket.send(&datagram[..transmit.size]);
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => self.connected = true,
                Event::ConnectionLost { reason } => self.end = Some(end(reason)),
                Event::Stream(StreamEvent::Opened { dir }) => {
                    while let Some(id) = self.connection.streams().accept(dir) {
                        self.read(id);
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read(id),
                Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                    self.entry(id).stopped = Some(error_code.into_inner());
                }
                _ => {}
            }
        }
    }

    fn entry(&mut self, id: StreamId) -> &mut Incoming {
        self.streams.entry(u64::from(id)).or_default()
    }

    fn read(&mut self, id: StreamId) {
        let entry = self.streams.entry(u64::from(id)).or_default();
        let mut stream = self.connection.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return;
        };
        loop {
            match chunks.next(usize::MAX) {
                Ok(Some(chunk)) => entry.bytes.extend_from_slice(&chunk.bytes),
                Ok(None) => {
                    entry.ended = true;
                    break;
                }
                Err(ReadError::Blocked) => break,
                Err(ReadError::Reset(code)) => {
                    entry.reset = Some(code.into_inner());
                    break;
                }
            }
        }
        let _ = chunks.finalize();
    }
}

fn end(reason: ConnectionError) -> End {
    let phrase = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match reason {
        ConnectionError::ApplicationClosed(close) => {
            End::Application(close.error_code.into_inner(), phrase(&close.reason))
        }
        ConnectionError::ConnectionClosed(close) => {
            End::Transport(u64::from(close.error_code), phrase(&close.reason))
        }
        other => End::Other(other.to_string()),
    }
}

fn stream_id(number: u64) -> StreamId {
    VarInt::from_u64(number).unwrap_or_default().into()
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or_default()
}

/// The address that a client of this machine connects to.
#[must_use]
pub fn address(ip: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(ip), port)
}

/// What waits to be sent: on which stream, what, and whether the stream ends behind it.
pub(crate) type Unsent = VecDeque<(StreamId, Vec<u8>, bool)>;

/// Writes what there is window for, of each stream in its order.
pub(crate) fn write_unsent(connection: &mut Connection, unsent: &mut Unsent) {
    for (id, mut bytes, ends) in std::mem::take(unsent) {
        if unsent.iter().any(|(other, ..)| *other == id) {
            unsent.push_back((id, bytes, ends));
            continue;
        }
        let mut stream = connection.send_stream(id);
        while !bytes.is_empty()
            && let Ok(written) = stream.write(&bytes)
        {
            bytes.drain(..written);
        }
        if !bytes.is_empty() {
            unsent.push_back((id, bytes, ends));
        } else if ends {
            // A stream that the peer has stopped needs no end.
            let _ = stream.finish();
        }
    }
}
