//! Connections over real sockets, with quinn's own client.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nuncio_contract::clock::SystemClock;
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection as ClientState, ConnectionHandle, DatagramEvent, Dir, EndpointConfig,
    Event, StreamEvent, StreamId,
};
use tokio::net::UdpSocket;
use tokio::task::LocalSet;

use super::endpoint::{Admission, HandshakeFailure, MAX_UNPROVEN, Verdict};
use super::ids::{Ids, endpoint_of_datagram};
use super::{Connection, Endpoint, Lost, ReadEnd, Select, Settings};
use crate::tls::tests::server::{Authority, client, showing};
use crate::tls::{Selected, ServerTls};

const TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn settings() -> Settings {
    Settings {
        max_concurrent_streams: 100,
        stream_window_bytes: 1 << 20,
        connection_window_bytes: 1 << 20,
        send_window_bytes: 1 << 20,
        idle_timeout: Duration::from_secs(30),
        handshake_timeout: Duration::from_secs(10),
        keepalive: None,
        max_packet_bytes: None,
        lets_clients_move: true,
        joins_writes: true,
    }
}

/// One filter chain, for `a.example`.
struct OneChain(Arc<ServerTls>);

impl Select for OneChain {
    fn select(&self, name: &str, _ends: (SocketAddr, SocketAddr)) -> Option<Selected> {
        (name == "a.example").then(|| Selected {
            chain: 7,
            tls: Arc::clone(&self.0),
            resumes: true,
        })
    }
}

/// Echoes what comes on streams.
pub(super) struct Hall {
    pub(super) endpoint: Rc<Endpoint>,
    chain: Arc<OneChain>,
    begun: Cell<usize>,
    pub(super) failed: RefCell<Vec<HandshakeFailure>>,
    pub(super) ended: Rc<RefCell<Vec<Lost>>>,
}

impl Admission for Hall {
    fn admit(&self, _peer: SocketAddr, _local: SocketAddr) -> Verdict {
        Verdict::Accept(Arc::clone(&self.chain) as Arc<dyn Select>)
    }

    fn serve(&self, connection: Rc<Connection>) {
        self.begun.set(self.begun.get() + 1);
        let half_open = self.endpoint.note_handshake();
        let ended = Rc::clone(&self.ended);
        tokio::task::spawn_local(async move {
            let shaken = connection.handshaken(&SystemClock).await;
            drop(half_open);
            let lost = match shaken {
                Ok(handshake) => {
                    assert_eq!(handshake.chain, 7);
                    assert_eq!(handshake.info.alpn_protocol.as_deref(), Some(&b"h3"[..]));
                    assert_eq!(handshake.info.version, Some("TLSv1.3"));
                    echo(&connection).await
                }
                Err(lost) => lost,
            };
            ended.borrow_mut().push(lost);
            connection.linger(&SystemClock).await;
        });
    }

    fn failed(&self, failure: HandshakeFailure) {
        self.failed.borrow_mut().push(failure);
    }

    fn dropped(&self, _count: u64) {}
}

async fn echo(connection: &Connection) -> Lost {
    poll_fn(|cx| {
        connection.note_driver(cx);
        loop {
            while let Some(event) = connection.next_event(Instant::now()) {
                match event {
                    Event::Stream(StreamEvent::Opened { dir }) => {
                        while let Some(id) = connection.accept(dir) {
                            answer(connection, id);
                        }
                    }
                    Event::Stream(StreamEvent::Readable { id }) => answer(connection, id),
                    Event::ConnectionLost { reason } => return Poll::Ready(reason.into()),
                    _ => {}
                }
            }
            connection.write(Instant::now());
            if connection.poll_timer(cx, &SystemClock).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await
}

fn answer(connection: &Connection, id: StreamId) {
    let mut bytes = Vec::new();
    let end = loop {
        match connection.read(id, 1 << 16, |part| bytes.extend_from_slice(part)) {
            Ok(ReadEnd::Full) => {}
            end => break end,
        }
    };
    if end.is_err() {
        // It is over, and was told of twice.
        return;
    }
    assert_eq!(connection.send(id, &bytes), Ok(bytes.len()));
    if end == Ok(ReadEnd::Finished) {
        connection.finish(id);
    }
}

/// A client with one connection.
struct Client {
    endpoint: quinn_proto::Endpoint,
    state: ClientState,
    handle: ConnectionHandle,
    socket: UdpSocket,
    /// Where its datagrams go, if not to where it means.
    detour: Option<SocketAddr>,
    /// The first bytes of what came.
    came: Vec<u8>,
}

impl Client {
    async fn connect(server: SocketAddr, name: &str) -> Self {
        let mut tls = client(None, &[&rustls::version::TLS13]);
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let crypto = QuicClientConfig::try_from(tls).expect("it speaks 1.3");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[0; 64]);
        let config = Arc::new(EndpointConfig::new(Arc::new(key)));
        let mut endpoint = quinn_proto::Endpoint::new(config, None, false, None);
        let config = ClientConfig::new(Arc::new(crypto));
        let connected = endpoint.connect(Instant::now(), config, server, name);
        let (handle, state) = connected.expect("it can begin");
        Client {
            endpoint,
            state,
            handle,
            socket: UdpSocket::bind("127.0.0.1:0").await.expect("a free port"),
            detour: None,
            came: Vec::new(),
        }
    }

    async fn send(&mut self) {
        loop {
            let mut out = Vec::new();
            let Some(transmit) = self.state.poll_transmit(Instant::now(), 1, &mut out) else {
                return;
            };
            let to = self.detour.unwrap_or(transmit.destination);
            let sent = self.socket.send_to(&out[..transmit.size], to).await;
            sent.expect("it can be sent");
        }
    }

    /// Goes on until something has happened.
    async fn next(&mut self) -> Event {
        loop {
            while let Some(event) = self.state.poll_endpoint_events() {
                if let Some(back) = self.endpoint.handle_event(self.handle, event) {
                    self.state.handle_event(back);
                }
            }
            if let Some(event) = self.state.poll() {
                return event;
            }
            self.send().await;
            let mut bytes = [0; 2048];
            let wait = match self.state.poll_timeout() {
                Some(at) => at.saturating_duration_since(Instant::now()),
                None => TIMEOUT,
            };
            match tokio::time::timeout(wait, self.socket.recv_from(&mut bytes)).await {
                Err(_) => self.state.handle_timeout(Instant::now()),
                Ok(read) => {
                    let (length, from) = read.expect("it can be read");
                    self.came.push(bytes[0]);
                    let from = self.detour.map_or(from, |_| self.state.remote_address());
                    let data = BytesMut::from(&bytes[..length]);
                    let now = Instant::now();
                    let mut out = Vec::new();
                    let event = self.endpoint.handle(now, from, None, None, data, &mut out);
                    if let Some(DatagramEvent::ConnectionEvent(_, event)) = event {
                        self.state.handle_event(event);
                    }
                }
            }
        }
    }

    async fn connected(&mut self) {
        loop {
            match self.next().await {
                Event::Connected => return,
                Event::ConnectionLost { reason } => panic!("no connection: {reason}"),
                _ => {}
            }
        }
    }

    /// Sends on a new stream, and takes what comes back.
    async fn ask(&mut self, bytes: &[u8]) -> Vec<u8> {
        let id = self.state.streams().open(Dir::Bi).expect("it may");
        let mut stream = self.state.send_stream(id);
        assert_eq!(stream.write(bytes), Ok(bytes.len()));
        stream.finish().expect("it is open");
        let mut answer = Vec::new();
        loop {
            let mut stream = self.state.recv_stream(id);
            let mut chunks = stream.read(true).expect("it is open");
            let is_over = loop {
                match chunks.next(1 << 16) {
                    Ok(Some(chunk)) => answer.extend_from_slice(&chunk.bytes),
                    Ok(None) => break true,
                    Err(_) => break false,
                }
            };
            let _it_is_sent_in_any_case = chunks.finalize();
            if is_over {
                self.send().await;
                return answer;
            }
            self.next().await;
        }
    }
}

pub(super) fn hall() -> Rc<Hall> {
    hall_of("a.example")
}

/// Whose certificate is for this name.
pub(super) fn hall_of(name: &str) -> Rc<Hall> {
    let authority = Authority::new("authority");
    let tls = showing(&[&authority.signs(&[name])], "", "");
    let socket = StdSocket::bind("127.0.0.1:0").expect("a free port");
    Rc::new(Hall {
        endpoint: Endpoint::new(socket, settings()).expect("it can be used"),
        chain: Arc::new(OneChain(Arc::new(tls))),
        begun: Cell::new(0),
        failed: RefCell::default(),
        ended: Rc::default(),
    })
}

pub(super) fn serve(hall: &Rc<Hall>) -> SocketAddr {
    let reading = Rc::clone(hall);
    tokio::task::spawn_local(async move {
        let read = reading.endpoint.read(&SystemClock, &*reading).await;
        read.expect("it can be read");
    });
    let handed = Rc::clone(hall);
    tokio::task::spawn_local(async move {
        handed.endpoint.take_handed(&SystemClock, &*handed).await;
    });
    hall.endpoint.address(None)
}

pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let test = async { tokio::time::timeout(TIMEOUT, test).await };
    let in_time = LocalSet::new().block_on(&runtime, test);
    in_time.expect("it takes no time");
}

#[test]
fn streams_come_and_go_and_the_end_is_told() {
    run(async {
        let hall = hall();
        let mut client = Client::connect(serve(&hall), "a.example").await;
        client.connected().await;
        assert_eq!(client.ask(b"hello").await, b"hello");
        let long = vec![7; 100_000];
        assert_eq!(client.ask(&long).await, long);
        client.state.close(Instant::now(), 5_u32.into(), "".into());
        client.send().await;
        while hall.ended.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        let closed = Lost::Closed {
            code: 5,
            is_application: true,
            reason: "".into(),
        };
        assert_eq!(*hall.ended.borrow(), [closed]);
        hall.endpoint.emptied().await;
    });
}

#[test]
fn who_asks_for_another_name_is_refused_in_the_handshake() {
    run(async {
        let hall = hall();
        let mut client = Client::connect(serve(&hall), "b.example").await;
        let Event::ConnectionLost { .. } = client.next().await else {
            panic!("there is no such chain");
        };
        while hall.failed.borrow().is_empty() && hall.ended.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
        let failed = hall.failed.borrow();
        assert!(
            failed
                .iter()
                .all(|failed| failed.had_hello && failed.chain.is_none())
        );
        assert_eq!(hall.endpoint.half_open(), 0);
    });
}

#[test]
fn a_client_that_moves_keeps_its_connection() {
    run(async {
        let hall = hall();
        let mut client = Client::connect(serve(&hall), "a.example").await;
        client.connected().await;
        assert_eq!(client.ask(b"before").await, b"before");
        client.socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        client.state.local_address_changed();
        assert_eq!(client.ask(b"behind").await, b"behind");
    });
}

#[test]
fn what_comes_to_another_endpoint_is_handed_over() {
    run(async {
        let (own, other) = (hall(), hall());
        let mut client = Client::connect(serve(&own), "a.example").await;
        client.connected().await;
        assert_eq!(client.ask(b"before").await, b"before");
        client.detour = Some(serve(&other));
        assert_eq!(client.ask(b"behind").await, b"behind");
        assert_eq!(other.begun.get(), 0);
    });
}

#[test]
fn many_half_open_connections_make_new_clients_show_where_they_are() {
    run(async {
        let hall = hall();
        let server = serve(&hall);
        let mut silent = Vec::new();
        for _ in 0..MAX_UNPROVEN {
            let mut client = Client::connect(server, "a.example").await;
            client.send().await;
            silent.push(client);
            let before = silent.len();
            while hall.begun.get() < before {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(hall.endpoint.half_open(), MAX_UNPROVEN);
        let mut client = Client::connect(server, "a.example").await;
        client.connected().await;
        const RETRY: u8 = 0xf0;
        assert_eq!(client.came[0] & RETRY, RETRY, "it had to come again");
        assert_eq!(client.ask(b"hello").await, b"hello");
    });
}

#[test]
fn ids_name_their_endpoint_behind_the_handshake() {
    use quinn_proto::ConnectionIdGenerator as _;
    let id = Ids { endpoint: 0x1234 }.generate_cid();
    assert!(Ids { endpoint: 0x1234 }.validate(&id).is_ok());
    assert!(Ids { endpoint: 0x1235 }.validate(&id).is_err());
    let short = [&[0x40][..], &id[..], &[1; 20]].concat();
    assert_eq!(endpoint_of_datagram(&short), Some(0x1234));
    let long = [&[0xc0][..], &id[..], &[1; 20]].concat();
    assert_eq!(endpoint_of_datagram(&long), None);
    for length in 0..9 {
        assert_eq!(endpoint_of_datagram(&short[..length]), None, "{length}");
    }
}
