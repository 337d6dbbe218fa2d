//! How far a connection has come: its timeouts, its drain, and the streams that it has had.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_contract::clock::Clock;
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::{ConnectionInfo, Protocol};
use nuncio_net::deadline::Deadlines;

use crate::connection_manager::ConnectionManager;
use crate::connection_manager::premature_resets::ResetTally;
use crate::exchange::{DEADLINES, REQUEST, REQUEST_HEADERS, STREAM_DURATION, STREAM_IDLE};
use crate::stream::StreamState;

/// No stream for too long.
pub(crate) const IDLE: usize = 0;
/// The connection's own longest duration.
pub(crate) const LIFE: usize = 1;
/// The time between the notice and the real GOAWAY; after the last word, what the client has to take it.
pub(crate) const CLOSING: usize = 2;
/// A PING is due, or its answer.
pub(crate) const KEEPALIVE: usize = 3;
/// The head of a request that has begun is to come to its end.
pub(crate) const HEAD: usize = 4;

/// Deadlines of streams that are kept for the streams to come.
const MAX_SPARE_DEADLINES: usize = 32;

/// Deadlines of one stream.
pub(crate) type StreamDeadlines = Box<Deadlines<DEADLINES>>;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// The client knows that it is to open no more streams.
    Notified,
    /// The last stream is named; the end of the last one is that of the connection.
    GoingAway,
    /// Nothing more is said but what is to be written.
    Over,
}

/// What of a request has come as its stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Come {
    Nothing,
    Head,
    All,
}

/// The course of one connection.
pub(crate) struct Course {
    pub(crate) manager: Rc<ConnectionManager>,
    pub(crate) info: Rc<ConnectionInfo>,
    pub(crate) phase: Cell<Phase>,
    pub(crate) deadlines: Deadlines<5>,
    pub(crate) born: Instant,
    /// How much longer than others it may live.
    extra_life: Duration,
    requests: Cell<u32>,
    resets: ResetTally,
    has_too_many_resets: Cell<bool>,
    /// How often it has told its streams that the overload manager has decided anew.
    told: Cell<u32>,
    /// The round of resets in which it has last told them.
    weighed: Cell<u32>,
    spare_deadlines: RefCell<Vec<StreamDeadlines>>,
}

impl Course {
    pub(crate) fn new(
        manager: Rc<ConnectionManager>,
        info: Rc<ConnectionInfo>,
        born: Instant,
        extra_life: Duration,
    ) -> Self {
        let told = Cell::new(manager.drain.wakes());
        let weighed = Cell::new(manager.resets_round());
        Course {
            manager,
            info,
            phase: Cell::new(Phase::Open),
            deadlines: Deadlines::default(),
            born,
            extra_life,
            requests: Cell::new(0),
            resets: ResetTally::default(),
            has_too_many_resets: Cell::new(false),
            told,
            weighed,
            spare_deadlines: RefCell::default(),
        }
    }

    /// Sets the deadlines of a connection without streams.
    pub(crate) fn await_streams(&self) {
        if self.phase.get() != Phase::Open {
            return;
        }
        let timeouts = &self.manager.config.timeouts;
        if let Some(idle) = timeouts.connection_idle {
            self.deadlines.set(IDLE, self.manager.worker.now() + idle);
        }
        if let Some(limit) = timeouts.max_connection_duration {
            self.deadlines
                .set(LIFE, self.born + limit + self.extra_life);
        }
    }

    /// One of these deadlines has passed, and is counted; whether the connection is to take no more streams for it.
    pub(crate) fn is_over_time(&self, slot: usize) -> bool {
        let stats = &self.manager.stats.http;
        match slot {
            IDLE => stats.downstream_cx_idle_timeout.inc(),
            LIFE => stats.downstream_cx_max_duration_reached.inc(),
            _ => return false,
        }
        true
    }

    /// Which of these deadlines is the first to pass now that the overload manager has made them shorter, and when.
    pub(crate) fn first_shortened(&self) -> Option<(Instant, usize)> {
        if self.phase.get() != Phase::Open {
            return None;
        }
        let timeouts = &self.manager.config.timeouts;
        let of = |slot, timer, whole: Option<Duration>| {
            let (end, whole) = self.deadlines.get(slot).zip(whole)?;
            Some((end - (whole - self.manager.scaled(timer, whole)), slot))
        };
        let idle = of(IDLE, ScaledTimer::ConnectionIdle, timeouts.connection_idle);
        let whole = timeouts.max_connection_duration;
        let life = of(LIFE, ScaledTimer::ConnectionMax, whole);
        [idle, life].into_iter().flatten().min()
    }

    /// Waits until a stream whose head has not come has been idle for as long as it may now that the overload manager has
    /// made that shorter.
    #[cold]
    pub(crate) fn poll_shortened_idle(
        &self,
        cx: &mut Context<'_>,
        deadlines: &StreamDeadlines,
    ) -> Poll<usize> {
        let whole = self.manager.config.timeouts.stream_idle;
        let Some((end, whole)) = deadlines.get(STREAM_IDLE).zip(whole) else {
            return Poll::Pending;
        };
        let end = end - (whole - self.manager.scaled(ScaledTimer::StreamIdle, whole));
        let waited = deadlines.poll_at(cx, &*self.manager.worker, end);
        waited.map(|()| STREAM_IDLE)
    }

    /// Whether streams are to look at their timeouts anew, as the overload manager has changed its mind.
    pub(crate) fn must_tell_streams(&self) -> bool {
        let wakes = self.manager.drain.wakes();
        self.told.replace(wakes) != wakes
    }

    /// Whether streams are to look at how much they hold.
    pub(crate) fn must_weigh_streams(&self) -> bool {
        let round = self.manager.resets_round();
        self.weighed.replace(round) != round
    }

    /// The client is told to open no more streams, unless it was; those on their way are still taken for
    /// `drain_timeout`.
    pub(crate) fn begin_drain(&self) -> bool {
        if self.phase.get() != Phase::Open {
            return false;
        }
        self.phase.set(Phase::Notified);
        let limit = self.manager.drain_time();
        self.deadlines
            .set(CLOSING, self.manager.worker.now() + limit);
        true
    }

    /// Whether the client knows that it is to open no more streams.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.get() != Phase::Open
    }

    /// Counts a stream that begins.
    pub(crate) fn begin_stream(&self, protocol: Protocol) -> Box<StreamState> {
        let manager = &self.manager;
        let stats = &manager.stats.http;
        stats.downstream_rq_total.inc();
        match protocol {
            Protocol::Http3 => stats.downstream_rq_http3_total.inc(),
            _ => stats.downstream_rq_http2_total.inc(),
        }
        stats.downstream_rq_active.inc();
        self.deadlines.clear(IDLE);
        let mut state = manager.worker.begin_stream(&self.info, manager.routes());
        state.info.protocol = Some(protocol);
        state
    }

    /// Counts a request; whether it is the last one that the connection may have.
    pub(crate) fn is_last_request(&self) -> bool {
        let requests = self.requests.get().saturating_add(1);
        self.requests.set(requests);
        let is_last = self.manager.config.max_requests_per_connection == Some(requests);
        if is_last {
            let stats = &self.manager.stats.http;
            stats.downstream_cx_max_requests_reached.inc();
        }
        is_last
    }

    /// Counts a stream that has ended by itself, not with the connection. True if it is the one too many of those that
    /// end before their time.
    pub(crate) fn count_ended(&self, lifetime: Duration, is_answered: bool) -> bool {
        let limits = &self.manager.config.reset_limits;
        let is_one_too_many = self.resets.count(limits, lifetime, is_answered)
            && !self.has_too_many_resets.replace(true);
        if is_one_too_many {
            let stats = &self.manager.stats.http;
            stats.downstream_rq_too_many_premature_resets.inc();
        }
        is_one_too_many
    }

    /// Whether too many streams have ended before their time.
    pub(crate) fn has_too_many_resets(&self) -> bool {
        self.has_too_many_resets.get()
    }

    /// How long a new stream may take, by its deadlines.
    pub(crate) fn limits(&self, come: Come) -> [(usize, Option<Duration>); 4] {
        let timeouts = &self.manager.config.timeouts;
        let head = timeouts.request_headers.filter(|_| come == Come::Nothing);
        [
            (REQUEST_HEADERS, head),
            (STREAM_IDLE, timeouts.stream_idle),
            (REQUEST, timeouts.request.filter(|_| come != Come::All)),
            (STREAM_DURATION, timeouts.max_stream_duration),
        ]
    }

    /// Deadlines for a stream that began at `start`.
    pub(crate) fn deadlines_for_stream(&self, start: Instant, come: Come) -> StreamDeadlines {
        let spare = self.spare_deadlines.borrow_mut().pop();
        let deadlines = spare.unwrap_or_default();
        for (slot, limit) in self.limits(come) {
            if let Some(limit) = limit {
                deadlines.set(slot, start + limit);
            }
        }
        deadlines
    }

    /// Takes them back.
    pub(crate) fn keep_deadlines(&self, deadlines: StreamDeadlines) {
        let mut spare = self.spare_deadlines.borrow_mut();
        if spare.len() < MAX_SPARE_DEADLINES {
            spare.push(deadlines);
        }
    }
}
