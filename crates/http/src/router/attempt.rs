//! One try at a host: the request up, the response down, both at once.
//!
//! The request's body is written by a future of its own, made only where there is a body.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nuncio_codec::http1::ResponseHead;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::headers::Known;
use nuncio_contract::stream_info::Protocol;
use nuncio_upstream::{BodyEvent, MetadataRelay, UpstreamError, UpstreamStream, WorkerHost};

use super::failure::reset_reason;
use super::forward::Failure;
use super::up::Up;
use super::{Router, finalize, outliers};
use crate::connection_manager::response::mutate_informational;
use crate::downstream::Downstream;
use crate::exchange::Account;
use crate::route::{Forward, is_grpc};
use crate::spans::TryEnd;
use crate::stream::StreamState;

/// Notes what went over the wire, also of an attempt that is given up.
pub(super) struct NotesBytes<'r, 'u, 'e, 'a, D: Downstream> {
    pub(super) router: &'r Router<'e, 'a, D>,
    pub(super) up: &'r RefCell<Up<'u>>,
}

impl<D: Downstream> Drop for NotesBytes<'_, '_, '_, '_, D> {
    fn drop(&mut self) {
        self.router.exchange.unread_bytes.set(0);
        self.router.note_bytes(self.up);
    }
}

/// Written but unsent bytes towards the client above which the response waits for it.
const FLUSH_ABOVE_BYTES: usize = 64 * 1024;

impl<D: Downstream> Router<'_, '_, D> {
    /// Sends the request to a host and its response to the client, both at once.
    pub(super) async fn attempt(
        &self,
        up: &RefCell<Up<'_>>,
        forward: &Forward,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        self.rewrite_to_hostname(forward);
        self.note_attempted();
        self.note_connection(up.borrow().stream());
        self.join_metadata(up);
        let _however_it_ends = NotesBytes { router: self, up };
        self.with_account(Account::began);
        if self.exchange.tunnel.get().is_some() {
            return Box::pin(self.tunnel(up)).await;
        }
        let bare = self.write_head(up);
        if bare {
            poll_fn(|cx| up.borrow_mut().poll_send_off(cx)).await;
        }
        let mut upload = (!bare).then(|| Box::pin(self.upload(up, timeout)));
        let mut download = pin!(self.download(up));
        poll_fn(|cx| {
            if let Some(under_way) = &mut upload
                && let Poll::Ready(done) = under_way.as_mut().poll(cx)
            {
                upload = None;
                if done.is_err() {
                    return Poll::Ready(done);
                }
            }
            let done = download.as_mut().poll(cx);
            self.note_unread(up);
            done
        })
        .await
    }

    /// Lets METADATA pass between the client and the host, where it is allowed.
    #[inline]
    pub(super) fn join_metadata(&self, up: &RefCell<Up<'_>>) {
        let from_host = up.borrow().stream().passes_metadata();
        let relay = match self.exchange.down.metadata() {
            None if from_host && !D::TELLS_OF_RESETS => Some(self.refuse_metadata()),
            relay => relay,
        };
        if let Some(relay) = relay {
            up.borrow_mut().stream_mut().join_metadata(relay);
        }
    }

    /// Counts what a host sends to a client of HTTP/1.
    #[cold]
    fn refuse_metadata(&self) -> Rc<MetadataRelay> {
        let stats = Arc::clone(&self.exchange.manager.stats.http1);
        Rc::new(MetadataRelay::new(move |_| {
            stats.metadata_not_supported_error.inc();
        }))
    }

    /// Notes what of the answer waits to be read, where somebody may ask what the stream holds.
    #[inline]
    pub(super) fn note_unread(&self, up: &RefCell<Up<'_>>) {
        if self.exchange.manager.drain.needs_care() {
            let unread = up.borrow().stream().unread_bytes();
            self.exchange.unread_bytes.set(unread);
        }
    }

    /// Whether the head is all that there is of the request.
    fn write_head(&self, up: &RefCell<Up<'_>>) -> bool {
        let bare = self.exchange.body.borrow().is_absent;
        let mut state = self.exchange.state.borrow_mut();
        if state.span.is_some() {
            self.begin_try_span(&mut state);
        }
        up.borrow_mut().write_head(&state.request, bare);
        let now = self.exchange.manager.worker.now();
        let timing = &mut state.info.upstream.timing;
        timing.first_tx_byte = Some(now);
        timing.last_tx_byte = bare.then_some(now);
        bare
    }

    pub(super) fn note_bytes(&self, up: &RefCell<Up<'_>>) {
        let up = up.borrow();
        let stream = up.stream();
        let mut state = self.exchange.state.borrow_mut();
        if state.span.is_some() {
            self.end_try_span(&mut state, stream);
        }
        stream.add_bytes_to(&mut state.info.upstream.bytes);
    }

    /// The levels' mutations of the response. Their formats know of the bytes of this try as well, which are not
    /// counted before it ends.
    fn mutate_response(&self, up: &RefCell<Up<'_>>, state: &mut StreamState) {
        if !state.route.table.adds.response_mutations {
            return;
        }
        let before = state.info.upstream.bytes;
        up.borrow()
            .stream()
            .add_bytes_to(&mut state.info.upstream.bytes);
        finalize::response(state, &*self.exchange.manager.worker);
        state.info.upstream.bytes = before;
    }

    /// Begins the span of a try that has a connection, and tells its host of the trace.
    #[cold]
    pub(super) fn begin_try_span(&self, state: &mut StreamState) {
        if let Some(host) = state.info.upstream.remote_address.clone() {
            let starts = self.config.starts_child_spans;
            self.exchange.manager.begin_try_span(state, &host, starts);
        }
    }

    /// Ends the span of a try, which may have an answer.
    #[cold]
    fn end_try_span(&self, state: &mut StreamState, up: &UpstreamStream) {
        let has_answer = state.info.upstream.timing.first_rx_byte.is_some();
        let end = TryEnd {
            status: state.info.response_code.filter(|_| has_answer),
            protocol: up.protocol(),
            ..TryEnd::default()
        };
        let host = up.host_address();
        self.exchange.manager.end_try_span(state, &host, &end, None);
    }

    /// Tells of a try that had no connection.
    #[cold]
    pub(super) fn tell_lost_try(&self, host: &WorkerHost, error: &UpstreamError) {
        let mut state = self.exchange.state.borrow_mut();
        let address = host.description().address.clone();
        let manager = self.exchange.manager;
        if !manager.spans_tries(self.config.starts_child_spans) {
            return;
        }
        manager.begin_try_span(&mut state, &address, self.config.starts_child_spans);
        let end = TryEnd {
            reason: reset_reason(error.kind),
            flags: "UF",
            ..TryEnd::default()
        };
        manager.end_try_span(&mut state, &address, &end, None);
    }

    pub(super) fn note_host(&self, host: &Rc<WorkerHost>) {
        let mut state = self.exchange.state.borrow_mut();
        state.info.upstream.choose_host(host.description());
    }

    /// Notes that the host that was chosen gets the request.
    pub(super) fn note_attempted(&self) {
        let mut state = self.exchange.state.borrow_mut();
        state.info.upstream.attempt_chosen_host();
    }

    /// The same for the host whose response counts, after all others.
    pub(super) fn note_last_attempted(&self, host: &Rc<WorkerHost>) {
        let mut state = self.exchange.state.borrow_mut();
        state.info.upstream.hosts_attempted.clear();
        state.info.upstream.add_attempted_host(host.description());
    }

    /// `auto_host_rewrite`, which Envoy does once there is a connection.
    pub(super) fn rewrite_to_hostname(&self, forward: &Forward) {
        self.with_account(|account| {
            let Some(host) = &account.host else { return };
            let keeps_originals = !self.config.suppress_envoy_headers;
            finalize::rewrite_to_hostname(
                &mut self.exchange.state.borrow_mut().request,
                &host.host().hostname,
                forward,
                keeps_originals,
            );
        });
    }

    pub(super) fn note_connection(&self, stream: &UpstreamStream) {
        let mut state = self.exchange.state.borrow_mut();
        let upstream = &mut state.info.upstream;
        upstream.connection_id = Some(stream.connection_id());
        upstream.local_address = stream.local_address();
        upstream.remote_address = Some(stream.host_address());
        upstream.protocol = stream.protocol();
        upstream.tls = stream.tls().map(|tls| Arc::clone(&tls.told));
    }

    /// The request's body, as it comes from the filters.
    async fn upload(&self, up: &RefCell<Up<'_>>, timeout: Option<Duration>) -> Result<(), Failure> {
        let body = &self.exchange.body;
        let mut ends_apart = false;
        loop {
            let (some, done) = {
                let body = body.borrow();
                (!body.data.is_empty() || body.done, body.done)
            };
            if some {
                if ends_apart && !body.borrow().data.is_empty() {
                    self.write_data(up, false).await;
                }
                let last = done && body.borrow().trailers.is_none();
                self.write_data(up, last).await;
                self.exchange.touch_idle();
            }
            let trailers = body.borrow_mut().trailers.take();
            if let Some(trailers) = trailers {
                up.borrow_mut().write_trailers(&trailers);
                poll_fn(|cx| up.borrow_mut().poll_flush(cx)).await;
            }
            if done {
                let now = self.exchange.manager.worker.now();
                let mut state = self.exchange.state.borrow_mut();
                state.info.upstream.timing.last_tx_byte = Some(now);
                return Ok(());
            }
            self.read_more(up).await?;
            if body.borrow().done {
                ends_apart = self.request_ends_apart(up);
                self.begin_timeout(timeout);
            }
        }
    }

    /// Writes what waits of the request's body.
    async fn write_data(&self, up: &RefCell<Up<'_>>, last: bool) {
        poll_fn(|cx| {
            let body = &mut *self.exchange.body.borrow_mut();
            up.borrow_mut().poll_write_data(cx, &mut body.data, last)
        })
        .await;
    }

    /// Whether the end of a request's body is a frame of its own, as in Envoy: HTTP/1 tells of it behind the body, and a
    /// filter that waits for the body has both at once.
    pub(super) fn request_ends_apart(&self, up: &RefCell<Up<'_>>) -> bool {
        let is_between = !D::TELLS_OF_RESETS && is_http2(up.borrow().stream());
        is_between && !self.has_body_filters()
    }

    /// Reads more of the request's body. What is there at once leaves with what was written before.
    async fn read_more(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        let mut reading = pin!(self.exchange.read_request());
        let at_once = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await;
        if let Poll::Ready(read) = at_once {
            read?;
        } else {
            poll_fn(|cx| up.borrow_mut().poll_flush(cx)).await;
            reading.await?;
        }
        Ok(())
    }

    /// The response: heads, body, trailers.
    async fn download(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        let status = pin!(self.read_final_head(up)).await?.status;
        pin!(self.pass_response(up, status)).await
    }

    /// The response whose head has come.
    pub(super) async fn pass_response(
        &self,
        up: &RefCell<Up<'_>>,
        status: u16,
    ) -> Result<(), Failure> {
        let end_stream = up.borrow().is_response_complete();
        self.begin_response(up, status, end_stream);
        if let Err(stop) = pin!(self.exchange.send_head(end_stream)).await {
            self.note_replaced(end_stream);
            return Err(stop.into());
        }
        pin!(self.pass_body(up, end_stream)).await?;
        pin!(self.send_off(up)).await
    }

    /// Sends what is left of the response, and notes when all of it was.
    async fn send_off(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        let mut sending = pin!(self.exchange.send_off());
        let at_once = poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await;
        if let Poll::Ready(sent) = at_once {
            sent?;
            self.end_response();
            return Ok(());
        }
        self.end_unsent(up);
        sending.await?;
        let now = self.exchange.manager.worker.now();
        let mut state = self.exchange.state.borrow_mut();
        state.info.downstream_timing.last_tx_byte = Some(now);
        Ok(())
    }

    /// Another answer goes in the place of the host's, which may have been whole.
    #[cold]
    fn note_replaced(&self, end_stream: bool) {
        if end_stream {
            let now = self.exchange.manager.worker.now();
            let mut state = self.exchange.state.borrow_mut();
            state.info.upstream.timing.last_rx_byte = Some(now);
        }
    }

    /// The host has done its part, whenever the client takes what came: its connection and its place among the
    /// cluster's requests are for others.
    #[cold]
    fn end_unsent(&self, up: &RefCell<Up<'_>>) {
        self.end_response();
        let mut state = self.exchange.state.borrow_mut();
        state.info.downstream_timing.last_tx_byte = None;
        up.borrow_mut().stream_mut().end_if_complete();
    }

    /// What is behind a head that has gone to the filters.
    #[inline]
    pub(super) async fn pass_body(
        &self,
        up: &RefCell<Up<'_>>,
        end_stream: bool,
    ) -> Result<(), Failure> {
        match (end_stream, self.exchange.is_response_late()) {
            (false, false) => pin!(self.stream_body(up)).await,
            (false, true) => Box::pin(self.stream_late_body(up, false)).await,
            (true, true) => Ok(Box::pin(self.exchange.send_all_late()).await?),
            (true, false) => Ok(()),
        }
    }

    /// The final head, after those of 1xx.
    pub(super) async fn read_final_head(
        &self,
        up: &RefCell<Up<'_>>,
    ) -> Result<ResponseHead, Failure> {
        let mut informed = false;
        loop {
            let state = &self.exchange.state;
            let read = poll_fn(|cx| up.borrow_mut().poll_read_head_of(cx, state)).await?;
            self.exchange.touch_idle();
            if !read.is_informational() {
                return Ok(read);
            }
            // As in Envoy, the first one stands for all.
            if !std::mem::replace(&mut informed, true) {
                self.with_account(|account| {
                    account.charge_response(read.status, &state.borrow().response);
                });
                self.inform(read.status).await?;
            }
        }
    }

    /// Notes when the response was sent, and how long the host took for it.
    pub(super) fn end_response(&self) {
        self.with_account(|account| {
            if account.awaits_grpc_end() {
                account.ended_grpc(&self.exchange.state.borrow().response_trailers);
            }
        });
        let now = self.exchange.manager.worker.now();
        let request_end = {
            let info = &mut self.exchange.state.borrow_mut().info;
            if info.upstream.timing.last_tx_byte.is_none() && self.exchange.body.borrow().done {
                // It goes on as it comes.
                info.upstream.timing.last_tx_byte = info.downstream_timing.last_rx_byte;
            }
            info.upstream.timing.last_rx_byte = Some(now);
            info.downstream_timing.last_tx_byte = Some(now);
            info.downstream_timing.last_rx_byte
        };
        if let Some(request_end) = request_end {
            let took = now.saturating_duration_since(request_end);
            self.with_account(|account| {
                account.took(took);
                account.used(took);
            });
        }
    }

    /// An informational head: those that Envoy knows are passed on where the connection manager leaves `100` to the
    /// upstream.
    pub(super) async fn inform(&self, status: u16) -> Result<(), Failure> {
        if !matches!(status, 100 | 102..=104) || !self.exchange.manager.config.proxy_100_continue {
            return Ok(());
        }
        if !self.exchange.state.borrow().info.health_check {
            self.exchange.charge(status);
        }
        if self.exchange.manager.config.tracing.is_some() {
            let state = self.exchange.state.borrow();
            self.exchange.charge_tracing(&state.info);
        }
        {
            let mut state = self.exchange.state.borrow_mut();
            let state = &mut **state;
            let (request, response) = (&state.request, &mut state.response);
            mutate_informational(response, request, &self.exchange.manager.config);
            self.exchange.down.write_informational(response);
        }
        self.exchange.down.flush().await?;
        Ok(())
    }

    /// Counts the response and makes its head what the filters get to see.
    pub(super) fn begin_response(&self, up: &RefCell<Up<'_>>, status: u16, end_stream: bool) {
        let worker = &*self.exchange.manager.worker;
        let now = worker.now();
        self.with_account(|account| {
            let state = self.exchange.state.borrow();
            account.charge_response(status, &state.response);
            if status < 500 {
                match is_grpc(&state.request) {
                    true => account.answered_grpc(&state.response, end_stream),
                    false => account.succeeded(),
                }
            }
            if let Some(host) = account.host.as_ref().filter(|it| it.monitor().is_some()) {
                outliers::report_head(host, status, &state.request, &state.response);
            }
        });
        let mut state = self.exchange.state.borrow_mut();
        let state = &mut *state;
        if let (Some(end), false) = (
            state.info.downstream_timing.last_rx_byte,
            self.config.suppress_envoy_headers,
        ) {
            let took = now.saturating_duration_since(end).as_millis();
            state.response.set_integer(
                Known::XEnvoyUpstreamServiceTime,
                u64::try_from(took).unwrap_or(u64::MAX),
            );
        }
        state.info.response_code_details = Some("via_upstream".into());
        state.info.response_code = Some(status);
        state.info.upstream.timing.first_rx_byte = Some(now);
        state.response.remove(Known::KeepAlive);
        self.with_account(|account| {
            let cookies = account.wishes.iter().flat_map(|wishes| &wishes.cookies);
            cookies.for_each(|cookie| state.response.append(Known::SetCookie, cookie.as_bytes()));
        });
        self.mutate_response(up, state);
        let virtual_host = state
            .route
            .index
            .and_then(|index| state.route.table.virtual_host(index));
        if virtual_host.is_some_and(|host| host.include_attempt_count_in_response) {
            let count = u64::from(state.info.attempt_count.unwrap_or(1));
            state.response.set_integer(Known::XEnvoyAttemptCount, count);
        }
    }

    /// Passes the body on. What is there at once leaves with the head; the host is held back while the client
    /// does not read.
    pub(super) async fn stream_body(&self, up: &RefCell<Up<'_>>) -> Result<(), Failure> {
        let down = self.exchange.down;
        let state = &self.exchange.state;
        loop {
            let mut chunk = Buffer::default();
            let mut read = |cx: &mut Context<'_>| {
                let mut up = up.borrow_mut();
                up.poll_read_body_of(cx, &mut chunk, state)
            };
            let ready = poll_fn(|cx| Poll::Ready(read(cx))).await;
            let event = match ready {
                Poll::Ready(event) => event?,
                Poll::Pending => {
                    down.flush().await?;
                    poll_fn(&mut read).await?
                }
            };
            self.exchange.touch_idle();
            let is_complete = match event {
                BodyEvent::Data => {
                    pin!(self.exchange.send_data(chunk, false)).await?;
                    false
                }
                BodyEvent::LastData | BodyEvent::End => {
                    if D::TELLS_OF_RESETS && !chunk.is_empty() && !is_http2(up.borrow().stream()) {
                        // As in Envoy the end of a host's answer over HTTP/1 is a frame of its own.
                        let data = std::mem::take(&mut chunk);
                        pin!(self.exchange.send_data(data, false)).await?;
                    }
                    pin!(self.exchange.send_data(chunk, true)).await?;
                    true
                }
                BodyEvent::Trailers => {
                    Box::pin(self.exchange.send_trailers()).await?;
                    true
                }
            };
            if self.exchange.is_response_late() {
                return Box::pin(self.stream_late_body(up, is_complete)).await;
            }
            if is_complete {
                return Ok(());
            }
            if down.unflushed_bytes() >= FLUSH_ABOVE_BYTES {
                down.flush().await?;
            }
        }
    }
}

pub(super) fn is_http2(stream: &UpstreamStream) -> bool {
    matches!(stream.protocol(), Some(Protocol::Http2))
}
