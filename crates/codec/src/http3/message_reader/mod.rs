//! The peer's message on the stream of a request, as its bytes come.

mod block;
mod frames;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use nuncio_contract::headers::{HeaderMap, Known};

use self::block::{BlockReader, Refused};
pub(super) use self::frames::of_http2;
use self::frames::{Use, judge};
use super::error::{ConnectionError, Http3Error, StreamError};
use super::event::{Event, Step};
use super::frame::{FrameHead, HeadReader};
use super::problem::Problem;
use super::settings::Http3Settings;
use super::stream_id::StreamId;
use crate::header_block::{Block, Fault, HeadKind, Message, UNKNOWN_LENGTH, characters};

/// How far the message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No final head yet.
    Head,
    Body,
    /// Trailers have come, or the stream has ended.
    Over,
}

/// Where we are between two steps.
enum State {
    /// In front of a frame, or in its head.
    Head,
    /// In a frame that means nothing to us.
    Skip { left: u64 },
    /// In DATA. `head_bytes` of its head were not told yet.
    Data { left: u64, head_bytes: usize },
    /// In HEADERS.
    Headers { left: u64, open: Box<Open> },
}

/// A block whose end has not come yet.
struct Open {
    block: BlockReader,
    headers: HeaderMap,
}

/// Reads one request, or the heads and the body of one response.
pub struct MessageReader {
    stream: StreamId,
    settings: Rc<Http3Settings>,
    is_request: bool,
    answers_head: bool,
    answers_connect: bool,
    phase: Phase,
    state: State,
    head: HeadReader,
    /// Bytes of the body that came.
    received: u64,
    /// Bytes of the body that `content-length` promises.
    expected: u64,
    lost_bytes: usize,
    dropped_underscores: u32,
}

/// What a part of a step took of the input, and what it has to tell.
type Advance = (usize, Option<Event>);

impl MessageReader {
    /// Reads the request on this stream, at a server.
    pub fn request(stream: StreamId, settings: Rc<Http3Settings>) -> Self {
        Self {
            stream,
            settings,
            is_request: true,
            answers_head: false,
            answers_connect: false,
            phase: Phase::Head,
            state: State::Head,
            head: HeadReader::default(),
            received: 0,
            expected: UNKNOWN_LENGTH,
            lost_bytes: 0,
            dropped_underscores: 0,
        }
    }

    /// Reads the response to this request on this stream, at a client.
    pub fn response(stream: StreamId, settings: Rc<Http3Settings>, request: &HeaderMap) -> Self {
        let method = request.get(Known::Method);
        let is_extended = request.contains(Known::Protocol);
        Self {
            is_request: false,
            answers_head: method == Some(b"HEAD"),
            answers_connect: method == Some(b"CONNECT") && !is_extended,
            ..Self::request(stream, settings)
        }
    }

    /// Takes one step over the bytes at the front of what was read. Call it until it says [`Event::NeedMore`]; it keeps
    /// what it needs of bytes that are cut off, so the caller keeps none. `fin`: the stream ends behind the input.
    ///
    /// `headers` is reset when a head or trailers are told, and holds them; it may be reset in other steps as well.
    ///
    /// # Errors
    /// The stream or the connection is over; call it no more.
    pub fn step(
        &mut self,
        input: &[u8],
        fin: bool,
        headers: &mut HeaderMap,
    ) -> Result<Step, Http3Error> {
        let mut consumed = 0;
        loop {
            let rest = input.get(consumed..).unwrap_or_default();
            if rest.is_empty() {
                let event = match fin {
                    true => self.end()?,
                    false => Event::NeedMore,
                };
                return Ok(Step { consumed, event });
            }
            let (taken, event) = self.advance(rest, fin, headers)?;
            if let Some(event) = event {
                let event = shifted(event, consumed);
                consumed += taken;
                return Ok(Step { consumed, event });
            }
            consumed += taken;
        }
    }

    /// The stream has ended, and there is nothing left to read.
    fn end(&mut self) -> Result<Event, Http3Error> {
        let is_between = matches!(self.state, State::Head) && !self.head.is_cut_off();
        match self.phase {
            Phase::Head => {
                let text = "Received FIN before finishing receiving HTTP headers.";
                Err(ConnectionError::new(Problem::OrderOnRequest, text).into())
            }
            // Envoy takes what was cut off for whole.
            _ if !is_between => {
                let text = "The stream ended within a frame.";
                Err(ConnectionError::new(Problem::Frame, text).into())
            }
            Phase::Body => {
                self.end_body()?;
                Ok(Event::End)
            }
            Phase::Over => Ok(Event::NeedMore),
        }
    }

    /// The body has ended.
    fn end_body(&mut self) -> Result<(), StreamError> {
        self.phase = Phase::Over;
        match self.expected == UNKNOWN_LENGTH || self.expected == self.received {
            true => Ok(()),
            // The response to HEAD, or one without content.
            false if self.received == 0 && self.expected == 0 => Ok(()),
            false => Err(StreamError::WrongLength),
        }
    }

    fn advance(
        &mut self,
        input: &[u8],
        fin: bool,
        headers: &mut HeaderMap,
    ) -> Result<Advance, Http3Error> {
        match &mut self.state {
            State::Head => self.frame_head(input, fin, headers),
            State::Skip { left } => {
                let taken = part(*left, input).len();
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::Head;
                }
                Ok((taken, None))
            }
            State::Data { .. } => self.data(input, fin),
            State::Headers { left, open } => {
                let payload = part(*left, input);
                *left -= payload.len() as u64;
                let is_whole = *left == 0;
                let rules = self.settings.rules();
                let fed = open.block.feed(&rules, payload, &mut open.headers);
                let read = open.block.message.size.decoded;
                fed.map_err(|refused| self.refused(refused, read))?;
                if !is_whole {
                    return Ok((payload.len(), None));
                }
                let State::Headers { open, .. } = std::mem::replace(&mut self.state, State::Head)
                else {
                    return Ok((payload.len(), None));
                };
                let Open {
                    block,
                    headers: own,
                } = *open;
                *headers = own;
                let ends = fin && payload.len() == input.len();
                let event = self.finish_block(block, ends, headers)?;
                Ok((payload.len(), Some(event)))
            }
        }
    }

    /// In front of a frame.
    fn frame_head(
        &mut self,
        input: &[u8],
        fin: bool,
        headers: &mut HeaderMap,
    ) -> Result<Advance, Http3Error> {
        let (taken, Some(head)) = self.head.take(input) else {
            return Ok((input.len(), None));
        };
        let rest = input.get(taken..).unwrap_or_default();
        match judge(head, self.phase)? {
            Use::Body => {
                if head.len > 0 {
                    self.state = State::Data {
                        left: head.len,
                        head_bytes: head.bytes,
                    };
                }
                Ok((taken, None))
            }
            Use::Headers => {
                let (more, event) = self.begin_block(head, rest, fin, headers)?;
                Ok((taken + more, event))
            }
            Use::Skip => {
                if head.len > 0 {
                    self.state = State::Skip { left: head.len };
                }
                Ok((taken, None))
            }
        }
    }

    fn data(&mut self, input: &[u8], fin: bool) -> Result<Advance, Http3Error> {
        let State::Data { left, head_bytes } = &mut self.state else {
            return Ok((0, None));
        };
        let len = part(*left, input).len();
        *left -= len as u64;
        let wire = len + std::mem::take(head_bytes);
        let is_whole = *left == 0;
        if is_whole {
            self.state = State::Head;
        }
        self.received += len as u64;
        if self.received > self.expected {
            return Err(StreamError::WrongLength.into());
        }
        let end_stream = is_whole && fin && len == input.len();
        if end_stream {
            self.end_body()?;
        }
        let data = 0..len;
        let event = Event::Data {
            data,
            end_stream,
            wire,
        };
        Ok((len, Some(event)))
    }

    /// HEADERS begin; what there is of them is read at once.
    fn begin_block(
        &mut self,
        head: FrameHead,
        rest: &[u8],
        fin: bool,
        headers: &mut HeaderMap,
    ) -> Result<Advance, Http3Error> {
        let block = match (self.is_request, self.phase) {
            (true, Phase::Head) => Block::Request,
            (false, Phase::Head) => Block::Response,
            (true, _) => Block::RequestTrailers,
            (false, _) => Block::ResponseTrailers,
        };
        let judge = match self.is_request {
            true => characters::may_be_in_ascii_request,
            false => characters::may_be_in_ascii_response,
        };
        let rules = self.settings.rules();
        let mut reader = BlockReader::new(block, &rules, judge);
        reader.message.end_stream = block.is_trailers();
        reader.message.answers_head = self.answers_head;
        reader.message.answers_connect = self.answers_connect;
        // As in Envoy, heads of frames do not count.
        reader.message.size.wire = usize::try_from(head.len).unwrap_or(usize::MAX);
        headers.reset(block.map_kind());
        let payload = part(head.len, rest);
        let fed = reader.feed(&rules, payload, headers);
        fed.map_err(|refused| self.refused(refused, reader.message.size.decoded))?;
        let left = head.len - payload.len() as u64;
        if left == 0 {
            let ends = fin && payload.len() == rest.len();
            let event = self.finish_block(reader, ends, headers)?;
            return Ok((payload.len(), Some(event)));
        }
        let open = Box::new(Open {
            block: reader,
            headers: std::mem::replace(headers, HeaderMap::new(block.map_kind())),
        });
        self.state = State::Headers { left, open };
        Ok((payload.len(), None))
    }

    /// A block is complete; `ends`: and so is the stream.
    fn finish_block(
        &mut self,
        mut block: BlockReader,
        ends: bool,
        headers: &mut HeaderMap,
    ) -> Result<Event, Http3Error> {
        let is_trailers = block.message.block.is_trailers();
        block.message.end_stream = ends || is_trailers;
        let rules = self.settings.rules();
        let finished = block.finish(&rules, headers);
        let Message {
            size,
            dropped_underscores,
            ..
        } = block.message;
        finished.map_err(|refused| self.refused(refused, size.decoded))?;
        self.dropped_underscores += dropped_underscores;
        if is_trailers {
            self.end_body()?;
            return Ok(Event::Trailers { size });
        }
        let kind = match (self.is_request, block.message.is_informational()) {
            (true, _) => HeadKind::Request,
            (false, true) => HeadKind::Informational,
            (false, false) => HeadKind::Response,
        };
        if kind != HeadKind::Informational {
            self.phase = Phase::Body;
            self.expected = block.message.expected_length();
        }
        if ends {
            self.end_body()?;
        }
        Ok(Event::Head {
            kind,
            end_stream: ends,
            size,
        })
    }

    fn refused(&mut self, refused: Refused, read_bytes: usize) -> Http3Error {
        self.lost_bytes = read_bytes;
        let is_trailers = self.phase == Phase::Body;
        let fault = match refused {
            Refused::Fault(fault) => fault,
            Refused::Coding(what) => {
                let which = if is_trailers { "trailers" } else { "headers" };
                let text = format!("Error decoding {which} on stream {}: {what}", self.stream);
                return ConnectionError::told(Problem::Decompression, text).into();
            }
        };
        match fault {
            Fault::Malformed(violation) => Http3Error::malformed(
                violation,
                self.settings.stream_error_on_invalid_http_message,
            ),
            Fault::TooManyBytes => StreamError::HeadersTooLarge.into(),
            Fault::TooManyHeaders if is_trailers => StreamError::TooManyTrailers.into(),
            Fault::TooManyHeaders => StreamError::TooManyHeaders.into(),
            Fault::Underscore => StreamError::UnexpectedUnderscore.into(),
        }
    }

    /// Whether the end of the message was told.
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Over
    }

    /// How many bytes of names and values were read of a block of headers that was refused for what is in it, or whose
    /// end has not come. For the first who asks.
    pub fn take_lost_bytes(&mut self) -> usize {
        let open = match &mut self.state {
            State::Headers { open, .. } => open.block.message.size.decoded,
            _ => 0,
        };
        std::mem::take(&mut self.lost_bytes).max(open)
    }

    /// How many headers were dropped for underscores in their names since the last time
    /// (`http3.dropped_headers_with_underscores`).
    pub fn take_dropped_underscores(&mut self) -> u32 {
        std::mem::take(&mut self.dropped_underscores)
    }
}

/// What of the input belongs to a frame of which so many bytes are still to come.
#[inline]
fn part(left: u64, input: &[u8]) -> &[u8] {
    let len = usize::try_from(left).unwrap_or(usize::MAX);
    input.get(..len).unwrap_or(input)
}

/// Ranges count from the start of the step's input.
#[inline]
fn shifted(event: Event, by: usize) -> Event {
    match event {
        Event::Data {
            data,
            end_stream,
            wire,
        } => Event::Data {
            data: data.start + by..data.end + by,
            end_stream,
            wire,
        },
        other => other,
    }
}
