//! The CSRF filter on streams.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal};

const ON: &str = "{filter_enabled: {default_value: {numerator: 100}}}";
const OFF: &str = "{filter_enabled: {default_value: {numerator: 0}}}";
const SHADOW: &str = "{filter_enabled: {default_value: {numerator: 0}}, \
                       shadow_enabled: {default_value: {numerator: 100}}}";
const WITH_FRIEND: &str = "{filter_enabled: {default_value: {numerator: 100}}, \
                            additional_origins: [{exact: friend}]}";

fn post<'w>(worker: &'w Worker, origin: &str) -> Stream<'w> {
    let mut stream = worker.stream().with("origin", origin);
    stream.request.set(Known::Method, b"POST");
    stream
}

fn passes(mut stream: Stream<'_>) -> bool {
    matches!(stream.decode_headers(true), HeadersStatus::Continue)
}

fn counts(worker: &Worker) -> [u64; 3] {
    ["missing_source_origin", "request_invalid", "request_valid"]
        .map(|name| worker.stat(&format!("csrf.{name}")))
}

#[test]
fn another_origin_is_refused_in_envoys_words() {
    let worker = Worker::new(&ROOM, ON);
    let HeadersStatus::Reply(reply) = post(&worker, "http://evil").decode_headers(true) else {
        panic!("not refused");
    };
    assert_eq!(
        (reply.status, &*reply.body),
        (403, b"Invalid origin".as_slice())
    );
    assert_eq!(reply.details, "csrf_origin_mismatch");
    assert_eq!(counts(&worker), [0, 1, 0]);
}

#[test]
fn the_same_origin_passes_and_so_does_a_request_that_changes_nothing() {
    let worker = Worker::new(&ROOM, ON);
    assert!(passes(post(&worker, "http://host")));
    assert_eq!(counts(&worker), [0, 0, 1]);
    assert!(passes(worker.stream().with("origin", "http://evil")));
    assert_eq!(counts(&worker), [0, 0, 1]);
}

#[test]
fn a_referer_stands_in_for_an_empty_origin_but_not_for_that_of_nobody() {
    let worker = Worker::new(&ROOM, ON);
    let from = |origin| post(&worker, origin).with("referer", "http://host/page");
    assert!(passes(from("")));
    assert!(!passes(from("null")));
    assert!(!passes(from("http://evil")));
    assert_eq!(counts(&worker), [1, 1, 1]);
}

#[test]
fn additional_origins_are_those_of_the_most_specific_policy() {
    let worker = Worker::new(&ROOM, WITH_FRIEND);
    assert!(passes(post(&worker, "https://friend")));
    assert!(!passes(post(&worker, "https://friend").on_level(&ROOM, ON)));
    let worker = Worker::new(&ROOM, ON);
    assert!(passes(
        post(&worker, "https://friend").on_level(&ROOM, WITH_FRIEND)
    ));
}

#[test]
fn a_route_may_switch_it_off_or_only_count() {
    let worker = Worker::new(&ROOM, ON);
    assert!(passes(post(&worker, "http://evil").on_level(&ROOM, OFF)));
    assert_eq!(counts(&worker), [0, 0, 0]);
    assert!(passes(post(&worker, "http://evil").on_level(&ROOM, SHADOW)));
    assert_eq!(counts(&worker), [0, 1, 0]);
}

#[test]
fn without_a_fraction_or_with_a_bad_regular_expression_it_is_refused() {
    refusal(&ROOM, "{}");
    let bad = "{filter_enabled: {default_value: {numerator: 1}}, \
                additional_origins: [{safe_regex: {regex: '('}}]}";
    assert!(refusal(&ROOM, bad).contains("missing )"));
}
