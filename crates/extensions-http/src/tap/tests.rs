//! What Envoy 1.40 writes of the same streams, with other numbers.

use std::sync::Arc;

use nuncio_contract::headers::{HeaderMap, MapKind};

use super::ROOM;
use super::trace::{Direction, Heads, Trace};
use crate::tests::harness::{errors, parse, refusal};
use nuncio_config::typed::Ctx;

fn trace(tap: &str) -> Trace {
    let mut ctx = Ctx::new(false);
    let yaml = format!("{{common_config: {{static_config: {{{tap}}}}}}}");
    let any = parse(ROOM.message, &yaml, &mut ctx).expect("a message");
    let settings = super::config::compile(&any.decode(&mut ctx).expect("decoded"), &mut ctx);
    let Ok(settings) = settings else {
        panic!("{}", errors(&ctx));
    };
    Trace::new(Arc::new(settings), 7)
}

fn output(more: &str) -> String {
    format!(
        "output_config: {{{more} sinks: [{{format: PROTO_TEXT, file_per_tap: {{path_prefix: /no/such/folder/x}}}}]}}"
    )
}

fn request() -> HeaderMap {
    let mut head = HeaderMap::new(MapKind::Request);
    head.append_from_wire(b":path", b"/\xff");
    head
}

fn response() -> HeaderMap {
    let mut head = HeaderMap::new(MapKind::Response);
    head.append_from_wire(b":status", b"200");
    head
}

/// A request and its answer, with bodies.
fn run(trace: &mut Trace) -> String {
    let (request, response) = (request(), response());
    let mut heads = Heads {
        request: Some(&request),
        response: None,
    };
    trace.head(Direction::Request, &request, Heads::default());
    trace.data(Direction::Request, b"abc");
    trace.data(Direction::Request, b"def");
    trace.head(Direction::Response, &response, heads);
    trace.data(Direction::Response, b"hello");
    heads.response = Some(&response);
    trace.end(heads, [None; 2], [None; 2]);
    let text = String::from_utf8(std::mem::take(&mut trace.written)).expect("text");
    text.split_whitespace().collect()
}

const REQUEST: &str = r#"headers{key:":path"value:"/\377"}"#;
const RESPONSE: &str = r#"headers{key:":status"value:"200"}"#;

fn segment(name: &str, what: &str) -> String {
    format!("http_streamed_trace_segment{{trace_id:7{name}{{{what}}}}}")
}

#[test]
fn a_buffered_trace_keeps_what_fits() {
    let out = output("max_buffered_rx_bytes: 4,");
    let text = run(&mut trace(&format!("match: {{any_match: true}}, {out}")));
    let expected = format!(
        r#"http_buffered_trace{{request{{{REQUEST}body{{as_bytes:"abcd"truncated:true}}}}response{{{RESPONSE}body{{as_bytes:"hello"}}}}}}"#
    );
    assert_eq!(text, expected);
}

#[test]
fn what_came_before_the_match_is_streamed_with_it() {
    let condition = "match_config: {http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '200'}}]}}";
    let out = output("streaming: true, max_buffered_tx_bytes: 2,");
    let text = run(&mut trace(&format!("{condition}, {out}")));
    let expected = [
        segment("request_headers", REQUEST),
        segment("request_body_chunk", r#"as_bytes:"abcdef""#),
        segment("response_headers", RESPONSE),
        segment("response_body_chunk", r#"as_bytes:"he"truncated:true"#),
    ];
    assert_eq!(text, expected.concat());
}

#[test]
fn a_pattern_is_found_across_pieces_and_within_its_limit_alone() {
    let with = |limit: u32| {
        let condition = format!(
            "match: {{http_request_generic_body_match: {{bytes_limit: {limit}, patterns: [{{string_match: cd}}, {{binary_match: YQ==}}]}}}}"
        );
        run(&mut trace(&format!("{condition}, {}", output(""))))
    };
    assert!(with(0).contains("abcdef"));
    assert!(with(4).contains("abcdef"));
    assert_eq!(with(3), "");
}

#[test]
fn what_does_not_match_leaves_nothing() {
    for condition in [
        "not_match: {any_match: true}",
        "http_request_headers_match: {}",
        "http_response_trailers_match: {headers: [{name: a, present_match: true}]}",
        "and_match: {rules: [{any_match: true}, {http_request_trailers_match: {headers: [{name: a, present_match: true}]}}]}",
    ] {
        let text = run(&mut trace(&format!(
            "match: {{{condition}}}, {}",
            output("")
        )));
        assert_eq!(text, "", "{condition}");
    }
}

#[test]
fn what_is_not_supported_and_what_lacks_a_condition_is_refused() {
    let admin = "{common_config: {admin_config: {config_id: a}}}";
    refusal(&ROOM, admin);
    let none = format!("{{common_config: {{static_config: {{{}}}}}}}", output(""));
    assert!(refusal(&ROOM, &none).contains("Neither match nor match_config"));
}
