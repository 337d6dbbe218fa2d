//! What the driver of a connection and its streams share, whichever side we are: the bytes, the streams' mailboxes,
//! who waits for room or window, and who is to be woken.
//!
//! A stream encodes straight into the connection's output as far as the windows allow and less than 64 KiB wait to be
//! written; for the rest it waits. Of those who wait as many are woken at a time as what there is can be of use to:
//! four, and one more for each 16 KiB. The driver has its next turn behind them and wakes the next ones, so that a peer
//! that gives a window byte by byte does not have all streams run for each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};

use hashbrown::HashMap;
use nuncio_codec::http2::{Connection as Codec, ConnectionError, StreamId};

use crate::http2_wire::Wire;

/// Streams that are woken for next to nothing.
const FEW_STREAMS: usize = 4;
/// What a stream that waits is likely to send at once: a frame.
const LIKELY_BYTES: usize = 16 * 1024;

/// A task that can be woken.
#[derive(Default)]
pub struct Http2Task {
    waker: RefCell<Option<Waker>>,
    /// Whether it stands in the queue of those that wait for room; for the driver, whether it knows already that there
    /// is something to do.
    is_told: Cell<bool>,
}

impl Http2Task {
    /// Whom to wake: who polls now.
    pub fn note(&self, cx: &Context<'_>) {
        let mut known = self.waker.borrow_mut();
        if !known
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *known = Some(cx.waker().clone());
        }
    }

    /// Has it polled again, behind all tasks that are ready by now.
    pub fn wake(&self) {
        if let Some(task) = &*self.waker.borrow() {
            task.wake_by_ref();
        }
    }
}

/// What has come for a stream, and its task.
pub trait Http2Mailbox {
    /// The stream's task.
    fn task(&self) -> &Http2Task;
}

/// What the driver and the streams share.
pub struct Http2Shared<M> {
    /// The connection's bytes.
    pub wire: RefCell<Wire>,
    /// The streams whose tasks are not done.
    pub streams: RefCell<HashMap<StreamId, Rc<M>>>,
    /// Streams that wait until less is to be written.
    crowded: RefCell<VecDeque<StreamId>>,
    driver: Http2Task,
}

impl<M: Http2Mailbox> Http2Shared<M> {
    /// Of a connection without streams.
    pub fn new(wire: Wire) -> Self {
        Http2Shared {
            wire: RefCell::new(wire),
            streams: RefCell::default(),
            crowded: RefCell::default(),
            driver: Http2Task::default(),
        }
    }

    /// What has come for the stream, unless its task is done.
    pub fn mailbox(&self, id: StreamId) -> Option<Rc<M>> {
        self.streams.borrow().get(&id).map(Rc::clone)
    }

    /// All streams, for whoever ends them.
    pub fn mailboxes(&self) -> Vec<Rc<M>> {
        self.streams.borrow().values().map(Rc::clone).collect()
    }

    /// Whether no stream is left.
    pub fn is_empty(&self) -> bool {
        self.streams.borrow().is_empty()
    }

    /// Calls `encode` with the codec and what it appends to; the driver writes it later.
    pub fn encode<T>(&self, encode: impl FnOnce(&mut Codec, &mut Vec<u8>) -> T) -> T {
        let (done, has_output) = {
            let mut wire = self.wire.borrow_mut();
            (wire.encode(encode), wire.has_output())
        };
        if has_output {
            self.wake_driver();
        }
        done
    }

    /// Whether the stream must wait until less is to be written; it is woken then.
    pub fn awaits_room(&self, id: StreamId, mailbox: &M) -> bool {
        if !self.wire.borrow().is_full() {
            return false;
        }
        if !mailbox.task().is_told.replace(true) {
            self.crowded.borrow_mut().push_back(id);
        }
        true
    }

    /// Whether as much waits for a peer that does not read as may. Without this a peer that neither reads nor sends
    /// would have what we tell it pile up.
    ///
    /// # Errors
    /// It is more: the connection is over.
    pub fn check_backlog(&self) -> Result<(), ConnectionError> {
        self.wire.borrow_mut().codec.check_outbound()
    }

    /// Wakes streams that may send on. To be called in each turn of the driver, after what was read and written.
    pub fn let_streams_go_on(&self) {
        let is_more_to_come = self.let_crowd_go_on() | self.let_windows_be_used();
        if is_more_to_come {
            self.wake_driver();
        }
    }

    /// True if there are more.
    fn let_crowd_go_on(&self) -> bool {
        let mut crowded = self.crowded.borrow_mut();
        if crowded.is_empty() {
            return false;
        }
        let Some(room) = self.wire.borrow().room() else {
            return false;
        };
        let streams = self.streams.borrow();
        let mut left = those_likely_to_use(room);
        while left > 0
            && let Some(id) = crowded.pop_front()
        {
            if let Some(mailbox) = streams.get(&id) {
                mailbox.task().is_told.set(false);
                mailbox.task().wake();
                left -= 1;
            }
        }
        !crowded.is_empty()
    }

    /// True if there are more.
    fn let_windows_be_used(&self) -> bool {
        let codec = &mut self.wire.borrow_mut().codec;
        if !codec.has_ready() {
            return false;
        }
        let streams = self.streams.borrow();
        let mut left = those_likely_to_use(codec.connection_window());
        while left > 0
            && let Some(id) = codec.next_ready()
        {
            if let Some(mailbox) = streams.get(&id) {
                mailbox.task().wake();
                left -= 1;
            }
        }
        codec.has_ready()
    }

    /// The driver has its turn.
    pub fn note_driver(&self, cx: &Context<'_>) {
        self.driver.is_told.set(false);
        self.driver.note(cx);
    }

    /// The driver has its turn after all tasks that are ready by now.
    pub fn wake_driver(&self) {
        if !self.driver.is_told.replace(true) {
            self.driver.wake();
        }
    }
}

fn those_likely_to_use(bytes: usize) -> usize {
    FEW_STREAMS + bytes / LIKELY_BYTES
}
