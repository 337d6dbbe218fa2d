//! Listening sockets: bound once on the main thread (`bound.rs`), so that errors come at start, accepted on the workers.
//!
//! With SO_REUSEPORT each worker has a socket of its own and the kernel spreads the connections; without it
//! the workers share one. Backlog: by default as much as the system allows (`net.core.somaxconn`), as Envoy's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::connect::Keepalive;
use crate::pacing;
use crate::socket_options::{SocketOptions, SocketState};

/// How a socket listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// One socket a worker.
    pub reuse_port: bool,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Whether an IPv6 socket takes IPv4 as well.
    pub ipv4_compat: bool,
    /// Whether the address need not be one of this machine.
    pub freebind: bool,
    /// Whether connections that the system diverts here (TPROXY) keep the address that they were going to.
    pub transparent: bool,
    /// Whether it takes datagrams and not connections.
    pub datagrams: bool,
    /// Whether there is a socket at all.
    pub binds: bool,
    /// Keepalive of the connections.
    pub keepalive: Option<Keepalive>,
    /// Whether clients may use several ways at once (MPTCP).
    pub multipath: bool,
    /// Others.
    pub others: SocketOptions,
}

impl ListenOptions {
    /// As many waiting connections as the system allows.
    pub const MOST_BACKLOG: u32 = u32::MAX;
}

impl Default for ListenOptions {
    fn default() -> Self {
        ListenOptions {
            reuse_port: true,
            backlog: Self::MOST_BACKLOG,
            ipv4_compat: false,
            freebind: false,
            transparent: false,
            datagrams: false,
            binds: true,
            keepalive: None,
            multipath: false,
            others: SocketOptions::default(),
        }
    }
}

/// Lets another number of connections wait, of a socket that listens already.
pub fn set_backlog(socket: &impl AsFd, backlog: u32) -> io::Result<()> {
    SockRef::from(socket).listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

/// Binds one socket.
pub fn bind_one(address: SocketAddr, options: &ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(match options.multipath {
            true => Protocol::MPTCP,
            false => Protocol::TCP,
        }),
    )?;
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!options.ipv4_compat)?;
    }
    reach_further(&socket, address, options)?;
    if let Some(keepalive) = &options.keepalive {
        keepalive.apply(&SockRef::from(&socket))?;
    }
    if pacing::is_within(address.ip()) {
        pacing::leave_out(&socket);
    }
    let set_others = |state| options.others.apply(socket.as_fd(), state);
    set_others(SocketState::BeforeBind)?;
    socket.bind(&address.into())?;
    set_others(SocketState::Bound)?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    set_others(SocketState::Listening)?;
    Ok(socket.into())
}

/// Sets what lets a socket take addresses that are not this machine's. An IPv6 socket may take IPv4 as well.
pub(crate) fn reach_further(
    socket: &Socket,
    address: SocketAddr,
    options: &ListenOptions,
) -> io::Result<()> {
    let takes_ipv4 = address.is_ipv4() || options.ipv4_compat;
    if options.freebind && takes_ipv4 {
        socket.set_freebind_v4(true)?;
    }
    if options.freebind && address.is_ipv6() {
        socket.set_freebind_v6(true)?;
    }
    if options.transparent && takes_ipv4 {
        socket.set_ip_transparent_v4(true)?;
    }
    if options.transparent && address.is_ipv6() {
        socket.set_ip_transparent_v6(true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_backlog_of_a_listening_socket_can_change() {
        let any = "127.0.0.1:0".parse().expect("an address");
        let socket = bind_one(any, &ListenOptions::default()).expect("a free port can be bound");
        set_backlog(&socket, 1).expect("it listens already");
        let address = socket.local_addr().expect("it is bound");
        std::net::TcpStream::connect(address).expect("it still listens");
    }

    #[test]
    fn connections_have_the_keepalive_of_their_listener() {
        let keepalive = Keepalive {
            probes: Some(3),
            time: Some(Duration::from_secs(77)),
            interval: None,
        };
        let options = ListenOptions {
            keepalive: Some(keepalive),
            ..ListenOptions::default()
        };
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = bind_one(address, &options).expect("a free port can be bound");
        listener.set_nonblocking(false).expect("it is a socket");
        let address = listener.local_addr().expect("it is bound");
        let _client = std::net::TcpStream::connect(address).expect("it listens");
        let (served, _) = listener.accept().expect("a connection");
        let served = SockRef::from(&served);
        assert!(served.keepalive().expect("an option"));
        let time = served.tcp_keepalive_time().expect("an option");
        assert_eq!(time, Duration::from_secs(77));
        assert_eq!(served.tcp_keepalive_retries().expect("an option"), 3);
    }

    #[test]
    fn an_address_of_another_machine_can_be_bound_if_wanted() {
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let address: SocketAddr = address.parse().expect("an address");
            if address.is_ipv6() && TcpListener::bind("[::1]:0").is_err() {
                continue;
            }
            let options = ListenOptions {
                freebind: true,
                ..ListenOptions::default()
            };
            let bound = bind_one(address, &options).expect("it need not be this machine's");
            assert_eq!(bound.local_addr().expect("it is bound").ip(), address.ip());
            bind_one(address, &ListenOptions::default()).expect_err("it is another machine's");
        }
    }
}
