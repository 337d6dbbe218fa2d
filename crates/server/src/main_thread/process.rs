//! Until the end: what signals and the admin ask of the process.

use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::admin::state::{Action, ServerLife};
use crate::bootstrap::Surroundings;
use crate::log;
use crate::reload::Requests;
use crate::running::Running;
use crate::server_state::ServerState;
use crate::workers::Workers;
use nuncio_net::tasks::spawn_seldom;

/// The signals that the process acts on.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new(hang_up: Signal) -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            hang_up,
        })
    }
}

/// What signals and the admin act on.
pub(super) struct Process<'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) state: &'a ServerState,
    pub(super) running: Rc<Running>,
    pub(super) workers: &'a Workers,
    pub(super) reloads: Requests,
}

impl Process<'_> {
    pub(super) async fn until_the_end(
        &self,
        mut signals: Signals,
        mut asked: UnboundedReceiver<Action>,
    ) {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return log::warning("main", "caught ENVOY_SIGTERM"),
                _ = signals.interrupt.recv() => return log::warning("main", "caught SIGINT"),
                _ = signals.reopen.recv() => reopen_logs(self.around),
                _ = signals.hang_up.recv() => self.hung_up(),
                action = asked.recv() => match action {
                    None | Some(Action::Quit) => return,
                    Some(action) => self.act(action),
                },
            }
        }
    }

    /// Envoy does nothing at SIGHUP; so do we where there is no file to read again.
    fn hung_up(&self) {
        if self.around.options.config_path.is_none() {
            let text = "caught and eating SIGHUP. See documentation for how to hot restart.";
            return log::warning("main", text);
        }
        log::warning("main", "caught SIGHUP: reloading");
        let _the_reloader_is_there_as_long_as_we_are = self.reloads.send(None);
    }

    /// Connections are told to close; listeners stop at once, after the drain time, or not at all.
    fn drain_listeners(&self, graceful: bool, skip_exit: bool, inbound_only: bool) {
        let (running, workers) = (Rc::clone(&self.running), self.workers.clone());
        running.listeners.borrow().drain(inbound_only, &workers);
        if skip_exit {
            return;
        }
        let drain_time = match graceful {
            true => Duration::from_secs(self.around.options.drain_time_s.into()),
            false => Duration::ZERO,
        };
        if drain_time.is_zero() {
            return running.listeners.borrow_mut().stop(inbound_only, &workers);
        }
        spawn_seldom(async move {
            tokio::time::sleep(drain_time).await;
            running.listeners.borrow_mut().stop(inbound_only, &workers);
        });
    }

    fn act(&self, action: Action) {
        match action {
            Action::Quit => {}
            Action::FailHealthChecks(failing) => {
                self.state.set_life(if failing {
                    ServerLife::Draining
                } else {
                    ServerLife::Live
                });
            }
            Action::DrainListeners {
                graceful,
                skip_exit,
                inbound_only,
            } => self.drain_listeners(graceful, skip_exit, inbound_only),
            Action::ReopenLogs => reopen_logs(self.around),
        }
    }
}

fn reopen_logs(around: &Surroundings<'_>) {
    log::reopen();
    if let Some(files) = around.extensions.access_log_files {
        files.reopen_all();
    }
}
