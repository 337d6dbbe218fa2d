//! What the driver of a connection tells one of its streams.

use std::cell::Cell;

use nuncio_codec::http3::StreamError;
use nuncio_contract::stream_info::BytesMeter;
use nuncio_net::quic::StreamId;

use crate::multiplexed::Link;

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
    pub(super) link: Link<Cut>,
    /// Whether it is known that the client has reset its side.
    pub(super) is_reset: Cell<bool>,
    /// Whether the client has ended its side with nothing on it.
    pub(super) is_ended: Cell<bool>,
}

impl Mailbox {
    pub(super) fn new(id: StreamId) -> Self {
        Mailbox {
            id,
            link: Link::new(BytesMeter::default()),
            is_reset: Cell::new(false),
            is_ended: Cell::new(false),
        }
    }
}
