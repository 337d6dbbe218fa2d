//! The basic auth filter on streams.

use nuncio_contract::headers::Known;
use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::local_reply::LocalReply;
use nuncio_contract::stream_info::metadata::Value;

use super::ROOM;
use crate::tests::harness::{Stream, Worker, parse_level, refusal};
use nuncio_config::base64;

/// `alice` with `alicepass`, and `empty` with no password.
const USERS: &str = "users: {inline_string: \"alice:{SHA}Ib9wL039Cd3QkElouncuPd0/kag=\\n# empty:\\n\\n\
                     empty:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\"}";

fn worker(more: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{{USERS}, {more}}}"))
}

fn basic(pair: &str) -> String {
    let encoded = base64::encode(pair.as_bytes());
    format!("Basic {encoded}")
}

fn answer(stream: &mut Stream<'_>) -> Option<LocalReply> {
    match stream.decode_headers(true) {
        HeadersStatus::Reply(reply) => Some(*reply),
        _ => None,
    }
}

fn details(mut stream: Stream<'_>) -> String {
    answer(&mut stream).map_or("passed".to_owned(), |reply| reply.details.into_owned())
}

#[test]
fn users_pass_and_others_are_told_why_not() {
    let worker = worker("");
    let with = |value: &str| details(worker.stream().with("authorization", value));
    assert_eq!(details(worker.stream()), "no_credential_for_basic_auth");
    assert_eq!(with("Bearer x"), "invalid_scheme_for_basic_auth");
    assert_eq!(with("Basic !"), "invalid_format_for_basic_auth");
    assert_eq!(with(&basic("alice")), "invalid_format_for_basic_auth");
    for wrong in [
        "alice:",
        "alice:alicepass ",
        "alic:alicepass",
        ":alicepass",
        "alice:x:alicepass",
    ] {
        assert_eq!(
            with(&basic(wrong)),
            "invalid_credential_for_basic_auth",
            "{wrong}"
        );
    }
    assert_eq!(with(&basic("alice:alicepass")), "passed");
    assert_eq!(with(&basic("empty:")), "passed");
    assert_eq!(worker.stat("basic_auth.allowed"), 2);
    assert_eq!(worker.stat("basic_auth.denied"), 9);
}

#[test]
fn the_answer_names_the_url_within_quotes() {
    let worker = worker("");
    let mut stream = worker.stream();
    let path = format!("/\"\\{}", "a".repeat(300));
    stream.request.set(Known::Path, path.as_bytes());
    let reply = answer(&mut stream).expect("refused");
    assert_eq!(reply.status, 401);
    let [(name, value)] = reply.headers.as_slice() else {
        panic!("one header");
    };
    assert_eq!(name.as_str(), "www-authenticate");
    let expected = format!("Basic realm=\"://host/\\\"\\\\{}\"", "a".repeat(253));
    assert_eq!(String::from_utf8_lossy(value), expected);
}

#[test]
fn who_it_was_is_passed_on_and_nobody_else() {
    let worker = worker("forward_username_header: X-User, emit_dynamic_metadata: true");
    let claimed = worker.stream().with("x-user", "mallory");
    let claimed = claimed.with("x-user", "eve");
    let mut stream = claimed.with("authorization", &basic("alice:alicepass"));
    assert!(answer(&mut stream).is_none());
    assert_eq!(stream.header("x-user"), "alice");
    let metadata = stream.info.dynamic_metadata().expect("metadata");
    let user = metadata.value(ROOM.name, &["username".into()]);
    assert_eq!(user, Some(&Value::String("alice".into())));
}

#[test]
fn credentials_may_be_missing_but_not_wrong() {
    let worker = worker("allow_missing: true, authentication_header: x-auth");
    let with = |value: &str| details(worker.stream().with("x-auth", value));
    assert_eq!(details(worker.stream()), "passed");
    assert_eq!(with("Bearer x"), "passed");
    assert_eq!(with("Basic x"), "invalid_format_for_basic_auth");
    assert_eq!(with(&basic("alice:x")), "invalid_credential_for_basic_auth");
    let other = worker.stream().with("authorization", &basic("alice:x"));
    assert_eq!(details(other), "passed");
    assert_eq!(worker.stat("basic_auth.allowed"), 0);
}

#[test]
fn a_level_has_users_of_its_own() {
    let worker = worker("");
    let bob = "{users: {inline_string: 'bob:{SHA}L6X2Gm7VWf+v5n7AOftcEvfoUzM='}}";
    let on = |level: &str, pair: &str| {
        let stream = worker.stream().with("authorization", &basic(pair));
        details(stream.on_level(&ROOM, level))
    };
    assert_eq!(on(bob, "bob:bobpass"), "passed");
    let unknown = "invalid_credential_for_basic_auth";
    assert_eq!(on(bob, "alice:alicepass"), unknown);
    let nobody = "{users: {inline_string: ''}}";
    assert_eq!(on(nobody, "alice:alicepass"), unknown);
}

#[test]
fn files_that_are_none_are_refused_in_envoys_words() {
    for (text, words) in [
        (
            "alice",
            "basic auth: invalid htpasswd format, username:password is expected",
        ),
        (":x", "basic auth: empty user name or password"),
        ("alice:", "basic auth: empty user name or password"),
        (
            "alice:$apr1$x",
            "basic auth: unsupported htpasswd format: please use {SHA}",
        ),
        (
            "alice:{SHA}x",
            "basic auth: invalid htpasswd format, invalid SHA hash length",
        ),
        (
            "a:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\\na:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "basic auth: duplicate users",
        ),
        (
            "a:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\\r\\n",
            "basic auth: invalid htpasswd format, invalid SHA hash length",
        ),
        ("", "DataSource cannot be empty"),
    ] {
        let config = format!("{{users: {{inline_string: \"{text}\"}}}}");
        assert_eq!(refusal(&ROOM, &config), words, "{text}");
        if !text.is_empty() {
            let level = parse_level(&ROOM, &config).err();
            assert_eq!(level.as_deref(), Some(words), "{text}");
        }
    }
    let strange = "{users: {inline_string: \"a\\x01:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\"}}";
    assert!(refusal(&ROOM, strange).contains("no header may have"));
    assert_eq!(
        refusal(&ROOM, "{}"),
        "Unexpected DataSource::specifier_case(): 0"
    );
}
