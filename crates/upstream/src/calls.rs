//! A connection lent for one call of a protocol that is no HTTP: Thrift.
//!
//! Bytes pass as they are. The connection goes back to its pool only by [`CallConnection::finish`]; dropped, it is closed
//! in the middle of its call.

use std::io;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;

use crate::pool::{Carries, Ended, EndedBy, Lease};

/// A connection for one call.
pub struct CallConnection {
    lease: Lease,
}

impl CallConnection {
    /// None if the connection carries something else.
    pub(crate) fn new(lease: Lease) -> Option<Self> {
        (lease.carries() == Carries::Calls).then_some(CallConnection { lease })
    }

    /// How many calls the connection had before this one.
    pub fn calls_before(&self) -> u32 {
        let count = |connection: &crate::pool::Connection| connection.request_count();
        self.lease.connection().map_or(0, count).saturating_sub(1)
    }

    /// Whether the host may still answer a call before this one, which wanted no answer.
    pub fn may_owe(&self) -> bool {
        self.lease.connection().is_some_and(|it| it.may_owe())
    }

    /// The call wants no answer, though the host may give one.
    pub fn sent_oneway(&mut self) {
        if let Some(connection) = self.lease.connection_mut() {
            connection.sent_oneway();
        }
    }

    /// Writes some of the bytes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(connection) = self.lease.connection_mut() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let written = connection.transport.poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            let traffic = &self.lease.core().traffic;
            traffic.upstream_cx_tx_bytes_total.add(count_of(*count));
        }
        written
    }

    /// Has what was written leave.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.lease.connection_mut() {
            Some(connection) => connection.transport.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Reads what has come, up to so many bytes; none at the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = self.lease.connection_mut() else {
            return Poll::Ready(Ok(0));
        };
        let read = connection.transport.poll_fill(cx, into, most);
        if let Poll::Ready(Ok(count)) = &read {
            let traffic = &self.lease.core().traffic;
            traffic.upstream_cx_rx_bytes_total.add(count_of(*count));
        }
        read
    }

    /// The call is over, and the connection is good for others.
    pub fn finish(mut self) {
        self.lease.end();
    }

    /// The call is over, and the connection is not to be used again.
    pub fn close(mut self) {
        self.lease.close(Ended::Local);
    }

    /// Closes the connection in the middle of the call.
    pub fn reset(mut self, by: EndedBy) {
        self.lease.reset(match by {
            EndedBy::Us => Ended::Local,
            EndedBy::Host => Ended::Remote,
        });
    }
}

impl Drop for CallConnection {
    fn drop(&mut self) {
        // Nothing happens where the call has ended.
        self.lease.reset(Ended::Local);
    }
}

fn count_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
