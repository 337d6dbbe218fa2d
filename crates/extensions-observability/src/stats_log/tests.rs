//! What may be configured, and how much is listed.

use std::rc::Rc;
use std::time::SystemTime;

use nuncio_contract::access_log::AccessLogger;
use nuncio_contract::formatter::FormatContext;
use nuncio_contract::headers::HeaderMap;
use nuncio_contract::stats::StatsStore;
use nuncio_contract::stream_info::StreamInfo;

use super::logger::{MAX_TAG_SETS, whole};
use crate::tests::{Config, Services, refusal};

fn logger(stats: &str) -> String {
    format!(
        "name: a\ntyped_config:\n  '@type': type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config\n  stat_prefix: own\n  {stats}\n"
    )
}

fn log(worker: &dyn AccessLogger, who: &str) {
    let info = StreamInfo::new(
        Rc::default(),
        SystemTime::UNIX_EPOCH,
        std::time::Instant::now(),
    );
    let mut headers = HeaderMap::default();
    headers.append_from_wire(b"x-who", who.as_bytes());
    let mut context = FormatContext::new(&info, &Services);
    context.request_headers = Some(&headers);
    worker.log(&context);
}

fn listed(store: &StatsStore) -> Vec<String> {
    let mut names = Vec::new();
    for scope in store.scopes() {
        scope.for_each(&mut |stat| names.push(stat.name.to_string()));
    }
    names
}

#[test]
fn a_stat_is_listed_with_its_first_stream_until_its_logger_goes() {
    let store = StatsStore::default();
    let config = Config::new(&logger(
        "counters: [{stat: {name: c, tags: [{name: who, value_format: '%REQ(x-who)%'}]}, value_fixed: 2}]",
    ));
    let worker = config.0.worker(&store.root());
    assert!(listed(&store).is_empty());
    log(&*worker, "me:1");
    log(&*worker, "me:1");
    log(&*worker, "");
    assert_eq!(listed(&store), ["own.c.who.", "own.c.who.me:1"]);
    drop(worker);
    assert!(listed(&store).is_empty());
}

#[test]
fn peers_can_make_so_many_stats_and_so_long_ones_and_no_more() {
    let store = StatsStore::default();
    let config = Config::new(&logger(
        "counters: [{stat: {name: c, tags: [{name: who, value_format: '%REQ(x-who)%'}]}, value_fixed: 2}]",
    ));
    let worker = config.0.worker(&store.root());
    log(&*worker, &"w".repeat(1025));
    assert!(listed(&store).is_empty());
    (0..MAX_TAG_SETS + 10).for_each(|who| log(&*worker, &who.to_string()));
    assert_eq!(listed(&store).len(), MAX_TAG_SETS);
}

#[test]
fn what_64_bits_have_no_place_for_is_not_counted() {
    assert_eq!(whole(2.9), Some(2));
    assert_eq!(whole(-0.5), Some(0));
    for number in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
        assert_eq!(whole(number), None);
    }
}

#[test]
fn what_envoy_refuses_is_refused_in_its_words() {
    for (stats, words) in [
        (
            "counters: [{stat: {name: c}}]",
            "Stats logger counter must have either `value_format` or `value_fixed`.",
        ),
        (
            "counters: [{stat: {name: c}, value_fixed: 1, value_format: '%DURATION%'}]",
            "Stats logger cannot have both `value_format` and `value_fixed` configured.",
        ),
        (
            "histograms: [{stat: {name: c}, value_format: '%DURATION%%DURATION%'}]",
            "Stats logger `value_format` string must contain exactly one substitution",
        ),
        (
            "gauges: [{stat: {name: c}, value_fixed: 1}]",
            "Stats logger gauge must have at least one operation configured.",
        ),
        (
            "gauges: [{stat: {name: c}, value_fixed: 1, set: {}}]",
            "Stats logger gauge set operation must have a valid log type.",
        ),
        (
            "gauges: [{stat: {name: c}, value_fixed: 1, add_subtract: {add_log_type: DownstreamStart}}]",
            "Stats logger gauge add/subtract operation must have a valid log type.",
        ),
        (
            "gauges: [{stat: {name: c}, value_fixed: 1, add_subtract: {add_log_type: DownstreamEnd, sub_log_type: DownstreamEnd}}]",
            "Duplicate access log type '6' in gauge operations.",
        ),
        (
            "gauges: [{stat: {name: c}, value_fixed: 1, add_subtract: {}, set: {}}]",
            "Stats logger gauge cannot have both SET and PAIRED_ADD/PAIRED_SUBTRACT operations.",
        ),
        (
            "gauges: [{stat: {name: c}, set: {log_type: DownstreamEnd}}]",
            "Stats logger gauge must have either `value_format` or `value_fixed`.",
        ),
    ] {
        assert_eq!(refusal(&logger(stats)), words);
    }
}
