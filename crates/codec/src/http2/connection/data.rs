//! DATA from the peer. Its payload is handed out as it comes, in parts that lie in the caller's input.

use super::super::error::{ConnectionError, ErrorCode, StreamError};
use super::super::event::Event;
use super::super::frame::{FrameHead, HEAD_BYTES, flag};
use super::super::stream_id::StreamId;
use super::super::streams::{Ended, mark};
use super::Connection;
use super::step::Advance;
use crate::header_block::UNKNOWN_LENGTH;

/// A frame of DATA of which a part is still to come.
pub(super) struct DataFrame {
    stream: u32,
    left: usize,
    padding: usize,
    end_stream: bool,
    /// Bytes of the frame beside its data, told with the first part.
    overhead: usize,
}

fn go_away(code: ErrorCode, what: &'static str) -> ConnectionError {
    ConnectionError::GoAway(code, what)
}

impl Connection {
    /// The head of a frame of DATA.
    pub(super) fn data_frame(
        &mut self,
        head: FrameHead,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Advance, ConnectionError> {
        let mut head_bytes = HEAD_BYTES;
        let mut padding = 0;
        if head.stream == 0 {
            let what = "DATA: stream_id == 0";
            return Err(go_away(ErrorCode::PROTOCOL_ERROR, what));
        }
        if head.has(flag::PADDED) {
            let code = ErrorCode::PROTOCOL_ERROR;
            if head.len == 0 {
                return Err(go_away(code, "DATA: insufficient padding space"));
            }
            let Some(pad_len) = input.get(HEAD_BYTES) else {
                return Ok(None);
            };
            head_bytes += 1;
            padding = usize::from(*pad_len);
            if padding + 1 > head.len {
                return Err(go_away(code, "DATA: invalid padding"));
            }
        }
        let data_len = head.len - padding - (head_bytes - HEAD_BYTES);
        self.inbound.payload(&self.settings, head, data_len)?;
        self.take_window(head)?;
        if let Some(event) = self.check_data(head, data_len, out)? {
            self.reading.skip = data_len + padding;
            return Ok(Some((head_bytes, event)));
        }
        self.reading.data = Some(DataFrame {
            stream: head.stream,
            left: data_len,
            padding,
            end_stream: head.has(flag::END_STREAM),
            overhead: head_bytes + padding,
        });
        let overhead = head.len - data_len;
        if overhead > 0 {
            // Padding is used as soon as it is there, and is never more than a frame.
            self.consumed(StreamId(head.stream), overhead, out);
        }
        let part = self.data_part(input.get(head_bytes..).unwrap_or_default(), head_bytes, out);
        Ok(part.or(Some((head_bytes, None))))
    }

    /// Takes the frame off the connection's window.
    fn take_window(&mut self, head: FrameHead) -> Result<(), ConnectionError> {
        self.receive_window -= head.len as i64;
        match self.receive_window < 0 {
            true => Err(go_away(ErrorCode::FLOW_CONTROL_ERROR, "")),
            false => Ok(()),
        }
    }

    /// Whether the frame's stream takes it. If not, what there is to tell; its payload is skipped then.
    fn check_data(
        &mut self,
        head: FrameHead,
        data_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Option<Event>>, ConnectionError> {
        let is_idle = self.is_idle(head.stream);
        let Some(stream) = self.streams.get_mut(head.stream) else {
            if is_idle {
                let what = "DATA: stream in idle";
                return Err(go_away(ErrorCode::PROTOCOL_ERROR, what));
            }
            // A frame is at most 16 KiB.
            self.return_to_connection(head.len as u32, out);
            return Ok(Some(self.data_on_closed(head.stream, out)));
        };
        if stream.is(mark::REMOTE_ENDED) {
            let what = "DATA: stream in half-closed(remote)";
            return Err(go_away(ErrorCode::STREAM_CLOSED, what));
        }
        stream.receive_window -= head.len as i64;
        stream.held += head.len as u32;
        stream.received += data_len as u64;
        let (received, expected) = (stream.received, stream.expected);
        let is_too_long = received > expected;
        let is_cut_short =
            head.has(flag::END_STREAM) && expected != UNKNOWN_LENGTH && received != expected;
        let error = if stream.receive_window < 0 {
            StreamError::FlowControl
        } else if !stream.is(mark::HEAD_CAME) {
            StreamError::Protocol(ErrorCode::PROTOCOL_ERROR, "DATA before a final head")
        } else if is_too_long || is_cut_short {
            let what = "the body is not as long as content-length says";
            StreamError::Protocol(ErrorCode::PROTOCOL_ERROR, what)
        } else {
            return Ok(None);
        };
        Ok(Some(Some(self.stream_error(head.stream, error, out))))
    }

    /// A stream that is over: after our reset the peer may not know yet, otherwise it is told. Envoy drops all such
    /// frames.
    fn data_on_closed(&mut self, stream: u32, out: &mut Vec<u8>) -> Option<Event> {
        if self.streams.ended(stream) == Some(Ended::ByOurReset) {
            return None;
        }
        Some(self.stream_error(stream, StreamError::Closed, out))
    }

    /// Hands out what is there of the frame's data.
    #[inline]
    pub(super) fn data_part(&mut self, input: &[u8], offset: usize, out: &mut Vec<u8>) -> Advance {
        let frame = self.reading.data.as_mut()?;
        let part = frame.left.min(input.len());
        frame.left -= part;
        if part == 0 && frame.left > 0 {
            return None;
        }
        let wire = part + std::mem::take(&mut frame.overhead);
        let is_whole = frame.left == 0;
        let (stream, ends) = (frame.stream, frame.end_stream && is_whole);
        if is_whole {
            self.reading.skip = frame.padding;
            self.reading.data = None;
        }
        let taken = offset + part;
        let Some(open) = self.streams.get_mut(stream) else {
            // Reset in the middle of the frame.
            return Some((taken, None));
        };
        if ends {
            open.marks |= mark::REMOTE_ENDED;
            if open.both_ended() {
                self.forget(stream, Ended::Known, out);
            }
        }
        let event = Event::Data {
            stream: StreamId(stream),
            data: offset..taken,
            end_stream: ends,
            wire,
        };
        Some((taken, (part > 0 || ends).then_some(event)))
    }
}
