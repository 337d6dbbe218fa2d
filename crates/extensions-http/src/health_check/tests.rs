//! The health check filter on streams.

use std::time::Duration;

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::{DataStatus, HeadersStatus, TrailersStatus};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::Membership;
use nuncio_contract::stream_info::ResponseFlags;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal, response, values};

const ANSWERING: &str =
    "{pass_through_mode: false, headers: [{name: ':path', string_match: {exact: /health}}]}";
const PASSING: &str = "{pass_through_mode: true, cache_time: 10s, headers: [{name: ':path', string_match: {exact: /health}}]}";

fn health_check(worker: &Worker) -> Stream<'_> {
    let mut stream = worker.stream();
    stream.request.set(Known::Path, b"/health");
    stream
}

fn answer(stream: &mut Stream<'_>) -> Option<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => Some(*reply),
        _ => None,
    }
}

fn is_degraded(reply: &LocalReply) -> bool {
    let mut names = reply.headers.iter().map(|(name, _)| name.known());
    names.any(|name| name == Some(Known::XEnvoyDegraded))
}

#[test]
fn health_checks_are_answered_and_marked_and_others_are_not() {
    let worker = Worker::new(&ROOM, ANSWERING);
    let mut other = worker.stream();
    assert!(answer(&mut other).is_none());
    assert!(!other.info.health_check);
    let mut stream = health_check(&worker);
    let reply = answer(&mut stream).expect("an answer");
    assert_eq!((reply.status, &*reply.details), (200, "health_check_ok"));
    assert!(stream.info.health_check);
    let mut head = response(&[(":status", "200")]);
    let _ = stream.encode_headers(&mut head, true);
    assert_eq!(
        values(&head, "x-envoy-upstream-healthchecked-cluster"),
        "here"
    );
    assert_eq!(values(&head, "x-envoy-immediate-health-check-fail"), "");
    assert_eq!(worker.stat("health_check.ok"), 1);
    assert_eq!(worker.stat("health_check.request_total"), 1);
}

#[test]
fn the_body_of_an_answered_health_check_is_dropped() {
    let worker = Worker::new(&ROOM, ANSWERING);
    let mut stream = health_check(&worker);
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert!(matches!(
        stream.decode_data(b"some", false),
        DataStatus::StopAndBuffer
    ));
    assert!(stream.held_body.is_empty());
    assert!(matches!(
        stream.decode_data(b"more", true),
        DataStatus::Reply(_)
    ));
    let mut stream = health_check(&worker);
    let _ = stream.decode_headers(false);
    assert!(matches!(stream.decode_trailers(), TrailersStatus::Reply(_)));
    assert_eq!(worker.stat("health_check.request_total"), 2);
}

#[test]
fn while_they_are_to_fail_every_response_says_so() {
    let worker = Worker::new(&ROOM, PASSING);
    assert!(answer(&mut health_check(&worker)).is_none());
    worker.services.failing_health.set(true);
    let reply = answer(&mut health_check(&worker)).expect("an answer");
    assert_eq!(
        (reply.status, &*reply.details),
        (503, "health_check_failed")
    );
    assert_eq!(reply.flags, ResponseFlags::FAILED_LOCAL_HEALTH_CHECK);
    let mut other = worker.stream();
    assert!(answer(&mut other).is_none());
    let mut head = response(&[(":status", "200")]);
    let _ = other.encode_headers(&mut head, true);
    assert_eq!(values(&head, "x-envoy-immediate-health-check-fail"), "true");
    assert_eq!(worker.stat("health_check.failed"), 1);
}

#[test]
fn an_answer_is_remembered_until_the_next_tick() {
    let worker = Worker::new(&ROOM, PASSING);
    let mut stream = health_check(&worker);
    assert!(answer(&mut stream).is_none());
    let mut head = response(&[(":status", "418"), ("x-envoy-degraded", "")]);
    let _ = stream.encode_headers(&mut head, true);
    let reply = answer(&mut health_check(&worker)).expect("an answer");
    assert_eq!(
        (reply.status, &*reply.details),
        (418, "health_check_cached")
    );
    assert!(is_degraded(&reply));
    assert_eq!(worker.stat("health_check.cached_response"), 1);
    assert_eq!(worker.stat("health_check.degraded"), 1);
    assert_eq!(worker.stat("health_check.failed"), 1);
    worker.services.clock.advance(Duration::from_secs(10));
    assert!(answer(&mut health_check(&worker)).is_none());
}

#[test]
fn enough_hosts_of_all_clusters_must_be_well() {
    let worker = |least: &str| {
        let config =
            format!("{{pass_through_mode: false, cluster_min_healthy_percentages: {{{least}}}}}");
        let worker = Worker::new(&ROOM, &config);
        let members = |total, healthy, degraded| Membership {
            total,
            healthy,
            degraded,
        };
        let clusters = [("half", members(4, 1, 1)), ("none", members(0, 0, 0))];
        worker.services.clusters.borrow_mut().extend(clusters);
        worker
    };
    for (least, status, details) in [
        ("half: {value: 50}", 200, "health_check_ok_cluster_healthy"),
        (
            "half: {value: 50.9}",
            200,
            "health_check_ok_cluster_healthy",
        ),
        (
            "half: {value: 51}",
            503,
            "health_check_failed_cluster_unhealthy",
        ),
        ("none: {value: 0.9}", 200, "health_check_ok_cluster_healthy"),
        ("none: {value: 1}", 503, "health_check_failed_cluster_empty"),
        (
            "absent: {value: 0}",
            503,
            "health_check_failed_no_cluster_found",
        ),
        (
            "none: {value: 1}, absent: {value: 0}",
            503,
            "health_check_failed_no_cluster_found",
        ),
    ] {
        let worker = worker(least);
        let reply = answer(&mut worker.stream()).expect("an answer");
        assert_eq!(
            (reply.status, &*reply.details),
            (status, details),
            "{least}"
        );
    }
    let last = worker("absent: {value: 0}");
    let _ = answer(&mut last.stream());
    assert_eq!(last.stat("health_check.failed_cluster_not_found"), 1);
    assert_eq!(last.stat("health_check.failed"), 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_eq!(
        refusal(&ROOM, "{pass_through_mode: false, cache_time: 1s}"),
        "cache_time_ms must not be set when path_through_mode is disabled"
    );
    refusal(&ROOM, "{}");
    refusal(&ROOM, "{pass_through_mode: true, cache_time: -1s}");
    let percent = "{pass_through_mode: true, cluster_min_healthy_percentages: {a: {value: 101}}}";
    refusal(&ROOM, percent);
}
