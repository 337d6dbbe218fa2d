//! A connection of HTTP/3 while the overload manager sheds load: timeouts that become shorter, connections that are to
//! take no more streams or close. Nothing of this runs without an overload manager.
//!
//! As in Envoy idle connections close once they have been idle for 60 seconds while `close_idle_http_connections` scales,
//! and for 10 when it is saturated.
//!
//! Different from Envoy: all of them close then, where Envoy closes 5 or 50 of a worker at each look at the resources; and
//! they close with a code of HTTP/3.

use std::rc::Rc;
use std::task::Context;
use std::time::Instant;

use nuncio_codec::http3::ErrorCode;

use super::connection::Connection;
use super::mailbox::Cut;
use crate::connection_manager::overload::OnBytes;
use crate::multiplexed::Phase;

/// What a client is told whose connection closes.
const REASON: &str = "Server overloaded";

impl Connection {
    /// Looks at what may end a connection beside its deadlines: the end of the drain, timeouts that are shorter now, and
    /// that it is idle.
    #[cold]
    pub(super) fn heed_overload(&self, cx: &mut Context<'_>) {
        if self.course.manager.drain.is_over() {
            return self.close_well();
        }
        if self.course.must_tell_streams() {
            let streams = self.streams.borrow();
            streams.values().for_each(|it| it.link.task.wake());
        }
        if self.has_passed(self.idle_end(), cx) {
            return self.close_for("QUIC_NETWORK_IDLE_TIMEOUT", ErrorCode::NO_ERROR, REASON);
        }
        if let Some((end, slot)) = self.course.first_shortened()
            && self.has_passed(Some(end), cx)
        {
            self.course.deadlines.clear(slot);
            self.expired(slot);
        }
    }

    /// When it will have been idle for so long that it closes, if idle ones do.
    fn idle_end(&self) -> Option<Instant> {
        let limit = self.course.manager.idle_limit()?;
        let is_idle = self.streams.borrow().is_empty();
        is_idle.then(|| self.idle_since.get() + limit)
    }

    fn has_passed(&self, end: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let course = &self.course;
        end.is_some_and(|end| {
            let waited = course.deadlines.poll_at(cx, &*course.manager.worker, end);
            waited.is_ready()
        })
    }

    /// Sheds load once packets are there.
    #[cold]
    pub(super) fn shed_load(self: &Rc<Self>) {
        match self.course.manager.on_packets() {
            OnBytes::Close if self.course.phase.get() != Phase::Over => {
                self.end_streams(Cut::Gone);
                self.close_for("QUIC_PEER_GOING_AWAY", ErrorCode::EXCESSIVE_LOAD, REASON);
            }
            OnBytes::Drain => self.say_notice(),
            OnBytes::Close | OnBytes::Go => {}
        }
    }
}
