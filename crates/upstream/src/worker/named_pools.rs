//! The pools of one host for connections with names that requests chose.
//!
//! A client may make up names, so pools go when nothing is in them: each time they have doubled. And where the
//! circuit breaker allows no more connections, a new name closes an idle connection of another first; Envoy opens
//! one more for each name.

use std::cell::RefCell;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::rc::Rc;

use hashbrown::HashTable;

use crate::cluster::ResourcePriority;
use crate::pool::{Carries, HostPool};
use crate::server_names::ConnectionName;

/// So many pools need no look at whether they are used.
const FEW: usize = 16;

#[derive(Clone, Default)]
pub(super) struct NamedPools {
    /// Most clusters have none.
    pools: RefCell<Option<Box<Pools>>>,
}

#[derive(Clone, Default)]
struct Pools {
    by_name: HashTable<Rc<HostPool>>,
    keys: RandomState,
    /// How many there may be before the unused ones go.
    look_at: usize,
}

impl NamedPools {
    /// The pool for connections of this name, made if need be.
    pub(super) fn get(
        &self,
        name: &ConnectionName,
        kind: (ResourcePriority, Carries),
        make: impl FnOnce() -> Rc<HostPool>,
    ) -> Rc<HostPool> {
        let mut pools = self.pools.borrow_mut();
        let pools = pools.get_or_insert_default();
        let hash = hash(&pools.keys, name);
        let found = pools.by_name.find(hash, |pool| pool.is_for(name, kind));
        if let Some(pool) = found {
            return Rc::clone(pool);
        }
        pools.forget_unused();
        let pool = make();
        if !pool.may_open() {
            pools.close_one_idle();
        }
        let Pools { by_name, keys, .. } = &mut **pools;
        by_name.insert_unique(hash, Rc::clone(&pool), |pool| match pool.name() {
            Some(name) => self::hash(keys, name),
            None => 0,
        });
        pool
    }

    pub(super) fn drain(&self) {
        if let Some(pools) = &*self.pools.borrow() {
            pools.by_name.iter().for_each(|pool| pool.drain());
        }
    }
}

impl Pools {
    fn forget_unused(&mut self) {
        if self.by_name.len() >= self.look_at.max(FEW) {
            self.by_name.retain(|pool| {
                // The one by TCP that one of HTTP/3 falls back to goes after that one.
                let is_used = !pool.is_unused() || Rc::strong_count(pool) > 1;
                if !is_used {
                    // Its watcher ends.
                    pool.drain();
                }
                is_used
            });
            self.look_at = self.by_name.len().saturating_mul(2);
        }
    }

    fn close_one_idle(&self) {
        let _closed = self.by_name.iter().any(|pool| pool.close_one_idle());
    }
}

fn hash(keys: &RandomState, name: &ConnectionName) -> u64 {
    let mut hasher: DefaultHasher = keys.build_hasher();
    for byte in name.name().bytes() {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.write(name.header().map_or(&[], |header| header));
    name.source().hash(&mut hasher);
    name.client().hash(&mut hasher);
    hasher.finish()
}
