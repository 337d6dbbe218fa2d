//! Sockets of datagrams: how they are read, and the one that clients send to and that answers leave from.
//!
//! Up to 64 reads are done in a turn; 1,500 bytes a datagram are taken by default.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nuncio_config::message;
use nuncio_net::datagrams::{ReceiveBuffer, Received, prepare, send_from};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

/// How often a socket is read before others have their turn.
pub(crate) const READS_A_TURN: usize = 64;

const DEFAULT_MAX_DATAGRAM_BYTES: usize = 1500;

message! {
    /// How a socket is read.
    pub(crate) struct SocketMessage: "envoy.config.core.v3.UdpSocketConfig" {
        max_rx_datagram_size: Option<u64>,
        prefer_gro: Option<bool>,
    }
}

/// How a socket is read, compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketConfig {
    /// Longer datagrams are dropped, where the kernel does not join them.
    pub max_datagram_bytes: usize,
    /// Whether the kernel may join datagrams of one size.
    pub joins: bool,
}

impl SocketConfig {
    pub(crate) fn compile(message: Option<&SocketMessage>, joins_by_default: bool) -> Self {
        let size = message.and_then(|message| message.max_rx_datagram_size);
        let size = size.and_then(|size| usize::try_from(size).ok());
        SocketConfig {
            max_datagram_bytes: size.unwrap_or(DEFAULT_MAX_DATAGRAM_BYTES),
            joins: message
                .and_then(|message| message.prefer_gro)
                .unwrap_or(joins_by_default),
        }
    }
}

/// What is waited for before a read.
pub(crate) const READS: Interest = Interest::READABLE.add(Interest::ERROR);

/// A bound socket, registered with the worker's event loop.
pub(crate) struct ListeningSocket {
    socket: UdpSocket,
    address: SocketAddr,
    joins_writes: bool,
}

impl ListeningSocket {
    pub(crate) fn new(
        socket: std::net::UdpSocket,
        joins: bool,
        joins_writes: bool,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        prepare(&socket, joins)?;
        Ok(ListeningSocket {
            address: socket.local_addr()?,
            socket: UdpSocket::from_std(socket)?,
            joins_writes,
        })
    }

    /// Waits until there is something to read, were it an error.
    pub(crate) async fn ready(&self) -> io::Result<Ready> {
        self.socket.ready(READS).await
    }

    /// Reads once, without waiting.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut ReceiveBuffer) -> io::Result<Received<'b>> {
        receive(&self.socket, buffer)
    }

    /// Where it is bound, with the address that a datagram was sent to.
    pub(crate) fn address(&self, local: Option<IpAddr>) -> SocketAddr {
        SocketAddr::new(local.unwrap_or(self.address.ip()), self.address.port())
    }

    /// Sends datagrams of one size, but for the last, to a client, from the address that it has sent to. Gives how many
    /// went and how many failed.
    pub(crate) fn answer(
        &self,
        (bytes, segment_bytes): (&[u8], usize),
        client: SocketAddr,
        from: IpAddr,
    ) -> (u64, u64) {
        let from = self.address.ip().is_unspecified().then_some(from);
        // A socket of IPv6 takes addresses of IPv4 inside of its own; what they leave from is chosen by IPv4.
        let from = match from {
            Some(IpAddr::V6(ip)) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
            other => other,
        };
        if self.joins_writes || segment_bytes == 0 {
            return send_from(&self.socket, (bytes, segment_bytes), client, from);
        }
        let each = bytes.chunks(segment_bytes);
        let each = each.map(|one| send_from(&self.socket, (one, one.len()), client, from));
        each.fold((0, 0), |(sent, failed), (more_sent, more_failed)| {
            (sent + more_sent, failed + more_failed)
        })
    }
}

/// Reads once, without waiting. Nothing else on this thread looks at the socket between the read and the note that
/// there is nothing more.
pub(crate) fn receive<'b>(
    socket: &UdpSocket,
    buffer: &'b mut ReceiveBuffer,
) -> io::Result<Received<'b>> {
    match buffer.receive(socket) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            for interest in [Interest::READABLE, Interest::ERROR] {
                let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                let _waits_for_more = socket.try_io(interest, nothing);
            }
            Err(error)
        }
        read => read,
    }
}
