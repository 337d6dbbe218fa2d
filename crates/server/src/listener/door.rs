//! What connections come in by on a worker: a socket of an IP address, or one of a path.
//!
//! Who connects to a path has no address; as in Envoy it has that of the listener, whatever it is bound to itself.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use nuncio_contract::stream_info::Address;
use nuncio_net::bound::BoundSocket;
use nuncio_net::pipe;
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Who connects, and to which address.
pub(super) type Ends = (Address, Option<Address>);

/// A socket that listens, in the event loop.
pub(super) enum Door {
    Ip(TcpListener),
    Pipe(UnixListener, Address),
}

impl Door {
    /// Has the event loop look at a socket.
    ///
    /// # Errors
    /// It does not take it, or it is of datagrams.
    pub(super) fn of(socket: BoundSocket) -> io::Result<Self> {
        match socket {
            BoundSocket::Connections(socket) => {
                socket.set_nonblocking(true)?;
                Ok(Door::Ip(TcpListener::from_std(socket)?))
            }
            BoundSocket::Pipe(socket, at) => {
                socket.set_nonblocking(true)?;
                let socket = UnixListener::from_std(socket)?;
                Ok(Door::Pipe(socket, Address::Pipe(at.path)))
            }
            BoundSocket::Datagrams(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, Ends)>> {
        Poll::Ready(match self {
            Door::Ip(socket) => {
                let (stream, peer) = ready!(socket.poll_accept(cx))?;
                let _nagle_stays_on_if_this_fails = stream.set_nodelay(true);
                let local = stream.local_addr().ok().map(Address::from);
                Ok((stream, (peer.into(), local)))
            }
            Door::Pipe(socket, at) => {
                let (stream, _) = ready!(socket.poll_accept(cx))?;
                Ok((pipe::stream(stream)?, (at.clone(), Some(at.clone()))))
            }
        })
    }

    /// Gives `admit` the connections that wait, and closes the socket. One that the event loop does not take is closed,
    /// and the others go on.
    ///
    /// # Errors
    /// The event loop does not let go of the socket.
    pub(super) fn close(self, admit: impl Fn(TcpStream, Ends)) -> io::Result<()> {
        match self {
            Door::Ip(socket) => {
                let socket = socket.into_std()?;
                while let Ok((stream, peer)) = socket.accept() {
                    let Ok(stream) = in_event_loop(stream) else {
                        continue;
                    };
                    let _nagle_stays_on_if_this_fails = stream.set_nodelay(true);
                    let local = stream.local_addr().ok().map(Address::from);
                    admit(stream, (peer.into(), local));
                }
            }
            Door::Pipe(socket, at) => {
                let socket = socket.into_std()?;
                while let Ok((stream, _)) = socket.accept() {
                    if let Ok(stream) = in_event_loop(OwnedFd::from(stream).into()) {
                        admit(stream, (at.clone(), Some(at.clone())));
                    }
                }
            }
        }
        Ok(())
    }
}

fn in_event_loop(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
