//! The streams of HTTP/3 that go one way, whichever side we are: ours, and those of the peer, which no request's task
//! reads.

use std::cell::{Cell, RefCell};

use nuncio_codec::http3::{
    Connection as Codec, ConnectionError, OwnStream, StreamId as CodecStreamId, UniEvent,
};
use nuncio_net::quic::{Connection as Quic, ReadEnd, StreamId, VarInt};

/// What is read of a peer's stream at once.
const READ_BYTES: usize = 16 * 1024;

/// Our streams of one connection.
#[derive(Default)]
pub struct OwnStreams {
    control: Cell<Option<StreamId>>,
    others: RefCell<Vec<(StreamId, OwnStream)>>,
    /// What the control stream has not taken yet.
    waiting: RefCell<Vec<u8>>,
}

impl OwnStreams {
    /// Opens ours; a peer that lets us open none gets none.
    pub fn open(&self, quic: &Quic, codec: &Codec) {
        for kind in [OwnStream::Control, OwnStream::Encoder, OwnStream::Decoder] {
            let Some(id) = quic.open() else {
                return;
            };
            let mut begin = Vec::new();
            codec.begin_own(kind, &mut begin);
            if kind == OwnStream::Control {
                self.control.set(Some(id));
                self.waiting.borrow_mut().extend(begin);
                self.send(quic);
            } else {
                self.others.borrow_mut().push((id, kind));
                // A byte, for which there is room in any window that lets anything through.
                let _a_peer_without_room_misses_nothing = quic.send(id, &begin);
            }
        }
    }

    /// How many of ours there are; they never end.
    pub fn count(&self) -> usize {
        usize::from(self.control.get().is_some()) + self.others.borrow().len()
    }

    /// Which of ours a stream is.
    pub fn find(&self, id: StreamId) -> Option<OwnStream> {
        if self.control.get() == Some(id) {
            return Some(OwnStream::Control);
        }
        let others = self.others.borrow();
        let mut found = others.iter().filter(|(other, _)| *other == id);
        found.next().map(|(_, kind)| *kind)
    }

    /// Says something on the control stream.
    pub fn say(&self, quic: &Quic, say: impl FnOnce(&mut Vec<u8>)) {
        say(&mut self.waiting.borrow_mut());
        self.send(quic);
    }

    /// Sends what waits for the control stream.
    pub fn send(&self, quic: &Quic) {
        let mut waiting = self.waiting.borrow_mut();
        let Some(control) = self.control.get() else {
            return waiting.clear();
        };
        if waiting.is_empty() {
            return;
        }
        let length = waiting.len();
        let sent = quic.send(control, &waiting).unwrap_or(length);
        waiting.drain(..sent.min(length));
        quic.wake();
    }
}

/// Reads a peer's stream that goes one way. Whether it is over.
///
/// # Errors
/// The connection is over.
pub fn read(quic: &Quic, codec: &mut Codec, id: StreamId) -> Result<bool, ConnectionError> {
    let number = CodecStreamId(VarInt::from(id).into_inner());
    loop {
        let mut bytes = Vec::new();
        let read = quic.read(id, READ_BYTES, |part| bytes.extend_from_slice(part));
        let Ok(end) = read else {
            return Ok(true);
        };
        let is_last = end == ReadEnd::Finished;
        let goes_on = match end {
            ReadEnd::Reset(_) => false,
            _ => step(quic, codec, (id, number), &bytes)?,
        };
        if is_last || matches!(end, ReadEnd::Reset(_)) {
            // Those that the connection needs may not end either (RFC 9114, 6.2.1).
            codec.uni_reset(number)?;
            return Ok(true);
        }
        if !goes_on {
            return Ok(true);
        }
        if end == ReadEnd::Blocked {
            return Ok(false);
        }
    }
}

/// Takes the codec's steps over what was read; whether more of the stream is wanted.
fn step(
    quic: &Quic,
    codec: &mut Codec,
    (id, number): (StreamId, CodecStreamId),
    bytes: &[u8],
) -> Result<bool, ConnectionError> {
    let mut rest = bytes;
    loop {
        let step = codec.uni_step(number, rest)?;
        rest = rest.get(step.consumed..).unwrap_or_default();
        match step.event {
            UniEvent::NeedMore => return Ok(true),
            UniEvent::Begun | UniEvent::Settings | UniEvent::GoAway(_) => {}
            UniEvent::StopReading(code) => {
                quic.stop(id, code.0);
                return Ok(false);
            }
        }
    }
}
