//! Where other threads leave word for a thread's VMs: which queue has something new. A task of the thread reads it.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};

use nuncio_contract::calls::Calls;

use crate::key::Key;

/// More words than this do not wait in their order; those behind are counted by what they say.
const MAX_WORDS: usize = 1 << 18;

/// A VM, a context and a queue.
type Word = (Key, u32, u32);

/// Words of which queue has something new.
#[derive(Default)]
pub(crate) struct Mailbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    words: VecDeque<Word>,
    /// Behind them, each once, and then in turn as often as it was left.
    crowd: VecDeque<Word>,
    counts: HashMap<Word, u64>,
    waker: Option<Waker>,
}

impl Inner {
    fn take(&mut self) -> Vec<Word> {
        let batch = self.words.len().min(MAX_BATCH);
        let mut taken: Vec<Word> = self.words.drain(..batch).collect();
        while taken.len() < MAX_BATCH {
            let Some(word) = self.crowd.pop_front() else {
                break;
            };
            taken.push(word);
            match self.counts.get_mut(&word) {
                Some(left @ 2..) => {
                    *left -= 1;
                    self.crowd.push_back(word);
                }
                _ => {
                    self.counts.remove(&word);
                }
            }
        }
        taken
    }

    fn put(&mut self, word: Word) {
        if self.crowd.is_empty() && self.words.len() < MAX_WORDS {
            return self.words.push_back(word);
        }
        let count = self.counts.entry(word).or_default();
        if *count == 0 {
            self.crowd.push_back(word);
        }
        *count = count.saturating_add(1);
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.crowd.is_empty()
    }
}

impl Mailbox {
    /// Leaves word for a context of a VM.
    pub(crate) fn post(&self, vm: Key, context: u32, token: u32) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.put((vm, context, token));
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// What is read in one turn.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Vec<Word> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.take()
    }
}

/// How many words are taken before others on the thread have their turn: a plugin that answers each word with another
/// one does not hold the thread.
const MAX_BATCH: usize = 64;

/// Lets others on the thread run.
async fn give_way() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes word: the VM, the context and the queue.
pub(crate) type Ready = fn(&Key, u32, u32);

static READY: OnceLock<Ready> = OnceLock::new();

/// Says who takes word, on all threads.
pub(crate) fn read_by(ready: Ready) {
    let _the_same_each_time = READY.set(ready);
}

thread_local! {
    static OWN: RefCell<Option<Arc<Mailbox>>> = const { RefCell::new(None) };
}

/// The mailbox of this thread, which is read from now on.
pub(crate) fn of_thread(calls: &Calls) -> Arc<Mailbox> {
    if let Some(own) = OWN.with_borrow(Clone::clone) {
        return own;
    }
    let own = Arc::new(Mailbox::default());
    OWN.set(Some(Arc::clone(&own)));
    let read = Arc::clone(&own);
    calls.spawn(Box::pin(async move {
        loop {
            let words = poll_fn(|cx| {
                let mut inner = read.0.lock().unwrap_or_else(PoisonError::into_inner);
                if inner.is_empty() {
                    inner.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(inner.take())
            })
            .await;
            for (vm, context, token) in words {
                if let Some(ready) = READY.get() {
                    ready(&vm, context, token);
                }
            }
            give_way().await;
        }
    }));
    own
}
