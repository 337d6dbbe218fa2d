//! What all connection managers and logs of one configuration share within a thread: tracers, streams of logs.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::{Rc, Weak};

/// The things of a thread, by what their configuration is written as. None is kept alive here.
pub(crate) struct OfThread<K, T>(RefCell<HashMap<K, Weak<T>>>);

impl<K, T> Default for OfThread<K, T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<K: Eq + Hash, T> OfThread<K, T> {
    /// The one that is there, or a new one, which is told how to find itself.
    pub(crate) fn get_or_make(&self, written: K, make: impl FnOnce(Weak<T>) -> T) -> Rc<T> {
        let mut known = self.0.borrow_mut();
        if let Some(there) = known.get(&written).and_then(Weak::upgrade) {
            return there;
        }
        known.retain(|_, thing| thing.strong_count() > 0);
        let made = Rc::new_cyclic(|me| make(Weak::clone(me)));
        known.insert(written, Rc::downgrade(&made));
        made
    }
}
