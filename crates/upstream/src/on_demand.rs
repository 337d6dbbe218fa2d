//! Questions of workers for clusters, and virtual hosts, that are not there, on their way to the main thread.
//!
//! Limit: [`MOST_QUESTIONS`] wait at a time; who asks beyond that is told that there is none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nuncio_contract::on_demand::{ClusterSource, Found};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// How many questions wait for their answers.
const MOST_QUESTIONS: usize = 1 << 16;

/// A question.
#[derive(Debug)]
pub struct Question {
    /// Whom to ask.
    pub source: Arc<ClusterSource>,
    /// For which one.
    pub name: Box<str>,
    answer: Option<oneshot::Sender<Found>>,
    waiting: Arc<AtomicUsize>,
}

/// Where questions go.
#[derive(Debug)]
pub(crate) struct Questions {
    sender: UnboundedSender<Question>,
    receiver: Mutex<Option<UnboundedReceiver<Question>>>,
    waiting: Arc<AtomicUsize>,
}

impl Question {
    /// Whether who asked still waits.
    pub fn is_awaited(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| !answer.is_closed())
    }

    /// Answers it.
    pub fn answer(mut self, found: Found) {
        if let Some(answer) = self.answer.take() {
            let _who_asked_may_be_gone = answer.send(found);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Questions {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Questions {
            sender,
            receiver: Mutex::new(Some(receiver)),
            waiting: Arc::default(),
        }
    }
}

impl Questions {
    /// Asks.
    pub(crate) fn ask(
        &self,
        source: &Arc<ClusterSource>,
        name: &str,
    ) -> impl Future<Output = Found> + use<> {
        let (answer, answered) = oneshot::channel();
        if self.waiting.fetch_add(1, Ordering::Relaxed) < MOST_QUESTIONS {
            let _nobody_answers_at_the_end = self.sender.send(Question {
                source: Arc::clone(source),
                name: name.into(),
                answer: Some(answer),
                waiting: Arc::clone(&self.waiting),
            });
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
        async move { answered.await.unwrap_or(Found::Missing) }
    }

    /// What is asked, for who answers.
    pub(crate) fn take(&self) -> Option<UnboundedReceiver<Question>> {
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.take()
    }
}
