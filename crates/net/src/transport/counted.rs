//! A transport whose bytes are counted, for who tells of whole connections, or tapped, or of which the system is asked.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::stream_info::ConnectionTally;

use super::Transport;
use super::measured::Measured;
use crate::tap::Trace;

/// A transport and where its bytes are counted.
pub struct Counted {
    pub(super) inner: Transport,
    pub(super) tally: Rc<ConnectionTally>,
    /// What the system tells of it.
    pub(super) measured: Option<Rc<Measured>>,
    /// What of it is written elsewhere.
    pub(super) tap: Option<Box<Trace>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(measured) = &self.measured {
            measured.end(self.inner.socket().as_fd());
        }
        if let Some(tap) = &mut self.tap {
            tap.end();
        }
    }
}

impl Counted {
    fn sent(&self, count: usize) {
        let sent = &self.tally.sent;
        sent.set(sent.get().saturating_add(wide(count)));
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.len();
        let read = self.inner.poll_read(cx, buffer);
        if let Poll::Ready(Ok(count)) = read {
            if let Some(tap) = &mut self.tap {
                tap.read(buffer.get(before..).unwrap_or_default());
            }
            let received = &self.tally.received;
            received.set(received.get().saturating_add(wide(count)));
        }
        read
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.inner.poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.sent(count);
            if let Some(tap) = &mut self.tap {
                tap.wrote(bytes.get(..count).unwrap_or(bytes));
            }
        }
        written
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.inner.poll_write_vectored(cx, slices);
        if let Poll::Ready(Ok(count)) = written {
            self.sent(count);
            if let Some(tap) = &mut self.tap {
                let mut bytes: Vec<u8> =
                    slices.iter().flat_map(|one| one.iter()).copied().collect();
                bytes.truncate(count);
                tap.wrote(&bytes);
            }
        }
        written
    }

    pub(super) fn send_later(&mut self, bytes: Buffer) -> Result<(), Buffer> {
        // A tap tells of what the system has taken.
        if self.tap.is_some() {
            return Err(bytes);
        }
        let count = bytes.len();
        self.inner.send_later(bytes).inspect(|()| self.sent(count))
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
