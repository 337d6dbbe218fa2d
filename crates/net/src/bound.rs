//! Sockets that are bound for a listener, of connections or of datagrams: one a worker, or one that they share.

use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;

use socket2::SockRef;

use crate::datagrams;
use crate::listen_address::ListenAddress;
use crate::listener::{self, ListenOptions};
use crate::pipe::{PipeAddress, Replaced};

/// A bound socket.
#[derive(Debug)]
pub enum BoundSocket {
    /// It listens for connections.
    Connections(TcpListener),
    /// It listens for connections on a unix domain socket.
    Pipe(UnixListener, PipeAddress),
    /// It takes datagrams.
    Datagrams(UdpSocket),
}

impl BoundSocket {
    /// What another process has passed on of an address.
    pub fn from_descriptor(
        descriptor: OwnedFd,
        address: &ListenAddress,
        is_of_datagrams: bool,
    ) -> Self {
        match (address, is_of_datagrams) {
            (ListenAddress::Pipe(pipe), _) => BoundSocket::Pipe(descriptor.into(), pipe.clone()),
            (ListenAddress::Ip(_), true) => BoundSocket::Datagrams(descriptor.into()),
            (ListenAddress::Ip(_), false) => BoundSocket::Connections(descriptor.into()),
        }
    }

    /// Another descriptor of the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            BoundSocket::Connections(socket) => BoundSocket::Connections(socket.try_clone()?),
            BoundSocket::Pipe(socket, at) => BoundSocket::Pipe(socket.try_clone()?, at.clone()),
            BoundSocket::Datagrams(socket) => BoundSocket::Datagrams(socket.try_clone()?),
        })
    }

    /// Where it is bound; with the real port where 0 was asked for.
    pub fn local_addr(&self) -> io::Result<ListenAddress> {
        match self {
            BoundSocket::Connections(socket) => socket.local_addr().map(ListenAddress::Ip),
            BoundSocket::Pipe(_, at) => Ok(ListenAddress::Pipe(at.clone())),
            BoundSocket::Datagrams(socket) => socket.local_addr().map(ListenAddress::Ip),
        }
    }

    /// Lets another number of connections wait; of datagrams none does.
    pub fn set_backlog(&self, backlog: u32) -> io::Result<()> {
        match self {
            BoundSocket::Connections(_) | BoundSocket::Pipe(..) => {
                listener::set_backlog(&self.as_fd(), backlog)
            }
            BoundSocket::Datagrams(_) => Ok(()),
        }
    }
}

impl AsFd for BoundSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            BoundSocket::Connections(socket) => socket.as_fd(),
            BoundSocket::Pipe(socket, _) => socket.as_fd(),
            BoundSocket::Datagrams(socket) => socket.as_fd(),
        }
    }
}

impl From<BoundSocket> for OwnedFd {
    fn from(socket: BoundSocket) -> Self {
        match socket {
            BoundSocket::Connections(socket) => socket.into(),
            BoundSocket::Pipe(socket, _) => socket.into(),
            BoundSocket::Datagrams(socket) => socket.into(),
        }
    }
}

/// Binds `count` sockets, one a worker, or none if there are to be none. Port 0 takes a free port, the same for all.
/// With them comes what they take the place of, which is back unless it is told that they stay.
pub fn bind(
    address: &ListenAddress,
    count: usize,
    options: &ListenOptions,
) -> io::Result<(Vec<BoundSocket>, Option<Replaced>)> {
    if !options.binds {
        return Ok((Vec::new(), None));
    }
    let (first, replaced) = bind_for_now(address, options)?;
    let mut sockets = vec![first];
    bind_more(&mut sockets, count, options)?;
    Ok((sockets, replaced))
}

/// Adds to sockets that are bound to one address until there are `count`: others if they and the options reuse their
/// port, else copies. Nothing is added where there are none.
pub fn bind_more(
    sockets: &mut Vec<BoundSocket>,
    count: usize,
    options: &ListenOptions,
) -> io::Result<()> {
    let Some(first) = sockets.first() else {
        return Ok(());
    };
    let bound = first.local_addr()?;
    let reuses_port =
        options.reuse_port && bound.ip().is_some() && SockRef::from(first).reuse_port()?;
    let bound_already = sockets.len();
    for number in bound_already..count {
        let next = match sockets.get(number % bound_already) {
            Some(shared) if !reuses_port => shared.try_clone()?,
            _ => bind_one(&bound, options)?,
        };
        sockets.push(next);
    }
    Ok(())
}

/// Binds one socket for good.
///
/// # Errors
/// It cannot be bound, or an option not be set.
pub fn bind_one(address: &ListenAddress, options: &ListenOptions) -> io::Result<BoundSocket> {
    let (socket, replaced) = bind_for_now(address, options)?;
    if let Some(replaced) = replaced {
        replaced.keep();
    }
    Ok(socket)
}

fn bind_for_now(
    address: &ListenAddress,
    options: &ListenOptions,
) -> io::Result<(BoundSocket, Option<Replaced>)> {
    let socket = match (address, options.datagrams) {
        (ListenAddress::Pipe(pipe), _) => {
            let (socket, replaced) = pipe.bind_for_now(options)?;
            return Ok((BoundSocket::Pipe(socket, pipe.clone()), replaced));
        }
        (ListenAddress::Ip(at), true) => BoundSocket::Datagrams(datagrams::bind(*at, options)?),
        (ListenAddress::Ip(at), false) => {
            BoundSocket::Connections(listener::bind_one(*at, options)?)
        }
    };
    Ok((socket, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both_kinds() -> [ListenOptions; 2] {
        [false, true].map(|datagrams| ListenOptions {
            datagrams,
            ..ListenOptions::default()
        })
    }

    fn at(address: &str) -> ListenAddress {
        ListenAddress::Ip(address.parse().expect("an address"))
    }

    fn any() -> ListenAddress {
        at("127.0.0.1:0")
    }

    fn port(socket: &BoundSocket) -> u16 {
        let bound = socket.local_addr().expect("it is bound");
        bound.port().expect("it has one")
    }

    #[test]
    fn every_worker_gets_a_socket_on_the_same_free_port() {
        for options in both_kinds() {
            let (sockets, _) = bind(&any(), 3, &options).expect("a free port can be bound");
            assert_eq!(sockets.len(), 3);
            let first = port(&sockets[0]);
            assert!(first != 0 && sockets.iter().all(|socket| port(socket) == first));
        }
    }

    #[test]
    fn sockets_that_are_bound_already_get_company_on_their_port() {
        for options in both_kinds() {
            let alone = ListenOptions {
                reuse_port: false,
                ..options.clone()
            };
            for first in [alone, options.clone()] {
                let (mut sockets, _) = bind(&any(), 1, &first).expect("a free port can be bound");
                // What the others want does not count where the first one does not share its port.
                bind_more(&mut sockets, 3, &options).expect("the port can be shared");
                assert_eq!(sockets.len(), 3);
                let first = port(&sockets[0]);
                assert!(sockets.iter().all(|socket| port(socket) == first));
            }
        }
    }

    #[test]
    fn a_port_that_is_taken_is_an_error() {
        for options in both_kinds() {
            let (sockets, _) = bind(&any(), 1, &options).expect("a free port can be bound");
            let address = sockets[0].local_addr().expect("it is bound");
            let alone = ListenOptions {
                reuse_port: false,
                ..options
            };
            let error = bind(&address, 1, &alone).expect_err("the port is taken");
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn connections_and_datagrams_do_not_take_each_others_ports() {
        let [connections, datagrams] = both_kinds();
        let (sockets, _) = bind(&any(), 1, &connections).expect("a free port can be bound");
        let address = sockets[0].local_addr().expect("it is bound");
        bind(&address, 1, &datagrams).expect("it is another protocol's port");
    }

    #[test]
    fn workers_share_the_socket_of_a_path() {
        let name = format!("nuncio-bound-{}", std::process::id());
        let path = std::env::temp_dir().join(name).display().to_string();
        let address = ListenAddress::Pipe(PipeAddress::new(&path, 0));
        let bound = bind(&address, 3, &ListenOptions::default());
        let (sockets, _back_when_dropped) = bound.expect("it is free");
        assert_eq!(sockets.len(), 3);
        // Each takes a connection of the one queue.
        for socket in &sockets {
            let _client = std::os::unix::net::UnixStream::connect(&path).expect("it listens");
            let BoundSocket::Pipe(socket, _) = socket else {
                panic!("it is of a path");
            };
            socket.accept().expect("a connection waits");
        }
    }

    #[test]
    fn a_listener_that_does_not_bind_has_no_sockets() {
        let options = ListenOptions {
            binds: false,
            ..ListenOptions::default()
        };
        let address = at("192.0.2.1:80");
        let (sockets, _) = bind(&address, 2, &options).expect("there is nothing to be done");
        assert!(sockets.is_empty());
    }
}
