//! What listeners are called between threads.

/// A listener's number, the same on all threads and never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);
