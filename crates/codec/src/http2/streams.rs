//! The streams that are open.
//!
//! Numbers only ever grow, so the table is sorted by itself: a stream is found by halving, whatever numbers a peer
//! chooses, and a new one goes to the end. Those that are over are swept once they outnumber the others.

use std::collections::VecDeque;

/// Sweeping is not worth its while below this many.
const MIN_SWEEP: usize = 16;
/// Memory for more streams than this is given back when none is open.
const MAX_KEPT: usize = 64;
/// How many streams are remembered after their end.
const MAX_CLOSED: usize = 32;

/// Marks of a stream.
pub(super) mod mark {
    /// We have ended our side.
    pub(in crate::http2) const LOCAL_ENDED: u8 = 0x01;
    /// The peer has ended its side.
    pub(in crate::http2) const REMOTE_ENDED: u8 = 0x02;
    /// The final head has come.
    pub(in crate::http2) const HEAD_CAME: u8 = 0x04;
    /// The request is HEAD: the response has no body.
    pub(in crate::http2) const HEAD_REQUEST: u8 = 0x08;
    /// The request is CONNECT.
    pub(in crate::http2) const CONNECT: u8 = 0x10;
    /// It waits in the queue of those that may send.
    pub(in crate::http2) const QUEUED: u8 = 0x20;
    /// It waits for its own window.
    pub(in crate::http2) const BLOCKED: u8 = 0x40;
    /// It is over, and will be swept.
    pub(in crate::http2) const GONE: u8 = 0x80;
}

use crate::header_block::UNKNOWN_LENGTH;

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) marks: u8,
    /// What we may send, less the peer's initial window; that one changes for all streams at once.
    pub(super) send_credit: i64,
    /// What the peer may send.
    pub(super) receive_window: i64,
    /// Bytes of DATA that the application has not used yet.
    pub(super) held: u32,
    /// Used bytes whose window was not given back yet.
    pub(super) unreturned: u32,
    /// Bytes of the body that came.
    pub(super) received: u64,
    /// Bytes of the body that `content-length` promises.
    pub(super) expected: u64,
}

impl Stream {
    pub(super) fn new(id: u32, receive_window: u32) -> Self {
        Self {
            id,
            marks: 0,
            send_credit: 0,
            receive_window: i64::from(receive_window),
            held: 0,
            unreturned: 0,
            received: 0,
            expected: UNKNOWN_LENGTH,
        }
    }

    #[inline]
    pub(super) fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    #[inline]
    pub(super) fn both_ended(&self) -> bool {
        const BOTH: u8 = mark::LOCAL_ENDED | mark::REMOTE_ENDED;
        self.marks & BOTH == BOTH
    }
}

/// How a stream that is remembered ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// We reset it; the peer may not know yet.
    ByOurReset,
    /// Otherwise; the peer knows.
    Known,
}

/// All streams of a connection.
#[derive(Default)]
pub(super) struct Streams {
    list: Vec<Stream>,
    gone: usize,
    /// The last ones that ended: twice the number, and one more when we reset it.
    closed: VecDeque<u32>,
    /// Streams up to this number may have been reset by us and forgotten.
    forgotten_resets: u32,
}

impl Streams {
    /// How many are open.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.list.len() - self.gone
    }

    /// Adds a stream, whose number is higher than all before.
    pub(super) fn push(&mut self, stream: Stream) {
        self.list.push(stream);
    }

    #[inline]
    fn place(&self, id: u32) -> Option<usize> {
        let at = match self.list.last() {
            Some(last) if last.id == id => self.list.len() - 1,
            _ => self
                .list
                .binary_search_by_key(&id, |stream| stream.id)
                .ok()?,
        };
        self.list
            .get(at)
            .is_some_and(|stream| !stream.is(mark::GONE))
            .then_some(at)
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        self.place(id).and_then(|at| self.list.get(at))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        self.place(id).and_then(|at| self.list.get_mut(at))
    }

    /// Those that are open, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter().filter(|stream| !stream.is(mark::GONE))
    }

    /// The same, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.list.iter_mut().filter(|stream| !stream.is(mark::GONE))
    }

    /// The open stream with the highest number.
    pub(super) fn last(&self) -> Option<&Stream> {
        self.list.iter().rev().find(|stream| !stream.is(mark::GONE))
    }

    /// Takes a stream out and remembers how it ended.
    pub(super) fn remove(&mut self, id: u32, ended: Ended) -> Option<Stream> {
        let stream = self.get_mut(id)?;
        let removed = stream.clone();
        stream.marks |= mark::GONE;
        self.gone += 1;
        self.remember(id, ended);
        if self.gone == self.list.len() {
            self.list.clear();
            self.gone = 0;
            if self.list.capacity() > MAX_KEPT {
                self.list.shrink_to(MAX_KEPT);
            }
        } else if self.gone >= MIN_SWEEP && self.gone * 2 > self.list.len() {
            self.list.retain(|stream| !stream.is(mark::GONE));
            self.gone = 0;
        }
        Some(removed)
    }

    /// Remembers how a stream ended that may never have been in the table.
    pub(super) fn remember(&mut self, id: u32, ended: Ended) {
        if self.closed.len() == MAX_CLOSED
            && let Some(oldest) = self.closed.pop_front()
            && oldest & 1 == 1
        {
            self.forgotten_resets = self.forgotten_resets.max(oldest >> 1);
        }
        let by_us = u32::from(ended == Ended::ByOurReset);
        self.closed.push_back(id << 1 | by_us);
    }

    /// How a stream ended that is not open, if that is remembered; one that we may have reset long ago counts as that.
    pub(super) fn ended(&self, id: u32) -> Option<Ended> {
        match self.closed.iter().rev().find(|closed| **closed >> 1 == id) {
            Some(closed) if closed & 1 == 1 => Some(Ended::ByOurReset),
            Some(_) => Some(Ended::Known),
            None => (id <= self.forgotten_resets).then_some(Ended::ByOurReset),
        }
    }
}
