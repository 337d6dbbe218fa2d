//! A request that waits for a connection.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{Granted, HostPool, Lent};
use crate::cluster_core::Permit;
use crate::error::UpstreamError;

/// The place in the queue; shared by the pool and the one who waits.
pub(super) struct Waiting {
    pub(super) pool: Rc<HostPool>,
    /// Whether it waits, or has waited, in a pool of TCP besides, and that HTTP/3 has failed.
    pub(super) race: Cell<Race>,
    /// Held from the first moment of waiting to the last.
    permit: RefCell<Option<Permit>>,
    result: RefCell<Option<Result<Granted, UpstreamError>>>,
    waker: Cell<Option<Waker>>,
}

/// Who is to serve a request that HTTP/3 is tried for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Race {
    /// Whether TCP was asked too.
    pub(super) is_run: bool,
    /// Whether HTTP/3 has failed.
    pub(super) has_http3_failed: bool,
}

impl Waiting {
    /// Ends the wait, if nobody else may still serve it.
    pub(super) fn deliver(&self, result: Result<Granted, UpstreamError>) {
        if self.race.get().is_run && !self.settle_race(&result) {
            return;
        }
        self.leave_queue();
        *self.result.borrow_mut() = Some(result);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether nothing has come of it so far.
    pub(super) fn is_waiting(&self) -> bool {
        let permit = self.permit.borrow();
        permit.is_some()
    }

    /// Stops counting; false if it had stopped before.
    fn leave_queue(&self) -> bool {
        let waited = self.permit.take().is_some();
        if waited {
            self.pool.core.traffic.upstream_rq_pending_active.dec();
            self.pool.to.counters.rq_pending_active.dec();
        }
        waited
    }
}

/// Becomes a lease once a connection is free. Dropped, it gives up its place.
pub(crate) struct PendingLease {
    waiting: Rc<Waiting>,
    /// Whether the host takes no more requests on the connection that came of it at first.
    is_second: bool,
}

impl PendingLease {
    pub(super) fn new(pool: Rc<HostPool>, permit: Permit) -> Self {
        pool.core.traffic.upstream_rq_pending_total.inc();
        pool.core.traffic.upstream_rq_pending_active.inc();
        pool.to.counters.rq_pending_active.inc();
        let waiting = Waiting {
            pool,
            race: Cell::default(),
            permit: RefCell::new(Some(permit)),
            result: RefCell::default(),
            waker: Cell::default(),
        };
        Self {
            waiting: Rc::new(waiting),
            is_second: false,
        }
    }

    pub(super) fn waiting(&self) -> &Rc<Waiting> {
        &self.waiting
    }
}

impl PendingLease {
    /// Asks for another place, or waits for one.
    #[cold]
    fn ask_again(&mut self) -> Result<Option<Granted>, UpstreamError> {
        // Where both ways were tried, the one that needs no other.
        let pool = match self.waiting.pool.grid.get() {
            Some(grid) if self.waiting.race.get().is_run => Rc::clone(&grid.tcp),
            _ => Rc::clone(&self.waiting.pool),
        };
        match pool.lend()? {
            Lent::Pending(again) => {
                *self = again;
                self.is_second = true;
                Ok(None)
            }
            Lent::Ready(granted) => Ok(Some(granted)),
        }
    }
}

impl Future for PendingLease {
    type Output = Result<Granted, UpstreamError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.waiting.result.take() {
                Some(Ok(Granted::Shared(lease))) if !self.is_second && !lease.is_good() => {
                    drop(lease);
                    if let Some(granted) = self.ask_again()? {
                        return Poll::Ready(Ok(granted));
                    }
                }
                Some(Ok(Granted::Http3(lease))) if !self.is_second && !lease.is_good() => {
                    drop(lease);
                    if let Some(granted) = self.ask_again()? {
                        return Poll::Ready(Ok(granted));
                    }
                }
                Some(result) => return Poll::Ready(result),
                None => {
                    self.waiting.waker.set(Some(cx.waker().clone()));
                    return Poll::Pending;
                }
            }
        }
    }
}

impl Drop for PendingLease {
    fn drop(&mut self) {
        if self.waiting.leave_queue() {
            let pool = &self.waiting.pool;
            pool.core.traffic.upstream_rq_cancelled.inc();
            pool.forget(&self.waiting);
            if self.waiting.race.get().is_run
                && let Some(grid) = pool.grid.get()
            {
                grid.tcp.forget(&self.waiting);
            }
            pool.given_up.notify_one();
        }
        // A lease that was delivered and never looked at goes back to the pool.
        drop(self.waiting.result.take());
    }
}
