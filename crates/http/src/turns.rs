//! Taking turns: like work of many streams is done for one after another.
//!
//! A worker under load has dozens of streams to take a step further. Taken each for itself from its read to its write,
//! every one runs through the code of the kernel and of ours, and finds none of it in the processor's caches. So a
//! stream gives way after a read and before a write: the worker does all reads, then all that comes between, then all
//! writes, in a tenth less time a request. A stream that is alone goes on at once.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::Poll;

/// The turns of one worker.
#[derive(Default)]
pub(crate) struct Turns {
    gave_way: Cell<bool>,
}

impl Turns {
    /// Lets the worker's other tasks go first, once.
    pub(crate) async fn give_way(&self) {
        let mut gave = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut gave, true) {
                return Poll::Ready(());
            }
            self.gave_way.set(true);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Polls `work`, and tells whether it gave way meanwhile, so that it will be polled again without having waited
    /// for anything.
    #[inline]
    pub(crate) fn watch<T>(&self, work: impl FnOnce() -> T) -> (T, bool) {
        // Other tasks of the worker have given way too, unwatched.
        self.gave_way.set(false);
        let polled = work();
        (polled, self.gave_way.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::future::Future as _;
    use std::rc::Rc;
    use tokio::task::{LocalSet, spawn_local};

    #[tokio::test]
    async fn all_reads_come_before_the_first_write() {
        let done = Rc::new(RefCell::new(Vec::new()));
        let turns = Rc::new(Turns::default());
        let stream = |number: u32| {
            let (done, turns) = (Rc::clone(&done), Rc::clone(&turns));
            async move {
                done.borrow_mut().push(("read", number));
                turns.give_way().await;
                done.borrow_mut().push(("written", number));
            }
        };
        LocalSet::new()
            .run_until(async {
                let streams = [1, 2, 3].map(|number| spawn_local(stream(number)));
                for stream in streams {
                    stream.await.expect("a stream ends");
                }
            })
            .await;
        let expected = ["read", "written"].map(|step| [1, 2, 3].map(|number| (step, number)));
        assert_eq!(*done.borrow(), expected.concat());
    }

    #[test]
    fn who_gives_way_is_told_from_who_waits() {
        let turns = Turns::default();
        let mut giving = std::pin::pin!(turns.give_way());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let (polled, gave_way) = turns.watch(|| giving.as_mut().poll(&mut cx));
        assert!(polled.is_pending() && gave_way);
        let (polled, gave_way) = turns.watch(|| giving.as_mut().poll(&mut cx));
        assert!(polled.is_ready() && !gave_way);
    }

    #[test]
    fn one_that_waits_is_not_taken_for_another_that_gave_way_unwatched() {
        let turns = Turns::default();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut unwatched = std::pin::pin!(turns.give_way());
        assert!(unwatched.as_mut().poll(&mut cx).is_pending());
        let mut waiting = std::pin::pin!(std::future::pending::<()>());
        let (polled, gave_way) = turns.watch(|| waiting.as_mut().poll(&mut cx));
        assert!(polled.is_pending() && !gave_way);
    }
}
