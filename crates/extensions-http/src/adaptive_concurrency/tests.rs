//! The controller under a clock that stands still, and the filter on streams.

use std::time::Duration;

use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use super::latencies::Latencies;
use crate::tests::harness::{Stream, Worker, refusal, response};

const MEASURED: &str = "{gradient_controller_config: {concurrency_limit_params: {concurrency_update_interval: 0.1s}, \
    min_rtt_calc_params: {interval: 60s, request_count: 2, jitter: {value: 0}}}}";

fn stat(worker: &Worker, name: &str) -> u64 {
    worker.stat(&format!("adaptive_concurrency.gradient_controller.{name}"))
}

fn begin<'a>(worker: &'a Worker) -> Option<Stream<'a>> {
    let mut stream = worker.stream();
    match stream.decode_headers(true) {
        HeadersStatus::Continue => Some(stream),
        _ => None,
    }
}

/// A request that takes so long.
fn request(worker: &Worker, millis: u64) {
    let mut stream = begin(worker).expect("is let through");
    worker.services.clock.advance(Duration::from_millis(millis));
    let mut head = response(&[(":status", "200")]);
    stream.encode_headers(&mut head, true);
}

#[test]
fn the_least_latency_is_measured_and_the_limit_follows_the_latencies() {
    let worker = Worker::new(&ROOM, MEASURED);
    assert_eq!(stat(&worker, "concurrency_limit"), 3);
    assert_eq!(stat(&worker, "min_rtt_calculation_active"), 1);
    request(&worker, 50);
    assert_eq!(stat(&worker, "min_rtt_calculation_active"), 1);
    request(&worker, 50);
    assert_eq!(stat(&worker, "min_rtt_calculation_active"), 0);
    assert_eq!(stat(&worker, "min_rtt_msecs"), 50);
    assert_eq!(stat(&worker, "concurrency_limit"), 3);
    // Half of the window's time, twice; the third comes with the window's end.
    request(&worker, 50);
    request(&worker, 50);
    request(&worker, 1);
    assert_eq!(stat(&worker, "sample_rtt_msecs"), 50);
    assert_eq!(stat(&worker, "gradient"), 1245);
    assert_eq!(stat(&worker, "burst_queue_size"), 1);
    assert_eq!(stat(&worker, "concurrency_limit"), 5);
}

#[test]
fn requests_above_the_limit_are_answered() {
    let worker = Worker::new(&ROOM, MEASURED);
    let mut under_way: Vec<_> = (0..3)
        .map(|_| begin(&worker).expect("let through"))
        .collect();
    let mut stream = worker.stream();
    let HeadersStatus::Reply(reply) = stream.decode_headers(true) else {
        panic!("no answer");
    };
    assert_eq!(reply.status, 503);
    assert_eq!(reply.details, "reached_concurrency_limit");
    assert_eq!(stat(&worker, "rq_blocked"), 1);
    // One that breaks off makes room.
    drop(under_way.pop());
    assert!(begin(&worker).is_some());
}

#[test]
fn slow_requests_lower_the_limit_and_five_times_the_least_one_measures_anew() {
    let worker = Worker::new(&ROOM, MEASURED);
    request(&worker, 10);
    request(&worker, 10);
    for _ in 0..5 {
        request(&worker, 100);
        assert_eq!(stat(&worker, "min_rtt_calculation_active"), 0);
        assert_eq!(stat(&worker, "concurrency_limit"), 3);
    }
    assert_eq!(stat(&worker, "gradient"), 500);
    request(&worker, 100);
    assert_eq!(stat(&worker, "min_rtt_calculation_active"), 1);
}

#[test]
fn a_least_latency_that_is_given_is_not_measured() {
    let yaml = "{gradient_controller_config: {concurrency_limit_params: {concurrency_update_interval: 0.1s, \
        min_concurrency_limit: 10}, min_rtt_calc_params: {fixed_value: 0.2s, min_concurrency: 5}}}";
    let worker = Worker::new(&ROOM, yaml);
    assert_eq!(stat(&worker, "min_rtt_msecs"), 200);
    assert_eq!(stat(&worker, "concurrency_limit"), 10);
    request(&worker, 50);
    request(&worker, 50);
    request(&worker, 1);
    assert_eq!(stat(&worker, "concurrency_limit"), 24);
    assert_eq!(stat(&worker, "burst_queue_size"), 4);
    let neither = "{gradient_controller_config: {concurrency_limit_params: {concurrency_update_interval: 0.1s}, \
        min_rtt_calc_params: {}}}";
    assert!(refusal(&ROOM, neither).contains("nor `fixed_value` set"));
}

#[test]
fn quantiles_stand_within_their_bins() {
    let mut latencies = Latencies::default();
    for millis in [10, 20, 30, 40] {
        latencies.record(Duration::from_millis(millis));
    }
    assert_eq!(latencies.take(0.5), Duration::from_micros(20_500));
    assert_eq!(latencies.count(), 0);
    assert_eq!(latencies.take(0.5), Duration::ZERO);
    latencies.record(Duration::from_micros(7));
    assert_eq!(latencies.take(1.0), Duration::from_micros(7));
}
