//! What the driver of a connection tells one of its requests.

use std::cell::Cell;

use nuncio_codec::http3::{ErrorCode, StreamError};
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
    /// The host broke the protocol of the connection by a message or a frame that is malformed.
    Failed,
    /// The connection has ended.
    Gone,
}

impl Cut {
    /// What that is to the request, as to Envoy.
    pub(crate) fn kind(self) -> UpstreamErrorKind {
        match self {
            Self::Reset(code) => match ErrorCode(code) {
                ErrorCode::CONNECT_ERROR => UpstreamErrorKind::ConnectError,
                ErrorCode::NO_ERROR
                | ErrorCode::EXCESSIVE_LOAD
                | ErrorCode::REQUEST_REJECTED
                | ErrorCode::REQUEST_CANCELLED
                | ErrorCode::MESSAGE_ERROR => UpstreamErrorKind::RemoteReset,
                known if known.is_known() => UpstreamErrorKind::ProtocolError,
                _ => UpstreamErrorKind::RemoteReset,
            },
            Self::Violation(
                StreamError::TooManyHeaders
                | StreamError::TooManyTrailers
                | StreamError::HeadersTooLarge,
            ) => UpstreamErrorKind::LocalReset,
            Self::Violation(_) | Self::Failed => UpstreamErrorKind::ProtocolError,
            Self::Gone => UpstreamErrorKind::ConnectionTermination,
        }
    }
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

    /// What ends the request though more of the answer may be here; the end of the connection does not: what has come
    /// before it counts.
    pub(crate) fn cut_at_once(&self) -> Option<Cut> {
        self.cut.get().filter(|cut| *cut != Cut::Gone)
    }

    /// Why the stream or the connection is over, where it is.
    pub(crate) fn cut_by_now(&self) -> Cut {
        self.cut.get().unwrap_or(Cut::Gone)
    }

    /// What has come breaks the protocol. Where that is found behind the end of the connection, it came before it.
    pub(crate) fn found(&self, why: Cut) {
        if self.cut.get() == Some(Cut::Gone) {
            self.cut.set(None);
        }
        self.cut(why);
    }
}
