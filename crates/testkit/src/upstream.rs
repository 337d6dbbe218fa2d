//! A fake HTTP/1 upstream: records what it sees byte for byte and answers from a [`Script`].
//!
//! Limits: one thread a connection; requests are read one after another on a connection, as HTTP/1
//! wants. A body that the proxy re-chunks arrives in pieces that depend on timing, so the record
//! holds the decoded body and how it was framed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use crate::DEADLINE;
use crate::message::{Message, Reader, Stop, head_lines, request_framing, word};
use crate::script::{Script, Step};
use crate::tls::Hello;

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Number of the connection it came on, from 1 in the order of accepting.
    pub connection: usize,
    /// The TLS hello of that connection.
    pub hello: Option<Hello>,
    /// The request.
    pub message: Message,
    /// Whether everything that will come of it has come.
    pub finished: bool,
}

/// A running upstream; stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Keeps the port of a refusing upstream taken.
    _held: Option<Socket>,
}

struct Shared {
    name: String,
    script: Script,
    state: Mutex<State>,
    changed: Condvar,
    stopping: AtomicBool,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    taken: usize,
    connections: Vec<TcpStream>,
    peer_ports: Vec<u16>,
    times_asked: BTreeMap<String, usize>,
}

impl Upstream {
    /// Starts an upstream on a port of its own. With `tls`, it speaks TLS only.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn start(name: &str, script: Script, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(name, script));
        let for_acceptor = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &for_acceptor, tls.as_ref()));
        Ok(Self {
            address,
            shared,
            acceptor: Some(acceptor),
            _held: None,
        })
    }

    /// An upstream whose port refuses connections for as long as this value lives.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn refusing(name: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let address = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("no address"))?;
        let shared = Arc::new(Shared::new(name, Script::new()));
        Ok(Self {
            address,
            shared,
            acceptor: None,
            _held: Some(socket),
        })
    }

    /// The port it listens on, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ports that the proxy connected from, so far.
    #[must_use]
    pub fn peer_ports(&self) -> Vec<u16> {
        self.shared.lock().peer_ports.clone()
    }

    /// Requests seen since the last call, once each is finished (complete, or its connection
    /// closed). Gives up waiting after the deadline and returns what there is.
    #[must_use]
    pub fn take_seen(&self) -> Vec<Seen> {
        let until = Instant::now() + DEADLINE;
        let mut state = self.shared.lock();
        while state
            .seen
            .iter()
            .skip(state.taken)
            .any(|seen| !seen.finished)
        {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let fresh = state.seen.iter().skip(state.taken).cloned().collect();
        state.taken = state.seen.len();
        fresh
    }

    /// Waits until `count` requests since the last [`Upstream::take_seen`] have shown their heads;
    /// false if the deadline passed first.
    #[must_use]
    pub fn await_heads(&self, count: usize) -> bool {
        let until = Instant::now() + DEADLINE;
        let mut state = self.shared.lock();
        while state.seen.len() - state.taken < count {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(acceptor) = self.acceptor.take() {
            // Wakes the acceptor, which then sees that it has to stop.
            let _ = TcpStream::connect(self.address);
            let _ = acceptor.join();
        }
        for connection in self.shared.lock().connections.drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn new(name: &str, script: Script) -> Self {
        Self {
            name: name.to_owned(),
            script,
            state: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn steps_for(&self, head: &[u8]) -> Vec<Step> {
        let lines = head_lines(head);
        let line = lines.first().copied().unwrap_or_default();
        let method = word(line, 0).unwrap_or_default();
        let target = word(line, 1).unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        let times = {
            let mut state = self.lock();
            let asked = state.times_asked.entry(path.to_owned()).or_default();
            *asked += 1;
            *asked - 1
        };
        self.script.steps(path, times).unwrap_or_else(|| {
            let body = format!("{}: {method} {target}\n", self.name);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let shown = if method == "HEAD" { "" } else { &body };
            vec![Step::Send((head + shown).into_bytes())]
        })
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, tls: Option<&Arc<ServerConfig>>) {
    for number in 1.. {
        let Ok((socket, peer)) = listener.accept() else {
            return;
        };
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(clone) = socket.try_clone() else {
            return;
        };
        {
            let mut state = shared.lock();
            state.connections.push(clone);
            state.peer_ports.push(peer.port());
        }
        let shared = Arc::clone(shared);
        let tls = tls.cloned();
        std::thread::spawn(move || match Wire::open(socket, tls) {
            Ok((wire, hello)) => serve(&shared, number, &hello, wire),
            Err(_) => shared.changed.notify_all(),
        });
    }
}

fn serve(shared: &Shared, connection: usize, hello: &Option<Hello>, wire: Wire) {
    let mut reader = Reader::new(wire);
    while let Ok(head) = reader.read_head() {
        let framing = request_framing(&head);
        let steps = shared.steps_for(&head);
        let message = Message::from_head(head, framing);
        let index = {
            let mut state = shared.lock();
            state.seen.push(Seen {
                connection,
                hello: hello.clone(),
                message: message.clone(),
                finished: false,
            });
            state.seen.len() - 1
        };
        shared.changed.notify_all();
        let (message, open) = play(&mut reader, message, steps);
        if let Some(seen) = shared.lock().seen.get_mut(index) {
            seen.message = message;
            seen.finished = true;
        }
        shared.changed.notify_all();
        if !open {
            return;
        }
    }
}

/// Plays the steps; returns the message with its body and whether the connection is still of use.
fn play(reader: &mut Reader<Wire>, mut message: Message, steps: Vec<Step>) -> (Message, bool) {
    let mut steps = steps;
    if !steps
        .iter()
        .any(|step| matches!(step, Step::ReadBody | Step::Early))
    {
        steps.insert(0, Step::ReadBody);
    }
    let mut open = true;
    for step in steps {
        match step {
            Step::ReadBody => {
                reader.read_body(&mut message);
                open = message.cut_short.is_none();
            }
            Step::Send(bytes) => open = reader.stream_mut().write_all(&bytes).is_ok(),
            Step::Early => {}
            Step::Take(length) => {
                let (bytes, stop) = reader.take_bytes(length);
                message.body.extend(bytes);
                open = stop.is_none();
                message.cut_short = stop;
            }
            Step::TakeRest => {
                let (bytes, stop) = reader.read_rest();
                message.body.extend(bytes);
                open = stop == Stop::Closed;
            }
            Step::HalfClose => {
                let _ = reader.stream_mut().socket().shutdown(Shutdown::Write);
            }
            Step::AwaitClose => {
                let _ = reader.read_rest();
                open = false;
            }
            Step::Close => {
                reader.stream_mut().close();
                open = false;
            }
            Step::Reset => {
                reader.stream_mut().reset();
                open = false;
            }
        }
        if !open {
            break;
        }
    }
    (message, open)
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    fn open(
        mut socket: TcpStream,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<(Self, Option<Hello>)> {
        socket.set_nodelay(true)?;
        let Some(config) = tls else {
            return Ok((Self::Plain(socket), None));
        };
        socket.set_read_timeout(Some(DEADLINE))?;
        let mut session = ServerConnection::new(config).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        socket.set_read_timeout(None)?;
        let hello = Hello {
            server_name: session.server_name().map(str::to_owned),
            alpn: session
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            version: session
                .protocol_version()
                .map(|version| format!("{version:?}"))
                .unwrap_or_default(),
        };
        Ok((
            Self::Tls(Box::new(StreamOwned::new(session, socket))),
            Some(hello),
        ))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn close(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket().shutdown(Shutdown::Both);
    }

    fn reset(&self) {
        // A zero linger turns the close into a reset; the clones held elsewhere must not delay it,
        // so the socket is also told to stop at once.
        let _ = SockRef::from(self.socket()).set_linger(Some(std::time::Duration::ZERO));
        disconnect(self.socket());
    }
}

/// Sends the reset now, whoever else holds the socket: connecting a TCP socket to an unspecified
/// address dissolves its association, which with a zero linger is a reset.
fn disconnect(socket: &TcpStream) {
    let _ = rustix::net::connect_unspec(socket);
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
