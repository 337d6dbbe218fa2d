//! One connection, driven by whoever serves it: events first, then what streams have written, then the timer.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nuncio_contract::clock::Clock;
use quinn_proto::{
    ConnectionError, ConnectionEvent, ConnectionHandle, Dir, EndpointEvent, Event, ReadError,
    ReadableError, StreamId, VarInt, WriteError,
};

use super::client::Reader;
use super::endpoint::Endpoint;
use super::session::Found;
use super::writing::Kept;
use crate::deadline::Deadlines;
use crate::tls::{QuicHandshake, TlsFailure};

/// Writes of a turn; then others of the worker have theirs.
const MAX_WRITES_A_TURN: usize = 32;
/// Packets that one write may have.
const MAX_JOINED_PACKETS: usize = 16;
/// How long the end of a connection is told of again, however slow its network seems.
const MAX_LINGER: Duration = Duration::from_secs(3);

/// A connection of a client's, or to a host.
pub struct Connection {
    endpoint: Rc<Endpoint>,
    handle: ConnectionHandle,
    state: RefCell<quinn_proto::Connection>,
    found: Arc<OnceLock<Found>>,
    driver: RefCell<Option<Waker>>,
    timer: Deadlines<1>,
    /// Whether the endpoint knows that nothing more comes.
    is_drained: Cell<bool>,
    /// What the socket had no room for.
    kept: RefCell<Option<Box<Kept>>>,
    /// Whether the network says that nobody listens.
    is_refused: Cell<bool>,
    /// What reads the socket, where it is of this connection alone.
    reader: Option<Reader>,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The peer has closed it: with a code of HTTP/3, or else one of QUIC.
    Closed {
        /// The code.
        code: u64,
        /// Whether it is one of the layer above.
        is_application: bool,
        /// What was said of it.
        reason: Box<str>,
    },
    /// The peer has broken QUIC's rules, or the handshake has failed.
    Violated(Box<str>),
    /// Nobody listens.
    Refused,
    /// Nothing came for too long.
    TimedOut,
    /// The peer knows nothing of it any more.
    Reset,
    /// This side has closed it.
    Local,
}

impl Connection {
    pub(super) fn new(
        endpoint: Rc<Endpoint>,
        handle: ConnectionHandle,
        state: quinn_proto::Connection,
        found: Arc<OnceLock<Found>>,
    ) -> Self {
        Connection {
            endpoint,
            handle,
            state: RefCell::new(state),
            found,
            driver: RefCell::default(),
            timer: Deadlines::default(),
            is_drained: Cell::new(false),
            kept: RefCell::default(),
            is_refused: Cell::new(false),
            reader: None,
        }
    }

    /// With what reads its socket.
    pub(super) fn read_by(mut self, reader: Reader) -> Self {
        self.reader = Some(reader);
        self
    }

    /// The network says that nobody listens.
    pub(super) fn refuse(&self) {
        self.is_refused.set(true);
        self.wake();
    }

    /// Whether the network says that nobody listens.
    pub fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    /// Something has come for it.
    pub(super) fn receive(&self, event: ConnectionEvent) {
        self.state.borrow_mut().handle_event(event);
        self.wake();
    }

    /// The task that drives it is woken whenever there is something to do.
    pub fn note_driver(&self, cx: &Context<'_>) {
        let mut driver = self.driver.borrow_mut();
        match driver.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *driver = Some(cx.waker().clone()),
        }
    }

    /// Has the driver run.
    pub fn wake(&self) {
        if let Some(driver) = &*self.driver.borrow() {
            driver.wake_by_ref();
        }
    }

    /// What has happened; to be asked until there is nothing.
    pub fn next_event(&self, now: Instant) -> Option<Event> {
        let mut state = self.state.borrow_mut();
        while state.poll_timeout().is_some_and(|at| at <= now) {
            state.handle_timeout(now);
        }
        while let Some(event) = state.poll_endpoint_events() {
            if event.is_drained() {
                self.is_drained.set(true);
            }
            if let Some(back) = self.endpoint.tell(self.handle, event) {
                state.handle_event(back);
            }
        }
        state.poll()
    }

    /// Writes what there is; gives how many bytes, and whether there is more for another turn. Where the socket is full
    /// the driver is woken once it is not.
    pub fn write(&self, now: Instant) -> (u64, bool) {
        let mut sent = 0;
        let mut kept = self.kept.borrow_mut();
        if let Some(before) = kept.as_mut() {
            let (bytes, is_all) = self.endpoint.write_kept(before);
            sent += count(bytes);
            if !is_all {
                self.endpoint.await_room(self.handle);
                return (sent, false);
            }
            *kept = None;
        }
        let mut state = self.state.borrow_mut();
        for _ in 0..MAX_WRITES_A_TURN {
            let (bytes, left) = self.endpoint.write(|out| {
                let packets = match self.endpoint.joins_writes() {
                    true => MAX_JOINED_PACKETS,
                    false => 1,
                };
                state.poll_transmit(now, packets, out)
            });
            sent += count(bytes);
            if left.is_some() {
                *kept = left;
                self.endpoint.await_room(self.handle);
                return (sent, false);
            }
            if bytes == 0 {
                return (sent, false);
            }
        }
        (sent, true)
    }

    /// Waits until time brings something about.
    pub fn poll_timer(&self, cx: &mut Context<'_>, clock: &dyn Clock) -> Poll<()> {
        let next = self.state.borrow_mut().poll_timeout();
        self.poll_until(next, cx, clock)
    }

    fn poll_until(&self, at: Option<Instant>, cx: &mut Context<'_>, clock: &dyn Clock) -> Poll<()> {
        match at {
            Some(at) => self.timer.set(0, at),
            None => self.timer.clear(0),
        }
        self.timer.poll_expired(cx, clock).map(drop)
    }

    /// Ends it; streams are lost.
    pub fn close(&self, now: Instant, code: u64, reason: &str) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        let reason = Bytes::copy_from_slice(reason.as_bytes());
        self.state.borrow_mut().close(now, code, reason);
        self.wake();
    }

    /// Whether either side has ended it.
    pub fn is_closed(&self) -> bool {
        self.state.borrow().is_closed()
    }

    /// Stays until the last packets have had time to arrive, so that the peer is told again what it has missed. A few
    /// round trips, [`MAX_LINGER`] at the most; not at all where nobody listens.
    pub async fn linger(&self, clock: &dyn Clock) {
        let latest = clock.now() + MAX_LINGER;
        poll_fn(|cx| {
            self.note_driver(cx);
            loop {
                while self.next_event(clock.now()).is_some() {}
                let (_, has_more) = self.write(clock.now());
                if self.is_drained.get() || self.is_refused() || clock.now() >= latest {
                    return Poll::Ready(());
                }
                if has_more {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let next = self.state.borrow_mut().poll_timeout();
                let next = next.map_or(latest, |next| next.min(latest));
                if self.poll_until(Some(next), cx, clock).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// What the handshake agreed on, once it is over.
    pub fn handshake(&self) -> Option<QuicHandshake> {
        let state = self.state.borrow();
        let data = state.crypto_session().handshake_data()?;
        data.downcast().ok().map(|handshake| *handshake)
    }

    /// The filter chain that the hello chose, and why the handshake failed, if it did.
    pub fn failure(&self) -> Option<(Option<usize>, Option<&TlsFailure>)> {
        let found = self.found.get()?;
        Some((found.chain, found.failure.as_ref()))
    }

    /// The peer's address of now.
    pub fn peer_address(&self) -> SocketAddr {
        self.state.borrow().remote_address()
    }

    /// The address of ours that the peer sends to.
    pub fn local_address(&self) -> SocketAddr {
        let ip: Option<IpAddr> = self.state.borrow().local_ip();
        self.endpoint.address(ip)
    }

    /// A new stream of the peer's.
    pub fn accept(&self, dir: Dir) -> Option<StreamId> {
        self.state.borrow_mut().streams().accept(dir)
    }

    /// How many streams have something that is not sent, or that the peer has not acknowledged.
    pub fn sending_streams(&self) -> usize {
        self.state.borrow_mut().streams().send_streams()
    }

    /// A new stream of ours that goes one way; none if the peer allows no more.
    pub fn open(&self) -> Option<StreamId> {
        self.state.borrow_mut().streams().open(Dir::Uni)
    }

    /// A new stream of ours that goes both ways; none if the host allows no more.
    pub fn open_request(&self) -> Option<StreamId> {
        self.state.borrow_mut().streams().open(Dir::Bi)
    }

    /// Reads what is there, a piece at a time and no more than `most` bytes; nothing at the stream's end. Room is given
    /// back to the peer for what was read.
    ///
    /// # Errors
    /// Nothing is there, the peer has reset the stream, or it is none.
    pub fn read(
        &self,
        id: StreamId,
        most: usize,
        mut take: impl FnMut(&[u8]),
    ) -> Result<ReadEnd, ReadableError> {
        let mut state = self.state.borrow_mut();
        let mut stream = state.recv_stream(id);
        let mut chunks = stream.read(true)?;
        let mut left = most;
        let end = loop {
            if left == 0 {
                break ReadEnd::Full;
            }
            match chunks.next(left) {
                Ok(Some(chunk)) => {
                    left = left.saturating_sub(chunk.bytes.len());
                    take(&chunk.bytes);
                }
                Ok(None) => break ReadEnd::Finished,
                Err(ReadError::Blocked) => break ReadEnd::Blocked,
                Err(ReadError::Reset(code)) => break ReadEnd::Reset(code.into_inner()),
            }
        };
        let must_tell = chunks.finalize().should_transmit();
        drop(state);
        if must_tell {
            self.wake();
        }
        Ok(end)
    }

    /// What is to be read on a stream, none of which is taken; [`ReadEnd::Full`] stands for bytes. That a stream has
    /// ended or was given up is told once.
    pub fn peek(&self, id: StreamId) -> ReadEnd {
        let mut state = self.state.borrow_mut();
        let mut stream = state.recv_stream(id);
        let Ok(mut chunks) = stream.read(true) else {
            return ReadEnd::Blocked;
        };
        let end = match chunks.next(0) {
            Ok(Some(_)) => ReadEnd::Full,
            Ok(None) => ReadEnd::Finished,
            Err(ReadError::Blocked) => ReadEnd::Blocked,
            Err(ReadError::Reset(code)) => ReadEnd::Reset(code.into_inner()),
        };
        let must_tell = chunks.finalize().should_transmit();
        drop(state);
        if must_tell {
            self.wake();
        }
        end
    }

    /// The code by which the peer has given a stream up, if it has.
    pub fn reset_by_peer(&self, id: StreamId) -> Option<u64> {
        let mut state = self.state.borrow_mut();
        let code = state.recv_stream(id).received_reset().ok()??;
        Some(code.into_inner())
    }

    /// Waits until the handshake is over, and tells what it agreed on, or how the connection ended.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn handshaken(&self, clock: &dyn Clock) -> Result<QuicHandshake, Lost> {
        poll_fn(|cx| {
            self.note_driver(cx);
            loop {
                if self.is_refused() {
                    return Poll::Ready(Err(Lost::Refused));
                }
                while let Some(event) = self.next_event(clock.now()) {
                    match event {
                        Event::Connected => {
                            return Poll::Ready(self.handshake().ok_or(Lost::Local));
                        }
                        Event::ConnectionLost { reason } => {
                            self.write(clock.now());
                            return Poll::Ready(Err(reason.into()));
                        }
                        _ => {}
                    }
                }
                self.write(clock.now());
                if self.poll_timer(cx, clock).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Writes as much as may be sent now; a stream that is blocked is told of by [`Event`].
    ///
    /// # Errors
    /// The peer wants no more of the stream, or there is none.
    pub fn send(&self, id: StreamId, bytes: &[u8]) -> Result<usize, WriteError> {
        match self.state.borrow_mut().send_stream(id).write(bytes) {
            Err(WriteError::Blocked) => Ok(0),
            written => written,
        }
    }

    /// Says that nothing more comes on a stream.
    pub fn finish(&self, id: StreamId) {
        let _is_over_already = self.state.borrow_mut().send_stream(id).finish();
    }

    /// Gives up what was to be sent on a stream.
    pub fn reset(&self, id: StreamId, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        let _is_over_already = self.state.borrow_mut().send_stream(id).reset(code);
        self.wake();
    }

    /// Asks the peer to send no more on a stream.
    pub fn stop(&self, id: StreamId, code: u64) {
        let code = VarInt::from_u64(code).unwrap_or(VarInt::MAX);
        let _is_over_already = self.state.borrow_mut().recv_stream(id).stop(code);
        self.wake();
    }
}

fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// How far a read came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadEnd {
    /// There may be more.
    Full,
    /// More may come.
    Blocked,
    /// The peer has ended the stream.
    Finished,
    /// The peer has given it up, with this code.
    Reset(u64),
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_drained.get() {
            let _nothing = self.endpoint.tell(self.handle, EndpointEvent::drained());
        }
        self.endpoint.forget(self.handle);
    }
}

impl From<ConnectionError> for Lost {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::ApplicationClosed(close) => Lost::Closed {
                code: close.error_code.into_inner(),
                is_application: true,
                reason: String::from_utf8_lossy(&close.reason).into(),
            },
            ConnectionError::ConnectionClosed(close) => Lost::Closed {
                code: u64::from(close.error_code),
                is_application: false,
                reason: String::from_utf8_lossy(&close.reason).into(),
            },
            ConnectionError::Reset => Lost::Reset,
            ConnectionError::TimedOut => Lost::TimedOut,
            ConnectionError::LocallyClosed => Lost::Local,
            error @ (ConnectionError::VersionMismatch
            | ConnectionError::TransportError(_)
            | ConnectionError::CidsExhausted) => Lost::Violated(error.to_string().into()),
        }
    }
}
