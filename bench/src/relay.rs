//! A relay that understands nothing: what comes from a client goes to the origin over a connection of its own, and the
//! other way round. Two receives and two sends a request are the least that a proxy can do, so its figure is the limit
//! of this machine: no proxy between sockets passes it by much, whatever it is written in.
//!
//! One thread, edge-triggered events, a read buffer of 128 KiB for all; what a socket does not take is kept and its
//! other side not read meanwhile. It answers /ready on a port of its own. It runs in a process of its own.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const READ_BUFFER_BYTES: usize = 128 * 1024;
const MAX_EVENTS: usize = 1024;
const READY_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// Event data of the two listeners; those of connections are indices and stay below.
const INGRESS: u64 = u64::MAX;
const READY: u64 = u64::MAX - 1;

/// One socket of a pair.
struct Side {
    socket: TcpStream,
    peer: usize,
    /// Bytes for this socket that it has not taken yet.
    unsent: Vec<u8>,
}

struct Relay {
    epoll: OwnedFd,
    origin: SocketAddr,
    sides: Vec<Option<Side>>,
    buffer: Vec<u8>,
}

/// Runs with the ports of a configuration until it is killed.
///
/// # Errors
/// When the configuration or a socket does not work.
pub(crate) fn run(config: &Path) -> io::Result<()> {
    let ports = fs::read_to_string(config)?;
    let mut ports = ports.split_whitespace().map(str::parse::<u16>);
    let mut next_port = || match ports.next() {
        Some(Ok(port)) => Ok(port),
        _ => Err(io::Error::other(
            "three ports are expected: ingress, ready, origin",
        )),
    };
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ingress = listen(local(next_port()?))?;
    let ready = listen(local(next_port()?))?;
    let mut relay = Relay {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        origin: local(next_port()?),
        sides: Vec::new(),
        buffer: vec![0; READ_BUFFER_BYTES],
    };
    for (socket, data) in [(&ingress, INGRESS), (&ready, READY)] {
        epoll::add(
            &relay.epoll,
            socket,
            EventData::new_u64(data),
            EventFlags::IN,
        )?;
    }
    let mut events = Vec::with_capacity(MAX_EVENTS);
    loop {
        events.clear();
        epoll::wait(&relay.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                INGRESS => relay.accept(&ingress)?,
                READY => answer_ready(&ready),
                index => relay.go_on(usize::try_from(index).unwrap_or(usize::MAX)),
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn answer_ready(ready: &TcpListener) {
    if let Ok((mut socket, _)) = ready.accept() {
        // Who asks and goes away needs no answer.
        let _ = socket
            .read(&mut [0; 1024])
            .and_then(|_| socket.write_all(READY_ANSWER));
    }
}

impl Relay {
    fn accept(&mut self, ingress: &TcpListener) -> io::Result<()> {
        let Ok((client, _)) = ingress.accept() else {
            return Ok(());
        };
        let first = self.sides.len();
        let pair = [
            (client, first + 1),
            (TcpStream::connect(self.origin)?, first),
        ];
        for (socket, peer) in pair {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let data = EventData::new_u64(self.sides.len() as u64);
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, data, flags)?;
            self.sides.push(Some(Side {
                socket,
                peer,
                unsent: Vec::new(),
            }));
        }
        Ok(())
    }

    /// Writes what the side has not taken yet, then reads from both.
    fn go_on(&mut self, index: usize) {
        let Some(Some(side)) = self.sides.get_mut(index) else {
            return;
        };
        let peer = side.peer;
        let was_held_back = !side.unsent.is_empty();
        let unsent = std::mem::take(&mut side.unsent);
        let outcome = self
            .send(index, &unsent, 0)
            .and_then(|()| self.pass_on(index))
            .and_then(|()| {
                if was_held_back {
                    self.pass_on(peer)
                } else {
                    Ok(())
                }
            });
        if outcome.is_err() {
            // Either end of a pair ends both.
            for index in [index, peer] {
                if let Some(side) = self.sides.get_mut(index) {
                    *side = None;
                }
            }
        }
    }

    /// Reads from a side, as long as its peer takes what comes.
    fn pass_on(&mut self, index: usize) -> io::Result<()> {
        loop {
            let Some(Some(side)) = self.sides.get(index) else {
                return Ok(());
            };
            let peer = side.peer;
            if matches!(self.sides.get(peer), Some(Some(other)) if !other.unsent.is_empty()) {
                return Ok(());
            }
            let count = match (&side.socket).read(&mut self.buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let buffer = std::mem::take(&mut self.buffer);
            let sent = self.send(peer, &buffer, buffer.len() - count);
            self.buffer = buffer;
            sent?;
            if count < READ_BUFFER_BYTES {
                return Ok(());
            }
        }
    }

    /// Sends all but the last `beyond` bytes; keeps what the socket does not take.
    fn send(&mut self, index: usize, bytes: &[u8], beyond: usize) -> io::Result<()> {
        let Some(Some(side)) = self.sides.get_mut(index) else {
            return Ok(());
        };
        let mut rest = bytes.get(..bytes.len() - beyond).unwrap_or_default();
        while !rest.is_empty() {
            match side.socket.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    side.unsent.extend_from_slice(rest);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Script;
    use crate::load::{LoadPlan, RunningLoad, Way};
    use crate::machine::free_port;
    use crate::tls::Pair;

    /// Starts one, with other ports if somebody else has taken those that were free.
    fn started() -> SocketAddr {
        let origin = crate::origin::start(0).unwrap().port();
        let folder = crate::machine::Scratch::new().unwrap();
        loop {
            let (ingress, ready) = (free_port().unwrap(), free_port().unwrap());
            let config = folder.path().join("relay.conf");
            fs::write(&config, format!("{ingress} {ready} {origin}")).unwrap();
            let relay = std::thread::spawn(move || run(&config));
            let target = SocketAddr::from((Ipv4Addr::LOCALHOST, ingress));
            while !relay.is_finished() {
                if TcpStream::connect(target).is_ok() {
                    return target;
                }
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn answers_of_any_size_come_back_whole() {
        let target = started();
        for script in [Script::get(), Script::post(), Script::large()] {
            let plan = LoadPlan {
                target,
                connections: 4,
                script,
                rate: None,
                limit: Some(100),
                way: Way::Http1,
                tls: Pair::new().unwrap().client().unwrap(),
            };
            let summary = RunningLoad::start(plan).unwrap().join().unwrap();
            assert_eq!(summary.failures, Vec::<String>::new());
            assert!(summary.completed >= 100);
        }
    }
}
