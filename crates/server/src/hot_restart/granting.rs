//! What a parent does for its child, on the main thread.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::follow::Follow;
use super::parent::{Ask, Wish};
use crate::admin::AdminState;
use crate::admin_service::AdminListener;
use crate::log;
use crate::running::Running;
use crate::server_state::ServerState;
use crate::workers::Workers;

/// How long our own parent may take to end for the sake of a child, which waits meanwhile.
const FINISHED_WITHIN: Duration = Duration::from_secs(5);

/// What follows a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The process goes on.
    GoOn,
    /// It ends.
    End,
}

/// Grants the wishes of a child.
pub(crate) struct Granting {
    pub(crate) running: Rc<Running>,
    pub(crate) state: Rc<ServerState>,
    pub(crate) workers: Workers,
    /// The admin, if the configuration has one.
    pub(crate) admin: Option<Rc<AdminListener>>,
    /// Our own parent, until it was seen off for the child's sake.
    pub(crate) follow: Option<Follow>,
    /// `--parent-shutdown-time-s`, after which a drained process without a child ends.
    pub(crate) shutdown_time: Duration,
    /// When a child had it drain.
    pub(crate) drained: Option<Instant>,
    /// When it ends, because it drains and its child is gone.
    pub(crate) ends: Option<Instant>,
}

impl Granting {
    /// Does what the child wants.
    pub(crate) async fn grant(&mut self, ask: Ask) -> After {
        let Ask { wish, granted } = ask;
        let mut sockets: Vec<OwnedFd> = Vec::new();
        match wish {
            Wish::ShutDownAdmin => self.shut_down_admin().await,
            Wish::PassSockets(address, datagrams) => {
                self.running.hand_over(true);
                let mut listeners = self.running.listeners.borrow_mut();
                sockets = listeners.pass_sockets(&address, datagrams);
            }
            Wish::RefreshStats => self.state.refresh_stats(),
            Wish::Drain => self.drain().await,
            Wish::Terminate => {
                log::info("main", "shutting down due to child request");
                return After::End;
            }
            Wish::ChildLost => self.child_lost(),
        }
        let _the_child_may_be_gone = granted.send(sockets);
        After::GoOn
    }

    /// Returns when the process is to end because nobody is there to tell it to.
    pub(crate) async fn orphaned(&self) {
        match self.ends {
            Some(ends) => sleep_until(ends).await,
            None => std::future::pending().await,
        }
    }

    async fn shut_down_admin(&mut self) {
        self.running.hand_over(true);
        log::warning("main", "shutting down admin due to child startup");
        if let Some(admin) = &self.admin {
            admin.close().await;
        }
        log::warning("main", "terminating parent process");
        if let Some(follow) = self.follow.take() {
            let finished = tokio::time::timeout(FINISHED_WITHIN, follow.finish()).await;
            if finished.is_err() {
                log::warning("main", "hot restart: the parent process does not answer");
            }
        }
    }

    async fn drain(&mut self) {
        self.state.stats().keep_all();
        self.running.listeners.borrow_mut().retire(&self.workers);
        self.workers.settled().await;
        self.drained = Some(Instant::now());
        log::info("main", "closing and draining listeners");
    }

    fn child_lost(&mut self) {
        if let Some(drained) = self.drained {
            log::warning(
                "main",
                "hot restart: the child is gone while this process drains, which ends when its time is over",
            );
            self.ends = Some(drained + self.shutdown_time);
            return;
        }
        log::warning(
            "main",
            "hot restart: the child is gone before it served, this process goes on",
        );
        self.running.hand_over(false);
        self.running.listeners.borrow_mut().take_back();
        if let Some(admin) = &self.admin
            && !admin.is_open()
            && let Err(error) = admin.open()
        {
            log::critical("admin", &error);
        }
    }
}
