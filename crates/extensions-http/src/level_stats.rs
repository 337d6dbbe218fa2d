//! What a worker keeps for things that others own: counters of levels of the route table, and values of connections.
//!
//! Both are found by the address of their owner, and kept until that is gone and their list is to grow. The counters
//! of a level are made when its first request comes; that they are listed before is the level's affair.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{self, Rc};
use std::sync::{self, Arc};

use nuncio_contract::stats::{Scope, StatGroup};

/// Fewer entries than this are not looked through for dead ones.
const FEW_ENTRIES: usize = 64;

/// Counters, and the scope that keeps them listed.
pub(crate) struct Counted<G> {
    /// The worker's own cells.
    pub(crate) cells: Arc<G>,
    _scope: Option<Scope>,
}

impl<G: StatGroup> Counted<G> {
    /// New cells in a scope.
    pub(crate) fn new(scope: Option<Scope>) -> Rc<Self> {
        let cells = scope.as_ref().map(Scope::worker_group);
        Rc::new(Counted {
            cells: cells.unwrap_or_default(),
            _scope: scope,
        })
    }
}

/// The counters of levels.
pub(crate) struct LevelStats<G> {
    root: Scope,
    levels: RefCell<Kept<Arc<()>, Rc<Counted<G>>>>,
}

impl<G: StatGroup> LevelStats<G> {
    /// None yet.
    pub(crate) fn new(root: &Scope) -> Self {
        LevelStats {
            root: root.clone(),
            levels: RefCell::default(),
        }
    }

    /// The counters of the level that has `alive`; new ones lie in the scope that `scope` makes of the root.
    pub(crate) fn of(
        &self,
        alive: &Arc<()>,
        scope: impl FnOnce(&Scope) -> Option<Scope>,
    ) -> Rc<Counted<G>> {
        let mut levels = self.levels.borrow_mut();
        Rc::clone(levels.get(alive, || Counted::new(scope(&self.root))))
    }
}

/// How things are owned together, which tells when they are gone.
pub(crate) trait Owner {
    type Weak;

    fn address(&self) -> usize;
    fn downgrade(&self) -> Self::Weak;
    fn is_alive(weak: &Self::Weak) -> bool;
}

/// By all workers.
impl<K> Owner for Arc<K> {
    type Weak = sync::Weak<K>;

    fn address(&self) -> usize {
        Arc::as_ptr(self).addr()
    }

    fn downgrade(&self) -> Self::Weak {
        Arc::downgrade(self)
    }

    fn is_alive(weak: &Self::Weak) -> bool {
        weak.strong_count() > 0
    }
}

/// By one worker.
impl<K> Owner for Rc<K> {
    type Weak = rc::Weak<K>;

    fn address(&self) -> usize {
        Rc::as_ptr(self).addr()
    }

    fn downgrade(&self) -> Self::Weak {
        Rc::downgrade(self)
    }

    fn is_alive(weak: &Self::Weak) -> bool {
        weak.strong_count() > 0
    }
}

/// Values of things that others own.
pub(crate) struct Kept<O: Owner, V> {
    /// By address, which stays taken as long as somebody refers to it, if only weakly.
    by_address: HashMap<usize, (O::Weak, V)>,
    /// So many entries make it worth looking for dead ones.
    look_at: usize,
}

impl<O: Owner, V> Default for Kept<O, V> {
    fn default() -> Self {
        Kept {
            by_address: HashMap::new(),
            look_at: FEW_ENTRIES,
        }
    }
}

impl<O: Owner, V> Kept<O, V> {
    /// The value of what `owner` is; made if there is none yet.
    pub(crate) fn get(&mut self, owner: &O, make: impl FnOnce() -> V) -> &V {
        let address = owner.address();
        if self.by_address.len() >= self.look_at && !self.by_address.contains_key(&address) {
            self.by_address.retain(|_, (owner, _)| O::is_alive(owner));
            self.look_at = FEW_ENTRIES.max(self.by_address.len() * 2);
        }
        let entry = self.by_address.entry(address);
        let (_, value) = entry.or_insert_with(|| (owner.downgrade(), make()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_nobody_any_more_is_forgotten() {
        let mut kept = Kept::<Arc<u32>, u32>::default();
        let lasting = Arc::new(7);
        assert_eq!(*kept.get(&lasting, || 1), 1);
        for number in 0..10_000 {
            assert_eq!(*kept.get(&Arc::new(number), || number), number);
        }
        assert!(kept.by_address.len() <= FEW_ENTRIES);
        assert_eq!(*kept.get(&lasting, || 2), 1);
    }
}
