//! The header-to-metadata filter on streams.

use nuncio_contract::stream_info::metadata::Value;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal, response, values};

const OWN: &str = "envoy.filters.http.header_to_metadata";

fn worker(rules: &str) -> Worker {
    Worker::new(
        &ROOM,
        &format!("{{stat_prefix: s, request_rules: [{rules}]}}"),
    )
}

fn metadata(stream: &Stream<'_>, namespace: &str, key: &str) -> Option<Value> {
    let metadata = stream.info.dynamic_metadata()?;
    metadata.value(namespace, &[key.into()]).cloned()
}

/// What `k` is after a request with this header.
fn made(rules: &str, header: &str, value: &str) -> Option<Value> {
    let worker = worker(rules);
    let mut stream = worker.stream().with(header, value);
    let _ = stream.decode_headers(true);
    metadata(&stream, OWN, "k")
}

fn text(text: &str) -> Option<Value> {
    Some(Value::String(text.into()))
}

#[test]
fn a_header_becomes_a_text_and_may_be_removed() {
    let worker = worker("{header: X-A, remove: true, on_header_present: {key: k}}");
    let mut stream = worker.stream().with("x-a", "1").with("x-a", "2");
    let _ = stream.decode_headers(true);
    assert_eq!(metadata(&stream, OWN, "k"), text("1,2"));
    assert_eq!(stream.header("x-a"), "");
    let count = |name: &str| worker.stat_of_all(&format!("http_filter_name.s.request_{name}"));
    assert_eq!((count("rules_processed"), count("metadata_added")), (1, 1));
}

#[test]
fn a_missing_header_may_become_a_value_of_its_own() {
    let rule = "{header: x-a, on_header_missing: {metadata_namespace: ns, key: k, value: '7', type: NUMBER}}";
    let worker = worker(rule);
    let mut stream = worker.stream();
    let _ = stream.decode_headers(true);
    assert_eq!(metadata(&stream, "ns", "k"), Some(Value::Number(7.0)));
    assert_eq!(
        worker.stat_of_all("http_filter_name.s.request_header_not_found"),
        1
    );
    let mut stream = worker.stream().with("x-a", "1");
    let _ = stream.decode_headers(true);
    assert!(stream.info.dynamic_metadata().is_none());
}

#[test]
fn values_have_types_and_encodings() {
    let rule = |more: &str| format!("{{header: x-a, on_header_present: {{key: k, {more}}}}}");
    assert_eq!(
        made(&rule("type: NUMBER"), "x-a", "1.5"),
        Some(Value::Number(1.5))
    );
    assert_eq!(made(&rule("type: NUMBER"), "x-a", "one"), None);
    assert_eq!(made(&rule("encode: BASE64"), "x-a", "aGk="), text("hi"));
    assert_eq!(made(&rule("encode: BASE64"), "x-a", "!"), None);
    assert_eq!(
        made(
            &rule("encode: BASE64, type: PROTOBUF_VALUE"),
            "x-a",
            "GgJoaQ"
        ),
        text("hi")
    );
    let rewrite = "regex_value_rewrite: {pattern: {regex: '^/(.)/.*'}, substitution: '\\1'}";
    assert_eq!(made(&rule(rewrite), "x-a", "/b/c"), text("b"));
    assert_eq!(made(&rule("value: fixed"), "x-a", ""), text("fixed"));
    assert_eq!(made(&rule("type: STRING"), "x-a", ""), None);
}

#[test]
fn cookies_are_looked_through_for_the_first_of_the_name() {
    let rule = "{cookie: c, on_header_present: {key: k}}";
    for (header, expected) in [
        ("a=b;  c=1; c=2", text("1")),
        ("c=\"quoted\"", text("quoted")),
        ("nothing; c=\"", text("\"")),
        ("c=; c=2", None),
        ("c =1", None),
        ("d=1", None),
    ] {
        assert_eq!(made(rule, "cookie", header), expected, "{header}");
    }
}

#[test]
fn a_value_of_8_kib_is_too_long() {
    let rule = "{header: x-a, on_header_present: {key: k}}";
    assert!(made(rule, "x-a", &"a".repeat(8191)).is_some());
    assert!(made(rule, "x-a", &"a".repeat(8192)).is_none());
}

#[test]
fn responses_have_rules_of_their_own() {
    let worker = Worker::new(
        &ROOM,
        "{response_rules: [{header: x-b, remove: true, on_header_present: {key: k}}]}",
    );
    let mut stream = worker.stream().with("x-b", "request's");
    let _ = stream.decode_headers(true);
    assert!(stream.info.dynamic_metadata().is_none());
    let mut answer = response(&[(":status", "200"), ("x-b", "1")]);
    let _ = stream.encode_headers(&mut answer, true);
    assert_eq!(metadata(&stream, OWN, "k"), text("1"));
    assert_eq!(values(&answer, "x-b"), "");
}

#[test]
fn the_most_specific_rules_take_the_place_of_all_others() {
    let worker = worker("{header: x-a, on_header_present: {key: k}}");
    let level = "{stat_prefix: own, request_rules: [{header: x-a, on_header_present: {key: own}}]}";
    let mut stream = worker.stream().with("x-a", "1").on_level(&ROOM, level);
    let _ = stream.decode_headers(true);
    assert_eq!(metadata(&stream, OWN, "own"), text("1"));
    assert_eq!(metadata(&stream, OWN, "k"), None);
    assert_eq!(
        worker.stat_of_all("http_filter_name.own.request_metadata_added"),
        1
    );
    assert_eq!(
        worker.stat_of_all("http_filter_name.s.request_metadata_added"),
        0
    );
}

#[test]
fn what_would_break_a_request_and_levels_without_rules_are_refused() {
    let pseudo = "{request_rules: [{header: ':path', remove: true, on_header_present: {key: k}}]}";
    assert!(refusal(&ROOM, pseudo).contains("may not be removed"));
    let odd = "{request_rules: [{header: 'a b', on_header_present: {key: k}}]}";
    assert!(refusal(&ROOM, odd).contains("not a header name"));
    let errors = parse_level(&ROOM, "{stat_prefix: s}").expect_err("refused");
    assert!(errors.contains("must at least specify"), "{errors}");
}
