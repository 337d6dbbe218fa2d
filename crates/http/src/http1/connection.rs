//! The life of an HTTP/1 connection: requests one after another until one side wants no more.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use nuncio_codec::http1::{Error, Version, reason_phrase};
use nuncio_contract::clock::Clock;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::{ConnectionInfo, Protocol, ResponseFlags};
use nuncio_net::deadline::Deadlines;
use nuncio_net::transport::Transport;

use super::io::{FirstByte, HeadRead, Http1Io, Http2Begin};
use crate::boxed::boxed;
use crate::config::connection_manager::CodecType;
use crate::connection_manager::ConnectionManager;
use crate::downstream::Downstream;
use crate::exchange::{
    CONNECTION, DEADLINES, DRAINED, Exchange, REQUEST, REQUEST_HEADERS, STREAM_DURATION,
    STREAM_IDLE,
};
use crate::http2;
use crate::life::{Start, StreamEnd};

pub(super) struct Connection {
    pub(super) manager: Rc<ConnectionManager>,
    pub(super) info: Rc<ConnectionInfo>,
    pub(super) io: Http1Io,
    pub(super) deadlines: Deadlines<DEADLINES>,
    born: Instant,
    /// How much longer than others it may live.
    extra_life: Duration,
    /// When the connection closes, once it is to take no more requests.
    pub(super) drained_at: Cell<Option<Instant>>,
    /// Whether its time is over, and the next request is the last.
    is_outlived: Cell<bool>,
}

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The client closed or is to be closed at once.
    Now,
    /// After a last response that the client may not have read while it was still sending.
    Delayed,
    /// After a tunnel: the client knows, and may still be sending.
    Tunnel,
    /// The client closed between requests.
    Remote,
    /// Not at all: the client speaks HTTP/2.
    Http2,
}

/// Serves a connection to its end on a task of its own, and says so then.
///
/// The task is made here, and knows nothing of who began it, so that all of it is compiled as the request path is.
pub fn spawn(
    manager: Rc<ConnectionManager>,
    transport: Transport,
    info: Rc<ConnectionInfo>,
    closed: Box<dyn FnOnce()>,
) {
    let worker = Rc::clone(&manager.worker);
    drop(tokio::task::spawn_local(async move {
        let mut served = pin!(serve(manager, transport, info));
        poll_fn(|cx| worker.step(|| served.as_mut().poll(cx))).await;
        closed();
    }));
}

/// Serves a connection to its end. The future is to be polled within [`Worker::step`](crate::worker::Worker::step).
///
/// The connection is made before the future, which only borrows it: what an async function is given or moves
/// takes its place twice, and an idle connection is little more than this future.
pub fn serve(
    manager: Rc<ConnectionManager>,
    transport: Transport,
    info: Rc<ConnectionInfo>,
) -> impl Future<Output = ()> {
    let stats = &manager.stats.http;
    manager.connection_begun(transport.tls().is_some());
    let connection = Connection {
        io: Http1Io::new(transport, Arc::clone(&manager.config), Arc::clone(stats)),
        born: manager.worker.now(),
        extra_life: manager.extra_life(),
        manager,
        info,
        deadlines: Deadlines::default(),
        drained_at: Cell::new(None),
        is_outlived: Cell::new(false),
    };
    async move {
        let drain = Rc::clone(&connection.manager);
        let drain = &drain.drain;
        let _woken_at_its_end =
            poll_fn(|cx| Poll::Ready(drain.register(connection.info.id, cx.waker()))).await;
        let mut close = connection.run().await;
        if close == Close::Http2 {
            return Box::pin(connection.serve_http2()).await;
        }
        if matches!(close, Close::Delayed | Close::Tunnel) {
            close = connection.delayed_close(close).await;
        }
        let is_tls = connection.info.tls.is_some();
        let by_us = close != Close::Remote;
        let manager = &connection.manager;
        manager.connection_ended(connection.born, is_tls, by_us);
    }
}

impl Connection {
    /// Goes on with another protocol.
    async fn serve_http2(self) {
        let is_tls = self.info.tls.is_some();
        let (transport, input) = self.io.into_parts();
        let begun = http2::Begun {
            manager: Rc::clone(&self.manager),
            info: self.info,
            transport,
            input,
            born: self.born,
            extra_life: self.extra_life,
        };
        let by_us = match http2::serve(begun).await {
            http2::End::Local => true,
            http2::End::Remote => false,
        };
        self.manager.connection_ended(self.born, is_tls, by_us);
    }

    /// Whether it is HTTP/2 that is spoken, once the first bytes are there; `codec_type` or ALPN may say so before.
    /// None if the client closed before it was clear.
    async fn is_http2(&self) -> Option<bool> {
        loop {
            match self.io.begins_http2() {
                Http2Begin::Yes => return Some(true),
                Http2Begin::No => return Some(false),
                Http2Begin::Perhaps if self.io.more().await => {}
                Http2Begin::Perhaps => return None,
            }
        }
    }

    /// The codec that is known before anything is read.
    fn chosen_codec(&self) -> CodecType {
        match self.manager.config.codec_type {
            CodecType::Auto => match self.io.is_agreed(b"h2") {
                Some(true) => CodecType::Http2,
                Some(false) => CodecType::Http1,
                None => CodecType::Auto,
            },
            chosen => chosen,
        }
    }

    async fn run(&self) -> Close {
        let stats = &self.manager.stats.http;
        let mut requests: u32 = 0;
        let mut is_counted = false;
        let codec = self.chosen_codec();
        if codec == CodecType::Http2 {
            return Close::Http2;
        }
        let close = loop {
            if self.io.is_flooded() {
                break Box::pin(self.end_flood()).await;
            }
            self.await_request();
            let came = match self.until_bytes(self.io.first_byte()).await {
                Ok(FirstByte::Never) => break Close::Remote,
                Ok(came) => came,
                Err(DRAINED) => break Close::Now,
                Err(_) => {
                    self.catch_up().await;
                    match self.time_is_over(is_counted) {
                        Some(close) => break close,
                        None => continue,
                    }
                }
            };
            if requests > 0 && came == FirstByte::AtOnce {
                // One client's many requests do not keep the others waiting.
                tokio::task::yield_now().await;
            }
            if !is_counted {
                if let Some(close) = Box::pin(self.settle_codec(codec)).await {
                    break close;
                }
                is_counted = true;
                stats.downstream_cx_http1_total.inc();
                stats.downstream_cx_http1_active.inc();
            }
            if self.manager.overload.is_some()
                && let Some(close) = Box::pin(self.shed_load()).await
            {
                break close;
            }
            requests += 1;
            if self.is_last(requests) {
                self.io.close_after_response();
            }
            let (end, is_answered_at_once) = boxed(|| self.one_request()).await;
            self.io.note_answered(is_answered_at_once);
            self.note_drain();
            match end {
                StreamEnd::Complete if self.goes_on() => {}
                StreamEnd::Complete
                | StreamEnd::Broken
                | StreamEnd::Unread
                | StreamEnd::RequestUnfinished => {
                    break self.close_after(end, is_answered_at_once);
                }
                StreamEnd::Tunnel => break Close::Tunnel,
                StreamEnd::Gone => {
                    stats.downstream_cx_destroy_active_rq.inc();
                    stats.downstream_cx_destroy_remote_active_rq.inc();
                    break Close::Remote;
                }
            }
        };
        if is_counted {
            stats.downstream_cx_http1_active.dec();
        }
        if self.is_outlived.get() {
            stats.downstream_cx_http1_soft_drain.dec();
        }
        close
    }

    /// How the connection closes after its last response. Who has said all and that it is the last, or sees by the
    /// close where the response ends, will not lose what it has not read yet.
    fn close_after(&self, end: StreamEnd, is_answered_at_once: bool) -> Close {
        let is_safe = match end {
            StreamEnd::Complete => !is_answered_at_once && !self.is_draining(),
            StreamEnd::Broken if self.io.is_closing() && self.io.request_done() => true,
            _ => self.io.ends_by_close() && !is_answered_at_once,
        };
        match is_safe {
            true => Close::Now,
            false => Close::Delayed,
        }
    }

    /// Makes sure that it is HTTP/1 that is spoken; what becomes of the connection if not.
    async fn settle_codec(&self, codec: CodecType) -> Option<Close> {
        if self.manager.sheds_codec() {
            return Some(Close::Delayed);
        }
        if codec != CodecType::Auto {
            return None;
        }
        match self.or_expired(self.is_http2()).await {
            Ok(Some(true)) => Some(Close::Http2),
            Ok(Some(false)) => None,
            Ok(None) => Some(Close::Remote),
            Err(_) => Some(Close::Now),
        }
    }

    /// Whether the connection takes no request behind this one, of which it is the so manieth.
    fn is_last(&self, requests: u32) -> bool {
        let limit = self.manager.config.max_requests_per_connection;
        let is_over = limit.is_some_and(|limit| requests >= limit);
        if is_over {
            let stats = &self.manager.stats.http;
            stats.downstream_cx_max_requests_reached.inc();
        }
        is_over || self.is_outlived.get()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.drained_at.get().is_some()
    }

    /// Whether another request may come. A connection that drains stays open for some time, whatever its requests say.
    fn goes_on(&self) -> bool {
        !self.io.is_closing() || (self.is_draining() && !self.io.is_http10())
    }

    /// What follows when the time between requests is over: the close, or nothing yet.
    fn time_is_over(&self, has_spoken: bool) -> Option<Close> {
        if self.drained_at.get().is_some() {
            return Some(Close::Delayed);
        }
        match self.life_end() {
            Some(end) if end <= self.manager.worker.now() => self.outlive(end),
            _ => {
                self.manager.stats.http.downstream_cx_idle_timeout.inc();
                self.begin_drain(self.manager.worker.now());
            }
        }
        (!has_spoken).then_some(Close::Now)
    }

    /// The connection has lived its time.
    fn outlive(&self, at: Instant) {
        let stats = &self.manager.stats.http;
        stats.downstream_cx_max_duration_reached.inc();
        if self.manager.config.timeouts.outlives_quietly {
            stats.downstream_cx_http1_soft_drain.inc();
            self.is_outlived.set(true);
        } else {
            self.begin_drain(at);
        }
    }

    pub(super) fn begin_drain(&self, at: Instant) {
        self.io.say_drain();
        let end = at + self.manager.drain_time();
        self.drained_at.set(Some(end));
    }

    /// Notes what a stream found out: that the connection's time is over, or that the process drains.
    fn note_drain(&self) {
        if let Some(at) = self.io.take_expired() {
            if self.drained_at.get().is_none() && !self.is_outlived.get() {
                self.outlive(at);
            }
        } else if Downstream::is_draining(&self.io) && self.drained_at.get().is_none() {
            self.begin_drain(self.manager.worker.now());
        }
    }

    /// Waits until the last response is with the system, which the client may be slow to take; at most for the time
    /// that a stream may be idle.
    async fn catch_up(&self) {
        if !self.io.is_behind() {
            return;
        }
        let idle = self.manager.config.timeouts.stream_idle;
        self.deadlines.clear(CONNECTION);
        if let Some(idle) = idle {
            self.deadlines
                .set(STREAM_IDLE, self.manager.worker.now() + idle);
        }
        let _either_way_it_closes = self.or_expired(self.io.flush()).await;
        self.deadlines.clear(STREAM_IDLE);
    }

    /// Sets the deadline of the time between requests.
    fn await_request(&self) {
        let idle = self.manager.config.timeouts.connection_idle;
        let idle = idle.map(|idle| self.manager.worker.now() + idle);
        let deadline = match self.drained_at.get() {
            Some(drained_at) => Some(drained_at),
            None => [
                idle,
                self.life_end().filter(|_| !self.manager.drain.needs_care()),
            ]
            .into_iter()
            .flatten()
            .min(),
        };
        match deadline {
            Some(deadline) => self.deadlines.set(CONNECTION, deadline),
            None => self.deadlines.clear(CONNECTION),
        }
    }

    /// When `max_connection_duration` is over, as long as that has not been noted.
    pub(super) fn life_end(&self) -> Option<Instant> {
        let limit = self.manager.config.timeouts.max_connection_duration?;
        let limit = self.manager.scaled(ScaledTimer::ConnectionMax, limit);
        (!self.is_outlived.get()).then(|| self.born + limit + self.extra_life)
    }

    async fn or_expired<T>(&self, wait: impl Future<Output = T>) -> Result<T, usize> {
        let mut wait = pin!(wait);
        poll_fn(|cx| {
            if let Poll::Ready(done) = wait.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.manager.drain.needs_care()
                && let Poll::Ready(slot) = self.poll_stream_care(cx)
            {
                return Poll::Ready(Err(slot));
            }
            self.deadlines
                .poll_expired(cx, &*self.manager.worker)
                .map(Err)
        })
        .await
    }

    /// The same between requests.
    async fn until_bytes<T>(&self, wait: impl Future<Output = T>) -> Result<T, usize> {
        let mut wait = pin!(wait);
        poll_fn(|cx| {
            if let Poll::Ready(done) = wait.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            if self.manager.drain.needs_care()
                && let Poll::Ready(slot) = self.poll_idle_care(cx)
            {
                return Poll::Ready(Err(slot));
            }
            self.deadlines
                .poll_expired(cx, &*self.manager.worker)
                .map(Err)
        })
        .await
    }

    /// One request and its response; and whether it was answered before anybody waited for anything.
    async fn one_request(&self) -> (StreamEnd, bool) {
        let manager = &*self.manager;
        self.begin_stream();
        let mut state = manager.worker.begin_stream(&self.info, manager.routes());
        state.info.protocol = Some(Protocol::Http11);
        let start = match self.or_expired(self.io.read_head(&mut state.request)).await {
            Ok(HeadRead::Head(head)) => {
                state.info.protocol = Some(protocol(head.version));
                Start::Request
            }
            Ok(HeadRead::Refused(error)) => {
                state.request.clear();
                self.count_refusal(error);
                Start::Refused(Box::new(refusal(error)))
            }
            Ok(HeadRead::Closed) => {
                state.request.clear();
                Start::Gone
            }
            Err(slot) => {
                self.io.close_after_response();
                Start::Expired(slot)
            }
        };
        let dropped = self.io.take_dropped_underscores();
        if dropped > 0 {
            let stats = &manager.stats.http1;
            stats
                .dropped_headers_with_underscores
                .add(u64::from(dropped));
        }
        let timing = &mut state.info.downstream_timing;
        timing.last_header_rx_byte = Some(manager.worker.now());
        self.deadlines.clear(REQUEST_HEADERS);
        if self.io.request_done() {
            self.deadlines.clear(REQUEST);
            timing.last_rx_byte = timing.last_header_rx_byte;
        }
        if let (Some(end), None) = (self.life_end(), self.drained_at.get()) {
            self.deadlines.set(CONNECTION, end);
        }
        let exchange = Exchange::new(manager, &self.io, state, &self.deadlines);
        let end = pin!(exchange.run(start)).await;
        let is_answered_at_once = exchange.is_answered_at_once.get();
        manager.worker.end_stream(exchange.into_state());
        (end, is_answered_at_once)
    }

    /// Counts a request and sets its deadlines.
    pub(super) fn begin_stream(&self) {
        let stats = &self.manager.stats.http;
        let timeouts = &self.manager.config.timeouts;
        stats.downstream_rq_total.inc();
        stats.downstream_rq_http1_total.inc();
        stats.downstream_rq_active.inc();
        self.deadlines.clear(CONNECTION);
        let now = self.manager.worker.now();
        let limits = [
            (STREAM_IDLE, timeouts.stream_idle),
            (REQUEST, timeouts.request),
            (REQUEST_HEADERS, timeouts.request_headers),
            (STREAM_DURATION, timeouts.max_stream_duration),
        ];
        for (slot, limit) in limits {
            if let Some(limit) = limit {
                self.deadlines.set(slot, now + limit);
            }
        }
    }

    fn end_stream_deadlines(&self) {
        for slot in [STREAM_IDLE, REQUEST, REQUEST_HEADERS, STREAM_DURATION] {
            self.deadlines.clear(slot);
        }
    }

    fn count_refusal(&self, error: Error) {
        self.manager.stats.http.downstream_cx_protocol_error.inc();
        if matches!(error, Error::UnexpectedUnderscore) {
            let stats = &self.manager.stats.http1;
            stats.requests_rejected_with_underscores_in_headers.inc();
        }
    }

    /// Waits for the client to close, so that it can read our last response before a reset destroys it.
    async fn delayed_close(&self, close: Close) -> Close {
        let Some(limit) = self.manager.config.timeouts.delayed_close else {
            return Close::Now;
        };
        self.end_stream_deadlines();
        self.deadlines.set(
            CONNECTION,
            self.manager.worker.now() + limit.max(Duration::from_millis(1)),
        );
        let expired = self.or_expired(self.io.drain()).await.is_err();
        if expired {
            self.manager
                .stats
                .http
                .downstream_cx_delayed_close_timeout
                .inc();
        }
        self.io.shutdown().await;
        if expired || close == Close::Tunnel {
            Close::Now
        } else {
            Close::Remote
        }
    }
}

fn protocol(version: Version) -> Protocol {
    match version {
        Version::Http10 => Protocol::Http10,
        Version::Http11 => Protocol::Http11,
    }
}

/// The answer to a head that could not be decoded.
fn refusal(error: Error) -> LocalReply {
    LocalReply::new(
        error.status(),
        reason_phrase(error.status()).as_bytes(),
        error.details(),
    )
    .with_flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
}
