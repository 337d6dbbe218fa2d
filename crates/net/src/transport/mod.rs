//! A connection's bytes, whatever carries them: plain TCP, or TLS over TCP.
//!
//! An enum and not a trait object, so that the byte loops are compiled for each carrier. A transport holds no
//! buffer of its own while idle (TLS keeps its session state); reads go into the caller's buffer.

mod counted;
mod io;
mod measured;
pub mod outbox;
mod plain;
mod tls;
mod watched;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use counted::Counted;
pub use io::IdleState;
use measured::Measured;
pub use measured::{Measuring, TcpSocketStats};
use nuncio_contract::stream_info::ConnectionTally;
pub use plain::Plain;
pub(crate) use tls::cipher_name;
pub use tls::{TlsInfo, TlsTransport};
use tokio::net::TcpStream;
pub use watched::{Watch, Watched};

use crate::tap::Trace;

/// A connected byte stream.
pub enum Transport {
    /// TCP without TLS.
    Plain(Plain),
    /// TLS over TCP, after the handshake.
    Tls(Box<TlsTransport>),
    /// Either, and somebody sees what is read.
    Watched(Box<Watched>),
    /// Any, and bytes are counted.
    Counted(Box<Counted>),
}

impl Transport {
    /// A connection without TLS.
    pub fn plain(stream: TcpStream) -> Self {
        Transport::Plain(Plain::new(stream))
    }

    /// The same, whose bytes are shown to `watch` before whoever reads them gets them.
    #[must_use]
    pub fn watched(self, watch: Box<dyn Watch>) -> Self {
        Transport::Watched(Box::new(Watched::new(self, watch)))
    }

    /// The same, whose bytes are counted.
    #[must_use]
    pub fn counted(self, tally: Rc<ConnectionTally>) -> Self {
        Transport::Counted(Box::new(Counted {
            inner: self,
            tally,
            measured: None,
            tap: None,
        }))
    }

    /// The same, of which the system is asked.
    fn measured(self, measured: Rc<Measured>) -> Self {
        Transport::Counted(Box::new(Counted {
            inner: self,
            tally: Rc::default(),
            measured: Some(measured),
            tap: None,
        }))
    }

    /// The same, of which a trace is written if there is one.
    #[must_use]
    pub fn tapped(self, trace: Option<Trace>) -> Self {
        let Some(trace) = trace else {
            return self;
        };
        Transport::Counted(Box::new(Counted {
            inner: self,
            tally: Rc::default(),
            measured: None,
            tap: Some(Box::new(trace)),
        }))
    }

    /// Has the peer see a reset when the transport is closed, as it is of no more use.
    pub fn reset_on_close(&self) {
        let _closed_in_order_if_this_fails =
            socket2::SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
    }

    /// Address of this end; `None` once the socket is gone.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket().local_addr().ok()
    }

    /// Address of the other end; `None` once the socket is gone.
    pub fn peer_address(&self) -> Option<SocketAddr> {
        self.socket().peer_addr().ok()
    }

    /// What the TLS handshake agreed on; `None` on a plain transport.
    pub fn tls(&self) -> Option<&TlsInfo> {
        match self {
            Transport::Plain(_) => None,
            Transport::Tls(tls) => Some(tls.info()),
            Transport::Watched(watched) => watched.inner.tls(),
            Transport::Counted(counted) => counted.inner.tls(),
        }
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Transport::Plain(plain) => plain.stream(),
            Transport::Tls(tls) => tls.socket(),
            Transport::Watched(watched) => watched.inner.socket(),
            Transport::Counted(counted) => counted.inner.socket(),
        }
    }
}
