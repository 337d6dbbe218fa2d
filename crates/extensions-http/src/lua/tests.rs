//! Steps of scripts, without sockets and clocks.

use nuncio_contract::http_filter::{DataStatus, HeadersStatus, TrailersStatus};

use super::ROOM;
use crate::tests::harness::{Worker, refusal, response};

/// A worker with a script, which stands on lines of its own.
fn with(script: &str) -> Worker {
    let quoted = script.replace('\'', "''").replace('\n', " ");
    Worker::new(
        &ROOM,
        &format!("{{default_source_code: {{inline_string: '{quoted}'}}}}"),
    )
}

fn counted(worker: &Worker) -> (u64, u64) {
    (worker.stat("lua.executions"), worker.stat("lua.errors"))
}

#[test]
fn a_header_is_added_and_the_request_goes_on() {
    let worker = with("function envoy_on_request(h) h:headers():add(\"X-New\", 1.5) end");
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("x-new"), "1.5");
    assert_eq!(counted(&worker), (1, 0));
}

#[test]
fn what_is_no_header_never_becomes_another() {
    let worker = with(
        "function envoy_on_request(h) local x = h:headers() x:add(\"a\", \"b\\r\\nc: d\") \
         x:add(\"a b\", \"c\") x:add(\":made\", \"up\") x:add(\"after\", \"1\") end",
    );
    let mut stream = worker.stream();
    let _ = stream.decode_headers(true);
    assert_eq!(stream.header("a"), "b  c: d");
    assert_eq!(stream.header("after"), "1");
    assert_eq!(stream.header("c"), "");
    assert_eq!(counted(&worker), (1, 0));
}

#[test]
fn a_body_is_held_until_it_is_whole_and_may_be_another() {
    let worker = with(
        "function envoy_on_request(h) local b = h:body() h:headers():add(\"had\", b:length()) b:setBytes(\"new\") end",
    );
    let mut stream = worker.stream();
    assert!(matches!(stream.decode_headers(false), HeadersStatus::Stop));
    assert!(matches!(
        stream.decode_data(b"ab", false),
        DataStatus::StopAndBuffer
    ));
    assert!(matches!(
        stream.decode_data(b"c", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.passed, b"new");
    assert_eq!(stream.header("had"), "3");
    assert_eq!(stream.header("content-length"), "3");
}

#[test]
fn a_body_before_trailers_goes_on_with_them() {
    let worker = with(
        "function envoy_on_request(h) h:body():setBytes(\"new\") h:trailers():add(\"a\", \"b\") end",
    );
    let mut stream = worker.stream();
    let _ = stream.decode_headers(false);
    let _ = stream.decode_data(b"abc", false);
    assert!(matches!(
        stream.decode_trailers(),
        TrailersStatus::Append(_)
    ));
    assert_eq!(stream.passed, b"new");
}

#[test]
fn no_more_is_held_than_may_be() {
    let worker = with(
        "function envoy_on_request(h) h:body() end function envoy_on_response(h) h:body() end",
    );
    let mut stream = worker.stream();
    stream.limit_bytes = 4;
    let _ = stream.decode_headers(false);
    assert!(matches!(
        stream.decode_data(b"1234", false),
        DataStatus::StopAndBuffer
    ));
    let DataStatus::Reply(reply) = stream.decode_data(b"5", true) else {
        panic!("too much is answered");
    };
    assert_eq!(reply.status, 413);
}

#[test]
fn a_chunk_stays_within_the_length_that_has_gone_on() {
    let worker = with(
        "function envoy_on_response(h) for c in h:bodyChunks() do c:setBytes(h:requestHeaders():get(\"x-put\")) end end",
    );
    for (put, is_whole) in [("12345", true), ("123", true), ("12", false)] {
        let mut stream = worker.stream().with("x-put", put);
        let mut head = response(&[(":status", "200")]);
        head.set(nuncio_contract::headers::Known::ContentLength, b"3");
        let _ = stream.encode_headers(&mut head, false);
        let status = stream.encode_data(b"abc", true);
        assert_eq!(matches!(status, DataStatus::Continue), is_whole, "{put}");
        if is_whole {
            assert_eq!(stream.passed, b"123");
        }
    }
}

#[test]
fn a_script_that_fails_is_counted_and_what_it_did_stays() {
    let worker = with(
        "function envoy_on_request(h) kept = h h:headers():add(\"a\", \"b\") error(\"x\") end \
         function envoy_on_response(h) kept:headers() end",
    );
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    assert!(matches!(
        stream.decode_data(b"abc", true),
        DataStatus::Continue
    ));
    assert_eq!(stream.header("a"), "b");
    // What is kept of the request is of no use to the response.
    let _ = stream.encode_headers(&mut response(&[(":status", "200")]), true);
    assert_eq!(counted(&worker), (2, 2));
}

#[test]
fn a_script_that_does_not_load_is_refused() {
    let text = "{default_source_code: {inline_string: 'x x'}}";
    let all = refusal(&ROOM, text);
    assert!(
        all.contains("script load error: [string \"x x\"]:1: '=' expected near 'x'"),
        "{all}"
    );
}

#[test]
fn unsafe_libraries_are_not_there() {
    for script in [
        "require(\"ffi\")",
        "debug.getinfo(1)",
        "package.loadlib(\"a\", \"b\").x()",
    ] {
        let text = format!("{{default_source_code: {{inline_string: '{script}'}}}}");
        assert!(
            refusal(&ROOM, &text).contains("script load error"),
            "{script}"
        );
    }
}
