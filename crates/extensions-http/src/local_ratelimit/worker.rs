//! What a worker keeps for the local rate limit filter: counters of levels, and buckets of connections.
//!
//! Both are found by the address of what they belong to, and kept until that is gone and their list is to grow. The
//! counters of a level are made when its first request comes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use nuncio_contract::stat_group;
use nuncio_contract::stats::Scope;
use nuncio_contract::stream_info::ConnectionInfo;
use nuncio_contract::token_bucket::TokenBucket;

use super::config::Limit;

stat_group! {
    /// Requests and tokens, at `<stat_prefix>.`.
    pub struct LocalRateLimitStats("http_local_rate_limit.") {
        counters {
            enabled,
            enforced,
            ok,
            rate_limited,
            shadow_mode,
        }
    }
}

/// Fewer entries than this are not looked through for dead ones.
const FEW_ENTRIES: usize = 64;

/// A worker's part of the filter.
pub(super) struct Worker {
    pub(super) chain: Arc<Limit>,
    pub(super) stats: Rc<LocalRateLimitStatsCells>,
    root: Scope,
    levels: RefCell<Kept<(), Rc<LocalRateLimitStatsCells>>>,
    connections: RefCell<Kept<ConnectionInfo, Rc<TokenBucket>>>,
}

/// Counters, and the scope that keeps them listed.
pub(super) struct LocalRateLimitStatsCells {
    pub(super) cells: Arc<LocalRateLimitStats>,
    _scope: Option<Scope>,
}

impl LocalRateLimitStatsCells {
    fn new(limit: &Limit, root: &Scope) -> Rc<Self> {
        let scope = limit.scope(root);
        let cells = scope.as_ref().map(Scope::worker_group);
        Rc::new(LocalRateLimitStatsCells {
            cells: cells.unwrap_or_default(),
            _scope: scope,
        })
    }
}

impl Worker {
    pub(super) fn new(chain: &Arc<Limit>, root: &Scope) -> Self {
        Worker {
            chain: Arc::clone(chain),
            stats: LocalRateLimitStatsCells::new(chain, root),
            root: root.clone(),
            levels: RefCell::default(),
            connections: RefCell::default(),
        }
    }

    /// The counters of a level.
    pub(super) fn stats_of(&self, limit: &Limit) -> Rc<LocalRateLimitStatsCells> {
        let mut levels = self.levels.borrow_mut();
        let make = || LocalRateLimitStatsCells::new(limit, &self.root);
        Rc::clone(levels.get(&limit.alive, make))
    }

    /// The bucket of a connection; a new one is like `bucket`.
    pub(super) fn bucket_of(
        &self,
        connection: &Arc<ConnectionInfo>,
        bucket: &TokenBucket,
    ) -> Rc<TokenBucket> {
        let mut connections = self.connections.borrow_mut();
        Rc::clone(connections.get(connection, || Rc::new(bucket.another())))
    }
}

/// Values of things that others own.
struct Kept<K, V> {
    /// By address, which stays taken as long as somebody refers to it, if only weakly.
    by_address: HashMap<usize, (Weak<K>, V)>,
    /// So many entries make it worth looking for dead ones.
    look_at: usize,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Kept {
            by_address: HashMap::new(),
            look_at: FEW_ENTRIES,
        }
    }
}

impl<K, V> Kept<K, V> {
    fn get(&mut self, owner: &Arc<K>, make: impl FnOnce() -> V) -> &V {
        let address = Arc::as_ptr(owner).addr();
        if self.by_address.len() >= self.look_at && !self.by_address.contains_key(&address) {
            self.by_address
                .retain(|_, (owner, _)| owner.strong_count() > 0);
            self.look_at = FEW_ENTRIES.max(self.by_address.len() * 2);
        }
        let entry = self.by_address.entry(address);
        let (_, value) = entry.or_insert_with(|| (Arc::downgrade(owner), make()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_nobody_any_more_is_forgotten() {
        let mut kept = Kept::<u32, u32>::default();
        let lasting = Arc::new(7);
        assert_eq!(*kept.get(&lasting, || 1), 1);
        for number in 0..10_000 {
            assert_eq!(*kept.get(&Arc::new(number), || number), number);
        }
        assert!(kept.by_address.len() <= FEW_ENTRIES);
        assert_eq!(*kept.get(&lasting, || 2), 1);
    }
}
