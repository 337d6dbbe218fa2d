//! The set metadata filter on streams.

use nuncio_contract::stream_info::metadata::Value;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal};

const CHAIN: &str = "{metadata: [{metadata_namespace: ns, value: {a: x, s: {b: x}}}]}";

fn metadata(stream: &mut Stream<'_>, path: &[&str]) -> Option<Value> {
    let _ = stream.decode_headers(true);
    let path: Vec<_> = path.iter().map(|name| Box::from(*name)).collect();
    let metadata = stream.info.dynamic_metadata()?;
    metadata.value("ns", &path).cloned()
}

fn text(text: &str) -> Option<Value> {
    Some(Value::String(text.into()))
}

#[test]
fn a_stream_is_given_what_the_chain_says() {
    let worker = Worker::new(&ROOM, CHAIN);
    assert_eq!(metadata(&mut worker.stream(), &["a"]), text("x"));
    assert_eq!(metadata(&mut worker.stream(), &["s", "b"]), text("x"));
}

#[test]
fn what_is_there_already_stays_unless_it_may_be_overwritten() {
    let worker = Worker::new(&ROOM, CHAIN);
    let again = "{metadata: [{metadata_namespace: ns, value: {a: z}}]}";
    let mut stream = worker.stream().on_level(&ROOM, again);
    assert_eq!(metadata(&mut stream, &["a"]), text("x"));
    assert_eq!(worker.stat_of_all("set_metadata.overwrite_denied"), 1);
    assert_eq!(worker.stat("set_metadata.overwrite_denied"), 0);
    let _ = stream.decode_headers(true);
    assert_eq!(worker.stat("set_metadata.overwrite_denied"), 1);
    let over =
        "{metadata: [{metadata_namespace: ns, value: {a: z, s: {c: z}}, allow_overwrite: true}]}";
    let mut stream = worker.stream().on_level(&ROOM, over);
    assert_eq!(metadata(&mut stream, &["a"]), text("z"));
    let stream = &mut worker.stream().on_level(&ROOM, over);
    assert_eq!(metadata(stream, &["s", "b"]), text("x"));
}

#[test]
fn the_deprecated_fields_overwrite() {
    let worker = Worker::new(&ROOM, CHAIN);
    let old = "{metadata_namespace: ns, value: {a: old}}";
    let mut stream = worker.stream().on_level(&ROOM, old);
    assert_eq!(metadata(&mut stream, &["a"]), text("old"));
}

#[test]
fn an_entry_without_a_value_does_nothing() {
    let worker = Worker::new(&ROOM, "{metadata: [{metadata_namespace: ns}]}");
    assert_eq!(metadata(&mut worker.stream(), &["a"]), None);
}

#[test]
fn typed_metadata_is_refused() {
    let typed = "{metadata: [{metadata_namespace: ns, typed_value: {'@type': \
                 type.googleapis.com/google.protobuf.StringValue, value: a}}]}";
    assert!(refusal(&ROOM, typed).contains("not supported"));
}
