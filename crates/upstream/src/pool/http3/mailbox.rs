//! What the driver of a connection tells one of its requests.

use std::cell::Cell;

use nuncio_codec::http3::StreamError;
use nuncio_net::quic::StreamId;

use crate::error::UpstreamErrorKind;
use crate::http2_shared::Http2Task;

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The host has reset the stream, with this code.
    Reset(u64),
    /// The host broke the protocol on the stream.
    Violation(StreamError),
    /// The host broke the protocol of the connection; the details, where it was by this request's answer.
    Failed(Option<&'static str>),
    /// The connection has ended.
    Gone(UpstreamErrorKind),
}

/// One request's stream.
pub(crate) struct Mailbox {
    pub(crate) id: StreamId,
    pub(crate) cut: Cell<Option<Cut>>,
    /// Whether it is known that the host has reset its side.
    pub(super) is_reset: Cell<bool>,
    pub(crate) task: Http2Task,
}

impl Mailbox {
    pub(super) fn new(id: StreamId) -> Self {
        Mailbox {
            id,
            cut: Cell::new(None),
            is_reset: Cell::new(false),
            task: Http2Task::default(),
        }
    }

    /// Ends the request's hopes, and tells it.
    pub(crate) fn cut(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        self.task.wake();
    }
}
