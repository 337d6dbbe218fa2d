//! Datagrams: a client that sends some and waits for answers, and an upstream that answers each.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest datagram.
const MOST_BYTES: usize = 65_535;
/// How soon an upstream sees that it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A datagram that an upstream saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Number of its sender, from 1 in the order in which they appeared.
    pub peer: usize,
    /// The sender's port.
    pub port: u16,
    /// What it carries.
    pub bytes: Vec<u8>,
}

/// An upstream that answers each datagram with its name, a colon and the datagram; one that begins
/// with `silent` gets no answer, one with `twice` two. Stops when dropped.
pub struct Echo {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Datagram>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts on a port of its own.
    ///
    /// # Errors
    /// If the socket cannot be bound.
    pub fn start(name: &str) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        let address = socket.local_addr()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stopping = Arc::new(AtomicBool::new(false));
        let name = name.to_owned();
        let (for_thread, stop) = (Arc::clone(&seen), Arc::clone(&stopping));
        let thread = std::thread::spawn(move || {
            let mut peers = Vec::new();
            let mut buffer = vec![0; MOST_BYTES];
            while !stop.load(Ordering::SeqCst) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                if !peers.contains(&from) {
                    peers.push(from);
                }
                let bytes = buffer[..length].to_vec();
                let answer = [name.as_bytes(), b": ", &bytes].concat();
                let times = answers_to(&bytes);
                let peer = peers.iter().position(|known| *known == from).unwrap_or(0) + 1;
                let port = from.port();
                let mut seen = for_thread.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(Datagram { peer, port, bytes });
                drop(seen);
                for _ in 0..times {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self {
            address,
            seen,
            stopping,
            thread: Some(thread),
        })
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it has seen since this was last called.
    #[must_use]
    pub fn take_seen(&self) -> Vec<Datagram> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it has seen so many since they were last taken.
    #[must_use]
    pub fn has_seen(&self, count: usize) -> bool {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
            >= count
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answers_to(datagram: &[u8]) -> usize {
    match datagram {
        [b's', b'i', b'l', b'e', b'n', b't', ..] => 0,
        [b't', b'w', b'i', b'c', b'e', ..] => 2,
        _ => 1,
    }
}

/// A client's socket.
pub struct DatagramClient {
    socket: UdpSocket,
}

impl DatagramClient {
    /// A socket that sends to a port of 127.0.0.1.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn to(port: u16, patience: Duration) -> io::Result<Self> {
        let here = Ipv4Addr::LOCALHOST;
        Self::between(here, (here, port), patience)
    }

    /// A socket at an address of this machine that sends to another.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn between(from: Ipv4Addr, to: (Ipv4Addr, u16), patience: Duration) -> io::Result<Self> {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Self { socket })
    }

    /// Its own port.
    ///
    /// # Errors
    /// If the socket has none.
    pub fn local_port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// If nobody listens.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send(bytes).map(|_| ())
    }

    /// Waits for a datagram; none if the patience ends first.
    #[must_use]
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; MOST_BYTES];
        let length = self.socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }
}
