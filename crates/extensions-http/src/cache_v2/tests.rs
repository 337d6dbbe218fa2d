//! The cache's second version: what is coming, who waits for it, and what is known of keys. What clients see of it is in
//! the differential cases.

use std::ops::Range;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use nuncio_contract::headers::{HeaderMap, Known};
use nuncio_contract::http_filter::HeadersStatus;
use nuncio_contract::stats::Gauge;

use super::ROOM;
use super::fetch::renewed;
use super::flight::Flight;
use super::insertion::{Insertion, Piece, Reader};
use super::sessions::{Landing, Sessions, State};
use crate::caching::storage::Storage;
use crate::caching::store::{Body, Entry, Head, Store};
use crate::tests::harness::{Worker, refusal, response};

const SIMPLE: &str = "typed_config: {'@type': \
    type.googleapis.com/envoy.extensions.http.cache_v2.simple_http_cache.v3.SimpleHttpCacheV2Config}";

fn insertion(store: &Arc<Store>) -> Arc<Insertion> {
    let head = Head::of(&response(&[(":status", "200")]));
    Insertion::new(store, head, SystemTime::UNIX_EPOCH)
}

/// What a reader gets by now, byte by byte; a `.` at the end, or a `!` if it broke off.
fn read(reader: &mut Reader) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut text = String::new();
    loop {
        match reader.poll_next(&mut cx) {
            Poll::Pending => return text,
            Poll::Ready(Piece::Data(data)) => text += &String::from_utf8_lossy(data.readable()),
            Poll::Ready(Piece::Last(data)) => {
                return text + &String::from_utf8_lossy(data.readable()) + ".";
            }
            Poll::Ready(Piece::Trailers(_)) => return text + " trailers.",
            Poll::Ready(Piece::Failed) => return text + "!",
        }
    }
}

/// All of it from its beginning.
fn all(insertion: &Arc<Insertion>) -> Reader {
    insertion.read(None).expect("the beginning is there")
}

fn part(insertion: &Arc<Insertion>, part: Range<usize>) -> Reader {
    insertion.read(Some(part)).expect("the beginning is there")
}

fn room(insertion: &Insertion) -> Poll<bool> {
    insertion.poll_room(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn all_read_what_comes_each_at_their_pace() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let mut early = all(&insertion);
    assert_eq!(read(&mut early), "");
    assert!(insertion.add(b"hello ", 100));
    assert_eq!(read(&mut early), "hello ");
    let mut late = all(&insertion);
    let mut part = part(&insertion, 4..8);
    assert_eq!(read(&mut part), "o ");
    assert!(insertion.add(b"world", 100));
    assert_eq!(
        insertion.complete(None).as_deref(),
        Some(&b"hello world"[..])
    );
    assert_eq!(read(&mut early), "world.");
    assert_eq!(read(&mut late), "hello world.");
    assert_eq!(read(&mut part), "wo.");
}

#[test]
fn trailers_come_last_and_not_behind_a_part() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let (mut all, mut part) = (all(&insertion), part(&insertion, 0..2));
    assert!(insertion.add(b"hello", 100));
    let trailers = Head::of(&response(&[("x-t", "1")]));
    assert!(insertion.complete(Some(Arc::new(trailers))).is_some());
    assert_eq!(read(&mut all), "hello trailers.");
    assert_eq!(read(&mut part), "he.");
}

#[test]
fn what_breaks_off_breaks_off_for_all() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let mut reader = all(&insertion);
    assert!(insertion.add(b"hel", 100));
    insertion.fail();
    assert_eq!(read(&mut reader), "hel!");
}

#[test]
fn what_is_too_large_is_not_kept_and_goes_at_the_pace_of_the_slowest() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let (mut fast, mut slow) = (all(&insertion), all(&insertion));
    let chunk = vec![b'x'; 200 << 10];
    assert!(insertion.add(&chunk, 300 << 10));
    assert!(
        !insertion.add(&chunk, 300 << 10),
        "it is more than may be kept"
    );
    assert_eq!(read(&mut fast).len(), 400 << 10);
    assert!(room(&insertion).is_pending(), "one has read nothing yet");
    assert_eq!(read(&mut slow).len(), 400 << 10);
    assert_eq!(room(&insertion), Poll::Ready(true));
    assert!(insertion.read(None).is_none(), "its beginning is gone");
    insertion.add(b"end", 300 << 10);
    assert!(insertion.complete(None).is_none());
    assert_eq!(
        (read(&mut fast), read(&mut slow)),
        ("end.".into(), "end.".into())
    );
    drop((fast, slow));
    assert_eq!(room(&insertion), Poll::Ready(false), "nobody reads it");
}

#[test]
fn nothing_is_forgotten_before_those_who_wait_have_begun() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let flight = Arc::new(Flight::default());
    let mut waits = Box::pin(flight.landing());
    flight.land(Landing::Inserted(Arc::new(all(&insertion))));
    drop(flight);
    assert!(!insertion.add(b"hello", 4), "it is more than may be kept");
    assert_eq!(room(&insertion), Poll::Ready(true), "one waits");
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Landing::Inserted(beginning)) = waits.as_mut().poll(&mut cx) else {
        panic!("it has landed");
    };
    let mut reader = all(beginning.insertion());
    drop((beginning, waits));
    assert_eq!(read(&mut reader), "hello");
    assert_eq!(room(&insertion), Poll::Ready(true));
    drop(reader);
    assert_eq!(room(&insertion), Poll::Ready(false), "nobody is left");
}

#[test]
fn who_does_not_read_what_is_not_kept_is_left_behind() {
    let store = Arc::new(Store::new(1 << 20));
    let insertion = insertion(&store);
    let (mut reads, mut stalls) = (all(&insertion), all(&insertion));
    assert!(!insertion.add(&vec![b'x'; 400 << 10], 1));
    assert_eq!(read(&mut reads).len(), 400 << 10);
    assert!(room(&insertion).is_pending());
    insertion.leave_slowest();
    assert_eq!(room(&insertion), Poll::Ready(true));
    insertion.add(b"end", 1);
    insertion.complete(None);
    assert_eq!(read(&mut reads), "end.");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(
        stalls.poll_next(&mut cx),
        Poll::Ready(Piece::Failed)
    ));
}

#[test]
fn who_asks_learns_that_nobody_waits() {
    let flight = Arc::new(Flight::<Landing>::default());
    let cx = Context::from_waker(Waker::noop());
    let (one, other) = (flight.landing(), flight.landing());
    assert!(flight.is_awaited(&cx));
    drop(one);
    assert!(flight.is_awaited(&cx), "the other waits");
    drop(other);
    assert!(!flight.is_awaited(&cx));
}

#[test]
fn what_is_forgotten_is_not_counted_any_more() {
    let store = Arc::new(Store::new(1));
    let large = insertion(&store);
    let mut reader = all(&large);
    assert!(!large.add(&vec![0; 64 << 20], 16 << 20));
    read(&mut reader);
    assert_eq!(room(&large), Poll::Ready(true));
    assert!(insertion(&store).add(b"hello", 16 << 20));
}

#[test]
fn bodies_that_are_coming_count_until_they_are_gone() {
    let store = Arc::new(Store::new(1));
    let chunk = vec![0; 16 << 20];
    let coming: Vec<_> = (0..5).map(|_| insertion(&store)).collect();
    let kept: Vec<_> = coming
        .iter()
        .map(|body| body.add(&chunk, 16 << 20))
        .collect();
    assert_eq!(kept, [true, true, true, true, false]);
    drop(coming);
    assert!(insertion(&store).add(&chunk, 16 << 20));
}

#[test]
fn only_the_first_outcome_of_a_question_counts() {
    let flight = Arc::new(Flight::default());
    let mut waits = Box::pin(flight.landing());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    flight.land(Landing::Uncacheable);
    flight.land(Landing::Failed);
    let landing = waits.as_mut().poll(&mut cx);
    assert!(matches!(landing, Poll::Ready(Landing::Uncacheable)));
}

#[test]
fn one_leads_until_something_changes() {
    let entries = Gauge::default();
    let sessions = Sessions::new(Storage::of_memory(Arc::new(Store::new(1))), "a");
    let session = sessions.session(b"a", SystemTime::UNIX_EPOCH, &entries);
    let (_, version) = session.look();
    assert!(session.lead(version).is_some());
    assert!(session.lead(version).is_none());
    session.may_be_kept();
    assert!(matches!(session.look(), (State::Asked(_), _)));
    session.set(State::Uncacheable);
    session.may_be_kept();
    assert!(matches!(session.look(), (State::Idle, _)));
}

#[test]
fn keys_are_forgotten_after_an_hour_or_when_they_are_too_many() {
    let entries = Gauge::default();
    let sessions = Sessions::new(Storage::of_memory(Arc::new(Store::new(1))), "a");
    let start = SystemTime::UNIX_EPOCH;
    let look = |key: &[u8], now| drop(sessions.session(key, now, &entries));
    look(b"a", start);
    look(b"b", start);
    look(b"a", start + Duration::from_secs(3599));
    assert_eq!(entries.share(), 2);
    look(b"a", start + Duration::from_secs(3600));
    assert_eq!(entries.share(), 1, "the one behind it is forgotten");
    let long = vec![b'x'; 1 << 20];
    for number in 0..100_u8 {
        look(&[&[number], &long[..]].concat(), start);
    }
    assert!(entries.share() <= 32);
}

#[test]
fn a_request_without_a_route_or_a_cluster_is_answered() {
    let worker = Worker::new(&ROOM, &format!("{{{SIMPLE}}}"));
    let details = |stream: &mut crate::tests::harness::Stream<'_>| match stream.decode_headers(true)
    {
        HeadersStatus::Reply(reply) => reply.details.into_owned(),
        _ => "none".to_owned(),
    };
    let stream = || worker.stream().with(":scheme", "http");
    assert_eq!(details(&mut stream()), "cache_no_route");
    assert_eq!(details(&mut stream().going_to("a")), "cache_no_cluster");
    assert_eq!(details(&mut stream().with("authorization", "x")), "none");
    let uncacheable =
        "cache.event.cache_label.envoy_extensions_http_cache_v2_simple.event_type.uncacheable";
    assert_eq!(worker.stat_of_all(uncacheable), 1);
}

#[test]
fn what_may_not_be_kept_any_more_is_served_once_more_as_it_is() {
    let head = [
        (":status", "200"),
        ("cache-control", "no-cache"),
        ("x-a", "1"),
    ];
    let kept = Entry {
        head: Head::of(&response(&head)),
        body: Body::Memory(b"hello"[..].into()),
        trailers: None,
        came: SystemTime::UNIX_EPOCH,
    };
    let renew = |name: &'static str, value: &'static str| {
        let answer = response(&[(":status", "304"), (name, value)]);
        let (entry, is_kept) = renewed(&kept, answer, SystemTime::UNIX_EPOCH, 100);
        assert_eq!(entry.body.at_hand(), b"hello");
        let mut head = HeaderMap::response();
        entry.head.append_to(&mut head);
        assert_eq!(head.get(Known::Status), Some(&b"200"[..]));
        is_kept
    };
    assert!(renew("x-b", "2"));
    assert!(renew("cache-control", "max-age=1"));
    assert!(!renew("cache-control", "no-store"));
    assert!(!renew("cache-control", "private"));
    assert!(!renew("vary", "accept"));
}

#[test]
fn a_store_is_needed_and_must_be_known() {
    assert!(refusal(&ROOM, "{}").contains("at least one of typed_config or disabled must be set"));
    let other =
        "{typed_config: {'@type': type.googleapis.com/google.protobuf.StringValue, value: a}}";
    let why = "Didn't find a registered implementation for type: 'google.protobuf.StringValue'";
    assert!(refusal(&ROOM, other).contains(why));
}
