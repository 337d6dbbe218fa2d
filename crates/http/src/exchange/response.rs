//! The response's way down: through the filters and the connection manager to the client.

use std::future::poll_fn;
use std::task::{Context, Poll};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::AccessLogType;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::stream_info::{Protocol, StreamInfo};

use super::{Exchange, Stop};
use crate::connection_manager::response;
use crate::connection_manager::tracing::Tracing;
use crate::downstream::Downstream;
use crate::filter_chain::Way;
use crate::filter_engine::{Flow, HeadIs, LateStep};

impl<D: Downstream> Exchange<'_, D> {
    /// Runs the response's head through the filters and the connection manager, and writes it.
    pub(crate) async fn send_head(&self, end_stream: bool) -> Result<Flow<()>, Stop> {
        self.encoding_begun.set(true);
        if !self.has_filters() {
            self.write_head(end_stream);
            return Ok(Flow::Through(()));
        }
        let flow = self.run_filters(Way::Encode).headers(0, end_stream).await?;
        if let Flow::Through(()) = flow {
            self.write_head(end_stream && !self.is_response_late());
        }
        Ok(flow)
    }

    pub(crate) fn write_head(&self, end_stream: bool) {
        let manager = self.manager;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let worker = &manager.worker;
        worker.with_date(|date| {
            response::mutate(
                &mut state.response,
                &state.request,
                &state.info,
                &manager.config,
                date,
            );
        });
        let mut drains = worker.is_draining() && !manager.drain.ignores_health()
            || manager.drain.closes(&**worker);
        if state.info.drains_connection {
            // One that carries one stream at a time just ends.
            self.down.close_after_response();
            drains |= state.info.protocol == Some(Protocol::Http2);
        }
        if let Some(overload) = &manager.overload
            && !self.down.is_draining()
        {
            drains |= manager.disables_keepalive(overload);
        }
        if drains && !self.down.is_draining() {
            manager.stats.http.downstream_cx_drain_close.inc();
            self.down.drain();
        }
        if !self.is_request_complete() {
            manager
                .stats
                .http
                .downstream_rq_response_before_rq_complete
                .inc();
            self.down.close_after_response();
        }
        let status = status_of(&state.response);
        if !self.ends_http(status) {
            self.down.finish_head(&mut state.response);
        }
        state.info.response_code = Some(status);
        if let Some(tracing) = &manager.config.tracing {
            if state.span.is_some() && tracing.spans.is_outbound {
                manager.rename_span(state);
            }
            tracing.decorate_response(state);
            self.charge_tracing(&state.info);
        }
        if !state.info.health_check {
            self.charge(status);
        }
        if manager.config.log_moments.tunnel && self.ends_http(status) {
            let moment = AccessLogType::DownstreamTunnelSuccessfullyEstablished;
            manager.log(state, moment);
        }
        self.response_begun.set(true);
        self.down.write_head(&state.response, end_stream);
        state.info.downstream_timing.first_tx_byte = Some(worker.now());
    }

    /// Runs a chunk of the response through the filters and writes what comes out.
    pub(crate) async fn send_data(&self, chunk: Buffer, end_stream: bool) -> Result<(), Stop> {
        if !self.has_filters() {
            self.write_data(chunk, end_stream);
            return Ok(());
        }
        Box::pin(self.filter_data(chunk, end_stream)).await
    }

    async fn filter_data(&self, chunk: Buffer, end_stream: bool) -> Result<(), Stop> {
        let held_before = !self.response_begun.get();
        let mut work_bytes = chunk.len();
        if let Flow::Through(data) = self
            .run_filters(Way::Encode)
            .data(0, chunk, end_stream)
            .await?
        {
            if held_before {
                self.write_head(false);
            }
            let is_last = end_stream && !self.is_response_late();
            work_bytes = work_bytes.max(data.len());
            self.write_data(data, is_last);
        }
        if !end_stream {
            self.give_way(Way::Encode, work_bytes).await;
        }
        Ok(())
    }

    /// Whether more of the response is to come than what the host sends.
    #[inline]
    pub(crate) fn is_response_late(&self) -> bool {
        self.state.borrow().filters.has_late_body(Way::Encode)
    }

    /// The next of what comes late, when it comes.
    pub(crate) fn poll_late_response(&self, cx: &mut Context<'_>) -> Poll<LateStep> {
        self.run_filters(Way::Encode).poll_late(cx)
    }

    /// Whether the filters take more of the response while there is something to come of it.
    pub(crate) fn takes_more_response(&self) -> bool {
        self.run_filters(Way::Encode).takes_more()
    }

    /// Writes what has come late.
    pub(crate) async fn send_late(&self, step: LateStep) -> Result<(), Stop> {
        let held_before = !self.response_begun.get();
        let work_bytes = step.bytes();
        let released = self.run_filters(Way::Encode).release(step).await?;
        if let Some(head) = released.head {
            self.write_head(head == HeadIs::All);
            return Ok(());
        }
        let (data, is_through) = match released.data {
            Flow::Through(data) => (data, true),
            Flow::Held => (Buffer::default(), false),
        };
        if held_before && is_through {
            self.write_head(false);
        }
        if !data.is_empty() || released.is_last {
            self.write_data(data, released.is_last);
        }
        if let Some(trailers) = released.trailers {
            self.down.write_trailers(&trailers);
            self.state.borrow_mut().response_trailers = *trailers;
        }
        self.give_way(Way::Encode, work_bytes).await;
        Ok(())
    }

    /// Writes all that comes late, of a response that is complete but for that.
    pub(crate) async fn send_all_late(&self) -> Result<(), Stop> {
        while self.is_response_late() {
            self.down.flush().await?;
            let step = poll_fn(|cx| self.poll_late_response(cx)).await;
            self.send_late(step).await?;
            self.touch_idle();
        }
        Ok(())
    }

    /// Runs the response's trailers, which are in the state, through the filters and writes them.
    pub(crate) async fn send_trailers(&self) -> Result<(), Stop> {
        let mut trailers = std::mem::take(&mut self.state.borrow_mut().response_trailers);
        let held_before = !self.response_begun.get();
        let run = self.run_filters(Way::Encode);
        if let Flow::Through(data) = run.trailers(0, &mut trailers).await? {
            if held_before {
                self.write_head(false);
            }
            if !data.is_empty() {
                self.write_data(data, false);
            }
            if !run.awaits_trailers() {
                self.down.write_trailers(&trailers);
                self.state.borrow_mut().response_trailers = trailers;
            }
        }
        Ok(())
    }

    pub(crate) fn write_data(&self, data: Buffer, end_stream: bool) {
        self.state.borrow_mut().info.bytes_sent += u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.down.write_data(data, end_stream);
    }

    /// Counts a response by why its request is traced.
    pub(crate) fn charge_tracing(&self, info: &StreamInfo) {
        let stats = &self.manager.stats.tracing;
        Tracing::count(stats, info.health_check, info.trace_reason);
    }

    /// Counts a response's status.
    pub(crate) fn charge(&self, status: u16) {
        let http = &self.manager.stats.http;
        let listener = &self.manager.stats.listener;
        http.downstream_rq_completed.inc();
        listener.downstream_rq_completed.inc();
        match status {
            100..=199 => {
                http.downstream_rq_1xx.inc();
                listener.downstream_rq_1xx.inc();
            }
            200..=299 => {
                http.downstream_rq_2xx.inc();
                listener.downstream_rq_2xx.inc();
            }
            300..=399 => {
                http.downstream_rq_3xx.inc();
                listener.downstream_rq_3xx.inc();
            }
            400..=499 => {
                http.downstream_rq_4xx.inc();
                listener.downstream_rq_4xx.inc();
            }
            500..=599 => {
                http.downstream_rq_5xx.inc();
                listener.downstream_rq_5xx.inc();
            }
            _ => {}
        }
    }
}

/// The status in `:status`; 0 if there is none.
pub fn status_of(headers: &HeaderMap) -> u16 {
    let digits = headers.get(Known::Status).unwrap_or_default();
    digits.iter().fold(0_u16, |status, digit| {
        status
            .saturating_mul(10)
            .saturating_add(u16::from(digit.wrapping_sub(b'0')))
    })
}
