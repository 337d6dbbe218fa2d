//! The bandwidth limit filter on streams, under a clock that a test moves.

use std::time::Duration;

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::{DataStatus, Then, TrailersStatus};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal, response, values};

/// A KiB a second, in portions of 51 bytes each 50 ms.
const ONE_KIB: &str = "stat_prefix: mine, limit_kbps: 1";

fn worker(parts: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{{ONE_KIB}, {parts}}}"))
}

fn stat(worker: &Worker, name: &str) -> u64 {
    worker.stat_of_all(&format!("mine.http_bandwidth_limit.{name}"))
}

fn pass(worker: &Worker, milliseconds: u64) {
    let time = Duration::from_millis(milliseconds);
    worker.services.clock.advance(time);
}

/// A response whose body of 1,100 bytes has all come.
fn answered(worker: &Worker) -> Stream<'_> {
    let mut stream = worker.stream();
    let _ = stream.decode_headers(true);
    let _ = stream.encode_headers(&mut response(&[(":status", "200")]), false);
    let status = stream.encode_data(&[b'x'; 1100], true);
    assert!(matches!(status, DataStatus::Later));
    stream
}

#[test]
fn what_the_bucket_holds_goes_at_once_and_the_rest_in_portions() {
    let worker = worker("enable_mode: RESPONSE");
    let mut stream = answered(&worker);
    assert_eq!(stat(&worker, "response_pending"), 1);
    assert!(matches!(stream.encode_late(), Some(Then::More)));
    assert_eq!(stream.passed.len(), 1024, "what comes in a second");
    assert!(stream.encode_late().is_none(), "the interval is not over");
    pass(&worker, 50);
    assert!(matches!(stream.encode_late(), Some(Then::More)));
    assert_eq!(stream.passed.len(), 1024 + 51);
    pass(&worker, 50);
    assert!(matches!(stream.encode_late(), Some(Then::End)));
    assert_eq!(stream.passed.len(), 1100);
    assert_eq!(stat(&worker, "response_enabled"), 1);
    assert_eq!(stat(&worker, "response_enforced"), 2);
    assert_eq!(stat(&worker, "response_incoming_total_size"), 1100);
    assert_eq!(stat(&worker, "response_allowed_total_size"), 1100);
    assert_eq!(stat(&worker, "response_allowed_size"), 25);
    assert_eq!(stat(&worker, "response_pending"), 0);
    assert_eq!(stat(&worker, "request_enabled"), 0);
}

#[test]
fn streams_and_directions_share_the_bucket() {
    let worker = worker("enable_mode: REQUEST_AND_RESPONSE");
    let mut first = worker.stream();
    let _ = first.decode_headers(false);
    let _ = first.decode_data(&[b'x'; 1000], true);
    assert!(matches!(first.decode_late(), Some(Then::End)));
    let mut second = answered(&worker);
    assert!(matches!(second.encode_late(), Some(Then::More)));
    assert_eq!(second.passed.len(), 24);
}

#[test]
fn a_body_that_goes_on_is_not_ended() {
    let worker = worker("enable_mode: REQUEST");
    let mut stream = worker.stream();
    let _ = stream.decode_headers(false);
    let _ = stream.decode_data(b"one", false);
    assert!(matches!(stream.decode_late(), Some(Then::Nothing)));
    let _ = stream.decode_data(b"two", true);
    assert!(matches!(stream.decode_late(), Some(Then::End)));
    assert_eq!(stream.passed, b"onetwo");
}

#[test]
fn trailers_wait_for_the_body_and_tell_how_long_it_took() {
    let worker = worker("enable_mode: RESPONSE, enable_response_trailers: true");
    let mut stream = worker.stream();
    let _ = stream.encode_headers(&mut response(&[(":status", "200")]), false);
    let _ = stream.encode_data(&[b'x'; 1100], false);
    assert!(matches!(stream.encode_trailers(), TrailersStatus::Later));
    let _ = stream.encode_late();
    pass(&worker, 500);
    assert!(matches!(stream.encode_late(), Some(Then::Nothing)));
    assert!(matches!(stream.encode_trailers(), TrailersStatus::Continue));
    assert_eq!(stat(&worker, "response_pending"), 0);
}

#[test]
fn trailers_are_added_where_there_are_none() {
    let worker = worker(
        "enable_mode: RESPONSE, enable_response_trailers: true, response_trailer_prefix: X-My",
    );
    let mut stream = answered(&worker);
    let _ = stream.encode_late();
    pass(&worker, 500);
    let Some(Then::Trailers(trailers)) = stream.encode_late() else {
        panic!("no trailers");
    };
    let told = |trailers: &HeaderMap, name: &str| values(trailers, name);
    assert_eq!(told(&trailers, "x-my-bandwidth-response-delay-ms"), "500");
    assert_eq!(
        told(&trailers, "x-my-bandwidth-response-filter-delay-ms"),
        "50"
    );
    assert_eq!(told(&trailers, "x-my-bandwidth-request-delay-ms"), "");
}

#[test]
fn a_stream_that_is_given_up_is_pending_no_more() {
    let worker = worker("enable_mode: RESPONSE");
    drop(answered(&worker));
    assert_eq!(stat(&worker, "response_pending"), 0);
}

#[test]
fn a_route_has_a_limit_of_its_own() {
    let worker = worker("enable_mode: DISABLED");
    let own = "{stat_prefix: own, enable_mode: RESPONSE, limit_kbps: 100}";
    let level = parse_level(&ROOM, own).expect("a level");
    let mut stream = worker.stream().on(&level);
    let _ = stream.encode_headers(&mut response(&[(":status", "200")]), false);
    let _ = stream.encode_data(&[b'x'; 1100], true);
    assert!(matches!(stream.encode_late(), Some(Then::End)));
    assert_eq!(
        worker.stat_of_all("own.http_bandwidth_limit.response_enabled"),
        1
    );
    let mut stream = worker.stream();
    let _ = stream.encode_headers(&mut response(&[(":status", "200")]), false);
    assert!(matches!(
        stream.encode_data(b"x", true),
        DataStatus::Continue
    ));
}

#[test]
fn without_a_limit_nothing_passes() {
    let worker = Worker::new(&ROOM, "{stat_prefix: mine, enable_mode: RESPONSE}");
    let mut stream = answered(&worker);
    for _ in 0..3 {
        assert!(matches!(stream.encode_late(), Some(Then::More)));
        pass(&worker, 60_000);
    }
    assert_eq!(stream.passed, b"");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let level = parse_level(&ROOM, "{stat_prefix: a}").expect_err("refused");
    assert_eq!(level, "limit must be set for per route filter config");
    for wrong in [
        "{}",
        "{stat_prefix: a, limit_kbps: 0}",
        "{stat_prefix: a, fill_interval: 0.019s}",
        "{stat_prefix: a, fill_interval: 1.001s}",
    ] {
        assert!(!refusal(&ROOM, wrong).is_empty(), "{wrong}");
    }
}
