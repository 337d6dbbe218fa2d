//! What a configuration needs that must be fetched while the rest of it is there already, and for which it waits before
//! it runs.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Something that must come before what was compiled with it runs.
pub trait Awaited: Send + Sync {
    /// Has it fetched, on this thread; once, however often this is called.
    fn begin(self: Arc<Self>);

    /// Ready once it has come, or will not.
    fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Whether it has come, or will not.
    fn is_done(&self) -> bool;
}

impl fmt::Debug for dyn Awaited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let done = self.is_done();
        formatter
            .debug_struct("Awaited")
            .field("is_done", &done)
            .finish_non_exhaustive()
    }
}
