//! The credential injector, step by step.

use std::sync::Arc;

use nuncio_config::typed::{Ctx, SecretPlaces};
use nuncio_contract::generic_secret::GenericSecret;
use nuncio_contract::http_filter::HeadersStatus;

use super::ROOM;
use super::config;
use crate::tests::harness::{Worker, errors, parse, refusal};

/// The filter with a secret from a file that nobody has read yet.
const FROM_ELSEWHERE: &str = "credential: {name: c, typed_config: {\
    '@type': type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, \
    credential: {name: s, sds_config: {path_config_source: {path: /nowhere}}}, \
    header: x-key, header_value_prefix: 'Key '}}";

#[test]
fn without_a_secret_requests_are_refused_or_pass() {
    let worker = Worker::new(&ROOM, &format!("{{{FROM_ELSEWHERE}}}"));
    let mut stream = worker.stream();
    let HeadersStatus::Reply(reply) = stream.decode_headers(true) else {
        panic!("there is no secret");
    };
    assert_eq!(
        (reply.status, &*reply.details),
        (401, "failed_to_inject_credential")
    );
    assert_eq!(worker.stat("credential_injector.failed"), 1);

    let lenient = format!("{{allow_request_without_credential: true, {FROM_ELSEWHERE}}}");
    let worker = Worker::new(&ROOM, &lenient);
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("x-key"), "");
    assert_eq!(worker.stat("credential_injector.failed"), 1);
}

#[test]
fn what_the_client_says_stays_unless_it_is_to_be_overwritten() {
    let worker = Worker::new(&ROOM, &format!("{{{FROM_ELSEWHERE}}}"));
    let mut stream = worker.stream().with("x-key", "mine");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("x-key"), "mine");
    assert_eq!(worker.stat("credential_injector.already_exists"), 1);
}

#[test]
fn a_secret_is_read_where_it_stands_at_each_use() {
    let mut ctx = Ctx::default();
    let places = SecretPlaces::default();
    ctx.secret_places = places.clone();
    let any = parse(
        ROOM.message,
        &format!("{{overwrite: true, {FROM_ELSEWHERE}}}"),
        &mut ctx,
    );
    let any = any.unwrap_or_else(|_| panic!("{}", errors(&ctx)));
    let config = config::parse(&any, &mut ctx);
    let Some(wish) = ctx.secrets_wanted.first() else {
        panic!("a secret is asked for: {}", errors(&ctx));
    };
    let worker = Worker::of(
        &ROOM,
        &*config.unwrap_or_else(|_| panic!("{}", errors(&ctx))),
    );
    for secret in ["one", "two"] {
        places.fill(wish, &Arc::from(secret.as_bytes()));
        let mut stream = worker.stream().with("x-key", "mine");
        assert!(matches!(
            stream.decode_headers(true),
            HeadersStatus::Continue
        ));
        assert_eq!(stream.header("x-key"), format!("Key {secret}"));
    }
    assert_eq!(worker.stat("credential_injector.injected"), 2);
    places.fill(wish, &Arc::from(&b"a\r\nx-admin: yes"[..]));
    let mut stream = worker.stream();
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Reply(_)
    ));
}

#[test]
fn a_static_secret_must_be_there() {
    let text = refusal(
        &ROOM,
        "{credential: {name: c, typed_config: {\
          '@type': type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic, \
          credential: {name: s}}}}",
    );
    assert_eq!(text, "Unknown static secret: s");
    assert_eq!(
        format!("{:?}", GenericSecret::Static(Arc::from(&b"x"[..]))),
        "GenericSecret"
    );
}
