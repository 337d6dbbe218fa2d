//! `tunneling_config`: a session's datagrams go through HTTP, as the body of a stream to a host that is itself a proxy.
//!
//! The stream is an upgrade to `connect-udp` (RFC 9298), over HTTP/2 an extended CONNECT, or a POST. Datagrams are its
//! bytes as they are; `http_capsule` makes capsules of them. While there is no stream, or one that takes no more,
//! datagrams wait (`buffer_options`) or are dropped. A stream that ends, ends its session.

mod config;
mod open;

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_upstream::{BodyEvent, UpstreamStream};

pub(super) use config::{Tunnel, TunnelingConfig};

use super::filters::{BufferLimits, Held};

/// The most that is handed to a stream in one piece, and that a stream's bytes are read in.
const CHUNK_BYTES: usize = 65_536;

/// The way of a session's datagrams into its tunnel.
#[derive(Default)]
pub(super) struct Entrance {
    waiting: RefCell<Held>,
    /// There is a stream, and it takes what comes.
    is_open: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    /// Sent and received on the wire.
    wire_bytes: Cell<(u64, u64)>,
}

impl Entrance {
    /// Takes a datagram.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn push(&self, datagram: &[u8], limits: Option<BufferLimits>) -> Result<(), NoRoom> {
        let open = BufferLimits::of(None, Some(CHUNK_BYTES as u64 * 16));
        let limits = match self.is_open.get() {
            true => open,
            false => match limits {
                Some(limits) => limits,
                None => return Ok(()),
            },
        };
        let kept = self.waiting.borrow_mut().push(datagram, limits);
        if let Some(reader) = self.reader.borrow_mut().take() {
            reader.wake();
        }
        kept.map_err(|_| NoRoom)
    }

    pub(super) fn wire_bytes(&self) -> (u64, u64) {
        self.wire_bytes.get()
    }
}

/// There is no room for a datagram.
pub(super) struct NoRoom;

/// A tunnel's stream with what it has not taken yet.
struct Flow<'a> {
    stream: UpstreamStream,
    entrance: &'a Entrance,
    unsent: Buffer,
}

/// What came out of a tunnel.
enum Came {
    Bytes,
    LastBytes,
    Trailers,
    Reset,
}

impl<'a> Flow<'a> {
    fn new(stream: UpstreamStream, entrance: &'a Entrance) -> Self {
        entrance.is_open.set(true);
        Flow {
            stream,
            entrance,
            unsent: Buffer::new(),
        }
    }

    /// Sends what waits, as far as the stream takes it.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.unsent.is_empty() {
                let next = self.entrance.waiting.borrow_mut().pop();
                let Some(next) = next else {
                    self.entrance.is_open.set(true);
                    let _reading_tells = self.stream.poll_flush(cx);
                    return;
                };
                self.unsent.extend(&next);
            }
            let sent = self.stream.poll_write_data(cx, &mut self.unsent, false);
            if sent.is_pending() {
                self.entrance.is_open.set(false);
                return;
            }
        }
    }

    /// Sends what waits, and reads.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Buffer,
        trailers: &mut HeaderMap,
    ) -> Poll<Came> {
        self.poll_send(cx);
        let waker = Some(cx.waker().clone());
        *self.entrance.reader.borrow_mut() = waker;
        data.make_room(CHUNK_BYTES);
        let read = self.stream.poll_read_body(cx, data, trailers);
        self.entrance.wire_bytes.set(self.stream.wire_bytes());
        read.map(|read| match read {
            Ok(BodyEvent::Data) => Came::Bytes,
            Ok(BodyEvent::LastData | BodyEvent::End) => Came::LastBytes,
            Ok(BodyEvent::Trailers) => Came::Trailers,
            Err(_) => Came::Reset,
        })
    }
}
