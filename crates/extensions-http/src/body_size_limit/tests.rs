//! The body size limit on streams, step by step.

use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use crate::tests::harness::{Worker, refusal};

#[test]
fn a_length_that_is_too_large_is_refused_at_once() {
    let worker = Worker::new(&ROOM, "{max_request_bytes: 4}");
    let mut stream = worker.stream().with("content-length", "5");
    let HeadersStatus::Reply(reply) = stream.decode_headers(false) else {
        panic!("no answer");
    };
    assert_eq!(reply.status, 413);
    assert_eq!(&*reply.body, b"content length too large");
    let mut stream = worker.stream().with("content-length", "4");
    let status = stream.decode_headers(false);
    assert!(matches!(status, HeadersStatus::Continue));
}

#[test]
fn a_body_is_refused_when_it_has_become_too_long() {
    let worker = Worker::new(&ROOM, "{max_request_bytes: 4}");
    let mut stream = worker.stream();
    let status = stream.decode_headers(false);
    assert!(matches!(status, HeadersStatus::Continue));
    let status = stream.decode_data(b"four", false);
    assert!(matches!(status, DataStatus::Continue));
    let DataStatus::Reply(reply) = stream.decode_data(b"!", true) else {
        panic!("no answer");
    };
    assert_eq!(reply.details, "request_payload_too_large");
}

#[test]
fn without_a_limit_nothing_is_looked_at() {
    let worker = Worker::new(&ROOM, "{}");
    assert_eq!(worker.interest(), Default::default());
    assert!(refusal(&ROOM, "{max_request_bytes: 0}").contains("greater than 0"));
}
