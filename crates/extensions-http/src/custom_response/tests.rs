//! The custom response filter on streams.

use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::local_reply::Basis;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, refusal, response};

const LOCAL: &str = "type.googleapis.com/envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy";
const REDIRECT: &str =
    "type.googleapis.com/envoy.extensions.http.custom_response.redirect_policy.v3.RedirectPolicy";

/// The response's status leads to a policy.
fn on_status(status: &str, policy: &str) -> String {
    let input = "{name: i, typed_config: {'@type': type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeMatchInput}}";
    format!(
        "{{custom_response_matcher: {{matcher_tree: {{input: {input}, exact_match_map: {{map: {{'{status}': \
         {{action: {{name: a, typed_config: {{{policy}}}}}}}}}}}}}}}}}"
    )
}

fn local(status: &str, rest: &str) -> String {
    on_status(status, &format!("'@type': {LOCAL}, {rest}"))
}

/// Status and body of the answer to a response with this status; none if that passes.
fn answered(mut stream: Stream<'_>, status: &str) -> Option<(u16, String)> {
    let mut response = response(&[(":status", status)]);
    match stream.encode_headers(&mut response, false) {
        HeadersStatus::Continue => None,
        HeadersStatus::Reply(reply) => {
            let body = String::from_utf8(reply.body.into_owned()).expect("text");
            Some((reply.status, body))
        }
        _ => panic!("neither passed on nor answered"),
    }
}

fn answer(status: u16, body: &str) -> Option<(u16, String)> {
    Some((status, body.to_owned()))
}

#[test]
fn a_response_becomes_what_the_policy_of_its_status_says() {
    let chain = local("404", "status_code: 499, body: {inline_string: gone}");
    let worker = Worker::new(&ROOM, &chain);
    assert_eq!(answered(worker.stream(), "404"), answer(499, "gone"));
    assert_eq!(answered(worker.stream(), "200"), None);
}

#[test]
fn without_a_status_the_response_keeps_its_own_and_a_format_words_the_body() {
    let chain = local(
        "429",
        "body: {inline_string: slow}, body_format: {text_format_source: {inline_string: '<%LOCAL_REPLY_BODY%>'}}",
    );
    let worker = Worker::new(&ROOM, &chain);
    assert_eq!(answered(worker.stream(), "429"), answer(429, "<slow>"));
}

#[test]
fn a_level_without_a_policy_for_the_response_leaves_it_to_the_next() {
    let chain = local("404", "body: {inline_string: chain}");
    let worker = Worker::new(&ROOM, &chain);
    let stream = || {
        worker
            .stream()
            .on_level(&ROOM, &local("500", "body: {inline_string: route}"))
    };
    assert_eq!(answered(stream(), "500"), answer(500, "route"));
    assert_eq!(answered(stream(), "404"), answer(404, "chain"));
}

fn redirect(status: &str, rest: &str) -> String {
    on_status(status, &format!("'@type': {REDIRECT}, {rest}"))
}

/// A stream whose request is whole and was seen by the filter.
fn whole<'w>(worker: &'w Worker) -> Stream<'w> {
    let mut stream = worker.stream();
    let now = nuncio_contract::clock::Clock::now(&worker.services);
    stream.info.downstream_timing.last_rx_byte = Some(now);
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    stream
}

#[test]
fn without_a_route_the_request_goes_where_it_was_going_and_it_counts() {
    let worker = Worker::new(&ROOM, &redirect("404", "uri: 'http://b/c'"));
    let mut stream = whole(&worker);
    let before = (stream.header(":authority"), stream.header(":path"));
    let mut response = response(&[(":status", "404")]);
    let first = stream.encode_headers(&mut response, false);
    assert!(matches!(first, HeadersStatus::Again(_)));
    assert_eq!(
        (stream.header(":authority"), stream.header(":path")),
        ("b".into(), "/c".into())
    );
    let second = stream.encode_headers(&mut response, false);
    assert!(matches!(second, HeadersStatus::Continue));
    assert_eq!(
        (stream.header(":authority"), stream.header(":path")),
        before
    );
    assert_eq!(worker.stat("custom_response_redirect_no_route"), 1);
}

/// What comes of a response of 404 where the policy has a route.
fn redirected(stream: Stream<'_>) -> (HeadersStatus, String) {
    let mut stream = stream.going_to("cluster");
    let mut response = response(&[(":status", "404")]);
    let first = stream.encode_headers(&mut response, false);
    match first {
        HeadersStatus::Again(_) => {
            let second = stream.encode_headers(&mut response, false);
            (second, stream.header(":method"))
        }
        first => (first, stream.header(":method")),
    }
}

#[test]
fn only_a_whole_request_that_came_here_begins_anew() {
    let worker = Worker::new(&ROOM, &redirect("404", "uri: 'http://b/c'"));
    let (status, method) = redirected(whole(&worker));
    let HeadersStatus::Reply(reply) = status else {
        panic!("passed on");
    };
    assert_eq!((reply.basis, &*method), (Basis::Anew, "GET"));
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(false),
        HeadersStatus::Continue
    ));
    assert!(matches!(redirected(stream).0, HeadersStatus::Continue));
    assert!(matches!(
        redirected(worker.stream()).0,
        HeadersStatus::Continue
    ));
}

#[test]
fn what_makes_no_redirect_and_unknown_policies_are_refused_in_envoys_words() {
    let action = |rest: &str| redirect("404", &format!("redirect_action: {{{rest}}}"));
    for (config, told) in [
        (
            redirect("404", "uri: here"),
            "Invalid uri specified for redirection for custom response: here",
        ),
        (
            action("prefix_rewrite: /a"),
            "prefix_rewrite is not supported for Custom Response",
        ),
        (
            action("regex_rewrite: {pattern: {regex: a}, substitution: b}"),
            "regex_rewrite is not supported for Custom Response",
        ),
        (
            action("path_redirect: '/a#b'"),
            "#fragment is not supported for custom response. Specified path_redirect is /a#b",
        ),
        (
            action("response_code: FOUND"),
            "is not supported by Nuncio yet",
        ),
    ] {
        let refused = refusal(&ROOM, &config);
        assert!(refused.contains(told), "{refused}");
    }
    let text = "'@type': type.googleapis.com/google.protobuf.StringValue, value: a";
    let unknown = refusal(&ROOM, &on_status("404", text));
    assert!(
        unknown.contains("Didn't find a registered implementation for 'a'"),
        "{unknown}"
    );
}
