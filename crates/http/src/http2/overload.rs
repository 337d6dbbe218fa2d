//! A connection of HTTP/2 while the overload manager sheds load: timeouts that become shorter, connections that are to
//! take no more streams. Nothing of this runs without an overload manager.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::connection::{Connection, End, Worked};
use super::mailbox::Cut;
use crate::connection_manager::overload::OnBytes;
use crate::multiplexed::{HEAD, Phase};

impl Connection {
    /// Looks at what may end a connection beside its deadlines: the end of the drain, and timeouts that are shorter now.
    #[cold]
    pub(super) fn heed_overload(self: &Rc<Self>, cx: &mut Context<'_>) -> Option<End> {
        if self.course.manager.drain.is_over() {
            return Some(End::Local);
        }
        if self.course.must_tell_streams() {
            let weighs = self.course.must_weigh_streams();
            for stream in self.shared.mailboxes() {
                stream.is_weighed.set(weighs || stream.is_weighed.get());
                stream.link.task.wake();
            }
        }
        let (end, slot) = self.first_shortened()?;
        match self
            .course
            .deadlines
            .poll_at(cx, &*self.course.manager.worker, end)
        {
            Poll::Ready(()) if slot == HEAD => {
                self.unfinished_was_idle();
                None
            }
            Poll::Ready(()) => {
                self.course.deadlines.clear(slot);
                self.expired(slot)
            }
            Poll::Pending => None,
        }
    }

    /// The timeout that is the first to pass now that they are shorter.
    fn first_shortened(&self) -> Option<(Instant, usize)> {
        let head = self.unfinished_idle_end().map(|end| (end, HEAD));
        head.into_iter().chain(self.course.first_shortened()).min()
    }

    /// Sheds load once bytes are there; what came is worked off if the connection closes.
    #[cold]
    pub(super) fn shed_load(self: &Rc<Self>) -> Worked {
        match self.course.manager.on_bytes() {
            OnBytes::Go => return Worked::ForNow,
            OnBytes::Drain => {
                self.begin_drain();
                return Worked::ForNow;
            }
            OnBytes::Close => {}
        }
        if self.course.phase.get() == Phase::Open {
            self.shared
                .encode(|codec, out| codec.send_shutdown_notice(out));
        }
        self.go_away();
        self.count_cut_off(End::Local);
        self.end_streams(Cut::Gone(End::Local));
        self.close_soon();
        self.shared.wire.borrow_mut().forget_input();
        Worked::OffAll
    }
}
