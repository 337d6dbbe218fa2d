//! The bridge from gRPC to HTTP/1, step by step.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal, response, values};

const BARE: &str = "{content_type: application/x}";
const FRAMED: &str = "{content_type: application/x, withhold_grpc_frames: true}";
const SIZED: &str =
    "{content_type: application/x, withhold_grpc_frames: true, response_size_header: x-size}";

fn call(worker: &Worker) -> Stream<'_> {
    let stream = worker
        .stream()
        .with("content-type", "application/grpc+proto");
    let mut stream = stream.with("content-length", "7");
    stream.decode_headers(false);
    stream
}

fn status_of(status: &DataStatus) -> Option<String> {
    match status {
        DataStatus::AddTrailers(trailers) => Some(values(trailers, "grpc-status")),
        _ => None,
    }
}

#[test]
fn a_request_loses_its_frame_and_gets_the_type_of_the_host() {
    let worker = Worker::new(&ROOM, FRAMED);
    let mut stream = call(&worker);
    assert_eq!(stream.header("content-type"), "application/x");
    assert_eq!(stream.header("accept"), "application/x");
    assert_eq!(stream.header("content-length"), "2");
    assert!(stream.is_route_stale.get());
    stream.decode_data(b"\0\0\0\0\x02y", false);
    stream.decode_data(b"o", true);
    assert_eq!(stream.passed, b"yo");
    let DataStatus::Reply(reply) = call(&worker).decode_data(b"\0\0", true) else {
        panic!("too little for a frame");
    };
    assert_eq!((reply.status, reply.grpc_status), (200, Some(2)));
}

#[test]
fn a_response_gets_the_status_in_trailers() {
    let worker = Worker::new(&ROOM, BARE);
    for (status, expected) in [("200", "0"), ("204", "2"), ("404", "12"), ("503", "14")] {
        let mut stream = call(&worker);
        let mut head = response(&[(":status", status), ("content-type", "application/x")]);
        stream.encode_headers(&mut head, false);
        assert_eq!(values(&head, ":status"), "200");
        assert_eq!(values(&head, "content-type"), "application/grpc+proto");
        assert_eq!(status_of(&stream.encode_data(b"hi", false)), None);
        assert_eq!(
            status_of(&stream.encode_data(b"", true)).as_deref(),
            Some(expected)
        );
        assert_eq!(stream.passed, b"hi");
    }
}

#[test]
fn a_response_gets_a_frame_when_its_length_is_known() {
    let worker = Worker::new(&ROOM, FRAMED);
    let mut stream = call(&worker);
    let mut head = response(&[(":status", "200"), ("content-type", "application/x")]);
    stream.encode_headers(&mut head, false);
    stream.encode_data(b"h", false);
    assert_eq!(stream.passed, b"");
    stream.encode_data(b"i", true);
    assert_eq!(stream.passed, b"\0\0\0\0\x02hi");
    let mut stream = call(&worker);
    head = response(&[(":status", "200"), ("content-type", "application/x")]);
    head.set(Known::ContentLength, b"2");
    stream.encode_headers(&mut head, false);
    assert_eq!(values(&head, "content-length"), "7");
    stream.encode_data(b"h", false);
    assert_eq!(stream.passed, b"\0\0\0\0\x02h");
    assert!(matches!(
        stream.encode_data(b"", true),
        DataStatus::Reply(_)
    ));
}

#[test]
fn a_head_that_is_all_there_is_gets_an_empty_message() {
    let worker = Worker::new(&ROOM, FRAMED);
    let mut stream = call(&worker);
    let mut head = response(&[(":status", "200"), ("content-type", "application/x")]);
    let HeadersStatus::AddBody(added) = stream.encode_headers(&mut head, true) else {
        panic!("a message comes behind it");
    };
    assert_eq!(added.data.readable(), b"\0\0\0\0\0");
    assert_eq!(values(&added.trailers.unwrap(), "grpc-status"), "0");
    assert_eq!(values(&head, "content-length"), "5");
}

#[test]
fn a_header_may_tell_how_long_the_message_is() {
    let worker = Worker::new(&ROOM, SIZED);
    let mut stream = call(&worker);
    let mut head = response(&[(":status", "200"), ("content-type", "application/x")]);
    let HeadersStatus::Reply(reply) = stream.encode_headers(&mut head, false) else {
        panic!("the header must be there");
    };
    assert_eq!(reply.grpc_status, Some(13));
    let sized = [
        (":status", "200"),
        ("content-type", "application/x"),
        ("x-size", "2, 5"),
    ];
    let mut stream = call(&worker);
    stream.encode_headers(&mut response(&sized), false);
    stream.encode_data(b"h", false);
    assert_eq!(stream.passed, b"\0\0\0\0\x02h");
    assert_eq!(
        status_of(&stream.encode_data(b"i", true)).as_deref(),
        Some("0")
    );
}

#[test]
fn another_type_is_an_error_and_levels_switch_the_filter_off() {
    let worker = Worker::new(&ROOM, BARE);
    let mut head = response(&[(":status", "418"), ("content-type", "text/html")]);
    let HeadersStatus::Reply(reply) = call(&worker).encode_headers(&mut head, false) else {
        panic!("the type is wrong");
    };
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(
        text,
        "envoy reverse bridge: upstream responded with unsupported content-type text/html, status \
         code 418"
    );
    let stream = worker.stream().with("content-type", "application/grpc");
    let mut stream = stream.on_level(&ROOM, "{disabled: true}");
    stream.decode_headers(false);
    assert_eq!(stream.header("content-type"), "application/grpc");
}

#[test]
fn a_type_must_be_configured() {
    assert_ne!(refusal(&ROOM, "{}"), "");
}
