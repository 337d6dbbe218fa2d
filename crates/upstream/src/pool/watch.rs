//! Watches the idle connections of a pool, so that a close is noticed and idle time runs out.
//!
//! Between two requests a busy connection is idle for microseconds; registering interest each time would
//! cost every request. So the watcher looks every 50 ms, and waits only for connections that were idle at
//! the look before. While nothing is newly idle it does not tick at all.

use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nuncio_net::deadline::Deadlines;

use super::connection::{Connection, Ended};
use super::{Carries, HostPool};

const TICK: Duration = Duration::from_millis(50);

/// Runs until the pool is gone, or drained and empty.
pub(super) async fn watch(pool: Weak<HostPool>) {
    let timer = Deadlines::<1>::default();
    poll_fn(|cx| poll_watch(&pool, &timer, cx)).await;
}

fn poll_watch(pool: &Weak<HostPool>, timer: &Deadlines<1>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(pool) = pool.upgrade() else {
        return Poll::Ready(());
    };
    pool.note_watcher(cx);
    loop {
        pool.serve_waiting();
        let next = pool.sweep(cx);
        if pool.draining.get() && pool.open.get() == 0 {
            *pool.watcher.borrow_mut() = None;
            return Poll::Ready(());
        }
        match next {
            Some(at) => timer.set(0, at),
            None => timer.clear(0),
        }
        if timer.poll_expired(cx, &*pool.core.clock).is_pending() {
            return Poll::Pending;
        }
    }
}

impl HostPool {
    fn note_watcher(&self, cx: &Context<'_>) {
        let mut watcher = self.watcher.borrow_mut();
        if !watcher
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *watcher = Some(cx.waker().clone());
        }
    }

    /// Looks at all idle connections; returns when to look again.
    fn sweep(&self, cx: &mut Context<'_>) -> Option<Instant> {
        if self.idle.borrow().is_empty() {
            self.watcher_ticks.set(false);
            return None;
        }
        let now = self.core.clock.now();
        let mut looks = Looks::default();
        let mut over = Vec::new();
        let mut idle = self.idle.borrow_mut();
        let mut at = 0;
        while let Some(connection) = idle.get_mut(at) {
            match self.look_at(connection, now, &mut looks, cx) {
                Some(end) => over.push((idle.remove(at), end)),
                None => at += 1,
            }
        }
        drop(idle);
        over.into_iter()
            .for_each(|(connection, end)| self.close_idle(*connection, end));
        self.watcher_ticks.set(looks.newly_idle);
        let tick = looks.newly_idle.then(|| now + TICK);
        looks.next.into_iter().chain(tick).min()
    }

    /// Looks at one idle connection: whether it is over, or else when to look again.
    fn look_at(
        &self,
        connection: &mut Connection,
        now: Instant,
        looks: &mut Looks,
        cx: &mut Context<'_>,
    ) -> Option<Ended> {
        let Some(since) = connection.idle_since else {
            connection.idle_since = Some(now);
            looks.newly_idle = true;
            return connection.idle_end();
        };
        if let Poll::Ready(end) = connection.poll_idle_end(cx) {
            return Some(end);
        }
        let settings = self.core.settings();
        let idle_timeout = match self.carries {
            Carries::Tcp | Carries::Calls => settings.tcp_idle_timeout,
            Carries::Http1 | Carries::Http2 | Carries::Http3 | Carries::HttpByAlpn => {
                settings.http.idle_timeout
            }
        };
        let idle_out = idle_timeout.map(|timeout| since + timeout);
        if idle_out.is_some_and(|at| at <= now) {
            self.core.traffic.upstream_cx_idle_timeout.inc();
            return Some(Ended::Local);
        }
        let outlived = connection.outlived_at(&self.core);
        if outlived.is_some_and(|at| at <= now) {
            self.core.traffic.upstream_cx_max_duration_reached.inc();
            return Some(Ended::Local);
        }
        looks.next = looks.next.into_iter().chain(idle_out).chain(outlived).min();
        None
    }
}

/// What a sweep found out.
#[derive(Default)]
struct Looks {
    /// When the first connection's time is up.
    next: Option<Instant>,
    /// Some connection was in use at the look before.
    newly_idle: bool,
}
