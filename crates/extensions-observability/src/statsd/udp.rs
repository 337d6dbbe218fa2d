//! Datagrams to a collector, by IP or to a unix domain socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where a collector is.
#[derive(Clone, Debug)]
pub(crate) enum Collector {
    /// An address and a port.
    Ip(SocketAddr),
    /// A unix domain socket.
    Path(PathBuf),
}

/// An open socket.
#[derive(Debug)]
pub(crate) enum Datagram {
    /// By IP.
    Ip(UdpSocket, SocketAddr),
    /// To a path, which need not be there yet.
    Path(UnixDatagram, PathBuf),
}

impl Datagram {
    /// Opens a socket; nothing is sent.
    pub(crate) fn open(collector: &Collector) -> io::Result<Self> {
        match collector {
            Collector::Ip(address) => {
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Ip(socket, *address))
            }
            Collector::Path(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                Ok(Self::Path(socket, path.clone()))
            }
        }
    }

    /// Sends; what the system does not take is lost, as datagrams are on their way.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let _lost_or_not = match self {
            Self::Ip(socket, address) => socket.send_to(bytes, address),
            Self::Path(socket, path) => socket.send_to(bytes, path),
        };
    }
}
