//! How the store sums, forgets and resets what workers count.

use std::sync::Arc;

use super::groups::{ClusterTrafficStats, UpstreamResponseTime};
use super::*;

fn value_of(store: &StatsStore, name: &str) -> Option<u64> {
    let mut found = None;
    for scope in store.scopes() {
        scope.for_each(&mut |stat| {
            if stat.name.to_string() == name {
                found = match stat.value {
                    StatValue::Counter { value, .. } | StatValue::Gauge { value, .. } => {
                        Some(value)
                    }
                    StatValue::Histogram { merged, .. } => {
                        merged.map(|merged| merged.cumulative.sample_count())
                    }
                    StatValue::TextReadout { text } => text.map(|text| text.len() as u64),
                };
            }
        });
    }
    found
}

#[test]
fn a_stat_is_the_sum_over_the_workers() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let workers: [Arc<ClusterTrafficStats>; 2] = [scope.worker_group(), scope.worker_group()];
    std::thread::scope(|threads| {
        for worker in &workers {
            threads.spawn(move || (0..1000).for_each(|_| worker.upstream_rq_total.inc()));
        }
    });
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_total"), Some(2000));
}

#[test]
fn a_gauge_may_rise_on_one_worker_and_fall_on_another() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let (first, second): (Arc<ClusterTrafficStats>, Arc<ClusterTrafficStats>) =
        (scope.worker_group(), scope.worker_group());
    first.upstream_rq_active.add(3);
    second.upstream_rq_active.sub(2);
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_active"), Some(1));
    second.upstream_rq_active.sub(2);
    assert_eq!(
        value_of(&store, "cluster.a.upstream_rq_active"),
        Some(0),
        "never below zero"
    );
}

#[test]
fn what_a_worker_counted_stays_when_it_lets_go_of_its_cells() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let cells: Arc<ClusterTrafficStats> = scope.worker_group();
    cells.upstream_rq_total.add(5);
    cells.upstream_cx_length_ms.record(100);
    drop(cells);
    store.flush();
    let again: Arc<ClusterTrafficStats> = scope.worker_group();
    again.upstream_rq_total.add(1);
    again.upstream_cx_length_ms.record(100);
    store.flush();
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_total"), Some(6));
    assert_eq!(value_of(&store, "cluster.a.upstream_cx_length_ms"), Some(2));
}

#[test]
fn stats_leave_with_the_last_handle_to_their_scope() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let same = store.scope("cluster.a.");
    scope.counter("seen").inc();
    drop(scope);
    assert_eq!(value_of(&store, "cluster.a.seen"), Some(1));
    drop(same);
    assert_eq!(value_of(&store, "cluster.a.seen"), None);
    assert!(store.scopes().is_empty());
}

#[test]
fn cells_that_are_held_keep_their_scope_listed() {
    let store = StatsStore::default();
    let cells: Arc<ClusterTrafficStats> = store.scope("cluster.a").worker_group();
    let codes = store
        .scope("cluster.a")
        .worker_codes("", Completed::Elsewhere);
    cells.upstream_rq_total.inc();
    store.flush();
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_total"), Some(1));
    drop(cells);
    store.flush();
    assert_eq!(
        value_of(&store, "cluster.a.upstream_rq_total"),
        Some(1),
        "the codes are held"
    );
    drop(codes);
    store.flush();
    assert!(store.scopes().is_empty());
}

#[test]
fn the_root_scope_stays_without_a_handle() {
    let store = StatsStore::default();
    store.root().counter("seen").inc();
    store.flush();
    assert_eq!(value_of(&store, "seen"), Some(1));
}

#[test]
fn a_replaced_object_goes_on_counting_where_the_old_one_was() {
    let store = StatsStore::default();
    let old = store.scope("listener.x");
    old.counter("seen").add(2);
    let new = store.scope("listener.x");
    drop(old);
    new.counter("seen").add(3);
    store.flush();
    assert_eq!(value_of(&store, "listener.x.seen"), Some(5));
}

#[test]
fn re_made_handles_of_one_name_do_not_pile_up() {
    let store = StatsStore::default();
    let scope = store.scope("listener.x");
    for _ in 0..100 {
        scope.counter("seen").inc();
        store.flush();
    }
    assert_eq!(value_of(&store, "listener.x.seen"), Some(100));
}

#[test]
fn counters_start_again_from_zero_after_a_reset_and_gauges_stay() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let cells: Arc<ClusterTrafficStats> = scope.worker_group();
    let codes = scope.worker_codes("", Completed::Elsewhere);
    let single = scope.counter("single");
    cells.upstream_rq_total.add(7);
    cells.upstream_cx_active.add(2);
    codes.inc(200);
    single.add(4);
    store.reset_counters();
    cells.upstream_rq_total.inc();
    codes.inc(200);
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_total"), Some(1));
    assert_eq!(value_of(&store, "cluster.a.upstream_cx_active"), Some(2));
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_200"), Some(1));
    assert_eq!(value_of(&store, "cluster.a.single"), Some(0));
}

#[test]
fn a_stat_that_appears_with_its_first_event_is_not_listed_before() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    groups::register_cluster(&scope);
    store.flush();
    let names = |store: &StatsStore| {
        let mut names = Vec::new();
        store
            .scopes()
            .iter()
            .for_each(|scope| scope.for_each(&mut |stat| names.push(stat.name.to_string())));
        names
    };
    let lazy = "cluster.a.external.upstream_rq_time".to_owned();
    assert!(!names(&store).contains(&lazy));
    let time: Arc<UpstreamResponseTime> = scope.worker_group_at("external.");
    time.upstream_rq_time.record(12);
    store.flush();
    assert!(names(&store).contains(&lazy));
    assert_eq!(value_of(&store, &lazy), Some(1));
}

#[test]
fn histograms_of_one_name_are_merged_over_the_workers_at_the_flush() {
    let store = StatsStore::default();
    let scope = store.scope("http.x");
    let first = scope.histogram("time", Unit::Milliseconds);
    let second = scope.histogram("time", Unit::Milliseconds);
    first.record(1);
    second.record(1);
    assert_eq!(
        value_of(&store, "http.x.time"),
        None,
        "not before the flush"
    );
    store.flush();
    assert_eq!(value_of(&store, "http.x.time"), Some(2));
}

#[test]
fn a_text_readout_shows_what_the_newest_handle_set() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let old = scope.text_readout("version_text");
    assert_eq!(value_of(&store, "cluster.a.version_text"), None);
    old.set("v1");
    let new = scope.text_readout("version_text");
    assert_eq!(
        value_of(&store, "cluster.a.version_text"),
        Some(2),
        "the new one has no text yet"
    );
    new.set("v 2");
    drop((old, new));
    store.flush();
    assert_eq!(value_of(&store, "cluster.a.version_text"), Some(3));
}

#[test]
fn what_is_not_chosen_is_not_listed_however_it_came_to_be() {
    let store = StatsStore::default();
    let early = store.scope("cluster.a");
    early.register::<ClusterTrafficStats>();
    early.counter("early").inc();
    store.select(Selection::of_prefixes(&[
        "cluster.a.upstream_rq_t",
        "cluster.b.",
        "cluster.a.upstream_rq_2",
        "cluster.a.early",
    ]));
    let rejected = store.scope("cluster.b");
    let counted: Arc<ClusterTrafficStats> = rejected.worker_group();
    counted.upstream_rq_total.inc();
    rejected.counter("single").inc();
    rejected.worker_codes("", Completed::Elsewhere).inc(200);
    let codes = early.worker_codes("", Completed::Elsewhere);
    codes.inc(200);
    codes.inc(503);
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_completed"), Some(0));
    for name in [
        "cluster.a.upstream_rq_total",
        "cluster.a.upstream_rq_timeout",
        "cluster.a.upstream_rq_200",
        "cluster.a.early",
        "cluster.b.upstream_rq_total",
        "cluster.b.upstream_rq_200",
        "cluster.b.single",
    ] {
        assert_eq!(value_of(&store, name), None, "{name}");
    }
    assert_eq!(value_of(&store, "cluster.a.upstream_rq_503"), Some(1));
    assert_eq!(
        counted.upstream_rq_total.value(),
        1,
        "limits may depend on it"
    );
}

#[test]
fn a_reader_learns_what_came_to_counters_since_it_last_asked() {
    let store = StatsStore::default();
    let scope = store.scope("cluster.a");
    let cells: Arc<ClusterTrafficStats> = scope.worker_group();
    let (single, codes) = (
        scope.counter("own"),
        scope.worker_codes("", Completed::Elsewhere),
    );
    let told = || {
        let mut told = Vec::new();
        scope.for_each_since_last(&mut |stat, more| {
            if let StatValue::Counter { used: true, .. } = stat.value {
                told.push((stat.name.leaf.to_owned(), more));
            }
        });
        told.sort();
        told
    };
    assert_eq!(told(), []);
    cells.upstream_rq_total.add(3);
    single.add(2);
    codes.inc(204);
    let expected = |rq, own, code| {
        let all = [
            ("own", own),
            ("upstream_rq_204", code),
            ("upstream_rq_2xx", code),
            ("upstream_rq_total", rq),
        ];
        all.map(|(name, more)| (name.to_owned(), more))
    };
    assert_eq!(told(), expected(3, 2, 1));
    store.reset_counters();
    assert_eq!(told(), expected(0, 0, 0), "a reset is no event");
    cells.upstream_rq_total.inc();
    drop(cells);
    store.flush();
    codes.inc(204);
    assert_eq!(told(), expected(1, 0, 1));
}

#[test]
fn a_shared_gauge_shows_what_any_of_its_users_wrote_last() {
    let store = StatsStore::default();
    let scope = store.scope("a");
    let (first, second) = (scope.shared_gauge("g"), scope.shared_gauge("g"));
    let shown = || {
        let mut shown = None;
        scope.for_each(&mut |stat| {
            if let StatValue::Gauge { value, used } = stat.value {
                shown = Some((value, used));
            }
        });
        shown
    };
    assert_eq!(shown(), Some((0, false)));
    second.write(2);
    first.write(1);
    assert_eq!(shown(), Some((1, true)));
    second.write(0);
    assert_eq!(shown(), Some((0, true)));
}

#[test]
fn a_stat_with_tags_has_those_alone_and_its_name_as_it_is() {
    let store = StatsStore::default();
    let tags = vec![
        ("who".into(), "x:y".to_owned()),
        ("what".into(), String::new()),
    ];
    let scope = store.scope("http.a").tagged_stat("c", tags).unwrap();
    assert_eq!(scope.prefix(), "http.a.c.who.x:y.what.");
    let told = crate::stat_sink::Told {
        name: scope.prefix(),
        reading: &crate::stat_sink::Reading::Gauge(1),
        own_tags: scope.own_tags().map(|own| (scope.prefix().len(), own)),
    };
    let extracted = told.extract(&tags::TagExtractor::default());
    let tags: Vec<_> = extracted
        .tags
        .iter()
        .map(|tag| (&*tag.name, &*tag.value))
        .collect();
    assert_eq!(extracted.name, "http.a.c");
    assert_eq!(tags, [("who", "x:y"), ("what", "")]);
}
