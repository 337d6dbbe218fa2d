//! The bridge from HTTP/1 to gRPC, step by step.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus};
use nuncio_contract::stream_info::Protocol;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, response, values};

fn call<'w>(worker: &'w Worker, content_type: &str, protocol: Protocol) -> Stream<'w> {
    let mut stream = worker.stream().with("content-type", content_type);
    stream.request.set(Known::Path, b"/a.S/M?q=1");
    stream.info.protocol = Some(protocol);
    stream.decode_headers(false);
    stream
}

#[test]
fn the_status_of_trailers_goes_into_the_head() {
    let worker = Worker::new(&ROOM, "{}");
    for (status, expected) in [("0", "200"), (" 00 ", "200"), ("13", "503"), ("odd", "503")] {
        let mut stream = call(&worker, "application/grpc", Protocol::Http11);
        let mut head = response(&[(":status", "200")]);
        assert!(matches!(
            stream.encode_headers(&mut head, false),
            HeadersStatus::Stop
        ));
        assert!(matches!(
            stream.encode_data(b"abc", false),
            DataStatus::StopAndBuffer
        ));
        let trailers = [("grpc-status", status), ("grpc-message", "m")];
        stream.encode_these_trailers(&mut response(&trailers));
        stream.release_response(&mut head);
        assert_eq!(values(&head, ":status"), expected, "{status}");
        assert_eq!(values(&head, "grpc-status"), status);
        assert_eq!(values(&head, "grpc-message"), "m");
        assert_eq!(values(&head, "content-length"), "3");
    }
}

#[test]
fn calls_over_http2_and_other_requests_pass() {
    let worker = Worker::new(&ROOM, "{ignore_query_parameters: true}");
    for (content_type, protocol) in [
        ("application/grpc", Protocol::Http2),
        ("application/json", Protocol::Http11),
    ] {
        let mut stream = call(&worker, content_type, protocol);
        assert_eq!(stream.header(":path"), "/a.S/M?q=1");
        let mut head = response(&[(":status", "200")]);
        assert!(matches!(
            stream.encode_headers(&mut head, false),
            HeadersStatus::Continue
        ));
    }
    let stream = call(&worker, "application/grpc", Protocol::Http10);
    assert_eq!(stream.header(":path"), "/a.S/M");
}

#[test]
fn bare_protobuf_gets_a_frame_and_loses_that_of_the_response() {
    let worker = Worker::new(&ROOM, "{upgrade_protobuf_to_grpc: true}");
    let mut stream = call(&worker, "application/x-protobuf", Protocol::Http11);
    assert_eq!(stream.header("content-type"), "application/grpc");
    assert!(stream.is_route_stale.get());
    stream.decode_data(b"ab", false);
    stream.decode_data(b"c", true);
    assert_eq!(std::mem::take(&mut stream.passed), b"\0\0\0\0\x03abc");
    let mut head = response(&[(":status", "200")]);
    stream.encode_headers(&mut head, false);
    stream.encode_data(b"\0\0\0\0\x02hi", false);
    assert_eq!(stream.held_body, b"hi");
}

#[test]
fn a_message_that_is_too_long_to_be_framed_is_refused() {
    let worker = Worker::new(&ROOM, "{upgrade_protobuf_to_grpc: true}");
    let mut stream = call(&worker, "application/x-protobuf", Protocol::Http11);
    stream.limit_bytes = 3;
    stream.decode_data(b"abc", false);
    let DataStatus::Reply(reply) = stream.decode_data(b"d", false) else {
        panic!("it is refused");
    };
    assert_eq!(reply.status, 413);
}
