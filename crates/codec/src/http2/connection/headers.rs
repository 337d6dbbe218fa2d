//! HEADERS and CONTINUATION from the peer: header blocks, whole or in pieces.
//!
//! A block that comes whole is decoded straight from the input into the caller's map. One in pieces is decoded piece by
//! piece into a map of its own, so that its limits hold long before its end; only a header that is cut in two waits as
//! bytes, and it is bounded by the longest name and value.

use nuncio_contract::headers::HeaderMap;

use super::super::error::{ConnectionError, ErrorCode, StreamError};
use super::super::event::Event;
use super::super::frame::{FrameHead, HEAD_BYTES, flag, read_u32};
use super::super::stream_id::StreamId;
use super::super::streams::{Ended, Stream, mark};
use super::{Connection, Role};
use crate::header_block::{
    Block, BlockRules, CodingError, Fault, HeadKind, Message, UNKNOWN_LENGTH, Violation,
};

/// Most frames of one block; with the smallest that make sense it holds more than the limits on headers let through.
const MAX_BLOCK_FRAMES: usize = 1024;
/// A block may take this many times the bytes that its headers may have, so that tables stay in step when the headers
/// are too many; then the connection ends.
const MAX_BLOCK_FACTOR: usize = 16;
/// What a head has before its block where it says a priority.
const PRIORITY_BYTES: usize = 5;

/// A block whose end has not come yet.
pub(super) struct OpenBlock {
    stream: u32,
    message: Message,
    headers: HeaderMap,
    /// The beginning of a header that goes on in the next frame.
    cut_off: Vec<u8>,
    frames: usize,
    /// What is wrong was told already.
    told: bool,
    /// So was how much was read of it.
    bytes_told: bool,
}

impl OpenBlock {
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    /// How many bytes of names and values were read, for the first who asks.
    pub(super) fn take_decoded_bytes(&mut self) -> usize {
        match std::mem::replace(&mut self.bytes_told, true) {
            true => 0,
            false => self.message.size.decoded,
        }
    }
}

fn silent(what: &'static str) -> ConnectionError {
    ConnectionError::Silent(ErrorCode::PROTOCOL_ERROR, what)
}

impl From<CodingError> for ConnectionError {
    fn from(_: CodingError) -> Self {
        ConnectionError::GoAway(ErrorCode::COMPRESSION_ERROR, "")
    }
}

impl Connection {
    pub(super) fn headers_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ConnectionError> {
        let fragment = unwrapped(head, payload)?;
        let (block, refused) = self.begin_block(head)?;
        self.inbound.payload(&self.settings, head, fragment.len())?;
        let mut message = Message::new(block, head.has(flag::END_STREAM));
        message.size.wire = HEAD_BYTES + head.len;
        if let Some(stream) = self.streams.get(head.stream) {
            message.answers_connect = stream.is(mark::CONNECT);
            message.answers_head = stream.is(mark::HEAD_REQUEST);
        }
        headers.reset(block.map_kind());
        self.decoder.begin_block();
        let taken = decode(
            &mut self.decoder,
            &self.rules,
            fragment,
            &mut message,
            headers,
        )?;
        let rest = fragment.get(taken..).unwrap_or_default();
        if head.has(flag::END_HEADERS) {
            check_end(rest)?;
            return match refused {
                false => self.finish_block(head.stream, message, headers, out),
                true => Ok(Some(self.refuse(head.stream, out))),
            };
        }
        let mut open = Box::new(OpenBlock {
            stream: head.stream,
            message,
            headers: std::mem::replace(headers, HeaderMap::new(block.map_kind())),
            cut_off: rest.to_vec(),
            frames: 1,
            told: refused,
            bytes_told: false,
        });
        let event = match refused {
            true => Some(self.refuse(head.stream, out)),
            false => self.tell_fault_early(&mut open, out)?,
        };
        self.reading.block = Some(open);
        Ok(event)
    }

    pub(super) fn continuation_frame(
        &mut self,
        head: FrameHead,
        payload: &[u8],
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ConnectionError> {
        self.inbound.payload(&self.settings, head, payload.len())?;
        let Some(mut open) = self.reading.block.take() else {
            return Ok(None);
        };
        open.frames += 1;
        // As in Envoy, frames behind the first count without their heads.
        open.message.size.wire += head.len;
        let most_bytes = self
            .settings
            .max_headers_bytes
            .saturating_mul(MAX_BLOCK_FACTOR);
        if open.frames > MAX_BLOCK_FRAMES || open.message.size.wire > most_bytes {
            let code = ErrorCode::ENHANCE_YOUR_CALM;
            return Err(ConnectionError::GoAway(
                code,
                "a header block without an end",
            ));
        }
        open.cut_off.extend_from_slice(payload);
        let taken = decode(
            &mut self.decoder,
            &self.rules,
            &open.cut_off,
            &mut open.message,
            &mut open.headers,
        )?;
        open.cut_off.drain(..taken);
        if !head.has(flag::END_HEADERS) {
            let event = self.tell_fault_early(&mut open, out)?;
            self.reading.block = Some(open);
            return Ok(event);
        }
        check_end(&open.cut_off)?;
        if open.told {
            return Ok(None);
        }
        std::mem::swap(headers, &mut open.headers);
        self.finish_block(open.stream, open.message, headers, out)
    }

    /// What a block on this stream is, and whether it is a request too many.
    fn begin_block(&mut self, head: FrameHead) -> Result<(Block, bool), ConnectionError> {
        let id = head.stream;
        if id == 0 {
            return Err(silent("HEADERS: stream_id == 0"));
        }
        if let Some(stream) = self.streams.get(id) {
            if stream.is(mark::REMOTE_ENDED) {
                let code = ErrorCode::STREAM_CLOSED;
                let what = "HEADERS: stream in half-closed(remote)";
                return Err(ConnectionError::Silent(code, what));
            }
            let is_trailers = stream.is(mark::HEAD_CAME);
            if is_trailers && self.role == Role::Server {
                self.counts_mut().trailers += 1;
            }
            return Ok(match (self.role, is_trailers) {
                (Role::Server, _) => (Block::RequestTrailers, false),
                (Role::Client, true) => (Block::ResponseTrailers, false),
                (Role::Client, false) => (Block::Response, false),
            });
        }
        if !self.is_idle(id) {
            return self.block_on_closed(id);
        }
        if self.role == Role::Client {
            return Err(silent("HEADERS: stream in idle"));
        }
        if id.is_multiple_of(2) {
            return Err(silent("request HEADERS: invalid stream_id"));
        }
        self.last_stream = id;
        self.inbound.stream_begun();
        if self.refused_above.is_some_and(|last| id > last) {
            self.streams.remember(id, Ended::ByOurReset);
            return Ok((Block::Discarded, false));
        }
        let is_too_many = self.streams.len() >= self.settings.max_concurrent_streams as usize;
        match is_too_many {
            true => Ok((Block::Discarded, true)),
            false => {
                self.unfinished = id;
                Ok((Block::Request, false))
            }
        }
    }

    /// A stream that is over: after our reset the peer may not know yet. Envoy drops all such blocks. Those of a host are
    /// dropped here too, as others have requests on its connection.
    fn block_on_closed(&mut self, id: u32) -> Result<(Block, bool), ConnectionError> {
        if self.role == Role::Client {
            return Ok((Block::Discarded, false));
        }
        match self.streams.ended(id) {
            Some(Ended::ByOurReset) => Ok((Block::Discarded, false)),
            Some(Ended::Known) => {
                let code = ErrorCode::STREAM_CLOSED;
                Err(ConnectionError::GoAway(code, "HEADERS: stream closed"))
            }
            None => {
                let code = ErrorCode::PROTOCOL_ERROR;
                let what = "HEADERS: stream_id is lower than one before";
                Err(ConnectionError::GoAway(code, what))
            }
        }
    }

    fn refuse(&mut self, stream: u32, out: &mut Vec<u8>) -> Event {
        self.counts_mut().stream_refused_errors += 1;
        self.stream_error(stream, StreamError::Refused, out)
    }

    /// Takes a request whose head has begun for one that gets its answer now; what is still to come of the head is only
    /// decoded.
    pub fn answer_unfinished_request(&mut self) {
        let id = std::mem::take(&mut self.unfinished);
        let Some(open) = self.reading.block.as_mut().filter(|_| id != 0) else {
            return;
        };
        open.told = true;
        open.headers.clear();
        let window = self.settings.initial_stream_window_size;
        self.streams.push(Stream::new(id, window));
    }

    /// Tells what is wrong with a block before its end comes.
    fn tell_fault_early(
        &mut self,
        open: &mut OpenBlock,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ConnectionError> {
        let Some(fault) = open.message.fault.filter(|_| !open.told) else {
            return Ok(None);
        };
        open.told = true;
        open.bytes_told = true;
        self.unfinished = 0;
        // What was decoded is not needed any more.
        open.headers.clear();
        self.fault(open.stream, &open.message, fault, out).map(Some)
    }

    fn fault(
        &mut self,
        stream: u32,
        message: &Message,
        fault: Fault,
        out: &mut Vec<u8>,
    ) -> Result<Event, ConnectionError> {
        self.refused_block = (stream, message.size.decoded);
        let counts = self.counts_mut();
        let error = match fault {
            Fault::Malformed(what) => {
                counts.rx_messaging_error += 1;
                if !self.settings.stream_error_on_invalid_http_message {
                    return Err(ConnectionError::Messaging(StreamId(stream), what));
                }
                StreamError::Messaging(what)
            }
            Fault::TooManyBytes => {
                counts.header_list_size_too_large += 1;
                StreamError::HeadersTooLarge
            }
            Fault::TooManyHeaders => {
                counts.header_overflow += 1;
                StreamError::TooManyHeaders
            }
            Fault::Underscore => {
                counts.requests_rejected_with_underscores_in_headers += 1;
                StreamError::UnexpectedUnderscore
            }
        };
        Ok(self.stream_error(stream, error, out))
    }

    /// The block is complete.
    fn finish_block(
        &mut self,
        stream: u32,
        mut message: Message,
        headers: &mut HeaderMap,
        out: &mut Vec<u8>,
    ) -> Result<Option<Event>, ConnectionError> {
        self.unfinished = 0;
        if message.dropped_underscores > 0 {
            self.counts_mut().dropped_headers_with_underscores += message.dropped_underscores;
        }
        if message.block == Block::Discarded {
            return Ok(None);
        }
        if let Err(fault) = message.finish(&self.rules, headers) {
            return self.fault(stream, &message, fault, out).map(Some);
        }
        let applied = if message.block == Block::Request {
            let window = self.settings.initial_stream_window_size;
            let mut opened = Stream::new(stream, window);
            let applied = apply(&message, &mut opened);
            if applied.is_ok() {
                self.streams.push(opened);
            }
            applied
        } else {
            let Some(known) = self.streams.get_mut(stream) else {
                return Ok(None);
            };
            apply(&message, known)
        };
        if let Err(fault) = applied {
            return self.fault(stream, &message, fault, out).map(Some);
        }
        let known = self.streams.get(stream);
        if known.is_some_and(Stream::both_ended) {
            self.forget(stream, Ended::Known, out);
        }
        Ok(Some(told(StreamId(stream), &message)))
    }
}

/// Decodes what is there of a block.
fn decode(
    decoder: &mut super::Decoder,
    rules: &BlockRules,
    fragment: &[u8],
    message: &mut Message,
    headers: &mut HeaderMap,
) -> Result<usize, ConnectionError> {
    let taken = decoder.decode(fragment, |field| message.field(rules, field, headers))?;
    Ok(taken)
}

fn check_end(rest: &[u8]) -> Result<(), ConnectionError> {
    match rest {
        [] => Ok(()),
        _ => Err(CodingError("a header is cut off").into()),
    }
}

/// Notes on the stream what the head or the trailers say of the body.
fn apply(message: &Message, stream: &mut Stream) -> Result<(), Fault> {
    match message.block {
        Block::Response if message.is_informational() => return Ok(()),
        Block::Request | Block::Response => {
            stream.marks |= mark::HEAD_CAME;
            stream.expected = message.expected_length();
        }
        _ => {
            if message.content_length != UNKNOWN_LENGTH {
                if stream.expected != UNKNOWN_LENGTH {
                    return Err(Fault::Malformed(Violation::Header(
                        "content-length comes twice",
                    )));
                }
                stream.expected = message.content_length;
            }
        }
    }
    if message.end_stream {
        stream.marks |= mark::REMOTE_ENDED;
        if stream.expected != UNKNOWN_LENGTH && stream.expected != stream.received {
            return Err(Fault::Malformed(Violation::Message(
                "the body is not as long as content-length says",
            )));
        }
    }
    Ok(())
}

fn told(stream: StreamId, message: &Message) -> Event {
    let kind = match message.block {
        Block::Request => HeadKind::Request,
        Block::Response if message.is_informational() => HeadKind::Informational,
        Block::Response => HeadKind::Response,
        _ => {
            let size = message.size;
            return Event::Trailers { stream, size };
        }
    };
    Event::Head {
        stream,
        kind,
        end_stream: message.end_stream,
        size: message.size,
    }
}

/// The block's fragment without padding and priority.
fn unwrapped(head: FrameHead, payload: &[u8]) -> Result<&[u8], ConnectionError> {
    let mut fragment = payload;
    if head.has(flag::PADDED) {
        let code = ErrorCode::PROTOCOL_ERROR;
        let bad = ConnectionError::GoAway(code, "HEADERS: invalid padding");
        let none = ConnectionError::GoAway(code, "HEADERS: insufficient padding space");
        let (padding, rest) = fragment.split_first().ok_or(none)?;
        let len = rest.len().checked_sub(usize::from(*padding));
        let prioritized = head.has(flag::PRIORITY);
        let least = if prioritized { PRIORITY_BYTES } else { 0 };
        let len = len.filter(|len| *len >= least).ok_or(bad)?;
        fragment = rest.get(..len).unwrap_or_default();
    }
    if head.has(flag::PRIORITY) {
        let code = ErrorCode::FRAME_SIZE_ERROR;
        let depends_on = read_u32(fragment).ok_or(ConnectionError::GoAway(code, ""))?;
        fragment = fragment
            .get(PRIORITY_BYTES..)
            .ok_or(ConnectionError::GoAway(code, ""))?;
        if depends_on & 0x7fff_ffff == head.stream {
            return Err(silent("HEADERS: depend on itself"));
        }
    }
    Ok(fragment)
}
