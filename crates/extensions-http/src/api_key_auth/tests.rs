//! The API key auth filter on streams.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal};

const CHAIN: &str = "{credentials: [{key: key-one, client: one}, {key: key-two, client: two}], key_sources: \
                     [{header: x-key}, {query: key}, {cookie: key}], forwarding: {header: x-client}}";

fn worker() -> Worker {
    Worker::new(&ROOM, CHAIN)
}

fn at<'w>(worker: &'w Worker, path: &str) -> Stream<'w> {
    let mut stream = worker.stream();
    stream.request.set(Known::Path, path.as_bytes());
    stream
}

/// Whose key it was, or why the request was refused.
fn client(stream: &mut Stream<'_>) -> String {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => reply.details.into_owned(),
        _ => stream.header("x-client"),
    }
}

#[test]
fn a_key_is_found_where_it_may_stand() {
    let worker = worker();
    for (path, header, value, expected) in [
        ("/", "x-key", "key-one", "one"),
        ("/", "x-key", "Bearer key-two", "two"),
        ("/", "x-key", "bearer key-two", "unknown_api_key"),
        ("/?key=key-one", "x-key", "key-three", "unknown_api_key"),
        ("/?key=key-one", "x-key", "", "one"),
        ("/?a=b&k%65y=key%2Done", "x", "", "one"),
        ("/?key=key-one&key=x", "x", "", "one"),
        ("/?key=", "cookie", "a=b; key=\"key-two\"", "two"),
        ("/", "cookie", "key=", "missing_api_key"),
        ("/", "x", "", "missing_api_key"),
    ] {
        let mut stream = at(&worker, path).with(header, value);
        assert_eq!(client(&mut stream), expected, "{path} {header}: {value}");
    }
    assert_eq!(worker.stat("api_key_auth.allowed"), 6);
    assert_eq!(worker.stat("api_key_auth.unauthorized"), 4);
}

#[test]
fn who_it_was_is_told_in_the_place_of_what_the_client_says() {
    let worker = worker();
    let claimed = worker.stream().with("x-client", "mallory");
    let mut stream = claimed.with("x-key", "key-one");
    assert_eq!(client(&mut stream), "one");
    assert_eq!(stream.header("x-key"), "key-one");
}

#[test]
fn keys_are_hidden_in_every_source() {
    let worker = worker();
    let hiding = "{forwarding: {hide_credentials: true}}";
    let after = |path: &str, headers: &[(&str, &str)]| {
        let mut stream = at(&worker, path);
        for (header, value) in headers {
            stream = stream.with(header, value);
        }
        let mut stream = stream.on_level(&ROOM, hiding);
        assert_eq!(client(&mut stream), "");
        ["x-key", ":path", "cookie"].map(|header| stream.header(header))
    };
    let key = [("x-key", "key-one")];
    assert_eq!(after("/x", &key), ["", "/x", ""]);
    assert_eq!(after("/x?", &key), ["", "/x", ""]);
    assert_eq!(
        after("/x?z=1&key=key-one&a=2&b&a=1", &[]),
        ["", "/x?a=2&a=1&b=&z=1", ""]
    );
    assert_eq!(
        after("/x?a=%0d%0A%20%26&key=key-one&%62=%41%", &[]),
        ["", "/x?a=%0d%0A%20%26&b=A%", ""]
    );
    let cookies = [
        ("cookie", "a=\"b\"; key=key-two; nonsense;c=d"),
        ("cookie", "e=f"),
    ];
    assert_eq!(after("/", &cookies), ["", "/", "a=b; c=d; e=f"]);
    assert_eq!(after("/", &[("cookie", "key=key-two")]), ["", "/", ""]);
}

#[test]
fn a_level_may_allow_some_clients_and_have_keys_of_its_own() {
    let worker = worker();
    let two = "{allowed_clients: [two], forwarding: {header: x-client}}";
    let mut stream = worker
        .stream()
        .with("x-key", "key-one")
        .on_level(&ROOM, two);
    assert_eq!(client(&mut stream), "client_not_allowed");
    let mut stream = worker
        .stream()
        .with("x-key", "key-two")
        .on_level(&ROOM, two);
    assert_eq!(client(&mut stream), "two");
    let own = "{credentials: [{key: own, client: owner}], key_sources: [{header: authorization}]}";
    let mut stream = worker
        .stream()
        .with("authorization", "Bearer own")
        .on_level(&ROOM, own);
    // The level says nothing of forwarding, and still takes the chain's place.
    assert_eq!(client(&mut stream), "");
    let mut stream = worker
        .stream()
        .with("x-key", "key-one")
        .on_level(&ROOM, own);
    assert_eq!(client(&mut stream), "missing_api_key");
    assert_eq!(worker.stat("api_key_auth.forbidden"), 1);
}

#[test]
fn without_sources_or_keys_nobody_passes() {
    let worker = Worker::new(&ROOM, "{}");
    assert_eq!(client(&mut worker.stream()), "missing_key_sources");
    let sources = "{key_sources: [{header: x-key}]}";
    let mut stream = worker.stream().with("x-key", "a").on_level(&ROOM, sources);
    assert_eq!(client(&mut stream), "missing_credentials");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let twice = "{credentials: [{key: a, client: b}, {key: a, client: c}]}";
    assert_eq!(refusal(&ROOM, twice), "Duplicated credential key: 'a'");
    let errors = parse_level(&ROOM, twice).expect_err("refused");
    assert_eq!(errors, "Duplicated credential key: 'a'");
    assert_eq!(
        refusal(&ROOM, "{key_sources: [{}]}"),
        "One of 'header'/'query'/'cookie' must be set."
    );
    refusal(&ROOM, "{credentials: [{key: a}]}");
    for header in [":path", "Host"] {
        let config = format!("{{key_sources: [{{header: '{header}'}}]}}");
        assert!(refusal(&ROOM, &config).contains("not a header that may hold a key"));
    }
}
