//! Threads that wait for the disk, so that no worker does. They are made as work comes, up to the number that is
//! configured, and end with their pool. At most 4096 questions wait; one that nobody waits for any more is left out.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;

/// How much may wait before questions are answered with nothing.
const MOST_WAITING: usize = 4096;

type Work = Box<dyn FnOnce() + Send>;

/// The threads.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    has_work: Condvar,
    most_threads: usize,
}

#[derive(Default)]
struct Queue {
    work: VecDeque<Work>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

/// Pools by the ids of their managers.
type Known = Mutex<HashMap<Box<str>, Weak<Pool>>>;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::default);

/// Work under way; none in the end if nobody could do it.
pub(crate) struct Job<T>(Arc<Mutex<Outcome<T>>>);

struct Outcome<T> {
    value: Option<T>,
    is_over: bool,
    waiting: Option<Waker>,
}

/// Says that the work is over, however it ends.
struct Doing<T>(Arc<Mutex<Outcome<T>>>);

impl Pool {
    /// One with so many threads; none of them yet.
    pub(crate) fn new(most_threads: usize) -> Self {
        Pool(Arc::new(Shared {
            queue: Mutex::default(),
            has_work: Condvar::new(),
            most_threads,
        }))
    }

    /// The one that all managers of this id share; none if another one has another number of threads.
    pub(crate) fn of_manager(id: &str, most_threads: usize) -> Option<Arc<Self>> {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, pool| pool.strong_count() > 0);
        if let Some(pool) = known.get(id).and_then(Weak::upgrade) {
            return (pool.0.most_threads == most_threads).then_some(pool);
        }
        let pool = Arc::new(Pool::new(most_threads));
        known.insert(id.into(), Arc::downgrade(&pool));
        Some(pool)
    }

    /// Has this done.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        let (job, doing) = Job::begin();
        self.put(Box::new(move || doing.done(work())));
        job
    }

    /// Has this answered, if there are not too many questions and somebody waits when its turn comes.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Job<T> {
        let (job, doing) = Job::begin();
        if self.0.queue().work.len() < MOST_WAITING {
            self.put(Box::new(move || {
                if doing.is_awaited() {
                    doing.done(question());
                }
            }));
        }
        job
    }

    fn put(&self, work: Work) {
        let mut queue = self.0.queue();
        queue.work.push_back(work);
        if queue.idle < queue.work.len() && queue.threads < self.0.most_threads {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("cache_files".to_owned());
            if thread.spawn(move || shared.keep_working()).is_ok() {
                queue.threads += 1;
            }
        }
        let dropped = match queue.threads {
            0 => std::mem::take(&mut queue.work),
            _ => VecDeque::new(),
        };
        drop(queue);
        drop(dropped);
        self.0.has_work.notify_one();
    }
}

impl<T> Job<T> {
    fn begin() -> (Self, Doing<T>) {
        let outcome = Arc::new(Mutex::new(Outcome {
            value: None,
            is_over: false,
            waiting: None,
        }));
        (Job(Arc::clone(&outcome)), Doing(outcome))
    }
}

impl<T> Doing<T> {
    fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    fn done(self, value: T) {
        outcome_of(&self.0).value = Some(value);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.queue().is_closed = true;
        self.0.has_work.notify_all();
    }
}

impl Shared {
    fn keep_working(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(work) = queue.work.pop_front() {
                drop(queue);
                work();
                queue = self.queue();
            } else if queue.is_closed {
                return;
            } else {
                queue.idle += 1;
                queue = self
                    .has_work
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Doing<T> {
    fn drop(&mut self) {
        let waiting = {
            let mut outcome = outcome_of(&self.0);
            outcome.is_over = true;
            outcome.waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl<T> Future for Job<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut outcome = outcome_of(&self.0);
        if outcome.is_over {
            return Poll::Ready(outcome.value.take());
        }
        outcome.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn outcome_of<T>(outcome: &Mutex<Outcome<T>>) -> MutexGuard<'_, Outcome<T>> {
    outcome.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait<T>(mut job: Job<T>) -> Option<T> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match Pin::new(&mut job).poll(&mut cx) {
                Poll::Ready(value) => return value,
                Poll::Pending => thread::yield_now(),
            }
        }
    }

    #[test]
    fn all_work_is_done_by_no_more_threads_than_may_be() {
        let pool = Pool::new(2);
        let jobs: Vec<_> = (0..100)
            .map(|number| pool.run(move || number * 2))
            .collect();
        let sum: i32 = jobs.into_iter().filter_map(wait).sum();
        assert_eq!(sum, 9900);
        assert!(pool.0.queue().threads <= 2);
    }

    #[test]
    fn a_question_that_nobody_waits_for_is_left_out() {
        let pool = Pool::new(1);
        let (gate, held) = std::sync::mpsc::channel::<()>();
        let first = pool.run(move || held.recv());
        let asked = Arc::new(());
        let (wanted, unwanted) = (Arc::clone(&asked), Arc::clone(&asked));
        let wanted = pool.ask(move || wanted);
        drop(pool.ask(move || unwanted));
        drop(gate);
        assert!(wait(first).is_some());
        assert!(wait(wanted).is_some());
        assert!(wait(pool.run(|| ())).is_some());
        assert_eq!(Arc::strong_count(&asked), 1);
    }

    #[test]
    fn questions_beyond_what_may_wait_come_to_nothing() {
        let pool = Pool::new(1);
        let (gate, held) = std::sync::mpsc::channel::<()>();
        let _first = pool.run(move || held.recv());
        let jobs: Vec<_> = (0..MOST_WAITING + 2).map(|_| pool.ask(|| ())).collect();
        drop(gate);
        let answered = jobs.into_iter().filter_map(wait).count();
        assert!((MOST_WAITING - 1..=MOST_WAITING).contains(&answered));
    }

    #[test]
    fn work_that_nobody_can_do_comes_to_nothing() {
        assert_eq!(wait(Pool::new(0).run(|| 1)), None);
    }

    #[test]
    fn managers_share_a_pool_by_their_id_and_must_agree_on_it() {
        let pool = Pool::of_manager("shared", 3).expect("the first");
        let again = Pool::of_manager("shared", 3).expect("the same");
        assert!(Arc::ptr_eq(&pool, &again));
        assert!(Pool::of_manager("shared", 4).is_none());
        drop((pool, again));
        assert!(Pool::of_manager("shared", 4).is_some());
    }
}
