//! What clients say of their traces.

use nuncio_contract::headers::{HeaderMap, HeaderName};

use super::context::{Context, Found, extract};

fn found(headers: &[(&str, &str)], speaks_w3c: bool) -> Option<Found> {
    let mut request = HeaderMap::request();
    for (name, value) in headers {
        let name = HeaderName::parse(name).expect("a name");
        request.append(&name, value.as_bytes());
    }
    extract(&request, speaks_w3c)
}

fn context(high: u64, parent: Option<u64>) -> Context {
    Context {
        trace_id_high: high,
        trace_id: 2,
        span_id: 3,
        parent_id: parent,
    }
}

const LONG: &str = "00000000000000010000000000000002";
const SHORT: &str = "0000000000000002";
const SPAN: &str = "0000000000000003";
const PARENT: &str = "0000000000000004";

#[test]
fn many_headers_or_one_say_the_same() {
    let many = [
        ("x-b3-traceid", LONG),
        ("x-b3-spanid", SPAN),
        ("x-b3-parentspanid", PARENT),
        ("x-b3-sampled", "1"),
    ];
    let one = format!("{LONG}-{SPAN}-1-{PARENT}");
    let expected = |is_single| Found {
        context: Some(context(1, Some(4))),
        is_sampled: Some(true),
        is_single,
    };
    assert_eq!(found(&many, false), Some(expected(false)));
    assert_eq!(found(&[("b3", &one)], false), Some(expected(true)));
}

#[test]
fn whether_it_is_sampled_may_be_said_alone_or_not_at_all() {
    let alone = |headers: &[(&str, &str)]| {
        let found = found(headers, false).expect("it can be read");
        (found.context, found.is_sampled)
    };
    assert_eq!(alone(&[]), (None, None));
    assert_eq!(alone(&[("b3", "0")]), (None, Some(false)));
    assert_eq!(alone(&[("x-b3-sampled", "true")]), (None, Some(true)));
    assert_eq!(
        alone(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]),
        (None, Some(true))
    );
    let one = format!("{SHORT}-{SPAN}");
    assert_eq!(alone(&[("b3", &one)]), (Some(context(0, None)), None));
}

#[test]
fn what_cannot_be_read_is_nothing() {
    for value in ["", "x", "1-2", "a-b-c-d-e", &format!("{SHORT}-{SPAN}-2")] {
        assert_eq!(found(&[("b3", value)], false), None, "{value}");
    }
    let wrong = [("x-b3-traceid", "zz"), ("x-b3-spanid", SPAN)];
    assert_eq!(found(&wrong, false), None);
}

#[test]
fn w3c_counts_where_it_is_wanted_and_b3_says_nothing() {
    let parent = format!("00-{LONG}-{SPAN}-01");
    let headers = [("traceparent", parent.as_str())];
    assert_eq!(found(&headers, false), Some(Found::default()));
    let of_w3c = found(&headers, true).expect("it can be read");
    assert_eq!(of_w3c.context, Some(context(1, None)));
    assert_eq!(of_w3c.is_sampled, Some(true));
}
