//! The overload manager as a worker sees it: what it counts, and who waits until connections are accepted again.

use std::cell::{Cell, RefCell};
use std::rc::Weak;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Action, Overload, ScaledTimer, ShedPoint};
use crate::stats::groups::OverloadActionStats;
use crate::stats::{Counter, Scope};

/// Streams that are reset each time that their action changes.
const MOST_RESETS: u32 = 50;

/// What watchers care for beside [`Action::ResetStreams`].
const WATCHED: [Action; 2] = [Action::ReduceTimeouts, Action::CloseIdleConnections];

/// A worker's view.
pub struct OverloadOnWorker {
    shared: Arc<Overload>,
    /// `overload.<point>.shed_load_count`
    shed: [Arc<Counter>; ShedPoint::ALL.len()],
    /// `envoy.overload_actions.`
    actions: Arc<OverloadActionStats>,
    random: Cell<u64>,
    /// How far [`Action::ResetStreams`] had gone when it last changed, how often it has, and how many streams may still be
    /// reset until it does again.
    resets_degree: Cell<f32>,
    resets_round: Cell<u32>,
    resets_left: Cell<u32>,
    /// How far those had gone that watchers care for beside.
    watched_degrees: Cell<[f32; WATCHED.len()]>,
    /// Who would accept connections.
    accepting: RefCell<Vec<Waker>>,
    /// Who is told of changes.
    watchers: RefCell<Vec<Weak<dyn OverloadWatcher>>>,
}

/// Somebody whose timeouts or streams depend on how far the actions go.
pub trait OverloadWatcher {
    /// They go further or less far than before.
    fn overload_changed(&self);
}

impl OverloadOnWorker {
    /// A view that counts under `root`; `seed` differs from worker to worker.
    pub fn new(shared: Arc<Overload>, root: &Scope, seed: u64) -> Self {
        let counter = |(point, name): (ShedPoint, &str)| match shared.has_point(point) {
            true => root.counter(&format!("overload.{name}.shed_load_count")),
            false => Arc::default(),
        };
        OverloadOnWorker {
            shed: ShedPoint::ALL.map(counter),
            shared,
            actions: root.worker_group(),
            random: Cell::new(seed | 1),
            resets_degree: Cell::default(),
            resets_round: Cell::default(),
            resets_left: Cell::default(),
            watched_degrees: Cell::default(),
            accepting: RefCell::default(),
            watchers: RefCell::default(),
        }
    }

    /// What all threads share.
    pub fn shared(&self) -> &Arc<Overload> {
        &self.shared
    }

    /// Whether load is to be shed at this point this time, which is counted.
    pub fn sheds(&self, point: ShedPoint) -> bool {
        let sheds = self.shared.point(point).falls_on(|| self.random());
        if sheds {
            self.shed[point as usize].inc();
        }
        sheds
    }

    /// Whether an action is to be taken this time.
    pub fn takes(&self, action: Action) -> bool {
        self.shared.action(action).falls_on(|| self.random())
    }

    /// Whether timeouts of any kind become shorter.
    pub fn scales_timers(&self) -> bool {
        self.shared.timers.has_any()
    }

    /// A timeout as it is now.
    pub fn scaled(&self, timer: ScaledTimer, whole: Duration) -> Duration {
        let degree = self.shared.action(Action::ReduceTimeouts).get();
        self.shared.timers.scaled(timer, whole, degree)
    }

    /// Whether a stream that holds so many bytes is to be reset, which is counted.
    pub fn resets(&self, held_bytes: u64) -> bool {
        let least = self.shared.least_reset_bytes();
        let left = self.resets_left.get();
        let resets = left > 0 && least.is_some_and(|least| held_bytes >= least);
        if resets {
            self.resets_left.set(left - 1);
            self.actions.reset_high_memory_stream_count.inc();
        }
        resets
    }

    /// How often it has changed which streams are reset. As in Envoy those that are there look at what they hold then, and
    /// not as other actions change.
    pub fn resets_round(&self) -> u32 {
        self.resets_round.get()
    }

    /// Ready while connections are accepted.
    pub fn poll_accepting(&self, cx: &mut Context<'_>) -> Poll<()> {
        let stops = self.shared.action(Action::StopAcceptingConnections);
        if !stops.is_saturated() {
            return Poll::Ready(());
        }
        let mut waiting = self.accepting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The state has changed: who waits looks again.
    pub fn changed(&self) {
        let waiting = self.accepting.take();
        waiting.iter().for_each(Waker::wake_by_ref);
        if self.must_tell_watchers() {
            self.tell_watchers();
        }
    }

    /// Whether anything has changed that watchers care for. Who resets streams may reset as many again if that has.
    fn must_tell_watchers(&self) -> bool {
        let degree = |action| self.shared.action(action).get();
        let watched = WATCHED.map(degree);
        let resets = degree(Action::ResetStreams);
        let is_other = self.watched_degrees.replace(watched) != watched;
        #[expect(clippy::float_cmp, reason = "any change is one")]
        let resets_change = self.resets_degree.replace(resets) != resets;
        if resets_change {
            self.resets_left.set(MOST_RESETS);
            self.resets_round
                .set(self.resets_round.get().wrapping_add(1));
        }
        is_other || resets_change
    }

    fn tell_watchers(&self) {
        self.watchers
            .borrow_mut()
            .retain(|it| it.strong_count() > 0);
        let watchers = self.watchers.borrow().clone();
        for watcher in watchers.iter().filter_map(Weak::upgrade) {
            watcher.overload_changed();
        }
    }

    /// Has `watcher` told of changes as long as it lives.
    pub fn watch(&self, watcher: Weak<dyn OverloadWatcher>) {
        self.watchers.borrow_mut().push(watcher);
    }

    /// xorshift64*, which is good enough for shares.
    fn random(&self) -> u64 {
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::stats::StatsStore;

    #[derive(Default)]
    struct Told(Cell<u32>);

    impl OverloadWatcher for Told {
        fn overload_changed(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn what_other_actions_do_gives_streams_no_second_turn() {
        let shared = Arc::new(Overload {
            tracked_stream_bits: Some(10),
            ..Overload::default()
        });
        let overload = OverloadOnWorker::new(Arc::clone(&shared), &StatsStore::default().root(), 1);
        let told = Rc::new(Told::default());
        let watcher = Rc::downgrade(&told);
        overload.watch(watcher);
        let change = |action, degree| {
            shared.action(action).set(degree);
            overload.changed();
        };
        change(Action::ResetStreams, 1.0);
        assert_eq!((overload.resets_round(), told.0.get()), (1, 1));
        let resets = (0..100).filter(|_| overload.resets(1 << 20)).count();
        assert_eq!(resets, 50);
        change(Action::DisableKeepalive, 1.0);
        assert_eq!((overload.resets_round(), told.0.get()), (1, 1));
        assert!(!overload.resets(1 << 20));
        change(Action::ReduceTimeouts, 0.5);
        assert_eq!((overload.resets_round(), told.0.get()), (1, 2));
        assert!(!overload.resets(1 << 20));
        change(Action::ResetStreams, 0.5);
        assert_eq!((overload.resets_round(), told.0.get()), (2, 3));
        assert!(overload.resets(1 << 20));
    }
}
