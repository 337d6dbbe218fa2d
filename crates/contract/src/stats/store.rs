//! The store of all stats of a process: scopes by prefix, shared by all threads.
//!
//! Threads take its lock only to make or drop a scope; readers copy the list of scopes and then visit one
//! scope at a time, so that listing a million stats never holds up a worker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::sanitize::sanitize;
use super::scope::{Scope, ScopeInner};

/// A shared handle to the stats of the process.
#[derive(Clone, Debug, Default)]
pub struct StatsStore(Arc<StoreInner>);

#[derive(Debug, Default)]
pub(super) struct StoreInner {
    scopes: Mutex<BTreeMap<Arc<str>, Weak<ScopeInner>>>,
}

impl StatsStore {
    /// The scope of a prefix such as `cluster.foo` (a trailing dot may be there or not); an existing one if
    /// any handle to it lives. `://`, `:/`, `:` and NUL become `_`, as in Envoy.
    pub fn scope(&self, prefix: &str) -> Scope {
        self.0.scope(prefix)
    }

    /// The scope without prefix.
    pub fn root(&self) -> Scope {
        self.scope("")
    }

    /// All scopes, ordered by prefix.
    pub fn scopes(&self) -> Vec<Scope> {
        self.0
            .scopes()
            .values()
            .filter_map(Weak::upgrade)
            .map(Scope)
            .collect()
    }

    /// Merges the workers' histograms and folds cells that workers have dropped. The main thread calls it
    /// each `stats_flush_interval` (5 s).
    pub fn flush(&self) {
        self.scopes().iter().for_each(Scope::flush);
    }

    /// Makes all counters start from zero again.
    pub fn reset_counters(&self) {
        self.scopes().iter().for_each(Scope::reset_counters);
    }
}

impl StoreInner {
    pub(super) fn scope(self: &Arc<Self>, prefix: &str) -> Scope {
        let prefix = sanitize(prefix);
        let mut scopes = self.scopes();
        if let Some(scope) = scopes.get(&*prefix).and_then(Weak::upgrade) {
            return Scope(scope);
        }
        let prefix: Arc<str> = prefix.into();
        let scope = Arc::new(ScopeInner::new(prefix.clone(), Arc::downgrade(self)));
        scopes.insert(prefix, Arc::downgrade(&scope));
        Scope(scope)
    }

    /// Removes a prefix whose last handle is gone, unless somebody has made it anew.
    pub(super) fn forget(&self, prefix: &str) {
        let mut scopes = self.scopes();
        if scopes
            .get(prefix)
            .is_some_and(|scope| scope.strong_count() == 0)
        {
            scopes.remove(prefix);
        }
    }

    fn scopes(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Weak<ScopeInner>>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
