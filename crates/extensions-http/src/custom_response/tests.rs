//! The custom response filter on streams.

use nuncio_contract::http_filter::HeadersStatus;

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

#[test]
fn policies_that_need_internal_redirects_and_unknown_ones_are_refused() {
    let redirect = on_status("404", &format!("'@type': {REDIRECT}, uri: 'http://a/b'"));
    assert!(refusal(&ROOM, &redirect).contains("is not supported by Nuncio yet"));
    let text = "'@type': type.googleapis.com/google.protobuf.StringValue, value: a";
    let unknown = refusal(&ROOM, &on_status("404", text));
    assert!(
        unknown.contains("Didn't find a registered implementation for 'a'"),
        "{unknown}"
    );
}
