//! A request's life cut short: deadlines, answers of our own, broken streams.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::local_reply::{Basis, LocalReply};
use nuncio_contract::network_filter::LISTENER_GONE;
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::{ResponseFlags, StreamInfo};

use super::StreamEnd;
use crate::downstream::{Downstream, DownstreamError};
use crate::exchange::{
    DRAINED, Exchange, OVERLOADED, REQUEST, REQUEST_HEADERS, ROUTE, STREAM_DURATION, STREAM_IDLE,
    Stop,
};
use crate::router;

/// gRPC's status of what took too long.
const DEADLINE_EXCEEDED: u32 = 4;

impl<D: Downstream> Exchange<'_, D> {
    pub(super) fn expired(&self, slot: usize) -> Stop {
        if slot == STREAM_IDLE && self.is_flushing.get() {
            self.down.flush_timed_out();
            return Stop::Unread;
        }
        let stats = &self.manager.stats.http;
        let status = if self.down.request_done() { 504 } else { 408 };
        let (counter, body, details, flags) = match slot {
            STREAM_IDLE => (
                &stats.downstream_rq_idle_timeout,
                "stream timeout",
                "stream_idle_timeout",
                ResponseFlags::STREAM_IDLE_TIMEOUT,
            ),
            REQUEST => (
                &stats.downstream_rq_timeout,
                "request timeout",
                "request_overall_timeout",
                ResponseFlags::NONE,
            ),
            REQUEST_HEADERS => (
                &stats.downstream_rq_header_timeout,
                "request header timeout",
                "request_header_timeout",
                ResponseFlags::NONE,
            ),
            STREAM_DURATION => (
                &stats.downstream_rq_max_duration_reached,
                "downstream duration timeout",
                "max_duration_timeout",
                ResponseFlags::NONE,
            ),
            DRAINED => return self.drained(),
            OVERLOADED => return Stop::Overloaded,
            _ => return router::timed_out(self),
        };
        counter.inc();
        if self.response_begun.get() {
            let info = &mut self.state.borrow_mut().info;
            info.response_flags |= flags;
            info.response_code_details = Some(details.into());
            return Stop::ResponseOverdue;
        }
        let mut reply = LocalReply::new(status, body.as_bytes(), details).with_flags(flags);
        if slot == STREAM_DURATION {
            reply.grpc_status = Some(DEADLINE_EXCEEDED);
        }
        Stop::Reply(Box::new(reply))
    }

    /// The drain of the connection manager is over.
    fn drained(&self) -> Stop {
        let mut state = self.state.borrow_mut();
        state.info.response_flags |= ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION;
        state.info.response_code_details =
            Some(format!("downstream_local_disconnect({LISTENER_GONE})").into());
        Stop::ResponseBroken
    }

    pub(super) async fn stopped(&self, stop: Stop) -> StreamEnd {
        match stop {
            Stop::Reply(reply) if !self.response_begun.get() => {
                if (reply.basis == Basis::Awaited || self.has_waited())
                    && let Err(stop) = Box::pin(self.drop_what_is_there()).await
                {
                    return Box::pin(self.stopped(stop)).await;
                }
                self.heed_basis(reply.basis);
                self.reply(*reply, false).await
            }
            Stop::RouteReply(reply) if !self.response_begun.get() => {
                if self.has_waited()
                    && let Err(stop) = Box::pin(self.drop_what_is_there()).await
                {
                    return Box::pin(self.stopped(stop)).await;
                }
                self.reply(*reply, true).await
            }
            // Who can be told of one stream is, even if not all was read that is there, as it was not for so long.
            Stop::ResponseOverdue if D::TELLS_OF_RESETS && !self.is_tunnel_open() => {
                self.manager.stats.http.downstream_rq_tx_reset.inc();
                StreamEnd::Broken
            }
            // Nothing is wrong with it for counters and logs.
            Stop::Unread => StreamEnd::Unread,
            // Nothing of what it holds is sent.
            Stop::Overloaded => StreamEnd::Broken,
            Stop::Reply(_)
            | Stop::RouteReply(_)
            | Stop::ResponseBroken
            | Stop::ResponseOverdue
            | Stop::Anew(_) => {
                // What is there goes out before the end.
                if let Err(Unsent::Overloaded) = self.see_off().await {
                    return StreamEnd::Broken;
                }
                self.manager.stats.http.downstream_rq_tx_reset.inc();
                match self.is_tunnel_open() && !D::TELLS_OF_RESETS {
                    true => self.end_tunnel().await,
                    false => StreamEnd::Broken,
                }
            }
            Stop::Downstream(DownstreamError::Gone) => {
                let mut state = self.state.borrow_mut();
                state.info.response_flags |= ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION;
                state.info.response_code_details = Some("downstream_remote_disconnect".into());
                StreamEnd::Gone
            }
            Stop::Downstream(DownstreamError::Lost { flags, details }) => {
                let mut state = self.state.borrow_mut();
                // What came together with what ends the stream has come all the same.
                state.info.bytes_received +=
                    u64::try_from(self.down.unread_bytes()).unwrap_or_default();
                state.info.response_flags |= flags;
                if !details.is_empty() {
                    state.info.response_code_details = Some(details);
                }
                StreamEnd::Gone
            }
            Stop::Downstream(DownstreamError::Protocol { details, status }) => {
                self.manager.stats.http.downstream_cx_protocol_error.inc();
                let flags = ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR;
                if self.response_begun.get() {
                    self.state.borrow_mut().info.response_flags |= flags;
                    return StreamEnd::Broken;
                }
                self.down.close_after_response();
                let reply = LocalReply::new(status, reason_body(status), details);
                let reply = reply.with_flags(flags);
                self.keep_details(&reply);
                self.reply(reply, false).await
            }
        }
    }

    /// Whatever filters make of the answer to what is no HTTP, it is what ends the connection.
    #[cold]
    pub(super) fn keep_details(&self, reply: &LocalReply) {
        if reply.flags == ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR {
            let details = Box::new(reply.details.clone());
            self.late_details.set(Some(details));
        }
    }

    /// What belongs to the end of the connection comes behind the answer.
    #[cold]
    pub(super) fn tell_what_is_late(&self, info: &mut StreamInfo) {
        info.response_flags |= self.late_flags.get();
        if let Some(details) = self.late_details.take() {
            info.response_code_details = Some(*details);
        }
    }

    /// Whether a filter waited before the request came to the router, which has not read any of it yet.
    fn has_waited(&self) -> bool {
        self.state.borrow().filters.has_waited
    }

    /// Notes whether the request has come to its end for who answers it.
    fn heed_basis(&self, basis: Basis) {
        match basis {
            Basis::All | Basis::Awaited | Basis::Anew => return,
            Basis::Part if D::TELLS_OF_RESETS => return,
            Basis::Part => {}
            Basis::TooMuch => self.manager.stats.http.downstream_rq_too_large.inc(),
        }
        self.is_request_cut.set(true);
        self.down.close_after_response();
    }

    /// Tells the client that nothing more will come, so that it need not wait until it is given up.
    pub(super) async fn end_tunnel(&self) -> StreamEnd {
        let ending = async {
            self.down.end_sending().await;
            Ok(())
        };
        match self.patiently(ending).await {
            Err(Unsent::Overloaded) => StreamEnd::Broken,
            // The client may not read.
            Ok(()) | Err(Unsent::Overdue | Unsent::Gone) => StreamEnd::Tunnel,
        }
    }

    /// Sends an answer of our own through the encoder filters; past them, if a filter gave it on the way down.
    async fn reply(&self, reply: LocalReply, by_route: bool) -> StreamEnd {
        let body = self.make_reply(reply, by_route);
        let end_stream = body.is_empty();
        let sent = if self.encoding_begun.get() {
            self.write_reply(body);
            Ok(())
        } else {
            match self.in_time(self.send_reply(body, end_stream)).await {
                Err(Stop::Reply(instead)) if !self.response_begun.get() => {
                    self.write_reply(self.make_reply(*instead, false));
                    Ok(())
                }
                sent => sent,
            }
        };
        match sent {
            Ok(()) => match self.patiently(self.send_off()).await {
                Ok(()) => self.end_of_response(),
                Err(Unsent::Overdue) if self.is_flushing.get() => StreamEnd::Unread,
                Err(_) => StreamEnd::Broken,
            },
            Err(Stop::Anew(data)) => {
                let stop = Box::pin(self.run_anew(data)).await;
                Box::pin(self.ended(stop)).await
            }
            Err(stop) => Box::pin(self.stopped(stop)).await,
        }
    }

    /// Drives an answer of our own through filters that take their time for it, as long as the stream may last and the
    /// client is there.
    async fn in_time(&self, answer: impl Future<Output = Result<(), Stop>>) -> Result<(), Stop> {
        self.forget_request_deadlines();
        let mut answer = pin!(answer);
        let mut gone = pin!(self.down.gone());
        poll_fn(|cx| {
            let before = self.down.unflushed_bytes();
            if let Poll::Ready(done) = answer.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            if self.down.unflushed_bytes() < before {
                self.touch_idle();
            }
            if let Poll::Ready(slot) = self.poll_expired(cx) {
                return Poll::Ready(Err(self.expired(slot)));
            }
            if self.manager.drain.needs_care()
                && let Poll::Ready(slot) = self.poll_care(cx, ScaledTimer::StreamIdle)
            {
                return Poll::Ready(Err(self.expired(slot)));
            }
            let may_watch = D::TELLS_OF_RESETS || self.down.request_done();
            if may_watch && gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Stop::Downstream(self.down.loss())));
            }
            Poll::Pending
        })
        .await
    }

    /// What is left is the answer, which only has to go on.
    fn forget_request_deadlines(&self) {
        for slot in [REQUEST, REQUEST_HEADERS, ROUTE] {
            self.deadlines.clear(slot);
        }
        self.limit_wait();
        self.touch_idle();
    }

    /// Sends what was written.
    async fn see_off(&self) -> Result<(), Unsent> {
        self.patiently(self.down.send_off()).await
    }

    /// Awaits that all is sent. A client that takes none of it for the time that a stream may be idle is given up.
    async fn patiently(
        &self,
        sending: impl Future<Output = Result<(), DownstreamError>>,
    ) -> Result<(), Unsent> {
        self.forget_request_deadlines();
        let mut sending = pin!(sending);
        poll_fn(|cx| {
            let before = self.down.unflushed_bytes();
            if let Poll::Ready(sent) = sending.as_mut().poll(cx) {
                return Poll::Ready(sent.map_err(|_| Unsent::Gone));
            }
            if self.down.unflushed_bytes() < before && !self.is_flush_timed() {
                self.touch_idle();
            }
            let mut expired = self.poll_expired(cx);
            if expired.is_pending() && self.manager.drain.needs_care() {
                expired = self.poll_care(cx, ScaledTimer::StreamFlush);
            }
            if expired == Poll::Ready(STREAM_IDLE) {
                self.down.flush_timed_out();
            }
            match expired {
                Poll::Ready(STREAM_IDLE) => Poll::Ready(Err(Unsent::Overdue)),
                Poll::Ready(OVERLOADED) => Poll::Ready(Err(Unsent::Overloaded)),
                Poll::Ready(_) => Poll::Ready(Err(Unsent::Gone)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Writes an answer of our own past the encoder filters.
    fn write_reply(&self, body: Buffer) {
        self.write_head(body.is_empty());
        self.write_data(body, true);
    }

    /// Also what is refused before it has filters passes them on its way down.
    async fn send_reply(&self, body: Buffer, end_stream: bool) -> Result<(), Stop> {
        if !self.state.borrow().filters.is_created() {
            self.create_filters(&mut self.state.borrow_mut());
        }
        self.send_head(end_stream).await?;
        if !end_stream {
            self.send_data(body, true).await?;
        }
        if self.is_response_late() {
            Box::pin(self.send_all_late()).await?;
        }
        Ok(())
    }

    /// The head of an answer of our own; returns its body.
    fn make_reply(&self, mut reply: LocalReply, by_route: bool) -> Buffer {
        let manager = self.manager;
        if reply.flags == ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR {
            // It belongs to the end of the connection, which comes behind the answer.
            self.late_flags.set(std::mem::take(&mut reply.flags));
        }
        if reply.status == 400 && !manager.config.stream_error_on_invalid_http_message {
            self.down.close_after_response();
        }
        let mut state = self.state.borrow_mut();
        let services = &*manager.worker;
        let body = router::make_reply(&mut state, reply, by_route, &manager.config, services);
        let mut buffer = Buffer::default();
        buffer.extend(&body);
        buffer
    }
}

/// Why what was written did not all leave.
enum Unsent {
    /// The client did not take it in time.
    Overdue,
    /// The client is gone, or the connection's time is over.
    Gone,
    /// It holds too much while memory is short, which is noted; nothing of it is sent.
    Overloaded,
}

/// The body that Envoy's codec answers a protocol error with.
fn reason_body(status: u16) -> &'static [u8] {
    match status {
        413 => b"Payload Too Large",
        426 => b"Upgrade Required",
        431 => b"Request Header Fields Too Large",
        _ => b"Bad Request",
    }
}
