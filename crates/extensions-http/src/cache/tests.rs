//! The cache, stream by stream. The store is the process's, so that each test has a host of its own.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nuncio_contract::clock::Clock as _;
use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::{DataStatus, HeadersStatus, Then};

use super::ROOM;
use crate::caching::control::{RequestControl, ResponseControl};
use crate::caching::ranges::{Part, part};
use crate::caching::store::{Body, Entry, Head, Pending, Store};
use crate::tests::harness::{Stream, Worker, outcome, refusal, response, values};

const SIMPLE: &str = "typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig}";

fn worker(rest: &str) -> Worker {
    Worker::new(&ROOM, &format!("{{{SIMPLE}{rest}}}"))
}

fn request<'w>(worker: &'w Worker, host: &str) -> Stream<'w> {
    let stream = worker.stream();
    stream.with(":authority", host).with(":scheme", "http")
}

/// The host's answer passes; whether the cache let the request go to it.
fn answer(stream: &mut Stream<'_>, headers: &[(&str, &str)], body: &[u8]) -> bool {
    if !matches!(stream.decode_headers(true), HeadersStatus::Continue) {
        return false;
    }
    stream.info.response_code_details = Some("via_upstream".into());
    let mut head = response(headers);
    let _ = stream.encode_headers(&mut head, body.is_empty());
    if !body.is_empty() {
        let _ = stream.encode_data(body, true);
    }
    true
}

const FRESH: &[(&str, &str)] = &[(":status", "200"), ("cache-control", "max-age=9999999999")];

/// Head and body of what is served from the cache; none if the host is asked.
fn served(stream: &mut Stream<'_>) -> Option<(HeaderMap, Vec<u8>)> {
    let HeadersStatus::Reply(reply) = stream.decode_headers(true) else {
        return None;
    };
    assert_eq!(reply.details, "cache.response_from_cache_filter");
    let mut head = response(&[(":status", "200")]);
    if let HeadersStatus::Later = stream.encode_headers(&mut head, true) {
        while let Some(Then::Head { .. } | Then::More) = stream.encode_late() {}
    }
    Some((head, stream.passed.clone()))
}

#[test]
fn an_answer_is_served_again_with_its_age() {
    let worker = worker("");
    let first = &mut request(&worker, "again");
    assert!(answer(first, FRESH, b"hello"));
    worker.services.clock.advance(Duration::from_secs(7));
    let (head, body) = served(&mut request(&worker, "again")).expect("it is kept");
    assert_eq!(body, b"hello");
    assert_eq!(values(&head, "cache-control"), "max-age=9999999999");
    let age: u64 = values(&head, "age").parse().expect("a number");
    let now = worker
        .services
        .wall()
        .duration_since(SystemTime::UNIX_EPOCH);
    assert_eq!(
        age,
        now.expect("after 1970").as_secs(),
        "without a date all time counts"
    );
}

#[test]
fn a_large_body_is_given_in_pieces() {
    let worker = worker("");
    let body = vec![b'x'; 200 << 10];
    assert!(answer(&mut request(&worker, "large"), FRESH, &body));
    let mut stream = request(&worker, "large");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Reply(_)
    ));
    let mut head = response(&[(":status", "200")]);
    assert!(matches!(
        stream.encode_headers(&mut head, true),
        HeadersStatus::Later
    ));
    let mut pieces = 0;
    while let Some(Then::Head { .. } | Then::More) = stream.encode_late() {
        pieces += 1;
    }
    assert_eq!((pieces, stream.passed.len()), (4, body.len()));
}

#[test]
fn variants_are_kept_apart_and_names_that_are_not_allowed_are_not_kept() {
    let worker = worker(", allowed_vary_headers: [{exact: accept-language}]");
    let varied = |name| [FRESH, &[("vary", name)]].concat();
    let ask = |language: &str| request(&worker, "vary").with("accept-language", language);
    let by_language = varied("accept-language");
    assert!(answer(&mut ask("de"), &by_language, b"hallo"));
    assert!(answer(&mut ask("en"), &by_language, b"hello"));
    let body = |language| served(&mut ask(language)).map(|(_, body)| body);
    assert_eq!(body("de").as_deref(), Some(&b"hallo"[..]));
    assert_eq!(body("en").as_deref(), Some(&b"hello"[..]));
    assert_eq!(body("fr"), None);
    for name in ["*", "x-other", "accept-language, x-other"] {
        let mut stream = request(&worker, name);
        assert!(answer(&mut stream, &varied(name), b"hello"));
        assert!(served(&mut request(&worker, name)).is_none(), "{name}");
    }
}

#[test]
fn answers_of_the_proxy_parts_and_bodies_that_are_too_large_are_not_kept() {
    let worker = worker(", max_body_bytes: 4");
    let mut local = request(&worker, "local");
    assert!(matches!(
        local.decode_headers(true),
        HeadersStatus::Continue
    ));
    local.info.response_code_details = Some("direct_response".into());
    let _ = local.encode_headers(&mut response(FRESH), true);
    assert!(served(&mut request(&worker, "local")).is_none());

    let part = [(":status", "206"), ("cache-control", "max-age=100")];
    assert!(answer(&mut request(&worker, "part"), &part, b"part"));
    assert!(served(&mut request(&worker, "part")).is_none());

    assert!(answer(&mut request(&worker, "too-large"), FRESH, b"large"));
    assert!(served(&mut request(&worker, "too-large")).is_none());
    assert!(answer(&mut request(&worker, "small"), FRESH, b"four"));
    assert!(served(&mut request(&worker, "small")).is_some());
}

#[test]
fn an_answer_that_does_not_come_to_its_end_is_not_kept() {
    let worker = worker("");
    let mut stream = request(&worker, "cut");
    let _ = stream.decode_headers(true);
    stream.info.response_code_details = Some("via_upstream".into());
    let _ = stream.encode_headers(&mut response(FRESH), false);
    let _ = stream.encode_data(b"hel", false);
    drop(stream);
    assert!(served(&mut request(&worker, "cut")).is_none());
}

#[test]
fn what_the_host_finds_unchanged_keeps_all_values_of_a_name() {
    let worker = worker("");
    let kept = [
        (":status", "200"),
        ("cache-control", "no-cache"),
        ("etag", "\"a\""),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ];
    assert!(answer(&mut request(&worker, "same"), &kept, b"hello"));
    let mut stream = request(&worker, "same");
    assert!(matches!(
        stream.decode_headers(true),
        HeadersStatus::Continue
    ));
    assert_eq!(stream.header("if-none-match"), "\"a\"");
    stream.info.response_code_details = Some("via_upstream".into());
    let mut head = response(&[(":status", "304"), ("x-new", "1")]);
    assert!(matches!(
        stream.encode_headers(&mut head, true),
        HeadersStatus::Later
    ));
    assert_eq!(head.get(Known::Status), Some(&b"200"[..]));
    assert_eq!(head.get_all(Known::SetCookie).count(), 2);
    assert_eq!(values(&head, "x-new"), "1");
}

#[test]
fn a_304_that_takes_its_time_to_end_gets_the_body_then() {
    let worker = worker("");
    let kept = [(":status", "200"), ("cache-control", "no-cache")];
    assert!(answer(&mut request(&worker, "slow"), &kept, b"hello"));
    let mut stream = request(&worker, "slow");
    let _ = stream.decode_headers(true);
    stream.info.response_code_details = Some("via_upstream".into());
    let mut head = response(&[(":status", "304")]);
    assert!(matches!(
        stream.encode_headers(&mut head, false),
        HeadersStatus::Continue
    ));
    let _ = stream.encode_data(b"", true);
    assert_eq!(stream.passed, b"hello");
}

#[test]
fn what_has_gone_and_is_still_read_counts_until_it_is_not() {
    let store = Store::new(4000);
    let entry = || {
        Arc::new(Entry {
            head: Head::of(&response(&[(":status", "200")])),
            body: Body::Memory(Arc::from([0; 1000].as_slice())),
            trailers: None,
            came: SystemTime::UNIX_EPOCH,
        })
    };
    let has = |key: &[u8]| store.find(key, |_| None).is_some();
    let read = [entry(), entry()];
    store.keep_shared(b"a", Arc::clone(&read[0]));
    store.keep_shared(b"a", Arc::clone(&read[1]));
    store.keep_shared(b"a", entry());
    store.keep_shared(b"b", entry());
    assert!(!has(b"b"), "two that have gone are still read");
    drop(read);
    store.keep_shared(b"b", entry());
    assert!(has(b"b"));
}

#[test]
fn the_store_forgets_what_was_used_longest_ago() {
    let store = Store::new(4000);
    let entry = || Entry {
        head: Head::of(&response(&[(":status", "200")])),
        body: Body::Memory(Arc::from([0; 1000].as_slice())),
        trailers: None,
        came: SystemTime::UNIX_EPOCH,
    };
    let has = |key: &[u8]| store.find(key, |_| None).is_some();
    store.keep(b"a", entry());
    store.keep(b"b", entry());
    assert!(has(b"a"));
    store.keep(b"c", entry());
    assert!(has(b"a") && !has(b"b") && has(b"c"));
    store.keep(b"a", entry());
    assert!(has(b"a") && has(b"c"), "one that is kept anew counts once");
}

#[test]
fn bodies_that_are_coming_have_a_limit_together() {
    let store = Arc::new(Store::new(1));
    let mut bodies: Vec<_> = (0..5).map(|_| Pending::new(&store, 16 << 20)).collect();
    let chunk = vec![0; 16 << 20];
    let taken: Vec<_> = bodies.iter_mut().map(|body| body.take(&chunk)).collect();
    assert_eq!(taken, [true, true, true, true, false]);
    assert!(!bodies[0].take(b"x"), "and each has its own");
    drop(bodies);
    assert!(Pending::new(&store, 1).take(b"x"));
}

#[test]
fn directives_count_in_any_case_and_bad_times_not_at_all() {
    let request = RequestControl::of(Some(b"Max-Age=\"5\", MAX-STALE, min-fresh=x"), None);
    assert_eq!(
        (request.max_age, request.max_stale),
        (Some(5), Some(i64::MAX))
    );
    assert_eq!(request.min_fresh, None);
    assert!(RequestControl::of(None, Some(b"no-cache")).must_validate);
    assert!(!RequestControl::of(Some(b"max-age=1"), Some(b"no-cache")).must_validate);
    let response = ResponseControl::of(b"max-age=1, s-maxage=2, Private=\"x\", must-revalidate");
    assert_eq!(response.max_age, Some(2));
    assert!(response.no_store && response.no_stale);
    assert_eq!(ResponseControl::of(b"max-age=-1").max_age, None);
}

#[test]
fn one_range_is_served_and_what_is_none_is_the_whole() {
    let bytes = |header: &str| part(Some(header.as_bytes()), 10);
    assert_eq!(bytes("bytes=2-4"), Part::Bytes(2..5));
    assert_eq!(bytes("bytes=4-"), Part::Bytes(4..10));
    assert_eq!(bytes("bytes=-3"), Part::Bytes(7..10));
    assert_eq!(bytes("bytes=3-18446744073709551615"), Part::Bytes(3..10));
    for whole in [
        "bytes=0-",
        "bytes=-10",
        "bytes=0-1,3-4",
        "bytes=-",
        "bytes=4-2",
        "lines=1-2",
    ] {
        assert_eq!(bytes(whole), Part::Whole, "{whole}");
    }
    for nothing in ["bytes=10-", "bytes=-0"] {
        assert_eq!(bytes(nothing), Part::Nothing, "{nothing}");
    }
    assert_eq!(part(Some(b"bytes=0-0"), 0), Part::Nothing);
    assert_eq!(part(None, 10), Part::Whole);
}

#[test]
fn a_store_is_needed_and_must_be_known() {
    assert!(refusal(&ROOM, "{}").contains("at least one of typed_config or disabled must be set"));
    let files = "{typed_config: {'@type': type.googleapis.com/envoy.extensions.http.cache.file_system_http_cache.v3.FileSystemHttpCacheConfig, \
        manager_config: {thread_pool: {}}, cache_path: /nowhere, evict_fraction: 2}}";
    assert!(refusal(&ROOM, files).contains("evict_fraction must be between 0 and 1"));
    let other =
        "{typed_config: {'@type': type.googleapis.com/google.protobuf.StringValue, value: a}}";
    let why = "Didn't find a registered implementation for type: 'google.protobuf.StringValue'";
    assert!(refusal(&ROOM, other).contains(why));
}

fn in_files(path: &std::path::Path, rest: &str) -> Worker {
    let path = path.display();
    let store = format!(
        "typed_config: {{'@type': type.googleapis.com/envoy.extensions.http.cache.file_system_http_cache.v3.FileSystemHttpCacheConfig, \
         manager_config: {{id: '{path}', thread_pool: {{thread_count: 1}}}}, cache_path: '{path}', create_cache_path: true}}"
    );
    Worker::new(&ROOM, &format!("{{{store}{rest}}}"))
}

/// The stream once files were looked into.
fn looked(stream: &mut Stream<'_>) -> HeadersStatus {
    let HeadersStatus::Again(mut wait) = stream.decode_headers(true) else {
        panic!("it looks into files first");
    };
    while outcome(&mut wait).is_none() {
        std::thread::yield_now();
    }
    stream.decode_headers(true)
}

/// The body of what is served from files; none if the host is asked.
fn served_from_files(stream: &mut Stream<'_>) -> Option<Vec<u8>> {
    if !matches!(looked(stream), HeadersStatus::Reply(_)) {
        return None;
    }
    let mut head = response(&[(":status", "200")]);
    if let HeadersStatus::Later = stream.encode_headers(&mut head, true) {
        loop {
            match stream.encode_late() {
                Some(Then::Head { .. } | Then::More) => {}
                Some(_) => break,
                None => std::thread::yield_now(),
            }
        }
    }
    Some(stream.passed.clone())
}

fn answer_to_files(stream: &mut Stream<'_>, headers: &[(&str, &str)], body: &[u8]) {
    assert!(matches!(looked(stream), HeadersStatus::Continue));
    stream.info.response_code_details = Some("via_upstream".into());
    let _ = stream.encode_headers(&mut response(headers), false);
    let _ = stream.encode_data(body, true);
}

/// Waits until so many answers are in their places: nobody else waits for that.
fn until_kept(path: &std::path::Path, wanted: usize) {
    let is_kept = |entry: std::io::Result<std::fs::DirEntry>| {
        let name = entry.expect("a file").file_name();
        let name = name.to_string_lossy();
        name.starts_with("cache-") && !name.ends_with(".new")
    };
    let kept = || {
        let entries = std::fs::read_dir(path);
        entries.map_or(0, |entries| entries.map(is_kept).filter(|it| *it).count())
    };
    while kept() < wanted {
        std::thread::yield_now();
    }
}

#[test]
fn answers_in_files_are_served_variants_apart_and_after_a_restart() {
    let path = std::env::temp_dir().join(format!("nuncio-cache-filter-{}", std::process::id()));
    let vary = ", allowed_vary_headers: [{exact: accept-language}]";
    let body = vec![b'x'; 200 << 10];
    {
        let worker = in_files(&path, vary);
        answer_to_files(&mut request(&worker, "large"), FRESH, &body);
        let by_language = [FRESH, &[("vary", "accept-language")]].concat();
        for language in ["de", "en"] {
            let mut stream = request(&worker, "vary").with("accept-language", language);
            answer_to_files(&mut stream, &by_language, language.as_bytes());
        }
        let event = format!("cache.event.cache_path.{}/.event_type", path.display());
        assert_eq!(worker.stat_of_all(&format!("{event}.miss")), 3);
        assert_eq!(worker.stat_of_all(&format!("{event}.hit")), 0);
        // The two variants, the names that tell them apart, and the large one.
        until_kept(&path, 4);
    }
    let worker = in_files(&path, vary);
    assert_eq!(
        served_from_files(&mut request(&worker, "large")),
        Some(body)
    );
    let ask = |language: &str| {
        served_from_files(&mut request(&worker, "vary").with("accept-language", language))
    };
    assert_eq!(ask("de").as_deref(), Some(&b"de"[..]));
    assert_eq!(ask("en").as_deref(), Some(&b"en"[..]));
    assert_eq!(ask("fr"), None);
    std::fs::remove_dir_all(&path).expect("the folder goes");
}

#[test]
fn a_304_that_takes_its_time_to_end_gets_the_body_from_its_file() {
    let path = std::env::temp_dir().join(format!("nuncio-cache-late-{}", std::process::id()));
    let worker = in_files(&path, "");
    let kept = [(":status", "200"), ("cache-control", "no-cache")];
    answer_to_files(&mut request(&worker, "slow"), &kept, b"hello");
    let mut stream = request(&worker, "slow");
    assert!(matches!(looked(&mut stream), HeadersStatus::Continue));
    stream.info.response_code_details = Some("via_upstream".into());
    let mut head = response(&[(":status", "304")]);
    let _ = stream.encode_headers(&mut head, false);
    let DataStatus::Again(mut wait) = stream.encode_data(b"", true) else {
        panic!("the body is read first");
    };
    while outcome(&mut wait).is_none() {
        std::thread::yield_now();
    }
    stream.held_body.clear();
    let _ = stream.encode_data(b"", true);
    assert_eq!(stream.passed, b"hello");
    std::fs::remove_dir_all(&path).expect("the folder goes");
}
