//! The store of all stats of a process: scopes by prefix, shared by all threads.
//!
//! Threads take its lock only to make or drop a scope; readers copy the list of scopes and then visit one
//! scope at a time, so that listing a million stats never holds up a worker.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::config::Selection;
use super::import::Pending;
use super::samples::{Sample, SampleQueue};
use super::sanitize::sanitize;
use super::scope::{Scope, ScopeInner};

/// A shared handle to the stats of the process.
#[derive(Clone, Debug, Default)]
pub struct StatsStore(pub(super) Arc<StoreInner>);

#[derive(Debug, Default)]
pub(super) struct StoreInner {
    scopes: Mutex<BTreeMap<Arc<str>, Arc<ScopeInner>>>,
    pub(super) pending: Pending,
    keeps_all: AtomicBool,
    selection: OnceLock<Selection>,
    samples: OnceLock<Arc<SampleQueue>>,
}

impl StatsStore {
    /// The scope of a prefix such as `cluster.foo` (a trailing dot may be there or not); an existing one if
    /// any handle to it lives. `://`, `:/`, `:` and NUL become `_`, as in Envoy.
    pub fn scope(&self, prefix: &str) -> Scope {
        self.0.scope(prefix)
    }

    /// The scope without prefix, which stays as long as the store.
    pub fn root(&self) -> Scope {
        self.scope("")
    }

    /// All scopes, ordered by prefix.
    pub fn scopes(&self) -> Vec<Scope> {
        self.0.scopes().values().cloned().map(Scope).collect()
    }

    /// Lists only what is chosen, of what is there already too; only the first choice counts.
    pub fn select(&self, selection: Selection) {
        if selection.is_all() || self.0.selection.set(selection).is_err() {
            return;
        }
        self.scopes().iter().for_each(Scope::apply_selection);
    }

    /// Merges the workers' histograms, folds cells that workers have dropped and forgets scopes that nobody
    /// holds any more. The main thread calls it each `stats_flush_interval` (5 s).
    pub fn flush(&self) {
        let mut flush = self.begin_flush();
        while flush.step() {}
    }

    /// The same in steps, so that a thread that has other things to do can do them in between.
    pub fn begin_flush(&self) -> Flush {
        self.retry_imports();
        Flush {
            store: self.clone(),
            scopes: self.scopes().into_iter(),
        }
    }

    fn forget_unheld(&self) {
        if !self.0.keeps_all.load(Relaxed) {
            self.0.scopes().retain(|_, scope| is_held(scope, 1));
        }
    }

    /// From now on nothing leaves the list: the process is about to end, and another one asks what it counted.
    pub fn keep_all(&self) {
        self.0.keeps_all.store(true, Relaxed);
    }

    /// From now on the histograms of cells that are made keep each value for [`take_samples`](Self::take_samples).
    pub fn keep_samples(&self) {
        self.0.samples.get_or_init(Arc::default);
    }

    /// The values that came since the last time, and how many were too many to be kept.
    pub fn take_samples(&self) -> (Vec<Sample>, u64) {
        let queue = self.0.samples.get();
        queue.map(|queue| queue.take()).unwrap_or_default()
    }

    /// Makes all counters start from zero again.
    pub fn reset_counters(&self) {
        self.scopes().iter().for_each(Scope::reset_counters);
    }
}

/// A flush under way.
pub struct Flush {
    store: StatsStore,
    scopes: std::vec::IntoIter<Scope>,
}

/// Scopes flushed at a step.
const SCOPES_A_STEP: usize = 256;

impl Flush {
    /// Goes one step, of well under a millisecond; false when it is done.
    pub fn step(&mut self) -> bool {
        self.scopes
            .by_ref()
            .take(SCOPES_A_STEP)
            .for_each(|scope| scope.flush());
        let is_done = self.scopes.len() == 0;
        if is_done {
            self.store.forget_unheld();
        }
        !is_done
    }
}

impl StoreInner {
    /// Where values are told, if they are.
    pub(super) fn samples(&self) -> Option<&Arc<SampleQueue>> {
        self.samples.get()
    }

    /// Which stats are listed; nothing if all are.
    pub(super) fn selection(&self) -> Option<&Selection> {
        self.selection.get()
    }

    /// All scopes whose prefix begins with this one.
    pub(super) fn scopes_within(&self, prefix: &str) -> Vec<Scope> {
        let scopes = self.scopes();
        let from = scopes.range::<str, _>((Included(prefix), Unbounded));
        let within = from.take_while(|(name, _)| name.starts_with(prefix));
        within.map(|(_, scope)| Scope(Arc::clone(scope))).collect()
    }

    pub(super) fn scope(self: &Arc<Self>, prefix: &str) -> Scope {
        self.scope_as_is(sanitize(prefix))
    }

    /// The scope of a prefix in which nothing is replaced.
    pub(super) fn scope_as_is(self: &Arc<Self>, prefix: String) -> Scope {
        let mut scopes = self.scopes();
        if let Some(scope) = scopes.get(&*prefix) {
            return Scope(scope.clone());
        }
        let prefix: Arc<str> = prefix.into();
        let scope = Arc::new(ScopeInner::new(prefix.clone(), Arc::downgrade(self)));
        scopes.insert(prefix, scope.clone());
        Scope(scope)
    }

    /// Removes a scope whose last handle is about to go, if no worker holds cells of it. A race with another
    /// handle leaves it to the next flush.
    pub(super) fn forget(&self, prefix: &str) {
        if self.keeps_all.load(Relaxed) {
            return;
        }
        let mut scopes = self.scopes();
        if scopes.get(prefix).is_some_and(|scope| !is_held(scope, 2)) {
            scopes.remove(prefix);
        }
    }

    pub(super) fn scopes(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<ScopeInner>>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a scope has more than `handles` handles, or cells that somebody holds.
fn is_held(scope: &Arc<ScopeInner>, handles: usize) -> bool {
    scope.prefix.is_empty() || Arc::strong_count(scope) > handles || scope.has_held_cells()
}
