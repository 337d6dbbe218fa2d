//! Opening TCP connections: socket options, and failures told the way Envoy tells them.
//!
//! Follows Envoy's `ConnectionImpl`: no-delay always; an error at the call itself is an "immediate connect
//! error", one that comes later a "delayed connect error". Those to the loopback are not paced (`pacing.rs`).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use crate::pacing;
use crate::socket_options::{SocketOptions, SocketState};

/// Options of a socket to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectOptions {
    /// `SO_KEEPALIVE` and its times.
    pub keepalive: Option<Keepalive>,
    /// Addresses to connect from, if the system is not to choose.
    pub sources: Option<Box<Sources>>,
    /// Others; those of its own an address to connect from may have.
    pub others: SocketOptions,
}

/// Addresses to connect from. Where there are two, each is of another IP version, and that of the host counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The first; the only one counts for every host.
    pub first: SocketAddr,
    /// The other.
    pub other: Option<SocketAddr>,
    /// An address may be one that this machine does not have.
    pub freebind: bool,
    /// Options that count in the place of the others, where connections come from the other one.
    pub options_of_other: Option<SocketOptions>,
    /// The address is a client's, and this is the mark of the packets (0 for none).
    pub of_client: Option<u32>,
}

impl Sources {
    /// A client's address, which this machine need not have, and the mark of the packets.
    pub fn of_client(address: SocketAddr, mark: u32) -> Self {
        Sources {
            first: address,
            other: None,
            freebind: false,
            options_of_other: None,
            of_client: Some(mark),
        }
    }

    /// The one for a host at this address.
    pub(crate) fn towards(&self, address: SocketAddr) -> (SocketAddr, Option<&SocketOptions>) {
        let other = self.other.filter(|other| {
            other.is_ipv4() == address.is_ipv4() && self.first.is_ipv4() != address.is_ipv4()
        });
        match other {
            Some(other) => (other, self.options_of_other.as_ref()),
            None => (self.first, None),
        }
    }
}

/// TCP keepalive; what is not set stays the system's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keepalive {
    /// Unanswered probes before the connection is dropped.
    pub probes: Option<u32>,
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}

/// Why no connection came about.
#[derive(Debug)]
pub struct ConnectError {
    /// The system's error.
    pub source: io::Error,
    /// Refused at the call itself: bad address, no route, no socket to be had.
    pub immediate: bool,
    /// Where to.
    pub address: SocketAddr,
    /// The address to connect from, if that is what could not be had.
    pub unbound: Option<SocketAddr>,
    /// Whether an option could not be set.
    pub is_unfit: bool,
}

impl std::error::Error for ConnectError {}

impl std::fmt::Display for ConnectError {
    /// Envoy's transport failure reason.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_unfit {
            return Ok(());
        }
        let text = error_text(&self.source);
        if let Some(source) = self.unbound {
            return write!(f, "failed to bind to {source}: {text}");
        }
        match self.immediate {
            true => write!(
                f,
                "immediate connect error: {text}|remote address:{}",
                self.address
            ),
            false => write!(f, "delayed connect error: {text}"),
        }
    }
}

/// The system's words for an error (`strerror`), without Rust's ` (os error N)`.
pub fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Opens a connection to `address`. No timeout of its own: drop the future to give up.
///
/// # Errors
/// What the system says.
pub async fn connect(
    address: SocketAddr,
    options: &ConnectOptions,
) -> Result<TcpStream, ConnectError> {
    let failed = |source, immediate| ConnectError {
        source,
        immediate,
        address,
        unbound: None,
        is_unfit: false,
    };
    let socket = open(address, options).map_err(|error| failed(error, true))?;
    let mut others = &options.others;
    let source = options.sources.as_deref().map(|sources| {
        let (source, own) = sources.towards(address);
        others = own.unwrap_or(others);
        (source, sources)
    });
    let set = others.apply(socket.as_fd(), SocketState::BeforeBind);
    let of_client = source.and_then(|(source, sources)| Some((source, sources.of_client?)));
    let set = set.and_then(|()| match of_client {
        Some((client, mark)) => pretend(&socket, client, mark),
        None => Ok(()),
    });
    set.map_err(|error| ConnectError {
        is_unfit: true,
        ..failed(error, true)
    })?;
    if let Some((source, sources)) = source {
        bind(&socket, source, sources.freebind).map_err(|error| ConnectError {
            unbound: Some(source),
            ..failed(error, true)
        })?;
    }
    let mut connecting = pin!(socket.connect(address));
    let mut immediate = true;
    poll_fn(|cx| {
        let polled = connecting
            .as_mut()
            .poll(cx)
            .map_err(|error| failed(error, immediate));
        immediate &= matches!(polled, Poll::Ready(_));
        polled
    })
    .await
}

fn open(address: SocketAddr, options: &ConnectOptions) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_nodelay(true)?;
    if pacing::is_within(address.ip()) {
        pacing::leave_out(&socket);
    }
    if let Some(keepalive) = &options.keepalive {
        keepalive.apply(&SockRef::from(&socket))?;
    }
    Ok(socket)
}

/// Lets a socket have an address of a client.
#[cold]
fn pretend(socket: &TcpSocket, client: SocketAddr, mark: u32) -> io::Result<()> {
    let socket = SockRef::from(socket);
    if mark != 0 {
        socket.set_mark(mark)?;
    }
    match client {
        SocketAddr::V4(_) => socket.set_ip_transparent_v4(true),
        SocketAddr::V6(_) => socket.set_ip_transparent_v6(true),
    }
}

#[cold]
fn bind(socket: &TcpSocket, source: SocketAddr, freebind: bool) -> io::Result<()> {
    may_be_elsewhere(&SockRef::from(socket), source, freebind)?;
    socket.bind(source)
}

/// Lets a socket have an address that is not this machine's, if that is wanted.
pub(crate) fn may_be_elsewhere(
    socket: &SockRef<'_>,
    source: SocketAddr,
    freebind: bool,
) -> io::Result<()> {
    match source {
        _ if !freebind => Ok(()),
        SocketAddr::V4(_) => socket.set_freebind_v4(true),
        SocketAddr::V6(_) => socket.set_freebind_v6(true),
    }
}

impl Keepalive {
    /// Switches keepalive on for `socket`.
    ///
    /// # Errors
    /// What the system says.
    pub fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        let mut keepalive = TcpKeepalive::new();
        if let Some(time) = self.time {
            keepalive = keepalive.with_time(time);
        }
        if let Some(interval) = self.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(probes) = self.probes {
            keepalive = keepalive.with_retries(probes);
        }
        socket.set_tcp_keepalive(&keepalive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_is_told_in_envoys_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(address, &ConnectOptions::default())
            .await
            .unwrap_err();
        assert!(!error.immediate);
        assert_eq!(
            error.to_string(),
            "delayed connect error: Connection refused"
        );
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_bound_is_an_immediate_error() {
        let sources = Sources {
            first: "203.0.113.7:0".parse().unwrap(),
            other: None,
            freebind: false,
            options_of_other: None,
            of_client: None,
        };
        let options = ConnectOptions {
            sources: Some(Box::new(sources)),
            ..Default::default()
        };
        let error = connect("127.0.0.1:9".parse().unwrap(), &options)
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to bind to 203.0.113.7:0: Cannot assign requested address"
        );
    }

    #[tokio::test]
    async fn a_connection_comes_from_the_source_of_the_hosts_ip_version() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (v4, v6) = ("127.0.0.9:0".parse().unwrap(), "[::1]:0".parse().unwrap());
        for (first, other) in [(v4, None), (v4, Some(v6)), (v6, Some(v4))] {
            let sources = Sources {
                first,
                other,
                freebind: false,
                options_of_other: None,
                of_client: None,
            };
            let options = ConnectOptions {
                sources: Some(Box::new(sources)),
                ..Default::default()
            };
            let stream = connect(listener.local_addr().unwrap(), &options).await;
            let from = stream.unwrap().local_addr().unwrap();
            assert_eq!(from.ip(), v4.ip());
        }
    }

    #[tokio::test]
    async fn keepalive_reaches_the_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let keepalive = Keepalive {
            probes: Some(3),
            time: Some(Duration::from_secs(60)),
            interval: None,
        };
        let options = ConnectOptions {
            keepalive: Some(keepalive),
            ..Default::default()
        };
        let stream = connect(listener.local_addr().unwrap(), &options)
            .await
            .unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(60)
        );
        assert!(stream.nodelay().unwrap());
    }
}
