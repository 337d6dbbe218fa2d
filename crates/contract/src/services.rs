//! What a worker offers to the rooms that run on it: time and chance.
//! Injected, so that rooms are tested under a manual clock and a seeded source.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::clock::Clock;

/// A future that stays on its worker.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// One worker's services. Not `Send`: each worker has its own.
pub trait WorkerServices: Clock {
    /// The next number of the worker's random source.
    fn random_u64(&self) -> u64;
    /// Completes after `duration`.
    fn sleep(&self, duration: Duration) -> LocalFuture<()>;
}
