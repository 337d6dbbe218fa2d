//! The JWT authentication filter on streams: time, keys that a test hands out, and what is remembered.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::hmac;
use nuncio_contract::buffer::Buffer;
use nuncio_contract::calls::{CallEvent, CallOptions, HttpCall, HttpCalls};
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{HeadersStatus, Resume};
use nuncio_contract::services::LocalFuture;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::ROOM;
use super::claims;
use crate::tests::harness::{Stream, Worker, outcome, refusal};

/// The keys that tokens here are signed with: `secret`.
const KEYS: &str = "{\"keys\": [{\"kty\": \"oct\", \"k\": \"c2VjcmV0\"}]}";

fn url_base64(bytes: &[u8]) -> String {
    let text = nuncio_config::base64::encode(bytes);
    let text = text.trim_end_matches('=');
    text.replace('+', "-").replace('/', "_")
}

fn token(payload: &str) -> String {
    let header = url_base64(b"{\"alg\":\"HS256\"}");
    let signed = format!("{header}.{}", url_base64(payload.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", url_base64(signature.as_ref()))
}

/// One provider, `p`, that everything is to come from.
fn one(source: &str, more: &str) -> String {
    format!(
        "{{providers: {{p: {{issuer: i, {source}{more}}}}}, rules: [{{match: {{prefix: /}}, requires: {{provider_name: p}}}}]}}"
    )
}

fn local(more: &str) -> Worker {
    Worker::new(
        &ROOM,
        &one(&format!("local_jwks: {{inline_string: '{KEYS}'}}"), more),
    )
}

fn with_token<'w>(worker: &'w Worker, token: &str) -> Stream<'w> {
    worker
        .stream()
        .with("authorization", &format!("Bearer {token}"))
}

/// What the filter says at once; empty if the request goes on.
fn verdict(stream: &mut Stream<'_>) -> String {
    match stream.decode_headers(true) {
        HeadersStatus::Continue => String::new(),
        HeadersStatus::Reply(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
        _ => "waits".to_owned(),
    }
}

fn seconds_now(worker: &Worker) -> u64 {
    use nuncio_contract::clock::Clock;
    let wall = worker.services.wall().duration_since(std::time::UNIX_EPOCH);
    wall.expect("a test's time is after 1970").as_secs()
}

#[test]
fn times_count_with_the_skew_to_the_second() {
    let worker = local(", clock_skew_seconds: 10");
    worker.services.clock.advance(Duration::from_secs(10_000));
    let now = seconds_now(&worker);
    for (name, seconds, expected) in [
        ("exp", now - 10, ""),
        ("exp", now - 11, "Jwt is expired"),
        ("nbf", now + 10, ""),
        ("nbf", now + 11, "Jwt not yet valid"),
    ] {
        let token = token(&format!("{{\"iss\":\"i\",\"{name}\":{seconds}}}"));
        assert_eq!(
            verdict(&mut with_token(&worker, &token)),
            expected,
            "{name} {seconds}"
        );
    }
}

#[test]
fn the_rest_of_a_life_is_below_the_longest() {
    let worker = local(", max_lifetime: 100s");
    let now = seconds_now(&worker);
    for (rest, expected) in [(99, ""), (100, "Jwt verification fails")] {
        let token = token(&format!("{{\"iss\":\"i\",\"exp\":{}}}", now + rest));
        assert_eq!(
            verdict(&mut with_token(&worker, &token)),
            expected,
            "{rest}"
        );
    }
    let endless = token("{\"iss\":\"i\"}");
    assert_eq!(
        verdict(&mut with_token(&worker, &endless)),
        "Jwt verification fails"
    );
}

#[test]
fn a_token_is_remembered_until_so_many_others_have_come() {
    let worker = local(", jwt_cache_config: {jwt_cache_size: 2}");
    let tokens = ["a", "b", "c"].map(|sub| token(&format!("{{\"iss\":\"i\",\"sub\":\"{sub}\"}}")));
    let ask = |at: usize| {
        assert_eq!(verdict(&mut with_token(&worker, &tokens[at])), "");
        worker.stat("jwt_authn.jwt_cache_hit")
    };
    assert_eq!((ask(0), ask(1), ask(0)), (0, 0, 1));
    // The second goes for the third, as it was not seen for the longest time.
    assert_eq!((ask(2), ask(0), ask(1)), (1, 2, 2));
    assert_eq!(worker.stat("jwt_authn.allowed"), 6);
}

#[test]
fn a_remembered_token_ends_all_the_same() {
    let worker = local(", jwt_cache_config: {}");
    let token = token(&format!(
        "{{\"iss\":\"i\",\"exp\":{}}}",
        seconds_now(&worker) + 5
    ));
    assert_eq!(verdict(&mut with_token(&worker, &token)), "");
    worker.services.clock.advance(Duration::from_secs(66));
    assert_eq!(verdict(&mut with_token(&worker, &token)), "Jwt is expired");
}

#[test]
fn nobody_else_sets_the_headers_of_claims() {
    let worker = local(
        ", forward_payload_header: x-p, claim_to_headers: [{header_name: x-c, claim_name: c}]",
    );
    let good = token("{\"iss\":\"i\"}");
    let mut stream = with_token(&worker, &good)
        .with("x-p", "forged")
        .with("x-c", "forged");
    assert_eq!(verdict(&mut stream), "");
    assert_eq!(stream.header("x-c"), "");
    assert_eq!(stream.header("x-p"), url_base64(b"{\"iss\":\"i\"}"));
    assert_eq!(stream.header("authorization"), "");
}

/// Keys that a test hands out: each fetch gets the next answer.
#[derive(Default)]
struct Played {
    answers: RefCell<VecDeque<Option<&'static str>>>,
    fetches: Cell<usize>,
    spawned: RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>,
}

struct PlayedCall(VecDeque<CallEvent>);

impl HttpCall for PlayedCall {
    fn send(&mut self, _data: &[u8], _end_stream: bool) {}

    fn unsent_bytes(&self) -> usize {
        0
    }

    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<CallEvent> {
        self.0.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

impl HttpCalls for Played {
    fn start(&self, _: &str, head: HeaderMap, _: CallOptions) -> Option<Box<dyn HttpCall>> {
        assert_eq!(head.get(Known::Path), Some(b"/keys".as_slice()));
        self.fetches.set(self.fetches.get() + 1);
        let events = match self.answers.borrow_mut().pop_front().flatten() {
            None => vec![CallEvent::Reset],
            Some(text) => {
                let mut headers = HeaderMap::response();
                headers.set(Known::Status, b"200");
                let mut data = Buffer::new();
                data.extend(text.as_bytes());
                let [end_stream, is_last] = [false, true];
                vec![
                    CallEvent::Head {
                        headers,
                        end_stream,
                    },
                    CallEvent::Data {
                        data,
                        end_stream: is_last,
                    },
                ]
            }
        };
        Some(Box::new(PlayedCall(events.into())))
    }

    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.spawned.borrow_mut().push(task);
    }

    fn sleep(&self, _duration: Duration) -> LocalFuture<()> {
        Box::pin(std::future::pending())
    }
}

fn remote(more: &str, answers: &[Option<&'static str>]) -> (Worker, Rc<Played>) {
    let source = format!(
        "remote_jwks: {{http_uri: {{uri: 'http://keys/keys', cluster: keys, timeout: 1s}}, cache_duration: 60s{more}}}"
    );
    let worker = Worker::new(&ROOM, &one(&source, ""));
    let played = Rc::new(Played {
        answers: RefCell::new(answers.iter().copied().collect()),
        ..Played::default()
    });
    *worker.services.calls.borrow_mut() = Some(Rc::clone(&played) as _);
    (worker, played)
}

/// The same as [`verdict`], where keys may be fetched first.
fn verdict_in_the_end(stream: &mut Stream<'_>) -> String {
    let mut wait = match stream.decode_headers(true) {
        HeadersStatus::Wait(wait) => wait,
        HeadersStatus::Continue => return String::new(),
        HeadersStatus::Reply(reply) => return String::from_utf8_lossy(&reply.body).into_owned(),
        _ => panic!("it neither stops nor adds a body"),
    };
    match outcome(&mut wait) {
        Some(Resume::Then(applied)) => match stream.apply(*applied) {
            None => String::new(),
            Some(reply) => String::from_utf8_lossy(&reply.body).into_owned(),
        },
        _ => panic!("all is there"),
    }
}

#[test]
fn keys_are_fetched_once_for_as_long_as_they_are_kept() {
    let (worker, played) = remote("", &[Some(KEYS), Some(KEYS)]);
    let good = token("{\"iss\":\"i\"}");
    let ask = || verdict_in_the_end(&mut with_token(&worker, &good));
    assert_eq!((ask(), played.fetches.get()), (String::new(), 1));
    worker.services.clock.advance(Duration::from_secs(59));
    assert_eq!((ask(), played.fetches.get()), (String::new(), 1));
    worker.services.clock.advance(Duration::from_secs(1));
    assert_eq!((ask(), played.fetches.get()), (String::new(), 2));
    assert_eq!(worker.stat("jwt_authn.jwks_fetch_success"), 2);
}

#[test]
fn without_keys_tokens_are_not_believed_and_the_next_request_asks_again() {
    let (worker, played) = remote("", &[None, Some("{}"), Some(KEYS)]);
    let good = token("{\"iss\":\"i\"}");
    let ask = || verdict_in_the_end(&mut with_token(&worker, &good));
    assert_eq!(ask(), "Jwks remote fetch is failed");
    assert_eq!(ask(), "Jwks remote fetch is failed");
    assert_eq!(ask(), "");
    assert_eq!(played.fetches.get(), 3);
    assert_eq!(worker.stat("jwt_authn.jwks_fetch_failed"), 2);
}

#[test]
fn what_is_wrong_without_keys_fetches_none() {
    let (worker, played) = remote("", &[]);
    assert_eq!(verdict(&mut worker.stream()), "Jwt is missing");
    let other = token("{\"iss\":\"other\"}");
    assert_eq!(
        verdict(&mut with_token(&worker, &other)),
        "Jwt issuer is not configured"
    );
    assert_eq!(played.fetches.get(), 0);
}

#[test]
fn old_keys_serve_while_new_ones_are_fetched_aside() {
    let more = ", async_fetch: {failed_refetch_duration: 5s}";
    let (worker, played) = remote(more, &[Some(KEYS), None, Some(KEYS)]);
    let good = token("{\"iss\":\"i\"}");
    let ask = || verdict(&mut with_token(&worker, &good));
    let aside = || {
        let tasks = std::mem::take(&mut *played.spawned.borrow_mut());
        let ended = tasks.into_iter().map(|mut task| outcome(&mut task));
        ended.filter(Option::is_some).count()
    };
    assert_eq!(verdict_in_the_end(&mut with_token(&worker, &good)), "");
    worker.services.clock.advance(Duration::from_secs(60));
    assert_eq!((ask(), ask()), (String::new(), String::new()));
    assert_eq!((aside(), played.fetches.get()), (1, 2));
    worker.services.clock.advance(Duration::from_secs(4));
    assert_eq!((ask(), aside()), (String::new(), 0));
    worker.services.clock.advance(Duration::from_secs(1));
    assert_eq!((ask(), aside()), (String::new(), 1));
    assert_eq!(worker.stat("jwt_authn.jwks_fetch_failed"), 1);
    assert_eq!(worker.stat("jwt_authn.jwks_fetch_success"), 2);
}

#[test]
fn one_provider_whose_keys_are_there_is_enough_of_several() {
    let config = format!(
        "{{providers: {{far: {{issuer: i, remote_jwks: {{http_uri: {{uri: 'http://keys/keys', cluster: keys, timeout: 1s}}}}}}, \
         near: {{issuer: i, local_jwks: {{inline_string: '{KEYS}'}}}}}}, rules: [{{match: {{prefix: /}}, requires: \
         {{requires_any: {{requirements: [{{provider_name: far}}, {{provider_name: near}}]}}}}}}]}}"
    );
    let worker = Worker::new(&ROOM, &config);
    let good = token("{\"iss\":\"i\"}");
    assert_eq!(verdict(&mut with_token(&worker, &good)), "");
}

#[test]
fn a_provider_that_is_not_there_is_refused() {
    let config = "{rules: [{match: {prefix: /}, requires: {provider_name: q}}]}";
    let text = refusal(&ROOM, config);
    assert!(
        text.contains("Required provider ['q'] is not configured."),
        "{text}"
    );
}

#[test]
fn base64_of_urls_is_read_as_envoy_does() {
    for (text, expected) in [
        ("", Some(b"".as_slice())),
        ("-_-_", Some(&[0xfb, 0xff, 0xbf])),
        ("QQ", Some(b"A")),
        ("QQ==", Some(b"A")),
        ("Q Q\n", Some(b"A")),
        ("QQ=", None),
        ("Q", None),
        ("QUI+", None),
        ("====", None),
    ] {
        assert_eq!(
            nuncio_config::base64_url::decode(text.as_bytes()).as_deref(),
            expected,
            "{text}"
        );
    }
}

#[test]
fn line_ends_may_stand_in_texts_and_nowhere_else_do_they_change_anything() {
    let read = claims::read(b"{\n\"a\":\t\"x\ny\\\"\n\", \"b\": \"\\n\"}").expect("it is read");
    assert_eq!(read.get("a"), Some(&Value::String("x\ny\"\n".into())));
    assert_eq!(read.get("b"), Some(&Value::String("\n".into())));
    assert!(claims::read(b"{\"a\": \"x\n}").is_none());
}

#[test]
fn claims_become_values_of_headers() {
    let list = Value::List(vec![Value::Number(1.0), Value::Bool(true)]);
    for (claim, expected) in [
        (Value::Number(7.0), Some("7")),
        (Value::Number(1.5), Some("1.500000")),
        (Value::Number(-3.0), Some("-3.000000")),
        (Value::String("".into()), None),
        (Value::Null, None),
        (list, Some("WzEsdHJ1ZV0=")),
    ] {
        assert_eq!(
            claims::header_value(&claim).as_deref(),
            expected,
            "{claim:?}"
        );
    }
}

#[test]
fn texts_of_several_words_become_lists_if_that_is_wanted() {
    let mut claims = Struct::default();
    claims.insert("scope", Value::String("read  write".into()));
    claims.insert("n", Value::Number(1.0));
    claims::split_at_spaces(&mut claims, &["scope".into(), "n".into(), "none".into()]);
    let words = ["read", "write"].map(|word| Value::String(word.into()));
    assert_eq!(claims.get("scope"), Some(&Value::List(words.to_vec())));
    assert_eq!(claims.get("n"), Some(&Value::Number(1.0)));
}

#[test]
fn a_name_that_stands_twice_is_no_json() {
    let worker = local("");
    for payload in [
        "{\"iss\":\"other\",\"iss\":\"i\"}",
        "{\"iss\":\"i\",\"in\":{\"a\":1,\"a\":2}}",
        "{\"iss\":\"i\",\"in\":[{\"a\":1,\"a\":1}]}",
    ] {
        let told = verdict(&mut with_token(&worker, &token(payload)));
        assert_eq!(told, "Jwt payload is an invalid JSON", "{payload}");
    }
    let once = "{\"iss\":\"i\",\"in\":[{\"a\":1},{\"a\":null},true,-1,1.5]}";
    assert_eq!(verdict(&mut with_token(&worker, &token(once))), "");
}
