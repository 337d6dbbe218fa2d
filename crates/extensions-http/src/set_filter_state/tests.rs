//! The filter on streams.

use super::ROOM;
use crate::tests::harness::{Stream, Worker};

const CHAIN: &str = "{on_request_headers: [{object_key: a, factory_key: envoy.string, \
    format_string: {text_format_source: {inline_string: '%REQ(:METHOD)%'}}}]}";

fn object(stream: &Stream<'_>, name: &str) -> Option<String> {
    stream.info.object(name)?.serialize_as_string()
}

#[test]
fn levels_come_behind_the_chain_and_see_what_it_has_set() {
    let worker = Worker::new(&ROOM, CHAIN);
    let own = "{on_request_headers: [{object_key: b, factory_key: envoy.string, \
        format_string: {text_format_source: {inline_string: 'it was %FILTER_STATE(a:PLAIN)%'}}}]}";
    let mut stream = worker.stream().on_level(&ROOM, own);
    let _ = stream.decode_headers(true);
    assert_eq!(object(&stream, "a").as_deref(), Some("GET"));
    assert_eq!(object(&stream, "b").as_deref(), Some("it was GET"));
}
