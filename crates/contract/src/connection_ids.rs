//! Numbers of connections: one row for all of the process, whoever opened them, from 0 on, as in Envoy.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number that no other connection of the process has.
pub fn next() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}
