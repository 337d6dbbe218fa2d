//! Those who wait for what was asked for on demand, by its name. Who does not wait any more is forgotten now and then, so
//! that no more are kept than twice those who do.

use std::collections::HashMap;

use nuncio_contract::on_demand::Found;
use nuncio_upstream::on_demand::Question;

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

    /// Answers all who wait for this.
    pub(super) fn answer(&mut self, name: &str, found: Found) {
        let questions = self.by_name.remove(name).unwrap_or_default();
        self.count -= questions.len();
        questions
            .into_iter()
            .for_each(|question| question.answer(found));
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Answers all who wait for one of some.
    pub(super) fn answer_if(&mut self, is_one: impl Fn(&str) -> bool, found: Found) {
        let names = self.by_name.keys();
        let names: Vec<Box<str>> = names.filter(|name| is_one(name)).cloned().collect();
        names.iter().for_each(|name| self.answer(name, found));
    }
}
