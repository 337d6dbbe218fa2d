//! The root of a worker's event loop: it takes turns with the system. Between two looks at the sockets all tasks run
//! that have work, and what they have to send goes out at the end ([`outbox`]).
//!
//! A `LocalSet` goes back to the runtime after 61 polls, and the runtime asks the system for events each time, though
//! under load dozens of tasks wait. Here the set is polled again as long as it has work, at most [`ROUNDS`] times:
//! about 500 polls, or a few milliseconds.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use nuncio_net::transport::outbox;
use tokio::task::LocalSet;

/// How often the set is polled before the sockets are looked at again.
const ROUNDS: usize = 8;

/// Runs `main` and the tasks of `local` until `main` is ready.
pub(crate) async fn run<T>(local: &LocalSet, main: impl Future<Output = T>) -> T {
    let mut tasks = pin!(local.run_until(main));
    let again = Arc::new(Again::default());
    let waker = Waker::from(Arc::clone(&again));
    poll_fn(|cx| {
        again.begin(cx.waker());
        let turn = outbox::begin();
        let done = again.poll(tasks.as_mut(), &waker);
        turn.end(|rest| drop(local.spawn_local(rest)));
        again.end(cx.waker());
        done
    })
    .await
}

/// Notes a wake while the tasks are polled, and passes it on at any other time.
#[derive(Default)]
struct Again {
    woken: AtomicBool,
    polling: AtomicBool,
    root: Mutex<Option<Waker>>,
}

impl Again {
    /// Polls as long as there is work.
    fn poll<T>(&self, mut tasks: Pin<&mut impl Future<Output = T>>, waker: &Waker) -> Poll<T> {
        for _ in 0..ROUNDS {
            self.woken.store(false, SeqCst);
            let done = tasks.as_mut().poll(&mut Context::from_waker(waker));
            if done.is_ready() || !self.woken.load(SeqCst) {
                return done;
            }
        }
        Poll::Pending
    }

    fn begin(&self, root: &Waker) {
        self.polling.store(true, SeqCst);
        let mut kept = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(root)) {
            *kept = Some(root.clone());
        }
    }

    /// A wake from another thread either saw `polling` end and passed itself on, or is seen here.
    fn end(&self, root: &Waker) {
        self.polling.store(false, SeqCst);
        if self.woken.load(SeqCst) {
            root.wake_by_ref();
        }
    }
}

impl Wake for Again {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, SeqCst);
        if self.polling.load(SeqCst) {
            return;
        }
        let root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = &*root {
            root.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::Waker;

    /// Wakes itself the given number of times, then waits.
    fn busy(times: usize, polls: Rc<Cell<usize>>) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            if polls.get() <= times {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }

    #[derive(Default)]
    struct Counted(std::sync::atomic::AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn polls_and_wakes(times: usize) -> (usize, usize) {
        let polls = Rc::new(Cell::new(0));
        let wakes = Arc::new(Counted::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let local = LocalSet::new();
        let mut root = pin!(run(&local, busy(times, Rc::clone(&polls))));
        assert!(
            root.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        (polls.get(), wakes.0.load(SeqCst))
    }

    #[test]
    fn tasks_with_work_left_are_polled_again_before_the_sockets() {
        assert_eq!(polls_and_wakes(3), (4, 0));
    }

    #[test]
    fn tasks_that_never_rest_still_let_the_sockets_be_looked_at() {
        assert_eq!(polls_and_wakes(usize::MAX), (ROUNDS, 1));
    }

    #[test]
    fn a_wake_between_two_polls_reaches_the_root() {
        let inner = Rc::new(Cell::new(None));
        let noting = {
            let inner = Rc::clone(&inner);
            poll_fn(move |cx| {
                inner.set(Some(cx.waker().clone()));
                Poll::<()>::Pending
            })
        };
        let wakes = Arc::new(Counted::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let local = LocalSet::new();
        let mut root = pin!(run(&local, noting));
        assert!(
            root.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(wakes.0.load(SeqCst), 0);
        let inner = inner.take().expect("the task was polled");
        std::thread::spawn(move || inner.wake())
            .join()
            .expect("a wake does not fail");
        assert_eq!(wakes.0.load(SeqCst), 1);
    }
}
