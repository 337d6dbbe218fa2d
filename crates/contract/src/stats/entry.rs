//! What a scope keeps for each group, set of code counters and single stat: the workers' cells, and how
//! they are summed, folded and reset. A group that nobody uses costs four words.

use std::sync::Arc;

use super::cells::{Counter, Gauge, TextReadout};
use super::codes::{CodeCounters, CodeSums, Completed};
use super::group::{self, CellRef, Cells, GroupTable, StatKind};
use super::histogram::{Histogram, Unit};
use super::merged::MergedHistogram;
use super::view::{StatName, StatValue, StatView};

/// A registered group; `live` appears with the first worker's cells.
pub(super) struct GroupEntry {
    table: &'static GroupTable,
    sub: &'static str,
    live: Option<Box<LiveGroup>>,
}

struct LiveGroup {
    workers: Vec<Arc<dyn Cells>>,
    /// Holds what workers counted that have let go of their cells; written by the flushing thread alone.
    folded: Option<Arc<dyn Cells>>,
    new_cells: fn() -> Arc<dyn Cells>,
    /// The counters' sums at the last reset; empty before.
    baseline: Box<[u64]>,
    /// One for each histogram once any has values.
    merged: Box<[Option<Box<MergedHistogram>>]>,
}

impl std::fmt::Debug for GroupEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let workers = self.live.as_ref().map_or(0, |live| live.workers.len());
        write!(
            formatter,
            "GroupEntry({}{}, {workers} workers)",
            self.sub, self.table.prefix
        )
    }
}

impl GroupEntry {
    pub(super) fn new(table: &'static GroupTable, sub: &'static str) -> Self {
        Self {
            table,
            sub,
            live: None,
        }
    }

    pub(super) fn is(&self, table: &'static GroupTable, sub: &'static str) -> bool {
        std::ptr::eq(self.table, table) && self.sub == sub
    }

    pub(super) fn add(&mut self, cells: Arc<dyn Cells>, new_cells: fn() -> Arc<dyn Cells>) {
        let live = self.live.get_or_insert_with(|| {
            Box::new(LiveGroup {
                workers: Vec::with_capacity(1),
                folded: None,
                new_cells,
                baseline: Box::default(),
                merged: Box::default(),
            })
        });
        live.workers.push(cells);
    }

    pub(super) fn describe(&self, each: &mut dyn FnMut(&'static GroupTable, &'static str)) {
        each(self.table, self.sub);
    }

    pub(super) fn for_each(&self, prefix: &str, each: &mut dyn FnMut(StatView<'_>)) {
        (0..self.table.len()).for_each(|index| self.read(prefix, index, each));
    }

    /// Calls `read` with the stat at `index` of the table.
    pub(super) fn read(&self, prefix: &str, index: usize, read: &mut dyn FnMut(StatView<'_>)) {
        let Some((leaf, kind)) = self.table.stat(index) else {
            return;
        };
        let live = self.live.as_deref();
        let value = match kind {
            StatKind::Counter => {
                let (value, used) = live.map_or((0, false), |live| live.counter(index));
                StatValue::Counter { value, used }
            }
            StatKind::Gauge => {
                let (value, used) = live.map_or((0, false), |live| live.gauge(index));
                StatValue::Gauge { value, used }
            }
            StatKind::Histogram(unit) => {
                let at = index - self.table.counters.len() - self.table.gauges.len();
                let merged = live.and_then(|live| live.merged.get(at)?.as_deref());
                StatValue::Histogram { merged, unit }
            }
        };
        let name = StatName {
            scope: prefix,
            group: [self.sub, self.table.prefix],
            leaf,
        };
        read(StatView { name, value });
    }

    pub(super) fn flush(&mut self) {
        if let Some(live) = &mut self.live {
            live.fold(self.table);
            live.merge(self.table);
        }
    }

    pub(super) fn reset_counters(&mut self) {
        if let Some(live) = &mut self.live {
            live.baseline = (0..self.table.counters.len())
                .map(|index| live.counter_sum(index))
                .collect();
        }
    }
}

impl LiveGroup {
    fn cells(&self, index: usize) -> impl Iterator<Item = CellRef<'_>> {
        self.workers
            .iter()
            .chain(&self.folded)
            .filter_map(move |cells| cells.cell(index))
    }

    fn counter_sum(&self, index: usize) -> u64 {
        self.cells(index).fold(0, |sum: u64, cell| match cell {
            CellRef::Counter(counter) => sum.wrapping_add(counter.value()),
            _ => sum,
        })
    }

    fn counter(&self, index: usize) -> (u64, bool) {
        let sum = self.counter_sum(index);
        let baseline = self.baseline.get(index).copied().unwrap_or(0);
        (sum.wrapping_sub(baseline), sum != 0)
    }

    fn gauge(&self, index: usize) -> (u64, bool) {
        sum_gauges(self.cells(index).filter_map(|cell| match cell {
            CellRef::Gauge(gauge) => Some(gauge),
            _ => None,
        }))
    }

    /// Takes over the counts of cells that no worker holds any more.
    fn fold(&mut self, table: &GroupTable) {
        let Self {
            workers,
            folded,
            new_cells,
            ..
        } = self;
        workers.retain(|cells| {
            if Arc::strong_count(cells) > 1 {
                return true;
            }
            group::absorb(
                table,
                &**folded.get_or_insert_with(|| new_cells()),
                &**cells,
            );
            false
        });
    }

    fn merge(&mut self, table: &GroupTable) {
        let first = table.counters.len() + table.gauges.len();
        let mut merged = std::mem::take(&mut self.merged);
        for index in 0..table.histograms.len() {
            let mut cells = self.cells(first + index).filter_map(|cell| match cell {
                CellRef::Histogram(histogram) => Some(histogram),
                _ => None,
            });
            if merged.is_empty() {
                if cells.all(Histogram::is_empty) {
                    continue;
                }
                merged = table.histograms.iter().map(|_| None).collect();
            }
            let cells = self.cells(first + index).filter_map(|cell| match cell {
                CellRef::Histogram(histogram) => Some(histogram),
                _ => None,
            });
            if let Some(slot) = merged.get_mut(index) {
                MergedHistogram::merge(slot, cells);
            }
        }
        self.merged = merged;
    }
}

fn sum_gauges<'a>(gauges: impl Iterator<Item = &'a Gauge>) -> (u64, bool) {
    let (sum, used) = gauges.fold((0i64, false), |(sum, used), gauge| {
        (sum.wrapping_add(gauge.share()), used | gauge.used())
    });
    (u64::try_from(sum).unwrap_or(0), used)
}

/// Response code counters under one sub-prefix.
#[derive(Debug)]
pub(super) struct CodesEntry {
    pub(super) sub: &'static str,
    completed: Completed,
    workers: Vec<Arc<CodeCounters>>,
    folded: CodeCounters,
    /// Sums by name at the last reset.
    baseline: Vec<(Box<str>, u64)>,
}

impl CodesEntry {
    pub(super) fn new(sub: &'static str, completed: Completed) -> Self {
        let (workers, baseline) = (Vec::with_capacity(1), Vec::new());
        Self {
            sub,
            completed,
            workers,
            folded: CodeCounters::default(),
            baseline,
        }
    }

    pub(super) fn add(&mut self, cells: Arc<CodeCounters>) {
        self.workers.push(cells);
    }

    fn sums(&self) -> CodeSums {
        let mut sums = CodeSums::default();
        self.workers.iter().for_each(|cells| sums.add(cells));
        sums.add(&self.folded);
        sums
    }

    pub(super) fn for_each(&self, prefix: &str, each: &mut dyn FnMut(StatView<'_>)) {
        self.sums().for_each(self.completed, |leaf, sum| {
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

    pub(super) fn flush(&mut self) {
        let Self {
            workers, folded, ..
        } = self;
        workers.retain(|cells| {
            let held = Arc::strong_count(cells) > 1;
            if !held {
                folded.absorb(cells);
            }
            held
        });
    }

    pub(super) fn reset_counters(&mut self) {
        let mut baseline = Vec::new();
        self.sums().for_each(self.completed, |name, sum| {
            baseline.push((name.into(), sum))
        });
        self.baseline = baseline;
    }
}

/// A stat whose name is known at run time only.
#[derive(Debug)]
pub(super) struct SingleEntry {
    name: Box<str>,
    cells: Vec<Single>,
    /// The counter's sum at the last reset.
    baseline: u64,
    merged: Option<Box<MergedHistogram>>,
}

/// One thread's cell of a single stat.
#[derive(Clone, Debug)]
pub(super) enum Single {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>, Unit),
    TextReadout(Arc<TextReadout>),
}

impl SingleEntry {
    pub(super) fn new(name: &str, cell: Single) -> Self {
        Self {
            name: name.into(),
            cells: vec![cell],
            baseline: 0,
            merged: None,
        }
    }

    pub(super) fn is(&self, name: &str, cell: &Single) -> bool {
        let same_kind =
            |held: &Single| std::mem::discriminant(held) == std::mem::discriminant(cell);
        *self.name == *name && self.cells.first().is_some_and(same_kind)
    }

    /// Adds a cell. The first one stays for good and holds what dropped cells counted.
    pub(super) fn add(&mut self, cell: Single) {
        self.cells.push(cell);
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

    pub(super) fn for_each(&self, prefix: &str, each: &mut dyn FnMut(StatView<'_>)) {
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
                let (value, used) = sum_gauges(self.cells.iter().filter_map(|cell| match cell {
                    Single::Gauge(gauge) => Some(&**gauge),
                    _ => None,
                }));
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
                let text = self.cells.iter().find_map(|cell| match cell {
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

    pub(super) fn flush(&mut self) {
        self.fold();
        let mut merged = self.merged.take();
        MergedHistogram::merge(&mut merged, self.histograms());
        self.merged = merged;
    }

    /// Folds dropped cells into another dropped one, so that re-made handles do not pile up.
    fn fold(&mut self) {
        let mut kept: Option<Single> = None;
        self.cells.retain(|cell| {
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

    pub(super) fn reset_counters(&mut self) {
        self.baseline = self.counter_sum();
    }
}

impl Single {
    fn is_dropped(&self) -> bool {
        1 == match self {
            Self::Counter(cell) => Arc::strong_count(cell),
            Self::Gauge(cell) => Arc::strong_count(cell),
            Self::Histogram(cell, _) => Arc::strong_count(cell),
            Self::TextReadout(cell) => Arc::strong_count(cell),
        }
    }

    fn absorb(&self, other: &Self) {
        match (self, other) {
            (Self::Counter(to), Self::Counter(from)) => to.add(from.value()),
            (Self::Gauge(to), Self::Gauge(from)) => to.absorb(from),
            (Self::Histogram(to, _), Self::Histogram(from, _)) => to.absorb(from),
            _ => {}
        }
    }
}
