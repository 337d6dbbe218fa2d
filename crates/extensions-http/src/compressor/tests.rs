//! The compressor filter on single streams; what several do together is a matter of the differential suite.

use nuncio_contract::headers::HeaderMap;

use super::ROOM;
use crate::compression::tests::gunzip;
use crate::tests::harness::{Stream, Worker, parse_level, refusal, response, values};

const GZIP: &str = "compressor_library: {name: text, typed_config: {'@type': \
                    type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}}";

fn worker(parts: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{{GZIP}{parts}}}"))
}

fn accepting<'w>(worker: &'w Worker, accept_encoding: &str) -> Stream<'w> {
    let mut stream = worker.stream().with("accept-encoding", accept_encoding);
    let _ = stream.decode_headers(true);
    stream
}

/// A response of some length, through the filter.
fn answer(stream: &mut Stream<'_>) -> HeaderMap {
    let mut response = response(&[
        (":status", "200"),
        ("content-type", "text/plain"),
        ("content-length", "100"),
    ]);
    let _ = stream.encode_headers(&mut response, false);
    response
}

#[test]
fn a_body_in_pieces_is_compressed_as_one() {
    let worker = worker("");
    let mut stream = accepting(&worker, "gzip");
    let head = answer(&mut stream);
    assert_eq!(values(&head, "content-encoding"), "gzip");
    assert_eq!(values(&head, "content-length"), "");
    assert_eq!(values(&head, "vary"), "Accept-Encoding");
    let _ = stream.encode_data(b"one, ", false);
    let _ = stream.encode_data(b"two", true);
    assert_eq!(gunzip(&stream.passed), b"one, two");
    let prefix = "compressor.text.gzip";
    assert_eq!(
        worker.stat(&format!("{prefix}.total_uncompressed_bytes")),
        8
    );
    let compressed = u64::try_from(stream.passed.len()).expect("few");
    assert_eq!(
        worker.stat(&format!("{prefix}.total_compressed_bytes")),
        compressed
    );
}

#[test]
fn trailers_end_the_body() {
    let worker = worker("");
    let mut stream = accepting(&worker, "gzip");
    let _ = answer(&mut stream);
    let _ = stream.encode_data(b"one", false);
    let _ = stream.encode_trailers();
    assert_eq!(gunzip(&stream.passed), b"one");
}

#[test]
fn what_is_not_accepted_passes_as_it_is() {
    let worker = worker("");
    let mut stream = accepting(&worker, "br");
    let head = answer(&mut stream);
    assert_eq!(values(&head, "content-length"), "100");
    assert_eq!(
        values(&head, "vary"),
        "Accept-Encoding",
        "another client may accept it"
    );
    let _ = stream.encode_data(b"one", true);
    assert_eq!(stream.passed, b"one");
}

#[test]
fn requests_are_left_alone_unless_their_direction_is_there() {
    let body = |worker: &Worker| {
        let mut stream = worker.stream();
        let _ = stream.decode_headers(false);
        if worker.interest().request_body {
            let _ = stream.decode_data(b"one", true);
        }
        (stream.header("content-encoding"), stream.passed.clone())
    };
    assert_eq!(body(&worker("")), (String::new(), Vec::new()));
    let (coding, passed) = body(&worker(", request_direction_config: {}"));
    assert_eq!(
        (coding.as_str(), gunzip(&passed)),
        ("gzip", b"one".to_vec())
    );
    let off = ", request_direction_config: {common_config: {enabled: {default_value: false, runtime_key: a}}}";
    assert_eq!(body(&worker(off)).1, b"one");
}

#[test]
fn accept_encoding_is_removed_only_where_responses_are_compressed() {
    let removes = ", response_direction_config: {remove_accept_encoding_header: true}";
    let worker = worker(removes);
    assert_eq!(accepting(&worker, "gzip").header("accept-encoding"), "");
    let disabled = parse_level(&ROOM, "{disabled: true}").expect("a level");
    let mut stream = worker
        .stream()
        .with("accept-encoding", "gzip")
        .on(&disabled);
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("accept-encoding"), "gzip");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let library = |name: &str| {
        format!(
            "{{compressor_library: {{name: a, typed_config: {{'@type': type.googleapis.com/{name}}}}}}}"
        )
    };
    assert!(refusal(&ROOM, "{}").contains("compressor_library"));
    let found = refusal(
        &ROOM,
        &library("envoy.extensions.filters.http.cors.v3.Cors"),
    );
    let missing = "Didn't find a registered implementation for type: 'envoy.extensions.filters.http.cors.v3.Cors'";
    assert_eq!(found, missing);
    let untyped = refusal(&ROOM, "{compressor_library: {name: a}}");
    assert!(!untyped.is_empty());
    let codes =
        format!("{{{GZIP}, response_direction_config: {{uncompressible_response_codes: [199]}}}}");
    assert!(!refusal(&ROOM, &codes).is_empty());
    assert!(parse_level(&ROOM, "{}").is_err());
    assert!(parse_level(&ROOM, "{disabled: false}").is_err());
}
