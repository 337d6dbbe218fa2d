//! The parts of a policy, each by itself.

use std::time::{Duration, SystemTime};

use nuncio_contract::headers::{HeaderMap, HeaderName};
use nuncio_contract::stream_info::Metadata;
use nuncio_contract::stream_info::metadata::{Struct, Value};

use super::{BackOff, HostPredicate, ResetHeader, RetryOn, after_at_least, numbers_of};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn waits_double_up_to_ten_times_the_first_and_are_anything_below() {
    let mut back_off = BackOff::new(ms(25), None);
    // The largest of each: a random number that leaves one less than the interval.
    let intervals = [25, 50, 100, 200, 250, 250];
    for interval in intervals {
        assert_eq!(back_off.next(interval - 1), ms(interval - 1));
    }
    assert_eq!(back_off.next(250), ms(0));
}

#[test]
fn waits_stay_below_their_limit() {
    let mut back_off = BackOff::new(ms(10), Some(ms(15)));
    assert_eq!(back_off.next(9), ms(9));
    assert_eq!(back_off.next(14), ms(14));
    assert_eq!(back_off.next(15), ms(0));
}

#[test]
fn what_a_host_asks_for_is_waited_for_and_half_as_much_at_most_again() {
    assert_eq!(after_at_least(ms(1000), 0), ms(1000));
    assert_eq!(after_at_least(ms(1000), 499), ms(1499));
    assert_eq!(after_at_least(ms(1000), 500), ms(1000));
}

#[test]
fn conditions_are_words_between_commas_and_headers_know_their_own_alone() {
    let both = RetryOn::of_policy(b"5xx, unavailable,nonsense");
    assert_eq!(both, RetryOn::FIVE_XX | RetryOn::GRPC_UNAVAILABLE);
    assert_eq!(RetryOn::of_header(b"5xx,unavailable"), RetryOn::FIVE_XX);
    assert_eq!(
        RetryOn::of_grpc_header(b"5xx,unavailable"),
        RetryOn::GRPC_UNAVAILABLE
    );
    assert!(both.has_grpc(14) && !both.has_grpc(13) && !both.has_grpc(0));
    assert!(!RetryOn::knows(b"nonsense"));
    assert_eq!(numbers_of(b"409, x,503").collect::<Vec<_>>(), [409, 503]);
}

#[test]
fn a_header_asks_for_seconds_or_for_a_time() {
    let mut response = HeaderMap::response();
    let name = HeaderName::parse("x-reset").unwrap();
    response.append(&name, b"120");
    let header = |is_timestamp| ResetHeader {
        name: name.clone(),
        is_timestamp,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    let asked = |is_timestamp| header(is_timestamp).interval(&response, now);
    assert_eq!(asked(false), Some(Duration::from_secs(120)));
    assert_eq!(asked(true), Some(Duration::from_secs(20)));
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(121);
    assert_eq!(header(true).interval(&response, later), None);
}

#[test]
fn hosts_are_passed_over_that_were_tried_or_bear_a_label() {
    let host = |labels: &[(&str, Value)]| {
        let mut metadata = Metadata::default();
        let fields: Struct = labels.iter().cloned().collect();
        metadata.merge("envoy.lb", fields);
        metadata
    };
    let rejects = |predicate: &HostPredicate, metadata: &Metadata, was_tried| {
        predicate.rejects(Some(metadata), || was_tried)
    };
    let (plain, canary) = (host(&[]), host(&[("canary", Value::Bool(true))]));
    assert!(rejects(&HostPredicate::Previous, &plain, true));
    assert!(!rejects(&HostPredicate::Previous, &plain, false));
    assert!(rejects(&HostPredicate::Canaries, &canary, false));
    assert!(!rejects(&HostPredicate::Canaries, &plain, true));
    let text = |text: &str| Value::String(text.into());
    let zones = host(&[("zone", Value::List(vec![text("a"), text("b")]))]);
    let with =
        |zone: &str| HostPredicate::WithMetadata([("zone", text(zone))].into_iter().collect());
    assert!(rejects(&with("b"), &zones, false));
    assert!(!rejects(&with("c"), &zones, false));
    assert!(!rejects(&with("b"), &plain, false));
    let of_nothing = HostPredicate::WithMetadata(Struct::default());
    assert!(!rejects(&of_nothing, &zones, false));
    assert!(!with("b").rejects(None, || true), "there is no metadata");
}
