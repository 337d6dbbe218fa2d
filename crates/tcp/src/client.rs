//! A client's connection, before which there may be a TLS handshake.
//!
//! Network filters begin before the handshake, as in Envoy, and the TCP proxy may connect to a host meanwhile. Until it
//! is over, reads and writes wait; who owns the connection moves the handshake on, and looks again then. A handshake may
//! have a limit (`transport_socket_connect_timeout`); none is the default.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::network_filter::NetworkClose;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stats::groups::ListenerStats;
use nuncio_contract::stream_info::{ConnectionInfo, ConnectionTally, StreamInfo};
use nuncio_net::tls::Unfinished;
use nuncio_net::transport::Transport;

/// What comes of a handshake: a transport, or what is known of one that failed.
pub type Handshaken = Result<Transport, Unfinished>;

/// Envoy's words for a handshake that takes too long.
const LATE: NetworkClose = NetworkClose::now("transport_socket_timeout");
const LATE_DETAILS: &str = "transport socket timeout was reached";

/// A client's connection.
pub enum Client {
    /// Its bytes can be read and written.
    Open(Transport),
    /// There is a handshake before.
    Handshake(Handshake),
}

/// A handshake that is not over.
pub struct Handshake {
    /// Does it.
    pub done: LocalFuture<Handshaken>,
    /// How long it may take.
    pub limit: Option<Duration>,
    /// Those of the listener, for one that takes too long.
    pub stats: Arc<ListenerStats>,
}

/// Notes what is known of a handshake that failed.
pub fn note_unfinished(info: &mut ConnectionInfo, unfinished: Unfinished) {
    info.transport_failure_reason = unfinished.reason.unwrap_or_default();
    info.tls = unfinished.told;
}

/// Notes what a handshake has agreed on.
pub fn note_handshake(info: &mut ConnectionInfo, transport: &Transport) {
    if let Some(tls) = transport.tls() {
        info.handshake_complete = Some(Instant::now());
        info.tls = Some(Arc::clone(&tls.told));
    }
}

impl Client {
    /// Its transport, once there is one.
    pub fn transport(&mut self) -> Option<&mut Transport> {
        match self {
            Client::Open(transport) => Some(transport),
            Client::Handshake(_) => None,
        }
    }

    /// The same, whose bytes are counted.
    #[must_use]
    pub fn counted(self, tally: Rc<ConnectionTally>) -> Self {
        match self {
            Client::Open(transport) => Client::Open(transport.counted(tally)),
            Client::Handshake(handshake) => {
                let done = handshake.done;
                let done = Box::pin(async { Ok(done.await?.counted(tally)) });
                Client::Handshake(Handshake { done, ..handshake })
            }
        }
    }

    /// Whether there is nothing left before its bytes.
    pub fn is_open(&self) -> bool {
        matches!(self, Client::Open(_))
    }

    /// How long its handshake may take, if there is one before it and a limit.
    pub fn limit(&self) -> Option<Duration> {
        match self {
            Client::Open(_) => None,
            Client::Handshake(handshake) => handshake.limit,
        }
    }

    /// Moves the handshake on; tells whether it was one.
    ///
    /// # Errors
    /// It has failed.
    pub fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        info: &mut StreamInfo,
    ) -> Poll<Result<bool, NetworkClose>> {
        let Client::Handshake(handshake) = self else {
            return Poll::Ready(Ok(false));
        };
        let done = ready!(handshake.done.as_mut().poll(cx));
        let connection = Rc::make_mut(&mut info.connection);
        match done {
            Ok(transport) => {
                note_handshake(connection, &transport);
                *self = Client::Open(transport);
                Poll::Ready(Ok(true))
            }
            Err(unfinished) => {
                note_unfinished(connection, unfinished);
                Poll::Ready(Err(NetworkClose::default()))
            }
        }
    }

    /// What becomes of a connection whose handshake has taken too long.
    pub fn late(&self, info: &mut StreamInfo) -> NetworkClose {
        if let Client::Handshake(handshake) = self {
            let stats = &handshake.stats;
            stats.downstream_cx_transport_socket_connect_timeout.inc();
        }
        info.connection_termination_details = Some(LATE_DETAILS.into());
        LATE
    }

    /// Does the handshake, if there is one, before its limit is `over`.
    ///
    /// # Errors
    /// It has failed, or took too long.
    pub async fn open(
        &mut self,
        info: &mut StreamInfo,
        mut over: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), NetworkClose> {
        poll_fn(|cx| {
            if let Poll::Ready(opened) = self.poll_open(cx, info) {
                return Poll::Ready(opened.map(|_| ()));
            }
            over.as_mut().poll(cx).map(|()| Err(self.late(info)))
        })
        .await
    }

    /// Reads as [`Transport::poll_fill`] does.
    pub fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        room_bytes: usize,
    ) -> Poll<std::io::Result<usize>> {
        match self {
            Client::Open(transport) => transport.poll_fill(cx, buffer, room_bytes),
            Client::Handshake(_) => Poll::Pending,
        }
    }

    /// Writes some of `bytes`.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self {
            Client::Open(transport) => transport.poll_write(cx, bytes),
            Client::Handshake(_) => Poll::Pending,
        }
    }

    /// Pushes out what the carrier itself still holds.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Client::Open(transport) => transport.poll_flush(cx),
            Client::Handshake(_) => Poll::Pending,
        }
    }

    /// Ends this side's stream.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self {
            Client::Open(transport) => transport.poll_shutdown(cx),
            Client::Handshake(_) => Poll::Pending,
        }
    }

    /// Has the client see a reset when the connection is closed.
    pub fn reset_on_close(&self) {
        if let Client::Open(transport) = self {
            transport.reset_on_close();
        }
    }
}
