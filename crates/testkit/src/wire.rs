//! A connection of a test: plain or under TLS, on either side.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::{ClientConnection, ServerConnection, StreamOwned};
use socket2::SockRef;

/// A connection.
pub enum Wire {
    /// Without TLS.
    Plain(TcpStream),
    /// The side that was connected to.
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
    /// The side that connected.
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// The socket below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Server(stream) => &stream.sock,
            Self::Client(stream) => &stream.sock,
        }
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&mut self) {
        self.notify();
        let _ = self.socket().shutdown(Shutdown::Write);
    }

    /// Closes in an orderly way.
    pub fn close(&mut self) {
        self.notify();
        let _ = self.socket().shutdown(Shutdown::Both);
    }

    fn notify(&mut self) {
        match self {
            Self::Plain(_) => {}
            Self::Server(stream) => stream.conn.send_close_notify(),
            Self::Client(stream) => stream.conn.send_close_notify(),
        }
        let _ = self.flush();
    }

    /// Closes with a TCP reset.
    pub fn reset(&self) {
        // A zero linger turns the close into a reset; the clones held elsewhere must not delay it,
        // so the socket is also told to stop at once.
        let _ = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
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
            Self::Server(stream) => stream.read(buffer),
            Self::Client(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Server(stream) => stream.write(bytes),
            Self::Client(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Server(stream) => stream.flush(),
            Self::Client(stream) => stream.flush(),
        }
    }
}

/// The TLS alert that the peer sent, or what was wrong with what it sent, if that is why a read
/// failed.
#[must_use]
pub fn alert(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(match error {
        rustls::Error::AlertReceived(alert) => format!("{alert:?}"),
        other => format!("none: {other}"),
    })
}
