//! Time and chance for who asks: the same number whenever one is drawn, so that an answer can be had again.

use std::time::{Duration, Instant, SystemTime};

use nuncio_contract::clock::{Clock, SystemClock};
use nuncio_contract::services::{LocalFuture, WorkerServices};

/// Services that draw this number.
pub(super) struct Chosen(pub(super) u64);

impl Clock for Chosen {
    fn now(&self) -> Instant {
        SystemClock.now()
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }
}

impl WorkerServices for Chosen {
    fn random_u64(&self) -> u64 {
        self.0
    }

    fn sleep(&self, _: Duration) -> LocalFuture<()> {
        Box::pin(std::future::ready(()))
    }
}
