//! An answer on its way to a client.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::{CallEvent, HttpCall};
use nuncio_contract::headers::{HeaderMap, Known, MapKind};
use nuncio_contract::http_filter::{Late, Then};
use nuncio_contract::local_reply::LocalReply;

use super::fetch::Direct;
use super::insertion::{Insertion, Piece, Reader};
use super::stats::Status;
use crate::caching::ranges::{self, Part};
use crate::caching::storage::{BodyReader, Storage};
use crate::caching::store::{Entry, Head};

/// The answer.
pub(super) struct Serving {
    pub(super) status: Status,
    pub(super) head: HeaderMap,
    /// What is behind the head; none: nothing.
    body: Option<Source>,
    is_head_given: bool,
}

enum Source {
    Kept {
        reader: BodyReader,
        /// Whether the trailers belong to it.
        is_whole: bool,
    },
    Coming(Reader),
    Direct(Box<dyn HttpCall>),
}

impl Serving {
    /// What is kept.
    pub(super) fn kept(
        status: Status,
        mut head: HeaderMap,
        (store, entry): (&Arc<Storage>, &Arc<Entry>),
        range: Option<&[u8]>,
        is_head: bool,
    ) -> Self {
        let length = entry.body.len();
        let part = cut(&mut head, range, Some(length));
        let left = part.clone().unwrap_or(0..length);
        let is_whole = part.is_none();
        let has_more = !left.is_empty() || is_whole && entry.trailers.is_some();
        Serving {
            status,
            head,
            body: (has_more && !is_head).then(|| Source::Kept {
                reader: BodyReader::new(store, entry, left),
                is_whole,
            }),
            is_head_given: false,
        }
    }

    /// What is coming; none if the beginning of that is forgotten.
    pub(super) fn coming(
        status: Status,
        mut head: HeaderMap,
        insertion: &Arc<Insertion>,
        range: Option<&[u8]>,
        is_head: bool,
    ) -> Option<Self> {
        let length = head.get_str(Known::ContentLength);
        let length = length.and_then(|length| length.parse().ok());
        let part = cut(&mut head, range, length);
        let is_nothing = part.as_ref().is_some_and(Range::is_empty) || insertion.is_bare();
        let body = match is_head || is_nothing {
            true => None,
            false => Some(Source::Coming(insertion.read(part)?)),
        };
        Some(Serving {
            status,
            head,
            body,
            is_head_given: false,
        })
    }

    /// What the host says to this client alone.
    pub(super) fn direct(direct: Direct) -> Self {
        Serving {
            status: Status::Uncacheable,
            head: direct.head,
            body: (!direct.end_stream).then_some(Source::Direct(direct.call)),
            is_head_given: false,
        }
    }

    /// Whether something is behind the head.
    pub(super) fn has_more(&self) -> bool {
        self.body.is_some()
    }

    /// The next of it, when it comes.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Late> {
        if !self.is_head_given {
            self.is_head_given = true;
            return Poll::Ready(late(Buffer::default(), Then::Head { end_stream: false }));
        }
        Poll::Ready(match &mut self.body {
            Some(Source::Kept { reader, is_whole }) => match ready!(reader.poll_next(cx)) {
                Some(bytes) => next_of_kept(reader, &bytes, *is_whole),
                None => broken(),
            },
            Some(Source::Coming(reader)) => match ready!(reader.poll_next(cx)) {
                Piece::Data(data) => late(data, Then::More),
                Piece::Last(data) => late(data, Then::End),
                Piece::Trailers(trailers) => late(Buffer::default(), then_trailers(&trailers)),
                Piece::Failed => broken(),
            },
            Some(Source::Direct(call)) => match ready!(call.poll_next(cx)) {
                CallEvent::Data {
                    data,
                    end_stream: false,
                } => late(data, Then::More),
                CallEvent::Data { data, .. } => late(data, Then::End),
                CallEvent::Trailers(trailers) => {
                    late(Buffer::default(), then_trailers(&Head::of(&trailers)))
                }
                CallEvent::Head { .. } | CallEvent::Reset => broken(),
            },
            None => late(Buffer::default(), Then::End),
        })
    }
}

fn next_of_kept(reader: &BodyReader, bytes: &[u8], is_whole: bool) -> Late {
    let mut data = Buffer::default();
    data.extend(bytes);
    let trailers = reader.entry().trailers.as_ref().filter(|_| is_whole);
    let then = match (reader.is_through(), trailers) {
        (false, _) => Then::More,
        (true, None) => Then::End,
        (true, Some(trailers)) => then_trailers(trailers),
    };
    late(data, then)
}

/// The part that is served of what has this head, which is changed to that; none: all of it.
fn cut(head: &mut HeaderMap, range: Option<&[u8]>, length: Option<usize>) -> Option<Range<usize>> {
    let length = length.filter(|_| head.get(Known::Status) == Some(b"200"))?;
    match ranges::part(range, length) {
        Part::Whole => None,
        Part::Bytes(bytes) => {
            let (first, last) = (bytes.start, bytes.end.saturating_sub(1));
            let content_range = format!("bytes {first}-{last}/{length}");
            head.append(Known::ContentRange, content_range.as_bytes());
            let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            head.set_integer(Known::ContentLength, length);
            head.set(Known::Status, b"206");
            Some(bytes)
        }
        Part::Nothing => {
            *head = HeaderMap::response();
            head.set(Known::Status, b"416");
            head.set_integer(Known::ContentLength, 0);
            Some(0..0)
        }
    }
}

fn late(data: Buffer, then: Then) -> Late {
    Late {
        data,
        taken_bytes: 0,
        then,
    }
}

fn then_trailers(kept: &Head) -> Then {
    let mut trailers = Box::new(HeaderMap::new(MapKind::ResponseTrailers));
    kept.append_to(&mut trailers);
    Then::Trailers(trailers)
}

/// The answer breaks off.
fn broken() -> Late {
    let reply = LocalReply::new(503, b"".as_slice(), "cache.aborted_body");
    late(Buffer::default(), Then::Reply(Box::new(reply)))
}
