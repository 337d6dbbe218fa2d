//! How many connections of clients the process has, those among them that listener filters still look at.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

static ALL: AtomicU64 = AtomicU64::new(0);

/// Those of listeners that heed the overload manager, if it limits them.
static WATCHED: AtomicU64 = AtomicU64::new(0);

/// Those of the admin.
static OF_ADMIN: AtomicU64 = AtomicU64::new(0);

/// Those that listeners have.
pub(crate) fn of_listeners() -> u64 {
    let of_admin = OF_ADMIN.load(Relaxed);
    all().saturating_sub(of_admin)
}

/// The admin has so many of them.
pub(crate) fn admin_has(count: u64) {
    OF_ADMIN.store(count, Relaxed);
}

/// All of them.
pub(crate) fn all() -> u64 {
    ALL.load(Relaxed)
}

/// Those that the overload manager counts.
pub(crate) fn watched() -> u64 {
    WATCHED.load(Relaxed)
}

/// There is one more.
pub(crate) fn add(is_watched: bool) {
    ALL.fetch_add(1, Relaxed);
    if is_watched {
        WATCHED.fetch_add(1, Relaxed);
    }
}

/// There is one less.
pub(crate) fn remove(is_watched: bool) {
    ALL.fetch_sub(1, Relaxed);
    if is_watched {
        WATCHED.fetch_sub(1, Relaxed);
    }
}
