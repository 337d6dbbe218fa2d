//! The main thread: binds, starts the workers, runs discovery and the admin, and waits for the end.

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nuncio_contract::access_log::FileOptions;
use nuncio_contract::clock::SystemClock;
use nuncio_contract::stats::groups::{ListenerManagerStats, register_admin};
use nuncio_http::connection_manager::StatScopes;
use nuncio_http::service::Service;
use nuncio_http::worker::Worker;
use nuncio_net::listener::{ListenOptions, bind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;

use crate::admin::state::{Action, AdminState, ServerLife};
use crate::admin_service::{AdminService, connection_manager};
use crate::bootstrap::{AdminConfig, Compiled, Surroundings};
use crate::cli::Mode;
use crate::listener::{CompiledListener, serve};
use crate::log;
use crate::server_state::{BoundListener, ServerState};
use crate::workers::{Command, Start, Workers};

/// A listener of the process's own, served on the main thread.
pub(crate) struct Extra {
    pub(crate) listener: Arc<CompiledListener>,
    pub(crate) service: Rc<dyn Service>,
}

type Sockets = Vec<(Arc<CompiledListener>, Vec<TcpListener>)>;

/// Serves a compiled bootstrap to the end of the process.
pub(crate) fn run(around: &Surroundings<'_>, compiled: Compiled) -> Result<(), String> {
    run_with(around, compiled, Vec::new(), None)
}

/// The same, with listeners of our own beside it and something to do once all is up.
pub(crate) fn run_with(
    around: &Surroundings<'_>,
    compiled: Compiled,
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
    let outcome = local.block_on(&runtime, serve_all(around, compiled, extras, on_live));
    if let Some(files) = around.extensions.access_log_files {
        files.flush_all();
    }
    outcome
}

async fn serve_all(
    around: &Surroundings<'_>,
    compiled: Compiled,
    extras: Vec<Extra>,
    on_live: Option<fn()>,
) -> Result<(), String> {
    let concurrency = concurrency(around.options.concurrency);
    let sockets = bind_all(&compiled.listeners, concurrency)?;
    let (actions, mut asked) = unbounded_channel();
    let bound = sockets
        .iter()
        .map(|(listener, sockets)| BoundListener::new(listener, sockets))
        .collect();
    let state = Rc::new(ServerState::new(
        around,
        &compiled,
        concurrency,
        bound,
        actions,
    ));
    let main_worker = Rc::new(Worker::new(
        Rc::new(SystemClock),
        seed(u64::MAX),
        Arc::clone(around.manager),
        1 << 62,
    ));
    if let Some(admin) = &compiled.admin {
        start_admin(admin, around, &state, &main_worker)?;
    }
    for extra in extras {
        let socket = bind_one(&extra.listener)?;
        let worker = Rc::clone(&main_worker);
        let served = serve(
            extra.listener,
            socket,
            worker,
            "main_thread".to_string(),
            1,
            Some(extra.service),
        );
        tokio::task::spawn_local(served);
    }
    tokio::task::spawn_local(flush_stats(
        around.stats.clone(),
        compiled.stats_flush_interval,
    ));
    compiled.clusters.start().await;
    if around.options.mode == Mode::InitOnly {
        return Ok(());
    }
    let workers =
        Workers::start(starts(&sockets, concurrency, around)).map_err(|error| error.to_string())?;
    count_listeners(around, sockets.len());
    state.set_life(ServerLife::Live);
    log::info("main", "starting main dispatch loop");
    if let Some(on_live) = on_live {
        on_live();
    }
    wait_for_the_end(&state, &workers, around, &mut asked).await?;
    log::info("main", "exiting");
    workers.stop();
    Ok(())
}

/// How many workers there are: as asked, or as many as the machine has CPUs.
pub(crate) fn concurrency(asked: Option<u32>) -> usize {
    let machine = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    asked
        .map_or(machine, |asked| usize::try_from(asked).unwrap_or(1))
        .max(1)
}

fn bind_all(listeners: &[Arc<CompiledListener>], concurrency: usize) -> Result<Sockets, String> {
    let bind_one = |listener: &Arc<CompiledListener>| {
        let sockets = bind(listener.address, concurrency, listener.options).map_err(|error| {
            format!(
                "error adding listener '{}': cannot bind '{}': {}",
                listener.name,
                listener.address,
                nuncio_net::connect::error_text(&error)
            )
        })?;
        Ok((Arc::clone(listener), sockets))
    };
    listeners.iter().map(bind_one).collect()
}

fn bind_one(listener: &CompiledListener) -> Result<TcpListener, String> {
    let sockets = bind(listener.address, 1, listener.options)
        .map_err(|error| format!("cannot bind '{}': {error}", listener.address))?;
    sockets
        .into_iter()
        .next()
        .ok_or_else(|| format!("cannot bind '{}'", listener.address))
}

fn starts(sockets: &Sockets, concurrency: usize, around: &Surroundings<'_>) -> Vec<Start> {
    (0..concurrency)
        .map(|worker| Start {
            listeners: sockets
                .iter()
                .filter_map(|(listener, sockets)| {
                    let socket = sockets.get(worker)?.try_clone().ok()?;
                    Some((Arc::clone(listener), socket))
                })
                .collect(),
            manager: Arc::clone(around.manager),
            seed: seed(u64::try_from(worker).unwrap_or(0)),
        })
        .collect()
}

/// A seed that differs between workers and between runs.
fn seed(number: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(number)
}

fn count_listeners(around: &Surroundings<'_>, count: usize) {
    let stats: Arc<ListenerManagerStats> = around.stats.root().worker_group();
    let count = u64::try_from(count).unwrap_or(0);
    stats.listener_added.add(count);
    stats
        .listener_create_success
        .add(count * u64::try_from(concurrency(around.options.concurrency)).unwrap_or(1));
    stats.total_listeners_active.set(count);
    stats.workers_started.set(1);
    // The cells have to live as long as the process.
    std::mem::forget(stats);
}

fn start_admin(
    admin: &AdminConfig,
    around: &Surroundings<'_>,
    state: &Rc<ServerState>,
    worker: &Rc<Worker>,
) -> Result<(), String> {
    let listener = CompiledListener {
        name: "admin".to_string(),
        address: admin.address,
        options: ListenOptions {
            reuse_port: false,
            ..ListenOptions::default()
        },
        scope: around.stats.scope("listener.admin"),
        scopes: StatScopes::new(around.stats, "admin", "admin"),
        manager: Arc::new(connection_manager(admin.access_logs.clone())),
        description: Arc::default(),
        chain: Arc::default(),
    };
    let socket = bind_one(&listener)?;
    let address = socket.local_addr().map_err(|error| error.to_string())?;
    if let Some(path) = &around.options.admin_address_path {
        std::fs::write(path, address.to_string()).map_err(|error| {
            format!(
                "cannot open admin address output file {}: {error}",
                path.display()
            )
        })?;
    }
    log::info("admin", &format!("admin address: {address}"));
    state.keep(register_admin(around.stats));
    let shared: Rc<dyn AdminState> = Rc::clone(state) as Rc<dyn AdminState>;
    let service: Rc<dyn Service> = Rc::new(AdminService { state: shared });
    let served = serve(
        Arc::new(listener),
        socket,
        Rc::clone(worker),
        "main_thread".to_string(),
        1,
        Some(service),
    );
    tokio::task::spawn_local(served);
    Ok(())
}

async fn flush_stats(stats: nuncio_contract::stats::StatsStore, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        stats.flush();
    }
}

async fn wait_for_the_end(
    state: &ServerState,
    workers: &Workers,
    around: &Surroundings<'_>,
    asked: &mut UnboundedReceiver<Action>,
) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals can't be received: {error}"));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut reopen = listen(SignalKind::user_defined1())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    let stopped = Cell::new(false);
    while !stopped.get() {
        tokio::select! {
            _ = terminate.recv() => { log::warning("main", "caught ENVOY_SIGTERM"); stopped.set(true); }
            _ = interrupt.recv() => { log::warning("main", "caught SIGINT"); stopped.set(true); }
            _ = reopen.recv() => reopen_logs(around),
            _ = hang_up.recv() => {
                log::warning("main", "caught and eating SIGHUP. See documentation for how to hot restart.");
            }
            action = asked.recv() => match action {
                None | Some(Action::Quit) => stopped.set(true),
                Some(action) => act(action, state, workers, around),
            },
        }
    }
    Ok(())
}

fn act(action: Action, state: &ServerState, workers: &Workers, around: &Surroundings<'_>) {
    match action {
        Action::Quit => {}
        Action::FailHealthChecks(failing) => {
            workers.tell(Command::Drain(failing));
            state.set_life(if failing {
                ServerLife::Draining
            } else {
                ServerLife::Live
            });
        }
        Action::DrainListeners {
            inbound_only: true, ..
        } => {
            log::warning(
                "admin",
                "draining inbound listeners alone is not supported by Nuncio yet",
            );
        }
        Action::DrainListeners {
            graceful,
            skip_exit,
            ..
        } => {
            workers.tell(Command::Drain(true));
            if !graceful && !skip_exit {
                workers.tell(Command::StopAccepting);
            }
        }
        Action::ReopenLogs => reopen_logs(around),
    }
}

fn reopen_logs(around: &Surroundings<'_>) {
    if let Some(files) = around.extensions.access_log_files {
        files.reopen_all();
    }
}
