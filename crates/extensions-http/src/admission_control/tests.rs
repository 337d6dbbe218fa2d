//! Admission control, step by step.

use std::time::Duration;

use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use crate::tests::harness::{Worker, refusal, response};

const ALL: &str = "{success_criteria: {}, sr_threshold: {default_value: {value: 100}, runtime_key: a}, \
    max_rejection_probability: {default_value: {value: 100}, runtime_key: b}}";

/// Whether a request is rejected; the answer to one that is not has this status.
fn is_rejected(worker: &Worker, status: &str) -> bool {
    let mut stream = worker.stream();
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => {
            assert_eq!(
                (reply.status, &*reply.details),
                (503, "denied_by_admission_control")
            );
            // The answer passes the filter as well.
            stream.encode_headers(&mut response(&[(":status", "503")]), true);
            true
        }
        _ => {
            stream.encode_headers(&mut response(&[(":status", status)]), false);
            false
        }
    }
}

#[test]
fn requests_are_rejected_by_chance_once_others_have_failed() {
    let worker = Worker::new(&ROOM, ALL);
    worker
        .services
        .randoms
        .borrow_mut()
        .extend([0, 0, 3_333, 3_334]);
    assert!(!is_rejected(&worker, "200"));
    assert!(!is_rejected(&worker, "503"));
    // 1 of 2 has failed, which makes a third.
    assert!(is_rejected(&worker, "200"));
    assert!(!is_rejected(&worker, "200"));
}

#[test]
fn what_is_rejected_or_breaks_off_does_not_count() {
    let worker = Worker::new(&ROOM, ALL);
    assert!(!is_rejected(&worker, "500"));
    assert!(is_rejected(&worker, "200"));
    assert!(is_rejected(&worker, "200"));
    assert_eq!(worker.stat("admission_control.rq_failure"), 1);
    assert_eq!(worker.stat("admission_control.rq_rejected"), 2);
    worker.services.clock.advance(Duration::from_secs(30));
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    drop(stream);
    assert_eq!(worker.stat("admission_control.rq_failure"), 1);
    assert_eq!(worker.stat("admission_control.rq_success"), 0);
}

#[test]
fn calls_of_grpc_count_by_their_status_wherever_it_is() {
    let worker = Worker::new(
        &ROOM,
        "{success_criteria: {grpc_criteria: {grpc_success_status: [0, 5]}}, \
        max_rejection_probability: {default_value: {value: 0}, runtime_key: b}}",
    );
    for status in ["0", "5", "14", "x"] {
        let mut stream = worker.stream();
        stream.decode_headers(true);
        let head = [(":status", "200"), ("content-type", "application/grpc")];
        stream.encode_headers(&mut response(&head), false);
        stream.encode_these_trailers(&mut response(&[("grpc-status", status)]));
    }
    assert_eq!(worker.stat("admission_control.rq_success"), 2);
    assert_eq!(worker.stat("admission_control.rq_failure"), 2);
}

#[test]
fn what_can_not_be_is_refused() {
    for (yaml, text) in [
        (
            "{success_criteria: {http_criteria: {http_success_status: [{start: 300, end: 200}]}}}",
            "invalid HTTP range: [300, 200)",
        ),
        (
            "{success_criteria: {grpc_criteria: {grpc_success_status: [17]}}}",
            "invalid gRPC code 17",
        ),
    ] {
        assert_eq!(refusal(&ROOM, yaml), text);
    }
}
