//! Sockets of datagrams to hosts, made with what connections to them are made with.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::SockRef;

use super::open;
use crate::connect::{ConnectOptions, may_be_elsewhere};
use crate::socket_options::SocketState;

/// Opens a socket of datagrams to `address`, from where connections would come.
///
/// # Errors
/// What the system says.
pub fn open_towards(address: SocketAddr, options: &ConnectOptions) -> io::Result<UdpSocket> {
    let socket = open(address)?;
    let mut others = &options.others;
    let source = options.sources.as_deref().map(|sources| {
        let (source, own) = sources.towards(address);
        others = own.unwrap_or(others);
        (source, sources.freebind)
    });
    others.apply(socket.as_fd(), SocketState::BeforeBind)?;
    if let Some((source, freebind)) = source {
        may_be_elsewhere(&SockRef::from(&socket), source, freebind)?;
        socket.bind(&source.into())?;
    }
    socket.connect(&address.into())?;
    Ok(socket.into())
}
