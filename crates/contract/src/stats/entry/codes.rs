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
    /// Sums by name when they were last told.
    told: Vec<(Box<str>, u64)>,
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
            told: Vec::new(),
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
        let code = match own {
            "unknown" => Ok(0),
            own => own.parse(),
        };
        if let Ok(code) = code {
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
            let baseline = sum_of(&self.baseline, leaf);
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
        self.baseline = self.sums_by_name();
    }

    /// Calls `each` for all counters with what came since the last time.
    pub(in crate::stats) fn since_last(
        &mut self,
        prefix: &str,
        selection: Option<&Selection>,
        each: &mut dyn FnMut(StatView<'_>, u64),
    ) {
        let sums = self.sums_by_name();
        self.for_each(prefix, selection, &mut |stat| {
            let leaf = stat.name.leaf;
            let more = sum_of(&sums, leaf).wrapping_sub(sum_of(&self.told, leaf));
            each(stat, more);
        });
        self.told = sums;
    }

    fn sums_by_name(&self) -> Vec<(Box<str>, u64)> {
        let mut sums = Vec::new();
        self.sums()
            .for_each(self.completed, |name, sum| sums.push((name.into(), sum)));
        sums
    }
}

/// The sum under a name; 0 if there is none.
fn sum_of(sums: &[(Box<str>, u64)], name: &str) -> u64 {
    let found = sums.iter().find(|entry| *entry.0 == *name);
    found.map_or(0, |entry| entry.1)
}
