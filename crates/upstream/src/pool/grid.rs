//! HTTP/3 where a host is said to speak it, and TCP where QUIC does not come about (`auto_config`).
//!
//! As in Envoy a request waits for HTTP/3 alone at first, and for TCP besides after 300 ms, when QUIC has failed, or at once
//! where it has failed before. Whoever is first serves it. What was begun over QUIC goes on for the requests to come. Where
//! QUIC fails and TCP does not, HTTP/3 is broken for a while, and the cache has it.
//!
//! A request waits in two pools then, as one: its first place is in that of QUIC, which counts it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use nuncio_contract::alternate_protocols::{AlternateProtocolsCache, Choice, Origin};
use nuncio_net::tasks::spawn_seldom;

use super::pending::{Race, Waiting};
use super::{Granted, HostPool, Lent, Opened};
use crate::error::{UpstreamError, UpstreamErrorKind};

/// How long HTTP/3 is waited for alone.
const HEAD_START: Duration = Duration::from_millis(300);

/// What a pool of QUIC has beside it.
pub(crate) struct Grid {
    /// The pool of the same host by TCP.
    pub(super) tcp: Rc<HostPool>,
    cache: Rc<AlternateProtocolsCache>,
    origin: Origin,
    /// Whether TCP was faster than the connection that is being opened over QUIC.
    has_tcp_won: Cell<bool>,
}

impl Grid {
    /// A grid whose TCP is served by this pool.
    pub(crate) fn new(
        tcp: Rc<HostPool>,
        cache: &Rc<AlternateProtocolsCache>,
        origin: Origin,
    ) -> Self {
        Self {
            tcp,
            cache: Rc::clone(cache),
            origin,
            has_tcp_won: Cell::new(false),
        }
    }

    /// Those who waited for a connection of QUIC that failed are served by TCP.
    pub(super) fn http3_failed(&self, all: VecDeque<Rc<Waiting>>, error: &UpstreamError) {
        if self.has_tcp_won.take() {
            self.mark_broken();
        }
        for one in all.iter().filter(|one| one.is_waiting()).cloned() {
            let traffic = &self.tcp.core.traffic;
            traffic.upstream_rq_pending_failure_eject.inc();
            let race = one.race.get();
            one.race.set(Race {
                has_http3_failed: true,
                ..race
            });
            match race.is_run {
                true => one.deliver(Err(error.clone())),
                false => self.tcp.adopt(one),
            }
        }
    }

    /// A connection of QUIC is open.
    pub(super) fn confirm(&self) {
        self.has_tcp_won.set(false);
        self.cache.mark_confirmed(&self.origin);
    }

    fn mark_broken(&self) {
        let core = &self.tcp.core;
        core.traffic.upstream_http3_broken.inc();
        self.cache.mark_broken(&self.origin, core.clock.now());
    }
}

impl HostPool {
    /// The same as [`lend`](Self::lend) in a pool of QUIC that has one of TCP beside it.
    pub(crate) fn lend_by_grid(
        self: &Rc<Self>,
        grid: impl FnOnce() -> Grid,
        choice: Choice,
    ) -> Result<Lent, UpstreamError> {
        let grid = self.grid.get_or_init(|| Box::new(grid()));
        let Ok(lent) = self.lend() else {
            return grid.tcp.lend();
        };
        if let Lent::Pending(pending) = &lent {
            let waiting = Rc::clone(pending.waiting());
            match choice {
                Choice::Both => grid.tcp.adopt(waiting),
                Choice::Http3 | Choice::Tcp => self.adopt_late(&waiting),
            }
        }
        Ok(lent)
    }

    /// TCP is asked besides once HTTP/3 has had its time.
    fn adopt_late(self: &Rc<Self>, waiting: &Rc<Waiting>) {
        let waiting = Rc::downgrade(waiting);
        let pool = Rc::clone(self);
        spawn_seldom(async move {
            tokio::time::sleep(HEAD_START).await;
            let Some((grid, waiting)) = pool.grid.get().zip(waiting.upgrade()) else {
                return;
            };
            if waiting.is_waiting() && !waiting.race.get().is_run {
                grid.tcp.adopt(waiting);
            }
        });
    }

    /// Takes one in that waits, or has waited, for QUIC.
    fn adopt(self: &Rc<Self>, waiting: Rc<Waiting>) {
        waiting.race.set(Race {
            is_run: true,
            ..waiting.race.get()
        });
        self.waiting.borrow_mut().push_back(Rc::clone(&waiting));
        self.hand_out();
        if self.has_at(Rc::as_ptr(&waiting)) {
            self.core.traffic.upstream_rq_pending_total.inc();
            if self.open_connections() == Opened::Shed && self.forget(&waiting) {
                waiting.deliver(Err(UpstreamError::new(UpstreamErrorKind::Overflow)));
            }
        }
    }

    /// Takes one out of the queue; false if it was not there.
    pub(super) fn forget(&self, waiting: &Rc<Waiting>) -> bool {
        self.forget_at(Rc::as_ptr(waiting))
    }

    fn forget_at(&self, waiting: *const Waiting) -> bool {
        let mut all = self.waiting.borrow_mut();
        let before = all.len();
        all.retain(|one| !std::ptr::eq(Rc::as_ptr(one), waiting));
        all.len() < before
    }

    fn has_at(&self, waiting: *const Waiting) -> bool {
        let all = self.waiting.borrow();
        all.iter().any(|one| std::ptr::eq(Rc::as_ptr(one), waiting))
    }
}

impl Waiting {
    /// One of two pools has served this, or has failed to; false if the other may still do so.
    #[cold]
    pub(super) fn settle_race(&self, result: &Result<Granted, UpstreamError>) -> bool {
        let Some(grid) = self.pool.grid.get() else {
            return true;
        };
        match result {
            Ok(Granted::Http3(_)) => {
                if grid.tcp.forget_at(self) {
                    grid.tcp.core.traffic.upstream_rq_cancelled.inc();
                }
            }
            Ok(Granted::Own(_) | Granted::Shared(_)) => {
                let is_opening = self.pool.forget_at(self);
                if self.race.get().has_http3_failed {
                    grid.mark_broken();
                } else if is_opening {
                    grid.has_tcp_won.set(true);
                }
            }
            Err(_) => return !self.pool.has_at(self) && !grid.tcp.has_at(self),
        }
        true
    }
}
