//! The local rate limit filter on streams, under a clock that a test moves.

use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::{ConnectionInfo, ResponseFlags};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal, response, values};

const ALL: &str = "filter_enabled: {default_value: {numerator: 100}}, \
                   filter_enforced: {default_value: {numerator: 100}}";
const ONE: &str = "token_bucket: {max_tokens: 1, fill_interval: 10s}";

fn config(parts: &[&str]) -> String {
    format!("{{stat_prefix: mine, {}}}", parts.join(", "))
}

fn worker(parts: &[&str]) -> Worker {
    Worker::new(&ROOM, &config(parts))
}

fn passes(stream: &mut Stream<'_>) -> bool {
    matches!(stream.decode_headers(true), HeadersStatus::Continue)
}

fn answer(stream: &mut Stream<'_>) -> Box<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => reply,
        _ => panic!("not limited"),
    }
}

fn counts(worker: &Worker, prefix: &str) -> [u64; 4] {
    ["enabled", "ok", "rate_limited", "enforced"]
        .map(|name| worker.stat_of_all(&format!("{prefix}.http_local_rate_limit.{name}")))
}

#[test]
fn a_request_without_a_token_is_answered_in_envoys_words() {
    let worker = worker(&[ALL, ONE]);
    assert!(passes(&mut worker.stream()));
    let mut stream = worker.stream();
    let reply = answer(&mut stream);
    assert_eq!((reply.status, reply.grpc_status), (429, None));
    assert_eq!(&*reply.body, b"local_rate_limited");
    assert_eq!(reply.details, "local_rate_limited");
    assert!(reply.mutations.is_none());
    assert!(
        stream.info.response_flags.is_empty(),
        "what words it sees no flag"
    );
    let _ = stream.encode_headers(&mut response(&[(":status", "429")]), false);
    assert_eq!(stream.info.response_flags, ResponseFlags::RATE_LIMITED);
    assert_eq!(counts(&worker, "mine"), [2, 1, 1, 1]);
}

#[test]
fn the_bucket_fills_with_time() {
    let worker = worker(&[ALL, ONE]);
    assert!(passes(&mut worker.stream()));
    worker.services.clock.advance(Duration::from_secs(9));
    assert!(!passes(&mut worker.stream()));
    worker.services.clock.advance(Duration::from_millis(1001));
    assert!(passes(&mut worker.stream()));
}

#[test]
fn without_a_fraction_it_does_nothing() {
    let worker = worker(&[ONE]);
    assert!(passes(&mut worker.stream()));
    assert!(passes(&mut worker.stream()));
    assert_eq!(counts(&worker, "mine"), [0, 0, 0, 0]);
}

#[test]
fn what_is_not_enforced_goes_on_with_headers() {
    let worker = worker(&[
        ONE,
        "filter_enabled: {default_value: {numerator: 100}}",
        "request_headers_to_add_when_not_enforced: [{header: {key: x-over, value: '%REQ(:PATH)%'}}]",
    ]);
    let mut stream = worker.stream();
    assert!(passes(&mut stream));
    assert_eq!(stream.header("x-over"), "");
    let mut stream = worker.stream();
    assert!(passes(&mut stream));
    assert_eq!(stream.header("x-over"), "/");
    assert_eq!(counts(&worker, "mine"), [2, 1, 1, 0]);
}

#[test]
fn without_a_bucket_everything_passes() {
    let worker = worker(&[ALL]);
    assert!(passes(&mut worker.stream()));
    assert!(passes(&mut worker.stream()));
    assert_eq!(counts(&worker, "mine"), [2, 2, 0, 0]);
}

#[test]
fn statuses_that_are_no_errors_are_429() {
    for (code, expected) in [
        ("OK", 429),
        ("Found", 429),
        ("BadRequest", 400),
        ("503", 503),
    ] {
        let worker = worker(&[ALL, ONE, &format!("status: {{code: {code}}}")]);
        assert!(passes(&mut worker.stream()));
        assert_eq!(answer(&mut worker.stream()).status, expected, "{code}");
    }
}

#[test]
fn the_headers_tell_of_the_bucket() {
    let worker = worker(&[
        ALL,
        "token_bucket: {max_tokens: 2, tokens_per_fill: 4, fill_interval: 10s}",
        "enable_x_ratelimit_headers: DRAFT_VERSION_03",
    ]);
    let told = || {
        let mut stream = worker.stream();
        let _ = stream.decode_headers(true);
        let mut response = response(&[(":status", "200")]);
        let _ = stream.encode_headers(&mut response, true);
        ["limit", "remaining", "reset"]
            .map(|what| values(&response, &format!("x-ratelimit-{what}")))
    };
    assert_eq!(told(), ["2", "1", "0"]);
    assert_eq!(told(), ["2", "0", "3"]);
    assert_eq!(told(), ["2", "0", "3"]);
}

#[test]
fn a_route_has_a_bucket_and_counters_of_its_own() {
    let worker = worker(&[ALL, ONE]);
    let own =
        format!("{{stat_prefix: own, {ALL}, {ONE}, rate_limited_as_resource_exhausted: true}}");
    let level = parse_level(&ROOM, &own).expect("a level");
    let on_route = || worker.stream().on(&level);
    assert!(passes(&mut worker.stream()));
    assert!(passes(&mut on_route()));
    assert_eq!(answer(&mut on_route()).grpc_status, Some(8));
    assert_eq!(counts(&worker, "mine"), [1, 1, 0, 0]);
    assert_eq!(counts(&worker, "own"), [2, 1, 1, 1]);
}

#[test]
fn each_connection_may_have_a_bucket_of_its_own() {
    let worker = worker(&[ALL, ONE, "local_rate_limit_per_downstream_connection: true"]);
    let connection = Rc::new(ConnectionInfo::default());
    let of_connection = || {
        let mut stream = worker.stream();
        stream.info.connection = Rc::clone(&connection);
        stream
    };
    assert!(passes(&mut of_connection()));
    assert!(!passes(&mut of_connection()));
    assert!(passes(&mut worker.stream()), "of another connection");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |part: &str| refusal(&ROOM, &config(&[part]));
    assert!(with("token_bucket: {max_tokens: 1, fill_interval: 0.049s}").contains(">= 50ms"));
    assert!(
        with(
            "descriptors: [{entries: [{key: a}], token_bucket: {max_tokens: 1, fill_interval: 1s}}]"
        )
        .contains("not supported")
    );
    assert!(with("rate_limits: [{actions: [{remote_address: {}}]}]").contains("not supported"));
    assert!(with("local_cluster_rate_limit: {}").contains("not supported"));
    refusal(&ROOM, "{}");
    let errors = parse_level(&ROOM, "{stat_prefix: a}").expect_err("refused");
    assert!(errors.contains("token bucket must be set"), "{errors}");
}
