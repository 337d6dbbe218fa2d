//! Calls of gRPC on a call that is written down.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::buffer::Buffer;
use crate::calls::{CallEvent, HttpCall};
use crate::headers::{HeaderMap, Known, MapKind};

/// A call whose answer is known.
struct Written(VecDeque<CallEvent>);

impl HttpCall for Written {
    fn send(&mut self, _data: &[u8], _end_stream: bool) {}

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn head(status: &str, grpc: Option<&str>, end_stream: bool) -> CallEvent {
    let mut headers = HeaderMap::response();
    headers.set(Known::Status, status.as_bytes());
    if let Some(grpc) = grpc {
        headers.set(Known::GrpcStatus, grpc.as_bytes());
        headers.set(Known::GrpcMessage, b"said");
    }
    CallEvent::Head {
        headers,
        end_stream,
    }
}

fn data(bytes: &[u8], end_stream: bool) -> CallEvent {
    let mut data = Buffer::new();
    data.extend(bytes);
    CallEvent::Data { data, end_stream }
}

fn trailers(status: Option<&str>) -> CallEvent {
    let mut trailers = HeaderMap::new(MapKind::ResponseTrailers);
    if let Some(status) = status {
        trailers.set(Known::GrpcStatus, status.as_bytes());
    }
    CallEvent::Trailers(trailers)
}

/// All that comes, in words.
fn told(events: impl IntoIterator<Item = CallEvent>, max: Option<usize>) -> String {
    let call = Written(events.into_iter().collect());
    let mut stream = GrpcStream::new(Box::new(call), max);
    let mut cx = Context::from_waker(Waker::noop());
    let mut told = Vec::new();
    loop {
        match stream.poll_next(&mut cx) {
            Poll::Pending => {
                told.push("waits".to_owned());
                break;
            }
            Poll::Ready(GrpcEvent::Head(_)) => told.push("head".to_owned()),
            Poll::Ready(GrpcEvent::Message(message)) => {
                told.push(String::from_utf8_lossy(&message).into_owned());
            }
            Poll::Ready(GrpcEvent::End(end)) => {
                told.push(format!("{} {}", end.status, end.message));
                break;
            }
        }
    }
    told.join(", ")
}

#[test]
fn messages_come_one_by_one_and_then_the_status() {
    let mut body = frame(b"one");
    body.extend(frame(b"two"));
    let events = [
        head("200", None, false),
        data(&body, false),
        trailers(Some("0")),
    ];
    assert_eq!(told(events, None), "head, one, two, 0 ");
}

#[test]
fn a_status_in_the_head_is_the_end() {
    assert_eq!(told([head("200", Some("5"), true)], None), "5 said");
    assert_eq!(told([head("503", Some("8"), true)], None), "8 said");
}

#[test]
fn a_status_of_http_stands_for_one_of_grpc() {
    assert_eq!(told([head("503", None, true)], None), "14 ");
    assert_eq!(told([head("404", Some("0"), false)], None), "12 ");
}

#[test]
fn an_end_without_a_status_is_unknown() {
    let begun = || head("200", None, false);
    assert_eq!(told([head("200", None, true)], None), "2 ");
    assert_eq!(told([begun(), trailers(None)], None), "head, 2 ");
    assert_eq!(told([begun(), data(b"", true)], None), "head, 2 ");
    assert_eq!(told([begun(), trailers(Some("words"))], None), "head, 2 ");
}

#[test]
fn an_answer_that_breaks_off_is_an_internal_error() {
    assert_eq!(
        told([head("200", None, false), CallEvent::Reset], None),
        "head, 13 "
    );
}

#[test]
fn bad_frames_end_the_stream_behind_the_good_ones() {
    let mut body = frame(b"good");
    body.extend([2, 0, 0, 0, 0]);
    let events = [head("200", None, false), data(&body, false)];
    assert_eq!(told(events, None), "head, good, 13 ");
    let events = [head("200", None, false), data(&frame(b"12345"), false)];
    assert_eq!(told(events, Some(4)), "head, 8 ");
}
