//! A host that speaks QUIC: it plays steps on the stream of each request once the request's head has come, wrong ones too.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{
    Connection, ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, Event,
    ServerConfig, StreamEvent, StreamId, TransportConfig, VarInt,
};

use crate::http3::messages;
use crate::quic::{Unsent, write_unsent};

/// How often timers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// The control stream's type, and SETTINGS that say nothing.
const CONTROL: [u8; 3] = [0, 4, 0];

/// What a host does.
#[derive(Clone, Debug)]
pub enum QuicStep {
    /// Sends bytes on the request's stream, which may end there.
    Send(Vec<u8>, bool),
    /// Sends bytes on the control stream, which may end there.
    Control(Vec<u8>, bool),
    /// Sends bytes on a stream of its own.
    Uni(Vec<u8>),
    /// Resets the request's stream.
    Reset(u64),
    /// Wants no more of the request.
    Stop(u64),
    /// Closes the connection.
    Close(u64),
    /// Closes it right behind what was sent, which has no time to be acknowledged.
    CloseBehind(u64),
}

/// Steps by path; `*` is any other. Without any, no request is allowed.
pub type QuicAnswers = BTreeMap<String, Vec<QuicStep>>;

/// A running host; it stops when dropped.
pub struct QuicHost {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl QuicHost {
    /// Starts on a port of its own.
    ///
    /// # Errors
    /// There is no socket, or the TLS is none for QUIC.
    pub fn start(tls: Arc<rustls::ServerConfig>, answers: QuicAnswers) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = socket.local_addr()?;
        let crypto = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = ServerConfig::with_crypto(Arc::new(crypto));
        let mut transport = TransportConfig::default();
        transport.mtu_discovery_config(None);
        if answers.is_empty() {
            transport.max_concurrent_bidi_streams(VarInt::from_u32(0));
        }
        config.transport_config(Arc::new(transport));
        let endpoint = Endpoint::new(
            Arc::new(EndpointConfig::default()),
            Some(Arc::new(config)),
            false,
            None,
        );
        let stopping = Arc::new(AtomicBool::new(false));
        let mut host = Host {
            socket,
            endpoint,
            answers,
            clients: HashMap::new(),
        };
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                host.turn();
            }
        });
        Ok(Self {
            address,
            stopping,
            thread: Some(thread),
        })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for QuicHost {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Host {
    socket: UdpSocket,
    endpoint: Endpoint,
    answers: QuicAnswers,
    clients: HashMap<ConnectionHandle, Client>,
}

struct Client {
    connection: Connection,
    control: Option<StreamId>,
    /// What has come of requests that are not answered yet.
    requests: HashMap<StreamId, Vec<u8>>,
    /// What waits for room on streams: the stream, the bytes, whether they end it.
    unsent: Unsent,
    /// The code to close with once that is sent.
    closing: Option<u64>,
}

impl Host {
    /// Takes in a datagram if one comes, and lets each client's connection go on.
    fn turn(&mut self) {
        let mut datagram = vec![0; MAX_DATAGRAM_BYTES];
        if let Ok((len, from)) = self.socket.recv_from(&mut datagram) {
            self.take_in(&datagram[..len], from);
        }
        let (endpoint, socket) = (&mut self.endpoint, &self.socket);
        self.clients.retain(|handle, client| {
            client.go_on(&self.answers);
            client.transmit(*handle, endpoint, socket);
            !client.connection.is_drained()
        });
    }

    fn take_in(&mut self, datagram: &[u8], from: SocketAddr) {
        let mut answer = Vec::new();
        let data = BytesMut::from(datagram);
        let now = Instant::now();
        match self
            .endpoint
            .handle(now, from, None, None, data, &mut answer)
        {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(client) = self.clients.get_mut(&handle) {
                    client.connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                match self.endpoint.accept(incoming, now, &mut answer, None) {
                    Ok((handle, connection)) => {
                        let client = Client {
                            connection,
                            control: None,
                            requests: HashMap::new(),
                            unsent: VecDeque::new(),
                            closing: None,
                        };
                        self.clients.insert(handle, client);
                    }
                    Err(error) => {
                        if let Some(transmit) = error.response {
                            let bytes = &answer[..transmit.size];
                            let _ = self.socket.send_to(bytes, transmit.destination);
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => {
                let bytes = &answer[..transmit.size];
                let _ = self.socket.send_to(bytes, transmit.destination);
            }
            None => {}
        }
    }
}

impl Client {
    fn go_on(&mut self, answers: &QuicAnswers) {
        let now = Instant::now();
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.connection.handle_timeout(now);
        }
        while let Some(event) = self.connection.poll() {
            match event {
                Event::Connected => {
                    self.control = self.connection.streams().open(Dir::Uni);
                    if let Some(control) = self.control {
                        self.unsent.push_back((control, CONTROL.to_vec(), false));
                    }
                }
                Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                    while let Some(id) = self.connection.streams().accept(Dir::Bi) {
                        self.requests.insert(id, Vec::new());
                        self.read(id, answers);
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read(id, answers),
                _ => {}
            }
        }
        self.write();
    }

    fn read(&mut self, id: StreamId, answers: &QuicAnswers) {
        let Some(bytes) = self.requests.get_mut(&id) else {
            return;
        };
        let mut stream = self.connection.recv_stream(id);
        if let Ok(mut chunks) = stream.read(true) {
            while let Ok(Some(chunk)) = chunks.next(usize::MAX) {
                bytes.extend_from_slice(&chunk.bytes);
            }
            let _ = chunks.finalize();
        }
        let (parsed, _) = messages(bytes);
        let Some(head) = parsed.messages.first() else {
            return;
        };
        let head = String::from_utf8_lossy(&head.head).into_owned();
        let path = head.lines().find_map(|line| line.strip_prefix(":path: "));
        let path = path.unwrap_or_default();
        let steps = answers.get(path).or_else(|| answers.get("*"));
        let steps = steps.cloned().unwrap_or_default();
        self.requests.remove(&id);
        for step in steps {
            self.play(id, step);
        }
    }

    fn play(&mut self, id: StreamId, step: QuicStep) {
        match step {
            QuicStep::Send(bytes, ends) => self.unsent.push_back((id, bytes, ends)),
            QuicStep::Control(bytes, ends) => {
                if let Some(control) = self.control {
                    self.unsent.push_back((control, bytes, ends));
                }
            }
            QuicStep::Uni(bytes) => {
                if let Some(own) = self.connection.streams().open(Dir::Uni) {
                    self.unsent.push_back((own, bytes, false));
                }
            }
            QuicStep::Reset(code) => {
                self.write();
                let _ = self.connection.send_stream(id).reset(varint(code));
            }
            QuicStep::Stop(code) => {
                let _ = self.connection.recv_stream(id).stop(varint(code));
            }
            QuicStep::Close(code) => {
                self.write();
                let now = Instant::now();
                self.connection.close(now, varint(code), Bytes::new());
            }
            QuicStep::CloseBehind(code) => self.closing = Some(code),
        }
    }

    fn write(&mut self) {
        write_unsent(&mut self.connection, &mut self.unsent);
    }

    fn transmit(&mut self, handle: ConnectionHandle, endpoint: &mut Endpoint, socket: &UdpSocket) {
        while let Some(event) = self.connection.poll_endpoint_events() {
            if let Some(event) = endpoint.handle_event(handle, event) {
                self.connection.handle_event(event);
            }
        }
        self.send(socket);
        if let Some(code) = self.closing.take() {
            let now = Instant::now();
            self.connection.close(now, varint(code), Bytes::new());
            self.send(socket);
        }
    }

    fn send(&mut self, socket: &UdpSocket) {
        let mut datagram = Vec::new();
        let now = Instant::now();
        while let Some(transmit) = self.connection.poll_transmit(now, 1, &mut datagram) {
            let _ = socket.send_to(&datagram[..transmit.size], transmit.destination);
            datagram.clear();
        }
    }
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or_default()
}
