//! The worker threads: one event loop each, nothing shared on the request path.

use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use nuncio_contract::clock::SystemClock;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::overload::{Overload, OverloadOnWorker};
use nuncio_contract::services::FailingHealth;
use nuncio_contract::stats::Scope;
use nuncio_http::drain::DrainPolicy;
use nuncio_http::worker::Worker;
use nuncio_net::event_loop;
use nuncio_net::tasks::spawn_seldom;
use nuncio_upstream::ClusterManager;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::bootstrap::RunningBeside;
use crate::listener::{
    ChainRoutes, CompiledListener, ListenerCommand, ListenerId, OnThread, WorkerListeners,
};
use crate::watchdog::Beat;

/// What the main thread tells a worker.
pub(crate) enum Command {
    /// A listener comes, changes or goes.
    Listener(ListenerId, ListenerCommand),
    /// The requests to come of connections that drain on a listener have other routes in these chains.
    DrainingRoutes(Weak<CompiledListener>, ChainRoutes),
    /// Clusters were published or removed: what is outdated goes, whether there is traffic or not.
    DropOutdatedClusters,
    /// All that was told before is done once this is dropped.
    Settle(UnboundedSender<()>),
    /// The same: what is done at the drop of the last of them is done behind all that the workers were told before.
    Pass(Arc<dyn Send + Sync>),
    /// The overload manager's actions go further or less far than before.
    OverloadChanged,
    /// What is kept for later is given back.
    ShrinkHeap,
    /// The end.
    Stop,
}

/// The way to the workers.
#[derive(Clone)]
pub(crate) struct Workers(Vec<UnboundedSender<Command>>);

/// The workers' threads.
pub(crate) struct Threads(Vec<JoinHandle<()>>);

/// What all workers begin with.
#[derive(Clone)]
pub(crate) struct Shared {
    /// The clusters.
    pub(crate) manager: Arc<ClusterManager>,
    /// How connections are seen off.
    pub(crate) drain: DrainPolicy,
    /// Whether health checks are to fail.
    pub(crate) failing_health: FailingHealth,
    /// Who the process is.
    pub(crate) node: Arc<LocalNode>,
    /// What the overload manager decides, if there is one.
    pub(crate) overload: Option<Arc<Overload>>,
    /// Where it is counted.
    pub(crate) stats: Scope,
    /// What runs beside the streams.
    pub(crate) extensions: RunningBeside,
}

/// What one worker begins with.
struct Start {
    index: usize,
    /// Differs from worker to worker.
    seed: u64,
    shared: Shared,
    beat: Beat,
}

impl Workers {
    /// None, before they are started.
    pub(crate) fn none() -> Self {
        Workers(Vec::new())
    }

    /// Starts a thread for each beat, without listeners.
    pub(crate) fn start(
        beats: Vec<Beat>,
        shared: &Shared,
        seed: impl Fn(u64) -> u64,
    ) -> std::io::Result<(Self, Threads)> {
        let mut workers = Workers(Vec::new());
        let mut threads = Threads(Vec::new());
        for (index, beat) in beats.into_iter().enumerate() {
            let start = Start {
                index,
                seed: seed(u64::try_from(index).unwrap_or(0)),
                shared: shared.clone(),
                beat,
            };
            let (sender, receiver) = unbounded_channel();
            let thread = std::thread::Builder::new()
                .name(format!("wrk:worker_{index}"))
                .spawn(move || run(start, receiver))?;
            threads.0.push(thread);
            workers.0.push(sender);
        }
        Ok((workers, threads))
    }

    /// Tells each worker what `command` makes for it, if anything.
    pub(crate) fn tell(&self, mut command: impl FnMut() -> Option<Command>) {
        for worker in &self.0 {
            if let Some(command) = command() {
                let _a_worker_that_ended_needs_no_command = worker.send(command);
            }
        }
    }

    /// Waits until all workers have done what they were told so far.
    pub(crate) async fn settled(&self) {
        let (sender, mut receiver) = unbounded_channel();
        self.tell(|| Some(Command::Settle(sender.clone())));
        drop(sender);
        while receiver.recv().await.is_some() {}
    }
}

impl Threads {
    /// Stops all workers and waits for them.
    pub(crate) fn stop(self, workers: &Workers) {
        workers.tell(|| Some(Command::Stop));
        for thread in self.0 {
            let _a_panic_was_printed_already = thread.join();
        }
    }
}

fn run(start: Start, commands: UnboundedReceiver<Command>) {
    let served = event_loop::run(Box::pin(async move {
        drop(spawn_seldom(start.beat.clone().go_on()));
        work(start, commands).await;
    }));
    if let Err(error) = served {
        crate::log::critical("main", &format!("a worker could not start: {error}"));
    }
}

async fn work(start: Start, mut commands: UnboundedReceiver<Command>) {
    let shared = start.shared;
    let worker = Worker::new(Rc::new(SystemClock), start.seed, shared.manager);
    let overload = shared.overload;
    let overload = overload.map(|it| Rc::new(OverloadOnWorker::new(it, &shared.stats, start.seed)));
    let worker = worker
        .with_health(shared.failing_health)
        .with_node(shared.node);
    let worker = Rc::new(worker.with_overload(overload.clone()));
    nuncio_http::calls::offer(&worker, Rc::new(SystemClock));
    follow_hosts(&worker);
    let extensions = shared.extensions.iter();
    let _running: Vec<_> = extensions
        .filter(|extension| !extension.is_singleton())
        .map(|extension| extension.start(&shared.stats))
        .collect();
    let thread = OnThread::worker(start.index, Rc::clone(&worker));
    let mut listeners = WorkerListeners::new(thread, shared.drain);
    while let Some(command) = commands.recv().await {
        match command {
            Command::Listener(id, command) => listeners.act(id, command),
            Command::DrainingRoutes(listener, routes) => {
                listeners.set_draining_routes(&listener, &routes);
            }
            Command::DropOutdatedClusters => worker.clusters.drop_outdated(),
            Command::Settle(done) => drop(done),
            Command::Pass(shared) => drop(shared),
            Command::OverloadChanged => {
                if let Some(overload) = &overload {
                    overload.changed();
                }
            }
            Command::ShrinkHeap => worker.give_back(),
            Command::Stop => return listeners.cut_off().await,
        }
    }
}

/// Has a thread's clusters take changed hosts over while it is at rest, too.
pub(crate) fn follow_hosts(worker: &Rc<Worker>) {
    let worker = Rc::clone(worker);
    spawn_seldom(async move { worker.clusters.follow_hosts().await });
}
