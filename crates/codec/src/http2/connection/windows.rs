//! Windows: who may send how much, who waits, and what the peer gets back.

use super::super::frame::kind;
use super::super::stream_id::StreamId;
use super::super::streams::{Stream, mark};
use super::Connection;

/// Streams that are over are swept out of the queue once they outnumber the others, but not below this many.
const MIN_SWEEP: usize = 16;

impl Connection {
    /// How many bytes of a body may be sent on the stream now. 0 on one that is over.
    #[inline]
    pub fn capacity(&self, stream: StreamId) -> usize {
        let Some(open) = self.streams.get(stream.0) else {
            return 0;
        };
        if open.is(mark::LOCAL_ENDED) {
            return 0;
        }
        let window = open.send_credit + i64::from(self.peer.initial_window);
        usize::try_from(window.min(self.send_window)).unwrap_or(0)
    }

    /// Notes that the stream waits for window, until [`Connection::next_ready`] tells it. Streams are told in the order
    /// in which they began to wait.
    pub fn wait_for_window(&mut self, stream: StreamId) {
        let initial = i64::from(self.peer.initial_window);
        let Some(open) = self.streams.get_mut(stream.0) else {
            return;
        };
        if open.is(mark::QUEUED | mark::BLOCKED | mark::LOCAL_ENDED) {
            return;
        }
        if open.send_credit + initial > 0 {
            open.marks |= mark::QUEUED;
            self.ready.push_back(stream.0);
        } else {
            open.marks |= mark::BLOCKED;
            self.blocked += 1;
        }
    }

    /// Whether streams wait that the connection's window lets send; of each its own may have shrunk.
    #[inline]
    pub fn has_ready(&self) -> bool {
        self.send_window > 0 && !self.ready.is_empty()
    }

    /// How many bytes of all bodies together may be sent now.
    pub fn connection_window(&self) -> usize {
        usize::try_from(self.send_window).unwrap_or(0)
    }

    /// The next stream that waits and may send now; it waits no longer. Ask after
    /// [`Event::WindowOpened`](super::super::Event::WindowOpened) and
    /// [`Event::SettingsChanged`](super::super::Event::SettingsChanged) until there is none, or until enough is in
    /// `out`. One that does not use all of its capacity, or has more to send, waits again at the end.
    pub fn next_ready(&mut self) -> Option<StreamId> {
        let initial = i64::from(self.peer.initial_window);
        while self.send_window > 0 {
            let id = self.ready.pop_front()?;
            let Some(stream) = self.streams.get_mut(id) else {
                self.ready_gone = self.ready_gone.saturating_sub(1);
                continue;
            };
            stream.marks &= !mark::QUEUED;
            if stream.send_credit + initial > 0 {
                return Some(StreamId(id));
            }
            // The peer has made the window smaller since.
            stream.marks |= mark::BLOCKED;
            self.blocked += 1;
        }
        None
    }

    /// A stream is over: it waits no longer.
    pub(super) fn leave_queue(&mut self, stream: &Stream) {
        if stream.is(mark::BLOCKED) {
            self.blocked -= 1;
        }
        if !stream.is(mark::QUEUED) {
            return;
        }
        self.ready_gone += 1;
        if self.ready_gone >= MIN_SWEEP && self.ready_gone * 2 > self.ready.len() {
            let streams = &self.streams;
            self.ready.retain(|id| streams.get(*id).is_some());
            self.ready_gone = 0;
        }
    }

    /// Takes sent bytes off both windows.
    pub(super) fn spend(&mut self, stream: u32, bytes: usize) {
        // What is sent is within a window, so it has 31 bits.
        self.send_window -= bytes as i64;
        if let Some(open) = self.streams.get_mut(stream) {
            open.send_credit -= bytes as i64;
        }
    }

    /// Gives window back to the peer for bytes of [`Event::Data`](super::super::Event::Data) that were used.
    /// WINDOW_UPDATE goes out for half a window at once. What is not used when a stream ends is given back to the
    /// connection by itself.
    pub fn consumed(&mut self, stream: StreamId, bytes: usize, out: &mut Vec<u8>) {
        let initial = self.settings.initial_stream_window_size;
        let Some(open) = self.streams.get_mut(stream.0) else {
            return;
        };
        let used = open.held.min(u32::try_from(bytes).unwrap_or(u32::MAX));
        open.held -= used;
        open.unreturned += used;
        let mut returned = 0;
        if open.unreturned >= initial / 2 && !open.is(mark::REMOTE_ENDED) {
            returned = std::mem::take(&mut open.unreturned);
            open.receive_window += i64::from(returned);
        }
        if returned > 0 {
            self.send_frame(
                kind::WINDOW_UPDATE,
                0,
                stream.0,
                &returned.to_be_bytes(),
                out,
            );
        }
        self.return_to_connection(used, out);
    }

    /// Gives used bytes back to the connection's window.
    pub(super) fn return_to_connection(&mut self, used: u32, out: &mut Vec<u8>) {
        self.unreturned += used;
        if used == 0 || self.unreturned < self.settings.initial_connection_window_size / 2 {
            return;
        }
        let returned = std::mem::take(&mut self.unreturned);
        self.receive_window += i64::from(returned);
        self.send_frame(kind::WINDOW_UPDATE, 0, 0, &returned.to_be_bytes(), out);
    }
}
