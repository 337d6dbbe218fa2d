//! Frames without headers and bodies from the peer: PRIORITY, RST_STREAM, PING and WINDOW_UPDATE.

use super::super::error::{ConnectionError, ErrorCode, StreamError};
use super::super::event::Event;
use super::super::frame::{FrameHead, flag, kind, read_u32};
use super::super::stream_id::StreamId;
use super::super::streams::{Ended, mark};
use super::{Connection, MAX_WINDOW};

type Told = Result<Option<Event>, ConnectionError>;

fn silent(code: ErrorCode, what: &'static str) -> ConnectionError {
    ConnectionError::Silent(code, what)
}

impl Connection {
    /// Priorities are not used. Envoy takes a stream number of 0 and a stream that depends on itself.
    pub(super) fn priority_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Told {
        self.inbound.priority(&self.settings)?;
        let code = ErrorCode::PROTOCOL_ERROR;
        if head.stream == 0 {
            return Err(ConnectionError::GoAway(code, "PRIORITY: stream_id == 0"));
        }
        let depends_on = read_u32(payload).unwrap_or_default() & 0x7fff_ffff;
        if depends_on != head.stream {
            return Ok(None);
        }
        let what = "PRIORITY: depend on itself";
        match self.streams.get(head.stream) {
            Some(_) => {
                let error = StreamError::Protocol(code, what);
                Ok(Some(self.stream_error(head.stream, error, out)))
            }
            None => Err(ConnectionError::GoAway(code, what)),
        }
    }

    pub(super) fn reset_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Told {
        if head.stream == 0 || self.is_idle(head.stream) {
            let what = "RST_STREAM: stream in idle";
            return Err(silent(ErrorCode::PROTOCOL_ERROR, what));
        }
        if self.forget(head.stream, Ended::Known, out).is_none() {
            return Ok(None);
        }
        self.counts_mut().rx_reset += 1;
        Ok(Some(Event::Reset {
            stream: StreamId(head.stream),
            code: ErrorCode(read_u32(payload).unwrap_or_default()),
        }))
    }

    /// Envoy closes on one of a stream without the GOAWAY that RFC 9113, 5.4.1 asks for.
    pub(super) fn ping_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Told {
        if head.stream != 0 {
            let what = "PING: stream_id != 0";
            return Err(ConnectionError::GoAwayBeyondEnvoy(
                ErrorCode::PROTOCOL_ERROR,
                what,
            ));
        }
        if head.has(flag::ACK) {
            let opaque = payload.first_chunk().copied().unwrap_or_default();
            return Ok(Some(Event::PingAck(u64::from_be_bytes(opaque))));
        }
        self.send_frame(kind::PING, flag::ACK, 0, payload, out);
        Ok(None)
    }

    /// More window for us. A stream that waits for it may send again. A window beyond 2^31 - 1 is told as RFC 9113,
    /// 6.9.1 says: by a GOAWAY for that of the connection, by RST_STREAM for that of a stream. Envoy closes the
    /// connection in silence for both.
    pub(super) fn window_update_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Told {
        let sent = self.outbound.data_frames;
        self.inbound.window_update(&self.settings, sent)?;
        let code = ErrorCode::PROTOCOL_ERROR;
        let more = i64::from(read_u32(payload).unwrap_or_default() & 0x7fff_ffff);
        let is_over = head.stream != 0
            && !self.is_idle(head.stream)
            && self.streams.get(head.stream).is_none();
        if is_over {
            // The peer may not know yet; whatever it says of the stream is moot.
            return Ok(None);
        }
        if more == 0 {
            let what = "WINDOW_UPDATE: window_size_increment == 0";
            return Err(silent(code, what));
        }
        if head.stream == 0 {
            self.send_window += more;
            if self.send_window > MAX_WINDOW {
                let code = ErrorCode::FLOW_CONTROL_ERROR;
                let what = "WINDOW_UPDATE: overflow";
                return Err(ConnectionError::GoAwayBeyondEnvoy(code, what));
            }
            let is_awaited = !self.ready.is_empty() && self.send_window > 0;
            return Ok(is_awaited.then_some(Event::WindowOpened));
        }
        if self.is_idle(head.stream) {
            return Err(silent(code, "WINDOW_UPDATE: stream in idle"));
        }
        let initial = i64::from(self.peer.initial_window);
        let Some(stream) = self.streams.get_mut(head.stream) else {
            return Ok(None);
        };
        stream.send_credit += more;
        let window = stream.send_credit + initial;
        if window > MAX_WINDOW {
            let error = StreamError::FlowControl;
            return Ok(Some(self.stream_error(head.stream, error, out)));
        }
        self.max_send_credit = self.max_send_credit.max(stream.send_credit);
        if !stream.is(mark::BLOCKED) || window <= 0 {
            return Ok(None);
        }
        stream.marks = stream.marks & !mark::BLOCKED | mark::QUEUED;
        self.blocked -= 1;
        self.ready.push_back(head.stream);
        Ok((self.send_window > 0).then_some(Event::WindowOpened))
    }
}
