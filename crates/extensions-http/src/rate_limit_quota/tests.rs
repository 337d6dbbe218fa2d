//! Tests of the rate limit quota filter.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use nuncio_contract::grpc_client::GrpcTarget;
use nuncio_contract::http_filter::HeadersStatus;
use nuncio_service_messages::Message;
use nuncio_service_messages::rate_limit_quota::{BucketAction, RateLimitQuotaResponse};

use super::ROOM;
use super::bucket::{Behavior, Bucket, Id, Rule, Tokens};
use super::reporting::{apply, forget_idle, next_usages};
use super::service::Quotas;
use crate::tests::harness::{Worker, refusal};

const SECOND: Duration = Duration::from_secs(1);
const OPEN: Behavior = Behavior {
    unassigned: Rule::AllowAll,
    expired: None,
};

fn id(name: &str) -> Arc<Id> {
    Arc::new(Id::from([("name".to_owned(), name.to_owned())]))
}

fn bucket(behavior: Behavior, now: Instant) -> Bucket {
    Bucket::new(id("a"), behavior, now)
}

fn tokens(max_tokens: u32, tokens_per_fill: u32, fill_interval: Duration) -> Rule {
    Rule::Tokens(Tokens {
        max_tokens,
        tokens_per_fill,
        fill_interval,
    })
}

fn admitted(bucket: &Bucket, tries: usize, now: Instant) -> usize {
    (0..tries).filter(|_| bucket.admit(now)).count()
}

#[test]
fn an_assignment_gives_way_to_the_fallback_and_that_to_the_rule_without_one() {
    let now = Instant::now();
    let behavior = Behavior {
        unassigned: Rule::AllowAll,
        expired: Some((Rule::DenyAll, 2 * SECOND)),
    };
    let bucket = bucket(behavior, now);
    bucket.assign(Rule::AllowAll, SECOND, now);
    for (milliseconds, is_allowed) in [(999, true), (1000, false), (2999, false), (3000, true)] {
        let then = now + Duration::from_millis(milliseconds);
        assert_eq!(bucket.admit(then), is_allowed, "{milliseconds}");
    }
    bucket.assign(Rule::AllowAll, Duration::ZERO, now + 4 * SECOND);
    assert!(!bucket.admit(now + 4 * SECOND), "no time at all");
}

#[test]
fn what_was_used_is_told_once() {
    let now = Instant::now();
    let bucket = bucket(OPEN, now);
    bucket.count(true);
    bucket.assign(Rule::DenyAll, 100 * SECOND, now);
    assert_eq!(admitted(&bucket, 2, now), 0);
    let usage = bucket.usage(now + Duration::from_millis(5900));
    assert_eq!(
        usage.time_elapsed.map(|it| (it.seconds, it.nanos)),
        Some((5, 0))
    );
    assert_eq!(
        (usage.num_requests_allowed, usage.num_requests_denied),
        (1, 2)
    );
    let usage = bucket.usage(now + 6 * SECOND);
    assert_eq!(
        (usage.num_requests_allowed, usage.num_requests_denied),
        (0, 0)
    );
}

#[test]
fn tokens_stay_with_an_assignment_that_is_repeated_and_go_over_in_proportion() {
    let now = Instant::now();
    let bucket = bucket(OPEN, now);
    bucket.assign(tokens(4, 1, 1000 * SECOND), 100 * SECOND, now);
    assert_eq!(admitted(&bucket, 2, now), 2);
    bucket.assign(tokens(4, 1, 1000 * SECOND), 100 * SECOND, now);
    assert_eq!(admitted(&bucket, 1, now), 1);
    bucket.assign(tokens(40, 1, 1000 * SECOND), 100 * SECOND, now);
    assert_eq!(admitted(&bucket, 40, now), 10);
}

#[test]
fn tokens_that_never_come_again_and_those_that_always_do() {
    let now = Instant::now();
    let bucket = bucket(OPEN, now);
    bucket.assign(tokens(2, 0, SECOND), 1_000_000 * SECOND, now);
    assert_eq!(admitted(&bucket, 3, now), 2);
    assert_eq!(admitted(&bucket, 3, now + 100_000 * SECOND), 0);
    bucket.assign(tokens(2, 0, Duration::ZERO), 100 * SECOND, now);
    assert_eq!(admitted(&bucket, 3, now), 3);
    bucket.assign(tokens(u32::MAX, u32::MAX, SECOND), Duration::MAX, now);
    assert_eq!(admitted(&bucket, 3, now), 3);
}

#[test]
fn tokens_of_the_configuration_count_without_an_assignment() {
    let now = Instant::now();
    let behavior = Behavior {
        unassigned: tokens(2, 1, Duration::from_millis(500)),
        expired: None,
    };
    let bucket = bucket(behavior, now);
    assert_eq!(admitted(&bucket, 3, now), 2);
    assert_eq!(admitted(&bucket, 3, now + SECOND / 2), 1);
}

/// An action on a bucket, by the bytes behind its name.
fn action(name: &str, rest: &[u8]) -> RateLimitQuotaResponse {
    let mut bytes = BucketAction {
        bucket_id: Some(nuncio_service_messages::rate_limit_quota::BucketId {
            bucket: (*id(name)).clone(),
        }),
        bucket_action: None,
    }
    .encode_to_vec();
    bytes.extend(rest);
    let action = BucketAction::decode(&*bytes).expect("an action");
    RateLimitQuotaResponse {
        bucket_action: vec![action],
    }
}

/// Denies for long once what was assigned has expired.
const FALLEN: Behavior = Behavior {
    unassigned: Rule::AllowAll,
    expired: Some((Rule::DenyAll, Duration::from_secs(100))),
};
const DENY_FOR_100_S: &[u8] = b"\x12\x08\x12\x02\x08\x64\x1a\x02\x08\x01";

/// Whether a new bucket is open after actions on it, by the bytes behind its name.
fn is_open_after(actions: &[&[u8]]) -> bool {
    let now = Instant::now();
    let quotas = Quotas::new(GrpcTarget::of_cluster("a"), "d");
    quotas.create(id("a"), FALLEN, true, now);
    for rest in actions {
        apply(&quotas, action("a", rest), now);
    }
    let bucket = quotas.bucket(&id("a"));
    bucket.expect("a bucket").admit(now)
}

#[test]
fn actions_without_a_strategy_and_requests_per_unit_change_nothing() {
    let nothing: [&[u8]; 3] = [
        b"\x12\x04\x12\x02\x08\x64",
        b"\x12\x06\x1a\x00\x12\x02\x08\x64",
        b"\x12\x08\x12\x02\x08\x64\x1a\x02\x12\x00",
    ];
    for rest in nothing {
        assert!(is_open_after(&[rest]), "{rest:?}");
        assert!(!is_open_after(&[DENY_FOR_100_S, rest]), "{rest:?}");
    }
}

#[test]
fn a_blanket_rule_that_nobody_knows_lets_all_pass() {
    let unknown = b"\x12\x08\x12\x02\x08\x64\x1a\x02\x08\x07";
    assert!(is_open_after(&[DENY_FOR_100_S, unknown]));
}

#[test]
fn what_is_assigned_for_no_time_or_revoked_expires_at_once() {
    let allow_for_100_s = b"\x12\x08\x12\x02\x08\x64\x1a\x02\x08\x00";
    let at_once: [&[u8]; 3] = [
        b"",
        b"\x12\x04\x1a\x02\x08\x00",
        b"\x12\x11\x12\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x1a\x02\x08\x00",
    ];
    assert!(is_open_after(&[allow_for_100_s]));
    for rest in at_once {
        assert!(!is_open_after(&[rest]), "{rest:?}");
        assert!(!is_open_after(&[allow_for_100_s, rest]), "{rest:?}");
    }
}

#[test]
fn actions_are_done_with_their_buckets_alone_which_may_be_abandoned() {
    let now = Instant::now();
    let quotas = Quotas::new(GrpcTarget::of_cluster("a"), "d");
    quotas.create(id("a"), OPEN, true, now);
    apply(&quotas, action("b", DENY_FOR_100_S), now);
    assert!(quotas.bucket(&id("b")).is_none());
    assert!(
        quotas
            .bucket(&id("a"))
            .is_some_and(|bucket| bucket.admit(now))
    );
    apply(&quotas, action("b", b"\x1a\x00"), now);
    assert!(quotas.bucket(&id("a")).is_some());
    apply(&quotas, action("a", b"\x1a\x00"), now);
    assert!(quotas.bucket(&id("a")).is_none());
}

#[test]
fn there_are_no_more_buckets_than_may_be_and_idle_ones_make_room() {
    let now = Instant::now();
    let quotas = Quotas::new(GrpcTarget::of_cluster("a"), "d");
    let made = (0..20_000).filter(|number| quotas.create(id(&number.to_string()), OPEN, true, now));
    assert_eq!(made.count(), 16_384);
    quotas.abandon(&id("0"));
    assert!(quotas.create(id("new"), OPEN, true, now));
    assert!(!quotas.create(id("newer"), OPEN, true, now));

    let all = quotas.take_new(Waker::noop());
    let known = || {
        let known = all
            .iter()
            .filter(|bucket| quotas.bucket(&bucket.id).is_some());
        known.count()
    };
    forget_idle(&quotas, &all, now);
    assert_eq!(known(), 16_384, "they were used");
    for bucket in &all {
        bucket.usage(now);
    }
    let bucket = |name: &str| quotas.bucket(&id(name)).expect("a bucket");
    bucket("1").assign(Rule::DenyAll, 2 * SECOND, now);
    bucket("2").assign(Rule::DenyAll, SECOND, now);
    bucket("3").count(false);
    forget_idle(&quotas, &all, now + SECOND);
    assert_eq!(known(), 2);
    assert!(quotas.create(id("newer"), OPEN, true, now));
}

#[test]
fn reports_are_split_into_messages_that_services_take() {
    let now = Instant::now();
    let name = "x".repeat(4000);
    let buckets: Vec<_> = (0..600)
        .map(|_| Arc::new(Bucket::new(id(&name), OPEN, now)))
        .collect();
    let mut rest = buckets.iter();
    let counts = [(); 4].map(|()| next_usages(&mut rest, now).len());
    assert_eq!(counts, [262, 262, 76, 0]);
}

#[test]
fn names_of_buckets_are_no_longer_than_may_be() {
    let now = Instant::now();
    let quotas = Quotas::new(GrpcTarget::of_cluster("a"), "d");
    assert!(!quotas.create(id(&"x".repeat(4093)), OPEN, true, now));
    let long = |number: usize| id(&format!("{number:04092}"));
    let made = (0..3000).filter(|number| quotas.create(long(*number), OPEN, true, now));
    assert_eq!(made.count(), 2048);
}

fn config(domain: &str, settings: &str) -> String {
    format!(
        "{{domain: {domain}, rlqs_server: {{envoy_grpc: {{cluster_name: a}}}}, bucket_matchers: {{on_no_match: \
         {{action: {{name: a, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.\
         rate_limit_quota.v3.RateLimitQuotaBucketSettings, reporting_interval: 1s, \
         bucket_id_builder: {{bucket_id_builder: {{a: {{string_value: b}}}}}}, {settings}}}}}}}}}}}"
    )
}

#[test]
fn filters_of_one_service_and_domain_share_their_buckets() {
    let limit = "no_assignment_behavior: {fallback_rate_limit: {token_bucket: {max_tokens: 1, \
                 tokens_per_fill: 1, fill_interval: 1000s}}}";
    let answer = |worker: &Worker| match worker.stream().decode_headers(true) {
        HeadersStatus::Reply(reply) => Some((reply.status, reply.details)),
        _ => None,
    };
    let denied = Some((429, "rate_limited_by_quota".into()));
    let (one, other) = (
        Worker::new(&ROOM, &config("shared", limit)),
        Worker::new(&ROOM, &config("shared", limit)),
    );
    assert_eq!(answer(&one), None, "the first makes the bucket");
    assert_eq!(answer(&other), None, "a token");
    assert_eq!(answer(&one), denied);
    let long = Worker::new(
        &ROOM,
        &config("shared", limit).replace(
            "string_value: b",
            &format!("string_value: {}", "b".repeat(5000)),
        ),
    );
    assert_eq!(answer(&long), None, "a token of those without a bucket");
    assert_eq!(answer(&long), denied);
    let else_where = Worker::new(&ROOM, &config("else-where", limit));
    assert_eq!(answer(&else_where), None);
}

#[test]
fn answers_that_cannot_be_given_are_refused() {
    for (settings, what) in [
        ("http_status: {code: 100}", "http_status"),
        ("grpc_status: {code: -1}", "grpc_status"),
        (
            "response_headers_to_add: [{header: {key: content-length, value: '7'}}]",
            "content-length",
        ),
        (
            "response_headers_to_add: [{header: {key: ':status', value: '7'}}]",
            ":status",
        ),
    ] {
        let settings = format!("deny_response_settings: {{{settings}}}");
        let refused = refusal(&ROOM, &config("a", &settings));
        assert!(refused.contains(what), "{what}: {refused}");
    }
}
