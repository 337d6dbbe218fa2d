//! One request and its response, from the decoded head to the access log.
//!
//! The flow runs as one future on its worker. It is raced against the stream's deadlines and against the
//! client's going away: whichever comes first drops the flow, which cancels everything under way.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::clock::Clock;
use nuncio_contract::formatter::{AccessLogType, FormatContext};
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stream_info::ResponseFlags;
use nuncio_net::deadline::Deadlines;

use crate::connection_manager::config::Terminal;
use crate::connection_manager::{ConnectionManager, request, response};
use crate::downstream::{BodyEvent, Downstream, DownstreamError};
use crate::filter_chain::{FilterSlot, Way, takes_part};
use crate::filter_engine::{Flow, Run};
use crate::router;
use crate::stream::StreamState;

/// Deadline: no bytes on the stream.
pub const STREAM_IDLE: usize = 0;
/// Deadline: the whole request.
pub const REQUEST: usize = 1;
/// Deadline: the request's head.
pub const REQUEST_HEADERS: usize = 2;
/// Deadline: the life of the stream.
pub const STREAM_DURATION: usize = 3;
/// Deadline: the router's, for the whole response.
pub const ROUTE: usize = 4;
/// Deadline: the connection's, between streams.
pub const CONNECTION: usize = 5;
/// No deadline of the connection: the end of its connection manager's drain.
pub const DRAINED: usize = DEADLINES;
/// Body bytes that a service takes.
const SERVICE_BODY_LIMIT_BYTES: usize = 1 << 20;
/// How many deadlines a connection has.
pub const DEADLINES: usize = 6;

/// How a stream ended, as far as its connection cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Both sides are complete.
    Complete,
    /// The response is complete, the request was not read to its end.
    RequestUnfinished,
    /// The stream broke after its response had begun.
    Broken,
    /// The client is gone.
    Gone,
}

/// A stream under way.
pub struct Exchange<'a, D> {
    /// The connection manager.
    pub manager: &'a ConnectionManager,
    /// The client's side.
    pub down: &'a D,
    /// The shared state; never borrowed over an await.
    pub state: RefCell<Box<StreamState>>,
    /// The connection's deadlines.
    pub deadlines: &'a Deadlines<DEADLINES>,
    /// What has been read of the request's body and passed the filters.
    pub(crate) body: RefCell<router::RequestBody>,
    pub(crate) response_begun: Cell<bool>,
    /// Whom the outcome is counted for, once the request has a cluster.
    pub(crate) account: RefCell<Option<router::Account>>,
    idle_timeout: Cell<Option<Duration>>,
    encoding_begun: Cell<bool>,
}

/// What a stream begins with.
pub enum Start {
    /// A decoded head.
    Request,
    /// A head that the codec refused, and the answer to it.
    Refused(LocalReply),
    /// A deadline passed before the head was complete.
    Expired(usize),
    /// The client went away before the head was complete.
    Gone,
}

/// Why the flow stopped short of a complete response.
pub enum Stop {
    /// An answer of our own is due.
    Reply(Box<LocalReply>),
    /// The route's own answer is due, with the route's header mutations.
    RouteReply(Box<LocalReply>),
    /// The client's side failed.
    Downstream(DownstreamError),
    /// The response broke off after it had begun.
    ResponseBroken,
}

impl From<Box<LocalReply>> for Stop {
    fn from(reply: Box<LocalReply>) -> Self {
        Stop::Reply(reply)
    }
}

impl From<DownstreamError> for Stop {
    fn from(error: DownstreamError) -> Self {
        Stop::Downstream(error)
    }
}

enum Raced<T> {
    Flow(T),
    Expired(usize),
    Gone,
}

impl<'a, D: Downstream> Exchange<'a, D> {
    /// A stream whose head has been decoded into `state`.
    pub fn new(
        manager: &'a ConnectionManager,
        down: &'a D,
        state: Box<StreamState>,
        deadlines: &'a Deadlines<DEADLINES>,
    ) -> Self {
        Exchange {
            manager,
            down,
            state: RefCell::new(state),
            deadlines,
            body: RefCell::default(),
            response_begun: Cell::new(false),
            account: RefCell::default(),
            idle_timeout: Cell::new(manager.config.timeouts.stream_idle),
            encoding_begun: Cell::new(false),
        }
    }

    /// Gives the state up for another stream.
    pub fn into_state(self) -> Box<StreamState> {
        self.state.into_inner()
    }

    /// The route's idle timeout takes the place of the connection manager's; zero means none.
    pub(crate) fn override_idle_timeout(&self, idle: Duration) {
        self.idle_timeout.set((!idle.is_zero()).then_some(idle));
        if idle.is_zero() {
            self.deadlines.clear(STREAM_IDLE);
        }
        self.touch_idle();
    }

    /// Runs the stream to its end and logs it.
    pub async fn run(&self, start: Start) -> StreamEnd {
        let raced = match start {
            Start::Request => pin!(self.race()).await,
            Start::Refused(reply) => Raced::Flow(Err(Stop::Reply(Box::new(reply)))),
            Start::Expired(slot) => Raced::Expired(slot),
            Start::Gone => Raced::Gone,
        };
        let stop = match raced {
            Raced::Flow(Ok(())) => None,
            Raced::Flow(Err(stop)) => Some(stop),
            Raced::Expired(slot) => Some(self.expired(slot)),
            Raced::Gone => Some(Stop::Downstream(DownstreamError::Gone)),
        };
        let end = match stop {
            None => self.end_of_response(),
            Some(stop) => Box::pin(self.stopped(stop)).await,
        };
        self.finish(end);
        end
    }

    fn end_of_response(&self) -> StreamEnd {
        if self.down.request_done() {
            StreamEnd::Complete
        } else {
            StreamEnd::RequestUnfinished
        }
    }

    async fn race(&self) -> Raced<Result<(), Stop>> {
        let mut flow = pin!(self.flow());
        let mut gone = pin!(self.down.gone());
        poll_fn(|cx| {
            if let Poll::Ready(done) = flow.as_mut().poll(cx) {
                return Poll::Ready(Raced::Flow(done));
            }
            if let Poll::Ready(slot) = self.deadlines.poll_expired(cx, &*self.manager.worker) {
                return Poll::Ready(Raced::Expired(slot));
            }
            if self.manager.drain.is_over() {
                return Poll::Ready(Raced::Expired(DRAINED));
            }
            if self.down.request_done() && gone.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Raced::Gone);
            }
            Poll::Pending
        })
        .await
    }

    /// From the head to the complete response.
    async fn flow(&self) -> Result<(), Stop> {
        self.prepare()?;
        let end_stream = self.down.request_done();
        self.body.borrow_mut().done = end_stream;
        if self.has_filters() {
            let up = self.run_filters(Way::Decode);
            if let Flow::Held = up.headers(0, end_stream).await? {
                Box::pin(self.read_until_released()).await?;
            }
        }
        match &self.manager.config.terminal {
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

    /// Reads the whole request and lets the service answer it.
    async fn serve(&self) -> Result<(), Stop> {
        while !self.body.borrow().done {
            self.read_request().await?;
            if self.body.borrow().data.len() > SERVICE_BODY_LIMIT_BYTES {
                let reply = LocalReply::new(
                    413,
                    b"Payload Too Large".as_slice(),
                    "request_payload_too_large",
                );
                return Err(Stop::Reply(Box::new(reply)));
            }
        }
        let Some(service) = &self.manager.service else {
            return Err(Stop::ResponseBroken);
        };
        let body = std::mem::take(&mut self.body.borrow_mut().data);
        let answer = service.call(&self.state.borrow().request, body);
        let mut answer = answer.await;
        let first = answer.body.next().unwrap_or_default();
        {
            let mut state = self.state.borrow_mut();
            state.response.reset(MapKind::Response);
            state
                .response
                .set_integer(Known::Status, u64::from(answer.status));
            for (name, value) in &answer.headers {
                state.response.append(name, value);
            }
            if answer.is_single_piece {
                state.response.set_integer(
                    Known::ContentLength,
                    u64::try_from(first.len()).unwrap_or(u64::MAX),
                );
            }
        }
        self.send_head(first.is_empty() && answer.is_single_piece)
            .await?;
        let mut piece = Some(first);
        while let Some(bytes) = piece {
            piece = answer.body.next();
            let mut chunk = Buffer::default();
            chunk.extend(&bytes);
            self.send_data(chunk, piece.is_none()).await?;
            self.down.flush().await?;
            // A long answer must not hold up the others of this thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Whether any filter takes part in the stream.
    fn has_filters(&self) -> bool {
        !self.state.borrow().filters.is_empty()
    }

    /// One direction of the filters.
    pub(crate) fn run_filters(&self, way: Way) -> Run<'_> {
        Run {
            state: &self.state,
            services: &*self.manager.worker,
            way,
        }
    }

    /// The connection manager's part: checks, mutations, route, filters.
    fn prepare(&self) -> Result<(), Stop> {
        let manager = self.manager;
        let config = &manager.config;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        self.answer_expectation(&mut state.request);
        let connection = std::sync::Arc::clone(&state.info.connection);
        let peer = request::Peer {
            is_tls: connection.tls.is_some(),
            remote: connection.remote_address.as_ref(),
            local: connection.local_address.as_ref(),
        };
        request::check(&mut state.request, &config.request, &peer)
            .map_err(|refusal| self.refuse(refusal))?;
        request::mutate(
            &mut state.request,
            &mut state.info,
            &config.request,
            &state.route.table.internal_only_headers,
            &peer,
            &*manager.worker,
        );
        state.find_route(manager.worker.random_u64());
        self.create_filters(state);
        if request::wants_tunnel(&state.request) && state.route.index.is_some() {
            manager.stats.http.downstream_rq_ws_on_non_ws_route.inc();
            self.down.close_after_response();
            return Err(Stop::Reply(Box::new(request::no_tunnel())));
        }
        self.touch_idle();
        Ok(())
    }

    fn create_filters(&self, state: &mut StreamState) {
        let levels = state.route.filter_levels();
        let is_on = |place: usize, slot: &FilterSlot| takes_part(&levels, place, slot.disabled);
        state.filters.create(
            &self.manager.filters,
            self.manager.config.buffer_limit_bytes,
            is_on,
        );
    }

    fn answer_expectation(&self, headers: &mut HeaderMap) {
        if request::take_expectation(headers, self.manager.config.proxy_100_continue) {
            let mut head = HeaderMap::response();
            head.set(Known::Status, b"100");
            self.charge(100);
            self.down.write_informational(&head);
        }
    }

    fn refuse(&self, refusal: request::Refusal) -> Stop {
        let stats = &self.manager.stats.http;
        let reply = match refusal {
            request::Refusal::Reply(reply) => reply,
            request::Refusal::PathNormalization(reply) => {
                stats.downstream_rq_failed_path_normalization.inc();
                reply
            }
            request::Refusal::Redirect(reply) => {
                stats.downstream_rq_redirected_with_normalized_path.inc();
                reply
            }
            request::Refusal::NonRelativePath(reply) => {
                stats.downstream_rq_non_relative_path.inc();
                reply
            }
        };
        Stop::Reply(Box::new(reply))
    }

    /// Feeds the body to the filters until none of them holds the head any more.
    async fn read_until_released(&self) -> Result<(), Stop> {
        while self.state.borrow().filters.holds_headers(Way::Decode) {
            if !self.read_request().await? {
                return Err(Stop::ResponseBroken);
            }
        }
        Ok(())
    }

    /// Reads one more piece of the request and runs it through the filters; what comes out is added to
    /// the body. False if the request was complete already.
    pub(crate) async fn read_request(&self) -> Result<bool, Stop> {
        if self.down.request_done() {
            return Ok(false);
        }
        self.down.flush().await?;
        let mut chunk = Buffer::default();
        let mut trailers = HeaderMap::new(MapKind::RequestTrailers);
        let event = self.down.read_body(&mut chunk, &mut trailers).await?;
        self.touch_idle();
        self.state.borrow_mut().info.bytes_received +=
            u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        let filters = self.run_filters(Way::Decode);
        let through = match event {
            BodyEvent::Data { end_stream } => filters.data(0, chunk, end_stream).await?,
            BodyEvent::Trailers => {
                if !chunk.is_empty()
                    && let Flow::Through(data) = filters.data(0, chunk, false).await?
                {
                    self.body.borrow_mut().data.append(data);
                }
                filters.trailers(&mut trailers).await?
            }
        };
        let mut body = self.body.borrow_mut();
        if let Flow::Through(data) = through {
            body.data.append(data);
        }
        if self.down.request_done() {
            body.done = true;
            self.request_complete();
            if event == BodyEvent::Trailers {
                body.trailers = Some(Box::new(trailers));
            }
        }
        Ok(true)
    }

    /// The request has been read to its end.
    fn request_complete(&self) {
        self.deadlines.clear(REQUEST);
        let now = self.manager.worker.now();
        self.state.borrow_mut().info.downstream_timing.last_rx_byte = Some(now);
    }

    /// Puts the stream's idle deadline off.
    pub(crate) fn touch_idle(&self) {
        if let Some(idle) = self.idle_timeout.get() {
            self.deadlines
                .set(STREAM_IDLE, self.manager.worker.now() + idle);
        }
    }

    fn expired(&self, slot: usize) -> Stop {
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
            _ => return router::timed_out(self),
        };
        counter.inc();
        if self.response_begun.get() {
            self.state.borrow_mut().info.response_flags |= flags;
            return Stop::ResponseBroken;
        }
        Stop::Reply(Box::new(
            LocalReply::new(status, body.as_bytes(), details).with_flags(flags),
        ))
    }

    /// The drain of the connection manager is over.
    fn drained(&self) -> Stop {
        let mut state = self.state.borrow_mut();
        state.info.response_flags |= ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION;
        state.info.response_code_details = Some("downstream_local_disconnect".into());
        Stop::ResponseBroken
    }

    async fn stopped(&self, stop: Stop) -> StreamEnd {
        match stop {
            Stop::Reply(reply) if reply.status == 413 && !self.response_begun.get() => {
                self.manager.stats.http.downstream_rq_too_large.inc();
                self.down.close_after_response();
                self.reply(*reply, false).await
            }
            Stop::Reply(reply) if !self.response_begun.get() => self.reply(*reply, false).await,
            Stop::RouteReply(reply) if !self.response_begun.get() => self.reply(*reply, true).await,
            Stop::Reply(_) | Stop::RouteReply(_) | Stop::ResponseBroken => {
                let _what_is_there_goes_out_before_the_end = self.down.flush().await;
                StreamEnd::Broken
            }
            Stop::Downstream(DownstreamError::Gone) => {
                let mut state = self.state.borrow_mut();
                state.info.response_flags |= ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION;
                if state.info.response_code_details.is_none() {
                    state.info.response_code_details = Some("downstream_remote_disconnect".into());
                }
                StreamEnd::Gone
            }
            Stop::Downstream(DownstreamError::Protocol { details, status }) => {
                self.manager.stats.http.downstream_cx_protocol_error.inc();
                self.state.borrow_mut().info.response_flags |=
                    ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR;
                if self.response_begun.get() {
                    return StreamEnd::Broken;
                }
                self.down.close_after_response();
                let reply = LocalReply::new(status, reason_body(status), details);
                self.reply(reply, false).await
            }
        }
    }

    /// Sends an answer of our own through the encoder filters; past them, if a filter gave it on the way down.
    async fn reply(&self, reply: LocalReply, by_route: bool) -> StreamEnd {
        let body = self.make_reply(reply, by_route);
        let end_stream = body.is_empty();
        let sent = if self.encoding_begun.get() {
            self.write_head(end_stream);
            self.write_data(body, true);
            Ok(())
        } else {
            self.send_reply(body, end_stream).await
        };
        match sent {
            Ok(()) => match self.down.flush().await {
                Ok(()) => self.end_of_response(),
                Err(_) => StreamEnd::Broken,
            },
            Err(_) => StreamEnd::Broken,
        }
    }

    async fn send_reply(&self, body: Buffer, end_stream: bool) -> Result<(), Stop> {
        self.send_head(end_stream).await?;
        if !end_stream {
            self.send_data(body, true).await?;
        }
        Ok(())
    }

    /// The head of an answer of our own; returns its body.
    fn make_reply(&self, reply: LocalReply, by_route: bool) -> Buffer {
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.info.response_flags |= reply.flags;
        state.info.response_code_details = Some(reply.details.clone());
        if reply.status == 400 && !self.manager.config.stream_error_on_invalid_http_message {
            self.down.close_after_response();
        }
        let mut body = Buffer::default();
        if router::reply_head(state, &reply, by_route, &*self.manager.worker) {
            body.extend(&reply.body);
            state.local_reply_body = reply.body;
        }
        body
    }

    /// Runs the response's head through the filters and the connection manager, and writes it.
    pub(crate) async fn send_head(&self, end_stream: bool) -> Result<Flow<()>, Stop> {
        self.encoding_begun.set(true);
        if !self.has_filters() {
            self.write_head(end_stream);
            return Ok(Flow::Through(()));
        }
        let flow = self.run_filters(Way::Encode).headers(0, end_stream).await?;
        if let Flow::Through(()) = flow {
            self.write_head(end_stream);
        }
        Ok(flow)
    }

    fn write_head(&self, end_stream: bool) {
        let manager = self.manager;
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let worker = &manager.worker;
        worker.with_date(|date| {
            response::mutate(&mut state.response, &state.request, &manager.config, date)
        });
        if worker.is_draining() || manager.drain.closes(&**worker) {
            manager.stats.http.downstream_cx_drain_close.inc();
            self.down.close_after_response();
        }
        if !self.down.request_done() {
            manager
                .stats
                .http
                .downstream_rq_response_before_rq_complete
                .inc();
            self.down.close_after_response();
        }
        self.down.finish_head(&mut state.response);
        let status = router::status_of(&state.response);
        state.info.response_code = Some(status);
        self.charge(status);
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
        let held_before = !self.response_begun.get();
        if let Flow::Through(data) = self
            .run_filters(Way::Encode)
            .data(0, chunk, end_stream)
            .await?
        {
            if held_before {
                self.write_head(false);
            }
            self.write_data(data, end_stream);
        }
        Ok(())
    }

    /// Runs the response's trailers, which are in the state, through the filters and writes them.
    pub(crate) async fn send_trailers(&self) -> Result<(), Stop> {
        let mut trailers = std::mem::take(&mut self.state.borrow_mut().response_trailers);
        let held_before = !self.response_begun.get();
        if let Flow::Through(data) = self
            .run_filters(Way::Encode)
            .trailers(&mut trailers)
            .await?
        {
            if held_before {
                self.write_head(false);
            }
            if !data.is_empty() {
                self.write_data(data, false);
            }
            self.down.write_trailers(&trailers);
            self.state.borrow_mut().response_trailers = trailers;
        }
        Ok(())
    }

    fn write_data(&self, data: Buffer, end_stream: bool) {
        self.state.borrow_mut().info.bytes_sent += u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.down.write_data(data, end_stream);
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
            _ => {
                http.downstream_rq_5xx.inc();
                listener.downstream_rq_5xx.inc();
            }
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
        ] {
            self.deadlines.clear(slot);
        }
        let stats = &self.manager.stats.http;
        let now = self.manager.worker.now();
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        state.filters.destroy();
        state.info.end = Some(now);
        state.info.downstream_bytes = self.down.bytes();
        stats.downstream_rq_active.dec();
        if end != StreamEnd::Complete {
            stats.downstream_rq_rx_reset.inc();
        }
        if state.info.response_code.is_some() {
            let took = state.info.duration(now);
            stats
                .downstream_rq_time
                .record(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        }
        log(self.manager, state);
    }
}

/// Writes the stream to the access logs.
fn log(manager: &ConnectionManager, state: &StreamState) {
    if manager.loggers.is_empty() {
        return;
    }
    let context = FormatContext {
        request_headers: Some(&state.request),
        response_headers: Some(&state.response),
        response_trailers: Some(&state.response_trailers),
        stream_info: &state.info,
        local_reply_body: &state.local_reply_body,
        access_log_type: AccessLogType::DownstreamEnd,
        services: &*manager.worker,
    };
    for logger in &manager.loggers {
        logger.log(&context);
    }
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
