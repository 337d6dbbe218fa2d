//! The buffer filter on streams, step by step.

use nuncio_contract::http_filter::{DataStatus, HeadersStatus, TrailersStatus};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal};

fn worker(max_request_bytes: u32) -> Worker {
    Worker::new(
        &ROOM,
        &format!("{{max_request_bytes: {max_request_bytes}}}"),
    )
}

fn is_held_at_its_headers(stream: &mut Stream<'_>) -> bool {
    matches!(stream.decode_headers(false), HeadersStatus::Stop)
}

#[test]
fn a_request_without_a_body_goes_on_at_once() {
    let worker = worker(10);
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("content-length"), "");
}

#[test]
fn a_body_is_held_until_it_is_complete_and_then_has_a_content_length() {
    let worker = worker(10);
    let mut stream = worker.stream().with("transfer-encoding", "chunked");
    assert!(is_held_at_its_headers(&mut stream));
    assert!(matches!(
        stream.decode_data(b"four", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"four", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"!!", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.header("content-length"), "10");
    assert_eq!(stream.header("transfer-encoding"), "");
}

#[test]
fn a_length_that_the_client_gave_stays() {
    let worker = worker(10);
    let mut stream = worker.stream().with("content-length", "4");
    assert!(is_held_at_its_headers(&mut stream));
    assert!(matches!(
        stream.decode_data(b"four", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.header("content-length"), "4");
}

#[test]
fn a_body_that_ends_with_an_empty_chunk_counts_what_was_held() {
    let worker = worker(10);
    let mut stream = worker.stream();
    assert!(is_held_at_its_headers(&mut stream));
    assert!(matches!(
        stream.decode_data(b"four", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.header("content-length"), "4");
}

#[test]
fn trailers_complete_a_body() {
    let worker = worker(10);
    let mut stream = worker.stream();
    assert!(is_held_at_its_headers(&mut stream));
    assert!(matches!(
        stream.decode_data(b"four", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(stream.decode_trailers(), TrailersStatus::Continue));
    assert_eq!(stream.header("content-length"), "4");
}

#[test]
fn the_engine_is_told_the_limit_and_a_larger_body_is_never_let_go() {
    let worker = worker(3);
    let mut stream = worker.stream();
    assert!(is_held_at_its_headers(&mut stream));
    assert_eq!(stream.limit_bytes, 3);
    assert!(matches!(
        stream.decode_data(b"four", true),
        DataStatus::StopAndBuffer
    ));
    assert_eq!(stream.header("content-length"), "");
}

#[test]
fn a_body_of_exactly_the_limit_passes() {
    let worker = worker(4);
    let mut stream = worker.stream();
    assert!(is_held_at_its_headers(&mut stream));
    assert!(matches!(
        stream.decode_data(b"four", true),
        DataStatus::Continue
    ));
}

#[test]
fn a_route_may_switch_the_filter_off() {
    let worker = worker(3);
    let mut stream = worker.stream().on_level(&ROOM, "{disabled: true}");
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    assert!(matches!(
        stream.decode_data(b"longer than three", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.header("content-length"), "");
}

#[test]
fn the_most_specific_level_has_its_say() {
    let worker = worker(3);
    let on_virtual_host = "{disabled: true}";
    let on_route = "{buffer: {max_request_bytes: 7}}";
    let mut stream = worker
        .stream()
        .on_level(&ROOM, on_virtual_host)
        .on_level(&ROOM, on_route);
    assert!(is_held_at_its_headers(&mut stream));
    assert_eq!(stream.limit_bytes, 7);
}

#[test]
fn a_limit_of_nothing_and_no_limit_at_all_are_refused() {
    assert!(refusal(&ROOM, "{max_request_bytes: 0}").contains("greater than 0"));
    refusal(&ROOM, "{}");
}

#[test]
fn a_route_may_not_switch_it_on_by_saying_not_off() {
    let errors = parse_level(&ROOM, "{disabled: false}").expect_err("refused");
    assert_ne!(errors, "");
}
