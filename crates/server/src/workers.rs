//! The worker threads: one event loop each, nothing shared on the request path.

use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use nuncio_contract::clock::SystemClock;
use nuncio_http::worker::Worker;
use nuncio_upstream::ClusterManager;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

use crate::listener::{CompiledListener, serve};

/// What the main thread tells a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Responses close their connections from now on, or no longer.
    Drain(bool),
    /// No connections are accepted any more.
    StopAccepting,
    /// The end.
    Stop,
}

/// The threads and the way to them.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    commands: Vec<UnboundedSender<Command>>,
}

/// What one worker begins with.
pub(crate) struct Start {
    /// Its listeners, each with the worker's own socket.
    pub listeners: Vec<(Arc<CompiledListener>, TcpListener)>,
    /// The clusters.
    pub manager: Arc<ClusterManager>,
    /// Differs from worker to worker.
    pub seed: u64,
}

impl Workers {
    /// Starts a thread for each.
    pub(crate) fn start(starts: Vec<Start>) -> std::io::Result<Self> {
        let mut workers = Workers {
            threads: Vec::new(),
            commands: Vec::new(),
        };
        let step = u64::try_from(starts.len()).unwrap_or(1).max(1);
        for (index, start) in starts.into_iter().enumerate() {
            let (sender, receiver) = unbounded_channel();
            let thread = std::thread::Builder::new()
                .name(format!("wrk:worker_{index}"))
                .spawn(move || run(index, step, start, receiver))?;
            workers.threads.push(thread);
            workers.commands.push(sender);
        }
        Ok(workers)
    }

    /// Tells all workers.
    pub(crate) fn tell(&self, command: Command) {
        for worker in &self.commands {
            let _a_worker_that_ended_needs_no_command = worker.send(command);
        }
    }

    /// Stops all workers and waits for them.
    pub(crate) fn stop(self) {
        self.tell(Command::Stop);
        for thread in self.threads {
            let _a_panic_was_printed_already = thread.join();
        }
    }
}

fn run(index: usize, step: u64, start: Start, commands: UnboundedReceiver<Command>) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::log::critical("main", &format!("a worker could not start: {error}"));
            return;
        }
    };
    let local = LocalSet::new();
    local.block_on(&runtime, work(index, step, start, commands));
}

async fn work(index: usize, step: u64, start: Start, mut commands: UnboundedReceiver<Command>) {
    let first_id = u64::try_from(index).unwrap_or(0);
    let worker = Rc::new(Worker::new(
        Rc::new(SystemClock),
        start.seed,
        start.manager,
        first_id,
    ));
    let accepting: Vec<_> = start
        .listeners
        .into_iter()
        .map(|(listener, socket)| {
            let name = format!("worker_{index}");
            tokio::task::spawn_local(serve(
                listener,
                socket,
                Rc::clone(&worker),
                name,
                step,
                None,
            ))
        })
        .collect();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Drain(draining) => worker.set_draining(draining),
            Command::StopAccepting => accepting.iter().for_each(tokio::task::JoinHandle::abort),
            Command::Stop => return,
        }
    }
}
