//! The CORS filter on streams, with policies at the levels of a route table.

use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::local_reply::LocalReply;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, response, values};

const POLICY: &str = "{allow_origin_string_match: [{exact: 'http://one'}], allow_methods: GET, \
                       expose_headers: x-exposed, max_age: '7', allow_credentials: true}";

fn worker() -> Worker {
    Worker::new(&ROOM, "{}")
}

/// A request of a page from `http://one`.
fn from_one<'w>(worker: &'w Worker, policy: &str) -> Stream<'w> {
    let stream = worker.stream().going_to("upstream");
    stream.on_level(&ROOM, policy).with("origin", "http://one")
}

fn as_preflight(stream: Stream<'_>) -> Stream<'_> {
    let mut stream = stream.with("access-control-request-method", "PUT");
    stream
        .request
        .set(nuncio_contract::headers::Known::Method, b"OPTIONS");
    stream
}

fn answer(mut stream: Stream<'_>) -> Box<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => reply,
        _ => panic!("not answered"),
    }
}

fn passes(mut stream: Stream<'_>) -> bool {
    matches!(stream.decode_headers(true), HeadersStatus::Continue)
}

fn headers(reply: &LocalReply) -> String {
    let headers = reply.headers.iter();
    let lines = headers.map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)));
    lines.collect::<Vec<_>>().join("\n")
}

/// The headers that the filter gives a response.
fn given(stream: &mut Stream<'_>) -> [String; 3] {
    let mut response = response(&[(":status", "200")]);
    let _ = stream.encode_headers(&mut response, true);
    ["origin", "credentials"]
        .map(|what| values(&response, &format!("access-control-allow-{what}")))
        .into_iter()
        .chain([values(&response, "access-control-expose-headers")])
        .collect::<Vec<_>>()
        .try_into()
        .expect("three")
}

#[test]
fn a_preflight_is_answered_in_envoys_order_of_headers() {
    let worker = worker();
    let reply = answer(as_preflight(from_one(&worker, POLICY)));
    assert_eq!((reply.status, &*reply.details), (200, "cors_response"));
    assert!(reply.is_bare);
    assert_eq!(
        headers(&reply),
        "access-control-allow-origin: http://one\naccess-control-allow-credentials: true\n\
         access-control-allow-methods: GET\naccess-control-max-age: 7"
    );
    assert_eq!(worker.stat("cors.origin_valid"), 1);
}

#[test]
fn a_response_tells_what_the_page_may_see() {
    let worker = worker();
    let mut stream = from_one(&worker, POLICY);
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(given(&mut stream), ["http://one", "true", "x-exposed"]);
}

#[test]
fn without_an_origin_or_a_policy_or_a_cluster_nothing_happens() {
    let worker = worker();
    assert!(passes(
        worker.stream().going_to("upstream").on_level(&ROOM, POLICY)
    ));
    assert!(passes(
        worker
            .stream()
            .going_to("upstream")
            .with("origin", "http://one")
    ));
    assert!(passes(
        worker
            .stream()
            .on_level(&ROOM, POLICY)
            .with("origin", "http://one")
    ));
    assert_eq!(worker.stat("cors.origin_valid"), 0);
    assert_eq!(worker.stat("cors.origin_invalid"), 0);
}

#[test]
fn another_origin_is_counted_and_left_to_the_upstream() {
    let worker = worker();
    let policy = "{allow_origin_string_match: [{exact: 'http://other'}]}";
    let mut stream = as_preflight(from_one(&worker, policy));
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(given(&mut stream), ["", "", ""]);
    assert_eq!(worker.stat("cors.origin_invalid"), 1);
}

#[test]
fn or_answered_without_an_origin() {
    let worker = worker();
    let policy = "{allow_methods: '*', allow_headers: '*', forward_not_matching_preflights: false}";
    let reply = answer(as_preflight(from_one(&worker, policy)));
    assert_eq!(
        headers(&reply),
        "access-control-allow-methods: PUT\naccess-control-allow-headers: "
    );
}

#[test]
fn each_part_comes_from_the_most_specific_level_that_has_it() {
    let worker = worker();
    let on_route = "{max_age: '9', allow_credentials: false, allow_private_network_access: true}";
    let stream = from_one(&worker, POLICY).on_level(&ROOM, on_route);
    let stream = stream.with("access-control-request-private-network", "true");
    assert_eq!(
        headers(&answer(as_preflight(stream))),
        "access-control-allow-origin: http://one\naccess-control-allow-methods: GET\n\
         access-control-max-age: 9\naccess-control-allow-private-network: true"
    );
}

#[test]
fn a_matcher_of_a_star_allows_any_origin() {
    let worker = worker();
    let policy = "{allow_origin_string_match: [{prefix: '*'}]}";
    let _ = answer(as_preflight(from_one(&worker, policy)));
    assert_eq!(worker.stat("cors.origin_valid"), 1);
}

#[test]
fn a_shadow_only_counts() {
    let worker = worker();
    let shadow = "{filter_enabled: {default_value: {numerator: 0}}, \
                   shadow_enabled: {default_value: {numerator: 100}}}";
    let mut stream = as_preflight(from_one(&worker, POLICY).on_level(&ROOM, shadow));
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(given(&mut stream), ["", "", ""]);
    assert_eq!(worker.stat("cors.origin_valid"), 1);
}

#[test]
fn the_most_specific_level_alone_says_whether_it_runs() {
    let worker = worker();
    let off = "{filter_enabled: {default_value: {numerator: 0}}}";
    assert!(passes(as_preflight(
        from_one(&worker, POLICY).on_level(&ROOM, off)
    )));
    assert_eq!(worker.stat("cors.origin_valid"), 0);
    let _ = answer(as_preflight(from_one(&worker, off).on_level(&ROOM, POLICY)));
    assert_eq!(worker.stat("cors.origin_valid"), 1);
}

#[test]
fn a_bad_regular_expression_is_refused() {
    let policy = "{allow_origin_string_match: [{safe_regex: {regex: '('}}]}";
    let errors = parse_level(&ROOM, policy).expect_err("refused");
    assert!(errors.contains("missing )"), "{errors}");
}
