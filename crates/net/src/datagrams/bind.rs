//! Binding sockets of datagrams, and what is set on them.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::listener::{ListenOptions, reach_further};
use crate::socket_options::SocketState;

/// Binds a socket. Port 0 takes a free port.
pub fn bind(address: SocketAddr, options: &ListenOptions) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!options.ipv4_compat)?;
    }
    reach_further(&socket, address, options)?;
    options
        .others
        .apply(socket.as_fd(), SocketState::BeforeBind)?;
    socket.bind(&address.into())?;
    options.others.apply(socket.as_fd(), SocketState::Bound)?;
    Ok(socket.into())
}

/// A socket that can send to `address`, neither bound nor connected.
pub fn open(address: SocketAddr) -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking();
    Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))
}

/// Has the kernel say where each datagram was sent to and what it had no room for, and, if `joins`, join datagrams of
/// one size. A kernel that cannot join them does not.
pub fn prepare(socket: &UdpSocket, joins: bool) -> io::Result<()> {
    let local = socket.local_addr()?;
    let takes_ipv4 = local.is_ipv4() || !SockRef::from(socket).only_v6()?;
    if takes_ipv4 {
        setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    if local.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    setsockopt(socket, sockopt::RxqOvfl, &1)?;
    if joins {
        let _older_kernels_do_not_know_it = setsockopt(socket, sockopt::UdpGroSegment, &true);
    }
    Ok(())
}

/// The same for QUIC: the kernel joins datagrams where it can, and tells what routers have marked. Packets are not cut
/// into pieces on their way (RFC 9000, 14), nor does the kernel guess how long they may be.
pub fn prepare_for_quic(socket: &UdpSocket) -> io::Result<()> {
    prepare(socket, true)?;
    let local = socket.local_addr()?;
    if local.is_ipv4() || !SockRef::from(socket).only_v6()? {
        setsockopt(socket, sockopt::IpRecvTos, &true)?;
        set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?;
    }
    if local.is_ipv6() {
        setsockopt(socket, sockopt::Ipv6RecvTClass, &true)?;
        set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE)?;
    }
    Ok(())
}
