//! What the Lua filter does to a stream: both directions alike, each by a run of its own.

use std::mem::take;
use std::rc::Rc;

use nuncio_contract::buffer::Buffer;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{
    AddedBody, DataStatus, FilterContext, HeadersStatus, HttpFilter, TrailersStatus,
};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::Protocol;

use super::direction::{Direction, Next, Parts, Waits};
use super::worker::Worker;

/// A stream's.
pub(super) struct LuaFilter {
    worker: Rc<Worker>,
    request: Side,
    response: Side,
}

/// One direction of it.
#[derive(Default)]
struct Side {
    direction: Direction,
    /// Whether the script has the end of the body still to come, though its last bytes are here.
    owes_end: bool,
    /// How many bytes of the body are still to go on, where the head that has gone on says so.
    owes_bytes: Option<usize>,
}

impl LuaFilter {
    pub(super) fn new(worker: &Rc<Worker>) -> Self {
        let mut response = Side::default();
        response.direction.progress.is_response = true;
        LuaFilter {
            worker: Rc::clone(worker),
            request: Side::default(),
            response,
        }
    }
}

/// The answer where more would have to be held than may be.
fn too_large(is_response: bool) -> Box<LocalReply> {
    Box::new(match is_response {
        false => LocalReply::too_much(),
        true => LocalReply::new(
            500,
            b"Internal Server Error".as_slice(),
            "response_payload_too_large",
        ),
    })
}

/// The answer where less of a body is left than the head that has gone on says.
fn too_short() -> Box<LocalReply> {
    Box::new(LocalReply::new(
        500,
        b"".as_slice(),
        "lua_body_shorter_than_content_length",
    ))
}

/// The length of the body, as the head says that goes on now.
fn length_in_head(parts: &Parts<'_, '_>, is_response: bool) -> Option<usize> {
    let head = match is_response {
        false => Some(&*parts.context.request_headers),
        true => parts.head.as_deref(),
    };
    head?.get_str(Known::ContentLength)?.parse().ok()
}

impl Side {
    /// Keeps a chunk that a script had in its hands within what the head says, so that receivers take no part of a
    /// body for the next message. Whether that is enough.
    fn fits(&mut self, data: &mut Buffer, is_last: bool) -> bool {
        let Some(owed) = &mut self.owes_bytes else {
            return true;
        };
        if data.len() > *owed {
            let mut cut = Buffer::new();
            cut.extend(data.readable().get(..*owed).unwrap_or_default());
            *data = cut;
        }
        *owed -= data.len();
        !is_last || *owed == 0
    }

    fn headers(
        &mut self,
        worker: &Worker,
        parts: &mut Parts<'_, '_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let direction = &mut self.direction;
        let next = match direction.waits() {
            Waits::Call => direction.go_on(worker, parts),
            _ => {
                direction.progress.has_ended = end_stream;
                direction.begin(worker, parts)
            }
        };
        match next {
            Next::Call(wait) => HeadersStatus::Again(wait),
            Next::Reply(reply) => HeadersStatus::Reply(reply),
            Next::Wait(Waits::Body) => HeadersStatus::Stop,
            Next::Wait(waits) => {
                if waits == Waits::Chunk {
                    self.owes_bytes = length_in_head(parts, direction.progress.is_response);
                }
                direction.progress.head_is_gone = true;
                HeadersStatus::Continue
            }
            Next::Done => {
                direction.progress.head_is_gone = true;
                match direction.progress.adds_body {
                    false => HeadersStatus::Continue,
                    true => HeadersStatus::AddBody(Box::new(AddedBody {
                        data: take(&mut direction.body),
                        trailers: None,
                    })),
                }
            }
        }
    }

    fn data(
        &mut self,
        worker: &Worker,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        let direction = &mut self.direction;
        match direction.waits() {
            Waits::Not => {
                return match self.fits(data, end_stream) {
                    true => DataStatus::Continue,
                    false => DataStatus::Reply(too_short()),
                };
            }
            Waits::Body => {
                direction.progress.has_body = true;
                if direction.keep(data, context) {
                    return DataStatus::Reply(too_large(direction.progress.is_response));
                }
                if !end_stream {
                    return DataStatus::StopAndBuffer;
                }
                direction.progress.has_ended = true;
            }
            Waits::Chunk => {
                self.owes_end = end_stream && !data.is_empty() && ends_apart(direction, context);
                direction.progress.has_body = true;
                direction.progress.has_chunk = true;
                direction.progress.has_ended = end_stream && !self.owes_end;
            }
            Waits::Trailers => {
                direction.progress.has_body = true;
                if !end_stream {
                    return match self.fits(data, false) {
                        true => DataStatus::Continue,
                        false => DataStatus::Reply(too_short()),
                    };
                }
                direction.progress.has_ended = true;
            }
            Waits::Call => {}
        }
        let mut next = go_on_with(direction, worker, context, data);
        if matches!(next, Next::Wait(Waits::Chunk)) && take(&mut self.owes_end) {
            let mut last = Buffer::new();
            direction.progress.has_chunk = true;
            direction.progress.has_ended = true;
            next = go_on_with(direction, worker, context, &mut last);
            data.append(last);
        }
        match next {
            Next::Call(wait) => DataStatus::Again(wait),
            Next::Reply(reply) => DataStatus::Reply(reply),
            Next::Wait(Waits::Body) => DataStatus::StopAndBuffer,
            Next::Wait(_) | Next::Done => {
                direction.progress.has_chunk = false;
                direction.progress.head_is_gone = true;
                if direction.progress.holds_body {
                    let whole = take(&mut direction.body);
                    let rest = std::mem::replace(data, whole);
                    data.append(rest);
                }
                match self.fits(data, end_stream) {
                    true => DataStatus::Continue,
                    false => DataStatus::Reply(too_short()),
                }
            }
        }
    }

    fn trailers(
        &mut self,
        worker: &Worker,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        let is_short = self.owes_bytes.is_some_and(|owed| owed > 0);
        let direction = &mut self.direction;
        if direction.waits() == Waits::Not {
            return match is_short {
                true => TrailersStatus::Reply(too_short()),
                false => TrailersStatus::Continue,
            };
        }
        direction.progress.has_trailers = true;
        direction.progress.has_ended = true;
        direction.progress.has_chunk = false;
        let mut parts = Parts {
            context,
            head: None,
            chunk: None,
            trailers: Some(trailers),
        };
        match direction.go_on(worker, &mut parts) {
            Next::Call(wait) => TrailersStatus::Again(wait),
            Next::Reply(reply) => TrailersStatus::Reply(reply),
            Next::Wait(_) | Next::Done => {
                direction.progress.head_is_gone = true;
                match direction.progress.holds_body {
                    true => TrailersStatus::Append(take(&mut direction.body)),
                    false if is_short => TrailersStatus::Reply(too_short()),
                    false => TrailersStatus::Continue,
                }
            }
        }
    }
}

fn go_on_with(
    direction: &mut Direction,
    worker: &Worker,
    context: &mut FilterContext<'_>,
    data: &mut Buffer,
) -> Next {
    let mut parts = Parts {
        context,
        head: None,
        chunk: Some(data),
        trailers: None,
    };
    direction.go_on(worker, &mut parts)
}

/// Whether Envoy tells of the end of a body apart from its last bytes, as it does for HTTP/1.
fn ends_apart(direction: &Direction, context: &FilterContext<'_>) -> bool {
    let info = &*context.stream_info;
    let protocol = match direction.progress.is_response {
        false => info.protocol,
        true => info.upstream.protocol,
    };
    matches!(protocol, Some(Protocol::Http10 | Protocol::Http11))
}

impl HttpFilter for LuaFilter {
    fn decode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        end_stream: bool,
    ) -> HeadersStatus {
        let mut parts = Parts {
            context,
            head: None,
            chunk: None,
            trailers: None,
        };
        self.request.headers(&self.worker, &mut parts, end_stream)
    }

    fn decode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.request.data(&self.worker, context, data, end_stream)
    }

    fn decode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.request.trailers(&self.worker, context, trailers)
    }

    fn encode_headers(
        &mut self,
        context: &mut FilterContext<'_>,
        response: &mut HeaderMap,
        end_stream: bool,
    ) -> HeadersStatus {
        let mut parts = Parts {
            context,
            head: Some(response),
            chunk: None,
            trailers: None,
        };
        self.response.headers(&self.worker, &mut parts, end_stream)
    }

    fn encode_data(
        &mut self,
        context: &mut FilterContext<'_>,
        data: &mut Buffer,
        end_stream: bool,
    ) -> DataStatus {
        self.response.data(&self.worker, context, data, end_stream)
    }

    fn encode_trailers(
        &mut self,
        context: &mut FilterContext<'_>,
        trailers: &mut HeaderMap,
    ) -> TrailersStatus {
        self.response.trailers(&self.worker, context, trailers)
    }
}
