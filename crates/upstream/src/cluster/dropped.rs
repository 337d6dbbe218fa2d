//! Requests that no host of a cluster got, for reports of load. Counted where a request fails anyway.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

/// What one cluster has dropped since the start.
#[derive(Debug)]
pub struct Dropped {
    all: AtomicU64,
    by_overload: AtomicU64,
    category: RwLock<Arc<str>>,
}

impl Dropped {
    pub(crate) fn new(category: &str) -> Self {
        Self {
            all: AtomicU64::new(0),
            by_overload: AtomicU64::new(0),
            category: RwLock::new(category.into()),
        }
    }

    /// A circuit breaker was open.
    pub fn count(&self) {
        self.all.fetch_add(1, Relaxed);
    }

    /// It was one of the share that is turned away.
    pub fn count_overload(&self) {
        self.count();
        self.by_overload.fetch_add(1, Relaxed);
    }

    /// All of them, and those of the share that is turned away.
    pub fn totals(&self) -> (u64, u64) {
        (self.all.load(Relaxed), self.by_overload.load(Relaxed))
    }

    /// What the share that is turned away is called.
    pub fn category(&self) -> Arc<str> {
        let category = self.category.read();
        Arc::clone(&category.unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_category(&self, category: &str) {
        let mut now = self
            .category
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *now = category.into();
    }
}
