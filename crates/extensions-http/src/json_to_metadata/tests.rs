//! The json_to_metadata filter on single streams.

use nuncio_contract::http_filter::{DataStatus, HeadersStatus};
use nuncio_contract::stream_info::metadata::Value;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal, response};

const OWN: &str = "envoy.filters.http.json_to_metadata";

fn rules(parts: &str) -> String {
    format!("{{request_rules: {{rules: [{{selectors: [{{key: a}}], {parts}}}]}}}}")
}

fn json<'w>(worker: &'w Worker) -> Stream<'w> {
    worker.stream().with("content-type", "application/json")
}

fn value(stream: &Stream<'_>, namespace: &str, key: &str) -> Option<Value> {
    let metadata = stream.info.dynamic_metadata()?;
    metadata.namespace(namespace)?.get(key).cloned()
}

fn text(value: &str) -> Option<Value> {
    Some(Value::String(value.into()))
}

/// What becomes of a body under `on_present: {key: k}` and more.
fn made_of(body: &str, present: &str) -> Option<Value> {
    let worker = Worker::new(&ROOM, &rules(&format!("on_present: {{key: k{present}}}")));
    let mut stream = json(&worker);
    let _ = stream.decode_headers(false);
    let _ = stream.decode_data(body.as_bytes(), true);
    value(&stream, OWN, "k")
}

#[test]
fn a_body_is_held_until_it_is_there_whole() {
    let worker = Worker::new(&ROOM, &rules("on_present: {key: k}"));
    let mut stream = json(&worker);
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert!(matches!(
        stream.decode_data(b"{\"a\":", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"7}", true),
        DataStatus::Continue
    ));
    assert_eq!(value(&stream, OWN, "k"), Some(Value::Number(7.0)));
    assert_eq!(stream.passed, b"{\"a\":7}");
    assert!(stream.is_route_stale.get(), "the route may depend on it");
    assert_eq!(worker.stat_of_all("json_to_metadata.rq.success"), 1);
}

#[test]
fn values_become_what_they_are_to_be() {
    assert_eq!(made_of("{\"a\":true}", ""), Some(Value::Bool(true)));
    assert_eq!(
        made_of("{\"a\":true}", ", type: NUMBER"),
        Some(Value::Number(1.0))
    );
    assert_eq!(made_of("{\"a\":true}", ", type: STRING"), text("1"));
    assert_eq!(made_of("{\"a\":1.5}", ", type: STRING"), text("1.500000"));
    assert_eq!(
        made_of("{\"a\":\" 2 \"}", ", type: NUMBER"),
        Some(Value::Number(2.0))
    );
    assert_eq!(made_of("{\"a\":\"x\"}", ", type: NUMBER"), None);
    assert_eq!(made_of("{\"a\":\"\"}", ", type: STRING"), None);
    assert_eq!(made_of("{\"a\":\"\"}", ""), text(""));
    assert_eq!(made_of("{\"a\":null}", ""), None);
    assert_eq!(made_of("{\"a\":[1]}", ""), None);
}

#[test]
fn a_long_text_is_as_good_as_none() {
    let body = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    for kind in ["", ", type: STRING"] {
        assert!(made_of(&body(8192), kind).is_some());
        assert_eq!(made_of(&body(8193), kind), None);
    }
}

#[test]
fn what_is_larger_than_may_be_held_back_is_not_looked_into() {
    let worker = Worker::new(&ROOM, &rules("on_present: {key: k}"));
    let mut stream = json(&worker);
    stream.limit_bytes = 6;
    let _ = stream.decode_headers(false);
    let status = stream.decode_data(b"{\"a\":7}", true);
    assert!(
        matches!(status, DataStatus::StopAndBuffer),
        "the engine answers it"
    );
    assert_eq!(value(&stream, OWN, "k"), None);
}

#[test]
fn existing_values_are_kept_if_so_wished() {
    let kept = |preserve: bool| {
        let present =
            format!("on_present: {{key: k, preserve_existing_metadata_value: {preserve}}}");
        let worker = Worker::new(&ROOM, &rules(&present));
        let mut stream = json(&worker);
        let fields = [("k", Value::Null)].into_iter().collect();
        stream.info.dynamic_metadata_mut().merge(OWN, fields);
        let _ = stream.decode_headers(false);
        let _ = stream.decode_data(b"{\"a\":7}", true);
        (value(&stream, OWN, "k"), stream.is_route_stale.get())
    };
    assert_eq!(kept(true), (Some(Value::Null), false));
    assert_eq!(kept(false), (Some(Value::Number(7.0)), true));
}

#[test]
fn metadata_of_responses_leaves_the_route_alone() {
    let yaml = rules("on_present: {key: k}").replace("request_rules", "response_rules");
    let worker = Worker::new(&ROOM, &yaml);
    let mut stream = worker.stream();
    let mut head = response(&[(":status", "200"), ("content-type", "application/json")]);
    let _ = stream.encode_headers(&mut head, false);
    let _ = stream.encode_data(b"{\"a\":7}", true);
    assert_eq!(value(&stream, OWN, "k"), Some(Value::Number(7.0)));
    assert!(!stream.is_route_stale.get());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |parts: &str| refusal(&ROOM, &rules(parts));
    let neither = "json to metadata filter: neither `on_present` nor `on_missing` set";
    assert_eq!(refused("on_error: {key: k, value: a}"), neither);
    let empty = "json to metadata filter: cannot specify on_missing rule with empty value";
    assert_eq!(refused("on_missing: {key: k}"), empty);
    let empty = "json to metadata filter: cannot specify on_error rule with empty value";
    assert_eq!(refused("on_present: {key: k}, on_error: {key: k}"), empty);
    assert!(!refusal(&ROOM, "{request_rules: {}}").is_empty());
    let level = parse_level(&ROOM, "{}").expect_err("refused");
    assert!(level.contains("at least specify one of"), "{level}");
}
