//! The stateful session filter on streams.

use std::rc::Rc;

use nuncio_contract::stream_info::{Address, HostDescription, ResponseFlags, WantedHost};

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal, response, values};
use nuncio_config::base64::encode;

const HEADER: &str = "session_state: {name: envoy.http.stateful_session.header, typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.http.stateful_session.header.v3.HeaderBasedSessionState, name: x-session}}";
const COOKIE: &str = "session_state: {name: envoy.http.stateful_session.cookie, typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState, \
    cookie: {name: home, path: /a}}}";
const HOST: &str = "127.0.0.1:80";

fn chain(rest: &str, state: &str) -> String {
    format!("{{stat_prefix: s, {rest} {state}}}")
}

/// What the filter wants of the router.
fn wanted(stream: &mut Stream<'_>) -> Option<WantedHost> {
    stream.decode_headers(true);
    stream.info.upstream.wanted_host.as_deref().cloned()
}

/// What a header of the response says once the host has answered.
fn told(stream: &mut Stream<'_>, header: &str) -> String {
    let host = HostDescription {
        address: Address::Ip(HOST.parse().expect("an address")),
        hostname: "".into(),
        metadata: Default::default(),
        locality: Default::default(),
        alternatives: None,
    };
    stream.info.upstream.add_attempted_host(Rc::new(host));
    let mut response = response(&[(":status", "200")]);
    stream.encode_headers(&mut response, false);
    values(&response, header)
}

fn counts(worker: &Worker) -> [u64; 4] {
    ["routed", "failed_open", "failed_closed", "no_session"]
        .map(|name| worker.stat(&format!("stateful_session.s.{name}")))
}

#[test]
fn the_host_in_the_header_is_wanted_and_not_told_again() {
    let worker = Worker::new(&ROOM, &chain("", HEADER));
    let mut stream = worker.stream().with("x-session", &encode(HOST.as_bytes()));
    let host = wanted(&mut stream).expect("a host");
    assert_eq!((&*host.address, host.status_without_it), (HOST, None));
    assert_eq!(told(&mut stream, "x-session"), "");
    assert_eq!(counts(&worker), [1, 0, 0, 0]);
}

#[test]
fn another_host_than_the_client_asked_for_is_told() {
    let worker = Worker::new(&ROOM, &chain("", HEADER));
    let mut stream = worker.stream().with("x-session", &encode(b"10.0.0.1:1"));
    assert!(wanted(&mut stream).is_some());
    assert_eq!(told(&mut stream, "x-session"), encode(HOST.as_bytes()));
    assert_eq!(counts(&worker), [0, 1, 0, 0]);
}

#[test]
fn a_strict_session_has_a_status_for_when_its_host_is_gone() {
    let strict = chain(
        "strict: true, status_on_strict_destination_not_found: 410,",
        HEADER,
    );
    let worker = Worker::new(&ROOM, &strict);
    let mut stream = worker.stream().with("x-session", &encode(b"10.0.0.1:1"));
    assert_eq!(
        wanted(&mut stream).and_then(|host| host.status_without_it),
        Some(410)
    );
    stream.info.add_flags(ResponseFlags::NO_HEALTHY_UPSTREAM);
    stream.encode_headers(&mut response(&[(":status", "410")]), true);
    assert_eq!(counts(&worker), [0, 0, 1, 0]);
}

#[test]
fn a_cookie_is_for_its_path_alone() {
    let worker = Worker::new(&ROOM, &chain("", COOKIE));
    let mut elsewhere = worker.stream().with("cookie", "home=MTI3LjAuMC4xOjgw");
    assert_eq!(wanted(&mut elsewhere), None);
    assert_eq!(told(&mut elsewhere, "set-cookie"), "");
    assert_eq!(counts(&worker), [0, 0, 0, 1]);
    let mut below = worker.stream();
    below
        .request
        .set(nuncio_contract::headers::Known::Path, b"/a/b");
    assert_eq!(wanted(&mut below), None);
    let cookie = told(&mut below, "set-cookie");
    assert_eq!(cookie, "home=\"CgwxMjcuMC4wLjE6ODA=\"; Path=/a; HttpOnly");
}

#[test]
fn a_route_may_switch_it_off_or_keep_sessions_otherwise_and_counts_nothing() {
    let worker = Worker::new(&ROOM, &chain("", COOKIE));
    let mut off = worker.stream().on_level(&ROOM, "{disabled: true}");
    assert_eq!(wanted(&mut off), None);
    assert_eq!(told(&mut off, "set-cookie"), "");
    let own = format!("{{stateful_session: {{{HEADER}}}}}");
    let mut by_header = worker.stream().on_level(&ROOM, &own);
    assert_eq!(wanted(&mut by_header), None);
    assert_ne!(told(&mut by_header, "x-session"), "");
    assert_eq!(counts(&worker), [0; 4]);
}

const ENVELOPE: &str = "session_state: {name: envoy.http.stateful_session.envelope, typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.http.stateful_session.envelope.v3.EnvelopeSessionState, \
    header: {name: x-session}}}";

#[test]
fn an_envelope_holds_the_hosts_own_value() {
    let worker = Worker::new(&ROOM, &chain("", ENVELOPE));
    let packed = format!("{};UV:{}", encode(HOST.as_bytes()), encode(b"own"));
    let mut stream = worker.stream().with("x-session", &packed);
    let host = wanted(&mut stream).expect("a host");
    assert_eq!(&*host.address, HOST);
    assert_eq!(values(&stream.request, "x-session"), "own");
}

#[test]
fn what_is_no_value_of_a_header_is_not_unpacked() {
    let worker = Worker::new(&ROOM, &chain("", ENVELOPE));
    let packed = format!("{};UV:{}", encode(HOST.as_bytes()), encode(b"a\r\nb: c"));
    let mut stream = worker.stream().with("x-session", &packed);
    assert_eq!(wanted(&mut stream), None);
    assert_eq!(values(&stream.request, "x-session"), packed);
}

#[test]
fn a_session_is_found_by_its_name() {
    let other = HEADER.replace("envoy.http.stateful_session.header", "other");
    let refused = refusal(&ROOM, &format!("{{{other}}}"));
    assert!(refused.contains("Didn't find a registered implementation for name: 'other'"));
    let other = HEADER.replace("session.header,", "session.cookie,");
    let refused = refusal(&ROOM, &format!("{{{other}}}"));
    let cookie = "envoy.extensions.http.stateful_session.cookie.v3.CookieBasedSessionState";
    assert!(
        refused.contains(&format!("Unable to unpack as {cookie}")),
        "{refused}"
    );
}
