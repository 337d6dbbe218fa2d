//! What was counted: told by the parent, taken over by the child.
//!
//! Counters are told as they stand, and the child adds what came since it last asked, so that an answer that is lost
//! loses nothing. Gauges of which both processes have a part (connections, requests) are summed while the parent
//! lives; those that say what a process is (`server.live`, `membership_total`) are each process's own, as in Envoy.
//! Histograms and texts are not handed over, as in Envoy.

use std::collections::{BTreeMap, HashMap};

use nuncio_contract::stats::{Import, StatValue, StatsStore};

use super::message::Stat;

/// The last words of gauges that are not summed: those that Envoy never imports, and what comes of the epochs.
const OF_ONE_PROCESS: [&str; 29] = [
    "active_clusters",
    "admin_overrides_active",
    "clusters_inflated",
    "concurrency",
    "days_until_first_cert_expiring",
    "deprecated_feature_seen_since_process_start",
    "fips_mode",
    "hot_restart_epoch",
    "hot_restart_generation",
    "live",
    "max_host_weight",
    "membership_degraded",
    "membership_excluded",
    "membership_healthy",
    "membership_total",
    "num_keys",
    "num_layers",
    "parent_connections",
    "pending_resolutions",
    "seconds_until_first_ocsp_response_expiring",
    "state",
    "stats_recent_lookups",
    "total_filter_chains_draining",
    "total_listeners_active",
    "total_listeners_draining",
    "total_listeners_warming",
    "uptime",
    "version",
    "warming_clusters",
];
/// A gauge that says whether the workers run.
const WORKERS_STARTED: &str = "workers_started";

/// The connections of the process before.
const PARENT_CONNECTIONS: &str = "server.parent_connections";
/// How many there are, this process's own among them.
const ALL_CONNECTIONS: &str = "server.total_connections";

/// Whether a gauge has the connections of a listener, of all its workers, that is not the admin's.
fn is_of_traffic(name: &str) -> bool {
    let listener = name.strip_prefix("listener.");
    let listener = listener.and_then(|name| name.strip_suffix(".downstream_cx_active"));
    listener.is_some_and(|name| {
        name != "admin" && !name.contains(".worker_") && !name.contains(".main_thread")
    })
}

/// Whether both processes have a part of a gauge.
fn is_shared(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    last != WORKERS_STARTED && OF_ONE_PROCESS.binary_search(&last).is_err()
}

/// Counters and gauges that are not zero.
pub(super) fn tell(store: &StatsStore) -> (Vec<Stat>, Vec<Stat>) {
    store.retry_imports();
    let mut counters = BTreeMap::<String, u64>::new();
    let mut gauges = Vec::new();
    for scope in store.scopes() {
        scope.for_each(&mut |stat| match stat.value {
            StatValue::Counter { value, .. } if value > 0 => {
                counters.insert(stat.name.to_string(), value);
            }
            StatValue::Gauge { value, used: true } => {
                let name = stat.name.to_string();
                if is_shared(&name) {
                    gauges.push((name, value));
                }
            }
            _ => {}
        });
    }
    for (name, more) in store.pending_imports() {
        *counters.entry(name.into()).or_default() += more;
    }
    (counters.into_iter().collect(), gauges)
}

/// What was taken over of a parent's counters so far.
#[derive(Default)]
pub(super) struct Merger {
    seen: HashMap<String, u64>,
    /// The connections of the parts that were told so far.
    connections: u64,
}

impl Merger {
    /// Takes over what is new.
    pub(super) fn merge(&mut self, store: &StatsStore, counters: Vec<Stat>, gauges: Vec<Stat>) {
        for (name, value) in counters {
            let seen = self.seen.get(&name).copied().unwrap_or(0);
            let more = value.saturating_sub(seen);
            if more > 0 {
                store.import(&name, Import::Counter(more));
                self.seen.insert(name, value);
            }
        }
        let mut connections = 0;
        for (name, value) in gauges {
            if is_of_traffic(&name) {
                connections += value;
            }
            if is_shared(&name) {
                store.import(&name, Import::Gauge(value));
            }
        }
        // Stats come in parts of which each names other gauges.
        self.connections += connections;
    }

    /// All was taken over that the parent told this time.
    pub(super) fn end(&mut self, store: &StatsStore) {
        let connections = std::mem::take(&mut self.connections);
        store.import(PARENT_CONNECTIONS, Import::Gauge(connections));
        store.import(ALL_CONNECTIONS, Import::Gauge(connections));
    }
}

#[cfg(test)]
mod tests {
    use nuncio_contract::stats::groups::{ListenerStats, ServerStats};

    use super::*;

    #[test]
    fn the_list_of_gauges_can_be_searched() {
        assert!(OF_ONE_PROCESS.is_sorted());
        assert!(!is_shared("server.live") && !is_shared("cluster.live.membership_total"));
        assert!(!is_shared("listener_manager.workers_started"));
        assert!(is_shared("listener.l.downstream_cx_active"));
    }

    #[test]
    fn a_counter_is_taken_over_once_however_often_it_is_told() {
        let (parent, child) = (StatsStore::default(), StatsStore::default());
        let scope = parent.scope("listener.l");
        let counted = scope.worker_group::<ListenerStats>();
        let kept = child.scope("listener.l");
        kept.register::<ListenerStats>();
        let mut merger = Merger::default();
        let mut told = |value| {
            let (counters, gauges) = tell(&parent);
            merger.merge(&child, counters, gauges);
            let (counters, _) = tell(&child);
            let expected = [("listener.l.downstream_cx_total".to_owned(), value)];
            assert_eq!(counters, expected);
        };
        counted.downstream_cx_total.add(3);
        told(3);
        told(3);
        counted.downstream_cx_total.inc();
        told(4);
    }

    #[test]
    fn the_parents_connections_are_those_of_its_listeners() {
        let store = StatsStore::default();
        let server = store.root().worker_group::<ServerStats>();
        let gauge = |name: &str, value| (format!("listener.{name}.downstream_cx_active"), value);
        let mut merger = Merger::default();
        for round in [1, 2] {
            let workers = gauge("127.0.0.1_80.worker_0", 9);
            merger.merge(
                &store,
                Vec::new(),
                vec![gauge("127.0.0.1_80", 3 * round), workers],
            );
            merger.merge(
                &store,
                Vec::new(),
                vec![gauge("[__1]_80", 4), gauge("admin", 5)],
            );
            merger.end(&store);
            let mut shown = None;
            store.root().for_each(&mut |stat| {
                if let (PARENT_CONNECTIONS, StatValue::Gauge { value, .. }) =
                    (&*stat.name.to_string(), stat.value)
                {
                    shown = Some(value);
                }
            });
            assert_eq!(shown, Some(3 * round + 4));
        }
        drop(server);
    }

    #[test]
    fn what_a_process_is_stays_its_own_and_what_it_has_is_told() {
        let store = StatsStore::default();
        let server = store.root().worker_group::<ServerStats>();
        server.live.set(1);
        server.memory_allocated.set(5);
        assert_eq!(tell(&store).1, [("server.memory_allocated".to_owned(), 5)]);
    }

    #[test]
    fn what_nobody_lists_yet_is_passed_on_to_the_next_process() {
        let store = StatsStore::default();
        store.import("cluster.c.upstream_rq_200", Import::Counter(2));
        let expected = [("cluster.c.upstream_rq_200".to_owned(), 2)];
        assert_eq!(tell(&store).0, expected);
    }
}
