//! The header, and what comes of it.

use std::time::{Duration, Instant};

use super::{AlternateProtocolsCache, Choice, Origin, parse};

fn origin(name: &str) -> Origin {
    Origin::new(name, 443)
}

fn taught(header: &str) -> (AlternateProtocolsCache, Instant) {
    let (cache, now) = (AlternateProtocolsCache::new(2), Instant::now());
    if let Some(alternatives) = parse(header) {
        cache.learn(&origin("a"), &alternatives, now);
    }
    (cache, now)
}

#[test]
fn http3_is_tried_where_the_origin_speaks_it_itself() {
    for (header, choice) in [
        ("h3=\":443\"", Choice::Http3),
        ("h2=\":443\", h3=\":443\"; ma=5;persist=1 ,", Choice::Http3),
        ("h3=\":443\"; v=\"1,2\"", Choice::Http3),
        ("h3=\"a:443\"", Choice::Tcp),
        ("h3=\":444\"", Choice::Tcp),
        ("h3-29=\":443\"", Choice::Tcp),
        ("clear", Choice::Tcp),
        ("", Choice::Tcp),
        ("h3=:443", Choice::Tcp),
        ("h3=\":443", Choice::Tcp),
        ("h3=\":0\"", Choice::Tcp),
        ("h3=\":443\"; ma", Choice::Tcp),
        ("h3=\":443\"; ma=x", Choice::Tcp),
        ("h3=\":443\" h2=\":443\"", Choice::Tcp),
    ] {
        let (cache, now) = taught(header);
        assert_eq!(cache.choose(&origin("a"), now), choice, "{header}");
    }
}

#[test]
fn what_an_origin_says_is_true_for_as_long_as_it_says() {
    let (cache, now) = taught("h3=\":443\"; ma=5");
    let after = |seconds| now + Duration::from_secs(seconds);
    assert_eq!(cache.choose(&origin("a"), after(5)), Choice::Http3);
    assert_eq!(cache.choose(&origin("a"), after(6)), Choice::Tcp);
}

#[test]
fn what_is_broken_is_tried_again_later_and_later() {
    let (cache, mut now) = taught("h3=\":443\"");
    let a = origin("a");
    for seconds in [1, 2, 4] {
        cache.mark_broken(&a, now);
        cache.mark_broken(&a, now);
        now += Duration::from_millis(seconds * 1000 - 1);
        assert_eq!(cache.choose(&a, now), Choice::Tcp);
        now += Duration::from_millis(1);
        assert_eq!(cache.choose(&a, now), Choice::Both);
    }
    cache.mark_confirmed(&a);
    assert_eq!(cache.choose(&a, now), Choice::Http3);
    cache.mark_broken(&a, now);
    assert_eq!(cache.choose(&a, now + Duration::from_secs(1)), Choice::Both);
}

#[test]
fn the_origin_known_for_longest_makes_room() {
    let (cache, now) = taught("h3=\":443\"");
    for name in ["b", "c"] {
        cache.prepopulate(&origin(name), now);
    }
    let chosen = ["a", "b", "c"].map(|name| cache.choose(&origin(name), now));
    assert_eq!(chosen, [Choice::Tcp, Choice::Http3, Choice::Http3]);
}
