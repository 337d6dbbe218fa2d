//! Steps over what the peer sends: from bytes to frames, and which handler a frame goes to.

use nuncio_contract::headers::HeaderMap;

use super::super::error::{ConnectionError, ErrorCode, StreamError};
use super::super::event::{Event, Step};
use super::super::frame::{FrameHead, HEAD_BYTES, MAX_PAYLOAD, PREFACE, flag, kind};
use super::super::stream_id::StreamId;
use super::super::streams::Ended;
use super::data::DataFrame;
use super::headers::OpenBlock;
use super::{Connection, Expected};

/// Where we are between two steps.
#[derive(Default)]
pub(super) struct Reading {
    /// Bytes that are skipped: padding, and payloads that nobody wants.
    pub(super) skip: usize,
    /// DATA of which a part is still to come.
    pub(super) data: Option<DataFrame>,
    /// A header block that CONTINUATION goes on with.
    pub(super) block: Option<Box<OpenBlock>>,
}

/// What a handler took of the input, and what it has to tell.
pub(super) type Advance = Option<(usize, Option<Event>)>;

impl Connection {
    /// Takes one step over the bytes at the front of what was read. Call it until it says [`Event::NeedMore`]. What it
    /// wants to see at once is a whole frame other than DATA: up to 16,393 bytes.
    ///
    /// `headers` is reset when a head or trailers are told, and holds them; it may be reset in other steps as well.
    ///
    /// # Errors
    /// The connection is over; see [`ConnectionError`] for whether to write what is in `out`.
    pub fn step(
        &mut self,
        input: &[u8],
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Step, ConnectionError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            let advance = self.advance(rest, headers, out);
            let advance = advance.and_then(|advance| {
                self.outbound.check(&self.settings)?;
                Ok(advance)
            });
            match advance {
                Ok(Some((taken, None))) => consumed += taken,
                Ok(Some((taken, Some(event)))) => {
                    let event = shifted(event, consumed);
                    consumed += taken;
                    return Ok(Step { consumed, event });
                }
                Ok(None) => {
                    let event = Event::NeedMore;
                    return Ok(Step { consumed, event });
                }
                Err(error) => {
                    self.blamed = FrameHead::read(rest).map_or(0, |head| head.stream);
                    self.fail(error, out);
                    return Err(error);
                }
            }
        }
    }

    fn fail(&mut self, error: ConnectionError, out: &mut Vec<u8>) {
        self.failed = Some(error);
        self.count_failure(error);
        if let Some((code, debug)) = error.last_words() {
            let last_stream = self.last_taken_stream();
            self.append_go_away(last_stream, code, debug.as_bytes(), out);
        }
    }

    fn advance(
        &mut self,
        input: &[u8],
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Advance, ConnectionError> {
        if self.reading.data.is_some() {
            return Ok(self.data_part(input, 0, out));
        }
        if self.reading.skip > 0 {
            let taken = self.reading.skip.min(input.len());
            self.reading.skip -= taken;
            return Ok((taken > 0).then_some((taken, None)));
        }
        if self.expected == Expected::Preface {
            return self.preface(input);
        }
        let Some(head) = FrameHead::read(input) else {
            return Ok(None);
        };
        self.check_head(head)?;
        self.frame(head, input, headers, out)
    }

    fn preface(&mut self, input: &[u8]) -> Result<Advance, ConnectionError> {
        let known = input.len().min(PREFACE.len());
        if input.get(..known) != PREFACE.get(..known) {
            return Err(ConnectionError::Silent(
                ErrorCode::PROTOCOL_ERROR,
                "the client does not begin with the preface of HTTP/2",
            ));
        }
        if known < PREFACE.len() {
            return Ok(None);
        }
        self.expected = Expected::Settings;
        Ok(Some((known, None)))
    }

    #[inline]
    fn check_head(&mut self, head: FrameHead) -> Result<(), ConnectionError> {
        if head.len > MAX_PAYLOAD {
            let code = ErrorCode::FRAME_SIZE_ERROR;
            return Err(ConnectionError::GoAway(code, "too large frame size"));
        }
        let code = ErrorCode::PROTOCOL_ERROR;
        if self.expected == Expected::Settings
            && (head.kind != kind::SETTINGS || head.has(flag::ACK))
        {
            return Err(ConnectionError::GoAway(code, "SETTINGS expected"));
        }
        match &self.reading.block {
            None if head.kind != kind::CONTINUATION => Ok(()),
            None => Err(ConnectionError::GoAway(code, "CONTINUATION: unexpected")),
            Some(block) if head.kind == kind::CONTINUATION && block.stream() == head.stream => {
                Ok(())
            }
            Some(_) => Err(ConnectionError::GoAway(
                code,
                "unexpected non-CONTINUATION frame or stream_id is invalid",
            )),
        }
    }

    fn frame(
        &mut self,
        head: FrameHead,
        input: &[u8],
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Advance, ConnectionError> {
        let is_right_length = match head.kind {
            kind::PRIORITY => head.len == 5,
            kind::RST_STREAM | kind::WINDOW_UPDATE => head.len == 4,
            kind::PING => head.len == 8,
            kind::GOAWAY => head.len >= 8,
            kind::SETTINGS if head.has(flag::ACK) => head.len == 0,
            kind::SETTINGS => head.len.is_multiple_of(6),
            _ => true,
        };
        if !is_right_length {
            return Err(ConnectionError::GoAway(ErrorCode::FRAME_SIZE_ERROR, ""));
        }
        if head.kind == kind::DATA {
            return self.data_frame(head, input, out);
        }
        if head.kind > kind::CONTINUATION {
            if head.kind == kind::METADATA && self.settings.allow_metadata {
                return self.metadata_frame(head, input);
            }
            self.reading.skip = head.len;
            return Ok(Some((HEAD_BYTES, None)));
        }
        let Some(payload) = input.get(HEAD_BYTES..HEAD_BYTES + head.len) else {
            return Ok(None);
        };
        let event = match head.kind {
            kind::HEADERS => self.headers_frame(head, payload, headers, out)?,
            kind::CONTINUATION => self.continuation_frame(head, payload, headers, out)?,
            kind::PRIORITY => self.priority_frame(head, payload, out)?,
            kind::RST_STREAM => self.reset_frame(head, payload, out)?,
            kind::SETTINGS => self.settings_frame(head, payload, out)?,
            kind::PING => self.ping_frame(head, payload, out)?,
            kind::GOAWAY => self.go_away_frame(head, payload)?,
            kind::WINDOW_UPDATE => self.window_update_frame(head, payload, out)?,
            _ => {
                return Err(ConnectionError::Silent(
                    ErrorCode::PROTOCOL_ERROR,
                    "PUSH_PROMISE, though push is off",
                ));
            }
        };
        Ok(Some((HEAD_BYTES + head.len, event)))
    }

    /// Whether a stream with this number has never been begun.
    #[inline]
    pub(super) fn is_idle(&self, stream: u32) -> bool {
        stream > self.last_stream || stream.is_multiple_of(2)
    }

    /// Resets a stream for what the peer did on it, and tells.
    pub(super) fn stream_error(
        &mut self,
        stream: u32,
        error: StreamError,
        out: &mut Vec<u8>,
    ) -> Event {
        let known = self.forget(stream, Ended::ByOurReset, out).is_some();
        if !known {
            self.streams.remember(stream, Ended::ByOurReset);
        }
        self.send_reset(stream, error.code(), out);
        Event::StreamError {
            stream: StreamId(stream),
            known,
            error,
        }
    }
}

/// Ranges count from the start of the step's input.
#[inline]
fn shifted(event: Event, by: usize) -> Event {
    match event {
        Event::Data {
            stream,
            data,
            end_stream,
            wire,
        } => Event::Data {
            stream,
            data: data.start + by..data.end + by,
            end_stream,
            wire,
        },
        other => other,
    }
}
