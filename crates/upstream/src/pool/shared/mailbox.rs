//! What a host has sent for one request and waits to be read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use nuncio_codec::http2::{ErrorCode, HeadKind, Metadata, StreamError};
use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::HeaderMap;

use crate::http2_metadata::WaitingMetadata;
use crate::http2_shared::{Http2Mailbox, Http2Task};

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The host has reset the stream.
    Reset(ErrorCode),
    /// The host broke the protocol on the stream.
    Violation(StreamError),
    /// The host broke the protocol of the connection; the details, if it has some.
    Failed(Option<&'static str>),
    /// The connection has ended.
    Gone,
    /// The host says that it has not looked at the request.
    Unprocessed,
}

/// A head that has come.
pub(crate) struct Head {
    pub(crate) headers: HeaderMap,
    pub(crate) kind: HeadKind,
    pub(crate) end_stream: bool,
}

/// The driver puts in, the request takes out.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// At most one of 1xx and the final one.
    heads: RefCell<VecDeque<Head>>,
    pub(crate) data: RefCell<Buffer>,
    /// METADATA that has its place among the rest, if any has come.
    pub(crate) metadata: RefCell<Option<Box<WaitingMetadata>>>,
    pub(crate) trailers: RefCell<Option<Box<HeaderMap>>>,
    /// Whether a head was taken out.
    is_head_taken: Cell<bool>,
    /// Whether the host has ended its side; what is here is the last.
    pub(crate) is_complete: Cell<bool>,
    pub(crate) cut: Cell<Option<Cut>>,
    pub(crate) wire_bytes: Cell<u64>,
    pub(crate) header_bytes: Cell<u64>,
    pub(crate) decoded_bytes: Cell<u64>,
    pub(crate) task: Http2Task,
}

impl Mailbox {
    /// Puts a head in. Of 1xx that nobody has read yet the first one is enough, however many a host sends.
    pub(crate) fn put_head(&self, head: Head) {
        let mut heads = self.heads.borrow_mut();
        if let Some(last) = heads.back()
            && last.kind == HeadKind::Informational
            && head.kind == HeadKind::Informational
        {
            return;
        }
        heads.push_back(head);
    }

    /// Takes the next head out.
    pub(crate) fn take_head(&self) -> Option<Head> {
        let head = self.heads.borrow_mut().pop_front();
        if head.is_some() {
            self.is_head_taken.set(true);
        }
        head
    }

    /// Puts METADATA behind what has come.
    pub(crate) fn put_metadata(&self, metadata: Metadata) {
        let is_behind_head = self.is_head_taken.get() || !self.heads.borrow().is_empty();
        let behind = is_behind_head.then(|| self.data.borrow().len());
        let mut waiting = self.metadata.borrow_mut();
        waiting.get_or_insert_default().put(behind, metadata);
    }

    /// Ends the request's hopes, and tells it.
    pub(crate) fn cut(&self, why: Cut) {
        if self.cut.get().is_none() {
            self.cut.set(Some(why));
        }
        self.task.wake();
    }

    pub(crate) fn count(&self, wire: usize, header: usize, decoded: usize) {
        let add = |cell: &Cell<u64>, more: usize| {
            cell.set(cell.get() + u64::try_from(more).unwrap_or(u64::MAX));
        };
        add(&self.wire_bytes, wire);
        add(&self.header_bytes, header);
        add(&self.decoded_bytes, decoded);
    }
}

impl Http2Mailbox for Mailbox {
    fn task(&self) -> &Http2Task {
        &self.task
    }
}
