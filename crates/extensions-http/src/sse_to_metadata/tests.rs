//! Events in pieces, and what rules make of them.

use nuncio_contract::stream_info::metadata::Value;

use super::ROOM;
use super::events::{data, first};
use crate::tests::harness::{Stream, Worker, refusal, response};

const JSON: &str = "type.googleapis.com/envoy.extensions.content_parsers.json.v3.JsonContentParser";

fn config(rules: &str, rest: &str) -> String {
    format!(
        "{{response_rules: {{content_parser: {{name: p, typed_config: {{'@type': {JSON}, rules: [{rules}]}}}}{rest}}}}}"
    )
}

fn begin(stream: &mut Stream<'_>) {
    let mut head = response(&[(":status", "200"), ("content-type", "text/event-stream")]);
    let _ = stream.encode_headers(&mut head, false);
}

fn found(stream: &Stream<'_>, key: &str) -> Option<Value> {
    let metadata = stream.info.dynamic_metadata()?;
    metadata.namespace("m")?.get(key).cloned()
}

const TOTAL: &str = "{rule: {selectors: [{key: usage}, {key: total}], on_present: {metadata_namespace: m, key: total}}}";

/// All events of a stream that comes in these pieces.
fn events_of(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut events = Vec::new();
    let mut buffer = Vec::new();
    let mut scanned = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some((event, taken)) = first(&buffer, &mut scanned, false) {
            events.push(event.to_vec());
            buffer.drain(..taken);
        }
    }
    events
}

#[test]
fn events_are_the_same_wherever_the_stream_is_cut() {
    let whole = b"\xef\xbb\xbfdata: a\r\n\r\n: c\ndata:b\ndata\n\ndata:  d\r\rx".as_slice();
    let expected: [&[u8]; 3] = [b"data: a\r\n", b": c\ndata:b\ndata\n", b"data:  d\r"];
    assert_eq!(events_of(&[whole]), expected);
    for at in 0..whole.len() {
        let (one, other) = whole.split_at(at);
        assert_eq!(events_of(&[one, other]), expected, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = whole.chunks(1).collect();
    assert_eq!(events_of(&bytes), expected);
}

#[test]
fn a_line_may_end_with_the_stream_and_lines_of_data_are_joined() {
    assert_eq!(first(b"data: a\n\r", &mut 0, false), None);
    assert_eq!(
        first(b"data: a\n\r", &mut 0, true),
        Some((&b"data: a\n"[..], 9))
    );
    assert_eq!(
        data(b": c\ndata:b\ndata\nid: 1\ndata:  d\r"),
        Some(b"b\n\n d".to_vec())
    );
    assert_eq!(data(b"database: 1\nevent: e\n"), None);
}

#[test]
fn a_value_is_found_in_pieces_and_the_last_one_counts() {
    let worker = Worker::new(&ROOM, &config(TOTAL, ""));
    let mut stream = worker.stream();
    begin(&mut stream);
    let _ = stream.encode_data(b"data: {\"usage\":{\"total\":1}}\n\ndata: {\"usa", false);
    assert_eq!(found(&stream, "total"), Some(Value::Number(1.0)));
    let _ = stream.encode_data(b"ge\":{\"total\":2}}\n\n", true);
    assert_eq!(found(&stream, "total"), Some(Value::Number(2.0)));
    assert_eq!(
        worker.stat_of_all("sse_to_metadata.resp.json.metadata_added"),
        2
    );
}

#[test]
fn json_that_is_no_object_has_nothing() {
    let missing = TOTAL.replace(
        "}}}",
        "}, on_missing: {metadata_namespace: m, key: total, value: none}}}",
    );
    let worker = Worker::new(&ROOM, &config(&missing, ""));
    let mut stream = worker.stream();
    begin(&mut stream);
    let _ = stream.encode_data(b"data: 7\n\ndata: [1]\n\n", true);
    assert_eq!(found(&stream, "total"), Some(Value::String("none".into())));
}

#[test]
fn what_is_left_of_an_event_has_a_limit() {
    let worker = Worker::new(&ROOM, &config(TOTAL, ", max_event_size: 20"));
    let mut stream = worker.stream();
    begin(&mut stream);
    for _ in 0..3 {
        let _ = stream.encode_data(b"data: 0123456789", false);
    }
    assert_eq!(
        worker.stat_of_all("sse_to_metadata.resp.json.event_too_large"),
        1
    );
    let _ = stream.encode_data(b"\n\ndata: {\"usage\":{\"total\":3}}\n\n", true);
    assert_eq!(found(&stream, "total"), Some(Value::Number(3.0)));
}

#[test]
fn a_rule_needs_something_to_do() {
    let why = refusal(&ROOM, &config("{rule: {selectors: [{key: a}]}}", ""));
    let expected = "At least one of on_present, on_missing, or on_error must be specified";
    assert!(why.contains(expected), "{why}");
}
