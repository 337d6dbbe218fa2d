//! What clients say of their traces, and which of them are sampled.

use nuncio_contract::headers::{HeaderMap, Known};

use super::context::{Context, Found, extract, parent, put};
use crate::hex;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

fn request(parent: &str, states: &[&str]) -> HeaderMap {
    let mut request = HeaderMap::request();
    request.set(Known::Traceparent, parent.as_bytes());
    for state in states {
        request.append(Known::Tracestate, state.as_bytes());
    }
    request
}

#[test]
fn a_context_is_read_with_all_states() {
    let value = format!("00-{TRACE}-{SPAN}-01");
    let found = extract(&request(&value, &["a=b", "c=d"]));
    let expected = Context {
        trace_id: hex::read(TRACE).expect("16 bytes"),
        span_id: hex::read(SPAN).expect("8 bytes"),
        is_sampled: true,
        state: "a=b,c=d".to_owned(),
    };
    assert_eq!(parent(&expected.trace_id, &expected.span_id, true), value);
    assert_eq!(found, Found::Context(expected));
    assert_eq!(extract(&HeaderMap::request()), Found::Nothing);
}

#[test]
fn what_is_no_context_is_wrong() {
    let zeros = "0".repeat(32);
    for value in [
        String::new(),
        format!("00-{TRACE}-{SPAN}"),
        format!("0g-{TRACE}-{SPAN}-01"),
        format!("00-{zeros}-{SPAN}-01"),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{TRACE}-{SPAN}-0+"),
        format!("00-{TRACE}-{SPAN}-01-"),
    ] {
        assert_eq!(extract(&request(&value, &[])), Found::Wrong, "{value}");
    }
}

#[test]
fn a_header_is_put_behind_the_others() {
    let mut request = request("old", &[]);
    request.append(Known::UserAgent, b"test");
    put(&mut request, Known::Traceparent, b"new");
    let names: Vec<_> = request
        .iter_regular()
        .map(|header| header.name.to_vec())
        .collect();
    assert_eq!(names, [b"user-agent".to_vec(), b"traceparent".to_vec()]);
    assert_eq!(request.get(Known::Traceparent), Some(&b"new"[..]));
}
