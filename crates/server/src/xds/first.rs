//! The first that comes of a subscription, which what needs it waits for.

use tokio::sync::watch;

/// Whether the first resources have come, or are not waited for any longer.
pub(super) struct First(watch::Sender<bool>);

impl First {
    /// Nothing has come yet.
    pub(super) fn awaited() -> Self {
        First(watch::Sender::new(false))
    }

    /// From now on nobody waits.
    pub(super) fn done(&self) {
        self.0.send_replace(true);
    }

    /// Whether nobody waits.
    pub(super) fn is_done(&self) -> bool {
        *self.0.borrow()
    }

    /// Completes when it is done, or when the subscription has ended.
    pub(super) fn wait(&self) -> impl Future<Output = ()> + use<> {
        let mut receiver = self.0.subscribe();
        async move {
            let _the_subscription_may_have_ended = receiver.wait_for(|done| *done).await;
        }
    }
}
