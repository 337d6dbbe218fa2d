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
    assert_eq!(reply.flags, ResponseFlags::RATE_LIMITED);
    assert!(reply.flags_are_late, "what words it sees no flag");
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

const BY_USER: &str =
    "rate_limits: [{actions: [{request_headers: {header_name: x-user, descriptor_key: user}}]}]";

/// The limit that the answer tells of, and whether the request passed.
fn told(worker: &Worker, user: &str) -> (String, bool) {
    let mut stream = worker.stream().with("x-user", user);
    let passed = passes(&mut stream);
    let mut response = response(&[(":status", "200")]);
    let _ = stream.encode_headers(&mut response, true);
    (values(&response, "x-ratelimit-limit"), passed)
}

#[test]
fn requests_of_a_descriptor_have_a_bucket_of_their_own() {
    let worker = worker(&[
        ALL,
        BY_USER,
        "token_bucket: {max_tokens: 9, fill_interval: 10s}",
        "enable_x_ratelimit_headers: DRAFT_VERSION_03",
        "descriptors: [{entries: [{key: user, value: ann}], token_bucket: {max_tokens: 1, fill_interval: 10s}}]",
    ]);
    assert_eq!(told(&worker, "ann"), ("1".to_owned(), true));
    assert_eq!(told(&worker, "ann"), ("1".to_owned(), false));
    assert_eq!(told(&worker, "bob"), ("9".to_owned(), true));
    assert_eq!(counts(&worker, "mine"), [3, 2, 1, 1]);
}

#[test]
fn of_open_values_those_that_were_used_longest_ago_are_forgotten() {
    let worker = worker(&[
        ALL,
        BY_USER,
        "token_bucket: {max_tokens: 100, fill_interval: 10s}",
        "max_dynamic_descriptors: 2",
        "descriptors: [{entries: [{key: user}], token_bucket: {max_tokens: 1, fill_interval: 10s}}]",
    ]);
    let passed = |user| told(&worker, user).1;
    assert!(passed("ann"));
    assert!(passed("bob"));
    assert!(!passed("ann"), "her bucket is there");
    assert!(passed("cid"), "bob's is forgotten for his");
    assert!(!passed("ann"), "hers was used later than bob's");
    assert!(passed("bob"), "a new bucket");
}

#[test]
fn a_shadow_is_counted_and_lets_through() {
    let worker = worker(&[
        ALL,
        BY_USER,
        "descriptors: [{entries: [{key: user, value: ann}], shadow_mode: true, token_bucket: {max_tokens: 1, fill_interval: 10s}}]",
    ]);
    assert!(told(&worker, "ann").1);
    assert!(told(&worker, "ann").1);
    assert_eq!(counts(&worker, "mine"), [2, 1, 1, 0]);
    let shadows = worker.stat_of_all("mine.http_local_rate_limit.shadow_mode");
    assert_eq!(shadows, 1);
}

#[test]
fn where_a_shadow_refuses_the_other_limits_count_on() {
    let limit = |key: &str, tokens: u32, rest: &str| {
        format!(
            "{{entries: [{{key: {key}, value: v}}], token_bucket: {{max_tokens: {tokens}, tokens_per_fill: {tokens}, fill_interval: 10s}}{rest}}}"
        )
    };
    let shadow = limit("a", 1, ", shadow_mode: true");
    let action = |key: &str| {
        format!("{{actions: [{{generic_key: {{descriptor_key: {key}, descriptor_value: v}}}}]}}")
    };
    let worker = worker(&[
        ALL,
        "token_bucket: {max_tokens: 1, fill_interval: 10s}",
        &format!("rate_limits: [{}, {}]", action("a"), action("b")),
        &format!("descriptors: [{shadow}, {}]", limit("b", 2, "")),
    ]);
    assert!(passes(&mut worker.stream()));
    assert!(
        passes(&mut worker.stream()),
        "the bucket for all is asked in vain"
    );
    assert!(!passes(&mut worker.stream()), "the other limit is empty");
    assert_eq!(counts(&worker, "mine"), [3, 1, 2, 1]);
}

#[test]
fn each_connection_has_buckets_of_its_own_for_descriptors_too() {
    let worker = worker(&[
        ALL,
        BY_USER,
        "local_rate_limit_per_downstream_connection: true",
        "descriptors: [{entries: [{key: user, value: ann}], token_bucket: {max_tokens: 1, fill_interval: 10s}}]",
    ]);
    let connection = Rc::new(ConnectionInfo::default());
    let of_connection = || {
        let mut stream = worker.stream().with("x-user", "ann");
        stream.info.connection = Rc::clone(&connection);
        passes(&mut stream)
    };
    assert!(of_connection());
    assert!(!of_connection());
    assert!(told(&worker, "ann").1, "of another connection");
}

#[test]
fn the_answer_says_when_to_try_again_if_that_is_wanted() {
    let worker = worker(&[ALL, ONE, "enable_retry_after_header: true"]);
    assert!(passes(&mut worker.stream()));
    let reply = answer(&mut worker.stream());
    assert!(
        reply
            .mutations
            .is_some_and(|mutations| !mutations.is_empty())
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |part: &str| refusal(&ROOM, &config(&[part]));
    assert!(with("token_bucket: {max_tokens: 1, fill_interval: 0.049s}").contains(">= 50ms"));
    let descriptors = |entries: &str, fill: &str| {
        let one = format!(
            "{{entries: [{entries}], token_bucket: {{max_tokens: 1, fill_interval: {fill}}}}}"
        );
        with(&format!("descriptors: [{one}, {one}]"))
    };
    let twice = descriptors("{key: a, value: b}, {key: c}", "1s");
    assert!(twice.contains("duplicate descriptor in the local rate descriptor: a=b, c="));
    assert!(
        descriptors("{key: a, value: b}", "0.049s").contains("descriptor token bucket fill timer")
    );
    let own = |rest: &str| {
        with(&format!(
            "rate_limits: [{{actions: [{{remote_address: {{}}}}], {rest}}}]"
        ))
    };
    for (part, words) in [
        (
            "stage: 1",
            "'stage' field and 'disable_key' field are not supported",
        ),
        (
            "disable_key: a",
            "'stage' field and 'disable_key' field are not supported",
        ),
        (
            "limit: {rate_limit: {requests_per_unit: 1, unit: DAY}}",
            "'limit' field is not supported",
        ),
        (
            "hits_addend: {}",
            "must contain either a format or a number",
        ),
        (
            "hits_addend: {format: '%PROTOCOL% %PROTOCOL%'}",
            "must contain exactly one substitution",
        ),
    ] {
        let text = own(part);
        assert!(text.contains(words), "{part}: {text}");
    }
    assert!(with("local_cluster_rate_limit: {}").contains("not supported"));
    refusal(&ROOM, "{}");
    let errors = parse_level(&ROOM, "{stat_prefix: a}").expect_err("refused");
    assert!(errors.contains("token bucket must be set"), "{errors}");
}
