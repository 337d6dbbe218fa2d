//! Counts of responses by status code: `upstream_rq_<code>`, `upstream_rq_<N>xx`, `upstream_rq_completed`.
//!
//! A code's stat appears with its first response, as in Envoy; codes of 600 and more, or below 100, count as
//! completed and as `upstream_rq_unknown`.

use super::cells::Counter;
use super::sparse::SparseCounts;

/// Whether a set of code counters also owns `upstream_rq_completed`.
///
/// A cluster's own `upstream_rq_completed` belongs to its traffic group, which lists it from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// `upstream_rq_completed` appears here with the first response.
    Listed,
    /// Another group holds it.
    Elsewhere,
}

/// One worker's counts of responses by code.
#[derive(Debug, Default)]
pub struct CodeCounters {
    completed: Counter,
    codes: SparseCounts,
}

impl CodeCounters {
    /// Counts one response.
    #[inline]
    pub fn inc(&self, code: u16) {
        self.completed.inc();
        self.codes.add(code, 1);
    }

    /// Counts one response without its status.
    pub fn complete(&self) {
        self.completed.inc();
    }

    pub(super) fn add(&self, code: u16, count: u64) {
        self.completed.add(count);
        self.codes.add(code, count);
    }

    pub(super) fn absorb(&self, other: &Self) {
        self.completed.add(other.completed.value());
        other
            .codes
            .for_each(|code, count| self.codes.add(code, count));
    }
}

/// The names of the classes.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Whether this is the name of a class.
pub(super) fn is_class(name: &str) -> bool {
    CLASSES.contains(&name)
}

/// The sum of several workers' code counters.
#[derive(Debug, Default)]
pub(super) struct CodeSums {
    completed: u64,
    classes: [u64; 5],
    codes: Vec<(u16, u64)>,
    unknown: u64,
}

impl CodeSums {
    pub(super) fn add(&mut self, counters: &CodeCounters) {
        self.completed += counters.completed.value();
        counters.codes.for_each(|code, count| {
            let class = (code / 100).checked_sub(1);
            let Some(class) = class.and_then(|at| self.classes.get_mut(usize::from(at))) else {
                self.unknown += count;
                return;
            };
            *class += count;
            match self.codes.binary_search_by_key(&code, |entry| entry.0) {
                Ok(at) => self
                    .codes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|entry| entry.1 += count),
                Err(at) => self.codes.insert(at, (code, count)),
            }
        });
    }

    /// Calls `each(name, count)` for all that was counted.
    pub(super) fn for_each(&self, completed: Completed, mut each: impl FnMut(&str, u64)) {
        if self.completed > 0 && completed == Completed::Listed {
            each("upstream_rq_completed", self.completed);
        }
        for (class, count) in CLASSES.iter().zip(self.classes) {
            if count > 0 {
                each(&format!("upstream_rq_{class}"), count);
            }
        }
        for (code, count) in &self.codes {
            each(&format!("upstream_rq_{code}"), *count);
        }
        if self.unknown > 0 {
            each("upstream_rq_unknown", self.unknown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(counters: &CodeCounters, completed: Completed) -> Vec<(String, u64)> {
        let mut sums = CodeSums::default();
        sums.add(counters);
        let mut names = Vec::new();
        sums.for_each(completed, |name, count| {
            names.push((name.to_owned(), count))
        });
        names
    }

    #[test]
    fn a_code_and_its_class_appear_with_the_first_response() {
        let counters = CodeCounters::default();
        assert_eq!(listed(&counters, Completed::Listed), []);
        counters.inc(503);
        counters.inc(503);
        counters.inc(200);
        let expected = [
            ("upstream_rq_completed", 3),
            ("upstream_rq_2xx", 1),
            ("upstream_rq_5xx", 2),
            ("upstream_rq_200", 1),
            ("upstream_rq_503", 2),
        ];
        assert_eq!(
            listed(&counters, Completed::Listed),
            expected.map(|(name, count)| (name.to_owned(), count))
        );
    }

    #[test]
    fn codes_beyond_the_classes_are_unknown() {
        let counters = CodeCounters::default();
        counters.inc(777);
        counters.inc(600);
        counters.inc(99);
        assert_eq!(
            listed(&counters, Completed::Elsewhere),
            [("upstream_rq_unknown".to_owned(), 3)]
        );
    }
}
