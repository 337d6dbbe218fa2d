//! A stream of gRPC: messages in both directions, and how it ended.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::frames::{FrameError, FrameReader, frame};
use crate::call_span::CallSpan;
use crate::calls::{CallEvent, HttpCall, MAX_ANSWER_BYTES};
use crate::grpc::{status, status_of_http};
use crate::headers::{HeaderMap, Known, MapKind};
use crate::stats::groups::ChannelStats;

/// How a call ended.
#[derive(Clone, Debug)]
pub struct GrpcEnd {
    /// gRPC's status; 0 is well.
    pub status: u32,
    /// What was said of it.
    pub message: String,
    /// The trailers that came with it, if any came.
    pub trailers: Box<HeaderMap>,
    /// Whether the call broke off, so that nobody has said how it ended.
    pub broke_off: bool,
    /// Why the proxy has answered itself, if it has, as details of response codes say it.
    pub own_details: Option<Box<str>>,
}

impl GrpcEnd {
    /// An end of our own.
    pub fn new(status: u32, message: impl Into<String>) -> Self {
        GrpcEnd {
            status,
            message: message.into(),
            trailers: Box::new(HeaderMap::new(MapKind::ResponseTrailers)),
            broke_off: false,
            own_details: None,
        }
    }

    /// The end of a stream over a channel of its own that was never answered, as Envoy's client of those has it.
    pub(super) fn unanswered(counts: Option<&ChannelStats>) -> Self {
        if let Some(counts) = counts {
            counts.count_end(status::INTERNAL);
        }
        Self::new(status::INTERNAL, "")
    }

    /// By what came: its status, or none if it has none.
    fn of(trailers: HeaderMap) -> Option<Self> {
        let status = trailers.get_str(Known::GrpcStatus)?;
        let status = status.parse().unwrap_or(status::UNKNOWN);
        let message = trailers.get(Known::GrpcMessage).unwrap_or_default();
        Some(GrpcEnd {
            status,
            message: String::from_utf8_lossy(message).into_owned(),
            trailers: Box::new(trailers),
            broke_off: false,
            own_details: None,
        })
    }
}

/// What comes of a stream.
#[derive(Debug)]
pub enum GrpcEvent {
    /// The head of the answer, which has begun.
    Head(Box<HeaderMap>),
    /// A message.
    Message(Vec<u8>),
    /// The end; nothing comes after it.
    End(GrpcEnd),
}

/// A stream under way. Dropped, it ends.
pub struct GrpcStream {
    /// None once it has ended.
    call: Option<Box<dyn HttpCall>>,
    reader: FrameReader,
    /// What has come and was not asked for yet.
    ready: VecDeque<GrpcEvent>,
    /// Of streams over a channel of their own.
    counts: Option<Arc<ChannelStats>>,
    /// Ended with it; if it is dropped before, the span says so.
    span: Option<CallSpan>,
}

impl GrpcStream {
    pub(super) fn new(call: Box<dyn HttpCall>, max_message_bytes: Option<usize>) -> Self {
        GrpcStream {
            call: Some(call),
            reader: FrameReader::new(max_message_bytes),
            ready: VecDeque::new(),
            counts: None,
            span: None,
        }
    }

    /// The same, whose end a span tells.
    pub(super) fn in_span(mut self, span: Option<CallSpan>) -> Self {
        self.span = span;
        self
    }

    /// The same, over a channel of its own, which counts how it ends.
    pub(super) fn counting(mut self, counts: Arc<ChannelStats>) -> Self {
        self.counts = Some(counts);
        self
    }

    /// Sends a message; it leaves while the stream is polled.
    pub fn send(&mut self, message: &[u8]) {
        if let Some(call) = &mut self.call {
            call.send(&frame(message), false);
        }
    }

    /// Lets messages be no longer than this, if its service says nothing.
    pub fn limit_messages(&mut self, max_bytes: usize) {
        if self.reader.is_unlimited() {
            self.reader = FrameReader::new(Some(max_bytes));
        }
    }

    /// Says that no more messages come from this side, with which the span, if there is one, ends as one that was given
    /// up, as in Envoy.
    pub fn finish(&mut self) {
        self.span = None;
        if let Some(call) = &mut self.call {
            call.send(&[], true);
        }
    }

    /// Bytes that wait to be sent.
    pub fn unsent_bytes(&self) -> usize {
        self.call.as_ref().map_or(0, |call| call.unsent_bytes())
    }

    /// The next that comes; the stream moves in both directions while this is awaited, and nothing is lost if it is not
    /// awaited to its end.
    pub async fn next(&mut self) -> GrpcEvent {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, polled.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<GrpcEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Poll::Ready(event);
            }
            let Some(call) = &mut self.call else {
                return Poll::Ready(GrpcEvent::End(GrpcEnd::new(status::INTERNAL, "")));
            };
            let event = ready!(call.poll_next(cx));
            self.take(event);
        }
    }

    fn take(&mut self, event: CallEvent) {
        match event {
            CallEvent::Head {
                headers,
                end_stream,
            } => self.take_head(headers, end_stream),
            CallEvent::Data { data, end_stream } => {
                self.reader.push(data.readable());
                self.take_messages();
                if end_stream {
                    self.end(GrpcEnd::new(status::UNKNOWN, ""));
                }
            }
            CallEvent::Trailers(trailers) => self.end_with(trailers, None),
            CallEvent::Reset => {
                let status = match self.counts {
                    Some(_) => status::UNAVAILABLE,
                    None => status::INTERNAL,
                };
                self.end(GrpcEnd {
                    broke_off: true,
                    ..GrpcEnd::new(status, "")
                });
            }
        }
    }

    fn take_head(&mut self, headers: HeaderMap, end_stream: bool) {
        let code = headers.get_str(Known::Status).unwrap_or_default();
        let is_ok = code == "200";
        let own_details = self.call.as_ref().and_then(|call| call.own_details());
        let is_unanswered = own_details.is_some();
        if self.counts.is_some() && (!is_ok || is_unanswered) {
            return self.end(GrpcEnd::new(status::INTERNAL, ""));
        }
        if end_stream && (is_ok || headers.contains(Known::GrpcStatus)) {
            return self.end_with(headers, own_details);
        }
        if !is_ok {
            let status = status_of_http(code.parse().unwrap_or(0));
            return self.end(GrpcEnd::new(status, ""));
        }
        self.ready.push_back(GrpcEvent::Head(Box::new(headers)));
    }

    fn take_messages(&mut self) {
        loop {
            match self.reader.next_message() {
                Ok(Some(message)) => self.ready.push_back(GrpcEvent::Message(message)),
                Ok(None) => return,
                Err(FrameError::Flags) => {
                    return self.end(GrpcEnd::new(status::INTERNAL, ""));
                }
                Err(FrameError::TooLong) => {
                    return self.end(GrpcEnd::new(status::RESOURCE_EXHAUSTED, ""));
                }
            }
        }
    }

    fn end_with(&mut self, trailers: HeaderMap, own_details: Option<Box<str>>) {
        let end = GrpcEnd::of(trailers);
        let end = end.unwrap_or_else(|| GrpcEnd::new(status::UNKNOWN, ""));
        self.end(GrpcEnd { own_details, ..end });
    }

    fn end(&mut self, end: GrpcEnd) {
        if self.call.take().is_some() {
            if let Some(counts) = &self.counts {
                counts.count_end(end.status);
            }
            if let Some(span) = self.span.take() {
                span.end_grpc(end.status);
            }
            self.ready.push_back(GrpcEvent::End(end));
        }
    }

    /// The one message of a call that has one; else the status that came, and what it is for who waits: an end without a
    /// message is not well.
    pub(super) async fn only_message(mut self) -> Result<Vec<u8>, (u32, GrpcEnd)> {
        if self.reader.is_unlimited() {
            self.reader = FrameReader::new(Some(MAX_ANSWER_BYTES));
        }
        let mut only = None;
        loop {
            match self.next().await {
                GrpcEvent::Head(_) => {}
                GrpcEvent::Message(message) => only = Some(message),
                GrpcEvent::End(GrpcEnd { status: 0, .. }) => {
                    return only.ok_or_else(|| (0, GrpcEnd::new(status::INTERNAL, "")));
                }
                GrpcEvent::End(end) => return Err((end.status, end)),
            }
        }
    }
}
