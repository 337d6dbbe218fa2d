//! A receiver of datagrams: each a report of its own.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::thread;

use super::Shared;

/// Takes what comes for ever.
pub(super) fn listen(shared: Arc<Shared>) -> io::Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = socket.local_addr()?.port();
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count) = socket.recv(&mut bytes) {
            shared.take_datagram(&bytes[..count]);
        }
    });
    Ok(port)
}
