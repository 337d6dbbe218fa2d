//! Tasks of which there are few, or which do little.

use std::future::Future;
use std::pin::Pin;

use tokio::task::JoinHandle;

/// Starts a task on this thread. What it does is behind a pointer, so that the program has the runtime's code of a task
/// once and not again for each kind (3 KB). What runs with every request does without the pointer.
pub fn spawn_seldom(task: impl Future<Output = ()> + 'static) -> JoinHandle<()> {
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
    tokio::task::spawn_local(task)
}
