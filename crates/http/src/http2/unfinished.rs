//! A request of HTTP/2 whose head has begun and not come to its end within what was read.
//!
//! As in Envoy it is a stream from its first frame on: it counts, keeps the connection busy, and has the timeouts of one,
//! `request_headers_timeout` above all. There is at most one, since nothing else may come on the connection before the
//! end of a head.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nuncio_codec::http2::StreamId;
use nuncio_contract::overload::ScaledTimer;
use nuncio_contract::stream_info::BytesMeter;

use super::connection::Connection;
use super::mailbox::{Cut, Mailbox};
use crate::exchange::{REQUEST_HEADERS, STREAM_IDLE};
use crate::life::Start;
use crate::multiplexed::{Come, HEAD};
use crate::stream::StreamState;

/// The one of a connection, if there is one.
#[derive(Default)]
pub(super) struct Unfinished(RefCell<Option<Box<Begun>>>);

struct Begun {
    id: StreamId,
    state: Box<StreamState>,
    /// The deadline that is the first to pass.
    slot: usize,
    /// How long the stream may be idle; less while the overload manager shortens timeouts.
    idle: Option<Duration>,
}

impl Unfinished {
    /// Whether it is this stream.
    pub(super) fn is(&self, id: StreamId) -> bool {
        self.0.borrow().as_ref().is_some_and(|begun| begun.id == id)
    }
}

impl Connection {
    /// Begins a stream of whose head a part has come; nothing if that was done before.
    #[cold]
    pub(super) fn begin_unfinished(self: &Rc<Self>, id: StreamId) {
        if self.unfinished.is(id) {
            return;
        }
        let state = self.new_stream();
        // It holds the place of the stream's own, so that the connection knows that it is not idle.
        let mailbox = Rc::new(Mailbox::new(id, false, BytesMeter::default()));
        self.shared.streams.borrow_mut().insert(id, mailbox);
        let limits = self.course.limits(Come::Nothing);
        let limits = limits.map(|(slot, limit)| limit.map(|limit| (limit, slot)));
        let first = limits.into_iter().flatten().min();
        if let Some((limit, _)) = first {
            self.course.deadlines.set(HEAD, state.info.start + limit);
        }
        let slot = first.map_or(REQUEST_HEADERS, |(_, slot)| slot);
        self.unfinished.0.replace(Some(Box::new(Begun {
            id,
            state,
            slot,
            idle: self.course.manager.config.timeouts.stream_idle,
        })));
        self.count_request();
    }

    /// The state of the request that has begun, for who goes on with it.
    #[inline]
    pub(super) fn take_unfinished(&self) -> Option<Box<StreamState>> {
        let begun = self.unfinished.0.take()?;
        self.course.deadlines.clear(HEAD);
        Some(begun.state)
    }

    /// The connection ends before the head does.
    pub(super) fn end_unfinished(self: &Rc<Self>, why: Cut) {
        let id = self.unfinished.0.borrow().as_ref().map(|begun| begun.id);
        if let Some(id) = id {
            self.refuse_stream(id, why);
        }
    }

    /// When it will have been idle for too long, if the overload manager has shortened that.
    pub(super) fn unfinished_idle_end(&self) -> Option<Instant> {
        let begun = self.unfinished.0.borrow();
        let begun = begun.as_ref()?;
        let whole = begun.idle?;
        let scaled = self.course.manager.scaled(ScaledTimer::StreamIdle, whole);
        (scaled < whole).then(|| begun.state.info.start + scaled)
    }

    /// It was idle for too long.
    pub(super) fn unfinished_was_idle(self: &Rc<Self>) {
        if let Some(begun) = self.unfinished.0.borrow_mut().as_mut() {
            begun.slot = STREAM_IDLE;
        }
        self.course.deadlines.clear(HEAD);
        self.unfinished_expired();
    }

    /// The head did not come in time.
    pub(super) fn unfinished_expired(self: &Rc<Self>) {
        let Some(begun) = self.unfinished.0.take() else {
            return;
        };
        self.shared
            .encode(|codec, _| codec.answer_unfinished_request());
        let mailbox = Mailbox::new(begun.id, false, BytesMeter::default());
        self.spawn(mailbox, begun.state, Start::Expired(begun.slot));
    }
}
