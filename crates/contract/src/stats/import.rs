//! Stats that another process counted: what a hot restart takes over from the process before.
//!
//! Counters are added to; gauges show what both processes have together until [`StatsStore::forget_imported_gauges`].
//! A counter that is not listed yet (a response code that was not answered with yet) is kept until it is.
//!
//! Limits: a million counters are kept so; those beyond are lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::config::Selection;
use super::scope::ScopeInner;
use super::store::{StatsStore, StoreInner};

/// The counters that can be kept until somebody lists them.
const MAX_PENDING: usize = 1_000_000;

/// A value of another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Import {
    /// What it counted since it was last asked.
    Counter(u64),
    /// What its gauge shows now.
    Gauge(u64),
}

/// Counters that nothing lists yet, by their full name.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<BTreeMap<Box<str>, u64>>);

impl Pending {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Box<str>, u64>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, name: &str, more: u64) {
        self.with(|pending| {
            if let Some(count) = pending.get_mut(name) {
                *count = count.wrapping_add(more);
            } else if pending.len() < MAX_PENDING {
                pending.insert(name.into(), more);
            }
        });
    }
}

impl StatsStore {
    /// Takes over a stat of another process by its full name. A gauge that is not listed here is passed over.
    pub fn import(&self, name: &str, import: Import) {
        let is_listed = |selection: &Selection| selection.chooses(name);
        if !self.0.selection().is_none_or(is_listed) {
            return;
        }
        let found = self.0.import(name, import);
        if let (false, Import::Counter(more)) = (found, import) {
            self.0.pending.add(name, more);
        }
    }

    /// Adds what was imported to counters that were not listed then and are now.
    pub fn retry_imports(&self) {
        let pending = self.0.pending.with(std::mem::take);
        for (name, more) in pending {
            self.import(&name, Import::Counter(more));
        }
    }

    /// The imported counters that nothing lists yet.
    pub fn pending_imports(&self) -> Vec<(Box<str>, u64)> {
        let pending = |pending: &mut BTreeMap<Box<str>, u64>| {
            let entries = pending.iter();
            entries
                .map(|(name, count)| (name.clone(), *count))
                .collect()
        };
        self.0.pending.with(pending)
    }

    /// Lets gauges show what this process alone has.
    pub fn forget_imported_gauges(&self) {
        let scopes: Vec<Arc<ScopeInner>> = self.0.scopes().values().cloned().collect();
        for scope in scopes {
            scope.forget_imported_gauges();
        }
    }
}

impl StoreInner {
    /// Finds the scope with the longest prefix that has a stat of the rest of the name.
    fn import(&self, name: &str, import: Import) -> bool {
        let ends = name.rmatch_indices('.').map(|(dot, _)| dot + 1);
        ends.chain([0]).any(|end| {
            let (prefix, leaf) = name.split_at(end);
            let scope = self.scopes().get(prefix).cloned();
            scope.is_some_and(|scope| scope.import(leaf, import))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Import::{Counter, Gauge};
    use crate::stats::{Completed, StatValue, StatsStore};

    crate::stat_group! {
        /// A door.
        #[allow(unreachable_pub)]
        pub struct DoorStats("door.") { counters { opened } gauges { people_inside } }
    }

    fn value(store: &StatsStore, name: &str) -> Option<u64> {
        let mut found = None;
        for scope in store.scopes() {
            scope.for_each(&mut |stat| match stat.value {
                StatValue::Counter { value, .. } | StatValue::Gauge { value, .. }
                    if stat.name.to_string() == name =>
                {
                    assert_eq!(found.replace(value), None, "{name} is listed twice");
                }
                _ => {}
            });
        }
        found
    }

    #[test]
    fn counters_of_another_process_are_added_to_ones_own() {
        let store = StatsStore::default();
        let scope = store.scope("house.a.b");
        scope.register::<DoorStats>();
        store.import("house.a.b.door.opened", Counter(3));
        assert_eq!(value(&store, "house.a.b.door.opened"), Some(3));
        let own = scope.worker_group::<DoorStats>();
        own.opened.inc();
        store.import("house.a.b.door.opened", Counter(2));
        assert_eq!(value(&store, "house.a.b.door.opened"), Some(6));
        drop(own);
        store.flush();
        assert_eq!(value(&store, "house.a.b.door.opened"), Some(6));
        store.reset_counters();
        assert_eq!(value(&store, "house.a.b.door.opened"), Some(0));
    }

    #[test]
    fn gauges_show_what_both_have_until_the_other_is_forgotten() {
        let store = StatsStore::default();
        let scope = store.scope("house");
        let own = scope.worker_group::<DoorStats>();
        let single = scope.gauge("rooms");
        own.people_inside.add(2);
        single.set(1);
        for (people, shown) in [(5, 7), (4, 6)] {
            store.import("house.door.people_inside", Gauge(people));
            store.import("house.rooms", Gauge(people));
            assert_eq!(value(&store, "house.door.people_inside"), Some(shown));
            assert_eq!(value(&store, "house.rooms"), Some(people + 1));
        }
        store.forget_imported_gauges();
        assert_eq!(value(&store, "house.door.people_inside"), Some(2));
        assert_eq!(value(&store, "house.rooms"), Some(1));
    }

    #[test]
    fn a_counter_that_is_not_listed_yet_is_kept_until_it_is() {
        let store = StatsStore::default();
        let scope = store.scope("cluster.c");
        for name in ["200", "2xx", "503", "5xx", "completed"] {
            store.import(
                &format!("cluster.c.external.upstream_rq_{name}"),
                Counter(4),
            );
        }
        store.import("cluster.gone.x", Counter(1));
        assert_eq!(store.pending_imports().len(), 6);
        let own = scope.worker_codes("external.", Completed::Listed);
        own.inc(200);
        store.flush();
        let counted = |name: &str| value(&store, &format!("cluster.c.external.upstream_rq_{name}"));
        assert_eq!(counted("200"), Some(5));
        assert_eq!(counted("2xx"), Some(5));
        assert_eq!(counted("5xx"), Some(4));
        assert_eq!(counted("completed"), Some(9));
        assert_eq!(store.pending_imports(), [("cluster.gone.x".into(), 1)]);
    }

    #[test]
    fn single_counters_are_found_by_their_whole_name() {
        let store = StatsStore::default();
        let scope = store.scope("cluster.c");
        scope.counter("retry.some_filter.count").inc();
        store.import("cluster.c.retry.some_filter.count", Counter(2));
        store.import("cluster.c.retry.some_filter.count", Counter(2));
        store.flush();
        assert_eq!(value(&store, "cluster.c.retry.some_filter.count"), Some(5));
    }

    #[test]
    fn what_a_process_that_is_about_to_end_has_counted_stays_listed() {
        for keeps_all in [true, false] {
            let store = StatsStore::default();
            let own = store.scope("house").worker_group::<DoorStats>();
            own.opened.inc();
            if keeps_all {
                store.keep_all();
            }
            drop(own);
            store.flush();
            drop(store.scope("house"));
            let expected = keeps_all.then_some(1);
            assert_eq!(value(&store, "house.door.opened"), expected);
        }
    }

    #[test]
    fn a_gauge_that_is_not_listed_is_passed_over() {
        let store = StatsStore::default();
        store.import("cluster.c.x", Gauge(1));
        assert!(store.pending_imports().is_empty());
    }
}
