//! The main thread: binds, starts the workers, runs discovery and the admin, and waits for the end.

mod process;

use std::any::Any;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::access_log::FileOptions;
use nuncio_contract::clock::SystemClock;
use nuncio_contract::local_node::LocalNode;
use nuncio_contract::services::WorkerServices;
use nuncio_contract::stats::groups::register_admin;
use nuncio_http::drain::DrainPolicy;
use nuncio_http::service::Service;
use nuncio_http::worker::Worker;
use nuncio_net::bound::{BoundSocket, bind_one};
use nuncio_net::dns::Resolvers;
use nuncio_net::tasks::spawn_seldom;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

use crate::admin::state::ServerLife;
use crate::admin_service::AdminListener;
use crate::agents::Agents;
use crate::bootstrap::{self, AdminConfig, Compiled, RunningBeside, Surroundings};
use crate::cli::{Mode, Options};
use crate::hot_restart::{After, Ask, Follow, Granting, HotRestart};
use crate::listener::{CompiledListener, OnThread, serve};
use crate::log;
use crate::node::NodeStamp;
use crate::outlier_log;
use crate::overload::{Order, OverloadConfig, OverloadManager};
use crate::reload::{ConfigFile, Reloader};
use crate::resource::{ClusterResource, ListenerResource};
use crate::running::{Prepared, Running};
use crate::server_state::{Lineage, ServerState};
use crate::stat_sinks::StatSinks;
use crate::watchdog::{Beat, WatchdogConfig, Watching};
use crate::workers::{Command, Shared, Threads, Workers, follow_hosts};
use crate::xds::Discovery;
use process::{Process, Signals};

/// A listener of the process's own, served on the main thread.
pub(crate) struct Extra {
    pub(crate) listener: Arc<CompiledListener>,
    pub(crate) service: Rc<dyn Service>,
}

/// Serves a compiled bootstrap to the end of the process.
pub(crate) fn run(
    around: &Surroundings<'_>,
    compiled: Compiled,
    file: Option<ConfigFile>,
    hot_restart: Option<HotRestart>,
) -> Result<(), String> {
    run_with(around, (compiled, file), hot_restart, Vec::new(), None)
}

/// The same, with listeners of our own beside it and something to do once all is up.
pub(crate) fn run_with(
    around: &Surroundings<'_>,
    config: (Compiled, Option<ConfigFile>),
    hot_restart: Option<HotRestart>,
    extras: Vec<Extra>,
    on_live: Option<fn()>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("the event loop could not start: {error}"))?;
    if let Some(files) = around.extensions.access_log_files {
        let options = FileOptions {
            flush_interval: Duration::from_millis(u64::from(
                around.options.file_flush_interval_msec,
            )),
            min_flush_bytes: usize::try_from(around.options.file_flush_min_size_kb).unwrap_or(64)
                * 1024,
        };
        files.configure(options, around.stats);
    }
    let local = LocalSet::new();
    let outcome = local.block_on(
        &runtime,
        serve_all(around, config, hot_restart, extras, on_live),
    );
    if let Some(files) = around.extensions.access_log_files {
        files.flush_all();
    }
    outcome
}

async fn serve_all(
    around: &Surroundings<'_>,
    (compiled, file): (Compiled, Option<ConfigFile>),
    mut hot_restart: Option<HotRestart>,
    extras: Vec<Extra>,
    on_live: Option<fn()>,
) -> Result<(), String> {
    // From here on a SIGHUP does not end the process, but waits until it can be acted on.
    let hang_up = signal(SignalKind::hangup()).map_err(no_signals)?;
    let concurrency = around.options.workers();
    let written = (Arc::clone(&compiled.tree), Arc::clone(&compiled.lines));
    let node = NodeStamp::new(around.options, around.extensions);
    let node = Arc::new(node.local(&compiled.tree));
    let main_worker = main_worker(around, &node);
    let services = Rc::clone(&main_worker) as Rc<dyn WorkerServices>;
    let shared = Rc::clone(&services);
    let running = Running::new(around.manager, around.stats, concurrency, written, shared);
    prepare_for_hosts(&running, around, &compiled);
    let listeners = open_listeners(&running, compiled.listeners, hot_restart.as_ref())?;
    let agents = Agents::new(around, &running, &compiled.dynamic, &services);
    let dynamic = (compiled.dynamic, compiled.names);
    let discovery = Discovery::new(around, &running, dynamic, &services);
    let (actions, asked) = unbounded_channel();
    let (reloads, reloads_asked) = unbounded_channel();
    let state = Rc::new(ServerState::new(
        around,
        &compiled.stats,
        Rc::clone(&running),
        concurrency,
        actions,
        reloads.clone(),
        lineage(hot_restart.as_ref()),
    ));
    state.count_uses(compiled.uses);
    let parent = hot_restart.as_ref();
    parent.map_or(Ok(()), HotRestart::shut_down_parents_admin)?;
    let start = |admin| start_admin(admin, around, &state, &main_worker);
    let admin = compiled.admin.as_ref().map(start).transpose()?;
    serve_extras(extras, &main_worker)?;
    start_flushes(around, &compiled.stats, &state, &main_worker)?;
    let flush_interval = compiled.stats.flush_interval;
    running.log_outliers(compiled.outlier_log.map(outlier_log::writing));
    start_clusters(around, &running, &discovery, compiled.clusters).await;
    agents.begin();
    if around.options.mode == Mode::InitOnly {
        return Ok(());
    }
    let (_running_here, beside) = run_singletons(around, node, compiled.extensions);
    let overload = begin_overload(compiled.process.overload, around);
    let (watching, beats) = watch_threads(around, &compiled.process.watchdogs, concurrency)?;
    let (workers, threads) = start_workers(around, beats, (&state, overload.as_ref()), beside)?;
    start_listeners(&running, &discovery, listeners, &workers, parent).await;
    go_live(&state, on_live);
    let (asks, follow) = follow(hot_restart.as_mut(), around, flush_interval);
    let granting = granting(around, (&running, &state), &workers, admin, follow);
    let all = (Rc::clone(&running), Rc::clone(&discovery));
    let reloader = Reloader::new(around, all, workers.clone(), file);
    let signals = Signals::new(hang_up).map_err(no_signals)?;
    let process = Process {
        around,
        state: &state,
        running,
        workers: &workers,
        reloads,
    };
    tokio::select! {
        () = process.until_the_end(signals, asked) => {}
        () = reloader.run(reloads_asked) => {}
        () = until_told(granting, asks) => {}
        () = around.runtime.watch() => {}
        () = discovery.run() => {}
        () = watch_resources(overload, &workers) => {}
    }
    log::info("main", "exiting");
    // Threads that end have no turns any more.
    drop(watching);
    threads.stop(&workers);
    state.end_sinks();
    Ok(())
}

fn granting(
    around: &Surroundings<'_>,
    (running, state): (&Rc<Running>, &Rc<ServerState>),
    workers: &Workers,
    admin: Option<Rc<AdminListener>>,
    follow: Option<Follow>,
) -> Granting {
    Granting {
        running: Rc::clone(running),
        state: Rc::clone(state),
        workers: workers.clone(),
        admin,
        follow,
        shutdown_time: Duration::from_secs(around.options.parent_shutdown_time_s.into()),
        drained: None,
        ends: None,
    }
}

/// Who this proxy is, and what runs beside its streams.
type Beside = (Arc<LocalNode>, RunningBeside);

/// Lets run what runs on this thread alone, as long as it is kept.
fn run_singletons(
    around: &Surroundings<'_>,
    node: Arc<LocalNode>,
    extensions: RunningBeside,
) -> (Vec<Box<dyn Any>>, Beside) {
    let singletons = extensions.iter().filter(|it| it.is_singleton());
    let root = around.stats.root();
    let running = singletons.map(|it| it.start(&root)).collect();
    (running, (node, extensions))
}

fn start_workers(
    around: &Surroundings<'_>,
    beats: Vec<Beat>,
    (state, overload): (&ServerState, Option<&OverloadManager>),
    (node, extensions): Beside,
) -> Result<(Workers, Threads), String> {
    let shared = Shared {
        extensions,
        node,
        manager: Arc::clone(around.manager),
        drain: drain_policy(around.options),
        failing_health: state.failing_health().clone(),
        overload: overload.map(OverloadManager::shared),
        stats: around.stats.root(),
    };
    let started = Workers::start(beats, &shared, seed);
    started.map_err(|error| error.to_string())
}

/// Has the main thread and the workers watched from now on; the workers' beats.
fn watch_threads(
    around: &Surroundings<'_>,
    watchdogs: &WatchdogConfig,
    workers: usize,
) -> Result<(Watching, Vec<Beat>), String> {
    let watching = watchdogs.begin(workers, around.stats);
    let (watching, own, beats) = watching.map_err(|error| error.to_string())?;
    spawn_seldom(own.go_on());
    Ok((watching, beats))
}

/// How hosts are found and reached, before there are any.
fn prepare_for_hosts(running: &Rc<Running>, around: &Surroundings<'_>, compiled: &Compiled) {
    let resolvers = Resolvers::new(&compiled.resolver, around.stats);
    running.clusters.borrow_mut().resolve_by(resolvers);
    running.open_channels(&around.channels);
    nuncio_net::internal::set_buffer_bytes(compiled.internal_buffer_bytes);
}

/// Lets the clusters run that are there from the start, and those that come first; returns once they are warm.
async fn start_clusters(
    around: &Surroundings<'_>,
    running: &Running,
    discovery: &Discovery<'_>,
    clusters: Vec<ClusterResource>,
) {
    let static_clusters = running.start_clusters(clusters);
    discovery.looking_meanwhile(static_clusters).await;
    discovery.start_clusters().await;
    around.runtime.load();
}

/// Begins to look after the process that this one takes over from, if there is one; what the next one asks.
fn follow(
    hot_restart: Option<&mut HotRestart>,
    around: &Surroundings<'_>,
    flush_interval: Duration,
) -> (Option<UnboundedReceiver<Ask>>, Option<Follow>) {
    let Some(place) = hot_restart else {
        return (None, None);
    };
    let follow = place.follow(around.options, around.stats, flush_interval);
    (place.take_asks(), Some(follow))
}

fn begin_overload(
    config: Option<OverloadConfig>,
    around: &Surroundings<'_>,
) -> Option<OverloadManager> {
    config.map(|config| OverloadManager::begin(config, around.stats))
}

/// Lets the overload manager look at its resources, if there is one.
async fn watch_resources(overload: Option<OverloadManager>, workers: &Workers) {
    match overload {
        Some(overload) => {
            let order = |order| {
                workers.tell(|| {
                    Some(match order {
                        Order::LookAgain => Command::OverloadChanged,
                        Order::GiveBack => Command::ShrinkHeap,
                    })
                });
            };
            overload.run(order).await;
        }
        None => std::future::pending().await,
    }
}

fn go_live(state: &ServerState, on_live: Option<fn()>) {
    state.set_life(ServerLife::Live);
    state.note_initialization_time();
    log::info("main", "starting main dispatch loop");
    if let Some(on_live) = on_live {
        on_live();
    }
}

/// Opens the listeners' sockets; those that the process before has open come from it.
fn open_listeners(
    running: &Running,
    listeners: Vec<ListenerResource>,
    hot_restart: Option<&HotRestart>,
) -> Result<Prepared, String> {
    let inherit = hot_restart.and_then(HotRestart::inherit);
    running.listeners.borrow_mut().inherit_from(inherit);
    let prepared = running.listeners.borrow().prepare(listeners);
    let prepared = prepared.map_err(|errors| errors.join("\n"))?;
    running.listeners.borrow_mut().inherit_from(None);
    Ok(prepared)
}

/// Lets the listeners run that are there from the start, and those that come first.
async fn start_listeners(
    running: &Running,
    discovery: &Discovery<'_>,
    mut prepared: Prepared,
    workers: &Workers,
    hot_restart: Option<&HotRestart>,
) {
    discovery.begin_with(workers);
    discovery.attach_all(prepared.resources_mut());
    discovery.note_starting(prepared.resources_mut().map(|one| one.clone()).collect());
    discovery.looking_meanwhile(prepared.fetched()).await;
    let first = discovery.first_of_listeners();
    discovery.looking_meanwhile(first).await;
    discovery.attach_all(prepared.resources_mut());
    running.start_listeners(prepared, workers);
    discovery.note_starting(Vec::new());
    let inherit = hot_restart.and_then(HotRestart::inherit);
    running.listeners.borrow_mut().inherit_from(inherit);
    discovery.start_listeners().await;
    running.listeners.borrow_mut().inherit_from(None);
}

/// The worker that the main thread is to its own listeners.
fn main_worker(around: &Surroundings<'_>, node: &Arc<LocalNode>) -> Rc<Worker> {
    let worker = Worker::new(
        Rc::new(SystemClock),
        seed(u64::MAX),
        Arc::clone(around.manager),
    );
    let worker = worker.with_node(Arc::clone(node));
    nuncio_http::calls::offer(&worker, Rc::new(SystemClock));
    let worker = Rc::new(worker);
    follow_hosts(&worker);
    worker
}

fn serve_extras(extras: Vec<Extra>, worker: &Rc<Worker>) -> Result<(), String> {
    for extra in extras {
        let socket = bind_extra(&extra.listener)?;
        let thread = OnThread::main(Rc::clone(worker));
        tokio::task::spawn_local(serve(extra.listener, socket, thread, extra.service));
    }
    Ok(())
}

fn drain_policy(options: &Options) -> DrainPolicy {
    DrainPolicy {
        time: Duration::from_secs(options.drain_time_s.into()),
        is_gradual: options.drain_strategy != "immediate",
        ..DrainPolicy::default()
    }
}

fn bind_extra(listener: &CompiledListener) -> Result<BoundSocket, String> {
    bind_one(&listener.address, &listener.options)
        .map_err(|error| format!("cannot bind '{}': {error}", listener.address))
}

/// A seed that differs between workers and between runs.
fn seed(number: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(number)
}

fn lineage(hot_restart: Option<&HotRestart>) -> Lineage {
    match hot_restart {
        Some(place) => Lineage {
            hot_restart_version: crate::HOT_RESTART_VERSION,
            first_start: place.first_start,
            generation: Some(place.generation),
            is_initializing: place.initializing(),
        },
        None => Lineage::alone(),
    }
}

fn start_admin(
    admin: &AdminConfig,
    around: &Surroundings<'_>,
    state: &Rc<ServerState>,
    worker: &Rc<Worker>,
) -> Result<Rc<AdminListener>, String> {
    let shared = Rc::clone(state);
    let listener = AdminListener::new(admin, around.stats, shared, Rc::clone(worker));
    let address = listener.open()?;
    if let Some(path) = &around.options.admin_address_path
        && std::fs::write(path, &address).is_err()
    {
        let path = path.display();
        let text = format!("cannot open admin address output file {path} for writing.");
        log::critical("admin", &text);
    }
    log::info("admin", &format!("admin address: {address}"));
    state.keep(register_admin(around.stats));
    Ok(Rc::new(listener))
}

/// Does what a process that takes over wants; returns when this one is to end.
async fn until_told(mut granting: Granting, mut asks: Option<UnboundedReceiver<Ask>>) {
    loop {
        let ask = async {
            match &mut asks {
                Some(asks) => asks.recv().await,
                None => std::future::pending().await,
            }
        };
        let ask = pin!(ask);
        let ask = tokio::select! {
            ask = ask => ask,
            () = granting.orphaned() => return log::info("main", "hot restart: the drain is over"),
        };
        let Some(ask) = ask else { return };
        if granting.grant(ask).await == After::End {
            return;
        }
    }
}

/// Opens the sinks of stats, and flushes by the clock from now on unless the admin is to.
fn start_flushes(
    around: &Surroundings<'_>,
    stats: &bootstrap::Stats,
    state: &Rc<ServerState>,
    worker: &Rc<Worker>,
) -> Result<(), String> {
    let sinks = StatSinks::open(&stats.sinks, around.stats, &stats.settings, worker)?;
    state.take_sinks(sinks);
    if !stats.flush_on_admin {
        spawn_seldom(flush_stats(Rc::clone(state), stats.flush_interval));
    }
    Ok(())
}

async fn flush_stats(state: Rc<ServerState>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        state.flush_by_clock().await;
    }
}

fn no_signals(error: std::io::Error) -> String {
    format!("signals can't be received: {error}")
}
