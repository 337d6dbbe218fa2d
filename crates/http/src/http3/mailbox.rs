//! What the driver of a connection tells one of its streams.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

use nuncio_codec::http3::StreamError;
use nuncio_contract::stream_info::BytesMeter;
use nuncio_net::quic::StreamId;

/// Why nothing more comes and nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client has given the stream up.
    Reset,
    /// The client broke the protocol on the stream.
    Violation(StreamError),
    /// The client broke the protocol of the connection.
    Failed,
    /// The same, by a malformed message on this stream.
    Blamed,
    /// The connection has ended.
    Gone,
}

/// The driver puts in, the stream's task takes out.
pub(super) struct Mailbox {
    pub(super) id: StreamId,
    pub(super) cut: Cell<Option<Cut>>,
    /// Whether it is known that the client has reset its side.
    pub(super) is_reset: Cell<bool>,
    pub(super) bytes: Cell<BytesMeter>,
    task: RefCell<Option<Waker>>,
}

impl Mailbox {
    pub(super) fn new(id: StreamId) -> Self {
        Mailbox {
            id,
            cut: Cell::new(None),
            is_reset: Cell::new(false),
            bytes: Cell::default(),
            task: RefCell::default(),
        }
    }

    /// Whom to wake: who polls now.
    pub(super) fn note(&self, cx: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        match task.as_mut() {
            Some(known) => known.clone_from(cx.waker()),
            None => *task = Some(cx.waker().clone()),
        }
    }

    /// Has the stream's task run.
    pub(super) fn wake(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Ends the stream's hopes, and tells its task.
    pub(super) fn cut(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        self.wake();
    }

    pub(super) fn meter(&self, change: impl FnOnce(&mut BytesMeter)) {
        let mut bytes = self.bytes.get();
        change(&mut bytes);
        self.bytes.set(bytes);
    }
}
