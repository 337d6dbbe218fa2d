//! A stat with a name of its own.

use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use super::sum_gauges;
use crate::stats::cells::{Counter, Gauge, TextReadout, WideGauge};
use crate::stats::histogram::{Histogram, Unit};
use crate::stats::import::Import;
use crate::stats::merged::MergedHistogram;
use crate::stats::view::{StatName, StatValue, StatView};

/// A stat whose name is known at run time only.
#[derive(Debug)]
pub(in crate::stats) struct SingleEntry {
    name: Arc<str>,
    cells: Vec<Single>,
    /// The counter's sum at the last reset.
    baseline: u64,
    /// The counter's sum when it was last told.
    told: u64,
    merged: Option<Box<MergedHistogram>>,
    /// What another process's gauge adds.
    imported: Option<Arc<Gauge>>,
}

/// One thread's cell of a single stat.
#[derive(Clone, Debug)]
pub(in crate::stats) enum Single {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    WideGauge(Arc<WideGauge>),
    Histogram(Arc<Histogram>, Unit),
    TextReadout(Arc<TextReadout>),
}

impl SingleEntry {
    pub(in crate::stats) fn new(name: &str, cell: Single) -> Self {
        Self {
            name: name.into(),
            cells: vec![cell],
            baseline: 0,
            told: 0,
            merged: None,
            imported: None,
        }
    }

    /// Takes over what another process counted under this name within the scope; false if it is another's.
    pub(in crate::stats) fn import(&mut self, name: &str, import: Import) -> bool {
        if *self.name != *name {
            return false;
        }
        match (self.cells.first(), import) {
            (Some(Single::Counter(_)), Import::Counter(more)) => {
                let cell = Counter::default();
                cell.add(more);
                // Nobody holds the cell, so that the next flush folds it.
                self.cells.push(Single::Counter(Arc::new(cell)));
                true
            }
            (Some(Single::Gauge(_)), Import::Gauge(value)) => {
                self.imported.get_or_insert_default().set(value);
                true
            }
            _ => false,
        }
    }

    /// Forgets what another process's gauge added.
    pub(in crate::stats) fn forget_imported_gauge(&mut self) {
        self.imported = None;
    }

    pub(in crate::stats) fn is(&self, name: &str, cell: &Single) -> bool {
        *self.name == *name && self.kind() == Some(discriminant(cell))
    }

    /// What kind of stat it is.
    pub(in crate::stats) fn kind(&self) -> Option<Discriminant<Single>> {
        self.cells.first().map(discriminant)
    }

    /// The name, for an index.
    pub(in crate::stats) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The name within the scope.
    pub(in crate::stats) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a cell. The first one stays for good and holds what dropped cells counted.
    pub(in crate::stats) fn add(&mut self, cell: Single) {
        self.cells.push(cell);
    }

    /// The newest cell of a wide gauge.
    pub(in crate::stats) fn wide_gauge(&self) -> Option<&Arc<WideGauge>> {
        self.cells.iter().rev().find_map(|cell| match cell {
            Single::WideGauge(gauge) => Some(gauge),
            _ => None,
        })
    }

    fn counter_sum(&self) -> u64 {
        self.cells.iter().fold(0, |sum, cell| match cell {
            Single::Counter(counter) => sum.wrapping_add(counter.value()),
            _ => sum,
        })
    }

    fn histograms(&self) -> impl Iterator<Item = &Histogram> {
        self.cells.iter().filter_map(|cell| match cell {
            Single::Histogram(histogram, _) => Some(&**histogram),
            _ => None,
        })
    }

    pub(in crate::stats) fn for_each(&self, prefix: &str, each: &mut dyn FnMut(StatView<'_>)) {
        let name = StatName {
            scope: prefix,
            group: ["", ""],
            leaf: &self.name,
        };
        match self.cells.first() {
            Some(Single::Counter(_)) => {
                let sum = self.counter_sum();
                let value = sum.wrapping_sub(self.baseline);
                each(StatView {
                    name,
                    value: StatValue::Counter {
                        value,
                        used: sum != 0,
                    },
                });
            }
            Some(Single::Gauge(_)) => {
                let own = self.cells.iter().filter_map(|cell| match cell {
                    Single::Gauge(gauge) => Some(&**gauge),
                    _ => None,
                });
                let (value, used) = sum_gauges(own.chain(self.imported.as_deref()));
                each(StatView {
                    name,
                    value: StatValue::Gauge { value, used },
                });
            }
            Some(Single::WideGauge(_)) => {
                let newest = self.cells.iter().rev().find_map(|cell| match cell {
                    Single::WideGauge(gauge) => Some(gauge).filter(|gauge| gauge.used()),
                    _ => None,
                });
                let value = newest.map_or(0, |gauge| gauge.value());
                let used = newest.is_some();
                each(StatView {
                    name,
                    value: StatValue::Gauge { value, used },
                });
            }
            Some(Single::Histogram(_, unit)) => {
                let value = StatValue::Histogram {
                    merged: self.merged.as_deref(),
                    unit: *unit,
                };
                each(StatView { name, value });
            }
            Some(Single::TextReadout(_)) => {
                let text = self.cells.iter().rev().find_map(|cell| match cell {
                    Single::TextReadout(text) => text.get(),
                    _ => None,
                });
                each(StatView {
                    name,
                    value: StatValue::TextReadout {
                        text: text.as_deref(),
                    },
                });
            }
            None => {}
        }
    }

    /// Calls `each` with what came to a counter since the last time.
    pub(in crate::stats) fn since_last(
        &mut self,
        prefix: &str,
        each: &mut dyn FnMut(StatView<'_>, u64),
    ) {
        let sum = self.counter_sum();
        let more = sum.wrapping_sub(self.told);
        self.for_each(prefix, &mut |stat| each(stat, more));
        self.told = sum;
    }

    /// Whether somebody holds a cell.
    pub(in crate::stats) fn is_held(&self) -> bool {
        self.cells.iter().any(|cell| match cell {
            Single::Counter(cell) => Arc::strong_count(cell) > 1,
            Single::Gauge(cell) => Arc::strong_count(cell) > 1,
            Single::WideGauge(cell) => Arc::strong_count(cell) > 1,
            Single::Histogram(cell, _) => Arc::strong_count(cell) > 1,
            Single::TextReadout(cell) => Arc::strong_count(cell) > 1,
        })
    }

    pub(in crate::stats) fn flush(&mut self) {
        self.fold();
        let mut merged = self.merged.take();
        MergedHistogram::merge(&mut merged, self.histograms());
        self.merged = merged;
    }

    /// Folds dropped cells into another dropped one, so that re-made handles do not pile up.
    fn fold(&mut self) {
        let mut kept: Option<Single> = None;
        self.cells.retain_mut(|cell| {
            if !cell.is_dropped() {
                return true;
            }
            match &kept {
                Some(kept) => {
                    kept.absorb(cell);
                    false
                }
                None => {
                    kept = Some(cell.clone());
                    true
                }
            }
        });
    }

    pub(in crate::stats) fn reset_counters(&mut self) {
        self.baseline = self.counter_sum();
    }
}

impl Single {
    /// Whether only the store holds the cell; what its thread wrote last is then visible here.
    fn is_dropped(&mut self) -> bool {
        match self {
            Self::Counter(cell) => Arc::get_mut(cell).is_some(),
            Self::Gauge(cell) => Arc::get_mut(cell).is_some(),
            Self::WideGauge(cell) => Arc::get_mut(cell).is_some(),
            Self::Histogram(cell, _) => Arc::get_mut(cell).is_some(),
            Self::TextReadout(cell) => Arc::get_mut(cell).is_some(),
        }
    }

    fn absorb(&self, other: &Self) {
        match (self, other) {
            (Self::Counter(to), Self::Counter(from)) => to.add(from.value()),
            (Self::Gauge(to), Self::Gauge(from)) => to.absorb(from),
            (Self::WideGauge(to), Self::WideGauge(from)) => to.absorb(from),
            (Self::Histogram(to, _), Self::Histogram(from, _)) => to.absorb(from),
            (Self::TextReadout(to), Self::TextReadout(from)) => {
                if let Some(newer) = from.get() {
                    to.set(&newer);
                }
            }
            _ => {}
        }
    }
}
