//! The gRPC-Web filter, step by step.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, response, values};

fn call<'w>(worker: &'w Worker, content_type: &str) -> Stream<'w> {
    let stream = worker.stream().with("content-type", content_type);
    let mut stream = stream
        .with("accept", content_type)
        .with("content-length", "9");
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    stream
}

fn grpc() -> HeaderMap {
    response(&[(":status", "200"), ("content-type", "application/grpc")])
}

#[test]
fn a_request_goes_on_as_one_of_grpc() {
    let worker = Worker::new(&ROOM, "{}");
    let stream = call(&worker, "application/grpc-web-text");
    assert_eq!(stream.header("content-type"), "application/grpc");
    assert_eq!(stream.header("te"), "trailers");
    assert_eq!(stream.header("grpc-accept-encoding"), "identity");
    assert_eq!(stream.header("content-length"), "");
    let stream = call(&worker, "application/grpc-web; x");
    assert_eq!(stream.header("content-length"), "9");
}

#[test]
fn text_is_decoded_wherever_it_is_cut() {
    let worker = Worker::new(&ROOM, "{}");
    let text = b"AAAAAAJ5bw==";
    for cut in 0..text.len() {
        let mut stream = call(&worker, "application/grpc-web-text+proto");
        stream.decode_data(&text[..cut], false);
        stream.decode_data(&text[cut..], true);
        assert_eq!(stream.passed, b"\0\0\0\0\x02yo", "{cut}");
    }
}

#[test]
fn what_is_no_base64_is_refused() {
    let worker = Worker::new(&ROOM, "{}");
    for (text, details) in [
        ("AAA", "grpc_base_64_decode_failed_bad_size"),
        ("!!!!", "grpc_base_64_decode_failed"),
        ("AA==AAAA", "grpc_base_64_decode_failed"),
    ] {
        let mut stream = call(&worker, "application/grpc-web-text");
        let DataStatus::Reply(reply) = stream.decode_data(text.as_bytes(), true) else {
            panic!("{text} is refused");
        };
        assert_eq!((reply.status, &*reply.details), (400, details));
    }
}

#[test]
fn frames_become_text_with_padding_of_their_own_and_trailers_the_last_one() {
    let worker = Worker::new(&ROOM, "{}");
    let mut stream = call(&worker, "application/grpc-web-text");
    stream.encode_headers(&mut grpc(), false);
    for byte in b"\0\0\0\0\x02hi\0\0\0\0\0" {
        stream.encode_data(&[*byte], false);
    }
    let mut trailers = response(&[("grpc-status", "0"), ("a", "b")]);
    stream.encode_these_trailers(&mut trailers);
    assert!(trailers.is_empty());
    let text = String::from_utf8_lossy(&stream.passed).into_owned();
    assert_eq!(
        text,
        "AAAAAAJoaQ==AAAAAAA=gAAAABRncnBjLXN0YXR1czowDQphOmINCg=="
    );
}

#[test]
fn a_response_that_is_no_grpc_becomes_a_status_with_its_body_as_the_message() {
    let worker = Worker::new(&ROOM, "{}");
    let mut stream = call(&worker, "application/grpc-web");
    let mut head = response(&[(":status", "503"), ("content-length", "7")]);
    assert!(matches!(
        stream.encode_headers(&mut head, false),
        HeadersStatus::Stop
    ));
    stream.encode_data(b"so", false);
    stream.encode_data(b"rry~\n", true);
    stream.release_response(&mut head);
    assert_eq!(stream.passed, b"");
    assert_eq!(values(&head, ":status"), "503");
    assert_eq!(values(&head, "grpc-status"), "14");
    assert_eq!(values(&head, "grpc-message"), "sorry%7E%0A");
    assert_eq!(values(&head, "content-length"), "0");
    assert_eq!(values(&head, "content-type"), "application/grpc-web+proto");
}

#[test]
fn of_a_long_foreign_response_its_begin_is_the_message() {
    let worker = Worker::new(&ROOM, "{}");
    let mut stream = call(&worker, "application/grpc-web");
    let mut head = response(&[(":status", "200")]);
    stream.encode_headers(&mut head, false);
    for _ in 0..100 {
        stream.encode_data(&[b'x'; 1000], false);
    }
    stream.encode_data(b"", true);
    stream.release_response(&mut head);
    assert_eq!(values(&head, "grpc-message").len(), 16_384);
}
