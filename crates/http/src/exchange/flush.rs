//! A response that is whole and waits for its client.
//!
//! From then on the stream has one deadline, that of the flush, whatever the client takes meanwhile: the route's
//! `flush_timeout`, the connection manager's `stream_flush_timeout`, or its `stream_idle_timeout`. Envoy has it for
//! HTTP/2 alone. A response of HTTP/1 is limited by the idle timeout of its stream here, as a buffer is held for it,
//! where Envoy leaves it to the idle timeout of the connection; that one counts where streams have none, and
//! `max_stream_duration` goes on.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use nuncio_contract::overload::ScaledTimer;

use super::{Exchange, LOG, REQUEST, REQUEST_HEADERS, ROUTE, STREAM_DURATION, STREAM_IDLE};
use crate::downstream::{Downstream, DownstreamError};
use crate::route::Action;

impl<D: Downstream> Exchange<'_, D> {
    /// Sends what is left of a whole response.
    pub(crate) async fn send_off(&self) -> Result<(), DownstreamError> {
        let mut sending = pin!(self.down.send_off());
        poll_fn(|cx| {
            let sent = sending.as_mut().poll(cx);
            if sent.is_pending() && !self.is_flushing.get() {
                self.begin_flush();
            }
            sent
        })
        .await
    }

    /// Which timer the stream waits by.
    pub(crate) fn waits_by(&self) -> ScaledTimer {
        match self.is_flushing.get() {
            true => ScaledTimer::StreamFlush,
            false => ScaledTimer::StreamIdle,
        }
    }

    /// Whether the flush has a time of its own, which does not begin anew with what the client takes.
    pub(crate) fn is_flush_timed(&self) -> bool {
        D::TELLS_OF_RESETS && self.is_flushing.get()
    }

    #[cold]
    fn begin_flush(&self) {
        self.is_flushing.set(true);
        for slot in [REQUEST, REQUEST_HEADERS, ROUTE, LOG] {
            self.deadlines.clear(slot);
        }
        if D::TELLS_OF_RESETS {
            self.deadlines.clear(STREAM_DURATION);
            self.idle_timeout.set(self.flush_timeout());
            self.deadlines.clear(STREAM_IDLE);
        } else {
            self.limit_wait();
        }
        self.touch_idle();
    }

    /// Where streams may be idle for ever, connections may not: they limit the wait for a client of HTTP/1.
    #[cold]
    pub(crate) fn limit_wait(&self) {
        if !D::TELLS_OF_RESETS && self.idle_timeout.get().is_none() {
            let timeouts = &self.manager.config.timeouts;
            self.idle_timeout.set(timeouts.connection_idle);
        }
    }

    fn flush_timeout(&self) -> Option<Duration> {
        let state = self.state.borrow();
        let route = &state.route;
        let action = route.index.map(|index| route.table.action(index));
        let times = match action {
            Some(Action::Forward(forward)) => forward.times.as_ref(),
            _ => None,
        };
        match times.and_then(|times| times.flush) {
            Some(own) => (!own.is_zero()).then_some(own),
            None => self.manager.config.timeouts.stream_flush,
        }
    }
}
