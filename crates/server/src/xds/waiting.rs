//! Those who wait for what was asked for on demand, by its name. Who does not wait any more is forgotten now and then, so
//! that no more are kept than twice those who do.
//!
//! Who is to look at routes anew is answered once all workers have the tables that were set before: commands and answers
//! reach a worker by two ways, and the later one could be the first to be seen.

use std::collections::HashMap;
use std::sync::Arc;

use nuncio_contract::on_demand::Found;
use nuncio_upstream::on_demand::Question;

use crate::workers::{Command, Workers};

/// From how many on those who wait are looked through for such as do not wait any more.
const MANY_WAIT: usize = 64;

/// Who waits, by what for.
pub(super) struct Waiting {
    by_name: HashMap<Box<str>, Vec<Question>>,
    count: usize,
    /// How many may wait before they are looked through.
    most: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting {
            by_name: HashMap::new(),
            count: 0,
            most: MANY_WAIT,
        }
    }
}

impl Waiting {
    /// Whether somebody waits for this.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// One more.
    pub(super) fn push(&mut self, question: Question) {
        if self.count >= self.most {
            self.by_name.retain(|_, questions| {
                questions.retain(Question::is_awaited);
                !questions.is_empty()
            });
            self.count = self.by_name.values().map(Vec::len).sum();
            self.most = MANY_WAIT.max(self.count * 2);
        }
        self.count += 1;
        let questions = self.by_name.entry(question.name.clone());
        questions.or_default().push(question);
    }

    /// Whether somebody still waits for this.
    pub(super) fn is_awaited(&self, name: &str) -> bool {
        let mut questions = self.by_name.get(name).into_iter().flatten();
        questions.any(Question::is_awaited)
    }

    /// All who wait for this, to be answered.
    pub(super) fn take(&mut self, name: &str) -> Vec<Question> {
        let questions = self.by_name.remove(name).unwrap_or_default();
        self.count -= questions.len();
        questions
    }

    /// Answers all who wait for this.
    pub(super) fn answer(&mut self, name: &str, found: Found) {
        let questions = self.take(name).into_iter();
        questions.for_each(|question| question.answer(found));
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// All who wait for one of some, to be answered.
    pub(super) fn take_if(&mut self, is_one: impl Fn(&str) -> bool) -> Vec<Question> {
        let names = self.by_name.keys();
        let names: Vec<Box<str>> = names.filter(|name| is_one(name)).cloned().collect();
        names.iter().flat_map(|name| self.take(name)).collect()
    }
}

/// Has all who asked look again, once the workers have done what they were told so far.
pub(super) fn look_again(questions: Vec<Question>, workers: &Workers) {
    if questions.is_empty() {
        return;
    }
    let answers = Arc::new(Answers(questions));
    workers.tell(|| Some(Command::Pass(Arc::clone(&answers) as Arc<dyn Send + Sync>)));
}

/// Given by whoever drops them last.
struct Answers(Vec<Question>);

impl Drop for Answers {
    fn drop(&mut self) {
        let questions = self.0.drain(..);
        questions.for_each(|question| question.answer(Found::Available));
    }
}
