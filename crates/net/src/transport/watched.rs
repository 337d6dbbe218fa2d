//! A transport whose reader is not the first to see what comes: what was read is kept until the one who watches lets it
//! pass, which may take time, or has the connection closed.
//!
//! Reads are of 16 KiB; what is written goes straight through.

use std::io;
use std::task::{Context, Poll, ready};

use nuncio_contract::buffer::Buffer;

use super::Transport;

/// Who watches.
pub trait Watch {
    /// Bytes have come, and no more will if `end_stream`. Called again with the same until it is ready.
    ///
    /// # Errors
    /// The connection is to be closed.
    fn poll_passes(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        end_stream: bool,
    ) -> Poll<io::Result<()>>;
}

/// A transport and who watches.
pub struct Watched {
    pub(super) inner: Transport,
    watch: Box<dyn Watch>,
    kept: Buffer,
    has_ended: bool,
    passed: bool,
}

impl Watched {
    pub(super) fn new(inner: Transport, watch: Box<dyn Watch>) -> Self {
        Watched {
            inner,
            watch,
            kept: Buffer::new(),
            has_ended: false,
            passed: false,
        }
    }

    /// Makes sure that there are bytes that may pass, or that there will be none.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.passed && (self.has_ended || !self.kept.is_empty()) {
            return Poll::Ready(Ok(()));
        }
        if self.kept.is_empty() && !self.has_ended {
            self.passed = false;
            let room = Buffer::HEAD_BYTES;
            let count = ready!(self.inner.poll_fill(cx, &mut self.kept, room))?;
            self.has_ended = count == 0;
        }
        ready!(
            self.watch
                .poll_passes(cx, self.kept.readable(), self.has_ended)
        )?;
        self.passed = true;
        Poll::Ready(Ok(()))
    }

    /// Appends what may pass, as far as there is room.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(cx))?;
        let room = bytes.capacity() - bytes.len();
        let count = room.min(self.kept.len());
        bytes.extend_from_slice(self.kept.readable().get(..count).unwrap_or_default());
        self.kept.advance(count);
        Poll::Ready(Ok(count))
    }
}
