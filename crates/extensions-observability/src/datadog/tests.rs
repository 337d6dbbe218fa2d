//! What clients say of their traces, and what the agent says of rates.

use nuncio_contract::headers::{HeaderMap, HeaderName};

use super::agent::Waiting;
use super::context::{Context, Names, extract};
use super::sampling::{Mechanism, Rates};
use super::w3c::State;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const LOW: &str = "9532127138774266268";
const HIGH: u64 = 0x0af7_6519_16cd_43dd;

fn found(headers: &[(&str, &str)]) -> Option<Context> {
    let mut request = HeaderMap::request();
    for (name, value) in headers {
        let name = HeaderName::parse(name).expect("a name");
        request.append(&name, value.as_bytes());
    }
    extract(&request, &Names::new().expect("names"))
}

#[test]
fn datadogs_headers_say_all() {
    let tags = "_dd.p.tid=0af7651916cd43dd,_dd.p.dm=-4,other=x";
    let context = found(&[
        ("x-datadog-trace-id", LOW),
        ("x-datadog-parent-id", "42"),
        ("x-datadog-sampling-priority", "-1"),
        ("x-datadog-tags", tags),
    ]);
    let context = context.expect("it can be read");
    assert_eq!(context.trace_id, Some((HIGH, 0x8448_eb21_1c80_319c)));
    assert_eq!((context.parent_id, context.priority), (Some(42), Some(-1)));
    let names: Vec<_> = context.trace_tags.iter().map(|tag| &*tag.0).collect();
    assert_eq!(names, ["_dd.p.tid", "_dd.p.dm"]);
}

#[test]
fn what_is_of_no_trace_or_cannot_be_read_is_none() {
    for headers in [
        &[][..],
        &[("x-datadog-trace-id", "7")],
        &[("x-datadog-parent-id", "7")],
        &[("x-datadog-trace-id", "0"), ("x-datadog-parent-id", "7")],
        &[("x-datadog-trace-id", "+7"), ("x-datadog-parent-id", "7")],
        &[("traceparent", "00-0-0-0")],
        &[("traceparent", &format!("00-{TRACE}-0000000000000000-01"))],
    ] {
        assert_eq!(found(headers), None, "{headers:?}");
    }
}

#[test]
fn the_state_of_others_is_kept_beside_ours() {
    let parent = format!("00-{TRACE}-b7ad6b7169203331-01");
    for (state, others) in [
        ("dd=s:1", None),
        ("a=1", Some("a=1")),
        ("dd=s:1,a=1", Some("a=1")),
        ("a=1,dd=s:1", Some("a=1")),
        ("a=1, dd=s:1 ,b=2", Some("a=1,b=2")),
    ] {
        let context = found(&[("traceparent", &parent), ("tracestate", state)]);
        let context = context.expect("it can be read");
        assert_eq!(context.more_state.as_deref(), others, "{state}");
    }
}

#[test]
fn a_state_is_cut_where_it_is_too_long() {
    let tags = [
        ("_dd.p.a".to_owned(), "x=y;z".to_owned()),
        ("_dd.p.tid".to_owned(), "1".to_owned()),
        ("_dd.p.b".to_owned(), "x".repeat(250)),
    ];
    let state = State {
        span_id: 1,
        priority: 1,
        origin: Some("a~b"),
        trace_tags: &tags,
        more_of_ours: Some("k:v"),
        more_state: Some("q=1"),
    };
    assert_eq!(
        state.text(),
        "dd=s:1;p:0000000000000001;o:a_b;t.a:x~y_z,q=1"
    );
}

#[test]
fn the_agent_says_what_share_is_kept() {
    let mut rates = Rates::default();
    let first = rates.decide("a", 1);
    assert_eq!(
        (first.priority, first.mechanism),
        (1, Some(Mechanism::Default))
    );
    rates.take(br#"{"rate_by_service":{"service:a,env:":0,"service:,env:":0.5}}"#);
    assert_eq!(rates.decide("a", 1).priority, 0);
    let kept = (1..1000).filter(|id| rates.decide("b", *id).priority > 0);
    assert!((400..600).contains(&kept.count()));
    rates.take(br#"{"rate_by_service":{"service:a,env:":2}}"#);
    assert_eq!(rates.decide("a", 1).priority, 0);
    rates.take(b"{}");
    assert_eq!(rates.decide("a", 1).rate, Some(0.5));
}

#[test]
fn an_origin_that_is_too_long_is_as_none() {
    for (length, is_read) in [(512, true), (513, false)] {
        let origin = "o".repeat(length);
        let context = found(&[
            ("x-datadog-trace-id", "7"),
            ("x-datadog-parent-id", "42"),
            ("x-datadog-origin", &origin),
        ]);
        let context = context.expect("it can be read");
        assert_eq!(context.origin.is_some(), is_read, "{length}");
    }
}

#[test]
fn traces_wait_up_to_so_many_bytes_and_no_more_than_so_many() {
    let mut waiting = Waiting::default();
    let big = vec![0; 3 << 20];
    assert!(waiting.take(&big) && waiting.take(&big));
    assert!(!waiting.take(&big));
    assert!(waiting.take(&big[..2 << 20]) && !waiting.take(&[0]));
    assert_eq!((waiting.count, waiting.bytes.len()), (3, 8 << 20));
    let mut small = Waiting::default();
    assert!((0..4096).all(|_| small.take(&[0])));
    assert!(!small.take(&[0]));
}
