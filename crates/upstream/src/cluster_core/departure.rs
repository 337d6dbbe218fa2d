//! That hosts of a cluster leave, or the cluster itself as it is replaced or removed: told to those whose connections
//! stand in no pool.

use std::cell::Cell;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Whether a cluster is gone, and who wants to know.
#[derive(Default)]
pub(crate) struct Departure {
    is_gone: Cell<bool>,
    changed: Notify,
}

impl Departure {
    /// The cluster is another one by now, or none.
    pub(crate) fn leave(&self) {
        self.is_gone.set(true);
        self.changed.notify_waiters();
    }

    /// Has those that wait look at their hosts again.
    pub(crate) fn host_leaves(&self) {
        self.changed.notify_waiters();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    /// What happens from now on.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}
