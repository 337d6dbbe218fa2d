//! Counts of responses by code.

use std::sync::Arc;

use crate::stats::codes::{CodeCounters, CodeSums, Completed, is_class};
use crate::stats::config::Selection;
use crate::stats::import::Import;
use crate::stats::view::{StatName, StatValue, StatView};

/// Response code counters under one sub-prefix.
#[derive(Debug)]
pub(in crate::stats) struct CodesEntry {
    pub(in crate::stats) sub: &'static str,
    completed: Completed,
    workers: Vec<Arc<CodeCounters>>,
    folded: CodeCounters,
    /// Sums by name at the last reset.
    baseline: Vec<(Box<str>, u64)>,
}

impl CodesEntry {
    pub(in crate::stats) fn new(sub: &'static str, completed: Completed) -> Self {
        let (workers, baseline) = (Vec::with_capacity(1), Vec::new());
        Self {
            sub,
            completed,
            workers,
            folded: CodeCounters::default(),
            baseline,
        }
    }

    pub(in crate::stats) fn add(&mut self, cells: Arc<CodeCounters>) {
        self.workers.push(cells);
    }

    /// Takes over what another process counted under this name within the scope; false if it is not of these. What
    /// is summed up from the codes is not taken twice.
    pub(in crate::stats) fn import(&mut self, name: &str, import: Import) -> bool {
        let (Some(own), Import::Counter(more)) = (name.strip_prefix(self.sub), import) else {
            return false;
        };
        let Some(own) = own.strip_prefix("upstream_rq_") else {
            return false;
        };
        if let Ok(code) = own.parse() {
            self.folded.add(code, more);
            return true;
        }
        is_class(own) || own == "completed" && self.completed == Completed::Listed
    }

    fn sums(&self) -> CodeSums {
        let mut sums = CodeSums::default();
        self.workers.iter().for_each(|cells| sums.add(cells));
        sums.add(&self.folded);
        sums
    }

    pub(in crate::stats) fn for_each(
        &self,
        prefix: &str,
        selection: Option<&Selection>,
        each: &mut dyn FnMut(StatView<'_>),
    ) {
        self.sums().for_each(self.completed, |leaf, sum| {
            let name = || [prefix, self.sub, leaf].concat();
            if selection.is_some_and(|selection| !selection.chooses(&name())) {
                return;
            }
            let baseline = self
                .baseline
                .iter()
                .find(|entry| *entry.0 == *leaf)
                .map_or(0, |entry| entry.1);
            each(StatView {
                name: StatName {
                    scope: prefix,
                    group: [self.sub, ""],
                    leaf,
                },
                value: StatValue::Counter {
                    value: sum.wrapping_sub(baseline),
                    used: true,
                },
            });
        });
    }

    /// Whether a worker holds its cells.
    pub(in crate::stats) fn is_held(&self) -> bool {
        self.workers
            .iter()
            .any(|cells| Arc::strong_count(cells) > 1)
    }

    pub(in crate::stats) fn flush(&mut self) {
        let Self {
            workers, folded, ..
        } = self;
        workers.retain_mut(|cells| {
            let held = Arc::get_mut(cells).is_none();
            if !held {
                folded.absorb(cells);
            }
            held
        });
    }

    pub(in crate::stats) fn reset_counters(&mut self) {
        let mut baseline = Vec::new();
        self.sums().for_each(self.completed, |name, sum| {
            baseline.push((name.into(), sum))
        });
        self.baseline = baseline;
    }
}
