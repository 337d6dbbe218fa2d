//! What connections come in by on a worker: a socket of an IP address, or one of a path.
//!
//! Who connects to a path has no address; as in Envoy it has that of the listener, whatever it is bound to itself.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use nuncio_contract::stream_info::Address;
use nuncio_net::bound::BoundSocket;
use nuncio_net::{pacing, pipe};
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Who connects, and to which address.
pub(super) type Ends = (Address, Option<Address>);

/// A socket that listens, in the event loop.
pub(super) enum Door {
    /// With it, whether its connections are paced, and only because the machine does so.
    Ip(TcpListener, bool),
    Pipe(UnixListener, Address),
}

impl Door {
    /// Has the event loop look at a socket. Its connections' congestion control is left as it is if the listener
    /// `chooses_congestion`.
    ///
    /// # Errors
    /// It does not take it, or it is of datagrams.
    pub(super) fn of(socket: BoundSocket, chooses_congestion: bool) -> io::Result<Self> {
        match socket {
            BoundSocket::Connections(socket) => {
                socket.set_nonblocking(true)?;
                let is_paced = !chooses_congestion && pacing::is_the_machines(&socket);
                Ok(Door::Ip(TcpListener::from_std(socket)?, is_paced))
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
            Door::Ip(socket, is_paced) => {
                let (stream, peer) = ready!(socket.poll_accept(cx))?;
                let ends = ends(&stream, peer, *is_paced);
                Ok((stream, ends))
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
            Door::Ip(socket, is_paced) => {
                let socket = socket.into_std()?;
                while let Ok((stream, peer)) = socket.accept() {
                    let Ok(stream) = in_event_loop(stream) else {
                        continue;
                    };
                    let ends = ends(&stream, peer, is_paced);
                    admit(stream, ends);
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

/// The ends of a connection that has come in, whose socket is set up.
fn ends(stream: &TcpStream, peer: SocketAddr, is_paced: bool) -> Ends {
    let _nagle_stays_on_if_this_fails = stream.set_nodelay(true);
    let local = stream.local_addr().ok();
    if is_paced && local.is_some_and(|local| pacing::is_between(local.ip(), peer.ip())) {
        pacing::leave_out(stream);
    }
    (peer.into(), local.map(Address::from))
}

fn in_event_loop(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use nuncio_net::listener::{ListenOptions, bind_one};
    use socket2::SockRef;

    use super::*;

    fn congestion(socket: &impl std::os::fd::AsFd) -> Vec<u8> {
        let name = SockRef::from(socket).tcp_congestion();
        name.expect("every socket has one")
    }

    async fn congestion_of_an_accepted_connection(chooses_congestion: bool) -> (Vec<u8>, Vec<u8>) {
        let bound = bind_one(([0, 0, 0, 0], 0).into(), &ListenOptions::default());
        let socket = bound.expect("a free port can be bound");
        let port = socket.local_addr().expect("it is bound").port();
        let of_listener = congestion(&socket);
        let door = Door::of(BoundSocket::Connections(socket), chooses_congestion);
        let door = door.expect("the event loop takes it");
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it is queued");
        let (stream, _) = poll_fn(|cx| door.poll_accept(cx)).await.expect("one waits");
        (of_listener, congestion(&stream))
    }

    #[tokio::test]
    async fn a_congestion_control_that_the_listener_chose_stays() {
        let (of_listener, of_connection) = congestion_of_an_accepted_connection(true).await;
        assert_eq!(of_connection, of_listener);
    }

    #[tokio::test]
    async fn one_that_paces_because_the_machine_does_so_does_not() {
        let (_, of_connection) = congestion_of_an_accepted_connection(false).await;
        assert!(!of_connection.starts_with(b"bbr"));
    }
}
