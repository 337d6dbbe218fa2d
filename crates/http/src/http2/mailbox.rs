//! What has come for one stream and waits for its task.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use nuncio_codec::http2::{ConnectionError, ErrorCode, StreamError, StreamId};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stream_info::BytesMeter;
use nuncio_upstream::{Http2Mailbox, Http2Task, MetadataRelay};

use super::connection::End;
use crate::multiplexed::Link;

/// Why nothing more comes and nothing more can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The client has reset the stream, and why.
    Reset(ErrorCode),
    /// The client broke the protocol on the stream.
    Violation(StreamError),
    /// The client broke the protocol of the connection.
    Failed(ConnectionError),
    /// The same, by a frame on this stream.
    Blamed(ConnectionError),
    /// The connection has ended, by whom.
    Gone(End),
}

/// The driver puts in, the stream's task takes out.
pub(super) struct Mailbox {
    pub(super) id: StreamId,
    /// Whether the request is an upgrade in disguise.
    pub(super) is_upgrade: bool,
    pub(super) data: RefCell<Buffer>,
    /// What of the data has come since the task had its last turn.
    pub(super) fresh_bytes: Cell<usize>,
    /// The way of METADATA, where it is allowed.
    pub(super) metadata: Option<Rc<MetadataRelay>>,
    pub(super) trailers: RefCell<Option<Box<HeaderMap>>>,
    /// Whether the head was all of the request.
    pub(super) is_bare: bool,
    /// Whether the client has ended its side; what is here is the last.
    pub(super) is_complete: Cell<bool>,
    /// Whether the stream is to look at how much it holds.
    pub(super) is_weighed: Cell<bool>,
    pub(super) link: Link<Cut>,
}

impl Mailbox {
    /// Of a stream whose head has come, and `is_bare` if that was all.
    pub(super) fn new(id: StreamId, is_bare: bool, bytes: BytesMeter) -> Self {
        Mailbox {
            id,
            is_upgrade: false,
            data: RefCell::default(),
            fresh_bytes: Cell::new(0),
            metadata: None,
            trailers: RefCell::default(),
            is_bare,
            is_complete: Cell::new(is_bare),
            is_weighed: Cell::new(false),
            link: Link::new(bytes),
        }
    }
}

impl Http2Mailbox for Mailbox {
    fn task(&self) -> &Http2Task {
        &self.link.task
    }
}
