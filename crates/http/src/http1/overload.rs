//! A connection of HTTP/1 while the overload manager sheds load: timeouts that become shorter, requests that are not
//! understood any more. Nothing of this runs without an overload manager.

use std::pin::pin;
use std::task::{Context, Poll};

use nuncio_contract::clock::Clock;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::{Protocol, ResponseFlags};

use super::connection::{Close, Connection};
use crate::connection_manager::overload::OnBytes;
use crate::exchange::{CONNECTION, DRAINED, Exchange, STREAM_IDLE};
use crate::life::Start;

impl Connection {
    /// What else may end the wait for a request: the end of the drain, and timeouts that are shorter now.
    #[cold]
    pub(super) fn poll_idle_care(&self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.manager.drain.is_over() {
            return Poll::Ready(DRAINED);
        }
        if self.drained_at.get().is_some() {
            return Poll::Pending;
        }
        let idle = self.manager.config.timeouts.connection_idle;
        let idle_end = self.deadlines.get(CONNECTION).zip(idle).map(|(end, idle)| {
            let scaled = self.manager.scaled(ScaledTimer::ConnectionIdle, idle);
            end - (idle - scaled)
        });
        let Some(end) = [idle_end, self.life_end()].into_iter().flatten().min() else {
            return Poll::Pending;
        };
        let worker = &*self.manager.worker;
        let waited = self.deadlines.poll_at(cx, worker, end);
        waited.map(|()| {
            self.deadlines.clear(CONNECTION);
            CONNECTION
        })
    }

    /// The same while a head is read or a response is sent.
    #[cold]
    pub(super) fn poll_stream_care(&self, cx: &mut Context<'_>) -> Poll<usize> {
        if self.manager.drain.is_over() {
            return Poll::Ready(DRAINED);
        }
        let idle = self.manager.config.timeouts.stream_idle;
        let Some((end, idle)) = self.deadlines.get(STREAM_IDLE).zip(idle) else {
            return Poll::Pending;
        };
        let scaled = self.manager.scaled(ScaledTimer::StreamIdle, idle);
        let worker = &*self.manager.worker;
        let waited = self.deadlines.poll_at(cx, worker, end - (idle - scaled));
        waited.map(|()| {
            self.deadlines.clear(STREAM_IDLE);
            STREAM_IDLE
        })
    }

    /// Sheds load once the first bytes of a request are there; how the connection closes, if it does.
    pub(super) async fn shed_load(&self) -> Option<Close> {
        match self.manager.on_bytes() {
            OnBytes::Close => return Some(Close::Delayed),
            OnBytes::Drain if !self.is_draining() => self.begin_drain(self.manager.worker.now()),
            OnBytes::Drain | OnBytes::Go => {}
        }
        if !self.manager.sheds_dispatch() {
            return None;
        }
        self.begin_stream();
        let manager = &*self.manager;
        let mut state = manager.worker.begin_stream(&self.info, manager.routes());
        state.info.protocol = Some(Protocol::Http11);
        self.io.begin_refused();
        let exchange = Exchange::new(manager, &self.io, state, &self.deadlines);
        let start = Start::Refused(Box::new(aborted()));
        let _it_closes_either_way = pin!(exchange.run(start)).await;
        manager.worker.end_stream(exchange.into_state());
        Some(Close::Delayed)
    }
}

/// The answer to a request that was not looked at.
fn aborted() -> LocalReply {
    LocalReply::new(500, b"Internal Server Error".as_slice(), "overload")
        .with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
}
