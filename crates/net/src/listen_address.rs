//! Where a listener listens: an IP address and port, or a unix domain socket.

use std::fmt;
use std::net::SocketAddr;

use nuncio_contract::stream_info::Address;

use crate::pipe::PipeAddress;

/// An address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// At an address and port; port 0 takes a free one.
    Ip(SocketAddr),
    /// On a unix domain socket.
    Pipe(PipeAddress),
}

impl ListenAddress {
    /// The address and port, if it has any.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            ListenAddress::Ip(address) => Some(*address),
            ListenAddress::Pipe(_) => None,
        }
    }

    /// The port, if it has any.
    pub fn port(&self) -> Option<u16> {
        self.ip().map(|address| address.port())
    }

    /// Whether the system chooses where it is bound.
    pub fn is_chosen_late(&self) -> bool {
        self.port() == Some(0)
    }

    /// As logs and headers show it.
    pub fn shown(&self) -> Address {
        match self {
            ListenAddress::Ip(address) => Address::Ip(*address),
            ListenAddress::Pipe(pipe) => Address::Pipe(pipe.path.clone()),
        }
    }

    /// Whether both are one place, whatever permissions it has.
    pub fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (ListenAddress::Pipe(one), ListenAddress::Pipe(other)) => one.path == other.path,
            _ => self == other,
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        ListenAddress::Ip(address)
    }
}

impl From<PipeAddress> for ListenAddress {
    fn from(address: PipeAddress) -> Self {
        ListenAddress::Pipe(address)
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Ip(address) => address.fmt(formatter),
            ListenAddress::Pipe(pipe) => pipe.fmt(formatter),
        }
    }
}
