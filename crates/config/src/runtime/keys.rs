//! The places of all keys that somebody has, and the values in force.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::key::Place;
use super::{RuntimeKey, RuntimeValue};

/// Fewer places than this are not looked through for dead ones.
const FEW_PLACES: usize = 64;

/// The runtime as keys are resolved against it; cheap to share.
#[derive(Clone, Default)]
pub struct RuntimeKeys(Arc<Shared>);

impl std::fmt::Debug for RuntimeKeys {
    /// Without its places, which are many and in no order.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuntimeKeys").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Shared {
    /// Goes up with each change of the values.
    generation: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    values: HashMap<Box<str>, RuntimeValue>,
    places: HashMap<Box<str>, Weak<Place>>,
    /// So many places make it worth looking for dead ones.
    look_at: usize,
}

impl RuntimeKeys {
    /// The key of this name; that of an empty name never has a value.
    pub fn key(&self, name: &str) -> RuntimeKey {
        if name.is_empty() {
            return RuntimeKey::default();
        }
        let inner = &mut *self.inner();
        if let Some(place) = inner.places.get(name).and_then(Weak::upgrade) {
            return RuntimeKey::at(place);
        }
        if inner.places.len() >= inner.look_at.max(FEW_PLACES) {
            inner.places.retain(|_, place| place.strong_count() > 0);
            inner.look_at = inner.places.len() * 2;
        }
        let place = Arc::new(Place::new(inner.values.get(name)));
        inner.places.insert(name.into(), Arc::downgrade(&place));
        RuntimeKey::at(place)
    }

    /// Puts other values in force, for all keys there are and will be.
    pub fn set_values(&self, values: HashMap<Box<str>, RuntimeValue>) {
        let inner = &mut *self.inner();
        inner.places.retain(|name, place| match place.upgrade() {
            Some(place) => {
                place.set(values.get(name));
                true
            }
            None => false,
        });
        inner.values = values;
        self.0.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Goes up with each change, so that who keeps names sees when to look again.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }

    /// The names with this prefix that have a value, without it.
    pub fn names_behind(&self, prefix: &str) -> Vec<String> {
        let inner = self.inner();
        let names = inner.values.keys();
        names
            .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
            .collect()
    }

    /// The value of now that a name has, for who does not keep its key.
    pub fn value(&self, name: &str) -> Option<RuntimeValue> {
        self.inner().values.get(name).cloned()
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.inner().places.len()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
