//! What becomes of a try's response or failure: another try, a wait for others that are under way, or the end.

use std::rc::Rc;

use nuncio_contract::clock::Clock;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_upstream::{UpstreamError, UpstreamErrorKind, WorkerHost};

use super::decide::{Met, Verdict};
use super::one_try::{LiveTry, OneTry, Stage};
use super::{NextTry, Tries};
use crate::downstream::Downstream;
use crate::exchange::{Account, RetryCount, Stop};
use crate::router::attempt::is_http2;
use crate::router::failure::status_of_failure;
use crate::router::forward::Failure;
use crate::router::outliers;
use crate::router::tunnel::has_no_say;
use crate::spans::TryEnd;

/// Whether a try is followed by another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
    /// It should be, but may not.
    CouldNot,
}

/// The try whose response the client gets.
type ChosenTry<'e> = (Box<LiveTry<'e>>, Rc<WorkerHost>);

impl<'e, D: Downstream> Tries<'_, 'e, '_, D> {
    /// Decides on another try, and counts what was decided.
    fn try_again(&mut self, met: Met, is_after_timeout: bool) -> Again {
        let exchange = self.exchange();
        let Some(retries) = &mut self.retries else {
            return Again::No;
        };
        let account = exchange.account.borrow();
        let Some(account) = &*account else {
            return Again::No;
        };
        let worker = &*exchange.manager.worker;
        let config = self.router.config;
        let priority = self.forward.priority;
        let flags = match retries.decide(met, &account.cluster, priority, config, worker) {
            Verdict::Yes(wait, waited) => {
                self.next = Some(NextTry {
                    at: self.now() + wait,
                    waited,
                    is_after_timeout,
                });
                return Again::Yes;
            }
            Verdict::No => {
                if self.begun > 1 {
                    account.count_retry(RetryCount::Success);
                }
                return Again::No;
            }
            Verdict::Off => return Again::No,
            Verdict::LimitExceeded => {
                account.count_retry(RetryCount::LimitExceeded);
                ResponseFlags::UPSTREAM_RETRY_LIMIT_EXCEEDED
            }
            Verdict::Overflow => {
                account.count_retry(RetryCount::Overflow);
                ResponseFlags::UPSTREAM_OVERFLOW
            }
        };
        exchange.state.borrow_mut().info.response_flags |= flags;
        Again::CouldNot
    }

    /// Whether anything is left to wait for.
    fn is_more_to_come(&self) -> bool {
        self.next.is_some() || !self.under_way.is_empty()
    }

    /// The answer to a failure that is the last.
    pub(super) fn end_with(&self, error: &UpstreamError) -> Failure {
        let is_retry = self.begun > 1;
        Failure::Stopped(self.router.upstream_failed(error, is_retry))
    }

    /// A try has failed.
    pub(super) fn failed(&mut self, at: usize, error: &UpstreamError) -> Result<(), Failure> {
        let one = self.under_way.remove(at);
        self.lost(one, error)
    }

    pub(super) fn lost(
        &mut self,
        mut one: OneTry<'e>,
        error: &UpstreamError,
    ) -> Result<(), Failure> {
        if let Some(log) = &mut one.log {
            log.fail(error);
        }
        self.router.set_host(Some(&one.host));
        match &one.stage {
            Stage::Live(live) => self.router.note_bytes(&live.up),
            Stage::Connecting(_) => {
                if self.exchange().manager.tracer.is_some() {
                    self.router.tell_lost_try(&one.host, error);
                }
                self.note_tried(&one.host);
            }
            Stage::Refused => {}
        }
        outliers::report_failure(&one.host, error);
        self.was_sent |= one.was_sent();
        if !one.is_doubled && self.retries.is_some() {
            let met = self.met_failure(Some(error.kind));
            if self.try_again(met, false) == Again::Yes {
                one.host.counters().rq_error.inc();
                return Ok(());
            }
        }
        if self.is_more_to_come() {
            self.router.forget_host_of(error);
            let status = status_of_failure(error.kind);
            self.router
                .with_account(|account| account.charge_failure(status));
            return Ok(());
        }
        Err(self.end_with(error))
    }

    fn met_failure(&self, kind: Option<UpstreamErrorKind>) -> Met {
        let retries = self.retries.as_ref();
        retries.map_or(Met::Nothing, |it| it.meets_failure(kind, self.was_sent))
    }

    /// A head of 1xx is passed on; from then on this try is the only one.
    pub(super) async fn informed(&mut self, at: usize, status: u16) -> Result<(), Failure> {
        self.exchange().touch_idle();
        let one = self.under_way.remove(at);
        self.under_way.clear();
        let is_first = self.retries.take().is_some() || !self.is_informed;
        self.is_informed = true;
        self.next = None;
        self.body.stop_keeping();
        self.router.set_host(Some(&one.host));
        if let Stage::Live(live) = &one.stage
            && is_first
        {
            self.exchange().state.borrow_mut().response = live.response.clone();
            self.router
                .with_account(|account| account.charge_response(status, &live.response));
            self.under_way.push(one);
            return self.router.inform(status).await;
        }
        self.under_way.push(one);
        Ok(())
    }

    /// Judges a response by its head; returns the try if its response is the one, and ends all if it sends the
    /// request elsewhere.
    pub(super) fn judge(
        &mut self,
        at: usize,
        status: u16,
    ) -> Result<Option<ChosenTry<'e>>, Failure> {
        let one = self.under_way.remove(at);
        let Stage::Live(mut live) = one.stage else {
            return Ok(None);
        };
        self.router.set_host(Some(&one.host));
        let mut could_not = false;
        // An answer that grants no WebSocket is passed on whatever it is that is tried again.
        let is_final = self.router.awaits_handshake()
            && has_no_say(status)
            && !is_http2(live.up.borrow().stream());
        if let Some(retries) = self.retries.as_ref().filter(|_| !is_final) {
            let worker = &*self.exchange().manager.worker;
            let state = self.exchange().state.borrow();
            let met = retries.meets_response(status, &live.response, &state.request, worker);
            drop(state);
            could_not = match one.is_doubled {
                true => met != Met::Nothing,
                false => match self.try_again(met, false) {
                    Again::Yes => {
                        one.host.counters().rq_error.inc();
                        self.report_head(&one.host, status, &live);
                        self.end_span_of(&live, status);
                        live.up.borrow_mut().stream_mut().give_up();
                        self.router.note_bytes(&live.up);
                        self.router
                            .with_account(|account| account.charge_retried(status));
                        return Ok(None);
                    }
                    again => again == Again::CouldNot,
                },
            };
        }
        if !self.is_tunnel()
            && let Some(anew) = self.redirected(&mut live, &one.host, status)
        {
            return Err(Failure::Stopped(anew));
        }
        if could_not && self.is_more_to_come() {
            one.host.counters().rq_error.inc();
            self.report_head(&one.host, status, &live);
            self.end_span_of(&live, status);
            live.up.borrow_mut().stream_mut().give_up();
            self.router.note_bytes(&live.up);
            return Ok(None);
        }
        self.under_way.clear();
        self.retries = None;
        self.next = None;
        self.body.stop_keeping();
        Ok(Some((live, one.host)))
    }

    /// Ends the span of a try whose answer is not passed on.
    fn end_span_of(&self, live: &LiveTry, status: u16) {
        let mut state = self.exchange().state.borrow_mut();
        if state.span.is_none() {
            return;
        }
        let up = live.up.borrow();
        let up = up.stream();
        let end = TryEnd {
            status: Some(status),
            protocol: up.protocol(),
            is_canceled: !(up.is_response_complete() && up.is_request_complete()),
            ..TryEnd::default()
        };
        let manager = self.exchange().manager;
        let of_stream = state.info.upstream.timing;
        let now = manager.worker.now();
        let timing = &mut state.info.upstream.timing;
        timing.first_rx_byte.get_or_insert(now);
        if up.is_response_complete() {
            timing.last_rx_byte.get_or_insert(now);
        }
        manager.end_try_span(&mut state, &up.host_address(), &end, Some(&live.response));
        // What the stream says is told by the try that it ends with.
        state.info.upstream.timing = of_stream;
    }

    /// Tells outlier detection of a response that is not passed on.
    fn report_head(&self, host: &WorkerHost, status: u16, live: &LiveTry<'_>) {
        let state = self.exchange().state.borrow();
        outliers::report_head(host, status, &state.request, &live.response);
    }

    /// A try has taken too long, or has stood still for too long.
    pub(super) fn took_too_long(&mut self, at: usize) -> Result<(), Failure> {
        if self.wishes.hedges {
            self.double(at);
            return Ok(());
        }
        let mut one = self.under_way.remove(at);
        self.router.set_host(Some(&one.host));
        let is_idle = one
            .ends_at
            .is_none_or(|end| one.idle_at.is_some_and(|idle| idle < end));
        one.log_late(is_idle);
        self.router.with_account(|account| {
            account.try_timed_out(is_idle);
            account.report_timeout();
        });
        self.was_sent |= one.was_sent();
        if let Stage::Live(live) = &one.stage {
            self.router.note_bytes(&live.up);
        }
        if self.retries.is_some() {
            let met = self.met_failure(None);
            if self.try_again(met, true) == Again::Yes {
                one.host.counters().rq_error.inc();
                return Ok(());
            }
        }
        self.router.with_account(Account::charge_timeout);
        Err(Failure::Stopped(self.router.too_late(match is_idle {
            true => "upstream_per_try_idle_timeout",
            false => "upstream_per_try_timeout",
        })))
    }

    /// A try has lasted as long as a stream may.
    pub(super) fn lasted_too_long(&mut self, at: usize) -> Result<(), Failure> {
        let one = self.under_way.remove(at);
        self.router.set_host(Some(&one.host));
        self.was_sent |= one.was_sent();
        if let Stage::Live(live) = &one.stage {
            self.router.note_bytes(&live.up);
        }
        let over = self.ends_over();
        if !one.is_doubled && self.retries.is_some() {
            let met = self.met_failure(None);
            if self.try_again(met, false) == Again::Yes {
                one.host.counters().rq_error.inc();
                return Ok(());
            }
        }
        Err(over)
    }

    /// The time that a stream may last is over: our answer, or the end of what had begun.
    pub(super) fn ends_over(&self) -> Failure {
        self.router.with_account(|account| {
            account.traffic().upstream_rq_max_duration_reached.inc();
        });
        Failure::Stopped(self.router.over())
    }

    /// Lets a try go on that has taken too long, and begins another beside it if there may be one.
    fn double(&mut self, at: usize) {
        if let Some(one) = self.under_way.get_mut(at) {
            one.ends_at = None;
            one.idle_at = None;
            one.has_timed_out = true;
            one.log_late(false);
            let host = Rc::clone(&one.host);
            self.router.set_host(Some(&host));
            self.router.with_account(Account::report_timeout);
        }
        if self.retries.is_none() {
            return;
        }
        let again = self.try_again(Met::WithWait { asked: None }, true);
        if let Some(one) = self.under_way.get_mut(at) {
            one.is_doubled = again == Again::Yes;
        }
    }

    /// The time for the whole response is over.
    pub(super) fn time_is_over(&mut self) -> Failure {
        for one in std::mem::take(&mut self.under_way) {
            self.router.set_host(Some(&one.host));
            if let Stage::Live(live) = &one.stage {
                self.router.note_bytes(&live.up);
            }
            let is_told = one.has_timed_out || !one.was_sent();
            self.router.with_account(|account| {
                account.timed_out();
                if !is_told {
                    account.report_timeout();
                }
                account.charge_timeout();
            });
        }
        Failure::Stopped(self.router.too_late("response_timeout"))
    }

    /// The time is over, or that of a try without a byte, while its response is passed on.
    pub(super) fn ends_too_late(&self, is_idle: bool) -> Failure {
        self.router.with_account(|account| match is_idle {
            true => {
                account.try_timed_out(true);
                account.report_timeout();
            }
            false => account.timed_out(),
        });
        let stop: Stop = self.router.too_late(match is_idle {
            true => "upstream_per_try_idle_timeout",
            false => "response_timeout",
        });
        Failure::Stopped(stop)
    }
}
