//! A fake upstream: records what it sees and answers from a script. It speaks HTTP/1, HTTP/2, Redis or
//! bytes that are none of these.
//!
//! Limits: one thread a connection.

mod http1;
mod http2;
mod record;
mod redis;
mod tcp;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

pub use http2::{Http2Script, Http2Step};
pub use record::Seen;
use record::Shared;
pub use redis::RedisAnswers;

use crate::DEADLINE;
use crate::script::{Script, Step};
use crate::tls::Hello;
use crate::wire::Wire;

/// How an upstream speaks.
pub enum Speaks {
    /// HTTP/1.
    Http1(Script),
    /// HTTP/2, from the first byte on or as ALPN says; HTTP/1 with no script of its own if ALPN
    /// says so.
    Http2(Http2Script),
    /// Bytes: on each connection these steps are played, and all is shown that came.
    Tcp(Vec<Step>),
    /// Redis.
    Redis(RedisAnswers),
}

/// A running upstream; stops when dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    /// Keeps the port of a refusing upstream taken.
    _held: Option<Socket>,
}

impl Upstream {
    /// Starts an upstream of HTTP/1 on a port of its own. With `tls`, it speaks TLS only.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn start(name: &str, script: Script, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        Self::speaking(name, Speaks::Http1(script), tls)
    }

    /// Starts an upstream on a port of its own. With `tls`, it speaks TLS only.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn speaking(
        name: &str,
        speaks: Speaks,
        tls: Option<Arc<ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(name));
        let for_acceptor = Arc::clone(&shared);
        let speaks = Arc::new(speaks);
        let acceptor =
            std::thread::spawn(move || accept(&listener, &for_acceptor, &speaks, tls.as_ref()));
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
        Ok(Self {
            address,
            shared: Arc::new(Shared::new(name)),
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
        self.shared.take_seen()
    }

    /// Waits until `count` requests since the last [`Upstream::take_seen`] have shown their heads;
    /// false if the deadline passed first.
    #[must_use]
    pub fn await_heads(&self, count: usize) -> bool {
        self.shared.await_heads(count)
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

fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    speaks: &Arc<Speaks>,
    tls: Option<&Arc<ServerConfig>>,
) {
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
        let speaks = Arc::clone(speaks);
        let tls = tls.cloned();
        std::thread::spawn(move || match open(socket, tls) {
            Ok((wire, hello)) => serve(&shared, number, hello, wire, &speaks),
            Err(_) => shared.changed.notify_all(),
        });
    }
}

fn serve(shared: &Shared, connection: usize, hello: Option<Hello>, wire: Wire, speaks: &Speaks) {
    let says_http1 = hello
        .as_ref()
        .is_some_and(|hello| hello.alpn.as_deref() == Some("http/1.1"));
    let line = record::Line { connection, hello };
    match speaks {
        Speaks::Http1(script) => http1::serve(shared, &line, wire, script),
        Speaks::Http2(_) if says_http1 => http1::serve(shared, &line, wire, &Script::new()),
        Speaks::Http2(script) => http2::serve(shared, &line, wire, script),
        Speaks::Redis(answers) => redis::serve(shared, wire, answers),
        Speaks::Tcp(steps) => tcp::serve(shared, &line, wire, steps),
    }
}

fn open(
    mut socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<(Wire, Option<Hello>)> {
    socket.set_nodelay(true)?;
    let Some(config) = tls else {
        return Ok((Wire::Plain(socket), None));
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
        certificate: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.to_vec())
            .unwrap_or_default(),
    };
    let stream = StreamOwned::new(session, socket);
    Ok((Wire::Server(Box::new(stream)), Some(hello)))
}
