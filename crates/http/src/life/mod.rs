//! The life of a request, from the decoded head to the access log.
//!
//! The flow runs as one future on its worker. It is raced against the stream's deadlines and against the
//! client's going away: whichever comes first drops the flow, which cancels everything under way.

mod anew;
mod begin;
mod duration;
mod service;
mod stopped;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::AccessLogType;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::overload::ScaledTimer;

use crate::connection_manager::config::Terminal;
use crate::downstream::Downstream;
use crate::exchange::{
    CONNECTION, DRAINED, Exchange, LOG, OVERLOADED, REQUEST, REQUEST_HEADERS, ROUTE,
    STREAM_DURATION, STREAM_IDLE, Stop,
};
use crate::filter_chain::Way;
use crate::filter_engine::Flow;
use crate::router;

/// How a stream ended, as far as its connection cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Both sides are complete.
    Complete,
    /// The response is complete, the request was not read to its end.
    RequestUnfinished,
    /// The stream had become a tunnel, and the host or we ended it.
    Tunnel,
    /// The stream broke after its response had begun.
    Broken,
    /// The client is gone.
    Gone,
    /// The response is whole, and the client did not take it in time.
    Unread,
}

/// What a stream begins with.
pub enum Start {
    /// A decoded head.
    Request,
    /// A head that the codec refused, and the answer to it.
    Refused(Box<LocalReply>),
    /// A deadline passed before the head was complete.
    Expired(usize),
    /// The client went away before the head was complete.
    Gone,
    /// A request that nobody looks at and that gets no answer; why is noted.
    Unanswered,
}

/// Whether the codec did not get to the end of the head, whose bytes count behind the answer.
fn is_broken_head(start: &Start) -> bool {
    matches!(start, Start::Refused(reply) if reply.details.starts_with("http1."))
}

enum Raced<T> {
    Flow(T),
    Expired(usize),
    Gone,
}

impl<D: Downstream> Exchange<'_, D> {
    /// Runs the stream to its end and logs it.
    pub async fn run(&self, start: Start) -> StreamEnd {
        if !is_broken_head(&start) {
            // Formats may ask for them before the end.
            self.state.borrow_mut().info.downstream_bytes = self.down.bytes();
        }
        let raced = match start {
            Start::Request => self.race(pin!(self.flow())).await,
            Start::Refused(reply) => {
                self.keep_details(&reply);
                Raced::Flow(Err(Stop::Reply(reply)))
            }
            Start::Expired(slot) => Raced::Expired(slot),
            Start::Gone => Raced::Gone,
            Start::Unanswered => Raced::Flow(Err(Stop::Overloaded)),
        };
        let stop = match raced {
            Raced::Flow(Err(Stop::Anew(data))) => Box::pin(self.run_anew(data)).await,
            raced => self.stop_of(raced),
        };
        let end = self.ended(stop).await;
        self.finish(end);
        end
    }

    /// The end of the stream, once its flow is over.
    #[inline]
    async fn ended(&self, stop: Option<Stop>) -> StreamEnd {
        match stop {
            None if self.is_tunnel_open() => self.end_tunnel().await,
            None => self.end_of_response(),
            Some(stop) => Box::pin(self.stopped(stop)).await,
        }
    }

    fn end_of_response(&self) -> StreamEnd {
        if self.is_request_complete() {
            StreamEnd::Complete
        } else {
            StreamEnd::RequestUnfinished
        }
    }

    fn stop_of(&self, raced: Raced<Result<(), Stop>>) -> Option<Stop> {
        match raced {
            Raced::Flow(done) => done.err(),
            Raced::Expired(slot) => Some(self.expired(slot)),
            Raced::Gone => Some(Stop::Downstream(self.down.loss())),
        }
    }

    async fn race(
        &self,
        mut flow: Pin<&mut impl Future<Output = Result<(), Stop>>>,
    ) -> Raced<Result<(), Stop>> {
        self.await_log_time();
        let mut gone = pin!(self.down.gone());
        let mut has_waited = false;
        poll_fn(|cx| {
            if let Poll::Ready(done) = flow.as_mut().poll(cx) {
                self.is_answered_at_once.set(done.is_err() && !has_waited);
                return Poll::Ready(Raced::Flow(done));
            }
            if let Poll::Ready(slot) = self.poll_expired(cx) {
                return Poll::Ready(Raced::Expired(slot));
            }
            has_waited = true;
            if self.manager.drain.needs_care()
                && let Poll::Ready(slot) = self.poll_care(cx, self.waits_by())
            {
                return Poll::Ready(Raced::Expired(slot));
            }
            let may_watch = D::TELLS_OF_RESETS || self.down.request_done();
            if may_watch && gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Raced::Gone);
            }
            Poll::Pending
        })
        .await
    }

    /// A deadline of the stream that passes. What is due meanwhile is done.
    fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<usize> {
        let worker = &*self.manager.worker;
        loop {
            match ready!(self.deadlines.poll_expired(cx, worker)) {
                LOG => self.log_meanwhile(),
                CONNECTION => self.down.connection_expired(worker.now()),
                slot => return Poll::Ready(slot),
            }
        }
    }

    /// What else may end the wait of a stream: the end of the drain, that it holds too much, and a timeout that is shorter
    /// now.
    #[cold]
    fn poll_care(&self, cx: &mut Context<'_>, timer: ScaledTimer) -> Poll<usize> {
        if self.manager.drain.is_over() {
            return Poll::Ready(DRAINED);
        }
        if self.is_too_large_now() {
            return Poll::Ready(OVERLOADED);
        }
        let overload = self.manager.overload.as_ref();
        let scales = overload.is_some_and(|it| it.scales_timers());
        let Some(end) = self.scaled_idle_end(timer).filter(|_| scales) else {
            return Poll::Pending;
        };
        let worker = &*self.manager.worker;
        let waited = self.deadlines.poll_at(cx, worker, end);
        waited.map(|()| {
            self.deadlines.clear(STREAM_IDLE);
            STREAM_IDLE
        })
    }

    /// Logs the stream while it lives.
    #[cold]
    fn log_meanwhile(&self) {
        let mut state = self.state.borrow_mut();
        state.info.downstream_bytes = self.down.bytes();
        self.manager.log(&state, AccessLogType::DownstreamPeriodic);
        self.await_log_time();
    }

    fn await_log_time(&self) {
        if let Some(interval) = self.manager.config.log_moments.interval {
            let next = self.manager.worker.now() + interval;
            self.deadlines.set(LOG, next);
        }
    }

    /// From the head to the complete response.
    async fn flow(&self) -> Result<(), Stop> {
        self.prepare()?;
        let end_stream = self.down.request_done();
        {
            let mut body = self.body.borrow_mut();
            body.done = end_stream;
            body.is_absent = end_stream;
        }
        if self.has_filters() {
            let up = self.run_filters(Way::Decode);
            if let Flow::Held = up.headers(0, end_stream).await? {
                Box::pin(self.read_until_released()).await?;
            }
            if end_stream && self.is_request_late() {
                self.expect_added_body();
            }
        }
        match self.manager.terminal_of(self.upgrade_filters()) {
            Terminal::Router(config) => {
                let router = router::Router {
                    exchange: self,
                    config,
                };
                pin!(router.run()).await
            }
            Terminal::Service => Box::pin(self.serve()).await,
            Terminal::Nothing => std::future::pending().await,
        }
    }

    /// Ends the filters, clears the deadlines, counts and logs.
    fn finish(&self, end: StreamEnd) {
        for slot in [
            STREAM_IDLE,
            REQUEST,
            REQUEST_HEADERS,
            STREAM_DURATION,
            ROUTE,
            LOG,
        ] {
            self.deadlines.clear(slot);
        }
        let stats = &self.manager.stats.http;
        let now = self.manager.worker.now();
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let filters_log = state.filters.want_log();
        if !filters_log {
            state.filters.destroy();
        }
        if !self.late_flags.get().is_empty() {
            self.tell_what_is_late(&mut state.info);
        }
        state.info.end = Some(now);
        let timing = &mut state.info.downstream_timing;
        let is_whole = matches!(end, StreamEnd::Complete | StreamEnd::RequestUnfinished);
        if is_whole && timing.last_tx_byte.is_none() {
            // Answers of our own are sent at once.
            timing.last_tx_byte = timing.first_tx_byte;
        }
        state.info.downstream_bytes = self.down.bytes();
        stats.downstream_rq_active.dec();
        if state.info.health_check {
            self.manager.stats.tracing.health_check.inc();
        }
        if self.tunnel.get().is_some() {
            stats.downstream_cx_upgrades_active.dec();
        }
        let is_as_usual = match end {
            StreamEnd::Complete => true,
            StreamEnd::Unread => self.is_request_complete(),
            _ => false,
        };
        if !is_as_usual {
            stats.downstream_rq_rx_reset.inc();
        }
        if state.info.response_code.is_some() {
            let took = state.info.duration(now);
            stats
                .downstream_rq_time
                .record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        }
        if state.span.is_some() {
            self.manager.end_span(state);
        }
        if let Some(tally) = &state.info.connection.tally {
            tally.saw(&state.info);
        }
        self.manager.log(state, AccessLogType::DownstreamEnd);
        if filters_log {
            self.manager.log_to_filters(state);
            state.filters.destroy();
        }
    }
}
