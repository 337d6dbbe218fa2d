//! A thread's pool of cleared header storage, so that a request allocates none.

use std::cell::RefCell;

use super::entry::Storage;

/// Most storages a thread keeps.
const MAX_POOLED: usize = 64;
/// Storage whose arena has grown beyond this is given back to the allocator.
const MAX_POOLED_ARENA_BYTES: usize = 16 * 1024;
/// The same for the number of entries.
const MAX_POOLED_ENTRIES: usize = 256;

thread_local! {
    static POOL: RefCell<Vec<Storage>> = const { RefCell::new(Vec::new()) };
}

/// Gives back to the allocator what is kept.
pub fn give_back() {
    let _there_is_none_while_the_thread_ends = POOL.try_with(RefCell::take);
}

/// Cleared storage, from the pool if it has some.
pub(super) fn take() -> Storage {
    POOL.try_with(|pool| pool.borrow_mut().pop())
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Gives storage back; what is too big, or too many, is freed.
pub(super) fn give(mut storage: Storage) {
    if storage.arena.capacity() == 0
        || storage.arena.capacity() > MAX_POOLED_ARENA_BYTES
        || storage.entries.capacity() > MAX_POOLED_ENTRIES
    {
        return;
    }
    storage.arena.clear();
    storage.entries.clear();
    storage.pseudo.clear();
    // At thread exit the pool may be gone already; the storage is then freed.
    let _ = POOL.try_with(|pool| {
        let mut pool = pool.borrow_mut();
        if pool.len() < MAX_POOLED {
            pool.push(storage);
        }
    });
}
