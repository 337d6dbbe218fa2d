//! Deadlines of one connection: many named deadlines, one timer, armed late.
//!
//! Setting or clearing a deadline is a store; the runtime's timer is touched only when a deadline nearer than
//! the armed one is polled for, or when the timer fires early because its deadline has moved on. A connection
//! that sets and clears a 15 s deadline for each request so re-arms its timer once in 15 s.
//!
//! No limit of its own; `N` deadlines take 16 bytes each, the timer is made at the first wait.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use nuncio_contract::clock::Clock;
use tokio::task::unconstrained;
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
    #[inline(never)]
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

    /// Waits for a time that is no slot's, on the same timer.
    pub fn poll_at(&self, cx: &mut Context<'_>, clock: &dyn Clock, at: Instant) -> Poll<()> {
        let mut timer = self.timer.borrow_mut();
        loop {
            let now = clock.now();
            if at <= now {
                return Poll::Ready(());
            }
            if timer.still_covers(at, cx.waker()) {
                return Poll::Pending;
            }
            ready!(timer.poll_until(at, now, cx));
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
        // A task that has used up its budget would not be registered, and be taken for one that is.
        let fired = pin!(unconstrained(sleep.as_mut())).poll(cx);
        if fired.is_ready() {
            self.armed_for = None;
        }
        fired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::task::Wake;

    use nuncio_contract::clock::ManualClock;
    use proptest::collection::vec;
    use proptest::prelude::*;
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

    #[tokio::test]
    async fn a_task_without_budget_left_is_woken_at_its_deadline_all_the_same() {
        let clock = nuncio_contract::clock::SystemClock;
        let deadlines = Deadlines::<1>::default();
        let mut started = false;
        let mut expired = pin!(poll_fn(|cx| {
            if !std::mem::replace(&mut started, true) {
                deadlines.set(0, clock.now() + Duration::from_millis(20));
                while tokio::task::coop::has_budget_remaining() {
                    let spent = pin!(tokio::task::coop::consume_budget()).poll(cx);
                    assert!(spent.is_ready());
                }
            }
            deadlines.poll_expired(cx, &clock)
        }));
        let waited = tokio::time::timeout(20 * SECOND, &mut expired).await;
        assert_eq!(waited, Ok(0));
    }

    #[derive(Debug, Clone)]
    enum Op {
        Set(usize, u64),
        Clear(usize),
        Advance(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..3_usize, 0..50_u64).prop_map(|(slot, after)| Op::Set(slot, after)),
            (0..3_usize).prop_map(Op::Clear),
            (0..30_u64).prop_map(Op::Advance),
        ]
    }

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, SeqCst);
        }
    }

    /// The slot of the nearest deadline that has passed; the first of several.
    fn due(model: &[Option<Instant>; 3], now: Instant) -> Option<usize> {
        let set = (0..)
            .zip(model)
            .filter_map(|(slot, at)| Some((slot, (*at)?)));
        let nearest = set.min_by_key(|&(_, at)| at);
        nearest.filter(|&(_, at)| at <= now).map(|(slot, _)| slot)
    }

    /// Polls until nothing is due any more.
    fn take_expired(
        deadlines: &Deadlines<3>,
        model: &mut [Option<Instant>; 3],
        clock: &ManualClock,
        waker: &Waker,
    ) {
        let mut cx = Context::from_waker(waker);
        while let Poll::Ready(slot) = deadlines.poll_expired(&mut cx, clock) {
            assert!(model[slot].is_some_and(|at| at <= clock.now()));
            model[slot] = None;
        }
        let is_armed = deadlines.timer.borrow().armed_for.is_some();
        let is_set = model.iter().any(Option::is_some);
        assert!(is_armed || !is_set, "{model:?} is forgotten");
    }

    async fn behaves_like_its_model(ops: Vec<(Op, bool)>) {
        let clock = ManualClock::default();
        let deadlines = Deadlines::<3>::default();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut model = [None; 3];
        for (op, polls) in ops {
            match op {
                Op::Set(slot, after_ms) => {
                    let at = clock.now() + Duration::from_millis(after_ms);
                    deadlines.set(slot, at);
                    model[slot] = Some(at);
                }
                Op::Clear(slot) => {
                    deadlines.clear(slot);
                    model[slot] = None;
                }
                Op::Advance(by_ms) => {
                    let waits = deadlines
                        .poll_expired(&mut Context::from_waker(&waker), &clock)
                        .map(|slot| model[slot] = None)
                        .is_pending();
                    woken.0.store(false, SeqCst);
                    // A timer has whole milliseconds.
                    advance(&clock, Duration::from_millis(by_ms + 1)).await;
                    if waits && due(&model, clock.now() - Duration::from_millis(1)).is_some() {
                        assert!(woken.0.load(SeqCst), "nobody was woken for {model:?}");
                    }
                }
            }
            if polls {
                take_expired(&deadlines, &mut model, &clock, &waker);
            }
            assert_eq!([0, 1, 2].map(|slot| deadlines.get(slot)), model);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_set_and_cleared_who_waits_is_woken_in_time(
            ops in vec((op(), any::<bool>()), 0..60)
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("an event loop");
            runtime.block_on(behaves_like_its_model(ops));
        }
    }
}
