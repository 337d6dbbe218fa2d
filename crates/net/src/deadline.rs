//! Deadlines of one connection: many named deadlines, one timer, armed late.
//!
//! Setting or clearing a deadline is a store; the runtime's timer is touched only when a deadline nearer than
//! the armed one is polled for, or when the timer fires early because its deadline has moved on. A connection
//! that sets and clears a 15 s deadline for each request so re-arms its timer once in 15 s.
//!
//! No limit of its own; `N` deadlines take 16 bytes each, the timer is made at the first wait.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use nuncio_contract::clock::Clock;
use tokio::time::{Instant as TokioInstant, Sleep};

/// Up to `N` deadlines that share one timer. Slots are small numbers that the owner names.
pub struct Deadlines<const N: usize> {
    slots: [Cell<Option<Instant>>; N],
    /// No deadline is nearer than this, so that a timer armed for it or before covers them all.
    none_before: Cell<Option<Instant>>,
    timer: RefCell<Timer>,
}

#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// When `sleep` fires; `None` while it is not waited for.
    armed_for: Option<Instant>,
    /// Whom `sleep` wakes.
    waker: Option<Waker>,
}

impl<const N: usize> Default for Deadlines<N> {
    fn default() -> Self {
        Self {
            slots: [const { Cell::new(None) }; N],
            none_before: Cell::new(None),
            timer: RefCell::default(),
        }
    }
}

impl<const N: usize> Deadlines<N> {
    /// Sets `slot`'s deadline, instead of the one it had. Takes effect at the next [`Self::poll_expired`].
    ///
    /// # Panics
    /// If `slot` is not below `N`; slots are constants of the owner's.
    pub fn set(&self, slot: usize, at: Instant) {
        self.slots[slot].set(Some(at));
        if self.none_before.get().is_none_or(|bound| at < bound) {
            self.none_before.set(Some(at));
        }
    }

    /// Forgets `slot`'s deadline.
    ///
    /// # Panics
    /// If `slot` is not below `N`.
    pub fn clear(&self, slot: usize) {
        self.slots[slot].set(None);
    }

    /// When `slot` expires, if it has a deadline.
    pub fn get(&self, slot: usize) -> Option<Instant> {
        self.slots.get(slot).and_then(Cell::get)
    }

    /// Waits for the nearest deadline: its slot is returned and cleared. Pending for ever when none is set.
    pub fn poll_expired(&self, cx: &mut Context<'_>, clock: &dyn Clock) -> Poll<usize> {
        let Some(none_before) = self.none_before.get() else {
            return Poll::Pending;
        };
        let mut timer = self.timer.borrow_mut();
        if timer.still_covers(none_before, cx.waker()) {
            return Poll::Pending;
        }
        let Some((slot, nearest)) = self.nearest() else {
            self.none_before.set(None);
            return Poll::Pending;
        };
        self.none_before.set(Some(nearest));
        if timer.still_covers(nearest, cx.waker()) {
            return Poll::Pending;
        }
        loop {
            let now = clock.now();
            if nearest <= now {
                self.slots[slot].set(None);
                return Poll::Ready(slot);
            }
            ready!(timer.poll_until(nearest, now, cx));
        }
    }

    fn nearest(&self) -> Option<(usize, Instant)> {
        let set = self
            .slots
            .iter()
            .enumerate()
            .filter_map(|(slot, at)| Some((slot, at.get()?)));
        set.min_by_key(|&(_, at)| at)
    }
}

impl Timer {
    /// Whether the timer will wake this task at `nearest` or before, and has not fired yet.
    fn still_covers(&self, nearest: Instant, waker: &Waker) -> bool {
        let armed = self.armed_for.is_some_and(|armed| armed <= nearest);
        armed
            && self.sleep.as_ref().is_some_and(|sleep| !sleep.is_elapsed())
            && self
                .waker
                .as_ref()
                .is_some_and(|held| held.will_wake(waker))
    }

    fn poll_until(&mut self, at: Instant, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let fires_at = TokioInstant::now() + (at - now);
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                sleep.as_mut().reset(fires_at);
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(fires_at))),
        };
        self.armed_for = Some(at);
        if !self
            .waker
            .as_ref()
            .is_some_and(|held| held.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
        let fired = sleep.as_mut().poll(cx);
        if fired.is_ready() {
            self.armed_for = None;
        }
        fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nuncio_contract::clock::ManualClock;
    use std::future::poll_fn;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    async fn advance(clock: &ManualClock, by: Duration) {
        clock.advance(by);
        tokio::time::advance(by).await;
    }

    async fn poll_once(deadlines: &Deadlines<2>, clock: &ManualClock) -> Poll<usize> {
        poll_fn(|cx| Poll::Ready(deadlines.poll_expired(cx, clock))).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_nearest_deadline_expires_first_and_is_cleared() {
        let clock = ManualClock::default();
        let deadlines = Deadlines::<2>::default();
        deadlines.set(0, clock.now() + 5 * SECOND);
        deadlines.set(1, clock.now() + 2 * SECOND);
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        advance(&clock, 2 * SECOND).await;
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Ready(1));
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        advance(&clock, 3 * SECOND).await;
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Ready(0));
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_later_is_kept_without_touching_the_timer() {
        let clock = ManualClock::default();
        let deadlines = Deadlines::<2>::default();
        deadlines.set(0, clock.now() + SECOND);
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        let armed_for = deadlines.timer.borrow().armed_for;
        deadlines.clear(0);
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        deadlines.set(0, clock.now() + 3 * SECOND);
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        assert_eq!(deadlines.timer.borrow().armed_for, armed_for);
        advance(&clock, SECOND).await;
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Pending);
        advance(&clock, 2 * SECOND).await;
        assert_eq!(poll_once(&deadlines, &clock).await, Poll::Ready(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_moves_nearer_wakes_the_task_in_time() {
        let clock = nuncio_contract::clock::SystemClock;
        let deadlines = Deadlines::<1>::default();
        deadlines.set(0, clock.now() + Duration::from_secs(3600));
        assert!(
            poll_fn(|cx| Poll::Ready(deadlines.poll_expired(cx, &clock)))
                .await
                .is_pending()
        );
        deadlines.set(0, clock.now());
        assert_eq!(poll_fn(|cx| deadlines.poll_expired(cx, &clock)).await, 0);
    }
}
