//! Connections within one machine are not paced.
//!
//! Where the machine's congestion control paces (BBR), each of its packets is weighed and timed. Between two sockets of
//! one machine there is neither a queue nor a loss to find out about, and a request through the proxy costs some 3 %
//! more. There such connections have Reno, which every kernel has, towards applications beside a sidecar and from them;
//! Envoy leaves them as they are. All others stay with the machine's, as do all where the system does not let it be set;
//! those of a listener or cluster that says which itself (`TCP_CONGESTION` of `socket_options`) have that one.
//!
//! A connection is one within the machine if it goes to the loopback, or comes in with the loopback or one and the same
//! address at its ends, as those do that a sidecar has diverted to itself. What the machine does is asked for once.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use socket2::{Domain, SockRef, Socket, Type};

const UNPACED: &[u8] = b"reno";

/// The name of a socket's congestion control.
fn congestion(socket: &impl AsFd) -> Option<Vec<u8>> {
    let mut name = SockRef::from(socket).tcp_congestion().ok()?;
    name.retain(|byte| *byte != 0);
    Some(name)
}

/// The machine's congestion control, if it paces.
fn paced() -> Option<&'static [u8]> {
    static PACED: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let look = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
        let own = congestion(&socket)?;
        own.starts_with(b"bbr").then_some(own)
    };
    PACED.get_or_init(look).as_deref()
}

/// Whether what is accepted by a socket that listens is paced only because the machine does so.
pub fn is_the_machines(listening: &impl AsFd) -> bool {
    paced().is_some_and(|own| congestion(listening).is_some_and(|of_listening| of_listening == own))
}

/// Whether what is at `address` is reached without leaving the machine.
pub fn is_within(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a connection that came in did not leave the machine.
pub fn is_between(local: IpAddr, peer: IpAddr) -> bool {
    is_within(local) || local.to_canonical() == peer.to_canonical()
}

/// Leaves a socket without pacing, or one that listens those that it accepts.
pub fn leave_out(socket: &impl AsFd) {
    if paced().is_some() {
        let _it_is_only_slower_if_this_fails = SockRef::from(socket).set_tcp_congestion(UNPACED);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_connection_of_one_address_or_of_the_loopback_stays_within_the_machine() {
        let between = |local: &str, peer: &str| {
            let parse = |text: &str| text.parse().expect("an address");
            is_between(parse(local), parse(peer))
        };
        assert!(between("127.0.0.6", "10.0.0.1"));
        assert!(between("::1", "::1"));
        assert!(between("::ffff:127.0.0.1", "10.0.0.1"));
        assert!(between("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!between("10.0.0.1", "10.0.0.2"));
        assert!(!between("10.0.0.1", "127.0.0.1"));
    }

    #[test]
    fn only_where_the_machine_paces_are_connections_left_without() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = congestion(&listener).expect("every socket has one");
        assert_eq!(is_the_machines(&listener), own.starts_with(b"bbr"));
        leave_out(&listener);
        let left = congestion(&listener).expect("every socket has one");
        match own.starts_with(b"bbr") {
            true => assert_eq!(left, UNPACED),
            false => assert_eq!(left, own),
        }
        assert!(!is_the_machines(&listener));
    }
}
