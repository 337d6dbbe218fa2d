//! The fault filter on streams, under a clock that stands still and random numbers that are known.

use std::time::Duration;

use nuncio_contract::http_filter::{DataStatus, HeadersStatus, Resume, Then, TrailersStatus};
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::ResponseFlags;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, outcome, refusal};

const ABORT: &str = "{abort: {http_status: 503, percentage: {numerator: 100}}}";
const DELAY: &str = "{delay: {fixed_delay: 2s, percentage: {numerator: 100}}}";
const BY_HEADER: &str = "{delay: {header_delay: {}, percentage: {numerator: 50}}, \
                          abort: {header_abort: {}, percentage: {numerator: 50}}}";

fn passes(mut stream: Stream<'_>) -> bool {
    matches!(stream.decode_headers(true), HeadersStatus::Continue)
}

fn abort(stream: &mut Stream<'_>) -> Box<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => reply,
        _ => panic!("not aborted"),
    }
}

fn delay(stream: &mut Stream<'_>) -> LocalFuture<Resume> {
    match stream.decode_headers(true) {
        HeadersStatus::Wait(future) => future,
        _ => panic!("not delayed"),
    }
}

#[test]
fn nothing_configured_does_nothing() {
    let worker = Worker::new(&ROOM, "{}");
    assert!(passes(worker.stream()));
}

#[test]
fn an_abort_answers_in_envoys_words() {
    let worker = Worker::new(&ROOM, ABORT);
    let reply = abort(&mut worker.stream());
    assert_eq!(reply.status, 503);
    assert_eq!(&*reply.body, b"fault filter abort");
    assert_eq!(reply.details, "fault_filter_abort");
    assert!(reply.flags.contains(ResponseFlags::FAULT_INJECTED));
    assert_eq!(worker.stat("fault.aborts_injected"), 1);
    assert_eq!(worker.stat("fault.delays_injected"), 0);
}

#[test]
fn a_fault_for_one_cluster_leaves_others_and_requests_without_a_cluster_alone() {
    let worker = Worker::new(
        &ROOM,
        "{upstream_cluster: mine, abort: {http_status: 503, percentage: {numerator: 100}}}",
    );
    assert_eq!(abort(&mut worker.stream().going_to("mine")).status, 503);
    assert!(passes(worker.stream().going_to("other")));
    assert!(passes(worker.stream().going_to("")));
    assert!(passes(worker.stream()));
}

#[test]
fn a_grpc_abort_is_a_grpc_status() {
    let worker = Worker::new(
        &ROOM,
        "{abort: {grpc_status: 5, percentage: {numerator: 100}}}",
    );
    let reply = abort(&mut worker.stream());
    assert_eq!((reply.status, reply.grpc_status), (200, Some(5)));
}

#[test]
fn the_percentage_is_a_share_of_all_requests() {
    let worker = Worker::new(
        &ROOM,
        "{abort: {http_status: 503, percentage: {numerator: 30}}}",
    );
    worker
        .services
        .randoms
        .borrow_mut()
        .extend([29, 30, 129, 199]);
    let aborted: Vec<bool> = (0..4).map(|_| !passes(worker.stream())).collect();
    assert_eq!(aborted, [true, false, true, false]);
}

#[test]
fn a_fault_without_a_percentage_never_happens() {
    let worker = Worker::new(
        &ROOM,
        "{abort: {http_status: 503}, delay: {fixed_delay: 1s}}",
    );
    assert!(passes(worker.stream()));
}

#[test]
fn a_delay_ends_when_its_time_is_over_and_not_before() {
    let worker = Worker::new(&ROOM, DELAY);
    let mut stream = worker.stream();
    let mut waiting = delay(&mut stream);
    assert!(
        stream
            .info
            .response_flags
            .contains(ResponseFlags::DELAY_INJECTED)
    );
    assert_eq!(worker.stat("fault.delays_injected"), 1);
    worker.services.clock.advance(Duration::from_millis(1999));
    assert!(outcome(&mut waiting).is_none());
    worker.services.clock.advance(Duration::from_millis(1));
    assert!(matches!(outcome(&mut waiting), Some(Resume::Continue)));
}

#[test]
fn an_abort_comes_after_the_delay_and_counts_only_then() {
    let yaml = "{delay: {fixed_delay: 2s, percentage: {numerator: 100}}, \
                 abort: {http_status: 429, percentage: {numerator: 100}}}";
    let worker = Worker::new(&ROOM, yaml);
    let mut stream = worker.stream();
    let mut waiting = delay(&mut stream);
    assert!(outcome(&mut waiting).is_none());
    assert_eq!(worker.stat("fault.aborts_injected"), 0);
    worker.services.clock.advance(Duration::from_secs(2));
    let Some(Resume::Reply(reply)) = outcome(&mut waiting) else {
        panic!("no answer")
    };
    assert_eq!(reply.status, 429);
    assert_eq!(worker.stat("fault.aborts_injected"), 1);
}

#[test]
fn a_client_that_goes_away_while_it_is_delayed_leaves_its_place() {
    let worker = Worker::new(&ROOM, DELAY);
    let mut stream = worker.stream();
    let waiting = delay(&mut stream);
    assert_eq!(worker.stat("fault.active_faults"), 1);
    drop(waiting);
    drop(stream);
    assert_eq!(worker.stat("fault.active_faults"), 0);
}

#[test]
fn above_the_most_active_faults_requests_pass_unharmed() {
    let worker = Worker::new(
        &ROOM,
        "{delay: {fixed_delay: 2s, percentage: {numerator: 100}}, max_active_faults: 1}",
    );
    let mut first = worker.stream();
    let _waiting = delay(&mut first);
    assert!(passes(worker.stream()));
    assert_eq!(worker.stat("fault.faults_overflow"), 1);
    drop(first);
    let _waiting_now = delay(&mut worker.stream());
}

#[test]
fn a_client_may_ask_for_its_delay() {
    let worker = Worker::new(&ROOM, BY_HEADER);
    assert!(passes(worker.stream()), "who does not ask is not delayed");
    let mut stream = worker.stream().with("x-envoy-fault-delay-request", "250");
    let mut waiting = delay(&mut stream);
    worker.services.clock.advance(Duration::from_millis(250));
    assert!(matches!(outcome(&mut waiting), Some(Resume::Continue)));
}

#[test]
fn a_client_may_ask_for_its_abort() {
    let worker = Worker::new(&ROOM, BY_HEADER);
    let mut http = worker.stream().with("x-envoy-fault-abort-request", "418");
    assert_eq!(abort(&mut http).status, 418);
    let mut grpc = worker
        .stream()
        .with("x-envoy-fault-abort-grpc-request", "14");
    assert_eq!(abort(&mut grpc).grpc_status, Some(14));
}

#[test]
fn a_client_may_lower_the_percentage_and_never_raise_it() {
    let worker = Worker::new(&ROOM, BY_HEADER);
    let asks = |percentage: &str, random: u64| {
        worker.services.randoms.borrow_mut().push_back(random);
        let stream = worker.stream().with("x-envoy-fault-abort-request", "418");
        !passes(stream.with("x-envoy-fault-abort-request-percentage", percentage))
    };
    assert!(asks("10", 9));
    assert!(!asks("10", 10));
    assert!(asks("100", 49));
    assert!(!asks("100", 50));
}

#[test]
fn what_is_no_number_or_no_status_asks_for_nothing() {
    let worker = Worker::new(&ROOM, BY_HEADER);
    let values = [
        "",
        "-1",
        "abc",
        "1e3",
        "99999999999999999999999",
        "\u{e9}",
        "0",
    ];
    for value in values {
        assert!(
            passes(worker.stream().with("x-envoy-fault-delay-request", value)),
            "delay {value}"
        );
    }
    for value in values.into_iter().chain(["199", "600", "70000"]) {
        assert!(
            passes(worker.stream().with("x-envoy-fault-abort-request", value)),
            "abort {value}"
        );
    }
}

#[test]
fn only_requests_with_the_wanted_headers_are_concerned() {
    let worker = Worker::new(
        &ROOM,
        "{abort: {http_status: 503, percentage: {numerator: 100}}, \
          headers: [{name: x-chaos, string_match: {exact: 'yes'}}]}",
    );
    assert!(passes(worker.stream()));
    assert!(passes(worker.stream().with("x-chaos", "no")));
    assert!(!passes(worker.stream().with("x-chaos", "yes")));
}

#[test]
fn only_requests_of_the_wanted_nodes_are_concerned() {
    let worker = Worker::new(
        &ROOM,
        "{abort: {http_status: 503, percentage: {numerator: 100}}, downstream_nodes: [canary]}",
    );
    assert!(passes(worker.stream()));
    assert!(passes(
        worker
            .stream()
            .with("x-envoy-downstream-service-node", "prod")
    ));
    assert!(!passes(
        worker
            .stream()
            .with("x-envoy-downstream-service-node", "canary")
    ));
}

#[test]
fn a_route_replaces_the_chains_configuration() {
    let worker = Worker::new(&ROOM, ABORT);
    assert!(passes(worker.stream().on_level(&ROOM, "{}")));
    let own = "{abort: {http_status: 404, percentage: {numerator: 100}}}";
    assert_eq!(abort(&mut worker.stream().on_level(&ROOM, own)).status, 404);
}

#[test]
fn a_slow_response_comes_in_portions_from_a_bucket_of_its_own() {
    let worker = Worker::new(
        &ROOM,
        "{response_rate_limit: {fixed_limit: {limit_kbps: 1}, percentage: {numerator: 100}}}",
    );
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(worker.stat("fault.response_rl_injected"), 1);
    assert_eq!(worker.stat("fault.active_faults"), 1);
    assert!(matches!(
        stream.encode_data(&[b'a'; 100], true),
        DataStatus::Later
    ));
    assert!(matches!(stream.encode_late(), Some(Then::More)));
    assert_eq!(stream.passed.len(), 51, "what comes in 50 ms");
    assert!(
        stream.encode_late().is_none(),
        "the interval has not passed"
    );
    assert!(matches!(stream.encode_trailers(), TrailersStatus::Later));
    drop(stream);
    assert_eq!(worker.stat("fault.active_faults"), 0);
}

#[test]
fn the_speed_of_a_header_has_to_be_one() {
    let worker = Worker::new(
        &ROOM,
        "{response_rate_limit: {header_limit: {}, percentage: {numerator: 100}}}",
    );
    for (value, slowed) in [("0", 0), ("x", 0), ("", 0), ("1", 1)] {
        let mut stream = worker
            .stream()
            .with("x-envoy-fault-throughput-response", value);
        let _ = stream.decode_headers(true);
        let data = stream.encode_data(b"a", true);
        assert_eq!(matches!(data, DataStatus::Later), slowed == 1, "{value}");
        assert_eq!(worker.stat("fault.response_rl_injected"), slowed);
    }
}

#[test]
fn a_status_that_is_none_is_refused() {
    refusal(&ROOM, "{abort: {http_status: 199}}");
    refusal(&ROOM, "{abort: {}}");
}
