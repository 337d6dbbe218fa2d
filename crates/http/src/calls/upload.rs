//! How far one try has sent the body of a call's request.

use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_upstream::UpstreamStream;

use super::call::Shared;

/// How much is handed over at a time.
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Upload {
    taken_bytes: usize,
    chunk: Buffer,
    /// The chunk is the last.
    is_last: bool,
    /// The chunk is on its way.
    is_writing: bool,
    is_done: bool,
}

impl Upload {
    /// For a request without a body, whose head is written.
    pub(super) fn of_head() -> Self {
        Upload {
            is_done: true,
            ..Upload::default()
        }
    }

    /// Sends what there is; called whenever the try is polled.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_>, up: &mut UpstreamStream, shared: &Shared) {
        loop {
            if self.is_done {
                let _nobody_waits = up.poll_flush(cx);
                return;
            }
            if !self.is_writing && !self.take_chunk(shared) {
                let _nobody_waits = up.poll_flush(cx);
                return;
            }
            match up.poll_write_data(cx, &mut self.chunk, self.is_last) {
                Poll::Pending => return,
                Poll::Ready(()) => {
                    self.is_writing = false;
                    self.is_done = self.is_last;
                }
            }
        }
    }

    /// Takes the next chunk, if there is one.
    fn take_chunk(&mut self, shared: &Shared) -> bool {
        let mut outgoing = shared.outgoing.borrow_mut();
        let rest = outgoing.rest(self.taken_bytes);
        if rest.is_empty() && !outgoing.is_complete {
            return false;
        }
        let (chunk, behind) = rest.split_at(rest.len().min(CHUNK_BYTES));
        self.chunk.extend(chunk);
        self.is_last = behind.is_empty() && outgoing.is_complete;
        self.taken_bytes += chunk.len();
        let (count, taken_bytes) = (chunk.len(), self.taken_bytes);
        outgoing.taken(count, taken_bytes);
        self.is_writing = true;
        true
    }
}
