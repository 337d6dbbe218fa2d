//! A connection that its owner fills with requests as it likes, beside the pools: Redis.
//!
//! Counted as Envoy counts such connections: they take a place in the circuit breaker and are opened whatever it says.
//! That the cluster loses the host is told to who waits for it ([`WorkerHost::left`](crate::worker::WorkerHost::left)).

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;

use super::connect::connect;
use super::{Connection, Ended, HostPool, Life};
use crate::error::{UpstreamError, UpstreamErrorKind};

/// An open connection.
pub struct OwnConnection {
    /// None once it was closed.
    connection: Option<Connection>,
    pool: Rc<HostPool>,
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// This side.
    Us,
    /// The host.
    Host,
}

impl OwnConnection {
    /// Opens one, within the cluster's time for that.
    pub(crate) async fn open(pool: Rc<HostPool>) -> Result<Self, UpstreamError> {
        let life = Life::begin(&pool);
        let core = Rc::clone(&pool.core);
        let connecting = Box::pin(connect(
            &core,
            &pool.to,
            pool.name.as_ref(),
            pool.carries,
            life.id,
        ));
        let result = tokio::time::timeout(core.settings().connect_timeout, connecting).await;
        let error = match result {
            Ok(Ok(transport)) => {
                let connection = Some(*Connection::new(transport, life, &core));
                return Ok(OwnConnection { connection, pool });
            }
            Ok(Err(error)) => {
                core.traffic.upstream_cx_connect_fail.inc();
                error
            }
            Err(_) => {
                core.traffic.upstream_cx_connect_timeout.inc();
                UpstreamError::new(UpstreamErrorKind::ConnectionTimeout)
            }
        };
        pool.to.counters.cx_connect_fail.inc();
        let ended = match error.kind {
            UpstreamErrorKind::RemoteConnectionFailure => Ended::Remote,
            _ => Ended::Local,
        };
        // Nobody opens one without a request.
        life.end(ended, true);
        Err(error)
    }

    /// Reads what has come, up to so many bytes; none at the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Ok(0));
        };
        let read = connection.transport.poll_fill(cx, into, most);
        if let Poll::Ready(Ok(count)) = &read {
            let traffic = &self.pool.core.traffic;
            traffic.upstream_cx_rx_bytes_total.add(count_of(*count));
        }
        read
    }

    /// Writes some of the bytes.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let written = connection.transport.poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            let traffic = &self.pool.core.traffic;
            traffic.upstream_cx_tx_bytes_total.add(count_of(*count));
        }
        written
    }

    /// Has what was written leave.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.connection {
            Some(connection) => connection.transport.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes it, with requests that are not answered or without.
    pub fn close(mut self, by: EndedBy, with_requests: bool) {
        let ended = match by {
            EndedBy::Us => Ended::Local,
            EndedBy::Host => Ended::Remote,
        };
        if let Some(connection) = self.connection.take() {
            match with_requests {
                true => connection.close_with_active_request(ended),
                false => connection.close(ended),
            }
        }
    }
}

fn count_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
