//! The calls of this thread, for what runs without a stream: it is made before any of the worker's streams, and runs
//! between them. Whoever runs the thread offers them once, at start.

use std::cell::RefCell;

use super::Calls;

thread_local! {
    static CALLS: RefCell<Option<Calls>> = const { RefCell::new(None) };
}

/// Offers calls to all that runs on this thread from now on.
pub fn offer_on_thread(calls: Calls) {
    CALLS.set(Some(calls));
}

/// What was offered on this thread, if anything was.
pub fn of_thread() -> Option<Calls> {
    CALLS.with_borrow(Clone::clone)
}
