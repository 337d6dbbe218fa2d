//! The socket options that can be set by number: those of Linux's `socket(7)`, `ip(7)`, `ipv6(7)`, `tcp(7)`, `udp(7)`.
//!
//! Each is a type of its own, since that is how they are set without `unsafe` code; all are called in one way.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use nix::sys::socket::setsockopt;

/// An option.
#[derive(Debug)]
pub(super) struct Known {
    level: i32,
    name: i32,
    set: fn(BorrowedFd<'_>, &OsString) -> nix::Result<()>,
}

impl Known {
    /// The one of this level and number.
    pub(super) fn find(level: i64, name: i64) -> Option<&'static Known> {
        ALL.iter()
            .find(|known| (i64::from(known.level), i64::from(known.name)) == (level, name))
    }

    /// Whether it is the one of this level and number.
    pub(super) fn is(&self, level: i32, name: i32) -> bool {
        (self.level, self.name) == (level, name)
    }

    /// Sets it.
    pub(super) fn set(&self, socket: BorrowedFd<'_>, value: &[u8]) -> io::Result<()> {
        (self.set)(socket, &OsStr::from_bytes(value).to_owned()).map_err(io::Error::from)
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.level, other.name)
    }
}

impl Eq for Known {}

macro_rules! known {
    ($($level:ident: $($name:ident)+;)+) => {
        static ALL: &[Known] = &[$($({
            #[derive(Clone, Copy, Debug)]
            #[allow(non_camel_case_types, reason = "it is the system's name")]
            struct $name;
            nix::setsockopt_impl!(
                $name, libc::$level, libc::$name, OsString, nix::sys::socket::sockopt::SetOsString<'_>
            );
            Known {
                level: libc::$level,
                name: libc::$name,
                set: |socket, value| setsockopt(&socket, $name, value),
            }
        }),+),+];
    };
}

known! {
    SOL_SOCKET: SO_DEBUG SO_REUSEADDR SO_DONTROUTE SO_BROADCAST SO_SNDBUF SO_RCVBUF SO_KEEPALIVE SO_OOBINLINE
        SO_PRIORITY SO_LINGER SO_REUSEPORT SO_PASSCRED SO_RCVLOWAT SO_RCVTIMEO SO_SNDTIMEO SO_BINDTODEVICE
        SO_TIMESTAMP SO_TIMESTAMPNS SO_TIMESTAMPING SO_MARK SO_RXQ_OVFL SO_SNDBUFFORCE SO_RCVBUFFORCE SO_BUSY_POLL
        SO_INCOMING_CPU SO_MAX_PACING_RATE SO_ZEROCOPY SO_TXTIME SO_NO_CHECK SO_ATTACH_FILTER SO_DETACH_FILTER
        SO_LOCK_FILTER SO_PEEK_OFF SO_SELECT_ERR_QUEUE SO_PREFER_BUSY_POLL SO_BUSY_POLL_BUDGET;
    IPPROTO_IP: IP_TOS IP_TTL IP_OPTIONS IP_RECVOPTS IP_RETOPTS IP_PKTINFO IP_MTU_DISCOVER IP_RECVERR IP_RECVTTL
        IP_RECVTOS IP_FREEBIND IP_TRANSPARENT IP_ORIGDSTADDR IP_MINTTL IP_NODEFRAG IP_BIND_ADDRESS_NO_PORT
        IP_MULTICAST_IF IP_MULTICAST_TTL IP_MULTICAST_LOOP IP_ADD_MEMBERSHIP IP_DROP_MEMBERSHIP IP_MULTICAST_ALL
        IP_UNICAST_IF;
    IPPROTO_IPV6: IPV6_UNICAST_HOPS IPV6_MULTICAST_IF IPV6_MULTICAST_HOPS IPV6_MULTICAST_LOOP IPV6_ADD_MEMBERSHIP
        IPV6_DROP_MEMBERSHIP IPV6_MTU_DISCOVER IPV6_MTU IPV6_RECVERR IPV6_V6ONLY IPV6_RECVPKTINFO IPV6_RECVHOPLIMIT
        IPV6_RECVTCLASS IPV6_TCLASS IPV6_DONTFRAG IPV6_AUTOFLOWLABEL IPV6_ADDR_PREFERENCES IPV6_MINHOPCOUNT
        IPV6_ORIGDSTADDR IPV6_TRANSPARENT IPV6_UNICAST_IF IPV6_FREEBIND;
    IPPROTO_TCP: TCP_NODELAY TCP_MAXSEG TCP_CORK TCP_KEEPIDLE TCP_KEEPINTVL TCP_KEEPCNT TCP_SYNCNT TCP_LINGER2
        TCP_DEFER_ACCEPT TCP_WINDOW_CLAMP TCP_QUICKACK TCP_CONGESTION TCP_MD5SIG TCP_THIN_LINEAR_TIMEOUTS
        TCP_THIN_DUPACK TCP_USER_TIMEOUT TCP_FASTOPEN TCP_TIMESTAMP TCP_NOTSENT_LOWAT TCP_SAVE_SYN
        TCP_FASTOPEN_CONNECT TCP_ULP TCP_FASTOPEN_KEY TCP_FASTOPEN_NO_COOKIE TCP_INQ;
    IPPROTO_UDP: UDP_CORK UDP_ENCAP UDP_NO_CHECK6_TX UDP_NO_CHECK6_RX UDP_SEGMENT UDP_GRO;
}
