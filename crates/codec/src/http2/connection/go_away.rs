//! GOAWAY and PING: the life of the connection as a whole.

use super::super::error::{ConnectionError, ErrorCode};
use super::super::event::Event;
use super::super::frame::{FrameHead, kind, read_u32};
use super::super::stream_id::StreamId;
use super::super::streams::Ended;
use super::{Connection, MAX_STREAM_ID, Role};

impl Connection {
    pub(super) fn go_away_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
    ) -> Result<Option<Event>, ConnectionError> {
        if head.stream != 0 {
            let code = ErrorCode::PROTOCOL_ERROR;
            return Err(ConnectionError::Silent(code, "GOAWAY: stream_id != 0"));
        }
        let last_stream = read_u32(payload).unwrap_or_default() & 0x7fff_ffff;
        let code = read_u32(payload.get(4..).unwrap_or_default()).unwrap_or_default();
        if !self.may_be_own_stream(last_stream) {
            let code = ErrorCode::PROTOCOL_ERROR;
            return Err(ConnectionError::Silent(
                code,
                "GOAWAY: invalid last_stream_id",
            ));
        }
        if self
            .peer_refuses_above
            .is_some_and(|last| last_stream > last)
        {
            let code = ErrorCode::PROTOCOL_ERROR;
            let what = "GOAWAY: invalid last_stream_id";
            return Err(ConnectionError::Silent(code, what));
        }
        self.peer_refuses_above = Some(last_stream);
        self.told_go_away = true;
        Ok(Some(Event::GoAway {
            last_stream,
            code: ErrorCode(code),
        }))
    }

    /// Whether a stream has a number of ours: those of a server are even, those of a client odd. Envoy's other codec
    /// does not look at what a host names.
    fn may_be_own_stream(&self, number: u32) -> bool {
        let is_even = number.is_multiple_of(2);
        match self.role {
            Role::Server => is_even,
            Role::Client => !is_even || number == 0 || self.settings.use_oghttp2_codec,
        }
    }

    /// Whether the peer has said that the connection goes away.
    pub fn peer_goes_away(&self) -> bool {
        self.told_go_away
    }

    /// The next of our streams above the peer's GOAWAY: it was not processed, may be sent again elsewhere, and is
    /// forgotten. Ask after [`Event::GoAway`] until there is none.
    pub fn take_unprocessed(&mut self, out: &mut Vec<u8>) -> Option<StreamId> {
        let last_stream = self.peer_refuses_above?;
        let id = self.streams.last().map(|stream| stream.id)?;
        if id <= last_stream {
            return None;
        }
        self.forget(id, Ended::ByOurReset, out)?;
        Some(StreamId(id))
    }

    /// Announces that the connection will go away (a GOAWAY that names the highest number), so that the peer opens no
    /// further streams; those that it has on the way are still served.
    pub fn send_shutdown_notice(&mut self, out: &mut Vec<u8>) {
        self.append_go_away(MAX_STREAM_ID, ErrorCode::NO_ERROR, &[], out);
    }

    /// Sends GOAWAY with the last stream that was taken. Streams that the peer opens after it are ignored.
    pub fn send_go_away(&mut self, code: ErrorCode, out: &mut Vec<u8>) {
        let last_stream = self.last_taken_stream();
        if self.role == Role::Server {
            self.refused_above = Some(last_stream);
        }
        self.counts_mut().goaway_sent += 1;
        self.append_go_away(last_stream, code, &[], out);
    }

    /// The peer's last stream that we have begun to serve.
    pub(super) fn last_taken_stream(&self) -> u32 {
        match self.role {
            Role::Server => self.refused_above.unwrap_or(self.last_stream),
            Role::Client => 0,
        }
    }

    pub(super) fn append_go_away(
        &mut self,
        last_stream: u32,
        code: ErrorCode,
        debug: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut payload = Vec::with_capacity(8 + debug.len());
        payload.extend_from_slice(&last_stream.to_be_bytes());
        payload.extend_from_slice(&code.0.to_be_bytes());
        payload.extend_from_slice(debug);
        self.send_frame(kind::GOAWAY, 0, 0, &payload, out);
    }

    /// Sends a PING, to be answered with [`Event::PingAck`].
    pub fn send_ping(&mut self, payload: u64, out: &mut Vec<u8>) {
        self.send_frame(kind::PING, 0, 0, &payload.to_be_bytes(), out);
    }
}
