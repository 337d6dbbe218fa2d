//! The event loop of a worker: sockets, timers and tasks of one thread.
//!
//! It is made here, whatever it is that runs on it, so that it is compiled as the request path is.

use std::io;
use std::pin::Pin;

use tokio::runtime::{Builder, LocalOptions};

use crate::transport::outbox;

/// How many polls of tasks with work may come between two looks at the sockets: a few milliseconds. Fewer cost a system
/// call each time, though under load dozens of tasks wait.
const POLLS_A_TURN: u32 = 512;

/// Runs a worker's work, and the tasks that it begins, to its end on the calling thread.
///
/// # Errors
/// The system has no event loop to give.
pub fn run(work: Pin<Box<dyn Future<Output = ()>>>) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(POLLS_A_TURN)
        .build_local(LocalOptions::default())?;
    runtime.spawn_local(outbox::serve());
    runtime.block_on(work);
    Ok(())
}
