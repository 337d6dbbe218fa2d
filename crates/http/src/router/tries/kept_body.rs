//! The request's body, kept as it comes for as long as another try may need it.
//!
//! At most the route's `request_body_buffer_limit`, or the connection's buffer limit (1 MiB); above it the body is
//! only passed on and the request is not tried again, as in Envoy.

use std::cell::RefCell;
use std::task::{Context, Poll, ready};

use crate::exchange::RequestBody;
use crate::router::up::Up;
use nuncio_contract::buffer::Buffer;

/// What has come so far.
pub(super) struct KeptBody {
    bytes: Buffer,
    limit_bytes: u64,
    is_keeping: bool,
}

impl KeptBody {
    pub(super) fn new(limit_bytes: u64, is_keeping: bool) -> Self {
        Self {
            bytes: Buffer::new(),
            limit_bytes,
            is_keeping,
        }
    }

    /// Whether what comes is kept, and so may come before it can be sent.
    pub(super) fn is_keeping(&self) -> bool {
        self.is_keeping
    }

    /// All of it; nothing is left.
    pub(super) fn take_all(&mut self) -> Buffer {
        std::mem::take(&mut self.bytes)
    }

    /// What comes from now on is passed on only; what there is must still be sent.
    pub(super) fn stop_keeping(&mut self) {
        self.is_keeping = false;
    }

    /// Keeps what has come; false if it is too much, which ends the keeping.
    pub(super) fn take(&mut self, body: &mut RequestBody) -> bool {
        if !self.is_keeping {
            return true;
        }
        let all_bytes = self.bytes.len().saturating_add(body.data.len());
        if u64::try_from(all_bytes).unwrap_or(u64::MAX) > self.limit_bytes {
            self.is_keeping = false;
            return false;
        }
        self.bytes.append(std::mem::take(&mut body.data));
        true
    }
}

/// How much of the body is copied at a time.
const CHUNK_BYTES: usize = Buffer::BODY_BYTES;

/// How far a try has sent the body.
#[derive(Default)]
pub(super) struct Upload {
    /// Of what is kept.
    sent_bytes: usize,
    chunk: Buffer,
    is_chunk_last: bool,
    is_last_written: bool,
    is_done: bool,
    /// The end is written behind the last bytes, not with them.
    ends_apart: bool,
    /// What is behind the head is not for this host yet.
    waits: bool,
}

impl Upload {
    /// For a request without a body, whose head is written.
    pub(super) fn of_head() -> Self {
        Self {
            is_last_written: true,
            ..Self::default()
        }
    }

    /// Says whether the end is to be written behind the last bytes.
    pub(super) fn end_apart(&mut self, is_apart: bool) {
        self.ends_apart = is_apart;
    }

    /// Sends no more than the head.
    pub(super) fn wait(&mut self) {
        self.waits = true;
    }

    /// Sends what there is of the body; ready once all of the request is sent.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        up: &mut Up<'_>,
        kept: &KeptBody,
        body: &RefCell<RequestBody>,
    ) -> Poll<()> {
        if self.waits {
            ready!(up.poll_flush(cx));
            return Poll::Pending;
        }
        while !self.is_done {
            if self.is_last_written {
                ready!(up.poll_send_off(cx));
                self.is_done = true;
            } else if !self.chunk.is_empty() || self.is_chunk_last {
                ready!(up.poll_write_data(cx, &mut self.chunk, self.is_chunk_last));
                self.is_done = self.is_chunk_last;
            } else if !self.take_chunk(kept, &mut body.borrow_mut(), up) {
                ready!(up.poll_flush(cx));
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Makes the next bytes ready, or the end; false if there is nothing yet.
    fn take_chunk(&mut self, kept: &KeptBody, body: &mut RequestBody, up: &mut Up<'_>) -> bool {
        let rest = kept.bytes.readable().get(self.sent_bytes..);
        let rest = rest.unwrap_or_default();
        let is_direct = rest.is_empty() && !kept.is_keeping;
        if !rest.is_empty() {
            let some = rest.get(..CHUNK_BYTES).unwrap_or(rest);
            self.chunk.extend(some);
            self.sent_bytes += some.len();
        } else if is_direct && !body.data.is_empty() {
            self.chunk = std::mem::take(&mut body.data);
        } else if !body.done {
            return false;
        }
        let is_all_taken = self.sent_bytes == kept.bytes.len() && body.data.is_empty();
        if is_all_taken && body.done {
            match &body.trailers {
                None => self.is_chunk_last = self.chunk.is_empty() || !self.ends_apart,
                Some(trailers) if self.chunk.is_empty() => {
                    up.write_trailers(trailers);
                    self.is_last_written = true;
                }
                Some(_) => {}
            }
        }
        true
    }
}
