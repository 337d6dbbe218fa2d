//! The match delegate around filters, step by step.

use nuncio_contract::http_filter::{DataStatus, HeadersStatus};

use super::ROOM;
use crate::tests::harness::{Worker, parse_level, refusal, response, values};

/// A filter that wants no bodies.
const QUIET: &str = "{name: inner, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config}}";
const MUTATION: &str = "{name: inner, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation, \
    mutations: {request_mutations: [{append: {header: {key: x-ran, value: a}}}], \
    response_mutations: [{append: {header: {key: x-ran, value: a}}}]}}}";
const BUFFER: &str = "{name: inner, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 9}}";
const SKIP: &str = "{name: skip, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter}}";

/// Whoever sends `x-skip: yes` as a header of this kind skips the filter.
fn skipping(kind: &str) -> String {
    let input = format!(
        "{{name: i, typed_config: {{'@type': type.googleapis.com/envoy.type.matcher.v3.{kind}, header_name: x-skip}}}}"
    );
    format!(
        "xds_matcher: {{matcher_tree: {{input: {input}, exact_match_map: {{map: {{'yes': {{action: {SKIP}}}}}}}}}}}"
    )
}

fn delegate(matcher: &str, inner: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{extension_config: {inner}, {matcher}}}"))
}

#[test]
fn a_request_that_matches_skips_the_filter_both_ways() {
    let worker = delegate(&skipping("HttpRequestHeaderMatchInput"), MUTATION);
    for (skip, ran) in [("no", "a"), ("yes", "")] {
        let mut stream = worker.stream().with("x-skip", skip);
        assert!(matches!(
            stream.decode_headers(true),
            HeadersStatus::Continue
        ));
        assert_eq!(stream.header("x-ran"), ran);
        let mut response = response(&[(":status", "200")]);
        let _ = stream.encode_headers(&mut response, true);
        assert_eq!(values(&response, "x-ran"), ran);
    }
}

#[test]
fn until_the_tree_decides_the_filter_runs() {
    let worker = delegate(&skipping("HttpResponseHeaderMatchInput"), MUTATION);
    let mut stream = worker.stream();
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("x-ran"), "a");
    let mut response = response(&[(":status", "200"), ("x-skip", "yes")]);
    let _ = stream.encode_headers(&mut response, true);
    assert_eq!(values(&response, "x-ran"), "");
}

#[test]
fn bodies_are_seen_as_the_inner_filter_wants_them() {
    let quiet = delegate(&skipping("HttpRequestHeaderMatchInput"), QUIET);
    assert!(!quiet.interest().request_body);
    let worker = delegate(&skipping("HttpRequestHeaderMatchInput"), BUFFER);
    assert!(worker.interest().request_body);
    let mut stream = worker.stream();
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert!(matches!(
        stream.decode_data(b"ab", false),
        DataStatus::StopAndBuffer
    ));
    let mut stream = worker.stream().with("x-skip", "yes");
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    assert!(matches!(
        stream.decode_data(b"0123456789", false),
        DataStatus::Continue
    ));
    let trailing = delegate(&skipping("HttpResponseTrailerMatchInput"), QUIET);
    assert!(
        trailing.interest().response_body,
        "its tree asks of trailers"
    );
}

#[test]
fn without_a_tree_the_filter_is_skipped_but_where_a_level_has_one() {
    let worker = delegate("", MUTATION);
    let mut stream = worker.stream();
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("x-ran"), "");
    let level = format!("{{{}}}", skipping("HttpRequestHeaderMatchInput"));
    let level = parse_level(&ROOM, &level).expect("a level");
    let mut stream = worker.stream().on(&level);
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("x-ran"), "a");
}

#[test]
fn what_cannot_be_run_is_refused() {
    let with = |inner: &str, action: &str| {
        let matcher = skipping("HttpRequestHeaderMatchInput").replace(SKIP, action);
        refusal(&ROOM, &format!("{{extension_config: {inner}, {matcher}}}"))
    };
    let filter =
        |kind: &str| format!("{{name: f, typed_config: {{'@type': type.googleapis.com/{kind}}}}}");
    let router = filter("envoy.extensions.filters.http.router.v3.Router");
    let empty = filter("google.protobuf.Empty");
    assert!(with(&router, SKIP).contains("not supported"));
    assert!(with(&empty, SKIP).contains("Didn't find a registered implementation for 'f'"));
    assert!(with(BUFFER, &empty).contains("Didn't find a registered implementation for 'f'"));
    let level = format!("{{{}}}", skipping("HttpResponseTrailerMatchInput"));
    let error = parse_level(&ROOM, &level).expect_err("refused");
    assert!(error.contains("not supported"), "{error}");
}
