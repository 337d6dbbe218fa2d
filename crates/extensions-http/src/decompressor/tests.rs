//! The decompressor filter on single streams.

use nuncio_contract::headers::HeaderMap;
use nuncio_contract::http_filter::DataStatus;

use super::ROOM;
use crate::compression::tests::{gzip, gzip_of_zeros};
use crate::tests::harness::{Stream, Worker, refusal, response, values};

const GZIP: &str = "decompressor_library: {name: Mine, typed_config: {'@type': \
                    type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip}}";

fn worker(parts: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{{GZIP}{parts}}}"))
}

/// The head of a response in gzip, through the filter.
fn answer(stream: &mut Stream<'_>) -> HeaderMap {
    let mut response = response(&[
        (":status", "200"),
        ("content-encoding", "gzip"),
        ("content-length", "100"),
    ]);
    let _ = stream.encode_headers(&mut response, false);
    response
}

#[test]
fn a_body_in_pieces_is_decompressed_and_its_bytes_are_told() {
    let worker = worker("");
    let mut stream = worker.stream();
    let head = answer(&mut stream);
    assert_eq!(values(&head, "content-encoding"), "");
    assert_eq!(values(&head, "content-length"), "");
    let packed = gzip(b"some text");
    let (begin, end) = packed.split_at(12);
    let _ = stream.encode_data(begin, false);
    let DataStatus::AddTrailers(trailers) = stream.encode_data(end, true) else {
        panic!("no trailers");
    };
    assert_eq!(stream.passed, b"some text");
    let told = |name: &str| values(&trailers, &format!("x-envoy-decompressor-mine-{name}"));
    assert_eq!(told("compressed-bytes"), packed.len().to_string());
    assert_eq!(told("uncompressed-bytes"), "9");
    let stat = |name: &str| worker.stat(&format!("decompressor.Mine.gzip.response.{name}"));
    assert_eq!(stat("decompressed"), 1);
    assert_eq!(stat("total_uncompressed_bytes"), 9);
}

#[test]
fn another_coding_passes_as_it_is() {
    let worker = worker("");
    let mut stream = worker.stream();
    let mut head = response(&[(":status", "200"), ("content-encoding", "br")]);
    let _ = stream.encode_headers(&mut head, false);
    let _ = stream.encode_data(b"one", true);
    assert_eq!(stream.passed, b"one");
    assert_eq!(values(&head, "content-encoding"), "br");
}

#[test]
fn hosts_are_told_unless_responses_are_left_alone() {
    let told = |parts: &str, accepts: &str| {
        let worker = worker(parts);
        let mut stream = worker.stream().with("accept-encoding", accepts);
        let _ = stream.decode_headers(true);
        stream.header("accept-encoding")
    };
    assert_eq!(told("", ""), "gzip");
    assert_eq!(told("", "br;q=0.5 , gzip;q=0"), "br;q=0.5,gzip");
    assert_eq!(
        told(
            ", request_direction_config: {advertise_accept_encoding: false}",
            "br"
        ),
        "br"
    );
    let off = ", response_direction_config: {common_config: {enabled: {default_value: false, runtime_key: a}}}";
    assert_eq!(told(off, "br"), "br");
}

#[test]
fn a_bomb_is_cut_off_and_counted() {
    let worker = worker("");
    let mut stream = worker.stream();
    let _ = answer(&mut stream);
    let packed = gzip_of_zeros(8 << 20);
    let _ = stream.encode_data(&packed, true);
    assert!(stream.passed.len() <= packed.len() * 100 + 4096);
    let name = "decompressor.Mine.gzip.decompressor_library.zlib_data_error";
    assert_eq!(worker.stat(name), 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(refusal(&ROOM, "{}").contains("decompressor_library"));
    let compressor = "{decompressor_library: {name: a, typed_config: {'@type': \
                      type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}}}";
    let missing = "Didn't find a registered implementation for type: \
                   'envoy.extensions.compression.gzip.compressor.v3.Gzip'";
    assert_eq!(refusal(&ROOM, compressor), missing);
}
